"""Executable text of ELF files, and what binutils say of it."""

import re
import struct
import subprocess


def lines_of(*command):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        yield from process.stdout
    assert process.returncode == 0, command


def executable_sections(path):
    """(name, address, file offset, size) of each."""
    pattern = re.compile(r"\s*\[\s*\d+\]\s+(\S+)\s+PROGBITS\s+(\w+)\s+(\w+)\s+(\w+)\s+\w+\s+\w*X")
    for line in lines_of("readelf", "-SW", path):
        if match := pattern.match(line):
            yield match[1], int(match[2], 16), int(match[3], 16), int(match[4], 16)


def segments(path):
    """(flags, address, file offset, size in the file, size in memory) of each that is loaded."""
    pattern = re.compile(r"\s*LOAD\s+0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) 0x(\w+) (...)")
    for line in lines_of("readelf", "-lW", path):
        if match := pattern.match(line):
            offset, address, file_size, memory_size = (int(match[i], 16) for i in range(1, 5))
            yield match[5], address, offset, file_size, memory_size


def disassembly(path, section):
    """(address, bytes, text) of each instruction that objdump shows; it shows objects as data, without a second tab."""
    pattern = re.compile(r"^\s*(\w+):\t((?:[0-9a-f]{2} )+)\s*\t(.*)$")
    for line in lines_of("objdump", "-dwz", "-j", section, path):
        if match := pattern.match(line):
            yield int(match[1], 16), bytes.fromhex(match[2]), match[3]


def frames(path):
    """The ranges that .eh_frame covers."""
    # Its status is not 0 where a file's debugging information lies elsewhere.
    text = subprocess.run(["readelf", "-wf", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return [(int(start, 16), int(end, 16)) for start, end in re.findall(r"FDE .*pc=(\w+)\.\.(\w+)", text)]


def functions(path):
    """The ranges that the unwind tables cover: functions, without the data that some have between them. Empty if there
    are none of the usual encoding."""
    sections = {}
    pattern = re.compile(r"\s*\[\s*\d+\]\s+(\.eh_frame(?:_hdr)?)\s+\w+\s+(\w+)\s+(\w+)\s+(\w+)")
    for line in lines_of("readelf", "-SW", path):
        if match := pattern.match(line):
            sections[match[1]] = [int(match[i], 16) for i in (2, 3, 4)]
    if len(sections) < 2:
        return []
    with open(path, "rb") as file:
        data = file.read()
    header, header_offset, _ = sections[".eh_frame_hdr"]
    frames, frames_offset, _ = sections[".eh_frame"]
    version, _, count_encoding, table_encoding = data[header_offset:header_offset + 4]
    if (version, count_encoding, table_encoding) != (1, 0x03, 0x3b):
        return []
    count, = struct.unpack_from("<I", data, header_offset + 8)
    result = []
    for start, entry in struct.iter_unpack("<ii", data[header_offset + 12:header_offset + 12 + 8 * count]):
        at = header + entry - frames + frames_offset
        begin, size = struct.unpack_from("<iI", data, at + 8)
        assert header + start == header + entry + 8 + begin, "another encoding of addresses"
        result.append((header + start, header + start + size))
    return sorted(result)
