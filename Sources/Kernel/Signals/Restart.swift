import CLinux
import Machine

/// How an interrupted system call goes on: signal(7), "Interruption of system calls".
enum CallRestart: Equatable {
  case none  // it ended, or there is none
  case interrupted  // EINTR
  case again  // the same call once more
  case block  // restart_syscall(2)

  /// For a call that returned `result`, where `action` is what the handler that runs now has; nil: no handler runs.
  static func decide(result: Int?, action: SignalAction?) -> CallRestart {
    guard let result else { return .none }
    guard let action else {
      switch result {
      case -512, -513, -514: return .again
      case -516: return .block
      default: return .none
      }
    }
    switch result {
    case -512: return action.has(Int(SA_RESTART)) ? .again : .interrupted
    case -513: return .again
    case -514, -516: return .interrupted
    default: return .none
    }
  }
}

extension Task {
  /// Ends an interrupted call as it must where a handler with `action` runs, or none.
  func finishCall(_ action: SignalAction?) {
    switch CallRestart.decide(result: callResult, action: action) {
    case .none: break
    case .interrupted: setResult(-Int(EINTR))
    case .again: repeatCall()
    case .block: repeatCall(as: Int(__NR_restart_syscall))
    }
  }
}
