"""The build's own scripts: the checks find what they are for, and the symbols are right."""

import os
import struct
import subprocess

import pytest
from conftest import REPOSITORY

GOOD = """
.globl _start, arch_sigreturn, arch_vector_save, arch_vector_restore
.type _start, @function
_start: call door; ret
.type door, @function
door: syscall; ret
.type arch_sigreturn, @function
arch_sigreturn: mov $15, %eax; jmp door
.type arch_vector_save, @function
arch_vector_save: xsave (%rdi); ret
.type arch_vector_restore, @function
arch_vector_restore: xrstor (%rdi); rdfsbase %rax; sub $0x800, %rsp; mov %gs:0, %rax; ret
.type other, @function
other: ret
"""

FAULTS = [
    ("movups %xmm0, (%rax)", "no vector or x87"),
    ("vmovdqu64 %zmm17, (%rax)", "no vector or x87"),
    ("kmovq %k1, %rax", "no vector or x87"),
    ("movq %mm0, %rax", "no vector or x87"),
    ("fld1", "no vector or x87"),
    ("fninit", "no vector or x87"),
    ("fxsave (%rdi)", "no vector or x87"),
    ("ldmxcsr (%rdi)", "no vector or x87"),
    ("syscall", "exactly one syscall"),
    ("sysenter", "exactly one syscall"),
    ("int $0x80", "exactly one syscall"),
    ("mov %fs:0x28, %rax", "no thread-local"),
    ("mov %rax, %fs:(%rcx)", "no thread-local"),
    ("sub $0x808, %rsp", "stack frames"),
    ("add $-0x1000, %rsp", "stack frames"),
    ("lea -0x1000(%rsp), %rsp", "stack frames"),
    ("sub %rax, %rsp", "stack frames"),
]


def clang(*arguments):
    subprocess.run(["clang", *map(str, arguments)], check=True)


@pytest.fixture
def link(tmp_path):
    def link(source, *flags):
        (tmp_path / "image.S").write_text(source)
        clang("-nostdlib", "-static", "-fuse-ld=lld", "-Wl,--image-base=0x680000000000", *flags,
              tmp_path / "image.S", "-o", tmp_path / "image")
        return tmp_path / "image"

    return link


def checks(image, *arguments):
    result = subprocess.run([REPOSITORY / "scripts/checks", "--only", "image", *arguments, image],
                            capture_output=True, text=True)
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert result.returncode == bool(failed), result
    return failed


def test_a_good_image(link):
    assert checks(link(GOOD)) == []


@pytest.mark.parametrize("instruction, title", FAULTS)
def test_faults_are_found(link, instruction, title):
    failed = checks(link(GOOD.replace("other: ret", f"other: {instruction}; ret")))
    assert len(failed) == 1 and title in failed[0] and ("other at 0x" in failed[0]), failed


def test_segments_and_sections(link):
    assert any("PT_TLS" in line for line in checks(link(GOOD + '.section .tdata,"awT",@progbits\n.quad 1\n')))
    assert any("constructors" in line for line in checks(link(GOOD + '.section .init_array,"aw"\n.quad 1\n')))
    dynamic = checks(link(GOOD, "-static-pie", "-Wl,--image-base=0"))
    assert any("PT_DYNAMIC" in line for line in dynamic)


def test_what_is_missing(link, tmp_path):
    failed = checks(link(GOOD.replace("syscall", "nop").replace("arch_sigreturn", "sigreturn")))
    assert ["syscall" in failed[0], "sigreturn" in failed[1], len(failed)] == [True, True, 2]
    assert "make build" in checks(tmp_path / "nothing")[0]


def test_exceptions_need_a_reason_and_a_use(link, tmp_path):
    lists = tmp_path / "allowed"
    lists.mkdir()
    (lists / "vector-functions").write_text("arch_vector_*\n")
    assert "gives no reason" in checks(link(GOOD), "--allowed", lists)[0]
    (lists / "vector-functions").write_text("arch_vector_*  # saves\nunused  # nothing\n")
    assert "'unused'" in checks(link(GOOD), "--allowed", lists)[0]


def lookup(symbols, address):
    data = symbols.read_bytes()
    magic, count, strings = struct.unpack_from("<8sII", data)
    assert magic == b"MSYM0001" and strings == 16 + 16 * count
    entries = [struct.unpack_from("<IIII", data, 16 + 16 * index) for index in range(count)]
    assert entries == sorted(entries)
    *_, (_, function, file, line) = [entry for entry in entries if entry[0] <= address - 0x680000000000]
    text = [data[strings + offset:data.index(b"\0", strings + offset)].decode() for offset in (function, file)]
    return (*text, line)


@pytest.mark.parametrize("version", [4, 5])
def test_symbols(tmp_path, version):
    source = tmp_path / "x.c"
    source.write_text("int work(volatile int *p) {\n  *p = 1;\n  return *p;\n}\n\nvoid _start(void) {\n"
                      "  int x;\n  work(&x);\n  __builtin_trap();\n}\n")
    image, symbols = tmp_path / "image", tmp_path / "image.symbols"
    clang("-O1", "-g", f"-gdwarf-{version}", "-fno-inline", "-ffreestanding", "-nostdlib", "-static", "-fuse-ld=lld",
          "-Wl,--image-base=0x680000000000", source, "-o", image)
    outputs = set()
    for _ in range(2):
        subprocess.run([REPOSITORY / "scripts/kernel-symbols", image, symbols], check=True, stdout=subprocess.DEVNULL)
        outputs.add(symbols.read_bytes())
    assert len(outputs) == 1
    names = subprocess.run(["nm", image], capture_output=True, text=True).stdout.split()
    address = {name: int(value, 16) for value, name in zip(names[::3], names[2::3])}
    assert lookup(symbols, address["work"])[::2] == ("work", 2)
    assert lookup(symbols, address["_start"])[:2] == ("_start", "x.c")
    assert lookup(symbols, 0x680000000000 + (1 << 31)) == ("", "", 0)
    shown = subprocess.run([REPOSITORY / "scripts/kernel-symbols", "--show", symbols, hex(address["work"]), "10"],
                           capture_output=True, text=True).stdout.splitlines()
    assert shown == [f"{address['work']:#x} work x.c:2", "0x10 ?"]


def test_make_help_lists_every_target():
    help_text = subprocess.run(["make", "-s", "help"], cwd=REPOSITORY, capture_output=True, text=True).stdout
    for target in ("run", "test", "test-long", "kunit", "checks", "format", "lint", "clean", "install", "build", "docs",
                   "bench"):
        assert f"make {target} " in help_text


def test_missing_packages_are_named_in_one_line(tmp_path):
    for name, text in {"dpkg-query": "exit 0", "sudo": "exit 1", "id": "echo 1000"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    result = subprocess.run([REPOSITORY / "scripts/prerequisites"], capture_output=True, text=True,
                            env=dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}"))
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and len(lines) == 2
    assert "apt-get install" in lines[1] and "linux-libc-dev" in lines[1]


def test_documents_are_what_the_sources_say():
    result = subprocess.run([REPOSITORY / "scripts/generate-docs", "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_stale_documents_are_found(tmp_path):
    names = subprocess.run(["git", "ls-files", "-z", "README.md", "docs", "scripts", "Sources"], cwd=REPOSITORY,
                           capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
        (tmp_path / name).chmod((REPOSITORY / name).stat().st_mode)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    ranks = tmp_path / "Sources/Machine/Locks/LockRank.swift"
    ranks.write_text(ranks.read_text().replace("case socket\n", "case socket\n  case novel\n"))
    (tmp_path / "docs/objects.md").unlink()
    result = subprocess.run([tmp_path / "scripts/generate-docs", "--check"], capture_output=True, text=True)
    assert result.returncode == 1
    for text in ("docs/locking.md: `make docs`", "novel is missing", "there is no docs/objects.md"):
        assert text in result.stdout, result.stdout
    subprocess.run([tmp_path / "scripts/generate-docs"], check=True)
    assert "| `novel` |" in (tmp_path / "docs/locking.md").read_text()
