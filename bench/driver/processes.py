"""Running one command and leaving nothing of it: pinned, bounded in time, with all its descendants ended."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE = 5  # seconds that what a command leaves may take to end


class Failure(Exception):
    """A measurement that gave no figure; its text says why."""


def adopt_orphans():
    """Makes this process the parent of whatever a command leaves behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants():
    """Every process below this one, those that ended unnoticed included."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            children.setdefault(int(stat[stat.rfind(")") + 2:].split()[1]), []).append(int(entry))
    found = children.get(os.getpid(), [])
    for pid in found:  # grows as it is walked
        found += children.get(pid, [])
    return found


def reap():
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass


def kill_all():
    while left := descendants():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        reap()


def settled():
    """Whether all that a command started is gone, after a while."""
    end = time.monotonic() + GRACE
    while descendants() and time.monotonic() < end:
        reap()
        time.sleep(0.002)
    return not descendants()


@contextlib.contextmanager
def started(command, cpus, folder):
    """A command that runs on these CPUs in this folder until the block is left."""
    process = subprocess.Popen([str(word) for word in command], cwd=folder, text=True, errors="replace",
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    try:
        yield process
    finally:
        kill_all()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def run(command, cpus, folder, timeout):
    """What a command prints. Failure when it fails, takes too long or leaves processes."""
    with started(command, cpus, folder) as process:
        try:
            out, err = process.communicate("", timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"no end after {timeout:g} s") from None
        if process.returncode != 0:
            last = (err.strip() or out.strip() or "no message").splitlines()[-1]
            raise Failure(f"status {process.returncode}: {last}")
        if not settled():
            raise Failure("it left processes behind")
        return out
