import ArgumentParser
import CBoot

enum MMU: String, ExpressibleByArgument, CaseIterable {
  case host, none
}

enum Hook: String, ExpressibleByArgument, CaseIterable {
  case rewrite, zpoline, trap

  var number: UInt32 {
    switch self {
    case .rewrite: UInt32(MARTLET_HOOK_REWRITE)
    case .zpoline: UInt32(MARTLET_HOOK_ZPOLINE)
    case .trap: UInt32(MARTLET_HOOK_TRAP)
    }
  }
}

/// What `run` and `kunit` share.
struct MachineOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "'host': every process has a host process and an address space of its own; 'none': one for all, where fork fails."
    ))
  var mmu: MMU = .host

  @Option(help: ArgumentHelp("Virtual processors (default: as many as the host lets us use).", valueName: "n"))
  var cpus: Int?

  @Option(
    help: ArgumentHelp(
      "The machine's memory, like 512m or 2g (default: half of what the host has free).",
      valueName: "size"))
  var mem: Size?

  @Option(help: ArgumentHelp("Write the kernel's log to this file.", valueName: "file"))
  var log: String?

  @Option(
    help: ArgumentHelp(
      "Kernel messages up to this level also go to stderr: 0 emergencies only, 4 warnings, 7 everything.",
      valueName: "0-7"))
  var loglevel: UInt32 = 4

  @Flag(help: "Say on stderr what the tool does.")
  var verbose = false

  @Option(help: ArgumentHelp("Microseconds between scheduler ticks, or 'off'.", visibility: .hidden))
  var tick: TickInterval?

  @Option(help: ArgumentHelp("Kick every virtual processor this often, in microseconds.", visibility: .hidden))
  var kick: UInt32?

  @Flag(help: ArgumentHelp("Do not keep vector state across switches: its test must fail.", visibility: .hidden))
  var loseVectors = false

  func validate() throws {
    if let cpus, !(1...Int(MARTLET_MAXIMUM_CPUS)).contains(cpus) {
      throw ValidationError("--cpus \(cpus) makes no machine: give a number from 1 to \(Int(MARTLET_MAXIMUM_CPUS)).")
    }
    if let mem, mem.bytes < Size.least {
      throw ValidationError("--mem \(mem.text) is too small: give at least 16m.")
    }
    if loglevel > 7 { throw ValidationError("--loglevel \(loglevel) does not exist: give 0 to 7.") }
  }
}

/// A period in microseconds; `off` is the longest there is.
struct TickInterval: ExpressibleByArgument {
  let microseconds: UInt32

  init?(argument: String) {
    guard let value = argument == "off" ? UInt32.max : UInt32(argument), value > 0 else { return nil }
    microseconds = value
  }
}
