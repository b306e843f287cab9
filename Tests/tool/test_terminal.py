"""The terminal: raw while the machine runs, itself again afterwards."""

import fcntl
import json
import os
import pty
import signal
import struct
import termios
import time

import pytest

CONSOLE = 16
WINDOW_SIZE, SIGNAL, TERMINATE, STOP, CONTINUE = 1, 2, 3, 4, 5


class Terminal:
    """A pseudo-terminal, and a session leader in it that starts the tool as a shell would."""

    def __init__(self, command, rows=30, columns=90, foreground=True):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.pipe, report = os.pipe()
        self.leader = os.fork()
        if self.leader == 0:
            self.lead(command, foreground, report)
        os.close(report)
        self.tool = int(self.report())
        self.text = b""

    def lead(self, command, foreground, report):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        go, gone = os.pipe()
        tool = os.fork()
        if tool == 0:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            os.read(go, 1)
            for number in (0, 1, 2):
                os.dup2(self.slave, number)
            os.execv(command[0], command)
        os.setpgid(tool, tool)
        if foreground:
            os.tcsetpgrp(self.slave, tool)
        os.write(report, f"{tool}\n".encode())
        os.write(gone, b"x")
        while True:
            _, status = os.waitpid(tool, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                os.tcsetpgrp(self.slave, os.getpgrp())
                os.write(report, b"stopped\n")
                signal.sigwait([signal.SIGUSR1])
                os.tcsetpgrp(self.slave, tool)
                os.killpg(tool, signal.SIGCONT)
            else:
                os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
                signal.pause()  # the terminal lasts as long as its session

    def report(self):
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.pipe, 1) or b"\n"
        return line.decode().strip()

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, text):
        deadline = time.monotonic() + 10
        while text not in self.text:
            assert time.monotonic() < deadline, self.text
            self.text += os.read(self.master, 4096)
        before, _, self.text = self.text.partition(text)
        return before + text

    def is_raw(self):
        flags = termios.tcgetattr(self.slave)
        return not flags[3] & (termios.ICANON | termios.ECHO | termios.ISIG) and not flags[1] & termios.OPOST

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        for process in (self.tool, self.leader):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(self.leader, 0)
        for descriptor in (self.master, self.slave, self.pipe):
            os.close(descriptor)


@pytest.fixture
def terminal(machine):
    opened = []

    def start(*command, **options):
        opened.append(Terminal([str(machine.tool), "run", *command], **options))
        return opened[-1]

    # The session leader is told to go on by a signal that it waits for.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    yield start
    for terminal in opened:
        terminal.close()


def test_raw_during_the_machine_and_restored_after(terminal):
    there = terminal("dump")
    boot = json.loads(there.read_until(b"\n"))
    assert boot["flags"] & CONSOLE and boot["raw"] == 1
    assert (boot["rows"], boot["columns"]) == (30, 90)
    assert there.report() == "0" and there.is_restored()


def test_no_console_in_the_background(terminal):
    there = terminal("dump", foreground=False)
    boot = json.loads(there.read_until(b"\n"))
    assert boot["flags"] & CONSOLE == 0 and boot["raw"] == 0


def test_no_console_where_only_one_end_is_the_terminal(machine):
    master, slave = pty.openpty()
    assert machine.boot(stdin=slave)["flags"] & CONSOLE == 0
    os.close(master)
    os.close(slave)


def test_window_size(terminal):
    there = terminal("serve")
    there.read_until(b"ready\r\n")
    there.resize(50, 132)
    there.read_until(f"message {WINDOW_SIZE} 50 132\r\n".encode())


@pytest.mark.parametrize("number, status", [
    (signal.SIGTERM, 143), (signal.SIGQUIT, 131), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_restored_after_signals(terminal, number, status):
    there = terminal("serve")
    there.read_until(b"ready\r\n")
    assert there.is_raw()
    os.kill(there.tool, number)
    assert there.report() == str(status) and there.is_restored()


def test_restored_when_the_kernel_crashes(terminal):
    there = terminal("kill", "11")
    assert b"signal 11" in there.read_until(b"\n")
    assert there.report() == "125" and there.is_restored()


def test_restored_when_the_tool_crashes(terminal):
    there = terminal("serve")
    there.read_until(b"ready\r\n")
    os.kill(there.tool, signal.SIGSEGV)
    assert there.report() == str(-signal.SIGSEGV) and there.is_restored()


def test_restored_when_the_kernel_cannot_be_started(terminal, monkeypatch, tmp_path):
    monkeypatch.setenv("MARTLET_KERNEL", str(tmp_path))
    there = terminal("serve")
    assert there.report() == "125" and there.is_restored()
    assert b"cannot start the kernel" in there.read_until(b"\n")


def test_stop_and_continue(terminal):
    there = terminal("serve")
    there.read_until(b"ready\r\n")
    for rows in (40, 41):
        os.kill(there.tool, signal.SIGTSTP)
        there.read_until(f"message {STOP} 0 0\r\n".encode())
        assert there.report() == "stopped" and there.is_restored()
        there.resize(rows, 80)
        os.kill(there.leader, signal.SIGUSR1)
        there.read_until(f"message {WINDOW_SIZE} {rows} 80\r\n".encode())
        there.read_until(f"message {CONTINUE} 0 0\r\n".encode())
        assert there.is_raw()


def test_continued_in_the_background_the_terminal_stays_as_it_is(terminal):
    there = terminal("serve")
    there.read_until(b"ready\r\n")
    os.kill(there.tool, signal.SIGTSTP)
    assert there.report() == "stopped"
    os.kill(there.tool, signal.SIGCONT)
    there.read_until(f"message {CONTINUE} 0 0".encode())
    assert there.is_restored()
