"""Reads what the build scripts need of a 64-bit little-endian ELF file."""

import struct
import zlib
from collections import namedtuple

PT_DYNAMIC, PT_INTERP, PT_TLS = 2, 3, 7
SHF_EXECINSTR, SHF_COMPRESSED = 4, 0x800
SHT_SYMTAB, SHT_NOBITS = 2, 8

Section = namedtuple("Section", "name type flags address offset size link")
Symbol = namedtuple("Symbol", "name address size is_function is_global is_code")


class Image:
    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit little-endian ELF file")
        self.data = data
        phoff, shoff = struct.unpack_from("<QQ", data, 32)
        phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<HHHHH", data, 54)
        self.segments = [struct.unpack_from("<I", data, phoff + i * phentsize)[0] for i in range(phnum)]
        raw = [struct.unpack_from("<IIQQQQI", data, shoff + i * shentsize) for i in range(shnum)]
        names = raw[shstrndx][4]
        self.sections = [Section(self.text(names + r[0]), *r[1:]) for r in raw]

    def text(self, offset):
        return self.data[offset:self.data.index(b"\0", offset)].decode()

    def section(self, name):
        """The contents of a section, empty when there is none."""
        for section in self.sections:
            if section.name == name and section.type != SHT_NOBITS:
                data = self.data[section.offset:section.offset + section.size]
                if section.flags & SHF_COMPRESSED:
                    kind = struct.unpack_from("<I", data)[0]
                    if kind != 1:
                        raise ValueError(f"{name} is compressed in a way this script cannot read")
                    data = zlib.decompress(data[24:])
                return data
        return b""

    def code_ranges(self):
        return [(s.address, s.address + s.size) for s in self.sections if s.flags & SHF_EXECINSTR]

    def symbols(self):
        for table in self.sections:
            if table.type != SHT_SYMTAB:
                continue
            names = self.sections[table.link].offset
            for offset in range(table.offset, table.offset + table.size, 24):
                name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", self.data, offset)
                if 0 < index < len(self.sections) and info & 15 in (0, 2):
                    text = self.text(names + name)
                    is_code = bool(self.sections[index].flags & SHF_EXECINSTR) and text != ""
                    yield Symbol(text, value, size, info & 15 == 2, info >> 4 != 0, is_code)
