import ArgumentParser
import Glibc

/// `martlet doctor`: what the host offers, what it costs to lack it, and what to change. One line each.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what this host offers to Martlet, and what it lacks.",
    discussion: "The exit status is 1 where Martlet cannot run here, else 0.")

  func run() throws {
    let findings = Self.findings(HostFacts.current())
    let colours = isatty(STDOUT_FILENO) == 1 && HostText.environment("NO_COLOR") == nil
    for finding in findings { print(finding.line(colours: colours)) }
    if findings.contains(where: { $0.verdict == .fails }) { throw ExitCode(1) }
  }

  enum Verdict: String {
    case good = "ok", lacks = "note", fails = "FAIL"
  }
  struct Finding: Equatable {
    var verdict: Verdict
    var subject: String
    var text: String

    func line(colours: Bool) -> String {
      let word = verdict.rawValue + String(repeating: " ", count: 4 - verdict.rawValue.count)
      let colour =
        switch verdict {
        case .good: 32
        case .lacks: 33
        case .fails: 31
        }
      return (colours ? "\u{1b}[\(colour)m\(word)\u{1b}[0m" : word) + "  \(subject): \(text)"
    }
  }

  /// In the order in which they matter.
  static func findings(_ host: HostFacts) -> [Finding] {
    var all: [Finding] = []
    func say(_ verdict: Verdict, _ subject: String, _ text: String) {
      all.append(Finding(verdict: verdict, subject: subject, text: text))
    }
    if let problem = HostCheck.problem(of: host.check) {
      say(.fails, "host", problem)
    } else {
      say(.good, "host", "Linux \(host.check.release), with FSGSBASE and room for addresses")
    }

    if let actions = host.seccompActions {
      if actions.contains("trap") {
        say(.good, "seccomp", "system calls of guests can be caught")
      } else {
        say(.fails, "seccomp", "the host's kernel has no filter that traps; it needs CONFIG_SECCOMP_FILTER")
      }
    } else {
      say(
        .lacks, "seccomp",
        "the host does not say what its filters can do (/proc/sys/kernel/seccomp); a machine will tell")
    }
    if host.landlock > 0 {
      say(.good, "Landlock", "version \(host.landlock): a machine reaches only the directories that it was given")
    } else {
      say(
        .lacks, "Landlock",
        "missing: a guest that sets out to can reach what you can; boot the host with 'lsm=landlock,...'")
    }

    let vectors = ["avx512f", "avx", "sse2"].first { host.processor.contains($0) } ?? "none"
    if host.processor.contains("xsavec") {
      say(.good, "vector state", "\(vectors), saved in the compact form")
    } else {
      say(.lacks, "vector state", "\(vectors); the processor lacks XSAVEC, so switches between threads take longer")
    }
    if host.processor.contains("fsrm") {
      say(.good, "copies", "short ones are fast (FSRM)")
    } else {
      say(.lacks, "copies", "the processor lacks FSRM: reads and writes of some hundred bytes take longer")
    }

    switch host.privateHugePages {
    case "always", "madvise": say(.good, "huge pages", "the kernel's code takes one entry of a new process's tables")
    case nil: say(.lacks, "huge pages", "the host has none: each new process takes some 300 entries more")
    default:
      say(
        .lacks, "huge pages",
        "turned off: each new process takes some 300 entries more; 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled'"
      )
    }
    switch host.sharedHugePages {
    case "always", "within_size", "force":
      say(.good, "huge pages of shared memory", "new processes reach the kernel's memory with fewer faults")
    default:
      say(
        .lacks, "huge pages of shared memory",
        "off, as on most hosts: a new process takes some 20 faults for the kernel's "
          + "memory; 'echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled'")
    }

    limit("processes", host.processes, 1024, "ulimit -u", "each process of a guest is one of the host")
    limit("descriptors", host.descriptors, 256, "ulimit -n", "open files of host directories take one each")
    func limit(_ subject: String, _ value: UInt64, _ least: UInt64, _ how: String, _ why: String) {
      let text = value == .max ? "no limit" : "at most \(value)"
      if value >= least { return say(.good, subject, text) }
      say(.lacks, subject, "\(text): \(why); raise '\(how)'")
    }
    if let mappings = host.mappings {
      if mappings >= 65530 {
        say(.good, "mappings", "at most \(mappings) for each process")
      } else {
        say(
          .lacks, "mappings",
          "at most \(mappings) for each process, where Linux has 65530: 'sysctl vm.max_map_count=65530'")
      }
    }

    if !host.canMapPageZero {
      say(
        .good, "page 0",
        "cannot be mapped; only '--hook zpoline' needs it: 'sysctl vm.mmap_min_addr=0', or CAP_SYS_RAWIO")
    } else if host.processor.contains("ospke") {
      say(.good, "page 0", "can be mapped, and hidden by a protection key: '--hook zpoline' works")
    } else {
      say(
        .good, "page 0",
        "can be mapped: '--hook zpoline' works, but without protection keys programs can read it")
    }
    say(
      .good, "tap device",
      host.hasTap ? "/dev/net/tun can be used; guests have no network yet" : "none; guests have no network yet")
    return all
  }
}
