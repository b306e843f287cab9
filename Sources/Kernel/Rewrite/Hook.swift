import CBoot
import Machine

/// How system calls of guest programs are caught: `--hook`, and for each process /proc/PID/hook.
public enum Hook: UInt32, Sendable {
  case trap = 0, rewrite, zpoline  // MARTLET_HOOK_*; a test pins them

  /// The machine's, with which its first process begins.
  static var ofMachine: Hook { Hook(rawValue: bootBlock.header.hook) ?? .trap }
  /// How sites are patched where they are: in all of the machine's processes alike, since they share exec images.
  static var patching: Hook { ofMachine == .zpoline ? .zpoline : .rewrite }

  /// Sites are patched once they have trapped.
  @inline(__always) var rewrites: Bool { self != .trap }
  var name: StaticString {
    switch self {
    case .trap: "trap"
    case .rewrite: "rewrite"
    case .zpoline: "zpoline"
    }
  }

  /// /proc/PID/hook: what the process's next program gets. Errors: EINVAL, also for what this machine has not.
  static func set(_ view: ProcView, _ bytes: [UInt8]) throws(Errno) {
    let word = bytes.last == 10 ? bytes.dropLast() : bytes[...]
    for hook in [Hook.trap, patching] where word.elementsEqual(hook.name.bytes) {
      view.process.hook = hook
      return
    }
    throw .invalid
  }
}
