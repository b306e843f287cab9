import CBoot
import CLinux
import Machine

/// The first steps of process 2, in its own context: descriptors, directory, user, then the program, found as a shell
/// finds it. What goes wrong is said on its standard error; the status is a shell's: 127 not found, 126 not executable.
final class Command: TaskWork {
  override func run(_ task: Task) {
    let block = bootBlock
    do throws(Errno) {
      try openStandardStreams(task)
    } catch {
      task.fail(125, "standard streams", error)
    }
    var user = PasswordEntry(uid: block.header.uid, gid: block.header.gid)
    var environment = block.environment
    var arguments = block.arguments
    var directory = block.string(block.header.directory)
    if block.has(MARTLET_LOGIN_SHELL) || arguments.isEmpty {
      user = PasswordEntry.find(block.header.uid, task) ?? user
      let shell = user.shell.isEmpty ? ("/bin/sh" as StaticString).bytes : user.shell
      var name: [UInt8] = [45]  // a login shell's name begins with a hyphen
      name.append(contentsOf: Command.lastName(shell))
      if directory.isEmpty { directory = user.home }
      Command.set(&environment, "SHELL", shell)
      if !user.home.isEmpty { Command.set(&environment, "HOME", user.home) }
      arguments = [name]
      enter(task, directory, block)
      return start(task, [shell], arguments, environment)
    }
    if directory.isEmpty { Command.goHome(task, environment) }
    enter(task, directory, block)
    start(task, Command.candidates(arguments[0], environment), arguments, environment)
  }

  /// HOME, where it can be entered; else the root.
  private static func goHome(_ task: Task, _ environment: [[UInt8]]) {
    let prefix = ("HOME=" as StaticString).bytes
    for variable in environment where variable.starts(with: prefix) {
      do throws(Errno) { try task.changeDirectory([UInt8](variable[prefix.count...])) } catch {}
      return
    }
  }

  /// Directory and user.
  private func enter(_ task: Task, _ directory: [UInt8], _ block: BootBlock) {
    if !directory.isEmpty {
      do throws(Errno) {
        try task.changeDirectory(directory)
      } catch {
        task.fail(126, "cannot start in \(String(decoding: directory, as: UTF8.self))", error)
      }
    }
    let credentials = Credentials()
    credentials.become(uid: block.header.uid, gid: block.header.gid)
    task.setCredentials(credentials)
  }

  /// Runs the first of `paths` that can be, once the caller has returned; as execvp(3), one that may not be executed does
  /// not end the search.
  private func start(_ task: Task, _ paths: [[UInt8]], _ arguments: [[UInt8]], _ environment: [[UInt8]]) {
    var failure = Errno.noEntry
    for path in paths {
      do throws(Errno) {
        try execute(task, path: path, arguments: arguments, environment: environment)
        return
      } catch {
        switch error {
        case .noEntry, .notDirectory: continue
        case .access: failure = .access
        default: task.fail(126, arguments[0], error)
        }
      }
    }
    task.fail(failure == .noEntry ? 127 : 126, arguments[0], failure)
  }

  /// Where `name` may be: itself where it has a slash, else in each directory of PATH.
  static func candidates(_ name: [UInt8], _ environment: [[UInt8]]) -> [[UInt8]] {
    if name.isEmpty { return [] }
    if name.contains(47) { return [name] }
    var path = ("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" as StaticString).bytes
    for variable in environment where variable.starts(with: ("PATH=" as StaticString).bytes) {
      path = [UInt8](variable.dropFirst(5))
    }
    var result: [[UInt8]] = []
    var directory: [UInt8] = []
    path.append(58)
    for byte in path {
      if byte != 58 {
        directory.append(byte)
        continue
      }
      if !directory.isEmpty { directory.append(47) }
      directory.append(contentsOf: name)
      result.append(directory)
      directory = []
    }
    return result
  }

  static func lastName(_ path: [UInt8]) -> [UInt8] {
    guard let slash = path.lastIndex(of: 47) else { return path }
    return [UInt8](path[(slash + 1)...])
  }

  /// Sets `name` unless it is there.
  static func set(_ environment: inout [[UInt8]], _ name: StaticString, _ value: [UInt8]) {
    var entry = name.bytes
    entry.append(61)
    for variable in environment where variable.starts(with: entry) { return }
    entry.append(contentsOf: value)
    environment.append(entry)
  }
}

extension Task {
  /// The command cannot start: one line on its standard error, and its exit.
  fileprivate func fail(_ status: Int32, _ what: [UInt8], _ error: Errno) -> Never {
    fail(status, String(decoding: what, as: UTF8.self), error)
  }
  fileprivate func fail(_ status: Int32, _ what: String, _ error: Errno) -> Never {
    let reason =
      switch error {
      case .noEntry: status == 127 ? "not found" : "No such file or directory"
      case .access: "Permission denied"
      case .isDirectory: "Is a directory"
      case .notDirectory: "Not a directory"
      case .notExecutable: "Exec format error"
      case .noMemory: "Out of memory"
      case .tooBig: "Argument list too long"
      case .loop: "Too many levels of symbolic links"
      case .tooManyFiles: "Too many open files: see 'ulimit -n'"
      default: "error \(error.number)"
      }
    let line = [UInt8]("martlet: \(what): \(reason)\n".utf8)
    if let files = files.borrowed, let file = files.with({ $0.file(2) }) { file.writeAll(line) }
    exitGroup(WaitStatus.exited(status))
  }
}

/// A line of /etc/passwd: passwd(5).
struct PasswordEntry {
  var uid: UInt32
  var gid: UInt32
  var home: [UInt8] = []
  var shell: [UInt8] = []

  init(uid: UInt32, gid: UInt32) {
    self.uid = uid
    self.gid = gid
  }

  /// The first entry of `uid`.
  static func find(_ uid: UInt32, _ task: Task) -> PasswordEntry? {
    find(uid, in: task.readSmallFile(("/etc/passwd" as StaticString).bytes) ?? [])
  }
  static func find(_ uid: UInt32, in text: [UInt8]) -> PasswordEntry? {
    for line in text.split(separator: 10) {
      let fields = line.split(separator: 58, omittingEmptySubsequences: false)
      guard fields.count >= 7, number(fields[2]) == uid else { continue }
      var entry = PasswordEntry(uid: uid, gid: number(fields[3]) ?? uid)
      entry.home = [UInt8](fields[5])
      entry.shell = [UInt8](fields[6])
      return entry
    }
    return nil
  }
  private static func number(_ digits: ArraySlice<UInt8>) -> UInt32? {
    if digits.isEmpty { return nil }
    var result: UInt32 = 0
    for digit in digits {
      guard digit >= 48, digit <= 57 else { return nil }
      let (product, overflow) = result.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt32(digit - 48))
      if overflow || carry { return nil }
      result = sum
    }
    return result
  }
}
