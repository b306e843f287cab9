"""Options, expected failures, and the promise that no test leaves anything behind."""

import ctypes
import os
import pathlib
import shutil
import signal
import sys
import tarfile
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import programs  # noqa: E402

EXPECTED = pathlib.Path(__file__).with_name("expected-failures.txt")
PR_SET_CHILD_SUBREAPER = 36


def pytest_addoption(parser):
    group = parser.getgroup("guest tests")
    group.addoption("--native-only", action="store_true",
                    help="run only what runs on the host itself; Martlet is not needed")
    group.addoption("--martlet-only", action="store_true",
                    help="leave out the native tests (a guest test still passes natively first)")
    group.addoption("--hook", default="rewrite", choices=["rewrite", "zpoline", "trap"],
                    help="how test_guest.py has system calls caught")
    group.addoption("--long", action="store_true",
                    help="full counts: 1,000,000 rounds, storms of 5,000, 50 kills")


def pytest_configure(config):
    config.addinivalue_line("markers", "native: runs on the host, without Martlet")
    # Orphans of a test become our children, so that none can hide.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # nohup and a shell's background jobs ignore these. We go on doing so; what we start does not inherit a handler.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def expectations():
    """(test id, reason) of each line; an id may end in `*`."""
    lines = EXPECTED.read_text().splitlines() if EXPECTED.exists() else []
    rows = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    for row in rows:
        if len(row) != 2:
            raise pytest.UsageError(f"{EXPECTED.name}: no reason given for {row[0]}")
    return rows


def pytest_collection_modifyitems(config, items):
    keep, drop = [], []
    for item in items:
        native = item.get_closest_marker("native") is not None
        unwanted = config.getoption("--martlet-only") if native else config.getoption("--native-only")
        (drop if unwanted else keep).append(item)
    config.hook.pytest_deselected(items=drop)
    items[:] = keep
    for name, reason in expectations():
        for item in items:
            own = item.nodeid.rsplit("/", 1)[-1]
            if own == name or (name.endswith("*") and own.startswith(name[:-1])):
                # What hangs is not even tried: it would cost its whole timeout.
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True,
                                                  run=not reason.startswith("hangs")))


def children():
    found = set()
    for task in pathlib.Path("/proc/self/task").iterdir():
        try:
            found |= {int(pid) for pid in (task / "children").read_text().split()}
        except OSError:
            pass
    return found


def reap(pids):
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


@pytest.fixture(autouse=True)
def nothing_left():
    """After each test no process may be left: those found are killed, and the test fails."""
    before = children()
    yield
    end = time.monotonic() + 5
    while left := children() - before:
        reap(left)
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    left = children() - before
    if not left:
        return
    told = []
    for pid in left:
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            told.append(stat[: stat.rfind(")") + 3])
        except OSError:
            pass
    while left := children() - before:  # killing a parent hands us its children
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap(left)
        time.sleep(0.005)
    pytest.fail("left behind: " + "; ".join(told))


@pytest.fixture
def place():
    """A directory of the test's own, removed afterwards whatever was made in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="guest-", dir=os.environ.get("GUEST_TMP")))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def counts(request):
    return programs.counts(request.config.getoption("--long"))


@pytest.fixture
def tool():
    """`martlet` as whoever runs the tests."""
    from tool import Tool
    return Tool(programs.martlet())


@pytest.fixture(params=["trap", "rewrite", "zpoline"])
def hook(request):
    """Each way to catch system calls that this host has."""
    from tool import zpoline_refusal
    if request.param == "zpoline" and zpoline_refusal():
        pytest.skip("page 0 cannot be mapped here")
    return request.param


@pytest.fixture(scope="session")
def copied_tree():
    from tool import copy_for_everybody
    target = copy_for_everybody()
    yield target
    shutil.rmtree(target)


@pytest.fixture(scope="session")
def nommu_busybox(tmp_path_factory):
    """The busybox of the root for --mmu none, whose shell is hush. It runs natively too, so the host is its oracle."""
    root = pathlib.Path(programs.martlet()).parent.parent / "share/martlet/root-nommu.tar"
    if not root.exists():
        pytest.skip("there is no root for --mmu none: 'make root-nommu' makes it")
    busybox = tmp_path_factory.mktemp("nommu") / "busybox"
    with tarfile.open(root) as archive:
        busybox.write_bytes(archive.extractfile("bin/busybox").read())
    busybox.chmod(0o755)
    return busybox


@pytest.fixture(params=["same-user", "ordinary-user"])
def anybody(request):
    """`martlet` as whoever runs the tests and, where that is root, as an ordinary user too."""
    from tool import Tool, user_tool
    if request.param == "same-user":
        return Tool(programs.martlet())
    if os.geteuid() != 0:
        pytest.skip("an ordinary user runs these tests already")
    return user_tool(request.getfixturevalue("copied_tree"))
