"""What hot calls may cost: instructions that lock memory, and host calls. steps.py counts them, call-costs.txt has the bounds."""

import pathlib

import pytest

import steps
from tool import behave, descendants

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


def host_faults(pid):
    """Page faults of all host processes below `pid`, and of those that they have waited for."""
    total = 0
    for below in descendants(pid):
        try:
            stat = pathlib.Path(f"/proc/{below}/stat").read_text()
        except OSError:
            continue  # it has just been waited for
        fields = stat[stat.rfind(")") + 2:].split()
        total += int(fields[7]) + int(fields[8])
    return total


def faults_each(tool, how, sleeping=0, files=0, mmu="host"):
    options, command = behave("@children", how, "500", str(sleeping), str(files), mmu=mmu)
    process = tool.start(*command, options=[*options, "--cpus", "1"])
    assert process.stdout.readline() == b"ready\n", process.communicate()
    counts = []
    for _ in range(3):  # the first fills caches and pools
        counts.append(host_faults(process.pid))
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"done\n", process.communicate()
    counts.append(host_faults(process.pid))
    process.stdin.close()
    process.wait(timeout=60)
    return min(counts[2] - counts[1], counts[3] - counts[2]) / 500


# A fork and its end, the same with a static program between, and that after vfork. Native has 8, 36 and 28. How many
# processes and files there are is nothing to it.
@pytest.mark.parametrize("how, allowed", [("f", 14), ("e", 40), ("v", 20)])
def test_processes_cost_few_host_faults(tool, how, allowed):
    among = [{}, {"sleeping": 100}, {"sleeping": 1000}, {"files": 100_000}, {"sleeping": 1000, "files": 100_000}]
    found = [faults_each(tool, how, **others) for others in among]
    assert max(found) <= allowed, found


# Text and stack stay mapped. Of an exec that maps all there are 32.
def test_programs_cost_few_host_faults_in_one_address_space(tool):
    found = faults_each(tool, "v", mmu="none")
    assert found <= 21, found
