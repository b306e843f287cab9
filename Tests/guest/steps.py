#!/usr/bin/python3
"""What a system call does, instruction by instruction: programs/step.c over programs/hot_calls.c.

usage: steps.py                 for each call: instructions, those that lock memory, host calls
       steps.py --table         the same without instructions, for call-costs.txt
       steps.py CALL [host]     the functions in which that call spends its instructions, and what locks memory
"""

import collections
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile

import programs

SYMBOLS = [str(programs.REPOSITORY / "scripts" / "kernel-symbols"), "--show"]


@dataclasses.dataclass(frozen=True)
class Stretch:
    """The addresses of one call's instructions, each with "!" where it locks memory, "@" where it is a host call."""

    name: str
    words: tuple

    def indices(self, kind):
        return [index for index, word in enumerate(self.words) if word.endswith(kind)]

    @property
    def counts(self):
        return len(self.indices("!")), len(self.indices("@"))


def trace(where, seconds=60):
    """{call: its shortest stretch}, with the files in tmpfs or, where `where` is "host", in a directory of the host."""
    binaries = [programs.build("step"), programs.build("hot_calls")]
    with tempfile.TemporaryDirectory(prefix="steps-", dir="/dev/shm") as place:
        out = pathlib.Path(place) / "steps"
        files = ["-v", f"{place}:/files"] if where == "host" else []
        command = [binaries[0], out, programs.martlet(), "run", "--cpus", "1", "--tick", "off", *files,
                   "-v", f"{programs.BUILD}:/t:ro", "-w", "/files" if files else "/tmp", "--", "/t/static/hot_calls"]
        result = programs.run(command, seconds)
        assert result.status == 0 and result.out == "done\n", result.explain()
        lines = [line.split() for line in out.read_text().splitlines()]
    best = {}
    for name, *words in lines:
        if name not in best or len(words) < len(best[name].words):
            best[name] = Stretch(name, tuple(words))
    return best


def places(addresses):
    """{address: "function file:line"}; the guest's own addresses and nothing else are missing."""
    table = pathlib.Path(programs.martlet()).resolve().parent.parent / "share/martlet/kernel.symbols"
    kernel = sorted({address.rstrip("!@") for address in addresses if address.startswith("6800")})
    shown = subprocess.run([*SYMBOLS, str(table), *kernel], capture_output=True, text=True, check=True)
    return dict(zip(kernel, (line.split(" ", 1)[1] for line in shown.stdout.splitlines())))


def locking(stretch):
    """Where it locks memory: the function and line, with the caller of one that only counts references."""
    known = places(stretch.words)

    def place(index):
        return known.get(stretch.words[index].rstrip("!@"), "the program")

    result = []
    for index in stretch.indices("!"):
        text = place(index)
        at = index
        while at > 0 and place(at).startswith(("swift_", "_swift_")):
            at -= 1
        result.append(text if at == index else f"{text.split()[0]} for {place(at)}")
    return result


def main(words):
    best = trace("host" if words[1:] == ["host"] else "memory")
    if not words or words == ["--table"]:
        on_host = trace("host")
        for name, stretch in best.items():
            instructions = "" if words else f"{len(stretch.words):7} {len(on_host[name].words):7}"
            print(f"{name:11}{instructions}{stretch.counts[0]:4}{on_host[name].counts[0]:6}{on_host[name].counts[1]:4}")
        return
    stretch = best[words[0]]
    known = places(stretch.words)
    functions = collections.Counter(known.get(word.rstrip("!@"), "guest").rsplit(" ", 1)[0] for word in stretch.words)
    for name, count in functions.most_common():
        print(f"{count:6}  {name}")
    print(*(f"     !  {text}" for text in locking(stretch)), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
