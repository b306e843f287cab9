import Machine

// Bare shapes of what belongs to others, until theirs land.
open class Terminal {
  public init() {}
}
