"""The tool with a stand-in for the kernel: an installation of its own, whose kernel prints the boot block."""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = pathlib.Path(os.environ.get("MARTLET_TOOL", REPOSITORY / "bin/martlet"))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="with the full counts")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with --long")
    # nohup and a shell's background jobs ignore these. We go on doing so; what we start does not inherit a handler.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="only with --long"))


def make_tar(path, names=("bin/", "bin/x", "etc/"), **options):
    with tarfile.open(path, "w", **options) as archive:
        for name in names:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            data = b"" if name.endswith("/") else name.encode() * 100
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


class Machine:
    """An installed tool, and ways to run it."""

    def __init__(self, folder):
        self.tool = folder / "bin/martlet"
        self.share = folder / "share/martlet"
        self.tool.parent.mkdir()
        self.share.mkdir(parents=True)
        shutil.copy(TOOL, self.tool)
        subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-o", self.share / "kernel",
                        pathlib.Path(__file__).parent / "standin.c"], check=True)
        (self.share / "kernel.symbols").write_bytes(b"MSYM0001")
        make_tar(self.share / "root.tar")
        make_tar(self.share / "root-nommu.tar")

    def run(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([self.tool, *map(str, arguments)], capture_output=True, timeout=30, **options)

    def boot(self, *arguments, **options):
        """What the kernel was told, with the command `dump`."""
        result = self.run("run", *arguments, "dump", **options)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def start(self, *arguments, **options):
        return subprocess.Popen([self.tool, "run", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def fails(self, *arguments, **options):
        """Runs what must fail; returns its one line."""
        result = self.run(*arguments, **options)
        assert result.returncode == 125, result
        assert result.stdout == b""
        lines = result.stderr.decode().splitlines()
        assert len(lines) == 1 and lines[0].startswith("martlet: "), lines
        return lines[0].removeprefix("martlet: ")


@pytest.fixture(scope="session")
def machine(tmp_path_factory):
    if not TOOL.exists():
        pytest.exit(f"{TOOL} is not built: run 'make build'", returncode=1)
    os.environ.pop("MARTLET_KERNEL", None)
    return Machine(tmp_path_factory.mktemp("installation"))
