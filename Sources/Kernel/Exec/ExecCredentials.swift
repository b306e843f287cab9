import CLinux
import Machine

/// What execve(2) makes of credentials: set-user-id and set-group-id files, and capabilities(7). Files carry no
/// capabilities here.
struct ExecCredentials {
  let credentials: Credentials
  /// AT_SECURE: the program must not trust its environment.
  let isSecure: Bool
  /// The file changed who it runs as.
  let isChanged: Bool

  init(_ old: Credentials, file: Inode, ignoresModes: Bool) {
    let new = Credentials(copying: old)
    if !ignoresModes && !old.noNewPrivileges {
      if file.mode & ModeBits.setUser != 0 { new.euid = file.uid }
      if file.mode & (ModeBits.setGroup | 0o010) == ModeBits.setGroup | 0o010 { new.egid = file.gid }
    }
    isChanged = new.euid != old.euid || new.egid != old.egid
    let isSet = isChanged || new.euid != new.uid || new.egid != new.gid
    new.suid = new.euid
    new.fsuid = new.euid
    new.sgid = new.egid
    new.fsgid = new.egid
    if isChanged { new.ambient = 0 }
    // SECBIT_NOROOT
    if old.secureBits & 1 == 0 && (new.euid == 0 || new.uid == 0) {
      new.permitted = old.bounding | old.inheritable
      new.effective = new.euid == 0 ? new.permitted : new.ambient
    } else {
      new.permitted = new.ambient
      new.effective = new.ambient
    }
    new.secureBits &= ~0x10  // SECBIT_KEEP_CAPS
    credentials = new
    isSecure = isSet
  }
}
