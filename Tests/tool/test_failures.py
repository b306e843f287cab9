"""What Martlet itself fails at: status 125, and one line that says what and what to do."""

import json
import resource
import shutil
import subprocess

import pytest

MISTAKES = [
    (["--bogus"], "--bogus"),
    (["nonsense"], "nonsense"),
    (["run", "--bogus", "ls"], "unknown option '--bogus'"),
    (["run", "--cpus", "x"], "--cpus"),
    (["run", "--cpus", "0"], "--cpus 0"),
    (["run", "--cpus", "65"], "from 1 to 64"),
    (["run", "--cpus"], "--cpus"),
    (["run", "--mem", "1.5g"], "--mem"),
    (["run", "--mem", "1m"], "at least 16m"),
    (["run", "--mmu", "real"], "'host' and 'none'"),
    (["run", "--hook", "nothing"], "'trap'"),
    (["run", "-u", "joe"], "uid[:gid]"),
    (["run", "-v", "/a"], "host:guest"),
    (["run", "-v", "/nowhere/at/all:/x", "ls"], "/nowhere/at/all"),
    (["run", "-v", "/dev/null:/x", "ls"], "only directories and regular files"),
    (["run", "-v", "/:/x", "-v", "/bin:/x/", "ls"], "twice"),
    (["run", "-w", "x", "ls"], "absolute"),
    (["run", "-e", "=1", "ls"], "-e NAME=VALUE"),
    (["run", "--hostname", "", "ls"], "--hostname"),
    (["run", "--loglevel", "9", "ls"], "0 to 7"),
    (["run", "--log", "/nowhere/log", "ls"], "--log"),
    (["run", "--strace=/nowhere/log", "ls"], "--strace"),
    (["run", "--root", "/nowhere", "ls"], "/nowhere"),
    (["run", "--root", "/proc/self/task", "ls"], "not a root"),
    (["run", "--root", "/etc/passwd", "ls"], "not a tar archive"),
    (["run", "--root", "/dev/null", "ls"], "broken"),
    (["run", ""], "empty"),
    (["kunit", "a", "b"], "'b'"),
]


@pytest.mark.parametrize("arguments, expected", MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_mistakes(machine, arguments, expected):
    assert expected in machine.fails(*arguments)


def test_limits(machine):
    def small_space():
        resource.setrlimit(resource.RLIMIT_AS, (100 << 30, 100 << 30))

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    def soft_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

    assert "ulimit -v" in machine.fails("run", "true", preexec_fn=small_space)
    assert "ulimit -f" in machine.fails("run", "true", preexec_fn=small_files)
    assert machine.run("run", "exit", "0", preexec_fn=soft_files).returncode == 0


def test_few_descriptors(machine):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))

    assert machine.boot("-v", "/:/a", preexec_fn=few)["mounts"]
    volumes = [part for number in range(10) for part in ("-v", f"/:/{number}")]
    assert "Too many open files" in machine.fails("run", *volumes, "dump", preexec_fn=few)


def test_missing_parts(machine, tmp_path):
    (tmp_path / "bin").mkdir()
    shutil.copy(machine.tool, tmp_path / "bin/martlet")

    def line(*options):
        result = subprocess.run([tmp_path / "bin/martlet", "run", *options, "true"], capture_output=True, text=True)
        assert result.returncode == 125
        return result.stderr

    assert "default root is missing" in line()
    (tmp_path / "share/martlet").mkdir(parents=True)
    shutil.copy(machine.share / "root.tar", tmp_path / "share/martlet/root.tar")
    assert "cannot start the kernel" in line() and "make build" in line()
    without = line("--mmu", "none")  # the other root is not taken: its shell could not start
    assert "default root is missing" in without and "make root-nommu" in without


@pytest.mark.parametrize("arguments, expected", [
    (["--help"], b"martlet run"), (["run", "--help"], b"--root"), (["run", "-h"], b"--root"),
    (["help", "run"], b"--root"), (["kunit", "--help"], b"KTAP"), (["--version"], b"6.12.0-martlet"),
    (["--generate-completion-script", "bash"], b"martlet"), ([], b"SUBCOMMANDS"),
])
def test_what_is_asked_for_is_no_failure(machine, arguments, expected):
    result = machine.run(*arguments)
    assert (result.returncode, result.stderr) == (0, b"") and expected in result.stdout


def test_help_after_the_command_is_the_commands(machine):
    assert json.loads(machine.run("run", "dump", "--help").stdout)["arguments"] == ["dump", "--help"]


@pytest.mark.parametrize("status", [0, 7, 125, 126, 127, 141, 255])
def test_the_machines_status_is_ours(machine, status):
    assert machine.run("run", "exit", status).returncode == status


@pytest.mark.parametrize("signal", [9, 11, 15])
def test_a_killed_kernel(machine, signal):
    assert f"signal {signal} " in machine.fails("run", "kill", signal)
