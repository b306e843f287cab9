import CLinux
import CMachine
import Synchronization

// The allocator: slabs by size class, cut from 64 KiB chunks, with a free list for each vCPU and a depot behind them for
// what is freed elsewhere than it is allocated. A page has objects of one class; a chunk has such pages, or larger objects
// of one class. Usable before anything else.
// The baton serialises a vCPU's list: only its holder runs kernel code, and the kernel is not preempted. Service threads
// allocate nothing.

// 16-byte steps to 256 (classes 0…15), then powers of two to 32 KiB (16…22). 16, 80, 112 and 144 to 192 are of a larger
// class: fewer pages have all of a process. The last class is arenas, a chunk each.
private var classCount: Int { 24 }
private var arenas: Int { 23 }
@inline(__always) func slabClass(_ size: UInt) -> Int {
  if size > 256 { return 16 &+ (64 &- (size &- 1).leadingZeroBitCount) &- 9 }
  if size > 128 && size <= 208 { return 12 }
  let c = Int((max(size, 1) &+ 15) &>> 4) &- 1
  return c &+ (0b101_0001 &>> c) & 1
}
@inline(__always) func slabSize(_ c: Int) -> UInt { c < 16 ? UInt(c &+ 1) &<< 4 : 512 &<< UInt(c &- 16) }

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
/// Of a chunk: 1 + the class of all its objects, or `largeRun` where a large one begins, or 0 for pages of their own
/// classes. The first ones' lie with the hot data.
@inline(__always) private func chunkClass(_ address: UInt) -> UnsafeMutablePointer<UInt8> {
  let chunk = (address &- KernelMemory.heap) &>> KernelMemory.chunkShift
  if chunk < UInt(MACHINE_LOW_CHUNKS) { return unsafe machine_low_chunk_class(chunk) }
  return unsafe UnsafeMutablePointer(bitPattern: KernelMemory.chunkMap &+ chunk).unsafelyUnwrapped
}
/// 1 + the class of the objects in a page, likewise.
@inline(__always) private func pageClass(_ address: UInt) -> UnsafeMutablePointer<UInt8> {
  let page = (address &- KernelMemory.heap) &>> 12
  if page < UInt(MACHINE_LOW_PAGES) { return unsafe machine_low_page_class(page) }
  return unsafe UnsafeMutablePointer(bitPattern: KernelMemory.pageMap &+ page).unsafelyUnwrapped
}
/// An allocated object's class.
@inline(__always) private func objectClass(_ address: UInt) -> Int {
  let c = unsafe chunkClass(address).pointee
  return Int(unsafe c != 0 ? c : pageClass(address).pointee) &- 1
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

/// `count` chunks in a row, charged; nil past the bound. `chunkClass` says what of. The depot's lock is held.
private func takeRun(_ count: UInt, _ class: UInt8) -> UInt? {
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
      unsafe chunkClass(at).pointee = `class`
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
  unsafe chunkClass(result).pointee = `class`
  return result
}

/// Memory of `size` bytes at an alignment of 16, or of `align` where that is a larger power of two; not zeroed.
func slabAllocate(_ size: UInt, _ align: UInt) -> UnsafeMutableRawPointer? {
  let vcpu = unsafe arch_vcpu()
  if let arena = unsafe vcpu.pointee.arena, let object = unsafe Arena.allocate(arena, size, align) {
    unsafe vcpu.pointee.slab_live &+= 1
    return unsafe object
  }
  var size = size
  if align > 16 {
    size = max(size, align)
    size = size <= 1 ? 1 : 1 &<< (64 &- UInt((size &- 1).leadingZeroBitCount))
  }
  if size > 32768 { return unsafe allocateLarge(size) }
  return unsafe take(slabClass(size))
}

@inline(__always) private func take(_ c: Int) -> UnsafeMutableRawPointer? {
  let vcpu = unsafe arch_vcpu()
  return unsafe withUnsafeMutablePointer(to: &vcpu.pointee) { v in
    let slot = unsafe freeSlot(v, c)
    if unsafe slot.pointee == 0 && !refill(v, c) { return nil }
    let found = unsafe slot.pointee
    unsafe slot.pointee = word(found).pointee
    unsafe countSlot(v, c).pointee &-= 1
    unsafe v.pointee.slab_live &+= 1
    return unsafe UnsafeMutableRawPointer(bitPattern: found)
  }
}

func slabFree(_ pointer: UnsafeMutableRawPointer) {
  let address = UInt(bitPattern: pointer)
  let c = objectClass(address)
  if c < arenas {
    put(c, address)
  } else if c == arenas {
    unsafe arch_vcpu().pointee.slab_live &-= 1
    Arena.release(address)
  } else {
    unsafe freeLarge(address)
  }
}

@inline(__always) private func put(_ c: Int, _ address: UInt) {
  let vcpu = unsafe arch_vcpu()
  unsafe word(address).pointee = freeSlot(vcpu, c).pointee
  unsafe freeSlot(vcpu, c).pointee = address
  unsafe vcpu.pointee.slab_live &-= 1
  unsafe countSlot(vcpu, c).pointee &+= 1
  if unsafe countSlot(vcpu, c).pointee >= 4 &* batch(c) { unsafe stow(vcpu, c) }
}

/// A chunk for an arena; nil past the bound.
func slabTakeArena() -> UnsafeMutablePointer<machine_arena>? {
  unsafe take(arenas)?.assumingMemoryBound(to: machine_arena.self)
}
func slabPutArena(_ arena: UnsafeMutablePointer<machine_arena>) { put(arenas, UInt(bitPattern: arena)) }
/// Boot's arena, which stays; the rest of its chunk is for `slabShareBootArena`.
func slabTakeBootArena() -> UnsafeMutablePointer<machine_arena>? {
  lockDepot()
  defer { unlockDepot() }
  guard let chunk = takeRun(1, 0) else { return nil }
  unsafe pageClass(chunk).update(repeating: UInt8(arenas &+ 1), count: Int(bootArenaSize >> 12))
  return unsafe UnsafeMutablePointer(bitPattern: chunk)
}
/// The calling vCPU gets the chunk's other pages, before all that it has.
func slabShareBootArena(_ arena: UnsafeMutablePointer<machine_arena>) {
  let sizes: InlineArray<8, UInt> = [32, 48, 64, 96, 128, 208, 512, 2048]
  var at = UInt(bitPattern: arena) &+ UInt(bootArenaSize)
  for i in sizes.indices {
    unsafe cut(arch_vcpu(), slabClass(sizes[i]), at, 4096)
    at &+= 4096
  }
}
/// Bytes that the caller may use at `pointer`.
func slabUsableSize(_ pointer: UnsafeMutableRawPointer) -> UInt {
  let address = UInt(bitPattern: pointer)
  let c = objectClass(address)
  if c < arenas { return slabSize(c) }
  return c == arenas ? Arena.size(address) : UInt(unsafe runLength(address).pointee) << KernelMemory.chunkShift
}

/// Objects allocated and not freed, over all vCPUs: for tests of leaks.
public func liveObjects() -> Int {
  var total: Int64 = 0
  for id in 0..<Processor.count { total &+= unsafe machine_vcpu_at(UInt32(id)).pointee.slab_live }
  return Int(total)
}

// SAFETY of the two: arrays in the vCPU's block, with an index below the class count.
@inline(__always) private func freeSlot(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int) -> UnsafeMutablePointer<UInt>
{
  unsafe machine_slab_free(v).advanced(by: c)
}
@inline(__always) private func countSlot(_ v: UnsafeMutablePointer<machine_vcpu>, _ c: Int) -> UnsafeMutablePointer<
  UInt32
> {
  unsafe machine_slab_count(v).advanced(by: c)
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
    guard let chunk = takeRun(1, cursor == 0 ? 0 : UInt8(c &+ 1)) else { return false }
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
  if size <= 4096 { unsafe pageClass(start).pointee = UInt8(c &+ 1) }
  var at = start &+ count / size &* size
  while at > start {
    at &-= size
    unsafe word(at).pointee = freeSlot(v, c).pointee
    unsafe freeSlot(v, c).pointee = at
    unsafe countSlot(v, c).pointee &+= 1
  }
}

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
  guard let run = takeRun((size &+ 65535) &>> 16, largeRun) else { return nil }
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
