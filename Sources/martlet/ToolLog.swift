import Logging

/// The tool's log on stderr, in lines like its other messages.
struct ToolLog: LogHandler {
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
    Failure.say(details.reduce(event.message.description) { "\($0) \($1.key)=\($1.value)" })
  }

  static func make(verbose: Bool) -> Logger {
    Logger(label: "martlet") { _ in ToolLog(logLevel: verbose ? .debug : .warning) }
  }
}
