import CLinux
import Machine

/// Who a task acts as: credentials(7), capabilities(7). Never changed once a task has it: a change makes another.
public final class Credentials {
  public var uid: UInt32 = 0, euid: UInt32 = 0, suid: UInt32 = 0, fsuid: UInt32 = 0
  public var gid: UInt32 = 0, egid: UInt32 = 0, sgid: UInt32 = 0, fsgid: UInt32 = 0
  public var groups: [UInt32] = []
  public var effective: UInt64 = Credentials.allCapabilities
  public var permitted: UInt64 = Credentials.allCapabilities
  public var inheritable: UInt64 = 0
  public var bounding: UInt64 = Credentials.allCapabilities
  public var ambient: UInt64 = 0
  public var secureBits: UInt32 = 0
  public var noNewPrivileges = false
  public static var allCapabilities: UInt64 { (1 << (UInt64(CAP_LAST_CAP) + 1)) - 1 }

  public init() {}
  /// A copy to change before it is used.
  public init(copying other: Credentials) {
    uid = other.uid
    euid = other.euid
    suid = other.suid
    fsuid = other.fsuid
    gid = other.gid
    egid = other.egid
    sgid = other.sgid
    fsgid = other.fsgid
    groups = other.groups
    effective = other.effective
    permitted = other.permitted
    inheritable = other.inheritable
    bounding = other.bounding
    ambient = other.ambient
    secureBits = other.secureBits
    noNewPrivileges = other.noNewPrivileges
  }

  /// Whether it may use the capability CAP_… `number`.
  @inline(__always) public func has(_ capability: Int32) -> Bool { effective >> UInt64(capability) & 1 != 0 }
  public func isIn(group: UInt32) -> Bool { group == fsgid || groups.contains(group) }
}
