"""SIGKILL from outside: what dies with it, what lives on, and that nothing is left."""

import os
import signal
import subprocess
import time

import pytest

import programs
from tool import alive, behave, descendants, eventually, resident_mib

CPUS = pytest.mark.parametrize("cpus", ["1", "2", "4"])


def ready(process):
    line = process.stdout.readline()
    if line != b"ready\n":
        process.kill()
        pytest.fail(f"not ready: {line} {process.communicate()}")


def everything_below(process):
    """The host processes of a machine, until none is new."""
    found = set()
    for _ in range(20):
        fresh = set(descendants(process.pid)) - found
        if not fresh and found:
            break
        found |= fresh
        time.sleep(0.01)
    return found


def fat_one(process):
    """The host process of the guest program that has 60 MiB (see behave.c)."""
    fat = eventually(lambda: [pid for pid in descendants(process.pid) if resident_mib(pid) > 50])
    assert len(fat) == 1, [(pid, resident_mib(pid)) for pid in descendants(process.pid)]
    return fat[0]


@CPUS
@pytest.mark.parametrize("what", ["@spin", "@sleep"])
def test_program_dies_machine_lives(tool, what, cpus):
    """In guest code and asleep in the kernel: the program is killed by SIGKILL, no more."""
    options, command = behave(what)
    line = f"{' '.join(command)}; echo status $?; echo on | cat; sleep 0.1; {command[0]} @exit 4"
    process = tool.start("sh", "-c", line, options=["--cpus", cpus, *options])
    ready(process)
    below = everything_below(process)
    os.kill(fat_one(process), signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert out == b"status 137\non\n" and process.returncode == 4, (out, err)
    assert eventually(lambda: not any(map(alive, below)))


@CPUS
def test_two_threads_of_kills(tool, cpus):
    """Killed while siblings idle, spin and sleep on other processors; again and again."""
    options, command = behave("@spin")
    line = (f"for i in 1 2 3; do {command[0]} @sleep >/dev/null & done; "
            f"for i in 1 2 3 4 5; do {' '.join(command)}; echo status $?; done; kill -9 %1 %2 %3; wait; echo end")
    process = tool.start("sh", "-c", line, options=["--cpus", cpus, *options])
    sleepers = []
    for _ in range(5):
        ready(process)
        fat = eventually(lambda: len(found := [p for p in descendants(process.pid) if resident_mib(p) > 50]) >= 4 and found)
        assert fat
        # The spinner is the one whose processor time grows.
        times = {pid: ticks(pid) for pid in fat}
        time.sleep(0.3)
        spinner = max(fat, key=lambda pid: ticks(pid) - times.get(pid, 0))
        os.kill(spinner, signal.SIGKILL)
        assert process.stdout.readline() == b"status 137\n"
        sleepers.append(spinner)
    out, err = process.stdout.read(), process.stderr.read()  # communicate() knows nothing of what readline() has buffered
    assert out == b"end\n" and process.wait(30) == 0, (out, err)
    assert len(set(sleepers)) == 5


def ticks(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    except OSError:
        return 0


def test_killed_in_kernel_code(tool, request):
    """With a lock held a clear panic is allowed: 125, and the log says what happened."""
    options, command = behave("@call")
    for _ in range(20 if request.config.getoption("--long") else 5):
        process = tool.start("sh", "-c", f"{' '.join(command)}; echo status $?", options=options)
        ready(process)
        below = everything_below(process)
        os.kill(fat_one(process), signal.SIGKILL)
        out, err = process.communicate(timeout=30)
        if process.returncode == 125:
            assert b"panic" in err.lower(), err
        else:
            assert (out, process.returncode) == (b"status 137\n", 0), (out, err)
        assert eventually(lambda: not any(map(alive, below)))


def storm(tool, cpus):
    """A machine in which four storms of fork and exec rage for ever."""
    programs.build("storm_fork")
    line = ("echo ready; for s in fork_exec_exit many_at_once orphans killed_children; do "
            "(while :; do /t/static/storm_fork $s; done >/dev/null) & done; wait")
    options = ["--cpus", cpus, "-v", f"{programs.BUILD}:/t:ro", "-e", "GUEST_STORM=100000"]
    process = tool.start("sh", "-c", line, options=options, stdin=subprocess.DEVNULL)
    ready(process)
    return process


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victim", ["root", "tool"])
def test_root_killed_in_mid_storm(tool, victim, request):
    for i in range(50 if request.config.getoption("--long") else 6):
        process = storm(tool, str([1, 2, 4][i % 3]))
        time.sleep(0.05 + i % 7 * 0.05)
        root = descendants(process.pid)[0]
        os.kill(root if victim == "root" else process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        # All of them are descendants of ours now, as this process is their subreaper.
        left = eventually(lambda: not living_children()) or living_children()
        assert left is True, left


def living_children():
    return [pid for pid in descendants(os.getpid()) if alive(pid)]


def test_terminated_in_mid_storm(tool):
    process = storm(tool, "2")
    time.sleep(0.3)
    process.terminate()
    process.communicate(timeout=30)
    assert eventually(lambda: not living_children())


def answer(process, command):
    """The line that a shell prints for a line."""
    process.stdin.write(command)
    process.stdin.flush()
    return process.stdout.readline()


PROCESSES = 14  # root's, the shell's, and twelve that wait for the next exec


@pytest.mark.timeout(300)
@CPUS
def test_storm_leaves_nothing_behind(tool, cpus, request):
    """Host processes, descriptors and guest memory are back to their count after each storm."""
    programs.build("storm_fork")
    rounds = "5000" if request.config.getoption("--long") else "500"
    line = ("echo ready; while read x; do case $x in "
            "storm) /t/static/storm_fork fork_exec_exit many_at_once orphans >/dev/null; echo done;; "
            "count) set -- /proc/[0-9]*; echo $# $(sed -n 's/^MemFree: *//p' /proc/meminfo);; esac; done")
    options = ["--cpus", cpus, "-v", f"{programs.BUILD}:/t:ro", "-e", f"GUEST_STORM={rounds}"]
    process = tool.start("sh", "-c", line, options=options)
    ready(process)
    seen, free = [], []
    for _ in range(3):
        assert answer(process, b"storm\n") == b"done\n"
        time.sleep(2)  # idle carriers retire after a second; init reaps the last orphans
        below = descendants(process.pid)
        assert len(below) <= PROCESSES, below
        guests, memory, _ = answer(process, b"count\n").split()
        free.append(int(memory))
        seen.append(([len(os.listdir(f"/proc/{pid}/fd")) for pid in below][:3], int(guests)))
    process.communicate(timeout=30)
    # The first storm fills caches and pools; the later ones must not add to them.
    assert seen[1] == seen[2], seen
    assert free[1] - free[2] < 1024, free  # KiB
