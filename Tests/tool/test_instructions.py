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
               "FunctionReading.swift", "IdentificationStub.swift", "IdentificationTable.swift", "StubWriter.swift",
               "PatchPlanner.swift")]]

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


LEAVES = [*range(0x20), *range(0x80000000, 0x80000028)]
# What names the processor that answers is never in the table.
REAL = {0, 1, 0xb, 0x1f, 0x8000001e, 0x80000026}


def executable(size):
    """Memory that holds code, and its address."""
    memory = mmap.mmap(-1, size, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))


@pytest.fixture(scope="session")
def cpuid():
    """The instruction."""
    memory, start = executable(4096)
    code = bytes.fromhex("53 4989d0 89f8 89f1 0fa2 418900 41895804 41894808 4189500c 5b c3")
    memory[:len(code)] = code
    function = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p)(start)

    def ask(leaf, subleaf, memory=memory):  # which lives as long
        answer = (ctypes.c_uint * 4)()
        function(leaf, subleaf, ctypes.addressof(answer))
        return tuple(answer)
    return ask


@pytest.fixture(scope="session")
def answers(cpuid, tmp_path_factory):
    path = tmp_path_factory.mktemp("cpuid") / "answers"
    path.write_text("".join("%x %x %x %x %x %x\n" % (leaf, subleaf, *cpuid(leaf, subleaf))
                            for leaf in LEAVES for subleaf in range(20)))
    return path


def identify(program, path, offset, size, base, area, answers, functions):
    """The table's rows (leaf, subleaf or None, answer), what stubs have in common, and the lines about the sites."""
    lines = subprocess.run([program, "identify", path, str(offset), str(size), f"{base:x}", f"{area:x}", answers],
                           input="".join("%x %x\n" % function for function in functions), capture_output=True, text=True,
                           check=True).stdout.splitlines()
    rows, common, sites = [], None, []
    for words in map(str.split, lines):
        if words[0] == "row":
            leaf, *answer = (int(word, 16) for word in words[2:])
            rows.append((leaf, None if words[1] == "-" else int(words[1], 16), tuple(answer)))
        elif words[0] == "common":
            common = words[1]
        else:
            sites.append(words)
    return rows, common, sites


def test_table_is_every_processors(instructions, cpuid, answers, tmp_path):
    (tmp_path / "code").write_bytes(b"\xc3")
    rows, _, _ = identify(instructions, tmp_path / "code", 0, 1, 0, 0x1000, answers, [])
    allowed = os.sched_getaffinity(0)
    try:
        for processor in allowed:
            os.sched_setaffinity(0, {processor})
            for leaf, subleaf, answer in rows:
                assert leaf not in REAL
                for asked in [subleaf] if subleaf is not None else [0, 1, 0x12345678]:
                    assert cpuid(leaf, asked) == answer, f"leaf {leaf:x}, subleaf {asked:x}, processor {processor}"
    finally:
        os.sched_setaffinity(0, allowed)


# What stands before and behind the instruction; r8 is where to store the answers.
IDENTIFICATIONS = {
    "springboard": ("89f8 89f1", "89c0 89d2 eb0b 0f1f00 0f1f840000000000"),
    "before": ("89f8 8d8e00000000", "89c0 89d2"),
    "before, short": ("89f1 8d4700", "89c0 89d2"),
    "after": ("89f8 89f1", "418900"),
    "after, branch": ("89f8 89f1", "0f8200000000"),
    "noRoom": ("89f8 89f1", "89c0 89d2"),
}


@pytest.mark.parametrize("form", IDENTIFICATIONS)
def test_patched_cpuid_runs(instructions, cpuid, answers, tmp_path, form):
    lead, follow = IDENTIFICATIONS[form]
    # push %rbx; push $flags; popfq; the site; stores; pushfq; pop 16(%r8); pop %rbx; ret
    code = bytes.fromhex("53 4989d0 41ff7018 9d" + lead + "0fa2" + follow + "418900 41895804 41894808 4189500c 9c"
                         "418f4010 5b c3")
    area = 0x10000
    (tmp_path / "code").write_bytes(code)
    rows, common, sites = identify(instructions, tmp_path / "code", 0, len(code), 0, area, answers, [(0, len(code))])
    assert [sites[0][0], sites[0][3]] == ["function", "1"] and sites[1][1] in (form.split(",")[0], "noStub"), sites
    memory, start = executable(area + 0x500000)
    memory[:len(code)] = code
    for field in [common, *sites[1][3:6]]:
        apply(memory, field)
    function = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p)(start)
    processors = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(processors)})
        for leaf in [*LEAVES, 0x40000000, 0x7fffffff, 0x80ffffff, 0xffffffff]:
            for subleaf in [*range(20), 0xffffffff]:
                flags = 0x8d7 if subleaf & 1 else 2
                state = (ctypes.c_uint * 8)(0, 0, 0, 0, 0, 0, flags, 0)
                function(leaf, subleaf, ctypes.addressof(state))
                assert tuple(state[:4]) == cpuid(leaf, subleaf) and state[4] & 0x8d5 == flags & 0x8d5, f"{leaf:x}"
    finally:
        os.sched_setaffinity(0, processors)


@pytest.mark.parametrize("path", [f"{LIBRARIES}/ld-linux-x86-64.so.2", "/bin/busybox", "/usr/bin/go"])
def test_cpuid_is_patched(instructions, answers, path):
    if not os.path.exists(path):
        pytest.skip("not installed")
    real, targets = set(), set()
    for name, *_ in elf_text.executable_sections(path):
        for address, _, text in elf_text.disassembly(path, name):
            kind, target = kind_of(text)
            if text.strip() == "cpuid":
                real.add(address)
            elif target:
                targets.add(int(target[1], 16))
    loaded = list(elf_text.segments(path))
    area = max(address + size for _, address, _, _, size in loaded) + 4095 & ~4095
    frames, patched, left = elf_text.frames(path), set(), set()
    for flags, base, offset, size, _ in loaded:
        if "E" not in flags:
            continue
        text = pathlib.Path(path).read_bytes()[offset:offset + size]
        places = [base + match.start() for match in re.finditer(rb"\x0f\xa2", text)]
        functions = {(start, end) for start, end in frames for place in places if start <= place < end}
        for words in identify(instructions, path, offset, size, base, area, answers, sorted(functions))[2]:
            if words[0] == "function":
                continue
            (patched if len(words) > 2 else left).add(int(words[0], 16))
            if len(words) > 2 and words[1] == "springboard":
                board = int(words[4].split(":")[0], 16)
                assert not targets.intersection(range(board, board + 5)), words
    print(f"{path}: {len(real)} sites, {len(patched)} patched, {len(left)} left")
    assert patched | left <= real
    assert len(patched) >= 0.85 * len(real) or not frames
