import CBoot
import Machine

/// The first kernel thread: what start_kernel is to Linux.
public func startKernel() {
  Log.info("Martlet")
  prepareSignals()
  if bootBlock.has(MARTLET_KUNIT) {
    powerOff(KUnit.run(filter: bootBlock.string(bootBlock.header.filter)) == 0 ? 0 : 1)
    return
  }
  powerOff(0)
}
