"""The columns of the table: how each of the systems runs a command."""

import dataclasses
import os
import shutil
import subprocess
import typing

NATIVE = "native"


@dataclasses.dataclass(frozen=True)
class Column:
    key: str
    title: str
    wrap: typing.Callable  # (command, row, scratch): the command line that runs it in this system
    boot: typing.Callable  # (command, scratch): the same, in the system's simplest form
    fits: typing.Callable = lambda row: True  # whether the row can run there
    ours: bool = True  # a failure of it is the benchmark's


def native():
    return Column(NATIVE, "native", lambda command, row, scratch: command, lambda command, scratch: command,
                  lambda row: row.kind != "idle")


def martlet(tool, build, key, title, *options, fits=lambda row: True):
    """The guest sees the host's root and works in a tmpfs, or in a folder of the host."""

    def wrap(command, row, scratch):
        where = ["-v", f"{scratch}:/mnt", "-w", "/mnt"] if row.hostfs else ["-w", "/dev/shm"]
        return [tool, "run", *options, "--root", "/", "--ro", "-v", f"{build}:{build}:ro", *where, "--", *command]

    return Column(key, title, wrap, lambda command, scratch: [tool, "run", *options, "--", *command], fits)


def gvisor():
    """Its /dev is a tmpfs of its own, which hides the host's /dev/shm and so the folder of the hostfs rows."""
    runsc = ["runsc", "--network=none", "--ignore-cgroups", *(["--rootless"] if os.geteuid() else []), "do"]
    return Column("gvisor", "gVisor", lambda command, row, scratch: [*runsc, "-cwd", "/dev", *command],
                  lambda command, scratch: [*runsc, "-cwd", "/", *command], lambda row: not row.hostfs, ours=False)


def user_mode_linux(build):
    """The host's root as hostfs; umlinit is its process 1 and ends it when the command ends."""

    def machine(command, scratch, folder="-"):
        quoted = [f'"{word}"' if " " in word else word for word in map(str, command)]
        return ["linux.uml", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "mem=1024M", "quiet",
                f"uml_dir={scratch}/", "con=null", "con0=fd:0,fd:1", f"init={build}/static/umlinit", "--", folder, *quoted]

    return Column("uml", "UML", lambda command, row, scratch: machine(command, scratch, scratch if row.hostfs else "-"),
                  machine, ours=False)


def accepts(tool, hook):
    """Whether this tool, on this host, catches calls in that way."""
    command = [tool, "run", "--hook", hook, "--", "/bin/true"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30).returncode == 0


def available(tool, build):
    """The columns that can be measured here, native first."""
    columns = [native(), martlet(tool, build, "host", "Martlet"),
               martlet(tool, build, "none", "mmu=none", "--mmu", "none", fits=lambda row: row.none)]
    columns += [martlet(tool, build, hook, f"hook={hook}", "--hook", hook, fits=lambda row: row.hooks)
                for hook in ("zpoline", "trap") if accepts(tool, hook)]
    columns += [gvisor()] if shutil.which("runsc") else []
    columns += [user_mode_linux(build)] if shutil.which("linux.uml") else []
    return columns
