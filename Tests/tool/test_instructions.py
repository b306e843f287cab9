"""The kernel's instruction decoder against objdump, and its patches of system call sites, run natively."""

import collections
import ctypes
import mmap
import os
import pathlib
import re
import struct
import subprocess

import pytest

import elf_text

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = [REPOSITORY / "Tests/tool/instructions/main.swift",
           *sorted((REPOSITORY / "Sources/Machine/Rewrite").glob("*.swift")),
           *[REPOSITORY / "Sources/Machine/X86" / name for name in (
               "Instruction.swift", "InstructionDecoder.swift", "OpcodeLayout.swift", "CodeWindow.swift", "CodeFlow.swift",
               "StubWriter.swift", "PatchPlanner.swift")]]

LIBRARIES = "/usr/lib/x86_64-linux-gnu"
SHORT = [f"{LIBRARIES}/libc.so.6", f"{LIBRARIES}/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-musl/libc.so",
         "/bin/busybox"]
LONG = ["/usr/bin/python3", "/usr/bin/git", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "/usr/bin/go", "/usr/bin/node",
        f"{LIBRARIES}/libcrypto.so.3",
        *sorted({str(path.resolve()) for path in pathlib.Path("/usr/lib/jvm").glob("*/lib/server/libjvm.so")})]
# OpenSSL's assembly has tables between its functions: only what unwind tables cover is code.
WITH_DATA = {"/usr/bin/node", f"{LIBRARIES}/libcrypto.so.3"}

KINDS = "plain nop syscall conditional jump call indirect-call int3 end".split()
BELOW = 2
PREFIXES = {"bnd", "notrack", "repz", "repnz", "rep", "data16", "addr32", "lock", *"cs ds es fs gs ss".split()}
ENDS = {"ret", "lret", "hlt", "ud0", "ud1", "ud2", "ljmp", "iret", "iretq", "sysretl", "sysretq", "sysexitl"}


@pytest.fixture(scope="session")
def instructions(tmp_path_factory):
    program = tmp_path_factory.mktemp("instructions") / "instructions"
    subprocess.run(["swiftc", "-O", "-wmo", "-enable-experimental-feature", "Lifetimes", "-o", program, *SOURCES],
                   check=True)
    return program


def kind_of(text):
    """What objdump's line says an instruction does, and where to."""
    words = text.split()
    while words and (words[0] in PREFIXES or words[0].startswith("rex")):
        words.pop(0)
    name = re.sub(r",.*", "", words[0]) if words else ""
    target = re.search(r"\s([0-9a-f]+)(?: <.*)?$", text.strip())
    indirect = "*" in text.split("<")[0]
    if name == "jmp":
        return ("end", None) if indirect else ("jump", target)
    if name == "call" or name == "lcall":
        return ("indirect-call", None) if indirect else ("call", target)
    if name.startswith("j") or name.startswith("loop") or name == "xbegin":
        return "conditional", target
    if name in ENDS:
        return "end", None
    if name.startswith("nop") or text.startswith("xchg   %ax,%ax"):
        return "nop", None
    return (name, None) if name in ("syscall", "int3") else ("plain", None)


def difference(address, code, text, row):
    """What the decoder has otherwise than objdump, or None."""
    length, kind, displacement, stack, distance = row
    if length != len(code):
        # objdump shows fwait and what follows it as one instruction.
        return None if code[0] == 0x9b and length == 1 else f"length {length}"
    expected, target = kind_of(text)
    if KINDS[kind] != expected:
        return f"kind {KINDS[kind]}"
    end = address + length
    if target and end + distance != int(target[1], 16):
        return f"target {end + distance:x}"
    if "(%rip)" in text and (operand := re.search(r"# (?:0x)?([0-9a-f]+)", text)):
        if not displacement:
            return "no displacement"
        found = end + struct.unpack_from("<i", code, displacement)[0]
        if found % 2**64 != int(operand[1], 16):
            return f"operand {found:x}"
    elif displacement and "(%eip)" not in text:
        return "a displacement"
    # Where it says less than there is, a value in the red zone would be lost.
    if re.search(r"-0x[0-9a-f]+\(%rsp", text) and stack != BELOW:
        return "memory below the stack pointer"
    if re.search(r"%[re]?spl?\b", re.sub(r"\(%rsp(,%riz,\d)?\)", "", text)) and stack == 0:
        return "the stack pointer"
    return None


@pytest.mark.parametrize("path", SHORT + [pytest.param(path, marks=pytest.mark.long) for path in LONG])
@pytest.mark.timeout(600)
def test_decoder_agrees_with_objdump(instructions, path, record_property):
    if not os.path.exists(path):
        pytest.skip("not installed")
    functions = elf_text.functions(path) if path in WITH_DATA else [(0, 2**64)]
    counts, examples = collections.Counter(), []
    for name, base, offset, size in elf_text.executable_sections(path):
        rows = subprocess.run([instructions, "decode", path, str(offset), str(size)], check=True,
                              capture_output=True).stdout
        function = iter(functions)
        begin, end = next(function)
        for address, code, text in elf_text.disassembly(path, name):
            while address >= end:
                begin, end = next(function, (2**64, 2**64 + 1))
            if address < begin or "(bad)" in text:
                counts["data"] += 1
                continue
            counts["compared"] += 1
            found = difference(address, code, text, struct.unpack_from("<BBBBi", rows, (address - base) * 8))
            if found:
                examples.append(f"{address:x}: {code.hex(' ')}: {text}: {found}")
    print(f"{path}: {counts['compared']} instructions compared, {counts['data']} passed over")
    assert counts["compared"] > 1000
    assert not examples, f"{len(examples)} differ: " + "; ".join(examples[:5])


def apply(memory, field):
    """Writes what `plan` printed as address:bytes."""
    if field != "-":
        address, code = field.split(":")
        memory[int(address, 16):int(address, 16) + len(code) // 2] = bytes.fromhex(code)


FILLER = "90 " * 32
# Functions that call getpid, and what they return.
FORMS = {
    "springboard": ("b8 27 00 00 00  0f 05  c3  0f 1f 84 00 00 00 00 00", lambda pid: pid),
    "springboard before": ("e9 0b 00 00 00  0f 1f 84 00 00 00 00 00 0f 1f 00  6a 27 58 0f 05  c3 c3 c3", lambda pid: pid),
    "before": ("90  b8 27 00 00 00  0f 05  c3 c3 c3", lambda pid: pid),
    "before, short": ("6a 27 58  48 89 c0  0f 05  eb 00  c3 c3 c3", lambda pid: pid),
    "before, crossing": ("90 90 90 90 90  b8 27 00 00 00  0f 05  c3 c3 c3", lambda pid: pid),
    "after": ("6a 27 58  0f 05  48 8d 80 40 e2 01 00  c3 c3", lambda pid: pid + 123456),
    "after, relative": ("6a 27 58  0f 05  48 33 05 03 00 00 00  c3 c3 c3  11 00 00 00 00 00 00 00", lambda pid: pid ^ 0x11),
    # The entry leaves "greater": jg over ret; neg.
    "after, branch": ("6a 27 58  0f 05  0f 8f 01 00 00 00  c3  48 f7 d8  c3", lambda pid: -pid),
    "after, jump and padding": ("90 90 90 90 90 90  6a 27 58  0f 05  eb 03  0f 1f 00  c3", lambda pid: pid),
}


@pytest.mark.parametrize("form", FORMS)
def test_patched_code_runs(instructions, tmp_path, form):
    source, expected = FORMS[form]
    code = bytes.fromhex(FILLER + source)
    code += b"\xc3" * (64 - len(code))
    at = code.index(b"\x0f\x05")
    area = 0x10000
    size = area + 0x100000
    (tmp_path / "code").write_bytes(code)
    output = subprocess.run([instructions, "plan", tmp_path / "code", "0", str(len(code)), "0", f"{area:x}"],
                            input=f"{at:x}\n", capture_output=True, text=True, check=True).stdout.split()
    assert output[1] == form.split()[0].rstrip(","), output
    assert output[2] == ("1" if "crossing" in form else "0")

    memory = mmap.mmap(-1, size, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory[:len(code)] = code
    for field in output[3:6]:
        apply(memory, field)
    # The kernel's entry: mov %rcx, %r10; syscall; inc of a counter; jmp *%r10
    entry, counter = 0x8000, 0x8800
    memory[entry:entry + 15] = bytes.fromhex("4989ca 0f05 48ff05") + struct.pack("<i", counter - entry - 12) + \
        bytes.fromhex("41ffe2")
    memory[area:area + 8] = struct.pack("<Q", start + entry)
    function = ctypes.CFUNCTYPE(ctypes.c_long)(start + len(bytes.fromhex(FILLER)))
    assert function() == expected(os.getpid())
    assert struct.unpack_from("<Q", memory, counter) == (1,)


@pytest.mark.parametrize("path", SHORT)
def test_sites_are_patched(instructions, path):
    if not os.path.exists(path):
        pytest.skip("not installed")
    counts, targets = collections.Counter(), set()
    sites = []
    for name, *_ in elf_text.executable_sections(path):
        for address, _, text in elf_text.disassembly(path, name):
            kind, target = kind_of(text)
            if kind == "syscall":
                sites.append(address)
            elif target:
                targets.add(int(target[1], 16))
    loaded = list(elf_text.segments(path))
    area = max(address + size for _, address, _, _, size in loaded) + 4095 & ~4095
    for flags, base, offset, size, _ in loaded:
        mine = [f"{site:x}\n" for site in sites if base <= site < base + size and "E" in flags]
        output = subprocess.run([instructions, "plan", path, str(offset), str(size), f"{base:x}", f"{area:x}"],
                                input="".join(mine), capture_output=True, text=True, check=True).stdout if mine else ""
        for row in map(str.split, output.splitlines()):
            counts["patched" if len(row) > 2 else row[1]] += 1
            # No branch of the whole file leads into a springboard.
            if len(row) > 2 and row[1] == "springboard":
                board = int(row[4].split(":")[0], 16)
                assert not targets.intersection(range(board, board + 5)), row
    print(f"{path}: {dict(counts)}")
    assert counts["patched"] >= 0.95 * len(sites)
