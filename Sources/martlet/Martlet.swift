import ArgumentParser
import Glibc

/// The command-line tool: reads what the user wants, starts the kernel's first process and looks after the terminal.
struct Martlet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract: "Run Linux programs in Martlet, a Linux-compatible kernel made of ordinary host processes.",
    discussion: """
      Martlet needs no root rights, no namespaces and no /dev/kvm. Try:

        martlet run                        a shell in the default root
        martlet run -- ls -l               one command
        martlet run --root / --ro -- ps    the host's own programs, nothing written

      The exit status is the command's own; 128+n when signal n killed it; 126 and 127 as a shell gives them; \
      125, with one line on stderr, when Martlet itself fails.
      """,
    version: "martlet \(Version.tool) (Linux \(Version.kernel))",
    subcommands: [Run.self, Kunit.self, Doctor.self])
}

enum Version {
  static let tool = "0.1.0"
  static let kernel = "6.12.0-martlet"
}

/// A subcommand that starts a machine and ends with its status.
protocol MachineCommand: ParsableCommand {
  func start(at started: UInt64) throws(Failure) -> Int32
}

@main enum Main {
  static func main() {
    exit(run(HostText.arguments()))
  }

  static func run(_ arguments: [String]) -> Int32 {
    let startup = Startup()
    do {
      var command = try Martlet.parseAsRoot(CommandSplitter.normalised(arguments))
      guard let machine = command as? any MachineCommand else {
        try command.run()
        return 0
      }
      return try machine.start(at: startup.started)
    } catch let failure as Failure {
      Failure.say(failure.message)
    } catch {
      // Help, the version and the completion script come as errors, too.
      if Martlet.exitCode(for: error) == .success {
        print(Martlet.fullMessage(for: error))
        return 0
      }
      Failure.say(usageMessage(error, arguments: arguments))
    }
    return Failure.exitStatus
  }

  /// One line about a wrong command line, and where to read more.
  static func usageMessage(_ error: any Error, arguments: [String]) -> String {
    let known = Martlet.configuration.subcommands.compactMap { $0.configuration.commandName }
    let name = arguments.first.flatMap { known.contains($0) ? "martlet \($0)" : nil } ?? "martlet"
    var text = Martlet.message(for: error).split(separator: "\n").joined(separator: " ")
    if let first = text.first { text = first.lowercased() + text.dropFirst() }
    while text.last == "." { text.removeLast() }
    return "\(text); see '\(name) --help'"
  }
}
