import CMachine

extension IOBuffers {
  /// Copies one value out, whole. Returns its size. Errors: EFAULT; EINVAL where it does not fit.
  public mutating func copyOut<T: BitwiseCopyable>(value: T) throws(Errno) -> Int {
    let size = MemoryLayout<T>.size
    guard count >= size else { throw .invalid }
    var copy = value
    let done = try unsafe withUnsafeMutablePointer(to: &copy) { (p) throws(Errno) -> Int in
      unsafe try copyOut(KernelBytes(UnsafeMutableRawPointer(p), count: size))
    }
    if done != size { throw .fault }
    return size
  }
  /// Takes one value in, whole. Errors: EFAULT; EINVAL where there is less.
  public mutating func copyIn<T: BitwiseCopyable>(valueOf type: T.Type) throws(Errno) -> T {
    let size = MemoryLayout<T>.size
    guard count >= size else { throw .invalid }
    return try unsafe withUnsafeTemporaryAllocation(of: T.self, capacity: 1) { (b) throws(Errno) -> T in
      let base = unsafe UnsafeMutableRawPointer(b.baseAddress.unsafelyUnwrapped)
      if unsafe try copyIn(KernelBytes(base, count: size)) != size { throw .fault }
      return unsafe base.load(as: T.self)
    }
  }
}
