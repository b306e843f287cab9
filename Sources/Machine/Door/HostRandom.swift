import CLinux
import CMachine

/// The host's random numbers: getrandom(2), which does not block once the host is up.
public enum HostRandom {
  public static func word() -> UInt64 {
    var value: UInt64 = 0
    unsafe _ = withUnsafeMutablePointer(to: &value) { p in unsafe hostCall(__NR_getrandom, Int(bitPattern: p), 8, 0) }
    return value
  }
  /// Several at once.
  public static func words<let count: Int>() -> InlineArray<count, UInt64> {
    var values = InlineArray<count, UInt64>(repeating: 0)
    unsafe _ = withUnsafeMutablePointer(to: &values) { p in
      unsafe hostCall(__NR_getrandom, Int(bitPattern: p), count &* 8, 0)
    }
    return values
  }
  /// Fills all of `bytes`.
  public static func fill(_ bytes: KernelBytes) {
    var done = 0
    while done < bytes.count {
      let result = unsafe hostCall(__NR_getrandom, Int(bitPattern: bytes.base + done), bytes.count - done, 0)
      if result > 0 { done += result }
    }
  }
}
