"""Negative controls, and machines whose ticks and kicks are set: a tick hides lost wake-ups."""

import os
import time

import pytest

import programs
import tool as tools


def in_default_root(tool, program, *words, options=(), **more):
    programs.build(program)
    options = ["-v", f"{programs.BUILD}:/t:ro", "-w", "/tmp", *options]
    for key, value in {"GUEST_IN_MARTLET": "1", **more}.items():
        options += ["-e", f"{key}={value}"]
    return tool.run(f"/t/static/{program}", *words, options=options, timeout=300)


@pytest.mark.parametrize("program, case", [("registers_switch", "busy_threads"), ("registers_switch", "threads_of_processes")])
def test_vector_test_proves_itself(tool, program, case):
    """With save and restore switched off the test of vector state must fail; with them it passes."""
    lost = in_default_root(tool, program, case, options=["--cpus", "1", "--lose-vectors"])
    assert lost.status == 1 and f"not ok {case}" in lost.out, lost.explain()
    kept = in_default_root(tool, program, case, options=["--cpus", "1"])
    assert kept.status == 0, kept.explain()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cpus", ["1", "2", "4"])
@pytest.mark.parametrize("program", ["pingpong_futex", "pingpong_pipe"])
def test_without_tick(tool, program, cpus, counts):
    """Nothing but the wake-ups themselves. Programs that spin need the tick, so the storms are not among these."""
    storm(tool, program, counts, "--cpus", cpus, "--tick", "off")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cpus", ["1", "2", "4"])
@pytest.mark.parametrize("program", ["pingpong_futex", "pingpong_pipe", "storm_fork"])
def test_under_kicks(tool, program, cpus, counts):
    """A kick every 50 µs."""
    storm(tool, program, counts, "--cpus", cpus, "--kick", "50")


def storm(tool, program, counts, *options):
    result = in_default_root(tool, program, options=options, **counts)
    assert result.status == 0 and "not ok" not in result.out, result.explain()


def host_threads(pid):
    """Of each host process below the machine's root."""
    counts = []
    for process in tools.descendants(pid)[1:]:
        try:
            counts.append(len(os.listdir(f"/proc/{process}/task")))
        except OSError:
            pass
    return max(counts, default=0)


def test_carriers_retire(tool):
    """Host threads that a space no longer needs end, and come back when it needs them again."""
    options, words = tools.behave("@threads")
    machine = tool.start(*words, options=[*options, "--cpus", "3"])
    seen = []
    while machine.poll() is None:
        count = host_threads(machine.pid)
        if count and (not seen or seen[-1] != count):
            seen.append(count)
        time.sleep(0.05)
    assert machine.returncode == 0, seen
    busy = [i for i, count in enumerate(seen) if count >= 2]
    idle = [i for i, count in enumerate(seen) if count == 1 and any(b < i for b in busy)]
    assert busy and idle and busy[-1] > idle[0], f"host threads over time: {seen}"
