extension HostAuxiliary {
  /// What the host told at boot. SAFETY: written before the kernel starts.
  public static var current: HostAuxiliary { unsafe hostAuxiliary }
}
