import CLinux
import Machine

/// A signalfd(2): reads are pending signals of whoever reads.
final class SignalFile: File {
  private struct State: ~Copyable {
    var wanted: SignalSet
    /// Whose signals some poll waits for: their queues live as long as the file.
    var watched: [ProcessSignals] = []
  }
  private let state: SpinLock<State>

  init(_ wanted: SignalSet, flags: Int32) {
    state = SpinLock(State(wanted: wanted.blockable), rank: .poll)
    super.init(inode: AnonymousInode.shared, flags: flags)
  }

  override var label: [UInt8] { Array("anon_inode:[signalfd]".utf8) }
  var wanted: SignalSet { state.withLock { $0.wanted } }
  func change(_ wanted: SignalSet) {
    state.withLock { $0.wanted = wanted.blockable }
    Task.withCurrentTask { $0.process.signals.arrivals.wakeAll() }
  }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    guard buffers.count >= 128 else { throw .invalid }
    return try Task.withCurrentTask { (task) throws(Errno) -> Int in
      let signals = task.process.signals
      var done = 0
      while buffers.count >= 128 {
        var info = signals.take(task, of: wanted)
        if info == nil {
          if done > 0 { break }
          if isNonBlocking { throw .wouldBlock }
          try signals.arrivals.wait { () throws(Errno) -> Bool in
            info = signals.take(task, of: wanted)
            return info != nil
          }
        }
        guard let info else { break }
        done &+= try buffers.copyOut(value: SignalFileRecord(info))
      }
      return done
    }
  }

  override func poll(_ table: PollTable?) -> PollEvents {
    Task.withCurrentTask { task in
      let signals = task.process.signals
      if let table {
        state.withLock { state in
          for other in state.watched where other === signals { return }
          state.watched.append(signals)
        }
        table.register(signals.arrivals)
      }
      return signals.hasPending(task, of: wanted) ? [.in, .readNormal] : []
    }
  }
}

/// struct signalfd_siginfo: 128 bytes.
struct SignalFileRecord: BitwiseCopyable {
  var signal: UInt32, error: Int32, code: Int32, pid: UInt32
  var uid: UInt32, descriptor: Int32, timer: UInt32, band: UInt32
  var overrun: UInt32, trap: UInt32, status: Int32, integer: Int32
  var pointer: UInt64 = 0, userTime: UInt64 = 0, systemTime: UInt64 = 0, address: UInt64 = 0
  var rest = InlineArray<6, UInt64>(repeating: 0)

  init(_ info: SignalInfo) {
    signal = UInt32(bitPattern: info.signal)
    error = info.error
    code = info.code
    pid = 0
    uid = 0
    descriptor = 0
    timer = 0
    band = 0
    overrun = 0
    trap = 0
    status = 0
    integer = 0
    switch info.layout {
    case .sender: sender(info)
    case .queued:
      sender(info)
      value(info)
    case .child:
      sender(info)
      status = info.status
      userTime = info.third
      systemTime = info.fourth
    case .timer:
      timer = UInt32(bitPattern: info.timer)
      overrun = UInt32(bitPattern: info.overrun)
      value(info)
    case .poll:
      band = UInt32(truncatingIfNeeded: info.first)
      descriptor = info.descriptor
    case .fault: address = info.first
    }
  }
  private mutating func sender(_ info: SignalInfo) {
    pid = UInt32(truncatingIfNeeded: info.first)
    uid = info.uid
  }
  private mutating func value(_ info: SignalInfo) {
    pointer = info.value
    integer = Int32(truncatingIfNeeded: info.value)
  }
}

extension SignalInfo {
  /// Which of the union's members a signal and its code mean (Linux's siginfo_layout).
  enum Layout {
    case sender, queued, child, timer, poll, fault
  }
  var layout: Layout {
    if code > SI_USER && code < SI_KERNEL {
      switch signal {
      case SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP: return .fault
      case SIGCHLD: return .child
      case SIGIO: return .poll
      default: return .sender
      }
    }
    switch code {
    case SI_TIMER: return .timer
    case SI_SIGIO: return .poll
    default: return code < 0 && code != SI_TKILL ? .queued : .sender
    }
  }
}
