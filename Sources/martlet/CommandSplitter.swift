/// Finds where the guest's command begins in the arguments of `martlet run`.
///
/// ArgumentParser can hand on everything after the first word (`.captureForPassthrough`), but then it takes
/// `run --help` and misspelt options for a command as well. So a `--` is put in front of the command here, and
/// ArgumentParser sees an ordinary command line.
enum CommandSplitter {
  /// The options of `run` that take the next argument as their value. A test compares them with the real ones.
  static let optionsWithValue: Set<String> = [
    "--root", "--mmu", "--cpus", "--mem", "--hook", "--volume", "-v", "--env", "-e", "--workdir", "-w",
    "--user", "-u", "--hostname", "--log", "--loglevel", "--tick", "--kick",
  ]

  static func normalised(_ arguments: [String]) -> [String] {
    guard arguments.first == "run" else { return arguments }
    var result = ["run"]
    var index = 1
    while index < arguments.count {
      let argument = arguments[index]
      if argument == "--" { break }
      if argument == "-" || !argument.hasPrefix("-") {
        result.append("--")
        break
      }
      index += 1
      if argument == "--strace" {
        // A value is optional here, and never the next argument.
        result.append("--strace=\(TraceTarget.standardError.argument)")
      } else if let short = joined(argument) {
        result += [short.option, short.value]
      } else {
        result.append(argument)
        if optionsWithValue.contains(argument) && index < arguments.count {
          result.append(arguments[index])
          index += 1
        }
      }
    }
    return result + arguments[index...]
  }

  /// `-eA=B` is `-e A=B`; ArgumentParser would look for an option `-eA`.
  private static func joined(_ argument: String) -> (option: String, value: String)? {
    let option = String(argument.prefix(2))
    guard argument.count > 2, optionsWithValue.contains(option) else { return nil }
    return (option, String(argument.dropFirst(2)))
  }
}
