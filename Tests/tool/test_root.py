"""The default roots: what is in them, and that their shells' prompts come out expanded."""

import hashlib
import os
import pty
import select
import subprocess
import tarfile
import time

import pytest
from conftest import REPOSITORY

ET_DYN = 3


@pytest.fixture(scope="module", params=["host", "none"])
def mmu(request):
    return request.param


@pytest.fixture(scope="module")
def archive(mmu, tmp_path_factory):
    output = tmp_path_factory.mktemp("root") / "root.tar"
    subprocess.run([REPOSITORY / "root/build", "--mmu", mmu, output], check=True, stdout=subprocess.DEVNULL)
    return output


@pytest.fixture(scope="module")
def members(archive):
    with tarfile.open(archive) as tar:
        return {member.name: member for member in tar}


def test_the_same_packages_give_the_same_bytes(archive, mmu, tmp_path):
    again = [REPOSITORY / "root/build", "--mmu", mmu, tmp_path / "again.tar"]
    subprocess.run(again, check=True, stdout=subprocess.DEVNULL)
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in (archive, tmp_path / "again.tar")}
    assert len(digests) == 1


def test_everything_is_roots_and_of_one_time(members):
    assert {(member.uid, member.uname) for member in members.values()} == {(0, "root")}
    assert len({member.mtime for member in members.values()}) == 1
    assert members["etc/shadow"].mode == 0o640 and members["etc/shadow"].gid == 42
    assert members["tmp"].mode == members["var/tmp"].mode == 0o1777 and members["root"].mode == 0o700


def test_every_folder_comes_before_what_is_in_it(members):
    seen = set()
    for name, member in members.items():
        folder = os.path.dirname(name)
        assert not folder or folder in seen, name
        if member.isdir():
            seen.add(name)


def test_what_a_user_expects(members):
    for name in ("bin/sh", "bin/true", "usr/bin/tr", "usr/bin/wc", "bin/vi", "bin/ps", "usr/bin/top", "sbin/init"):
        assert members[name].linkname == "/bin/busybox", name
    assert members["bin/busybox"].mode == members["lib/ld-musl-x86_64.so.1"].mode == 0o755
    for name in ("passwd", "group", "hosts", "os-release", "inittab", "profile", "shells"):
        assert members[f"etc/{name}"].isfile()
    for name in ("proc", "sys", "dev", "run", "mnt", "home", "root", "usr/local/bin", "var/log"):
        assert members[name].isdir()


@pytest.mark.parametrize("mmu", ["none"], indirect=True)
def test_without_an_mmu_programs_lie_anywhere(archive, tmp_path):
    with tarfile.open(archive) as tar:
        for name in ("bin/busybox", "lib/ld-musl-x86_64.so.1"):
            tar.extract(name, tmp_path)
            header = (tmp_path / name).read_bytes()[:18]
            assert header[:4] == b"\x7fELF" and int.from_bytes(header[16:], "little") == ET_DYN
    assert b"without an MMU" in subprocess.run([tmp_path / "bin/busybox"], capture_output=True, timeout=10).stdout


@pytest.mark.parametrize("mmu", ["none"], indirect=True)
def test_programs_of_the_library_run(archive, tmp_path):
    """What is linked against the host's musl runs with the loader that was built."""
    loader = "lib/ld-musl-x86_64.so.1"
    with tarfile.open(archive) as tar:
        tar.extract(loader, tmp_path)
    source = '#include <stdio.h>\nint main(void) { puts("here"); }'
    subprocess.run(["musl-gcc", "-fPIE", "-pie", "-x", "c", "-", "-o", tmp_path / "program"], check=True, text=True,
                   input=source)
    result = subprocess.run([tmp_path / loader, tmp_path / "program"], capture_output=True, timeout=10)
    assert result.stdout == b"here\n"


def test_the_tool_takes_it(machine, archive):
    assert machine.run("run", "--root", archive, "size").stdout == f"{archive.stat().st_size}\n".encode()


def test_the_prompt_is_expanded(archive, tmp_path):
    """Runs the archive's own shell on the host, with the archive's profile."""
    with tarfile.open(archive) as tar:
        for name in ("bin/busybox", "etc/profile"):
            tar.extract(name, tmp_path)
    busybox = tmp_path / "bin/busybox"
    for applet in ("sh", "id", "hostname"):
        (tmp_path / "bin" / applet).symlink_to(busybox)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir("/usr")
        os.execve(busybox, ["sh", "-i"],
                  {"HOSTNAME": "martlet.example", "PATH": str(tmp_path / "bin"), "TERM": "dumb"})
    sign = "#" if os.geteuid() == 0 else "$"
    text = ""
    try:
        os.write(terminal, f". {tmp_path}/etc/profile\n".encode())
        for prompt, line in ((f"martlet:/usr{sign} ", "cd /tmp\n"), (f"martlet:/tmp{sign} ", "exit\n")):
            deadline = time.monotonic() + 10
            while prompt not in text:
                assert select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], text
                text += os.read(terminal, 4096).decode()
            os.write(terminal, line.encode())
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
