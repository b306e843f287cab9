import CLinux
import Machine

// Bare shapes that other owners replace.
public final class CachedFile {
  public let mappings = MappingList()
  public let pages = CachedPages()
  public var size = 0
  public init() {}
}
public final class HostFileReference {
  public let descriptor: HostDescriptor
  public init(_ descriptor: consuming HostDescriptor) { self.descriptor = descriptor }
}
extension CachedFile {
  static func shared(count: Int) throws(Errno) -> CachedFile {
    let file = CachedFile()
    file.size = count
    return file
  }
}
extension Task {
  var memoryLimits: MemoryLimits { MemoryLimits() }
}
