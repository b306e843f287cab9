import CMachine

/// Memory for what one process consists of: a chunk of 64 KiB, with its first thread's kernel stack in the upper half and
/// its objects in the lower. One host fault maps it in a new host process (docs/memory.md).
///
/// It is allocated from while it is *open*: on the vCPU of one thread, the process's own or who makes it, until that
/// switches away or the section ends. Objects are freed one by one, as any other; the room of those that go while it is
/// open is used again, of the others not. The chunk is, once the last is gone. What outlives the process does not belong
/// here: it would keep the chunk.
public enum Arena {
  /// Runs `body` with a new arena open. Where `body` sleeps, the rest of it allocates as usual.
  public static func new<R: ~Copyable, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    let arena = unsafe slabTakeArena()
    if let arena = unsafe arena { unsafe prepare(arena, live: 0, end: stackOffset, hasStack: false) }
    return try unsafe use(arena, body)
  }

  /// Runs `body` with the arena open that boot makes and that stays: for what every process touches. Boot alone does so.
  public static func boot<R: ~Copyable, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    if unsafe bootArena == nil {
      unsafe bootArena = slabTakeBootArena()
      if let arena = unsafe bootArena { unsafe prepare(arena, live: 1, end: bootArenaSize, hasStack: true) }
    }
    return try unsafe use(bootArena, body)
  }
  /// What is made from now on lies as near as it can: the first programs' files, which their processes share.
  public static func endBoot() {
    if let arena = unsafe bootArena { unsafe slabShareBootArena(arena) }
  }

  private static func prepare(
    _ arena: UnsafeMutablePointer<machine_arena>, live: UInt32, end: UInt32, hasStack: Bool
  ) {
    unsafe arena.initialize(to: machine_arena())
    unsafe arena.pointee.live = live
    unsafe arena.pointee.used = UInt32(MemoryLayout<machine_arena>.stride)
    unsafe arena.pointee.end = end
    unsafe arena.pointee.has_stack = hasStack ? 1 : 0
  }

  /// Runs `body` with `arena` open, unless one is already.
  static func use<R: ~Copyable, E: Error>(
    _ arena: UnsafeMutablePointer<machine_arena>?, _ body: () throws(E) -> R
  ) throws(E) -> R {
    guard let arena = unsafe arena, unsafe arch_vcpu().pointee.arena == nil else { return try body() }
    unsafe arena.pointee.made = 0
    unsafe _ = arch_subtract32(&arena.pointee.live, 0 &- opening)
    unsafe machine_set_arena(arch_vcpu(), arena)
    defer { if unsafe arch_vcpu().pointee.arena == arena { close() } }
    return try body()
  }

  /// Before a switch, and before what outlives the process is made: closes what is open.
  @inline(__always) public static func leave() { if unsafe arch_vcpu().pointee.arena != nil { close() } }
  @inline(never) private static func close() {
    let vcpu = unsafe arch_vcpu()
    guard let arena = unsafe vcpu.pointee.arena else { return }
    unsafe machine_set_arena(vcpu, nil)
    unsafe drop(arena, opening &- arena.pointee.made)
  }

  /// An object of the open arena `arena`; nil where it has no room.
  @inline(never)
  static func allocate(_ arena: UnsafeMutablePointer<machine_arena>, _ size: UInt, _ align: UInt)
    -> UnsafeMutableRawPointer?
  {
    guard size <= 4096, align <= 64 else { return nil }
    let c = slabClass(size)
    let list = unsafe machine_arena_free(arena) + c
    if unsafe align <= 16 && list.pointee != 0 {
      let object = unsafe UnsafeMutableRawPointer(arena) + Int(list.pointee) << 4
      unsafe list.pointee = object.load(as: UInt16.self)
      unsafe arena.pointee.made &+= 1
      return unsafe object
    }
    let align = UInt32(max(align, 16))
    let room = size <= 256 ? UInt32(slabSize(c)) : UInt32(size &+ 15) & ~15
    let start = unsafe (arena.pointee.used &+ headerSize &+ align &- 1) & ~(align &- 1)
    if unsafe start &+ room > arena.pointee.end { return nil }
    unsafe arena.pointee.used = start &+ room
    unsafe arena.pointee.made &+= 1
    let object = unsafe UnsafeMutableRawPointer(arena) + Int(start)
    unsafe object.storeBytes(of: UInt(room), toByteOffset: -8, as: UInt.self)
    return unsafe object
  }

  /// The stack of the open arena; nil: there is none open, or its is taken.
  static func allocateStack() -> UnsafeMutableRawPointer? {
    let vcpu = unsafe arch_vcpu()
    guard let arena = unsafe vcpu.pointee.arena, unsafe arena.pointee.has_stack == 0 else { return nil }
    unsafe vcpu.pointee.slab_live &+= 1
    unsafe arena.pointee.has_stack = 1
    unsafe arena.pointee.made &+= 1
    return unsafe UnsafeMutableRawPointer(arena) + Int(stackOffset)
  }

  /// Bytes that an object of some arena has.
  static func size(_ address: UInt) -> UInt {
    let object = unsafe UnsafeRawPointer(bitPattern: address).unsafelyUnwrapped
    return isStack(address) ? UInt(KernelStack.size) : unsafe object.load(fromByteOffset: -8, as: UInt.self)
  }

  /// An object of some arena is freed.
  static func release(_ address: UInt) {
    // SAFETY: the chunk of an arena's object begins with its header.
    let arena = unsafe UnsafeMutablePointer<machine_arena>(bitPattern: address & ~(KernelMemory.chunkSize &- 1))
      .unsafelyUnwrapped
    guard unsafe arch_vcpu().pointee.arena == arena, !isStack(address) else { return unsafe drop(arena, 1) }
    let size = size(address)
    var c = slabClass(size)
    while slabSize(c) > size { c &-= 1 }  // of a list all can be of its class's size
    let list = unsafe machine_arena_free(arena) + c
    // SAFETY: it is the allocator's now.
    unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped.storeBytes(of: list.pointee, as: UInt16.self)
    unsafe list.pointee = UInt16(truncatingIfNeeded: (address & (KernelMemory.chunkSize &- 1)) &>> 4)
    unsafe arena.pointee.made &-= 1
  }

  private static func drop(_ arena: UnsafeMutablePointer<machine_arena>, _ count: UInt32) {
    if unsafe arch_subtract32(&arena.pointee.live, count) == 0 { unsafe slabPutArena(arena) }
  }

  private static func isStack(_ address: UInt) -> Bool {
    address & (KernelMemory.chunkSize &- 1) == UInt(stackOffset)
  }

  /// What the count is higher by while an arena is open: more than it has objects.
  private static var opening: UInt32 { 1 << 16 }
  /// Before each object; the last word is its size.
  private static var headerSize: UInt32 { 16 }
  private static var stackOffset: UInt32 { 32768 }
}

// SAFETY: boot alone, on vCPU 0.
nonisolated(unsafe) private var bootArena: UnsafeMutablePointer<machine_arena>?
/// The rest of the chunk is shared: `slabShareBootArena`.
var bootArenaSize: UInt32 { 8 << 12 }
