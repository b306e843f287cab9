"""What the rows need: the programs, and files for the commands to work on. Built once, below bench/.build."""

import io
import pathlib
import random
import subprocess
import tarfile

FOLDER = pathlib.Path(__file__).resolve().parent.parent
BUILD = FOLDER / ".build"
FOLDERS = {"dynamic": BUILD / "dynamic", "static": BUILD / "static", "data": BUILD / "data"}
VARIANTS = {"dynamic": [], "static": ["-static-pie"]}  # position-independent, which mmu=none needs
FILES, SOURCES = 5000, 10


def programs():
    header = FOLDER / "programs/bench.h"
    for variant, flags in VARIANTS.items():
        FOLDERS[variant].mkdir(parents=True, exist_ok=True)
        for source in (FOLDER / "programs").glob("*.c"):
            target = FOLDERS[variant] / source.stem
            newest = max(source.stat().st_mtime, header.stat().st_mtime)
            if not target.exists() or target.stat().st_mtime < newest:
                subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-pthread", *flags, "-o", target, source], check=True)


def text(random_, lines):
    line = " ".join("".join(random_.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(12)) + "\n"
    return line * lines


def tree(path):
    """An archive of text files of 0.1 to 8 KiB in a hundred folders; the last one has the word `needle`."""
    random_ = random.Random(1)
    with tarfile.open(path, "w") as archive:
        for number in range(FILES):
            data = text(random_, random_.randint(1, 100)) + ("needle\n" if number == FILES - 1 else "")
            member = tarfile.TarInfo(f"tree/{number % 100:02}/{number}.txt")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data.encode()))


def source(number):
    """A C file of twenty functions."""
    functions = [f"int f{number}_{i}(int x, char *s) {{\n  for (int i = 0; i < x; i++) s[i] = (char)(x * {i} + i);\n"
                 f'  if (x > {i}) printf("%d %s\\n", x, s);\n  return (int)strlen(s) + x;\n}}\n' for i in range(20)]
    return "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n" + "".join(functions)


def data():
    FOLDERS["data"].mkdir(parents=True, exist_ok=True)
    if not (archive := FOLDERS["data"] / "tree.tar").exists():
        tree(archive.with_suffix(".new"))
        archive.with_suffix(".new").rename(archive)
    for number in range(SOURCES):
        if not (path := FOLDERS["data"] / f"{number}.c").exists():
            path.write_text(source(number))


def everything():
    programs()
    data()
