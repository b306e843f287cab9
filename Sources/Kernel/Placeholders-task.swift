import Machine

// Bare shapes of what belongs to others, until theirs land.
public final class ProcessSignals {
  init() {}
}
public final class TaskSignals {
  init() {}
}
open class Terminal {
  public init() {}
}
