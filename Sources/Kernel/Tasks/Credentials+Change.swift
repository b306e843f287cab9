import CLinux
import Machine

// Changes of identity: credentials(7), capabilities(7), and Linux's kernel/sys.c and security/commoncap.c. Each is made
// on a copy that the task then takes; -1 (`.max`) leaves an id as it is.

extension Credentials {
  /// Which of the real, effective and saved ids is changed.
  enum Kind {
    case user, group
  }

  // MARK: the three calls, for users and groups alike

  /// setuid(2), setgid(2). Errors: EINVAL, EPERM.
  func set(_ kind: Kind, _ id: UInt32) throws(Errno) {
    if id == .max { throw .invalid }
    let old = ids(kind)
    var new = old
    if has(kind == .user ? CAP_SETUID : CAP_SETGID) {
      new.real = id
      new.saved = id
    } else if id != old.real && id != old.saved {
      throw .notPermitted
    }
    new.effective = id
    new.fileSystem = id
    setIds(kind, new)
  }

  /// setreuid(2), setregid(2). Errors: EPERM.
  func set(_ kind: Kind, real: UInt32, effective: UInt32) throws(Errno) {
    let old = ids(kind)
    var new = old
    let isAble = has(kind == .user ? CAP_SETUID : CAP_SETGID)
    if real != .max {
      if real != old.real && real != old.effective && !isAble { throw .notPermitted }
      new.real = real
    }
    if effective != .max {
      if effective != old.real && effective != old.effective && effective != old.saved && !isAble {
        throw .notPermitted
      }
      new.effective = effective
    }
    if real != .max || (effective != .max && effective != old.real) { new.saved = new.effective }
    new.fileSystem = new.effective
    setIds(kind, new)
  }

  /// setresuid(2), setresgid(2). Errors: EPERM.
  func set(_ kind: Kind, real: UInt32, effective: UInt32, saved: UInt32) throws(Errno) {
    let old = ids(kind)
    if !has(kind == .user ? CAP_SETUID : CAP_SETGID) {
      for id in [real, effective, saved] where id != .max && id != old.real && id != old.effective && id != old.saved {
        throw .notPermitted
      }
    }
    var new = old
    if real != .max { new.real = real }
    if effective != .max { new.effective = effective }
    if saved != .max { new.saved = saved }
    new.fileSystem = new.effective
    setIds(kind, new)
  }

  /// setfsuid(2), setfsgid(2): silently nothing where it is not allowed.
  func set(_ kind: Kind, fileSystem id: UInt32) {
    let old = ids(kind)
    if id == .max { return }
    let isOwn = id == old.real || id == old.effective || id == old.saved || id == old.fileSystem
    if !isOwn && !has(kind == .user ? CAP_SETUID : CAP_SETGID) { return }
    if kind == .group {
      fsgid = id
      return
    }
    fsuid = id
    if secureBits & Secure.noSetuidFixup != 0 { return }
    if old.fileSystem == 0 && id != 0 { effective &= ~Credentials.fileSystemCapabilities }
    if old.fileSystem != 0 && id == 0 { effective |= permitted & Credentials.fileSystemCapabilities }
  }

  private struct Ids {
    var real: UInt32, effective: UInt32, saved: UInt32, fileSystem: UInt32
  }
  private func ids(_ kind: Kind) -> Ids {
    kind == .user
      ? Ids(real: uid, effective: euid, saved: suid, fileSystem: fsuid)
      : Ids(real: gid, effective: egid, saved: sgid, fileSystem: fsgid)
  }
  private func setIds(_ kind: Kind, _ new: Ids) {
    if kind == .group {
      (gid, egid, sgid, fsgid) = (new.real, new.effective, new.saved, new.fileSystem)
      return
    }
    let old = ids(.user)
    (uid, euid, suid, fsuid) = (new.real, new.effective, new.saved, new.fileSystem)
    if secureBits & Secure.noSetuidFixup == 0 { followUser(from: old) }
  }

  /// cap_emulate_setxuid(): capabilities go with root.
  private func followUser(from old: Ids) {
    let wasRoot = old.real == 0 || old.effective == 0 || old.saved == 0
    if wasRoot && uid != 0 && euid != 0 && suid != 0 {
      if secureBits & Secure.keepCaps == 0 {
        permitted = 0
        effective = 0
      }
      ambient = 0
    }
    if old.effective == 0 && euid != 0 { effective = 0 }
    if old.effective != 0 && euid == 0 { effective = permitted }
  }

  /// The first program's user.
  func become(uid: UInt32, gid: UInt32) {
    try? set(.group, real: gid, effective: gid, saved: gid)
    try? set(.user, real: uid, effective: uid, saved: uid)
  }

  // MARK: capabilities

  /// What follows fsuid rather than euid: CAP_FS_SET.
  static var fileSystemCapabilities: UInt64 {
    var set: UInt64 = 0
    for capability in [
      CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE, CAP_MKNOD,
      CAP_MAC_OVERRIDE,
    ] { set |= 1 << UInt64(capability) }
    return set
  }

  /// capset(2). Errors: EPERM.
  func setCapabilities(effective: UInt64, permitted: UInt64, inheritable: UInt64) throws(Errno) {
    let effective = effective & Credentials.allCapabilities, permitted = permitted & Credentials.allCapabilities
    let inheritable = inheritable & Credentials.allCapabilities
    if !has(CAP_SETPCAP) && inheritable & ~(self.inheritable | self.permitted) != 0 { throw .notPermitted }
    if inheritable & ~(self.inheritable | bounding) != 0 { throw .notPermitted }
    if permitted & ~self.permitted != 0 || effective & ~permitted != 0 { throw .notPermitted }
    self.effective = effective
    self.permitted = permitted
    self.inheritable = inheritable
    ambient &= permitted & inheritable
  }

  /// Whether a process that changes from `old` to this one must no longer be dumpable nor told of its parent's death.
  func isRaised(from old: Credentials) -> Bool {
    euid != old.euid || egid != old.egid || fsuid != old.fsuid || fsgid != old.fsgid || permitted & ~old.permitted != 0
  }
}

/// SECBIT_… of capabilities(7).
enum Secure {
  static var noRoot: UInt32 { 1 << 0 }
  static var noSetuidFixup: UInt32 { 1 << 2 }
  static var keepCaps: UInt32 { 1 << 4 }
  static var keepCapsLocked: UInt32 { 1 << 5 }
  static var noAmbientRaise: UInt32 { 1 << 6 }
  static var allBits: UInt32 { 0x55 }
  static var allLocks: UInt32 { 0xaa }
}

extension Task {
  /// Changes the caller's credentials: `body` changes a copy. What follows from it (RLIMIT_NPROC's count, dumpable,
  /// PR_SET_PDEATHSIG) is done here.
  func changeCredentials(_ body: (Credentials) throws(Errno) -> Void) throws(Errno) {
    let old = credentials.borrowed.object
    let new = Credentials(copying: old)
    try body(new)
    takeOver(new)
  }
  /// Takes `new`, made from the task's own.
  public func takeOver(_ new: Credentials) {
    let old = credentials.borrowed.object
    if new.isRaised(from: old) {
      process.dumpable = 0
      withProcessTree { parentDeathSignal = 0 }
    }
    if new.uid != old.uid {
      userTasks.with {
        $0.add(new.uid)
        $0.remove(old.uid)
      }
    }
    setCredentials(new)
  }
}
