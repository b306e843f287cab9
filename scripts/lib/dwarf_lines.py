"""Decodes .debug_line, DWARF versions 2 to 5."""

import struct

FORMS = {0x0b: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1e: 16}
FORM_BLOCK, FORM_STRING, FORM_STRP, FORM_UDATA, FORM_LINE_STRP = 0x09, 0x08, 0x0e, 0x0f, 0x1f
CONTENT_PATH, CONTENT_DIRECTORY = 1, 2


class Reader:
    def __init__(self, data, offset=0):
        self.data, self.offset = data, offset

    def number(self, size):
        value = int.from_bytes(self.data[self.offset:self.offset + size], "little")
        self.offset += size
        return value

    def uleb(self):
        value = shift = 0
        while True:
            byte = self.data[self.offset]
            self.offset += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    def sleb(self):
        start = self.offset
        value = self.uleb()
        bits = 7 * (self.offset - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def string(self):
        end = self.data.index(b"\0", self.offset)
        value = self.data[self.offset:end].decode(errors="replace")
        self.offset = end + 1
        return value


def sequences(image):
    """Yields lists of (address, file, line) that each run from a start to an end; the last one is the end."""
    data = image.section(".debug_line")
    strings = {FORM_STRP: image.section(".debug_str"), FORM_LINE_STRP: image.section(".debug_line_str")}
    offset = 0
    while offset < len(data):
        reader = Reader(data, offset)
        length = reader.number(4)
        if length == 0xffffffff:
            raise ValueError("64-bit DWARF is not supported")
        offset = reader.offset + length
        yield from Program(reader, strings).run(offset)


class Program:
    def __init__(self, reader, strings):
        self.reader, self.strings = reader, strings
        self.version = reader.number(2)
        if self.version >= 5:
            reader.number(2)  # address and selector size
        end = reader.number(4)
        end += reader.offset
        self.step = reader.number(1)
        if self.version >= 4:
            reader.number(1)
        reader.number(1)
        self.base = struct.unpack("b", bytes([reader.number(1)]))[0]
        self.range = reader.number(1)
        self.opcode_base = reader.number(1)
        self.lengths = [0] + [reader.number(1) for _ in range(self.opcode_base - 1)]
        self.files = self.entries5() if self.version >= 5 else self.entries4()
        reader.offset = end

    def entries4(self):
        reader = self.reader
        folders = [""]
        while name := reader.string():
            folders.append(name)
        files = [""]
        while name := reader.string():
            folder = folders[reader.uleb()]
            reader.uleb(), reader.uleb()
            files.append(join(folder, name))
        return files

    def entries5(self):
        folders = [path for path, _ in self.table5()]
        return [join(join(folders[0], folders[folder]), path) for path, folder in self.table5()]

    def table5(self):
        reader = self.reader
        formats = [(reader.uleb(), reader.uleb()) for _ in range(reader.number(1))]
        result = []
        for _ in range(reader.uleb()):
            values = {content: self.form(form) for content, form in formats}
            result.append((values[CONTENT_PATH], values.get(CONTENT_DIRECTORY, 0)))
        return result

    def form(self, form):
        reader = self.reader
        if form == FORM_STRING:
            return reader.string()
        if form in self.strings:
            return Reader(self.strings[form], reader.number(4)).string()
        if form == FORM_UDATA:
            return reader.uleb()
        if form == FORM_BLOCK:
            return reader.number(reader.uleb())
        if form in FORMS:
            return reader.number(FORMS[form])
        raise ValueError(f"unknown DWARF form {form:#x}")

    def run(self, end):
        reader, files, data = self.reader, self.files, self.reader.data
        special = [(self.step * ((op - self.opcode_base) // self.range), self.base + (op - self.opcode_base) % self.range)
                   for op in range(self.opcode_base, 256)]
        advance = self.step * ((255 - self.opcode_base) // self.range)
        address, file, line, rows = 0, 1, 1, []
        while reader.offset < end:
            opcode = data[reader.offset]
            reader.offset += 1
            if opcode >= self.opcode_base:
                more, lines = special[opcode - self.opcode_base]
                address += more
                line += lines
                rows.append((address, files[file], line))
            elif opcode == 0:
                size = reader.uleb()
                following = reader.offset + size
                extended = reader.number(1)
                if extended == 1:
                    rows.append((address, "", 0))
                    yield rows
                    address, file, line, rows = 0, 1, 1, []
                elif extended == 2:
                    address = reader.number(size - 1)
                reader.offset = following
            elif opcode == 1:
                rows.append((address, files[file], line))
            elif opcode == 2:
                address += self.step * reader.uleb()
            elif opcode == 3:
                line += reader.sleb()
            elif opcode == 4:
                file = reader.uleb()
            elif opcode == 8:
                address += advance
            elif opcode == 9:
                address += reader.number(2)
            else:
                for _ in range(self.lengths[opcode]):
                    reader.uleb()


def join(folder, name):
    return name if name.startswith(("/", "<")) or not folder else f"{folder}/{name}"
