import Machine

/// SIGPIPE to the current task.
func sendBrokenPipe() {}
