import CTool
import Glibc

/// A child process of the tool's main thread: it dies with the tool.
struct Child {
  let process: pid_t

  enum End: Equatable {
    case exited(Int32)
    case killed(Int32)
  }

  /// Starts a program; descriptors[i] becomes `first + i` there. Nil with `errno` set when the host refuses.
  static func start(
    _ path: String, _ arguments: [String], environment: [String] = [], descriptors: [Int32], first: Int32
  ) -> Child? {
    let argumentStrings = arguments.map { HostText.withCString($0) { strdup($0) } } + [nil]
    let environmentStrings = environment.map { HostText.withCString($0) { strdup($0) } } + [nil]
    defer { for string in argumentStrings + environmentStrings { free(string) } }
    let process = argumentStrings.withUnsafeBufferPointer { arguments in
      environmentStrings.withUnsafeBufferPointer { environment in
        descriptors.withUnsafeBufferPointer { numbers in
          HostText.withCString(path) { path in
            var request = tool_spawn_request(
              path: path, arguments: arguments.baseAddress, environment: environment.baseAddress,
              descriptors: numbers.baseAddress, count: Int32(numbers.count), first: first)
            return tool_spawn(&request)
          }
        }
      }
    }
    return process < 0 ? nil : Child(process: process)
  }

  /// How it ended, nil when it still runs after `milliseconds` (-1 waits for ever).
  func wait(milliseconds: Int32) -> End? {
    var status: Int32 = 0
    guard tool_wait(process, milliseconds, &status) != 0 else { return nil }
    let code = tool_status_code(status)
    return tool_status_exited(status) != 0 ? .exited(code) : .killed(code)
  }

  func kill(_ signal: Int32) {
    _ = Glibc.kill(process, signal)
  }
}
