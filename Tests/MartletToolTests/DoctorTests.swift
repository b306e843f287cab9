import Testing

@testable import martlet

@Suite struct DoctorTests {
  private var good: HostFacts {
    var facts = HostFacts(
      check: HostCheck.Host(
        machine: "x86_64", release: "6.1.0", hasFSGSBase: true, addressSpace: .max, fileSize: .max))
    facts.processor = ["sse2", "avx", "avx512f", "xsavec", "fsrm"]
    facts.seccompActions = ["kill", "trap", "allow"]
    facts.landlock = 3
    facts.privateHugePages = "madvise"
    facts.sharedHugePages = "within_size"
    facts.mappings = 65530
    return facts
  }

  @Test func aGoodHostLacksNothing() {
    #expect(Doctor.findings(good).allSatisfy { $0.verdict == .good })
  }

  @Test func whatIsMissingIsNamedWithWhatToDo() throws {
    var facts = good
    facts.landlock = 0
    facts.sharedHugePages = "never"
    facts.privateHugePages = "never"
    facts.processor.remove("fsrm")
    facts.descriptors = 64
    facts.mappings = 1000
    let notes = Doctor.findings(facts).filter { $0.verdict == .lacks }
    #expect(
      notes.map(\.subject) == [
        "Landlock", "copies", "huge pages", "huge pages of shared memory", "descriptors", "mappings",
      ])
    #expect(notes.first { $0.subject == "descriptors" }?.text.contains("ulimit -n") == true)
    #expect(notes.first { $0.subject == "mappings" }?.text.contains("sysctl vm.max_map_count") == true)
  }

  @Test func aHostThatCannotRunItFails() {
    var facts = good
    facts.check.hasFSGSBase = false
    facts.seccompActions = ["kill", "allow"]
    #expect(Doctor.findings(facts).filter { $0.verdict == .fails }.map(\.subject) == ["host", "seccomp"])
  }

  @Test func choicesAreInBrackets() {
    #expect(HostFacts.choice(in: "always [madvise] never") == "madvise")
    #expect(HostFacts.choice(in: "nothing") == nil)
  }

  @Test func coloursAreForTerminals() {
    let finding = Doctor.Finding(verdict: .lacks, subject: "copies", text: "slow")
    #expect(finding.line(colours: false) == "note  copies: slow")
    #expect(finding.line(colours: true) == "\u{1b}[33mnote\u{1b}[0m  copies: slow")
  }
}
