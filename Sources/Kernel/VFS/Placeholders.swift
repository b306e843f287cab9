import CLinux
import Machine

// Bare shapes that the owners of these files replace.
open class Inode {
  public init() {}
}
public final class Path {}
public struct DirectoryEntries: ~Copyable {}
public final class FileTable {}
public final class FileSystemContext {}
