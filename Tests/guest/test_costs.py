"""What hot calls may cost: instructions that lock memory, and host calls. steps.py counts them, call-costs.txt has the bounds."""

import pathlib

import pytest

import steps

TABLE = pathlib.Path(__file__).with_name("call-costs.txt")


def bounds():
    """{call: (locked in tmpfs, locked on hostfs, host calls there)}"""
    lines = (line.split() for line in TABLE.read_text().splitlines() if line.strip() and not line.startswith("#"))
    return {name: tuple(map(int, counts)) for name, *counts in lines}


@pytest.mark.parametrize("where", ["memory", "host"])
def test_hot_calls_cost_no_more(where):
    allowed = {name: row[:1] if where == "memory" else row[1:] for name, row in bounds().items()}
    found = steps.trace(where)
    assert sorted(found) == sorted(allowed), f"{TABLE.name} has other calls than hot_calls.c"
    wrong = []
    for name, stretch in found.items():
        counts = stretch.counts[:len(allowed[name])]
        if any(have > may for have, may in zip(counts, allowed[name])):
            wrong += [f"{name}: {counts} instead of {allowed[name]}:", *(f"    {place}" for place in steps.locking(stretch))]
        elif counts != allowed[name]:
            wrong.append(f"{name}: {counts}, better than {allowed[name]}: lower it in {TABLE.name}")
    assert not wrong, "\n".join(wrong)
