"""Checks on the finished kernel image, in one pass over its disassembly."""

import re
import subprocess

import elf
import toolchain
from check import Result

LARGEST_FRAME = 2048

FUNCTION = re.compile(r"^([0-9a-f]+) <(.+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:lock|rep|repne|notrack|data16|cs)\s+)*(\S+)\s*(.*)$")
VECTOR_REGISTER = re.compile(r"%(?:[xyz]mm\d+|mm[0-7]|k[0-7]|st(?:\(\d\))?)(?![a-z0-9])")
# Every x87 instruction begins with an f, and nothing else does.
VECTOR_INSTRUCTION = re.compile(r"^(?:f[a-z0-9]+|wait|emms|xsave\w*|xrstor\w*|ldmxcsr|stmxcsr|vldmxcsr|vstmxcsr|vzero\w+)$")
DOORS = re.compile(r"^(?:syscall|sysenter|sysret\w*|int)$")
FRAME = re.compile(r"^\$(-?0x[0-9a-f]+|-?\d+), %rsp$")
FRAME_LEA = re.compile(r"^-(0x[0-9a-f]+|\d+)\(%rsp\), %rsp$")


class Scan:
    """Where the disassembly has what it should not have: lists of (function, address, instruction)."""

    def __init__(self, kernel, allowed):
        self.vector, self.doors, self.thread, self.frames, self.alloca = [], [], [], [], []
        self.vector_allowed, self.frames_allowed = allowed("vector-functions"), allowed("large-frames")
        self.count = 0
        self.function = "?"
        process = subprocess.Popen(
            [toolchain.program("llvm-objdump"), "-d", "--no-show-raw-insn", str(kernel)],
            stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            match = INSTRUCTION.match(line)
            if match:
                address, name, operands = match.groups()
                self.instruction(address, name, operands.partition("#")[0].strip())
            elif match := FUNCTION.match(line):
                self.function = match[2]
                self.count += 1
        if process.wait() != 0:
            raise SystemExit(f"checks: cannot disassemble {kernel}")

    def instruction(self, address, name, operands):
        place = (self.function, address, f"{name} {operands}".strip())
        if VECTOR_REGISTER.search(operands) or VECTOR_INSTRUCTION.match(name):
            if not self.vector_allowed.permits(self.function):
                self.vector.append(place)
        if DOORS.match(name) and not (name == "int" and not operands.startswith("$0x80")):
            self.doors.append(place)
        if "%fs:" in operands:
            self.thread.append(place)
        if "%rsp" in operands:
            self.stack(name, operands, place)

    def stack(self, name, operands, place):
        size = 0
        if name.startswith(("sub", "add")) and (match := FRAME.match(operands)):
            size = int(match[1], 0) * (1 if name.startswith("sub") else -1)
        elif name.startswith("lea") and (match := FRAME_LEA.match(operands)):
            size = int(match[1], 0)
        elif name.startswith("sub") and operands.endswith(", %rsp"):
            size = LARGEST_FRAME + 1  # by a register: nobody can tell how much
        if size > LARGEST_FRAME and not self.frames_allowed.permits(self.function):
            self.frames.append(place)


def where(kernel, places):
    """Readable places: demangled function, instruction, source line."""
    if not places:
        return []
    names = subprocess.run([toolchain.program("swift-demangle"), "--simplified", "--compact"], text=True,
                           input="\n".join(place[0] for place in places), capture_output=True).stdout.splitlines()
    lines = subprocess.run([toolchain.program("llvm-symbolizer"), "-e", str(kernel), "--output-style=GNU",
                            "--no-inlines", "--functions=none", "--basenames"],
                           text=True, input="".join(f"0x{place[1]}\n" for place in places),
                           capture_output=True).stdout.splitlines()
    result = []
    for (_, address, instruction), name, line in zip(places, names, lines, strict=True):
        result.append(f"{name} at 0x{address}" + ("" if "?" in line else f", {line}") + f" `{instruction}`")
    return result


def run(kernel, allowed):
    if not kernel.exists():
        return [Result("the kernel image", [f"there is no {kernel.name}: run 'make build' first"])]
    image = elf.Image(kernel.read_bytes())
    scan = Scan(kernel, allowed)
    symbols = [symbol.name for symbol in image.symbols() if symbol.is_code]
    stubs = symbols.count("arch_sigreturn")
    doors = [] if len(scan.doors) == 1 else where(kernel, scan.doors) or ["there is none"]
    segments = {elf.PT_INTERP: "PT_INTERP", elf.PT_DYNAMIC: "PT_DYNAMIC"}
    thread = ["a segment PT_TLS"] if elf.PT_TLS in image.segments else []
    starters = [section.name for section in image.sections
                if section.name in (".init_array", ".preinit_array", ".ctors") and section.size > 0]
    return [
        Result("no vector or x87 register or instruction outside the save and restore routines",
               where(kernel, scan.vector) + scan.vector_allowed.problems(), f"{scan.count} functions"),
        Result("exactly one syscall instruction", doors),
        Result("exactly one sigreturn stub (arch_sigreturn)", [] if stubs == 1 else [f"there are {stubs}"]),
        Result("no thread-local storage", thread + where(kernel, scan.thread)),
        Result(f"stack frames of at most {LARGEST_FRAME} bytes",
               where(kernel, scan.frames) + scan.frames_allowed.problems()),
        Result("a static image: no PT_INTERP, no PT_DYNAMIC",
               [name for kind, name in segments.items() if kind in image.segments]),
        Result("no constructors, which nobody would run", starters),
    ]
