import CLinux
import Machine

// Bare shapes that other owners replace.
public final class HostFileReference {
  public let descriptor: HostDescriptor
  public init(_ descriptor: consuming HostDescriptor) { self.descriptor = descriptor }
}
