import CLinux
import CMachine
import Synchronization

/// What the guest takes of private memory is the host's, so the kernel asks for it: once a second, while vCPUs are busy,
/// threads on their way out to the guest are told to look (`Thread.sampleMemory`). An idle machine is left alone.
public enum MemorySampling {
  /// Counts the seconds in which something ran.
  public static var second: UInt64 { samplingSecond.load(ordering: .relaxed) }

  static func prepare() { unsafe samplingTimer = SamplingTimer() }

  /// A thread runs. On a vCPU, without a lock.
  @inline(__always) static func noteActivity() {
    if !samplingIsArmed.load(ordering: .relaxed) { begin() }
  }
  @inline(never) private static func begin() {
    if samplingIsArmed.exchange(true, ordering: .acquiringAndReleasing) { return }
    unsafe samplingTimer.unsafelyUnwrapped.start(.after(nanoseconds: SamplingTimer.interval))
  }
}

private final class SamplingTimer: Timer {
  static var interval: UInt64 { 1_000_000_000 }

  override func fire() {
    var isBusy = false
    samplingSecond.add(1, ordering: .relaxed)
    for id in 0..<Processor.count {
      let vcpu = unsafe machine_vcpu_at(UInt32(id))
      if unsafe vcpu.pointee.idle != 0 || vcpu.pointee.current == nil { continue }
      isBusy = true
      unsafe kick(vcpu)
    }
    if isBusy {
      start(.after(nanoseconds: SamplingTimer.interval))
    } else {
      samplingIsArmed.store(false, ordering: .releasing)
    }
  }
}

private let samplingSecond = Atomic<UInt64>(0)
private let samplingIsArmed = Atomic<Bool>(false)
nonisolated(unsafe) private var samplingTimer: SamplingTimer! = nil  // SAFETY: written at boot

extension HostMemory {
  /// Pages of a range of the caller's address space that are present: mincore(2). Of more than 16 GiB every n-th 16 MiB is
  /// looked at. Where something is not mapped, its 16 MiB count as absent.
  public static func presentPages(_ address: UInt, pages: Int) -> Int {
    precondition(isGuestRange(address, UInt(pages) << 12))
    let step = 4096
    guard pages > 0, let buffer = try? KernelBuffer(unclearedCount: step) else { return 0 }
    let chunks = (pages &+ step &- 1) / step
    let stride = (chunks &+ 1023) / 1024
    var total = 0, chunk = 0
    while chunk < chunks {
      let first = chunk &* step
      let count = min(step, pages &- first)
      let from = Int(address) &+ first &<< 12
      if unsafe hostCall(__NR_mincore, from, count &<< 12, Int(bitPattern: buffer.bytes.base)) >= 0 {
        var present = 0
        for i in 0..<count { present &+= Int(buffer.bytes[i] & 1) }
        total &+= present &* stride
      }
      chunk &+= stride
    }
    return min(total, pages)
  }
}
