import CLinux
import CMachine
import Synchronization

// The allocator: slabs by size class, cut from 64 KiB chunks, with a free list for each vCPU and a depot behind them for
// what is freed elsewhere than it is allocated. A page has objects of one class, a chunk pages of any. Usable before
// anything else.
// The baton serialises a vCPU's list: only its holder runs kernel code, and the kernel is not preempted. Service threads
// allocate nothing.

// 16-byte steps to 256 (classes 0…15), then powers of two to 32 KiB (16…22). 16, 80, 112 and 144 to 192 are of a larger
// class: fewer pages have all of a process.
private var classCount: Int { 23 }
@inline(__always) private func slabClass(_ size: UInt) -> Int {
  if size > 256 { return 16 &+ (64 &- (size &- 1).leadingZeroBitCount) &- 9 }
  if size > 128 && size <= 208 { return 12 }
  let c = Int((max(size, 1) &+ 15) &>> 4) &- 1
  return c &+ (0b101_0001 &>> c) & 1
}
@inline(__always) private func slabSize(_ c: Int) -> UInt { c < 16 ? UInt(c &+ 1) &<< 4 : 512 &<< UInt(c &- 16) }

private let largeRun: UInt8 = 255
/// Objects that move between a vCPU and the depot at once.
@inline(__always) private func batch(_ c: Int) -> UInt32 { c < 16 ? 64 : c < 20 ? 16 : 4 }

private struct Depot: ~Copyable {
  /// Chains of one batch each: the first word of the first object leads on within it, the second to the next chain.
  var chains: InlineArray<24, UInt> = InlineArray(repeating: 0)
  /// Within the chunk being cut: the first is for all classes of up to a page, each larger one has its own.
  var cursor: InlineArray<24, UInt> = InlineArray(repeating: 0)
  var heapEnd: UInt = KernelMemory.heap
  /// Free runs by length in chunks, for lengths below 64; longer ones under 0.
  var runs: InlineArray<64, UInt> = InlineArray(repeating: 0)
}
nonisolated(unsafe) private var depot = Depot()

@inline(__always) private func word(_ address: UInt) -> UnsafeMutablePointer<UInt> {
  // SAFETY: an address within the heap, which is mapped whole.
  unsafe UnsafeMutablePointer(bitPattern: address).unsafelyUnwrapped
}
/// 1 + the class of the objects in a page, or `largeRun` at a large one's start. The first pages' lie with the hot data.
@inline(__always) private func pageClass(_ address: UInt) -> UnsafeMutablePointer<UInt8> {
  let page = (address &- KernelMemory.heap) &>> 12
  if page < UInt(MACHINE_LOW_PAGES) { return unsafe machine_low_page_class(page) }
  return unsafe UnsafeMutablePointer(bitPattern: KernelMemory.pageMap &+ page).unsafelyUnwrapped
}
@inline(__always) private func runLength(_ address: UInt) -> UnsafeMutablePointer<UInt32> {
  unsafe UnsafeMutablePointer(
    bitPattern: KernelMemory.runLengths &+ ((address &- KernelMemory.heap) &>> KernelMemory.chunkShift) &* 4
  )
  .unsafelyUnwrapped
}

private func lockDepot() {
  lockTaken(.allocator)
  var spins = 0
  while unsafe !arch_compare_exchange32(machine_allocator_lock(), 0, 1) {
    arch_pause()
    spins &+= 1
    if spins & 255 == 0 { hostYield() }
  }
}
private func unlockDepot() {
  unsafe arch_release32(machine_allocator_lock(), 0)
  lockReleased(.allocator)
}

/// `count` chunks in a row, charged; nil past the bound. The depot's lock is held.
private func takeRun(_ count: UInt) -> UInt? {
  guard KernelMemory.charge(Int(count << KernelMemory.chunkShift)) else { return nil }
  let bucket = count < 64 ? Int(count) : 0
  var link: UnsafeMutablePointer<UInt>?
  var at = unsafe depot.runs[bucket]
  while at != 0 {
    if unsafe bucket != 0 || runLength(at).pointee == UInt32(count) {
      if let link = unsafe link {
        unsafe link.pointee = word(at).pointee
      } else {
        unsafe depot.runs[bucket] = word(at).pointee
      }
      unsafe runLength(at).pointee = UInt32(count)
      return at
    }
    unsafe link = word(at)
    unsafe at = word(at).pointee
  }
  let result = unsafe depot.heapEnd
  let end = result &+ count << KernelMemory.chunkShift
  guard end <= KernelMemory.cache, count < 1 << 24 else {
    KernelMemory.uncharge(Int(count << KernelMemory.chunkShift))
    return nil
  }
  unsafe depot.heapEnd = end
  unsafe runLength(result).pointee = UInt32(count)
  return result
}

/// Memory of `size` bytes at an alignment of 16, or of `align` where that is a larger power of two; not zeroed.
func slabAllocate(_ size: UInt, _ align: UInt) -> UnsafeMutableRawPointer? {
  var size = size
  if align > 16 {
    size = max(size, align)
    size = size <= 1 ? 1 : 1 &<< (64 &- UInt((size &- 1).leadingZeroBitCount))
  }
  if size > 32768 { return unsafe allocateLarge(size) }
  let vcpu = unsafe arch_vcpu()
  let c = slabClass(size)
  return unsafe withUnsafeMutablePointer(to: &vcpu.pointee) { v in
    let slot = unsafe freeSlot(v, c)
    if unsafe slot.pointee == 0 && !refill(v, c) { return nil }
    let found = unsafe slot.pointee
    unsafe slot.pointee = word(found).pointee
    unsafe countSlot(v, c).pointee &-= 1
    unsafe liveSlot(v, c).pointee &+= 1
    return unsafe UnsafeMutableRawPointer(bitPattern: found)
  }
}

func slabFree(_ pointer: UnsafeMutableRawPointer) {
  let address = UInt(bitPattern: pointer)
  let c = unsafe pageClass(address).pointee
  if c == largeRun {
    unsafe freeLarge(address)
    return
  }
  let index = Int(c) &- 1
  let vcpu = unsafe arch_vcpu()
  unsafe word(address).pointee = freeSlot(vcpu, index).pointee
  unsafe freeSlot(vcpu, index).pointee = address
  unsafe liveSlot(vcpu, index).pointee &-= 1
  unsafe countSlot(vcpu, index).pointee &+= 1
  if unsafe countSlot(vcpu, index).pointee >= 4 &* batch(index) { unsafe stow(vcpu, index) }
}

/// Bytes that the caller may use at `pointer`.
func slabUsableSize(_ pointer: UnsafeMutableRawPointer) -> UInt {
  let address = UInt(bitPattern: pointer)
  let c = unsafe pageClass(address).pointee
  return c == largeRun ? UInt(unsafe runLength(address).pointee) << KernelMemory.chunkShift : slabSize(Int(c) - 1)
}

/// Objects allocated and not freed, over all vCPUs: for tests of leaks.
public func liveObjects() -> Int {
  var total: Int64 = 0
  for id in 0..<Processor.count {
    for c in 0..<classCount { total &+= unsafe liveSlot(machine_vcpu_at(UInt32(id)), c).pointee }
  }
  return Int(total)
}

// SAFETY of the three: arrays in the vCPU's block, with an index below the class count.
@inline(__always) private func freeSlot(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int) -> UnsafeMutablePointer<UInt>
{
  unsafe machine_slab_free(v).advanced(by: c)
}
@inline(__always) private func countSlot(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int) -> UnsafeMutablePointer<
  UInt32
> {
  unsafe machine_slab_count(v).advanced(by: c)
}
@inline(__always) private func liveSlot(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int) -> UnsafeMutablePointer<
  Int64
> {
  unsafe machine_slab_live(v).advanced(by: c)
}

/// Gives the vCPU a batch from the depot, else a page's worth of fresh objects: what is not used is not touched.
@inline(never) private func refill(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int) -> Bool {
  let size = slabSize(c)
  lockDepot()
  defer { unlockDepot() }
  let chain = unsafe depot.chains[c]
  if chain != 0 {
    unsafe depot.chains[c] = word(chain &+ 8).pointee
    unsafe freeSlot(v, c).pointee = chain
    unsafe countSlot(v, c).pointee = batch(c)
    return true
  }
  let cursor = size <= 4096 ? 0 : c
  var start = unsafe depot.cursor[cursor]
  if start & 65535 == 0 {
    guard let chunk = takeRun(1) else { return false }
    start = chunk
  }
  let count = max(size, 4096)
  unsafe depot.cursor[cursor] = start &+ count
  unsafe cut(v, c, start, count)
  return true
}

/// Puts `count` bytes of fresh objects at the head of a vCPU's list.
private func cut(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int, _ start: UInt, _ count: UInt) {
  let size = slabSize(c)
  unsafe pageClass(start).update(repeating: UInt8(c &+ 1), count: Int(count &>> 12))
  var at = start &+ count / size &* size
  while at > start {
    at &-= size
    unsafe word(at).pointee = freeSlot(v, c).pointee
    unsafe freeSlot(v, c).pointee = at
    unsafe countSlot(v, c).pointee &+= 1
  }
}

/// Objects for what a few processes consist of, from one chunk, which one fault maps in a new host process
/// (docs/memory.md). What boot makes first, and every process uses, lies there too.
public enum GatheredObjects {
  /// The first allocation of all: the vCPU gets them.
  static func take() {
    lockDepot()
    defer { unlockDepot() }
    guard var start = takeRun(1) else { return }
    let vcpu = unsafe arch_vcpu()
    let parts: InlineArray<10, (size: UInt, pages: UInt)> = [
      (32, 1), (48, 1), (64, 1), (96, 1), (128, 2), (208, 1), (512, 2), (1024, 1), (2048, 2), (4096, 4),
    ]
    for i in parts.indices {
      let count = parts[i].pages &<< 12
      unsafe cut(vcpu, slabClass(parts[i].size), start, count)
      start &+= count
    }
  }
  /// What is left of them waits for `giveBack`.
  static func setAside() {
    let vcpu = unsafe arch_vcpu()
    for c in 0..<classCount {
      unsafe asideLists[c] = freeSlot(vcpu, c).pointee
      unsafe asideCounts[c] = countSlot(vcpu, c).pointee
      unsafe freeSlot(vcpu, c).pointee = 0
      unsafe countSlot(vcpu, c).pointee = 0
    }
  }
  /// For what `body` makes at boot.
  public static func use(_ body: () -> Void) {
    giveBack()
    body()
    setAside()
  }
  /// To the vCPU that calls it, before all that it has.
  public static func giveBack() {
    let vcpu = unsafe arch_vcpu()
    for c in 0..<classCount {
      let first = unsafe asideLists[c]
      if first == 0 { continue }
      var last = first
      while unsafe word(last).pointee != 0 { unsafe last = word(last).pointee }
      unsafe word(last).pointee = freeSlot(vcpu, c).pointee
      unsafe freeSlot(vcpu, c).pointee = first
      unsafe countSlot(vcpu, c).pointee &+= asideCounts[c]
      unsafe asideLists[c] = 0
    }
  }
}
// SAFETY: boot alone has them.
nonisolated(unsafe) private var asideLists: InlineArray<24, UInt> = InlineArray(repeating: 0)
nonisolated(unsafe) private var asideCounts: InlineArray<24, UInt32> = InlineArray(repeating: 0)

/// Moves one batch of a vCPU that frees more than it allocates to the depot.
@inline(never) private func stow(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int) {
  let first = unsafe freeSlot(v, c).pointee
  var last = first
  for _ in 1..<batch(c) { unsafe last = word(last).pointee }
  unsafe freeSlot(v, c).pointee = word(last).pointee
  unsafe countSlot(v, c).pointee &-= batch(c)
  unsafe word(last).pointee = 0
  lockDepot()
  unsafe word(first &+ 8).pointee = depot.chains[c]
  unsafe depot.chains[c] = first
  unlockDepot()
}

@inline(never) private func allocateLarge(_ size: UInt) -> UnsafeMutableRawPointer? {
  guard size < 1 << 38 else { return nil }
  lockDepot()
  defer { unlockDepot() }
  guard let run = takeRun((size &+ 65535) &>> 16) else { return nil }
  unsafe pageClass(run).pointee = largeRun
  return unsafe UnsafeMutableRawPointer(bitPattern: run)
}

@inline(never) private func freeLarge(_ address: UInt) {
  let count = UInt(unsafe runLength(address).pointee)
  KernelMemory.uncharge(Int(count << KernelMemory.chunkShift))
  if count > 4 { unsafe KernelMemory.punch(address, count << KernelMemory.chunkShift) }
  lockDepot()
  let bucket = count < 64 ? Int(count) : 0
  unsafe word(address).pointee = depot.runs[bucket]
  unsafe depot.runs[bucket] = address
  unlockDepot()
}

#if hasFeature(Embedded)
// What Swift's runtime calls, by way of memory.c.
@c(kernel_memalign)
public func kernelMemalign(_ out: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ align: UInt, _ size: UInt) -> Int32
{
  unsafe out.pointee = slabAllocate(size, align)
  return unsafe out.pointee == nil ? ENOMEM : 0
}
@c(kernel_free) public func kernelFree(_ pointer: UnsafeMutableRawPointer?) {
  if let pointer = unsafe pointer { unsafe slabFree(pointer) }
}
@c(kernel_usable_size) public func kernelUsableSize(_ pointer: UnsafeMutableRawPointer) -> UInt {
  unsafe slabUsableSize(pointer)
}
#endif
