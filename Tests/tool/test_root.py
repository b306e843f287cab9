"""The default root: what is in it, and that its shell's prompt comes out expanded."""

import hashlib
import os
import pty
import subprocess
import tarfile
import time

import pytest
from conftest import REPOSITORY


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    output = tmp_path_factory.mktemp("root") / "root.tar"
    subprocess.run([REPOSITORY / "root/build", output], check=True, stdout=subprocess.DEVNULL)
    return output


@pytest.fixture(scope="module")
def members(archive):
    with tarfile.open(archive) as tar:
        return {member.name: member for member in tar}


def test_the_same_packages_give_the_same_bytes(archive, tmp_path):
    subprocess.run([REPOSITORY / "root/build", tmp_path / "again.tar"], check=True, stdout=subprocess.DEVNULL)
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
        os.execve(busybox, ["sh", "-i"], {"ENV": str(tmp_path / "etc/profile"), "HOSTNAME": "martlet.example",
                                          "PATH": str(tmp_path / "bin"), "TERM": "dumb"})
    sign = "#" if os.geteuid() == 0 else "$"
    text = ""
    try:
        for prompt, line in ((f"martlet:/usr{sign} ", "cd /tmp\n"), (f"martlet:/tmp{sign} ", "exit\n")):
            deadline = time.monotonic() + 10
            while prompt not in text:
                assert time.monotonic() < deadline, text
                text += os.read(terminal, 4096).decode()
            os.write(terminal, line.encode())
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
