import CBoot
import CLinux
import CMachine

/// Which of descriptors 0, 1, 2 are one open file description. Asked at boot: kcmp(2) is not for later.
public enum StandardStreams {
  /// The first thing at boot: what is closed must not be taken by what the machine opens. The boot block, which is sealed,
  /// stands in its place.
  static func occupy() {
    for number in 0..<3 where hostCall(__NR_fcntl, number, Int(F_GETFD)) < 0 {
      unsafe closedStreams |= 1 << UInt32(number)
      _ = hostCall(__NR_fcntl, Int(MARTLET_BOOT_DESCRIPTOR), Int(F_DUPFD), number)
    }
  }
  static func isClosed(_ number: Int32) -> Bool { number < 3 && (unsafe closedStreams) >> UInt32(number) & 1 != 0 }

  static func compare() {
    let process = hostCall(__NR_getpid)
    for number in 1..<3 {
      for other in 0..<number where unsafe sharedStreams[number] == Int32(number) {
        // KCMP_FILE. Where the host refuses it, the same file with the same flags is taken for the same description.
        let result = hostCall(__NR_kcmp, process, process, 0, number, other)
        if result == 0 || (result < 0 && looksAlike(number, other)) { unsafe sharedStreams[number] = Int32(other) }
      }
    }
  }

  private static func looksAlike(_ a: Int, _ b: Int) -> Bool {
    var first = linux_stat(), second = linux_stat()
    guard unsafe hostCall(__NR_fstat, a, address(&first)) == 0, unsafe hostCall(__NR_fstat, b, address(&second)) == 0
    else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
      && hostCall(__NR_fcntl, a, Int(F_GETFL)) == hostCall(__NR_fcntl, b, Int(F_GETFL))
  }

  /// The lowest of 0, 1, 2 that is the same description as `number`.
  public static func first(sharedWith number: Int32) -> Int32 {
    precondition(number >= 0 && number < 3)
    return unsafe sharedStreams[Int(number)]
  }
}
nonisolated(unsafe) private var closedStreams: UInt32 = 0  // SAFETY: written at boot
nonisolated(unsafe) private var sharedStreams: InlineArray<3, Int32> = [0, 1, 2]  // SAFETY: written at boot
