import CLinux
import Machine

extension Task {
  /// A page fault of guest code, or of a copy to or from guest memory. Where it is refused, `fault` says which signal with
  /// which code it becomes.
  func resolvePageFault(at address: UInt, isWrite: Bool, isExecute: Bool) -> Bool {
    guard let space = visited ?? addressSpace.borrowed else { return false }
    // An access that ought to work may be tried again, but not for ever: the host may know better.
    if faultAddress == address { faultCount &+= 1 } else { (faultAddress, faultCount) = (address, 0) }
    // A task whose host process is gone runs in root's, which maps nothing of the guest's.
    if space.with({ $0.host !== self.space }) { return false }
    // A host file's end, or a key: the host has decided.
    if fault.address == address && (fault.code == Int32(SEGV_PKUERR) || isHostFileEnd(space)) { return false }
    let limits = memoryLimits
    let mayRetry = faultCount < 16
    switch space.with({
      $0.resolveFault(at: address, isWrite: isWrite, isExecute: isExecute, limits: limits, mayRetry: mayRetry)
    }) {
    case .resolved: return true
    case .refused(let signal, let code):
      faultCount = 0
      fault.signal = signal
      fault.code = code
      return false
    }
  }

  /// Whether the host raised SIGBUS for a page of a host file.
  private func isHostFileEnd(_ space: Borrowed<AddressSpace>) -> Bool {
    guard fault.signal == SIGBUS else { return false }
    let address = fault.address
    return space.with { $0.withoutChange { $0.areas.tree.area(at: address)?.mapping?.cached == nil } }
  }

  /// The si_code of `fault`: what lies in the kernel's own ranges is not mapped, as far as a guest knows.
  var faultCode: Int32 {
    if fault.trap == 14 && fault.signal == SIGSEGV && !isGuestMemory(fault.address, 1) { return Int32(SEGV_MAPERR) }
    return fault.code
  }
}
