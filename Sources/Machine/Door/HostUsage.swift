import CLinux

/// What the host says of the process that the caller runs in.
public enum HostUsage {
  /// The largest resident size that it had, in KiB; 0 where the host does not say. Kernel memory that it touched counts,
  /// and so does what the process did before it was recycled.
  public static var peakResidentKiB: Int {
    var usage = linux_rusage()
    let result = unsafe hostCall(__NR_getrusage, 0, address(&usage))
    return result < 0 ? 0 : Int(usage.ru_maxrss)
  }
}
