"""Interactive sessions on a real terminal: natively in busybox's shells, then in Martlet."""

import os
import pathlib
import shutil
import signal
import termios
import time

import pexpect
import pytest

import programs
from tool import Tool, behave, descendants, eventually

PROMPT = r"martlet:([^\r\n#]*)# "


class Session:
    """A shell with Alpine's prompt on a pseudo-terminal of 24 lines and 80 columns."""

    def __init__(self, command, env, cwd):
        self.child = pexpect.spawn(command[0], command[1:], env=env, cwd=cwd, encoding="utf-8",
                                   codec_errors="replace", timeout=20, dimensions=(24, 80))
        self.child.delaybeforesend = None
        self.child.ptyproc.delayafterclose = 0.01
        self.before_start = None

    def prompt(self):
        """Waits for the prompt; gives what came before it."""
        self.child.expect(PROMPT)
        return self.child.before

    def send(self, text):
        self.child.send(text)

    def line(self, text):
        """Types a line; gives what came until the next prompt, without the echo."""
        self.child.send(text + "\r")
        return self.prompt().split("\n", 1)[-1].replace("\r", "")

    def program(self, text):
        """Starts a program that keeps the terminal; typed text is the program's from now on."""
        self.child.send(f"echo go; {text}\r")
        self.child.expect("\ngo\r\n")  # the shell has left its line-editing mode

    def finish(self):
        self.child.send("exit\r")
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus


def environment():
    return {"PATH": os.environ["PATH"], "TERM": "vt100", "HOME": "/root"} | (
        {key: os.environ[key] for key in ("MARTLET_KERNEL",) if key in os.environ})


def native_session(path):
    busybox = shutil.which("busybox", path=path)
    if not busybox:
        pytest.fail("busybox is not installed: run 'scripts/prerequisites test'")
    env = environment() | {"PS1": "${HOSTNAME%%.*}:$PWD# ", "HOSTNAME": "martlet.nest", "HISTFILE": "", "PATH": path}
    return Session([busybox, "sh"], env, "/tmp")  # a short prompt: lines must not wrap


def martlet_session(cpus="2", options=()):
    """The login shell, as whoever says `make run` gets it."""
    command = Tool(programs.martlet()).command("run", "--cpus", cpus, *options)
    return Session(command, environment(), "/")


KINDS = [*(pytest.param((True, mmu, "2"), marks=pytest.mark.native, id=f"native-{shell}")
           for shell, mmu in [("ash", "host"), ("hush", "none")]),
         *(pytest.param((False, mmu, cpus), id=f"{mmu}-{cpus}")
           for mmu, cpus in [("host", "1"), ("host", "2"), ("host", "4"), ("none", "1"), ("none", "4")])]


@pytest.fixture(params=KINDS)
def session(request):
    """The shell of each default root: ash, and without an MMU hush."""
    native, mmu, cpus = request.param
    if native:
        first = [request.getfixturevalue("nommu_busybox").parent] if mmu == "none" else []
        made = native_session(os.pathsep.join([*map(str, first), os.environ["PATH"]]))
    else:
        made = martlet_session(cpus, ["--mmu", mmu])
    made.native, made.hush = native, mmu == "none"
    yield made
    made.child.close(force=True)


def test_prompt_and_directory(session):
    session.prompt()
    assert session.child.match[1] == (os.path.realpath(session.child.cwd) if session.native else "/root")
    session.send("cd /tmp\r")
    session.prompt()
    assert session.child.match[1] == "/tmp"
    assert session.finish() == 0


def test_status_of_shell(session):
    session.prompt()
    session.send("exit 9\r")
    session.child.expect(pexpect.EOF)
    session.child.close()
    assert session.child.exitstatus == 9


def test_end_of_input(session):
    session.prompt()
    session.send("\x04")
    session.child.expect(pexpect.EOF)
    session.child.close()
    assert session.child.exitstatus == 0


@pytest.mark.parametrize("keys, result", [
    ("echo abx\x7fc", "abc"),            # backspace
    ("echo one\x15echo two", "two"),     # Ctrl-U
    ("echo a b\x17c", "a c"),            # Ctrl-W
    ("echo 23\x1b[D\x1b[D1", "123"),     # cursor keys
    ("\x1b[A", "remembered"),            # history
])
def test_line_editing_of_the_shell(session, keys, result):
    session.prompt()
    session.line("echo remembered")
    session.send(keys + "\r")
    session.child.expect(f"\r\n{result}\r\n")
    session.prompt()


def test_line_editing_of_the_terminal(session):
    session.prompt()
    session.program("cat")
    session.send("abx\x7fc\r")
    session.child.expect("\r\nabc\r\n")
    session.send("gone\x15kept\r")
    session.child.expect("\r\nkept\r\n")
    session.send("\x16\x03\r")  # Ctrl-V takes the next one literally
    session.child.expect(r"\^C\r\n\x03\r\n")
    session.send("part\x04")  # Ctrl-D sends what there is…
    session.child.expect("partpart")
    session.send("\x04")  # … and then the end
    session.prompt()


def test_interrupt(session):
    session.prompt()
    for _ in range(3):
        session.program("sleep 100")
        time.sleep(0.3)
        session.send("\x03")
        session.prompt()
        assert session.line("echo $?") == "130\n"


def test_interrupt_busy(session):
    session.prompt()
    # Not a loop of the interactive shell itself: it leaves its handler by longjmp, perhaps out of a C library's lock, and
    # then hangs, natively too.
    shell = "busybox sh" if session.native else "sh"
    session.program(shell + " -c 'while :; do :; done'")
    time.sleep(0.3)
    session.send("\x03")
    session.prompt()
    session.program("cat /dev/zero | cat >/dev/null")
    time.sleep(0.3)
    session.send("\x03")
    session.prompt()


def test_quit(session):
    session.prompt()
    session.program("sleep 100")
    time.sleep(0.3)
    session.send("\x1c")
    session.prompt()
    assert session.line("echo $?") == "131\n"


def test_stop_and_foreground(session):
    session.prompt()
    session.program("sleep 100")
    time.sleep(0.3)
    session.send("\x1a")
    session.child.expect(r"\[1\] \d+ sleep 100" if session.hush else "Stopped")
    session.prompt()
    assert "Stopped" in session.line("jobs")
    session.send("fg\r")
    session.child.expect("fg\r\n" if session.hush else "sleep 100\r\n")
    time.sleep(0.3)
    session.send("\x03")
    session.prompt()
    assert session.line("echo $?") == "130\n"
    assert session.line("jobs") == ""


def test_background(session):
    session.prompt()
    session.line("sleep 0.2 &")
    session.line("wait")
    session.line("sleep 100 &")
    assert "Running" in session.line("jobs")
    session.line("kill %1")
    session.line("wait")
    if session.hush:  # its background jobs have no terminal to read from
        return
    session.line("cat &")  # a background reader stops
    time.sleep(0.5)
    session.line("")
    assert "Stopped" in session.line("jobs")
    session.line("kill -9 %1")


def test_vi(session):
    vi = "busybox vi" if session.native else "vi"
    session.prompt()
    session.send(f"{vi} /tmp/guest-vi-$$\r")
    # An escape and what follows it too soon are one key: every step is seen on the screen first. The status line says
    # in which mode the editor is.
    session.child.expect("- /tmp/guest-vi")
    for keys, seen in [("i", "I /tmp/guest-vi"), ("first line\r", "2;1H"), ("second", "second"), ("\x1b", "- /tmp/guest-vi")]:
        session.send(keys)
        session.child.expect(seen)
    session.send(":wq\r")
    session.prompt()
    assert session.line("cat /tmp/guest-vi-$$; rm /tmp/guest-vi-$$") == "first line\nsecond\n"


def test_window_size(session):
    session.prompt()
    stty = "busybox stty size" if session.native else "stty size"
    assert session.line(stty) == "24 80\n"
    session.child.setwinsize(40, 132)
    assert eventually(lambda: session.line(stty) == "40 132\n", 5)
    shell = "busybox sh" if session.native else "sh"
    # The foreground group is told, which is not the interactive shell's. The word that it waits for is not in its echo.
    session.program(shell + " -c 'trap \"echo re\"sized WINCH; echo rea\"dy\"; while :; do sleep 0.1; done'")
    session.child.expect("ready")
    session.child.setwinsize(30, 100)
    session.child.expect("resized")
    session.send("\x03")
    session.prompt()


def test_much_output(session):
    session.prompt()
    text = session.line("seq 1 20000")
    assert text == "".join(f"{i}\n" for i in range(1, 20001))


def test_no_echo(session):
    session.prompt()
    session.send("read -s -p 'password: ' x; echo; echo \"<$x>\"\r")
    session.child.expect("\npassword: $")  # the echo of the command has it too, and may come in parts
    time.sleep(0.2)
    session.send("secret\r")
    assert session.prompt().replace("\r", "") == "\n<secret>\n"


def modes(child):
    return termios.tcgetattr(child.child_fd)


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.mark.parametrize("how", ["exit", "SIGTERM", "SIGKILL root"])
def test_terminal_is_restored(how):
    """Under a shell of the host, so that the terminal outlives the tool."""
    options, _ = behave("@exit")
    tool = Tool(programs.martlet())
    typed = "\"stty raw -echo; echo s''et; read x\""  # its echo has no "set"
    line = " ".join(tool.command("run", *options, "--", "sh", "-c", typed))
    child = pexpect.spawn("bash", ["--norc", "-i"], env=environment() | {"PS1": "host> "}, timeout=20, encoding="utf-8")
    try:
        child.expect("host> ")
        before = modes(child)
        child.send(line + "\r")
        child.expect("set")
        below = descendants(child.pid)
        assert below
        if how == "exit":
            child.send("\r\n")
        elif how == "SIGTERM":
            os.kill(below[0], signal.SIGTERM)
        else:
            # Root is the first process of the kernel image: the oldest.
            kernels = eventually(lambda: [pid for pid in descendants(child.pid) if name_of(pid) == "kernel"])
            os.kill(min(kernels), signal.SIGKILL)
        child.expect("host> ")
        # The shell edits lines in a mode of its own; it began both prompts in the same one.
        assert modes(child) == before
    finally:
        child.close(force=True)


def test_stop_of_the_tool():
    """SIGTSTP from outside gives the terminal back; SIGCONT (here: fg) goes on."""
    tool = Tool(programs.martlet())
    child = pexpect.spawn("bash", ["--norc", "-i"], env=environment() | {"PS1": "host> "}, timeout=20, encoding="utf-8")
    try:
        child.expect("host> ")
        child.send(" ".join(tool.command("run", "--hostname", "martlet", "--", "sh", "-l")) + "\r")
        child.expect(PROMPT)
        os.kill(descendants(child.pid)[0], signal.SIGTSTP)
        child.expect("Stopped")
        child.expect("host> ")
        child.send("echo here\r")
        child.expect("\rhere\r\n")
        child.send("fg\r")
        time.sleep(0.5)
        child.send("echo back | tr a-z A-Z\r")
        child.expect("BACK")
        child.send("exit\r")
        child.expect("host> ")
    finally:
        child.close(force=True)


def test_three_interrupts_end_the_deaf():
    options, command = behave("@deaf")
    tool = Tool(programs.martlet())
    line = tool.command("run", *options, "--", *command)
    child = pexpect.spawn(line[0], line[1:], env=environment(), timeout=20)
    try:
        child.expect("deaf")
        child.send("\x03")
        time.sleep(1.5)
        assert child.isalive()
        for _ in range(3):
            child.send("\x03")
            time.sleep(0.1)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus != 0
    finally:
        child.close(force=True)
