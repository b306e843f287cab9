import Machine

/// At boot, before the first task.
func prepareSignals() {
  signalQuota.set(SignalQuota())
  futexes.set(FutexTable())
}
