"""The guest programs: their cases (read out of the source), how they are built and run."""

import dataclasses
import functools
import hashlib
import os
import pathlib
import re
import signal
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "programs"
BUILD = HERE / ".build"
REPOSITORY = HERE.parent.parent

WARNINGS = ["-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Wno-unused-result",
            "-Wno-stringop-overflow", "-Wno-stringop-overread"]  # tests pass bad pointers on purpose
LINUX_HEADERS = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]
COMPILERS = {
    "static": ["gcc", "-static"],
    "pie": ["gcc", "-static-pie"],  # the only static form that mmu=none can place
    "dynamic": ["gcc"],
    "musl": ["musl-gcc", "-static", *LINUX_HEADERS],
}


@dataclasses.dataclass(frozen=True)
class Case:
    program: str
    name: str
    flags: frozenset


@dataclasses.dataclass
class Result:
    status: int  # as a shell gives it
    out: str
    err: str
    timed_out: bool = False

    def explain(self):
        late = "timed out; " if self.timed_out else ""
        return f"{late}exit status {self.status}\n--- stdout\n{self.out[-6000:]}\n--- stderr\n{self.err[-6000:]}"


def names():
    return sorted(path.stem for path in SOURCES.glob("*.c"))


@functools.cache
def source(name):
    return (SOURCES / f"{name}.c").read_text()


@functools.cache
def settings(name):
    """The `// guest: key=value…` line of a program: variants, roots, timeout, libs."""
    line = re.search(r"^// guest: (.*)$", source(name), re.M)
    pairs = dict(word.split("=", 1) for word in line[1].split()) if line else {}
    return {
        "variants": pairs.get("variants", "static").split(","),
        "roots": pairs.get("roots", "default").split(","),
        "timeout": float(pairs.get("timeout", 60)),
        "flags": pairs.get("flags", "").split(",") if "flags" in pairs else [],
        "libs": pairs.get("libs", "").split(",") if "libs" in pairs else [],
    }


@functools.cache
def cases(name):
    found = re.findall(r"^TEST\((\w+)(?:, *([\w |]+))?\)", source(name), re.M)
    return [Case(name, case, frozenset(re.findall(r"\w+", flags))) for case, flags in found]


@functools.cache
def build(name, variant="static"):
    """Compiles a program unless that very content has been compiled; gives the path."""
    target = BUILD / variant / name
    extra = settings(name)
    command = [*COMPILERS[variant], "-D_GNU_SOURCE", "-O2", "-g", *WARNINGS, "-pthread", *extra["flags"],
               str(SOURCES / f"{name}.c"), *extra["libs"]]
    digest = hashlib.sha256(repr(command).encode())
    for path in [SOURCES / f"{name}.c", *sorted(SOURCES.glob("*.h"))]:
        digest.update(path.read_bytes())
    stamp = target.with_suffix(".stamp")
    if target.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}")
    subprocess.run([*command, "-o", str(fresh)], check=True)
    fresh.rename(target)
    stamp.write_text(digest.hexdigest())
    return target


def martlet():
    return os.environ.get("MARTLET") or str(REPOSITORY / "bin" / "martlet")


def run(command, timeout, cwd=None, env=None, stdin=subprocess.DEVNULL, **options):
    """Runs a command in a session of its own; past the timeout its process group is killed."""
    process = subprocess.Popen(
        [str(word) for word in command], stdin=stdin, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=cwd, env=env, start_new_session=True,
        errors="replace", text=True, **options)
    late = False
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(process.pid, signal.SIGKILL)
        try:
            out, err = process.communicate(timeout=10)
        except subprocess.TimeoutExpired as stuck:  # someone else holds the pipes
            out, err = (part.decode(errors="replace") if isinstance(part, bytes) else part or ""
                        for part in (stuck.output, stuck.stderr))
    code = process.returncode
    return Result(128 - code if code is not None and code < 0 else code, out or "", err or "", late)


def counts(long):
    """The number of rounds, as environment for the programs."""
    short = {"GUEST_ROUNDS": "20000", "GUEST_STORM": "500"}
    return {"GUEST_ROUNDS": "1000000", "GUEST_STORM": "5000"} if long else short
