"""What one round of one row gives in one column: by the row's kind."""

import os
import re
import select
import statistics

from processes import Failure, run, started

FIGURE = re.compile(r"^([\d.]+) ns\r?$", re.M)
STATUS = re.compile(r"^(.*)\n?^status ([1-9]\d*)\r?$", re.M)  # umlinit's, since a machine that was powered off has none of its own


def sample(row, column, bench):
    """One figure: nanoseconds for one operation, or bytes."""
    return {"program": program, "boot": boot, "idle": idle, "process": process}[row.kind](row, column, bench)


def program(row, column, bench):
    """The median of the repetitions that a program reports."""
    return median_of(column.wrap(row.command(**bench.folders), row, bench.scratch), row, bench)


def boot(row, column, bench):
    """The time from outside, of a machine for this one command."""
    timer = [bench.folders["dynamic"] / "repeat", "time"]
    return median_of([*timer, *column.boot(row.command(**bench.folders), bench.scratch)], row, bench)


def median_of(command, row, bench):
    output = run(command, bench.cpus(row), bench.scratch, bench.timeout)
    if failed := STATUS.search(output):
        raise Failure(f"status {failed[2]}: {failed[1].strip()}")
    figures = [float(figure) for figure in FIGURE.findall(output)]
    if not figures:
        raise Failure(f"no figure in {output.strip()[-200:]!r}")
    return statistics.median(figures)


def idle(row, column, bench):
    """The memory of all the host processes of a machine in which one program sleeps."""
    return memory(row, column, bench)[1]


def process(row, column, bench):
    """What each of many sleeping processes adds to that."""
    count, many = memory(row, column, bench)
    _, one = memory(row, column, bench, 0)
    return (many - one) / count


def memory(row, column, bench, count=None):
    """How many sleepers, and the proportional set size of all processes: pages in n of them count as an nth."""
    name, said = row.command(**bench.folders)
    count = int(said) if count is None else count
    command = column.wrap([name, str(count)], row, bench.scratch)
    with started(command, bench.cpus(row), bench.scratch) as running:
        seen = b""
        while b"ready" not in seen:
            if not select.select([running.stdout], [], [], bench.timeout)[0]:
                raise Failure(f"not ready after {bench.timeout:g} s")
            if not (part := os.read(running.stdout.fileno(), 4096)):
                raise Failure(f"it ended: {running.stderr.read().strip()[-200:]}")
            seen += part
        return count, bench.proportional_set_size()
