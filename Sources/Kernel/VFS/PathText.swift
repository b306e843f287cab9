import CLinux
import Machine

extension Path {
  /// The path from `root` down to here, as getcwd(2) and /proc tell it. Where it does not lie below `root` it begins at the
  /// top of the tree (or of what was unmounted) and `isReachable` is false.
  public func text(below root: Path) -> (text: [UInt8], isReachable: Bool) {
    var parts: [[UInt8]] = []
    var length = 0
    var at = self
    var isReachable = true
    while !(at == root) {
      let place = dentries.borrowed.with { $0.place(of: at.dentry) }
      if at.dentry !== at.mount.root, let parent = place.parent {
        parts.append(place.name)
        length += place.name.count + 1
        at = Path(mount: at.mount, dentry: parent)
      } else if let mountpoint = mounts.borrowed.with({ $0.place(of: at.mount) }) {
        at = mountpoint
      } else {
        isReachable = false
        break
      }
    }
    if parts.isEmpty { return ([47], isReachable) }
    var result: [UInt8] = []
    result.reserveCapacity(length)
    for part in parts.reversed() {
      result.append(47)
      result.append(contentsOf: part)
    }
    return (result, isReachable)
  }

  /// As /proc/PID/fd and /proc/PID/maps show it: with " (deleted)" where the name is gone.
  public func description(below root: Path) -> [UInt8] {
    var (result, _) = text(below: root)
    if dentry.isDeleted { result.append(contentsOf: Array(" (deleted)".utf8)) }
    return result
  }
}

/// The text of /proc/PID/mounts: the mounts below `root`.
public func mountsText(below root: Path) -> [UInt8] {
  var result: [UInt8] = []
  for mount in mounts.borrowed.with({ $0.all }) {
    let (path, isReachable) = Path(mount: mount, dentry: mount.root).text(below: root)
    if !isReachable { continue }
    let fileSystem = mount.fileSystem
    result.append(contentsOf: escaped(fileSystem.source.isEmpty ? Array("none".utf8) : fileSystem.source))
    result.append(32)
    result.append(contentsOf: escaped(path))
    result.append(32)
    result.append(contentsOf: fileSystem.type.bytes)
    result.append(contentsOf: mountFlagsText(mount))
    result.append(contentsOf: fileSystem.options)
    result.append(contentsOf: Array(" 0 0\n".utf8))
  }
  return result
}
/// The text of /proc/PID/mountinfo: the mounts below `root`.
public func mountInformationText(below root: Path) -> [UInt8] {
  var result: [UInt8] = []
  for mount in mounts.borrowed.with({ $0.all }) {
    let (path, isReachable) = Path(mount: mount, dentry: mount.root).text(below: root)
    if !isReachable { continue }
    let fileSystem = mount.fileSystem
    let parent = mounts.borrowed.with { $0.place(of: mount)?.mount.id } ?? 0
    let device = fileSystem.device
    result.append(contentsOf: Array("\(mount.id) \(parent) \(major(of: device)):\(minor(of: device)) ".utf8))
    result.append(contentsOf: escaped(rootText(mount)))
    result.append(32)
    result.append(contentsOf: escaped(path))
    result.append(contentsOf: mountFlagsText(mount))
    result.append(contentsOf: Array(" - ".utf8))
    result.append(contentsOf: fileSystem.type.bytes)
    result.append(32)
    result.append(contentsOf: escaped(fileSystem.source.isEmpty ? Array("none".utf8) : fileSystem.source))
    result.append(contentsOf: Array((fileSystem.isReadOnly ? " ro" : " rw").utf8))
    result.append(contentsOf: fileSystem.options)
    result.append(10)
  }
  return result
}
/// What of its file system a mount shows: "/" but for bind mounts.
private func rootText(_ mount: Mount) -> [UInt8] {
  var parts: [[UInt8]] = []
  var at = mount.root
  while true {
    let place = dentries.borrowed.with { $0.place(of: at) }
    guard let parent = place.parent else { break }
    parts.append(place.name)
    at = parent
  }
  if parts.isEmpty { return [47] }
  var result: [UInt8] = []
  for part in parts.reversed() {
    result.append(47)
    result.append(contentsOf: part)
  }
  return result
}
private func mountFlagsText(_ mount: Mount) -> [UInt8] {
  var text = mount.isReadOnly ? " ro" : " rw"
  if mount.has(MS_NOSUID) { text += ",nosuid" }
  if mount.has(MS_NODEV) { text += ",nodev" }
  if mount.has(MS_NOEXEC) { text += ",noexec" }
  if mount.has(MS_NOATIME) { text += ",noatime" } else if !mount.has(MS_STRICTATIME) { text += ",relatime" }
  if mount.has(MS_NODIRATIME) { text += ",nodiratime" }
  return Array(text.utf8)
}
/// With blanks and backslashes in octal, as in /etc/fstab.
private func escaped(_ text: [UInt8]) -> [UInt8] {
  var result: [UInt8] = []
  for byte in text {
    if byte == 32 || byte == 9 || byte == 10 || byte == 92 {
      result.append(92)
      result.append(48 + byte >> 6)
      result.append(48 + byte >> 3 & 7)
      result.append(48 + byte & 7)
    } else {
      result.append(byte)
    }
  }
  return result
}
