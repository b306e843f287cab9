import Machine

/// The first kernel thread: what /init is to Linux's kernel.
public func startKernel() {
  Log.info("Martlet")
  powerOff(0)
}
