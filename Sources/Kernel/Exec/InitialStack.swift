import CLinux
import Machine

/// What the initial stack tells a program of itself.
struct InitialStack {
  let arguments: ExecArguments
  /// AT_EXECFN.
  let fileName: [UInt8]
  let program: LoadedImage
  let headerCount: Int
  /// Of the dynamic loader: AT_BASE.
  let interpreterBase: UInt
  let credentials: Credentials
  let isSecure: Bool

  /// Writes strings, auxiliary vector, environment, argv and argc below `top`, in Linux's order, and notes in `space` where
  /// they are. Returns the stack pointer. Errors: EFAULT, ENOMEM.
  func write(to space: AddressSpace, below top: UInt, _ placement: Placement) throws(Errno) -> UInt {
    // From the top: a null word, the file's name, the environment's strings, the arguments'.
    var at = top - 8
    let nameAddress = at - UInt(fileName.count + 1)
    at = nameAddress - UInt(arguments.environment.count)
    let environment = at
    at -= UInt(arguments.arguments.count)
    let firstArgument = at
    try UserPointer<UInt8>(nameAddress).copyOut(fileName + [0])
    try UserPointer<UInt8>(environment).copyOut(arguments.environment)
    try UserPointer<UInt8>(firstArgument).copyOut(arguments.arguments)
    space.commandLine = firstArgument..<environment
    space.environment = environment..<nameAddress

    at = (at - placement.stackShift) & ~15
    let platform = at - 8
    try UserPointer<UInt8>(platform).copyOut(Array("x86_64\0".utf8))
    let random = platform - 16
    try UserPointer<UInt64>(random).copyOut(placement.secret)

    // All copies that fork(2) makes share it.
    space.auxiliary = Thread.withCurrent { thread in
      thread.withArena { auxiliary(random: random, name: nameAddress, platform: platform) }
    }
    var words: [UInt] = []
    words.reserveCapacity(arguments.argumentCount + arguments.environmentCount + 3 + space.auxiliary.count)
    words.append(UInt(arguments.argumentCount))
    Self.append(&words, arguments.arguments, firstArgument)
    Self.append(&words, arguments.environment, environment)
    words.append(contentsOf: space.auxiliary)
    let stack = (random - UInt(words.count) * 8) & ~15
    try UserPointer<UInt>(stack).copyOut(words)
    space.stackStart = stack
    return stack
  }

  /// The address of each string in `block`, which lies at `address`, and a null.
  private static func append(_ words: inout [UInt], _ block: [UInt8], _ address: UInt) {
    var isStart = true
    for i in block.indices {
      if isStart { words.append(address + UInt(i)) }
      isStart = block[i] == 0
    }
    words.append(0)
  }

  private func auxiliary(random: UInt, name: UInt, platform: UInt) -> [UInt] {
    let host = HostAuxiliary.current
    var result: [UInt] = []
    result.reserveCapacity(42)
    func add(_ key: Int32, _ value: UInt) {
      result.append(UInt(key))
      result.append(value)
    }
    if host.vdso != 0 { add(AT_SYSINFO_EHDR, host.vdso) }
    add(AT_MINSIGSTKSZ, host.minimumSignalStack)
    add(AT_HWCAP, host.capabilities)
    add(AT_PAGESZ, 4096)
    add(AT_CLKTCK, 100)
    add(AT_PHDR, program.headers)
    add(AT_PHENT, UInt(ElfImage.programHeaderSize))
    add(AT_PHNUM, UInt(headerCount))
    add(AT_BASE, interpreterBase)
    add(AT_FLAGS, 0)
    add(AT_ENTRY, program.entry)
    add(AT_UID, UInt(credentials.uid))
    add(AT_EUID, UInt(credentials.euid))
    add(AT_GID, UInt(credentials.gid))
    add(AT_EGID, UInt(credentials.egid))
    add(AT_SECURE, isSecure ? 1 : 0)
    add(AT_RANDOM, random)
    add(AT_HWCAP2, host.capabilities2)
    add(AT_EXECFN, name)
    add(AT_PLATFORM, platform)
    add(AT_NULL, 0)
    return result
  }

  /// What it takes at most, for the stack's first size.
  static func size(_ plan: ExecPlan) -> UInt {
    let words = plan.arguments.argumentCount + plan.arguments.environmentCount + 64
    return UInt(plan.arguments.arguments.count + plan.arguments.environment.count + plan.path.count + words * 8 + 8448)
  }
}
