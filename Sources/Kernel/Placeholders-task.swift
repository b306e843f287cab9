import Machine

// Bare shapes of what belongs to others, until theirs land.
class TerminalPlaceholder {
  public init() {}
}
