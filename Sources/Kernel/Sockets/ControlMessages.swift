import CLinux
import Machine

/// The control data of sendmsg(2) and recvmsg(2): cmsg(3).
enum ControlMessages {
  /// The most descriptors in one message: SCM_MAX_FD.
  private static var maximumFiles: Int { 253 }
  /// The most control data: /proc/sys/net/core/optmem_max.
  private static var maximumSize: UInt64 { 131_072 }

  /// What `header` brings. Errors: EINVAL, ENOBUFS, EFAULT, EBADF, EPERM.
  static func parse(_ task: Task, _ header: linux_msghdr) throws(Errno) -> SentControl {
    var result = SentControl()
    if header.controllen == 0 || header.control == 0 { return result }
    guard header.controllen <= maximumSize else { throw Errno(ENOBUFS) }
    let size = Int(header.controllen)
    let buffer = try KernelBuffer(count: size)
    let bytes = buffer.bytes
    try UserPointer<UInt8>(UInt(header.control)).copyIn(to: bytes)
    var at = 0
    while size &- at >= ControlMessage.headerSize {
      let entry = bytes.load(at, as: linux_cmsghdr.self)
      guard entry.length >= UInt64(ControlMessage.headerSize), entry.length <= UInt64(size &- at) else {
        throw .invalid
      }
      let length = Int(entry.length)
      if entry.level == SOL_SOCKET {
        let data = bytes.slice(at &+ ControlMessage.headerSize, length &- ControlMessage.headerSize)
        switch entry.type {
        case ControlMessage.rights: try takeFiles(task, data, &result)
        case ControlMessage.credentials:
          guard data.count == MemoryLayout<linux_ucred>.size else { throw .invalid }
          result.identity = try check(task, data.load(0, as: linux_ucred.self))
        default: throw .invalid
        }
      }
      at &+= ControlMessage.align(length)
    }
    return result
  }

  private static func takeFiles(_ task: Task, _ data: KernelBytes, _ result: inout SentControl) throws(Errno) {
    let count = data.count / 4
    guard count &+ result.files.count <= maximumFiles else { throw .invalid }
    for i in 0..<count {
      let descriptor = data.load(i &* 4, as: Int32.self)
      guard descriptor >= 0, let file = task.table.with({ $0.file(Int(descriptor)) }), file.flags & O_PATH == 0 else {
        throw .badDescriptor
      }
      result.files.append(file)
    }
  }

  /// Whether the task may say that it is this. Errors: EPERM.
  private static func check(_ task: Task, _ said: linux_ucred) throws(Errno) -> SocketIdentity {
    let isAllowed = task.credentials.borrowed.with { c -> Bool in
      (said.pid == Int32(truncatingIfNeeded: task.process.id) || c.has(CAP_SYS_ADMIN))
        && (said.uid == c.uid || said.uid == c.euid || said.uid == c.suid || c.has(CAP_SETUID))
        && (said.gid == c.gid || said.gid == c.egid || said.gid == c.sgid || c.has(CAP_SETGID))
    }
    guard isAllowed else { throw .notPermitted }
    return SocketIdentity(pid: said.pid, uid: said.uid, gid: said.gid)
  }

  /// Writes what came to the room that `header` offers and opens the descriptors. Returns the bytes written; what does not
  /// fit is dropped and marked with MSG_CTRUNC.
  static func write(
    _ task: Task, _ header: linux_msghdr, _ received: inout Received, passesCredentials: Bool, closeOnExec: Bool
  ) -> UInt64 {
    let room = header.control == 0 ? 0 : Int(truncatingIfNeeded: min(header.controllen, UInt64(Int32.max)))
    var used = 0
    if passesCredentials, let identity = received.identity {
      if room >= ControlMessage.headerSize &+ 12 {
        let value = linux_ucred(pid: identity.pid, uid: identity.uid, gid: identity.gid)
        let pointer = UserPointer<UInt8>(UInt(header.control))
        do throws(Errno) {
          try writeHeader(pointer, 28, ControlMessage.credentials)
          try pointer.offset(bytes: ControlMessage.headerSize).cast(to: linux_ucred.self).copyOut(value)
          used = min(ControlMessage.align(28), room)
        } catch {
          received.flags |= MessageFlags.controlTruncated
        }
      } else {
        received.flags |= MessageFlags.controlTruncated
      }
    }
    if !received.files.isEmpty {
      let start = UserPointer<UInt8>(UInt(header.control)).offset(bytes: used)
      used += writeFiles(task, start, room &- used, &received, closeOnExec)
      received.files = []
    }
    return UInt64(used)
  }

  private static func writeHeader(_ pointer: UserPointer<UInt8>, _ length: Int, _ type: Int32) throws(Errno) {
    try pointer.cast(to: linux_cmsghdr.self).copyOut(
      linux_cmsghdr(length: UInt64(length), level: SOL_SOCKET, type: type))
  }

  private static func writeFiles(
    _ task: Task, _ start: UserPointer<UInt8>, _ room: Int, _ received: inout Received, _ closeOnExec: Bool
  ) -> Int {
    let fitting = min(received.files.count, max(0, room &- ControlMessage.headerSize) / 4)
    let limit = task.process.limits.soft(RLIMIT_NOFILE)
    var done = 0
    while done < fitting {
      do throws(Errno) {
        let descriptor = try task.table.with { (table) throws(Errno) -> Int in
          try table.reserve(closeOnExec: closeOnExec, limit: limit)
        }
        let place = start.offset(bytes: ControlMessage.headerSize &+ done &* 4).cast(to: Int32.self)
        do throws(Errno) { try place.copyOut(Int32(truncatingIfNeeded: descriptor)) } catch {
          task.table.with { $0.unreserve(descriptor) }
          throw error
        }
        task.table.with { $0.publish(descriptor, received.files[done]) }
      } catch {
        break
      }
      done += 1
    }
    if done < received.files.count { received.flags |= MessageFlags.controlTruncated }
    if done == 0 { return 0 }
    let length = ControlMessage.headerSize &+ done &* 4
    do throws(Errno) { try writeHeader(start, length, ControlMessage.rights) } catch { return 0 }
    return min(ControlMessage.align(length), room)
  }
}
