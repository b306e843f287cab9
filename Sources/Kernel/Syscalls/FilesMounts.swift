import CLinux
import Machine

// mount(2), umount(2), pivot_root(2).

private func checkAdministrator(_ task: Task) throws(Errno) {
  if !task.credentials.borrowed.with({ $0.has(CAP_SYS_ADMIN) }) { throw .notPermitted }
}
/// A string argument that may be null: then empty. Errors: EFAULT, EINVAL where it is longer than a page.
private func string(_ address: Int) throws(Errno) -> [UInt8] {
  if address == 0 { return [] }
  return try UserPointer<UInt8>(UInt(bitPattern: address)).copyInString(limit: 4096, tooLong: .invalid)
}

/// Implements Linux syscall mount(2).
/// - Differs from Linux: one namespace, no propagation, so MS_SHARED, MS_SLAVE and MS_UNBINDABLE are EINVAL.
func sysMount(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let type = try string(args.a2), source = try string(args.a0)
  var options: [UInt8] = []
  if args.a4 != 0 {
    let pointer: UserPointer<UInt8> = args.pointer4()
    do throws(Errno) { options = try pointer.copyInString(limit: 4096, tooLong: .invalid) } catch {
      if error != .invalid { throw error }
    }
  }
  let place = try task.resolve(try task.path(args.a1))
  try checkAdministrator(task)
  var flags = UInt(bitPattern: args.a3)
  if flags & 0xffff_0000 == 0xc0ed_0000 { flags &= 0xffff }
  func has(_ flag: Int32) -> Bool { flags & UInt(flag) != 0 }
  if has(MS_REMOUNT) {
    try Mounting.remount(place, flags: flags, options: options, isBind: has(MS_BIND))
  } else if has(MS_BIND) {
    if source.isEmpty { throw .invalid }
    try Mounting.bind(try task.resolve(source), at: place, isRecursive: has(MS_REC))
  } else if has(MS_SHARED) || has(MS_SLAVE) || has(MS_UNBINDABLE) || has(MS_PRIVATE) {
    guard place.dentry === place.mount.root else { throw .invalid }
    if !has(MS_PRIVATE) {
      Log.info("mount: no propagation of mounts: MS_SHARED, MS_SLAVE and MS_UNBINDABLE are refused")
      throw .invalid
    }
  } else if has(MS_MOVE) {
    if source.isEmpty { throw .invalid }
    try Mounting.move(try task.resolve(source), to: place)
  } else {
    if args.a2 == 0 { throw .invalid }
    try Mounting.mount(type: type, source: source, at: place, flags: flags, options: options)
  }
  return .value(0)
}

/// Implements Linux syscall umount2: umount(2).
func sysUmount2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = args.i1
  guard flags & ~15 == 0 else { throw .invalid }
  if flags & UnmountFlags.expire != 0 && flags & (UnmountFlags.force | UnmountFlags.detach) != 0 { throw .invalid }
  let path = try task.path(args.a0)
  let place = try task.resolve(AT_FDCWD, path, flags & UnmountFlags.noFollow != 0 ? [] : .follow)
  guard place.dentry === place.mount.root else { throw .invalid }
  try checkAdministrator(task)
  try Mounting.unmount(place, flags: flags)
  return .value(0)
}

/// Implements Linux syscall pivot_root(2).
func sysPivotRoot(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkAdministrator(task)
  let newRoot = try task.resolve(AT_FDCWD, try task.path(args.a0), [.follow, .directory])
  let putOld = try task.resolve(AT_FDCWD, try task.path(args.a1), [.follow, .directory])
  let root = task.context.with { $0.root }
  try Mounting.pivot(newRoot, putOld, root: root)
  changeRoots(from: root, to: newRoot)
  return .value(0)
}
