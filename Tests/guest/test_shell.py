"""`martlet run` from the outside: commands in the default root, statuses, streams, signals."""

import fcntl
import hashlib
import os
import signal
import subprocess
import time

import pytest

from tool import Tool, alive, behave, descendants, eventually

MMU = pytest.mark.parametrize("mmu", ["host", "none"])
CPUS = pytest.mark.parametrize("cpus", ["1", "2", "4"])


def sh(tool, line, *options, **more):
    return tool.run("sh", "-c", line, options=options, **more)


@MMU
@CPUS
def test_uname(anybody, cpus, mmu):
    result = anybody.run("uname", "-srm", options=["--cpus", cpus, "--mmu", mmu])
    assert (result.status, result.out) == (0, "Linux 6.12.0-martlet x86_64\n"), result.explain()


@MMU
@CPUS
def test_pipeline(anybody, cpus, mmu):
    result = sh(anybody, "echo hello | tr a-z A-Z | wc -c", "--cpus", cpus, "--mmu", mmu)
    assert result.status == 0 and result.out.strip() == "6", result.explain()


@MMU
def test_login_shell(anybody, mmu):
    """Without a command the user's login shell runs: a name that begins with a hyphen, the profile read, at home."""
    process = subprocess.Popen(anybody.command("run", "--mmu", mmu), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = process.communicate(b"echo $0 $PWD $SHELL $PAGER; exit 9\n", timeout=30)
    assert (out, process.returncode) == (b"-sh /root /bin/sh less\n", 9)


@pytest.mark.parametrize("line, status", [
    ("exit 7", 7), ("true", 0), ("false", 1), ("kill -9 $$", 137), ("kill -TERM $$", 143),
    ("kill -SEGV $$", 139), ("exit 255", 255)])
@MMU
def test_status(tool, line, status, mmu):
    assert sh(tool, line, "--mmu", mmu).status == status


@MMU
def test_dereferencing_null(tool, mmu):
    options, command = behave("@null", mmu=mmu)
    assert tool.run(*command, options=options).status == 139
    result = sh(tool, " ".join(command) + "; echo status $?; echo on", *options)
    assert result.status == 0 and result.out.endswith("status 139\non\n"), result.explain()


@MMU
@pytest.mark.parametrize("command, status", [
    (["/etc/passwd"], 126), (["/etc"], 126), (["/no/such/program"], 127), (["nosuchprogram"], 127)])
def test_cannot_run(tool, command, status, mmu):
    result = tool.run(*command, options=["--mmu", mmu])
    assert result.status == status and result.err, result.explain()


def test_no_such_directory_to_start_in(tool):
    result = tool.run("true", options=["-w", "/no/such"])
    assert result.status == 126 and "cannot start in /no/such: No such" in result.err, result.explain()


@pytest.mark.parametrize("words", [
    ["run", "--root", "/no/such/directory", "--", "true"], ["run", "--root", "/etc/passwd", "--", "true"],
    ["run", "--no-such-option", "--", "true"], ["run", "--mmu", "maybe", "--", "true"],
    ["run", "-v", "/no/such:/x", "--", "true"], ["run", "--cpus", "0", "--", "true"], ["nonsense"]])
def test_martlet_itself_fails(tool, words, place):
    from programs import run
    result = run(tool.command(*words), 30)
    assert result.status == 125, result.explain()
    assert result.err.strip() and not result.out, result.explain()


def test_broken_archive_names_the_member(tool, place):
    (place / "some-file").write_bytes(os.urandom(300000))
    archive = place / "broken.tar"
    subprocess.run(["tar", "-cf", archive, "-C", place, "some-file"], check=True)
    os.truncate(archive, 150000)
    result = tool.run("true", options=["--root", archive])
    assert result.status == 125 and "some-file" in result.err, result.explain()


def test_interpreter_missing(tool):
    result = sh(tool, "printf '#!/no/interpreter\\n' >/tmp/s; chmod +x /tmp/s; /tmp/s")
    assert result.status == 127, result.explain()


def test_yes_head(tool):
    line = f"{' '.join(tool.command('run', '--', 'yes'))} | head -n 1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
    assert result.stdout == "y\n141\n", result.stderr


def test_much_input(anybody):
    size = 100_000_000
    line = f"head -c {size} /dev/zero | {' '.join(anybody.command('run', '--', 'sha256sum'))}"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=100)
    want = hashlib.sha256()
    for _ in range(100):
        want.update(bytes(1_000_000))
    assert result.stdout.split()[0] == want.hexdigest(), result.stderr


def test_much_output(anybody):
    process = anybody.start("head", "-c", "100000000", "/dev/zero", stdin=subprocess.DEVNULL)
    size = 0
    while part := process.stdout.read(1 << 20):
        size += len(part)
        assert not part.strip(b"\0")
    process.communicate(timeout=30)
    assert size == 100_000_000 and process.returncode == 0


def test_bytes_stay_as_they_are(tool):
    data = os.urandom(3_000_000)
    process = tool.start("cat")
    out, _ = process.communicate(data, timeout=60)
    assert out == data and process.returncode == 0


@pytest.mark.parametrize("closed, mask", [("<&-", 6), (">&-", 5), ("2>&-", 3), ("<&- >&-", 4)])
def test_closed_stays_closed(tool, closed, mask):
    options, command = behave("@open")
    line = " ".join(tool.command("run", *options, "--", *command)) + " " + closed
    assert subprocess.run(["bash", "-c", line], timeout=30, stdin=subprocess.DEVNULL).returncode == mask


def test_takes_only_what_is_read(tool, place):
    options, command = behave("@take", "6")
    line = " ".join(tool.command("run", *options, "--", *command))
    (place / "input").write_text("hello world")
    for source in ["printf 'hello world' |", f"cat {place}/input |"]:
        result = subprocess.run(["bash", "-c", f"{source} ({line}; echo '|'; cat)"],
                                capture_output=True, text=True, timeout=30)
        assert result.stdout == "hello |\nworld", result.stderr
    result = subprocess.run(["bash", "-c", f"({line}; echo '|'; cat) <{place}/input"],
                            capture_output=True, text=True, timeout=30)
    assert result.stdout == "hello |\nworld", result.stderr


def test_files_are_seekable(tool, place):
    options, command = behave("@seek", "6")
    (place / "input").write_text("hello world")
    with open(place / "input") as source, open(place / "output", "w+") as target:
        process = tool.start(*command, options=options, stdin=source, stdout=target)
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert (place / "output").read_text() == "world"
    assert tool.run(*command, options=options, stdin=subprocess.PIPE).status == 29


def test_appending(tool, place):
    target = place / "out"
    target.write_text("first\n")
    with open(target, "a") as out:
        assert tool.start("echo", "second", stdin=subprocess.DEVNULL, stdout=out).wait(30) == 0
    assert target.read_text() == "first\nsecond\n"


STREAMS = ("echo a; echo b >/dev/stdout; echo c; echo d >>/dev/stdout; read x </dev/stdin; echo $x >/proc/self/fd/1; "
           "cat /dev/stdin >&2; echo e >/dev/stderr")


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_streams_open_anew(tool, place, kind):
    """/dev/stdout and its like: natively and here the same, for files and for pipes."""
    def outputs(command):
        if kind == "pipe":
            result = subprocess.run(command, input="one\ntwo\n", capture_output=True, text=True, timeout=30)
            return result.stdout, result.stderr
        (place / "in").write_text("one\ntwo\n")
        with open(place / "in") as i, open(place / "out", "w") as o, open(place / "err", "w") as e:
            subprocess.run(command, stdin=i, stdout=o, stderr=e, timeout=30)
        return (place / "out").read_text(), (place / "err").read_text()
    line = ["sh", "-c", STREAMS]
    here, native = outputs(tool.command("run", "--", *line)), outputs(["busybox", *line])
    assert here == native and here[0], (here, native)


def test_shared_pipes_stay_blocking(tool):
    reading, writing = os.pipe()
    options, command = behave("@flags")
    process = tool.start("sh", "-c", " ".join(command) + "; sleep 1", options=options, stdin=reading)
    line = process.stdout.readline()
    flags = fcntl.fcntl(reading, fcntl.F_GETFL), fcntl.fcntl(process.stdout, fcntl.F_GETFL)
    os.close(writing)
    process.communicate(timeout=30)
    assert line == b"0:\n"
    assert not any(flag & os.O_NONBLOCK for flag in flags)
    assert not fcntl.fcntl(reading, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(reading)


def test_environment(tool):
    result = tool.run("env", options=["-e", "COLOUR=blue", "-e", "EMPTY="],
                      env={"PATH": os.environ["PATH"], "HOME": "/nowhere", "SECRET": "1", "TERM": "xterm"})
    lines = dict(line.split("=", 1) for line in result.out.splitlines())
    assert lines["COLOUR"] == "blue" and lines["EMPTY"] == "" and "SECRET" not in lines, result.explain()
    assert lines["HOME"] == "/root" and lines["USER"] == "root" and "/bin" in lines["PATH"]
    assert "HOSTNAME" in lines


def test_options(tool):
    result = sh(tool, "pwd; hostname; id -u; id -g", "-w", "/tmp", "--hostname", "nest", "-u", "1000:100")
    assert result.out.split() == ["/tmp", "nest", "1000", "100"], result.explain()


def test_streams_are_apart(tool):
    result = sh(tool, "echo out; echo err >&2")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_unknown_call_is_logged(tool):
    options, command = behave("@unknown")
    result = sh(tool, " ".join(command) + " && dmesg", *options)
    assert result.status == 0 and "1000" in result.out and "behave" in result.out, result.explain()


def test_strace(tool, place):
    log = place / "trace"
    result = tool.run("cat", "/etc/passwd", options=[f"--strace={log}"])
    text = log.read_text()
    assert result.status == 0 and '"/etc/passwd"' in text and "sendfile(" in text, result.explain()
    assert "sendfile(" in tool.run("cat", "/etc/passwd", options=["--strace"]).err


def test_strace_decodes(tool):
    line = "echo a | cat; (exit 3) & wait; logger x"
    text = sh(tool, line, "--strace").err
    for wanted in ['"/proc/self/exe", ["logger", "x"]', "pipe2([3, 4]", "WNOHANG",
                   "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]", '{sa_family=AF_UNIX, sun_path="/dev/log"}']:
        assert wanted in text, (wanted, text)


def test_log_file(tool, place):
    log = place / "log"
    assert tool.run("true", options=["--log", log]).status == 0
    assert log.read_text()


def test_memory_bound(tool):
    options, command = behave("@fill", "/tmp/big")
    result = sh(tool, " ".join(command) + "; head -n 1 /proc/meminfo", "--mem", "64m", *options)
    assert "ENOSPC, then room" in result.out, result.explain()
    assert 50_000 <= int(result.out.split("MemTotal:")[1].split()[0]) <= 65_536


def test_default_root(tool):
    result = sh(tool, "cat /etc/os-release; ls -d /bin/busybox /etc/profile /etc/inittab /lib/ld-musl-x86_64.so.1;"
                      "touch /a /tmp/b && mount; ls /proc/self/ /dev /dev/pts /dev/shm /sys >/dev/null && echo all")
    assert result.status == 0 and result.out.endswith("all\n"), result.explain()
    assert sh(tool, "test -e /a").status == 1  # changes last as long as the machine


def test_small_limits(anybody):
    line = "ulimit -n 64; ulimit -u 4000; " + " ".join(anybody.command("run", "--", "echo", "fine"))
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
    assert result.stdout == "fine\n", result.stderr


@pytest.mark.parametrize("limit, works", [(300 << 20, True), (100 << 20, False)])
def test_address_space_limit(tool, limit, works):
    line = f"ulimit -v {limit}; " + " ".join(tool.command("run", "--", "echo", "fine"))
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
    if works:
        assert result.stdout == "fine\n", result.stderr
    else:
        assert result.returncode == 125 and "address" in result.stderr.lower(), result.stderr


@CPUS
def test_on_one_host_processor(tool, cpus):
    pinned = Tool(tool.path, ("taskset", "-c", "0"))
    result = sh(pinned, "for i in 1 2 3; do echo $i | cat; done", "--cpus", cpus)
    assert result.out == "1\n2\n3\n", result.explain()


def test_version_and_help(tool):
    from programs import run
    assert run(tool.command("--version"), 10).status == 0
    for words in [["--help"], ["run", "--help"], ["kunit", "--help"]]:
        result = run(tool.command(*words), 10)
        assert result.status == 0 and "--help" in result.out, result.explain()


def ready(process, word=b"ready\n"):
    assert process.stdout.readline() == word


def finished(process, seconds=20):
    process.communicate(timeout=seconds)
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_signals_are_passed_on(tool, number):
    options, command = behave("@signals")
    process = tool.start(*command, options=options)
    ready(process)
    process.send_signal(number)
    assert process.stdout.readline() == b"signal %d\n" % number
    process.terminate()
    assert finished(process) == 3


def test_terminate_in_order(tool):
    options, command = behave("@signals")
    process = tool.start(*command, options=options)
    ready(process)
    below = descendants(process.pid)
    process.terminate()
    assert finished(process) == 3
    assert eventually(lambda: not any(map(alive, below)))


def test_terminate_the_stubborn(tool):
    options, command = behave("@stubborn")
    process = tool.start(*command, options=options)
    ready(process)
    start = time.monotonic()
    process.terminate()
    assert finished(process, 40) == 137
    assert 8 < time.monotonic() - start < 25


def test_stop_and_continue_from_outside(tool):
    options, command = behave("@count")
    process = tool.start(*command, options=options)
    ready(process, b"0\n")
    process.send_signal(signal.SIGTSTP)

    def state():
        with open(f"/proc/{process.pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]

    assert eventually(lambda: state() == "T"), state()
    os.set_blocking(process.stdout.fileno(), False)
    time.sleep(0.5)
    process.stdout.read()
    time.sleep(0.5)
    assert not process.stdout.read()  # it really stands still
    process.send_signal(signal.SIGCONT)
    assert eventually(process.stdout.read)
    process.kill()
    finished(process)


def test_kill_leaves_nothing(tool):
    options, command = behave("@spin")
    process = tool.start(*command, options=options)
    ready(process)
    below = descendants(process.pid)
    assert below
    process.kill()
    finished(process)
    assert eventually(lambda: not any(map(alive, below)))


@pytest.mark.parametrize("mmu", ["host", "none"])
def test_kunit(tool, mmu):
    from programs import run
    result = run(tool.command("kunit", "--mmu", mmu), 100)
    assert result.status == 0 and "ok " in result.out, result.explain()
    assert not [line for line in result.out.splitlines() if line.lstrip().startswith("not ok")]
