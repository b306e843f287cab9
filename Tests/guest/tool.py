"""Running `martlet` from the tests: as whoever runs them, and as an ordinary user."""

import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import programs

NOBODY = 65534
HOOKS = ["trap", "rewrite", "zpoline"]


@dataclasses.dataclass
class Tool:
    """The command, with what has to come before it to run it as another user."""

    path: str
    prefix: tuple = ()

    def command(self, *words):
        return [*self.prefix, self.path, *map(str, words)]

    def run(self, *words, options=(), timeout=60, **more):
        """`martlet run OPTIONS -- WORDS`, to its end."""
        return programs.run(self.command("run", *options, "--", *words), timeout, **more)

    def start(self, *words, options=(), **more):
        """The same, left running: a Popen with pipes, in a session of its own."""
        more = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        return subprocess.Popen(self.command("run", *options, "--", *words),
                                start_new_session=True, **more)


@functools.cache
def zpoline_refusal():
    """What `--hook zpoline` says where the host has no page 0 for us; empty where it works."""
    result = Tool(programs.martlet()).run("true", options=["--hook", "zpoline"])
    return "" if result.status == 0 else result.err


def behave(*words, mmu="host"):
    """Options and command that run Tests/guest/programs/behave.c in the default root."""
    variant = {"host": "static", "none": "pie"}[mmu]
    programs.build("behave", variant)
    return ["--mmu", mmu, "-v", f"{programs.BUILD}:/t:ro"], [f"/t/{variant}/behave", *words]


def copy_for_everybody():
    """bin/ and share/ where an ordinary user can read them; the tool is relocatable."""
    path = pathlib.Path(programs.martlet())
    target = pathlib.Path(tempfile.mkdtemp(prefix="guest-tool-"))
    target.chmod(0o755)
    shutil.copytree(path.parent, target / "bin")
    share = path.parent.parent / "share"
    if share.exists():
        shutil.copytree(share, target / "share", symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", target], check=True)
    return target


def user_tool(target):
    return Tool(str(target / "bin" / pathlib.Path(programs.martlet()).name),
                ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"))


def descendants(pid):
    """Every process below this one, through /proc."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            fields = stat[stat.rfind(")") + 2 :].split()
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def alive(pid):
    """Whether the process is there and no zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rfind(")") + 2] not in "ZX"


def resident_mib(pid):
    """Private anonymous memory of a process, in MiB."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    return 0


def eventually(condition, seconds=10):
    """The condition's value as soon as it is true, else its last one."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value
