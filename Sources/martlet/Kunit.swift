import ArgumentParser
import CBoot

struct Kunit: MachineCommand {
  static let configuration = CommandConfiguration(
    commandName: "kunit",
    abstract: "Run the unit tests inside the kernel; prints KTAP.",
    discussion: "The exit status is 0 when all tests pass, 1 when one fails.")

  @OptionGroup var machine: MachineOptions

  @Argument(help: "Only the tests whose 'suite.test' name contains this text.")
  var filter: String?

  func start(at started: UInt64) throws(Failure) -> Int32 {
    var boot = try Boot(machine, started: started)
    boot.block.set(MARTLET_KUNIT)
    boot.block.header.hostname = boot.block.string("martlet")
    if let filter { boot.block.header.filter = boot.block.string(filter) }
    return try boot.start(console: nil)
  }
}
