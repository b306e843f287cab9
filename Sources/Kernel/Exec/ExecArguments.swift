import CLinux
import Machine

/// A program's arguments and environment on their way from the old address space to the new: all strings, each with its
/// NUL, in two blocks.
struct ExecArguments {
  private(set) var arguments: [UInt8] = []
  private(set) var argumentCount = 0
  private(set) var environment: [UInt8] = []
  private(set) var environmentCount = 0
  private let limit: Int

  /// MAX_ARG_STRLEN: one string, its NUL included.
  static var stringLimit: Int { 32 * 4096 }

  /// `stack`: RLIMIT_STACK. A quarter of it, 6 MiB at most and 128 KiB in any case, is what strings and pointers may take.
  init(stackLimit stack: UInt) {
    limit = max(min(6 << 20, Int(min(stack / 4, 6 << 20))), Self.stringLimit)
  }

  /// What strings and pointers take on the stack.
  var size: Int { arguments.count + environment.count + (argumentCount + environmentCount) * 8 }

  /// Errors: E2BIG.
  private func checkRoom(_ count: Int) throws(Errno) {
    if count + 1 > Self.stringLimit || size + count + 9 > limit { throw .tooBig }
  }
  mutating func addArgument(_ string: [UInt8]) throws(Errno) {
    try checkRoom(string.count)
    arguments.append(contentsOf: string)
    arguments.append(0)
    argumentCount += 1
  }
  mutating func addEnvironment(_ string: [UInt8]) throws(Errno) {
    try checkRoom(string.count)
    environment.append(contentsOf: string)
    environment.append(0)
    environmentCount += 1
  }

  /// The strings of a guest's argv or envp; a null pointer is an empty vector, as on Linux. Errors: EFAULT, E2BIG.
  private static func forEach(
    _ vector: UserPointer<UInt>, limit: Int, _ body: ([UInt8]) throws(Errno) -> Void
  ) throws(Errno) {
    if vector.isNull { return }
    var at = vector
    while true {
      let string = try at.copyIn()
      if string == 0 { return }
      try body(try UserPointer<UInt8>(string).copyInString(limit: limit, tooLong: .tooBig))
      at = at.advanced(by: 1)
    }
  }
  mutating func copyIn(arguments: UserPointer<UInt>, environment: UserPointer<UInt>) throws(Errno) {
    var result = self
    try Self.forEach(arguments, limit: Self.stringLimit) { (s) throws(Errno) in try result.addArgument(s) }
    try Self.forEach(environment, limit: Self.stringLimit) { (s) throws(Errno) in try result.addEnvironment(s) }
    // A program sees at least its name: Linux since 5.18.
    if result.argumentCount == 0 { try result.addArgument([]) }
    self = result
  }

  /// A script's interpreter takes the place of the program's name: `interpreter [argument] path rest…`. Errors: E2BIG.
  mutating func prepend(script: Script, path: [UInt8]) throws(Errno) {
    let rest: [UInt8]
    if let end = arguments.firstIndex(of: 0) { rest = Array(arguments[(end + 1)...]) } else { rest = [] }
    let restCount = max(argumentCount - 1, 0)
    arguments = []
    argumentCount = 0
    try addArgument(script.interpreter)
    if let argument = script.argument { try addArgument(argument) }
    try addArgument(path)
    if size + rest.count + restCount * 8 > limit { throw .tooBig }
    arguments.append(contentsOf: rest)
    argumentCount += restCount
  }
}
