import ArgumentParser
import CBoot
import Glibc

struct Run: MachineCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Boot a machine and run one command in it.",
    usage: "martlet run [<options>] [--] [<command> [<argument> ...]]",
    discussion: """
      Without a command, root's login shell runs. Options come before the command; everything after it \
      belongs to it.

        martlet run                                    a shell in the default root
        martlet run sh -c 'echo hello | wc -c'         a pipeline
        martlet run --root alpine.tar.gz -- ls -l      another root
        martlet run --root / --ro -v "$PWD":/mnt -w /mnt -- make

      Where stdin and stdout are one terminal, it becomes the guest's console: Ctrl-C and Ctrl-Z go to the \
      guest, and three Ctrl-C within a second end a machine that does not answer. SIGTERM ends the machine in \
      order, a second one at once.
      """)

  @Option(
    help: ArgumentHelp(
      "The root: a host directory, or a tar archive (plain, .gz, .xz, .zst) that is unpacked into memory.",
      valueName: "dir|tar"))
  var root: String?

  @Flag(name: .customLong("ro"), help: "Nothing in the root can be written; /tmp and /run are empty and in memory.")
  var readOnly = false

  @OptionGroup var machine: MachineOptions

  @Option(
    help: ArgumentHelp(
      "How system calls are caught: 'rewrite' patches each place in memory once it has trapped, 'zpoline' does so with "
        + "calls through page 0, which few hosts allow, 'trap' patches nothing."
    ))
  var hook: Hook = .rewrite

  @Option(
    name: [.customShort("v"), .customLong("volume")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Show a host directory or file in the guest (repeatable).", valueName: "host:guest[:ro]"))
  var volumes: [Volume] = []

  @Option(
    name: [.customShort("e"), .customLong("env")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Set a variable, or take it over from the host where only its name is given (repeatable).",
      valueName: "name[=value]"))
  var environment: [String] = []

  @Option(
    name: [.customShort("w"), .customLong("workdir")],
    help: ArgumentHelp(
      "Where the command starts, a directory that is there, else 126 (default: the user's home).", valueName: "dir"))
  var directory: String?

  @Option(
    name: [.customShort("u"), .customLong("user")],
    help: ArgumentHelp("Who runs the command, by number.", valueName: "uid[:gid]"))
  var user: UserIdentity = .root

  @Option(help: ArgumentHelp("The machine's name.", valueName: "name"))
  var hostname = "martlet"

  // CommandSplitter adds the value where it is left out; ArgumentParser's `defaultAsFlag` (1.8.2) loses the value
  // of --strace=FILE when a flag follows.
  @Option(
    help: ArgumentHelp(
      "Print every system call: to stderr with --strace alone, to a file with --strace=FILE.", valueName: "file"))
  var strace: TraceTarget?

  @Flag(name: .customLong("no-aslr"), help: "Put programs at the same addresses every time.")
  var noRandomisation = false

  @Argument(help: ArgumentHelp("The command and its arguments.", valueName: "command"))
  var command: [String] = []

  func validate() throws {
    if let directory, !directory.hasPrefix("/") {
      throw ValidationError("-w \(directory) is not absolute: it is a path in the guest, like /root.")
    }
    if hostname.isEmpty || hostname.utf8.count > 64 {
      throw ValidationError("--hostname wants 1 to 64 characters.")
    }
    if command.first == "" { throw ValidationError("the command's name is empty.") }
  }

  func start(at started: UInt64) throws(Failure) -> Int32 {
    var boot = try Boot(machine, started: started)
    boot.block.header.hook = hook.number
    let root =
      if let root { try Root.open(root) } else { try Root.standard(boot.installation.defaultRoot(machine.mmu)) }
    try boot.setRoot(root, readOnly: readOnly)
    boot.setMounts(try Mount.plan(volumes, temporaries: readOnly ? root.temporaries : []))
    if let strace { try boot.setTrace(strace) }
    if noRandomisation { boot.block.set(MARTLET_NO_ASLR) }
    boot.block.header.uid = user.user
    boot.block.header.gid = user.group
    boot.block.header.hostname = boot.block.string(hostname)
    if let directory { boot.block.header.directory = boot.block.string(directory) }
    if command.isEmpty { boot.block.set(MARTLET_LOGIN_SHELL) }
    (boot.block.header.argumentCount, boot.block.header.arguments) = boot.block.strings(command)
    let variables = try GuestEnvironment.make(
      user: user, hostname: hostname, settings: environment, host: HostText.environment)
    (boot.block.header.environmentCount, boot.block.header.environment) = boot.block.strings(variables)
    return try boot.start(console: Terminal.console())
  }
}
