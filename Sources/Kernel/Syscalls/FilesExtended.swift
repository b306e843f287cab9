import CLinux
import Machine

// Extended attributes: xattr(7).

private var nameLimit: Int { 256 }
private var valueLimit: Int { 65536 }

private enum Target {
  case path(Int, follow: Bool)
  case descriptor(Int32)

  func with<R>(_ task: Task, _ body: (Inode, Mount?) throws(Errno) -> R) throws(Errno) -> R {
    switch self {
    case .path(let address, let follow):
      return try task.withTarget(AT_FDCWD, try task.path(address), 0, follow: follow, body)
    case .descriptor(let number):
      return try task.withFile(number) { (file) throws(Errno) -> R in try body(file.inode, file.path?.mount) }
    }
  }
}

/// Which attributes whom: xattr_permission() in Linux. Errors: EPERM, ENODATA, EACCES, EROFS, ENOTSUP.
private func check(
  _ task: Task, _ inode: Inode, _ mount: Mount?, _ name: [UInt8], isWrite: Bool
) throws(Errno) {
  if isWrite, let mount, mount.isReadOnly { throw .readOnlyFileSystem }
  try task.credentials.borrowed.with { (c) throws(Errno) in
    if hasPrefix(name, "security.") || hasPrefix(name, "system.") {
      if hasPrefix(name, "system.") { throw .notSupported }
      if isWrite && !c.has(CAP_SYS_ADMIN) { throw .notPermitted }
      return
    }
    if hasPrefix(name, "trusted.") {
      if !c.has(CAP_SYS_ADMIN) { throw isWrite ? .notPermitted : .noData }
      return
    }
    if name.elementsEqual(("user." as StaticString).bytes) { throw .invalid }
    guard hasPrefix(name, "user.") else { throw .notSupported }
    if !inode.isRegular && !inode.isDirectory { throw isWrite ? .notPermitted : .noData }
    if inode.isDirectory && inode.mode & ModeBits.sticky != 0 && isWrite && !inode.isOwned(by: c) {
      throw .notPermitted
    }
    try inode.checkPermission(isWrite ? 2 : 4, c)
  }
}
private func hasPrefix(_ name: [UInt8], _ prefix: StaticString) -> Bool {
  let bytes = prefix.bytes
  guard name.count > bytes.count else { return false }
  for i in bytes.indices where name[i] != bytes[i] { return false }
  return true
}
private func name(_ address: Int) throws(Errno) -> [UInt8] {
  let name = try UserPointer<UInt8>(UInt(bitPattern: address)).copyInString(limit: nameLimit, tooLong: .range)
  if name.isEmpty { throw .range }
  return name
}

private func set(_ task: Task, _ args: SyscallArguments, _ target: Target) throws(Errno) -> SyscallOutcome {
  guard args.i4 & ~(XATTR_CREATE | XATTR_REPLACE) == 0 else { throw .invalid }
  let name = try name(args.a1)
  guard args.a3 >= 0, args.a3 <= valueLimit else { throw .tooBig }
  let pointer: UserPointer<UInt8> = args.pointer2()
  let value = try pointer.copyIn(count: args.a3)
  try target.with(task) { (inode, mount) throws(Errno) in
    try check(task, inode, mount, name, isWrite: true)
    try inode.setExtendedAttribute(name, value, args.i4)
  }
  return .value(0)
}
private func get(_ task: Task, _ args: SyscallArguments, _ target: Target) throws(Errno) -> SyscallOutcome {
  let name = try name(args.a1)
  let value = try target.with(task) { (inode, mount) throws(Errno) -> [UInt8] in
    try check(task, inode, mount, name, isWrite: false)
    return try inode.extendedAttribute(name)
  }
  return try copyOut(value, args.pointer2(), args.a3)
}
private func list(_ task: Task, _ args: SyscallArguments, _ target: Target) throws(Errno) -> SyscallOutcome {
  let names = try target.with(task) { (inode, _) throws(Errno) -> [UInt8] in try inode.extendedAttributeNames() }
  return try copyOut(names, args.pointer1(), args.a2)
}
private func remove(_ task: Task, _ args: SyscallArguments, _ target: Target) throws(Errno) -> SyscallOutcome {
  let name = try name(args.a1)
  try target.with(task) { (inode, mount) throws(Errno) in
    try check(task, inode, mount, name, isWrite: true)
    try inode.removeExtendedAttribute(name)
  }
  return .value(0)
}
/// A size of 0 asks for the size.
private func copyOut(_ bytes: [UInt8], _ out: UserPointer<UInt8>, _ size: Int) throws(Errno) -> SyscallOutcome {
  if size == 0 { return .value(bytes.count) }
  guard UInt(bitPattern: size) >= UInt(bytes.count) else { throw .range }
  try out.copyOut(bytes)
  return .value(bytes.count)
}

/// Implements Linux syscall setxattr(2).
func sysSetxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try set(task, args, .path(args.a0, follow: true))
}
/// Implements Linux syscall lsetxattr: setxattr(2).
func sysLsetxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try set(task, args, .path(args.a0, follow: false))
}
/// Implements Linux syscall fsetxattr: setxattr(2).
func sysFsetxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try set(task, args, .descriptor(args.i0))
}
/// Implements Linux syscall getxattr(2).
func sysGetxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try get(task, args, .path(args.a0, follow: true))
}
/// Implements Linux syscall lgetxattr: getxattr(2).
func sysLgetxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try get(task, args, .path(args.a0, follow: false))
}
/// Implements Linux syscall fgetxattr: getxattr(2).
func sysFgetxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try get(task, args, .descriptor(args.i0))
}
/// Implements Linux syscall listxattr(2).
func sysListxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try list(task, args, .path(args.a0, follow: true))
}
/// Implements Linux syscall llistxattr: listxattr(2).
func sysLlistxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try list(task, args, .path(args.a0, follow: false))
}
/// Implements Linux syscall flistxattr: listxattr(2).
func sysFlistxattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try list(task, args, .descriptor(args.i0))
}
/// Implements Linux syscall removexattr(2).
func sysRemovexattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try remove(task, args, .path(args.a0, follow: true))
}
/// Implements Linux syscall lremovexattr: removexattr(2).
func sysLremovexattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try remove(task, args, .path(args.a0, follow: false))
}
/// Implements Linux syscall fremovexattr: removexattr(2).
func sysFremovexattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try remove(task, args, .descriptor(args.i0))
}
