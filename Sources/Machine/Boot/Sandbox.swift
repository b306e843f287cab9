import CBoot
import CLinux
import CMachine

/// The lock-in: no new privileges, no capabilities, the filter, Landlock. Before the second thread exists, since Landlock
/// binds only the calling thread.
enum Sandbox {
  static func lockIn() {
    check(hostCall(__NR_prctl, Int(PR_SET_NO_NEW_PRIVS), 1), "no_new_privs")
    restrictPaths()
    dropCapabilities()
    Filter.install()
  }

  private static func dropCapabilities() {
    // With hostfs the owner of what the tool's user owns must stay able to act as such: root keeps what files need.
    var header = __user_cap_header_struct(version: UInt32(_LINUX_CAPABILITY_VERSION_3), pid: 0)
    var data = InlineArray<2, __user_cap_data_struct>(repeating: __user_cap_data_struct())
    let kept: UInt32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4
    unsafe withUnsafeMutablePointer(to: &data) { p in
      if unsafe hostCall(__NR_capget, address(&header), Int(bitPattern: p)) < 0 { return }
      let old = unsafe p.pointee[0].permitted
      unsafe p.pointee[0] = __user_cap_data_struct(effective: old & kept, permitted: old & kept, inheritable: 0)
      unsafe p.pointee[1] = __user_cap_data_struct()
      check(unsafe hostCall(__NR_capset, address(&header), Int(bitPattern: p)), "capset")
    }
  }

  /// Landlock: hostfs reaches only below the directories that were given, whatever path the guest makes up.
  private static func restrictPaths() {
    let version = hostCall(__NR_landlock_create_ruleset, 0, 0, Int(LANDLOCK_CREATE_RULESET_VERSION))
    let block = bootBlock
    let usesHost = block.header.rootKind == UInt32(MARTLET_ROOT_DIRECTORY) || block.header.mountCount > 0
    guard version >= 1 else {
      if usesHost { Log.warning("this host has no Landlock: host directories are bounded by openat2 alone") }
      return
    }
    let handled: UInt64 = version >= 3 ? (1 << 15) - 1 : version == 2 ? (1 << 14) - 1 : (1 << 13) - 1
    var attribute = landlock_ruleset_attr()
    attribute.handled_access_fs = handled
    let ruleset = unsafe hostCall(__NR_landlock_create_ruleset, address(&attribute), 8, 0)
    check(ruleset, "landlock_create_ruleset")
    if block.header.rootKind == UInt32(MARTLET_ROOT_DIRECTORY) {
      allow(ruleset, block.header.rootDescriptor, handled, block.has(MARTLET_ROOT_READ_ONLY))
    }
    for mount in block.mounts where mount.descriptor >= 0 {
      allow(ruleset, mount.descriptor, handled, mount.flags & UInt32(MARTLET_MOUNT_READ_ONLY) != 0)
    }
    check(hostCall(__NR_landlock_restrict_self, ruleset, 0), "landlock_restrict_self")
    _ = hostCall(__NR_close, ruleset)
  }

  private static func allow(_ ruleset: Int, _ descriptor: Int32, _ handled: UInt64, _ isReadOnly: Bool) {
    let reading = UInt64(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE)
    var rule = landlock_path_beneath_attr()
    rule.parent_fd = descriptor
    // Never a device: what the guest makes of the kind is Martlet's own.
    let devices = UInt64(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
    rule.allowed_access = isReadOnly ? reading & handled : handled & ~devices
    var result = unsafe hostCall(
      __NR_landlock_add_rule, ruleset, Int(LANDLOCK_RULE_PATH_BENEATH.rawValue), address(&rule), 0)
    if result == -Int(EINVAL) {  // a file: rights of directories do not apply
      rule.allowed_access &=
        UInt64(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE) | 1 << 14
      result = unsafe hostCall(
        __NR_landlock_add_rule, ruleset, Int(LANDLOCK_RULE_PATH_BENEATH.rawValue), address(&rule), 0)
    }
    check(result, "landlock_add_rule")
  }
}
