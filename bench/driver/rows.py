"""The rows of the table, from rows.toml."""

import dataclasses
import pathlib
import re
import shlex
import tomllib

FILE = pathlib.Path(__file__).resolve().parent.parent / "rows.toml"


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    group: str
    run: str  # the program and its arguments, as in a shell
    kind: str = "program"  # or boot, idle, process: see measure.py
    goals: dict = dataclasses.field(default_factory=dict)  # the highest ratio to native, for each column
    within: float | None = None  # the highest value itself (ns), where there is nothing to compare with
    published: float | None = None  # a peer's own ratio
    cpus: int = 1
    hostfs: bool = False  # works in a host directory instead of a tmpfs
    hooks: bool = False  # measured with each way to catch calls
    none: bool = True  # runs in mmu=none: needs no fork and no program at a fixed address

    def command(self, **folders):
        """The words of the command; the program is one of ours, or has a path."""
        words = [word.format(**folders) if re.match(r"\{\w+\}", word) else word for word in shlex.split(self.run)]
        return words if "/" in words[0] else [f"{folders['dynamic']}/{words[0]}", *words[1:]]

    @property
    def unit(self):
        return "B" if self.kind in ("idle", "process") else "ns"


def goals(goal):
    return goal if isinstance(goal, dict) else dict.fromkeys(("host", "none", "zpoline"), goal)


def load(path=FILE):
    table = tomllib.loads(path.read_text())
    rows = []
    for group in table["group"]:
        shared = {key: value for key, value in group.items() if key not in ("name", "rows")}
        for row in group["rows"]:
            fields = shared | row
            goal = fields.pop("goal", table["goal"])
            rows.append(Row(group=group["name"], goals=goals(goal), **fields))
    assert len({row.name for row in rows}) == len(rows), "two rows have the same name"
    return rows


def select(rows, pattern):
    return [row for row in rows if re.search(pattern, f"{row.group}: {row.name}")]
