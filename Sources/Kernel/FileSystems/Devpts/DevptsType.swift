import CLinux
import Machine

/// Mount options of devpts.
struct DevptsOptions {
  var uid: UInt32?
  var gid: UInt32?
  var mode: UInt32 = 0o600
  var ptmxMode: UInt32 = 0
  var limit = Int.max

  init() {}
  /// Errors: EINVAL.
  init(_ text: [UInt8]) throws(Errno) {
    for part in text.split(separator: 44) {
      let pair = part.split(separator: 61, maxSplits: 1)
      let key = Array(pair[0])
      if key.isEqual(to: "newinstance") { continue }
      guard pair.count == 2 else { throw .invalid }
      let isOctal = key.isEqual(to: "mode") || key.isEqual(to: "ptmxmode")
      guard let value = DevptsOptions.number(pair[1], isOctal ? 8 : 10) else { throw .invalid }
      if key.isEqual(to: "uid") {
        uid = value
      } else if key.isEqual(to: "gid") {
        gid = value
      } else if key.isEqual(to: "mode") {
        mode = value & 0o777
      } else if key.isEqual(to: "ptmxmode") {
        ptmxMode = value & 0o777
      } else if key.isEqual(to: "max") {
        limit = Int(value)
      } else {
        throw .invalid
      }
    }
  }
  private static func number(_ text: ArraySlice<UInt8>, _ radix: UInt32) -> UInt32? {
    if text.isEmpty { return nil }
    var value: UInt32 = 0
    for byte in text {
      guard byte >= 48, UInt32(byte) - 48 < radix else { return nil }
      let (product, o1) = value.multipliedReportingOverflow(by: radix)
      let (sum, o2) = product.addingReportingOverflow(UInt32(byte) - 48)
      if o1 || o2 { return nil }
      value = sum
    }
    return value
  }
}

/// mount -t devpts: always a new instance.
final class DevptsType: FileSystemType {
  init() { super.init(name: "devpts") }
  override func mount(source: [UInt8], flags: UInt, options: [UInt8]) throws(Errno) -> Dentry {
    Devpts.make(try DevptsOptions(options))
  }
}
