import CLinux
import CMachine

/// What a signal frame's vector state says of itself: the end of FXSAVE's area, which is the program's and Linux uses for
/// struct _fpx_sw_bytes, and XSAVE's header behind it.
private struct VectorFrameHeader {
  static var offset: UInt { 464 }
  var magic = UInt32(FP_XSTATE_MAGIC1)
  var extendedSize: UInt32 = 0
  var features: UInt64 = 0
  var size: UInt32 = 0
  var padding: UInt32 = 0
  var more: (UInt64, UInt64, UInt64) = (0, 0, 0)
  /// XSTATE_BV, XCOMP_BV, and what is reserved: the first of it must be zero.
  var components: UInt64 = 0
  var compaction: UInt64 = 0
  var reserved: UInt64 = 0
  var rest: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
}

/// The vector state in signal frames: sigreturn(2), and <asm/sigcontext.h> for the layout.
extension Thread {
  /// Bytes that a signal frame needs for the vector state, its closing magic included.
  public static var vectorFrameSize: Int { unsafe vectorAreaSize + 4 }
  public static var vectorComponents: UInt64 { unsafe vectorMask }

  /// Writes the live vector state, in the standard form, to `address`, which is 64-byte aligned, with the fields by which a
  /// program finds the extended part. Errors: EFAULT.
  static func copyVectorsOut(to address: UInt) throws(Errno) {
    let (size, mask) = unsafe (vectorAreaSize, vectorMask)
    var header = VectorFrameHeader()
    header.extendedSize = UInt32(truncatingIfNeeded: size &+ 4)
    header.features = mask
    header.size = UInt32(truncatingIfNeeded: size)
    // `xsave` leaves alone in the header what it does not write.
    try UserPointer<VectorFrameHeader>(address &+ VectorFrameHeader.offset).copyOut(header)
    guard isGuestMemory(address, UInt(size)), arch_vector_save_user(address, mask) == 0 else { throw .fault }
    try UserPointer<UInt32>(address &+ UInt(size)).copyOut(UInt32(FP_XSTATE_MAGIC2))
  }

  /// Makes the vector state at `address` the current thread's live one; 0 resets it. Errors: EFAULT, for what the processor
  /// would refuse too; the state is reset then.
  final func copyVectorsIn(from address: UInt) throws(Errno) {
    if address == 0 { return resetVectors() }
    do throws(Errno) {
      try loadVectors(from: address)
    } catch {
      resetVectors()
      throw error
    }
  }
  private final func loadVectors(from address: UInt) throws(Errno) {
    let (size, mask) = unsafe (UInt(vectorAreaSize), vectorMask)
    let header = try UserPointer<VectorFrameHeader>(address &+ VectorFrameHeader.offset).copyIn()
    let mxcsr = try UserPointer<UInt32>(address &+ 24).copyIn()
    let stated = UInt(header.size)
    var isExtended = header.magic == UInt32(FP_XSTATE_MAGIC1) && stated >= 576 && stated <= size
    if isExtended {
      isExtended = try UserPointer<UInt32>(address &+ stated).copyIn() == UInt32(FP_XSTATE_MAGIC2)
    }
    guard unsafe mxcsr & ~vectorControlMask == 0 && address & (isExtended ? 63 : 15) == 0,
      !isExtended || header.compaction | header.reserved == 0
    else { throw .fault }
    let components = isExtended ? header.components & header.features & mask : 3
    if isExtended && stated == size {
      let at = unsafe UInt(keysOffset)
      let keys = components & 0x200 != 0 && at != 0 ? try UserPointer<UInt32>(address &+ at).copyIn() : 0
      if isGuestMemory(address, size),
        let isLoaded = VectorState.load(from: address, components: components, keys: keys, mxcsr: mxcsr)
      {
        if isLoaded { return }
        throw .fault
      }
    }
    try copyVectorsIn(from: address, isExtended ? stated : 512, components, mxcsr)
  }

  /// By way of the thread's own area, for the states that take `xrstor`.
  private final func copyVectorsIn(
    from address: UInt, _ count: UInt, _ components: UInt64, _ mxcsr: UInt32
  ) throws(Errno) {
    guard let vectors else { throw .fault }
    let area = unsafe vectors.with { unsafe $0.area }, size = unsafe vectorAreaSize
    try withoutSwitch { () throws(Errno) in
      unsafe area.initializeMemory(as: UInt8.self, repeating: 0, count: size)
      unsafe try userCopy(to: area, from: UnsafeRawPointer(bitPattern: address), Int(count), user: address)
    }
    unsafe area.storeBytes(of: mxcsr, toByteOffset: 24, as: UInt32.self)
    unsafe (area + 512).initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    unsafe area.storeBytes(of: components, toByteOffset: 512, as: UInt64.self)
    if !vectors.with({ $0.load() }) { throw .fault }
  }

  /// Runs `body`, which copies to the thread's vector area, until it did so without a sleep: a fault may put the thread to
  /// sleep, and the switch then saves its live state in the same area. Errors: EFAULT, and what `body` throws.
  private final func withoutSwitch(_ body: () throws(Errno) -> Void) throws(Errno) {
    for _ in 0..<16 {
      let before = voluntarySwitches &+ involuntarySwitches
      try body()
      if voluntarySwitches &+ involuntarySwitches == before { return }
    }
    throw .fault
  }

  /// The initial state becomes the thread's, and live.
  final func resetVectors() {
    vectors?.with {
      $0.reset()
      $0.restore()
    }
  }
}
