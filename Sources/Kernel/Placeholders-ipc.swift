import CLinux
import Machine

// Bare shapes of what belongs to others, until theirs land.
extension Task {
  /// Takes `mask` for the call, to be restored by the way out (sigsuspend's way).
  func setTemporaryMask(_ mask: UInt64) {}
  func restoreTemporaryMask(wasInterrupted: Bool = false) {}
}
