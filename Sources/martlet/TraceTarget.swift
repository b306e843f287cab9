import ArgumentParser

/// `--strace[=FILE]`.
enum TraceTarget: ExpressibleByArgument, Equatable {
  case standardError
  case file(String)

  init?(argument: String) {
    self = argument == "-" ? .standardError : .file(argument)
  }

  var argument: String {
    switch self {
    case .standardError: "-"
    case .file(let path): path
    }
  }
}
