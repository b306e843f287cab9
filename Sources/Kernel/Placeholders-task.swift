import Machine

// Until theirs lands.
extension ProcessTimers {
  func stopAll() {}
}
