import CBoot
import CMachine

/// A task's vector state while another runs: an XSAVE area of the size that the processor's own components need. AMX is
/// left out (bits 17 and 18): its 8 KiB would be on every switch and in every signal frame.
@safe final class VectorState {
  let area: UnsafeMutableRawPointer
  init() throws(Errno) {
    guard let memory = unsafe slabAllocate(UInt(vectorAreaSize), 64) else { throw .noMemory }
    unsafe area = memory
    unsafe area.copyMemory(from: vectorInitialArea.unsafelyUnwrapped, byteCount: vectorAreaSize)
  }
  deinit { unsafe slabFree(area) }

  /// Where it was saved last.
  private var carrier: UnsafeMutablePointer<machine_carrier>?

  @inline(__always) func save() {
    if unsafe isQuick && saveQuick() { return }
    if unsafe isCompact { unsafe arch_vector_save_compact(area, vectorMask) } else { unsafe saveStandard() }
  }
  /// By hand, where what is in use can be loaded so. Its header is as `xsavec` writes it.
  @inline(__always) private func saveQuick() -> Bool {
    let now = unsafe vectorMask & (arch_components_in_use() | 2)  // vectors that are all zero are not in use
    guard Self.canBeQuick(now, now) else { return false }
    unsafe arch_vector_save_quick(area, Self.difference(now, now))
    unsafe area.storeBytes(of: now, toByteOffset: 512, as: UInt64.self)
    unsafe area.storeBytes(of: vectorMask | 1 << 63, toByteOffset: 520, as: UInt64.self)
    if now & 0x200 != 0 { unsafe area.storeBytes(of: arch_keys(), toByteOffset: keysOffset, as: UInt32.self) }
    return true
  }
  /// `xsave` leaves alone in the header what it does not write.
  @inline(never) private func saveStandard() {
    unsafe (area + 512).initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    unsafe arch_vector_save(area, vectorMask)
  }
  /// By the switch away from the thread: its state stays in the carrier's registers too, until another's is loaded there.
  @inline(__always) func leave() {
    let carrier = unsafe arch_carrier()
    save()
    unsafe carrier.pointee.vector_owner = area
    unsafe carrier.pointee.vector_components = components
    unsafe carrier.pointee.vector_keys = keys
    unsafe self.carrier = carrier
  }
  /// By the switch to the thread.
  @inline(__always) func resume() {
    let carrier = unsafe arch_carrier()
    let owner = unsafe carrier.pointee.vector_owner
    unsafe carrier.pointee.vector_owner = nil
    if unsafe owner == area && self.carrier == carrier { return }
    if unsafe losesVectors { return }
    let old = unsafe carrier.pointee.vector_components
    guard unsafe owner != nil && Self.canBeQuick(components, old) && carrier.pointee.vector_keys == keys else {
      return unsafe arch_vector_restore(area, vectorMask)
    }
    unsafe arch_vector_restore_quick(area, Self.difference(components, old))
  }
  /// What `arch_vector_restore_quick` has to do for `new` where `old` is in the registers.
  private static func difference(_ new: UInt64, _ old: UInt64) -> UInt32 {
    var what: UInt32 = 0
    if new & maskRegisters != 0 { what |= 1 } else if old & maskRegisters != 0 { what |= 2 }
    if new & upperVectors != 0 { what |= 4 } else if old & upperVectors != 0 { what |= 8 }
    if new & halves != 0 { what |= 16 }
    return what
  }
  /// The initial state becomes the live one, as a signal handler begins.
  static func begin() {
    guard let initial = unsafe vectorInitialArea, unsafe !losesVectors else { return }
    if unsafe isQuick {
      let old = arch_components_in_use()
      if old & ~0x2e6 == 0 { return unsafe arch_vector_restore_quick(initial, difference(2, old)) }
    }
    unsafe arch_vector_restore(initial, vectorMask)
  }
  /// Makes the area, which has the standard form, live. Returns false where the processor refuses it.
  func load() -> Bool { unsafe arch_vector_restore_checked(area, vectorMask) == 0 }
  /// The same straight from a signal frame at `address`, whose header and keys have been read. Nil: it takes `load`;
  /// false: it faulted, and some of it is live.
  static func load(from address: UInt, components new: UInt64, keys: UInt32, mxcsr: UInt32) -> Bool? {
    guard
      unsafe isQuick && isStandardSame && canBeQuick(new, arch_components_in_use()) && new & halves == 0
        && (new & 0x200 == 0 || keys == arch_keys())
    else { return nil }
    // What the processor has not must not be cleared either.
    return unsafe arch_vector_restore_user(address, difference(new, vectorMask), mxcsr) == 0
  }
  @inline(__always) func restore() {
    if unsafe losesVectors { return }
    unsafe arch_vector_restore(area, vectorMask)
  }

  /// XSTATE_BV: what the area has; all else is in its initial state.
  private var components: UInt64 { unsafe area.load(fromByteOffset: 512, as: UInt64.self) }
  /// PKRU, whose place is zeroed memory where it is not in use.
  private var keys: UInt32 { unsafe keysOffset == 0 ? 0 : area.load(fromByteOffset: keysOffset, as: UInt32.self) }
  private static var halves: UInt64 { 1 << 2 }
  private static var maskRegisters: UInt64 { 1 << 5 }
  private static var upperVectors: UInt64 { 1 << 7 }
  /// Whether `new` can be loaded by hand where `old` is in the registers: no x87 in either; of the first sixteen vectors
  /// only the lower half; and protection keys, which nobody has changed.
  @inline(__always) private static func canBeQuick(_ new: UInt64, _ old: UInt64) -> Bool {
    unsafe isQuick && (new | old) & ~0x2e6 == 0 && new & 0x42 == 2 && (new ^ old) & 0x200 == 0
  }
  func copy(from other: VectorState) { unsafe area.copyMemory(from: other.area, byteCount: vectorAreaSize) }
  func reset() { unsafe area.copyMemory(from: vectorInitialArea.unsafelyUnwrapped, byteCount: vectorAreaSize) }
}

// SAFETY of the three: written at boot.
nonisolated(unsafe) var vectorMask: UInt64 = 0
/// States can be saved and loaded by hand, and the processor says what is in use.
nonisolated(unsafe) private var isQuick = false  // written at boot, as the others
nonisolated(unsafe) private(set) var keysOffset = 0
nonisolated(unsafe) private var isCompact = false  // the processor has XSAVEC
/// The standard form has everything where the compacted one has it.
nonisolated(unsafe) private var isStandardSame = false
nonisolated(unsafe) private var losesVectors = false  // the negative control of the vector tests
nonisolated(unsafe) var vectorAreaSize = 4096
nonisolated(unsafe) var vectorControlMask: UInt32 = 0xffff  // the bits that MXCSR has
nonisolated(unsafe) private var vectorInitialArea: UnsafeMutableRawPointer? = nil

/// At boot, before the first task.
func prepareVectorState() {
  unsafe vectorMask = arch_component_mask() & ~(3 << 17)
  unsafe losesVectors = bootBlock.has(MARTLET_LOSE_VECTORS)
  // The size for the components that XCR0 has; AMX, the last, is cut off where it is there.
  var size = 576
  for component in 2..<17 where unsafe vectorMask &>> UInt64(component) & 1 != 0 {
    let leaf = arch_cpuid(0xd, UInt32(component))
    size = max(size, Int(leaf.a) + Int(leaf.b))
  }
  unsafe vectorAreaSize = size
  let area = unsafe slabAllocate(UInt(size), 64).unsafelyUnwrapped
  unsafe area.initializeMemory(as: UInt8.self, repeating: 0, count: size)
  unsafe arch_vector_save(area, 3)
  unsafe vectorControlMask = area.load(fromByteOffset: 28, as: UInt32.self)
  unsafe area.initializeMemory(as: UInt8.self, repeating: 0, count: size)
  unsafe area.storeBytes(of: 0x37f, as: UInt16.self)  // x87 control word
  unsafe area.storeBytes(of: 0x1f80, toByteOffset: 24, as: UInt32.self)  // MXCSR
  // Header: XSTATE_BV takes SSE from here, and the protection keys that the host gives to a program; everything else in its
  // initial state: x87 that is loaded from memory may count as in use ever after.
  let keys = arch_cpuid(0xd, 9)
  let hasKeys = unsafe vectorMask & 0x200 != 0 && keys.a == 8 && Int(keys.b) + 8 <= size
  if hasKeys { unsafe area.storeBytes(of: arch_keys(), toByteOffset: Int(keys.b), as: UInt32.self) }
  unsafe area.storeBytes(of: hasKeys ? 0x202 : 2, toByteOffset: 512, as: UInt64.self)
  unsafe vectorInitialArea = area
  layOut()
}

/// Where components lie in the compacted form; what is loaded by hand must be where `arch_vector_restore_quick` has it.
private func layOut() {
  let mask = unsafe vectorMask
  var at = 576, isAsKnown = mask & ~0x2e7 == 0 && mask & 4 != 0
  let features = arch_cpuid(0xd, 1).a
  unsafe isCompact = features & 2 != 0
  isAsKnown = isAsKnown && features & 6 == 6  // with XSAVEC, and XGETBV that says what is in use
  var isSame = true
  for component in 2..<17 where mask &>> UInt64(component) & 1 != 0 {
    let leaf = arch_cpuid(0xd, UInt32(component))
    if leaf.c & 2 != 0 { at = (at + 63) & ~63 }
    isSame = isSame && Int(leaf.b) == at
    switch component {
    case 2: isAsKnown = isAsKnown && at == 576
    case 5: isAsKnown = isAsKnown && at == 832
    case 7: isAsKnown = isAsKnown && at == 1408
    case 9: unsafe keysOffset = at
    default: break
    }
    at += Int(leaf.a)
  }
  unsafe isQuick = isAsKnown
  unsafe isStandardSame = isSame
}

extension Thread {
  /// A new child's vector state and thread pointer are the current thread's.
  public final func inheritContext(from parent: Thread) {
    guard let mine = vectors, parent.vectors != nil else { return }
    mine.with { $0.save() }  // the parent's is live
    threadPointer = arch_get_fs()
  }
  /// For exec: the initial state, live at once.
  public final func resetContext() {
    resetVectors()
    threadPointer = 0
    arch_set_fs(0)
  }
  /// The current thread's FS base (ARCH_SET_FS). Errors: EPERM where it is no guest address, as on Linux.
  public final func setThreadPointer(_ value: UInt64) throws(Errno) {
    guard value < 0x7fff_ffff_f000, unsafe arch_set_fs_checked(value) == 0 else { throw .notPermitted }
    threadPointer = value
  }
  public final var liveThreadPointer: UInt64 { arch_get_fs() }
}
