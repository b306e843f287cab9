import CLinux
import Machine
import Synchronization

/// membarrier(2).
enum Barriers {
  /// The commands that there are, as MEMBARRIER_CMD_QUERY says them; none on restartable sequences, which there are not.
  private static var commands: Int32 {
    Int32(
      MEMBARRIER_CMD_GLOBAL.rawValue | MEMBARRIER_CMD_GLOBAL_EXPEDITED.rawValue
        | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED.rawValue | MEMBARRIER_CMD_PRIVATE_EXPEDITED.rawValue
        | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED.rawValue | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE.rawValue
        | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE.rawValue)
  }

  /// Errors: EINVAL, EPERM where the process has not registered.
  static func run(_ space: AddressSpace, _ command: Int32, _ flags: UInt32) throws(Errno) -> Int {
    guard flags == 0 else { throw .invalid }
    let registered = space.barriers.load(ordering: .acquiring)
    switch UInt32(bitPattern: command) {
    case MEMBARRIER_CMD_QUERY.rawValue: return Int(commands)
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED.rawValue, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED.rawValue,
      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE.rawValue:
      _ = space.barriers.bitwiseOr(UInt32(bitPattern: command), ordering: .acquiringAndReleasing)
      return 0
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED.rawValue:
      if registered & UInt32(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED.rawValue) == 0 { throw .notPermitted }
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE.rawValue:
      if registered & UInt32(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE.rawValue) == 0 { throw .notPermitted }
    case MEMBARRIER_CMD_GLOBAL.rawValue, MEMBARRIER_CMD_GLOBAL_EXPEDITED.rawValue: break
    default: throw .invalid
    }
    Scheduler.barrierOnProcessors()
    return 0
  }
}
