import CMachine
import Kernel
import Machine

/// The image's entry, from `_start`, on the host's initial stack.
@c(kernel_start) public func kernelStart(_ stack: UnsafeRawPointer) {
  unsafe bootMachine(stack) { startKernel() }
}
