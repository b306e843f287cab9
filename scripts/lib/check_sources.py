"""Checks on the sources that git tracks."""

import re
import subprocess

from check import Result

LONGEST, LONG = 600, 400
COUNTED = (".swift", ".c", ".h", ".S", ".s", ".py")
KERNEL_FOLDERS = ("Sources/CMachine/", "Sources/CLinux/", "Sources/Machine/", "Sources/Kernel/", "Sources/KernelImage/")
# The kernel's own headers, and those that come with the compiler and need no libc.
HEADERS = re.compile(r"^(?:linux/.+|asm/.+|asm-generic/.+|std(?:int|def|bool|arg|align|atomic|noreturn)\.h|cpuid\.h"
                     r"|x86intrin\.h|immintrin\.h)$")
INCLUDE = re.compile(r"^\s*#\s*(?:include|include_next|import)\s*<([^>]+)>")
IMPORT = re.compile(r"^\s*(?:@\w+\s+|public\s+|internal\s+|private\s+)*import\s+(?:\w+\s+)?(Glibc|Musl|Foundation\w*|Darwin)\b")
UNSAFE = re.compile(r"\bunsafe\b")
CODE = re.compile(r'//[^\n]*|/\*.*?\*/|#"""(?:.*?)"""#|"""(?:.*?)"""|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def tracked(repository):
    output = subprocess.run(["git", "-C", str(repository), "ls-files", "-z"], capture_output=True, check=True).stdout
    names = [name for name in output.decode().split("\0") if name]
    return [(name, repository / name) for name in names if (repository / name).is_file()]


def is_python(path):
    with path.open("rb") as file:
        first = file.readline()
    return first.startswith(b"#!") and b"python" in first


def code_only(text):
    """The text with comments and strings blanked out; lines stay where they are."""
    return CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def sizes(files, allowed):
    places = []
    for name, path in files:
        if not (name.endswith(COUNTED) or "." not in path.name and is_python(path)):
            continue
        count = path.read_bytes().count(b"\n")
        if count > LONGEST:
            places.append(f"{name} has {count} lines")
        elif count > LONG and not allowed.permits(name):
            places.append(f"{name} has {count} lines: split it, or give a reason in scripts/allowed/long-files")
    return Result(f"files of at most {LONGEST} lines, and of {LONG} without a reason",
                  places + allowed.problems())


def headers(files):
    places = []
    for name, path in files:
        if not name.startswith(KERNEL_FOLDERS):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if (match := INCLUDE.match(line)) and not HEADERS.match(match[1]):
                places.append(f"{name}:{number} <{match[1]}>")
            elif name.endswith(".swift") and (match := IMPORT.match(line)):
                places.append(f"{name}:{number} import {match[1]}")
    return Result("no libc header or module in the kernel", places)


def unsafe(files):
    places = []
    for name, path in files:
        if name.startswith("Sources/Kernel/") and name.endswith(".swift"):
            for number, line in enumerate(code_only(path.read_text()).splitlines(), 1):
                if UNSAFE.search(line):
                    places.append(f"{name}:{number}")
    return Result("no `unsafe` in Sources/Kernel", places)


def formatting(repository):
    result = subprocess.run(["swift", "format", "lint", "--strict", "--recursive", "--parallel",
                             "Sources", "Tests", "Package.swift"], cwd=repository, capture_output=True, text=True)
    places = [line.removeprefix(f"{repository}/").replace(": error:", "")
              for line in result.stderr.splitlines() if ": error:" in line or ": warning:" in line]
    if result.returncode != 0 and not places:
        places = [f"swift format ended with {result.returncode}: {result.stderr.strip()[:200]}"]
    return Result("swift format lint", places)


def run(repository, allowed):
    files = tracked(repository)
    return [unsafe(files), formatting(repository), sizes(files, allowed("long-files")), headers(files)]
