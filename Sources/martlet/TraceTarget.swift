import ArgumentParser

/// `--strace[=FILE]`.
enum TraceTarget: ExpressibleByArgument, Equatable {
  case standardError
  case file(String)

  init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    self = argument == "-" ? .standardError : .file(argument)
  }

  var argument: String {
    switch self {
    case .standardError: "-"
    case .file(let path): path
    }
  }

  var defaultValueDescription: String { "stderr" }
}
