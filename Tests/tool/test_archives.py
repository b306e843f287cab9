"""Roots in archives."""

import bz2
import gzip
import lzma
import os
import subprocess

import pytest
from conftest import make_tar


def size(machine, *arguments, **options):
    result = machine.run("run", *arguments, "size", **options)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


@pytest.fixture
def plain(tmp_path):
    return make_tar(tmp_path / "root.tar")


def pack(plain, kind):
    packed = plain.with_name(f"root.tar.{kind}")
    if kind == "gz":
        packed.write_bytes(gzip.compress(plain.read_bytes()))
    elif kind == "xz":
        packed.write_bytes(lzma.compress(plain.read_bytes()))
    else:
        subprocess.run(["zstd", "-q", plain, "-o", packed], check=True)
    return packed


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_packed(machine, plain, kind):
    packed = pack(plain, kind)
    assert size(machine, "--root", packed) == plain.stat().st_size
    table = machine.boot("--root", packed)
    entry = table["descriptors"][str(table["rootDescriptor"])]
    assert "memfd:root-archive" in entry["target"] and entry["seals"] == 15
    # The name does not matter, the contents do.
    assert size(machine, "--root", packed.rename(plain.with_name("other"))) == plain.stat().st_size


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_cut_short(machine, tmp_path, kind):
    plain = tmp_path / "root.tar"
    make_tar(plain, ["bin/", "bin/first", "bin/second"])
    with plain.open("r+b") as file:      # something that does not compress, in the middle of a member
        file.seek(2048)
        file.write(os.urandom(800))
    packed = pack(plain, kind)
    packed.write_bytes(packed.read_bytes()[:-40])
    line = machine.fails("run", "--root", packed, "dump")
    assert str(packed) in line and "broken" in line


def test_a_plain_archive_is_its_own_descriptor(machine, plain):
    boot = machine.boot("--root", plain)
    assert boot["descriptors"][str(boot["rootDescriptor"])]["target"] == str(plain)
    assert boot["rootSource"] == str(plain)


def test_from_a_pipe(machine, plain):
    for path in (plain, pack(plain, "gz")):
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as source:
            assert size(machine, "--root", "/dev/stdin", stdin=source.stdout) == plain.stat().st_size


def test_broken_members_are_named(machine, plain):
    plain.write_bytes(plain.read_bytes()[:1024 + 100])
    assert "at member 'bin/x'" in machine.fails("run", "--root", plain, "dump")


def test_a_missing_program_is_named(machine, plain):
    packed = pack(plain, "zst")
    assert "apt-get install zstd" in machine.fails("run", "--root", packed, "dump", env={"PATH": "/nowhere"})


def test_gnu_and_pax_archives(machine, tmp_path):
    (tmp_path / "r/bin").mkdir(parents=True)
    deep = tmp_path / "r/etc"
    for _ in range(12):
        deep = deep / ("d" * 40)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (deep / "again").hardlink_to(deep / "file")
    (tmp_path / "r/bin/ü").write_text("x")
    for kind in ("gnu", "pax", "posix"):
        target = tmp_path / f"{kind}.tar"
        subprocess.run(["tar", f"--format={kind}", "-cf", target, "-C", tmp_path / "r", "."], check=True)
        assert size(machine, "--root", target) == target.stat().st_size


def test_another_compression(machine, plain):
    packed = plain.with_name("root.tar.bz2")
    packed.write_bytes(bz2.compress(plain.read_bytes()))
    assert size(machine, "--root", packed) == plain.stat().st_size
