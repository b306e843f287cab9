import CBoot
import CLinux
import Machine
import Synchronization

/// The console: a terminal over the host's, which the tool keeps in raw mode. A kernel thread of its own reads the
/// keyboard and goes on with output that the host had no room for; writers put theirs out themselves where they can.
public final class ConsoleTerminal: Terminal {
  private let input: HostDescriptor
  private let output: HostDescriptor
  private let queue = WaitQueue()
  private let inputReadiness: HostReadiness
  private let outputReadiness: HostReadiness
  private let keyboard: Mutex<Keyboard>
  private let screen: Mutex<Screen>
  /// The keyboard is not read: what was typed has no room.
  private let isThrottled = Atomic<Bool>(false)

  private struct Keyboard: ~Copyable {
    let buffer: KernelBuffer
    var isGone = false
    /// When the last interrupt characters were typed.
    var interrupts: InlineArray<3, UInt64> = [0, 0, 0]
  }
  private struct Screen: ~Copyable {
    /// What is on its way out: `start..<end` of it.
    let buffer: KernelBuffer
    var start = 0
    var end = 0
  }

  /// Over descriptors 0 and 1. Errors: EBADF, ENOMEM.
  init() throws(Errno) {
    guard let input = HostDescriptor.inherited(0), let output = HostDescriptor.inherited(1) else {
      throw .badDescriptor
    }
    self.input = input
    self.output = output
    inputReadiness = HostReadiness(descriptor: 0, queue: queue)
    outputReadiness = HostReadiness(descriptor: 1, queue: queue)
    keyboard = Mutex(Keyboard(buffer: try KernelBuffer(count: 4096)), rank: .keyboard)
    screen = Mutex(Screen(buffer: try KernelBuffer(count: 4096)), rank: .screen)
    var modes = TerminalModes.standard
    modes.input |= UInt32(IUTF8)
    super.init(device: deviceNumber(5, 1), modes: modes)
    let header = bootBlock.header
    resize(rows: UInt16(truncatingIfNeeded: header.rows), columns: UInt16(truncatingIfNeeded: header.columns))
  }

  override var name: [UInt8] { Array("/dev/console".utf8) }

  /// The host's terminal has another size.
  public func resize(rows: UInt16, columns: UInt16) {
    var window = linux_winsize()
    window.ws_row = rows
    window.ws_col = columns
    resize(window)
  }

  // MARK: the thread

  /// Errors: ENOMEM.
  func start() throws(Errno) { try KernelThread.start { [self] in run() } }

  private func run() {
    while true {
      readKeyboard()
      flush()
      do throws(Errno) {
        try queue.wait(.uninterruptible) { () throws(Errno) -> Bool in
          var isReady = false
          if !isThrottled.load(ordering: .acquiring) && !keyboard.withLock({ $0.isGone }) {
            if input.readiness(LINUX_EPOLLIN) != 0 { isReady = true } else { try? inputReadiness.watch(LINUX_EPOLLIN) }
          }
          if hasOutput {
            if output.readiness(LINUX_EPOLLOUT) != 0 {
              isReady = true
            } else {
              try? outputReadiness.watch(LINUX_EPOLLOUT)
            }
          }
          return isReady
        }
      } catch {}
    }
  }

  // MARK: the keyboard

  private func readKeyboard() {
    keyboard.withLock { keyboard in
      while !keyboard.isGone {
        let room = state.withLock { $0.arriving.room }
        isThrottled.store(room == 0, ordering: .releasing)
        if room == 0 {
          // A reader may have made room before it could see that anybody waits for it.
          if state.withLock({ $0.arriving.room }) == 0 { return }
          continue
        }
        if input.readiness(LINUX_EPOLLIN) == 0 { return }
        let window = keyboard.buffer.bytes.slice(0, min(room, 4096))
        let count: Int
        do throws(Errno) { count = try input.read(window) } catch { count = error == .wouldBlock ? -1 : 0 }
        if count < 0 { return }
        if count == 0 {
          keyboard.isGone = true
          hangUp(tellsGroup: true)
          return
        }
        receive(window.slice(0, count), &keyboard)
      }
    }
  }

  private func receive(_ bytes: KernelBytes, _ keyboard: inout Keyboard) {
    let character = state.withLock { $0.discipline.modes.characters[Int(VINTR)] }
    var start = 0
    for i in 0..<bytes.count where character != 0 && bytes[i] == character {
      type(bytes.slice(start, i - start))
      start = i
      interrupted(bytes.slice(i, 1), &keyboard)
      start = i + 1
    }
    type(bytes.slice(start, bytes.count - start))
  }
  private func type(_ bytes: KernelBytes) {
    if bytes.count == 0 { return }
    do throws(Errno) {
      try change { (state) throws(Errno) in
        for i in 0..<bytes.count where state.arriving.room > 0 { state.arriving.append(bytes[i]) }
        state.pump()
      }
    } catch {}
  }

  /// Three interrupt characters within a second are a cry for help: where the third finds that nobody took the ones
  /// before, and nobody does for a while either, the machine ends.
  private func interrupted(_ character: KernelBytes, _ keyboard: inout Keyboard) {
    let now = Clock.monotonic()
    let first = keyboard.interrupts[1]
    keyboard.interrupts = [first, keyboard.interrupts[2], now]
    let isThird = first != 0 && now &- first < 1_000_000_000
    let isDeaf = isThird && isForegroundDeaf
    type(character)
    if !isDeaf { return }
    do throws(Errno) {
      try queue.wait(.uninterruptible, until: .after(nanoseconds: 200_000_000)) { !isForegroundDeaf }
    } catch {
      endIfDeaf()
    }
  }
  /// Whether the interrupt character is on (ISIG) and SIGINT lies pending on the whole foreground group.
  private var isForegroundDeaf: Bool {
    let (isOn, group) = state.withLock { ($0.discipline.modes.hasLocal(ISIG), $0.foreground) }
    guard isOn, let group else { return false }
    var members = 0, deaf = 0
    withProcessTree {
      group.members.forEach { process in
        members += 1
        if process.signals.isPending(SIGINT) { deaf += 1 }
      }
    }
    return members > 0 && deaf == members
  }
  func endIfDeaf() {
    if !isForegroundDeaf { return }
    Log.warning("three interrupts within a second, and nobody took one: the machine ends")
    powerOff(128 + Int(SIGINT))
  }

  override func inputDrained() {
    if isThrottled.load(ordering: .acquiring) && state.withLock({ $0.arriving.room }) > 0 {
      isThrottled.store(false, ordering: .releasing)
      queue.wakeAll()
    }
  }

  // MARK: the screen

  private var hasOutput: Bool {
    screen.withLock { $0.start < $0.end } || state.withLock { !$0.discipline.out.isEmpty && !$0.discipline.isStopped }
  }

  override func outputReady() { if !flush() { queue.wakeAll() } }

  /// Puts out what waits, as far as the host takes it at once. Returns false where some is left for the thread.
  @discardableResult private func flush() -> Bool {
    screen.withLock { screen in
      while true {
        if screen.start == screen.end {
          var moved = 0
          do throws(Errno) {
            moved = try state.withLock { (state) throws(Errno) -> Int in
              if state.discipline.isStopped { return 0 }
              var buffers = IOBuffers(kernel: screen.buffer.bytes)
              let moved = try state.discipline.out.read(&buffers)
              state.discipline.processEchoes()
              // This loop takes what echo it made room for.
              state.discipline.events.remove(.output)
              return moved
            }
          } catch {}
          screen.start = 0
          screen.end = moved
          if moved == 0 { break }
          writers.wakeAll(events: LINUX_EPOLLOUT)
        }
        if output.readiness(LINUX_EPOLLOUT) == 0 { return false }
        do throws(Errno) {
          screen.start += try output.write(screen.buffer.bytes.slice(screen.start, screen.end - screen.start))
        } catch {
          if error == .wouldBlock { return false }
          screen.start = screen.end  // the terminal is gone
        }
      }
      writers.wakeAll(events: LINUX_EPOLLOUT)  // tcdrain(3)
      return true
    }
  }
}

/// Set at boot where the machine has a console.
public let console = KernelGlobal<ConsoleTerminal>()

extension ProcessSignals {
  /// Whether `signal` waits for the process to take it.
  func isPending(_ signal: Int32) -> Bool { state.withLock { $0.pending.set.contains(signal) } }
}
