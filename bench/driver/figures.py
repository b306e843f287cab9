"""From samples to what is shown: medians, spreads, ratios, goals, and their text."""

import dataclasses
import statistics


@dataclasses.dataclass
class Cell:
    """What one column measured for one row: a sample for each round, or why there is none."""

    samples: list = dataclasses.field(default_factory=list)
    error: str | None = None

    @property
    def value(self):
        return statistics.median(self.samples) if self.samples and not self.error else None

    @property
    def spread(self):
        """Half the distance of the quartiles, as a part of the median; None for a single sample."""
        if self.value is None or len(self.samples) < 2:
            return None
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return (high - low) / 2 / self.value if self.value else 0.0


def ratio(cell, native):
    """The median of the rounds' ratios: what changes slowly on the machine hits both sides of a round alike."""
    if cell is None or native is None or cell.value is None or native.value is None:
        return None
    return statistics.median(mine / theirs for mine, theirs in zip(cell.samples, native.samples))


def met(row, column, cell, native):
    """Whether the row's goal is met; None where there is none, or nothing to judge."""
    if cell is None or cell.value is None:
        return None
    if row.within is not None:
        return cell.value <= row.within if column == "host" else None
    goal, found = row.goals.get(column), ratio(cell, native)
    return None if goal is None or found is None else found <= goal


def digits(number):
    """Three significant digits, without an exponent."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def quantity(value, unit):
    """A number of nanoseconds or bytes with the prefix that suits it."""
    base, names = (1000, ["ns", "µs", "ms", "s"]) if unit == "ns" else (1024, ["B", "KiB", "MiB", "GiB"])
    while abs(value) >= base * 0.9995 and len(names) > 1:
        value, names = value / base, names[1:]
    return f"{digits(value)} {names[0]}"


def goal_text(row):
    """The goal as the table has it: for mmu=host, and for mmu=none where that differs."""
    if row.within is not None:
        return quantity(row.within, row.unit)
    if not row.goals:
        return ""
    host, none = row.goals["host"], row.goals["none"]
    return f"{host:g}" if host == none or not row.none else f"{host:g}; {none:g}"
