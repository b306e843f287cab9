"""Every case of every program, on the host and then, with the same binary, in Martlet."""

import functools
import os
import pathlib
import shutil
import tempfile

import pytest

import programs

NATIVE = [(case, variant) for name in programs.names()
          for variant in programs.settings(name)["variants"]
          for case in programs.cases(name) if "MARTLET" not in case.flags]


def ways(case, settings):
    """(variant, mmu, cpus, root) of every run in Martlet; the further variants with two processors."""
    several = "CPUS" in case.flags
    for variant in settings["variants"]:
        for root in settings["roots"] if variant != "dynamic" else ["host"]:
            for cpus in ["1", "2", "4"] if several and variant == "static" else ["2"]:
                yield variant, "host", cpus, root
    if "FORKS" not in case.flags:
        for cpus in ["1", "4"] if several else ["2"]:
            yield "pie", "none", cpus, settings["roots"][0]


IN_MARTLET = [(case, *way) for name in programs.names()
              for case in programs.cases(name) for way in ways(case, programs.settings(name))]


def label(row):
    case, *rest = row
    return "-".join([case.program, case.name, *rest])


def allowed(name, long):
    return programs.settings(name)["timeout"] * (30 if long else 1)


@functools.cache
def natively(case, variant, long):
    """One run on the host, remembered for the session."""
    binary = programs.build(case.program, variant)
    place = pathlib.Path(tempfile.mkdtemp(prefix="guest-", dir=os.environ.get("GUEST_TMP")))
    place.chmod(0o755)
    environment = os.environ | programs.counts(long)
    try:
        return programs.run([binary, case.name], allowed(case.program, long), place, environment)
    finally:
        shutil.rmtree(place)


def judge(result, where):
    if result.status != 0 or "not ok" in result.out or "ok " not in result.out:
        pytest.fail(f"{where}: {result.explain()}", pytrace=False)


@pytest.mark.native
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("case, variant", NATIVE, ids=map(label, NATIVE))
def test_native(case, variant, request):
    result = natively(case, variant, request.config.getoption("--long"))
    judge(result, "natively")
    if "# SKIP" in result.out:
        pytest.skip(result.out.split("# SKIP", 1)[1].strip())


@pytest.mark.timeout(4000)
@pytest.mark.parametrize("case, variant, mmu, cpus, root", IN_MARTLET, ids=map(label, IN_MARTLET))
def test_martlet(case, variant, mmu, cpus, root, place, counts, request):
    long = request.config.getoption("--long")
    native = None
    if "MARTLET" not in case.flags:
        native = natively(case, variant, long)
        judge(native, "natively")
    binary = programs.build(case.program, variant)
    command = [programs.martlet(), "run", "--mmu", mmu, "--cpus", cpus, "--hook", request.config.getoption("--hook")]
    for key, value in {**counts, "GUEST_IN_MARTLET": "1", "GUEST_MMU": mmu}.items():
        command += ["-e", f"{key}={value}"]
    if root == "host":
        # The programs at /mnt: the checkout itself may lie below /tmp, which is another directory in there.
        command += ["--root", "/", "--ro", "-v", f"{place}:/tmp", "-v", f"{programs.BUILD}:/mnt:ro", "-w", "/tmp"]
        binary = f"/mnt/{variant}/{case.program}"
    else:
        command += ["-v", f"{programs.BUILD}:/t:ro", "-w", "/tmp"]
        binary = f"/t/{variant}/{case.program}"
    result = programs.run([*command, "--", binary, case.name],
                          allowed(case.program, long) + 10)
    judge(result, "in Martlet")
    if "DIFF" in case.flags:
        assert result.out == native.out
    if "# SKIP" in result.out:
        if native and "# SKIP" not in native.out:
            pytest.fail(f"skipped in Martlet only: {result.out}")
        pytest.skip(result.out.split("# SKIP", 1)[1].strip())
