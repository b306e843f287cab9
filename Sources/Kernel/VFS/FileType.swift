/// The type bits of a mode: S_IFMT and its values, inode(7). (The headers hide them from whoever has a C library.)
public enum FileType {
  public static var mask: UInt32 { 0o170000 }
  public static var fifo: UInt32 { 0o010000 }
  public static var characterDevice: UInt32 { 0o020000 }
  public static var directory: UInt32 { 0o040000 }
  public static var blockDevice: UInt32 { 0o060000 }
  public static var regular: UInt32 { 0o100000 }
  public static var symbolicLink: UInt32 { 0o120000 }
  public static var socket: UInt32 { 0o140000 }
}
/// The bits of a mode above the nine permissions: S_ISUID, S_ISGID, S_ISVTX.
public enum ModeBits {
  public static var setUser: UInt32 { 0o4000 }
  public static var setGroup: UInt32 { 0o2000 }
  public static var sticky: UInt32 { 0o1000 }
}
