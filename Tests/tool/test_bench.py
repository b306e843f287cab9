"""The benchmark's driver: its rows, statistics and tables; one cheap row from end to end; what goes wrong."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import REPOSITORY, TOOL

BENCH = REPOSITORY / "bench"
sys.path.insert(0, str(BENCH / "driver"))
import columns
import figures
import report
import rows
from figures import Cell


def load_run():
    loader = importlib.machinery.SourceFileLoader("bench_run", str(BENCH / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
    loader.exec_module(module)
    return module


ROW = rows.Row("a row", "group", "calls getpid", goals=rows.goals(0.5), published=0.4)
NATIVE = columns.native()
HOST = columns.Column("host", "Martlet", None, None)


def test_statistics():
    cell = Cell([4.0, 1.0, 2.0, 3.0, 100.0])
    assert cell.value == 3.0 and cell.spread == (4 - 2) / 2 / 3
    assert Cell([7.0]).value == 7.0 and Cell([7.0]).spread is None
    assert Cell().value is None and Cell([1.0], "broken").value is None


def test_ratios_are_taken_in_each_round():
    assert figures.ratio(Cell([2.0, 30.0, 5.0]), Cell([1.0, 10.0, 5.0])) == 2.0
    assert figures.ratio(Cell([1.0]), Cell([], "broken")) is None
    assert figures.ratio(Cell([1.0]), None) is None


def test_goals():
    native = Cell([10.0])
    assert figures.met(ROW, "host", Cell([5.0]), native) is True
    assert figures.met(ROW, "host", Cell([5.1]), native) is False
    assert figures.met(ROW, "trap", Cell([5.0]), native) is None
    assert figures.met(ROW, "host", Cell([], "broken"), native) is None
    bounded = rows.Row("boot", "group", "/bin/true", within=10e6)
    assert figures.met(bounded, "host", Cell([9e6]), native) and not figures.met(bounded, "host", Cell([11e6]), native)


@pytest.mark.parametrize("value, unit, text", [
    (47.26, "ns", "47.3 ns"), (999.4, "ns", "999 ns"), (999.9, "ns", "1.00 µs"), (1234.0, "ns", "1.23 µs"),
    (12.3e6, "ns", "12.3 ms"), (4.2e12, "ns", "4,200 s"), (0.5, "ns", "0.50 ns"), (3 << 20, "B", "3.00 MiB"),
])
def test_quantities(value, unit, text):
    assert figures.quantity(value, unit) == text


def test_the_rows_are_sound():
    loaded = rows.load()
    run = load_run()
    folders = run.build.FOLDERS
    for row in loaded:
        program = pathlib.Path(row.command(**folders)[0])
        assert program.parent != folders["dynamic"] or (BENCH / "programs" / f"{program.name}.c").exists(), row
        assert row.kind in ("program", "boot", "idle", "process")
        figures.goal_text(row)
    loop = next(row for row in loaded if row.name.startswith("sh loop"))
    assert loop.command(**folders)[-1].endswith("i=$((i+1)); done")
    spawn = next(row for row in loaded if row.name == "posix_spawn, static")
    assert spawn.command(**folders)[-1] == f"{folders['static']}/nothing"
    assert [row.name for row in rows.select(loaded, "^Calls: getpid$")] == ["getpid"]
    assert len(rows.select(loaded, "")) == len(loaded)


def test_tables():
    results = {"a row": {"native": Cell([100.0, 100.0]), "host": Cell([49.0, 51.0])}}
    text = report.terminal([ROW], [NATIVE, HOST], results)
    assert "group" in text.splitlines()
    assert "50.0 ns ×0.50 ✓" in text and "×0.40" in text and "Martlet: 1 of 1 goals met" in text
    results["a row"]["host"] = Cell([], "boom")
    text = report.markdown([ROW], [NATIVE, HOST], results, [("processor", "fast")], "ratios.svg")
    assert "| processor | fast |" in text and "| failed |" in text and "a row, Martlet: boom" in text
    assert "100 ns ±0%" in text and "](ratios.svg)" in text


def test_arguments(capsys):
    run = load_run()
    assert (run.arguments([]).rounds, run.arguments([]).rows) == (5, "")
    assert run.arguments(["--rows", "pipe", "--rounds", "2"]).rounds == 2
    for words in (["--rounds", "0"], ["--rounds", "x"], ["--what"]):
        with pytest.raises(SystemExit) as ended:
            run.arguments(words)
        assert ended.value.code == 2


def bench(tool, output, *words):
    return subprocess.run([BENCH / "run", "--rounds", "1", "--output", output, *words], capture_output=True, text=True,
                          timeout=120, env=dict(os.environ, MARTLET=str(tool)))


def scratch_folders():
    return set(pathlib.Path("/dev/shm").glob("martlet-bench-*"))


def test_one_row_from_end_to_end(tmp_path):
    if not TOOL.exists():
        pytest.exit(f"{TOOL} is not built: run 'make build'", returncode=1)
    before = scratch_folders()
    result = bench(TOOL, tmp_path, "--rows", "^Calls: getpid$", "--columns", "host")
    assert result.returncode == 0, result.stderr
    assert "getpid" in result.stdout and "goals met" in result.stdout and "round 1/1" in result.stderr
    samples = json.loads((tmp_path / "samples.json").read_text())["samples"]["getpid"]
    assert all(samples[key][0] > 0 for key in ("native", "host"))
    assert "| getpid |" in (tmp_path / "table.md").read_text()
    assert scratch_folders() == before


def test_a_failure_is_shown(tmp_path):
    tool = tmp_path / "martlet"
    tool.write_text("#!/bin/sh\necho martlet: out of luck >&2\nexit 125\n")
    tool.chmod(0o755)
    result = bench(tool, tmp_path / "results", "--rows", "^Calls: getpid$", "--columns", "host")
    assert result.returncode == 1
    assert "failed: getpid, Martlet: status 125: martlet: out of luck" in result.stdout
    assert bench(tool, tmp_path, "--rows", "no such row").returncode == 2


def test_what_is_too_slow_or_left_is_ended():
    script = f"""
import os, sys
sys.path.insert(0, {str(BENCH / 'driver')!r})
import processes
processes.GRACE = 0.1
processes.adopt_orphans()
for command, timeout in (("sleep 1000 & setsid sleep 1000", 0.5), ("setsid sleep 1000 >/dev/null 2>&1 &", 60)):
    try:
        processes.run(["sh", "-c", command], os.sched_getaffinity(0), "/", timeout)
    except processes.Failure as failure:
        print(failure, processes.descendants())
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout.splitlines() == ["no end after 0.5 s []", "it left processes behind []"], result
