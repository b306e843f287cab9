import CLinux
import Machine

// Until their owners' land.
public final class MappingList {
  public init() {}
  public func unmap(pages: Range<Int>) {}
}
