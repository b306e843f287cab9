import CBoot
import CLinux
import Machine

/// A unit test that runs inside the kernel.
struct KUnitCase: Sendable {
  let name: StaticString
  let body: @convention(thin) (KUnit) -> Void

  init(_ name: StaticString, _ body: @escaping @convention(thin) (KUnit) -> Void) {
    self.name = name
    self.body = body
  }
}

/// Runs the cases and prints KTAP, version 1 (docs.kernel.org/dev-tools/ktap.html), as Linux's KUnit does.
public final class KUnit {
  private var failures: [String] = []

  /// Records a failure where `condition` is false; the case goes on.
  func expect(_ condition: Bool, _ what: String, line: Int = #line) {
    if !condition { failures.append("line \(line): \(what)") }
  }

  /// Runs the cases whose names contain `filter` (all for an empty one). Returns how many failed; no case at all is one.
  static func run(filter: [UInt8]) -> Int {
    var chosen: [Int] = []
    for i in kunitCases.indices where contains("\(kunitCases[i].name)", filter) { chosen.append(i) }
    HostOutput.standardOutput("KTAP version 1\n1..\(chosen.count)\n")
    if chosen.isEmpty { return 1 }
    var failed = 0
    for (position, i) in chosen.enumerated() {
      let kunit = KUnit()
      kunitCases[i].body(kunit)
      for failure in kunit.failures { HostOutput.standardOutput("  # \(failure)\n") }
      let word = kunit.failures.isEmpty ? "ok" : "not ok"
      if !kunit.failures.isEmpty { failed += 1 }
      HostOutput.standardOutput("\(word) \(position + 1) \(kunitCases[i].name)\n")
    }
    return failed
  }

  private static func contains(_ name: String, _ filter: [UInt8]) -> Bool {
    let bytes = [UInt8](name.utf8)
    if filter.isEmpty { return true }
    if bytes.count < filter.count { return false }
    for start in 0...bytes.count - filter.count {
      var isHere = true
      for i in 0..<filter.count where bytes[start + i] != filter[i] { isHere = false }
      if isHere { return true }
    }
    return false
  }
}
