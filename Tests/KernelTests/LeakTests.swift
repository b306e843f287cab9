import Testing

@testable import Kernel
@testable import Machine

@Test func mappingsAreFreed() throws {
  let space = AddressSpace(host: HostSpace(isRoot: true), hook: .rewrite)
  weak var seen: FileMapping?
  var map = AreaMap()
  do {
    let mapping = FileMapping(space: space, file: nil, object: .cached(CachedFile()), isWritable: true)
    seen = mapping
    try map.add(Area(start: 0x10000, end: 0x20000, flags: .shared, offset: 0, mapping: mapping))
  }
  #expect(seen != nil)
  try map.setFlags(0x12000, 0x14000) { _ in [.shared, .read] }
  try map.clear(0, 0x20000)
  _ = map.dropped.take()
  #expect(seen == nil)
}
