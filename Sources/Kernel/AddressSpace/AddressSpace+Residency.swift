import CLinux
import Machine
import Synchronization

/// What the last look at an address space found, in pages.
struct Residency: ~Copyable {
  /// Private memory that is present.
  let anonymous = Atomic<Int>(0)
  /// Pages of host files, as far as the host has them.
  let hostFiles = Atomic<Int>(0)
  /// Both at their highest.
  let peak = Atomic<Int>(0)
  /// What a fork shared with its parent: it is counted there. -1: not known before the first look.
  let inherited = Atomic<Int>(0)
  /// The second of the last look.
  let second = Atomic<UInt64>(0)

  /// Its part of `privatePages`.
  func own(_ anonymous: Int) -> Int { max(anonymous &- max(inherited.load(ordering: .relaxed), 0), 0) }
}

/// Pages of private memory in all address spaces, as they were looked at last.
let privatePages = Atomic<Int>(0)

extension MemoryUsage {
  /// Private memory of all processes, in bytes.
  static var privateBytes: Int { max(privatePages.load(ordering: .relaxed), 0) &<< 12 }
  /// What is left of `mem=`, in bytes.
  var free: Int { max(total &- charged &- MemoryUsage.privateBytes, 0) }
}

extension AddressSpace {
  /// Looks how much of its memory is present. The caller runs in it.
  func sample() {
    var anonymous = 0, files = 0
    var at: UInt = 0
    var ranges: [(start: UInt, pages: Int, isAnonymous: Bool)] = []
    ranges.reserveCapacity(32)
    while true {
      ranges.removeAll(keepingCapacity: true)
      // The host is asked without the lock: it may take a while, and whoever is killed then holds nothing.
      state.withLock { state in
        while ranges.count < 32, let area = state.areas.tree.find(at) {
          at = area.end
          if area.isPresentUnknown { ranges.append((area.start, area.pages, area.mapping == nil)) }
        }
      }
      if ranges.isEmpty { break }
      for range in ranges {
        let present = HostMemory.presentPages(range.start, pages: range.pages)
        if range.isAnonymous { anonymous += present } else { files += present }
      }
    }
    note(anonymous, files)
  }

  private func note(_ anonymous: Int, _ files: Int) {
    _ = residency.inherited.compareExchange(expected: -1, desired: anonymous, ordering: .relaxed)
    residency.hostFiles.store(files, ordering: .relaxed)
    let before = residency.anonymous.exchange(anonymous, ordering: .relaxed)
    privatePages.add(residency.own(anonymous) &- residency.own(before), ordering: .relaxed)
    residency.peak.max(anonymous &+ files, ordering: .relaxed)
  }

  /// It is empty from now on.
  func forgetResidency() {
    let before = residency.anonymous.exchange(0, ordering: .relaxed)
    privatePages.subtract(residency.own(before), ordering: .relaxed)
    residency.hostFiles.store(0, ordering: .relaxed)
  }

  /// Looks now, from any task, unless it is gone: then what was seen last must do.
  func look() {
    guard enter() else { return }
    try? host.run { () throws(Errno) in sample() }
    leave()
  }

  /// The pages of each of `areas` that are present.
  func presentPages(of areas: [Area]) -> [Int] {
    var result: [Int] = []
    result.reserveCapacity(areas.count)
    let isHere = enter()
    func count() {
      for area in areas {
        if !area.isPresentUnknown {
          result.append(area.filled.count)
        } else {
          result.append(isHere ? HostMemory.presentPages(area.start, pages: area.pages) : 0)
        }
      }
    }
    if isHere {
      try? host.run { () throws(Errno) in count() }
      leave()
    }
    while result.count < areas.count { result.append(0) }  // its process was killed
    return result
  }
}

extension Area {
  /// Whether only the host knows what of it is present; of cached files `filled` says it. Reservations have nothing.
  var isPresentUnknown: Bool {
    if let mapping { return mapping.cached == nil }
    return !flags.isDisjoint(with: [.read, .write, .execute])
  }
}
