// What the decoder says of a stretch of a file: for each byte of it, as if an instruction began there, eight bytes on
// standard output: length (0: no instruction), kind, where its displacement is, 0, and the branch's distance (32).
//
// usage: instructions FILE OFFSET SIZE
#if canImport(Glibc)
import Glibc
#endif

guard CommandLine.arguments.count == 4, let offset = Int(CommandLine.arguments[2]),
  let size = Int(CommandLine.arguments[3]), let file = fopen(CommandLine.arguments[1], "rb")
else { fatalError("usage: instructions FILE OFFSET SIZE") }
var code = [UInt8](repeating: 0, count: size)
guard fseek(file, offset, SEEK_SET) == 0, fread(&code, 1, size, file) == size else { fatalError("cannot read") }

var rows: [UInt8] = []
rows.reserveCapacity(size * 8)
for at in 0..<size {
  let found = InstructionDecoder.decode(code.span, at: at)
  rows.append(UInt8(found?.length ?? 0))
  rows.append(found?.kind.rawValue ?? 0)
  rows.append(UInt8(found?.displacementOffset ?? 0))
  rows.append(0)
  let distance = UInt32(truncatingIfNeeded: found?.distance ?? 0)
  for shift in [0, 8, 16, 24] as [UInt32] { rows.append(UInt8(truncatingIfNeeded: distance >> shift)) }
}
guard fwrite(&rows, 1, rows.count, stdout) == rows.count else { fatalError("cannot write") }
