import CBoot
import Testing

@testable import martlet

@Suite struct BootBlockTests {
  private func string(_ bytes: [UInt8], _ offset: UInt32) -> String {
    String(decoding: bytes[Int(offset)...].prefix { $0 != 0 }, as: UTF8.self)
  }

  @Test func stringsFollowTheHeader() throws {
    var block = BootBlock()
    block.header.hostname = block.string("martlet")
    (block.header.argumentCount, block.header.arguments) = block.strings(["ls", "", "-l"])
    let bytes = block.bytes()
    let header = bytes.withUnsafeBytes { $0.loadUnaligned(as: martlet_boot.self) }
    #expect(header.magic == UInt64(MARTLET_BOOT_MAGIC))
    #expect(Int(header.size) == bytes.count)
    #expect(string(bytes, header.hostname) == "martlet")
    #expect(header.argumentCount == 3)
    #expect(Array(bytes[Int(header.arguments)...].prefix(7)) == Array("ls\0\0-l\0".utf8))
  }

  @Test func nothingIsZeroOrMinusOne() {
    var block = BootBlock()
    (block.header.argumentCount, block.header.arguments) = block.strings([])
    block.mounts([]) { _ in -1 }
    #expect(block.header.arguments == 0 && block.header.mounts == 0 && block.header.hostname == 0)
    #expect(block.header.rootDescriptor == -1 && block.header.logDescriptor == -1)
    #expect(block.header.straceDescriptor == -1 && block.header.symbolsDescriptor == -1)
  }

  @Test func mountsAreAligned() {
    var block = BootBlock()
    _ = block.string("x")
    block.mounts([.temporary("/tmp"), .temporary("/run")]) { _ in -1 }
    let bytes = block.bytes()
    #expect(block.header.mountCount == 2 && block.header.mounts % 8 == 0)
    let second = bytes.withUnsafeBytes {
      $0.loadUnaligned(fromByteOffset: Int(block.header.mounts) + 16, as: martlet_mount.self)
    }
    #expect(second.descriptor == -1 && second.flags == UInt32(MARTLET_MOUNT_TMPFS))
    #expect(string(bytes, second.path) == "/run" && string(bytes, second.source) == "tmpfs")
  }

  @Test func deeperMountsComeLater() throws {
    let volumes = try ["/:/a/b", "/:/a", "/:/run"].map { try #require(Volume(argument: $0)) }
    let mounts = try Mount.plan(volumes, temporaries: ["/tmp", "/run"])
    #expect(mounts.map(\.path) == ["/a", "/run", "/tmp", "/a/b"])
    #expect(mounts.map { $0.descriptor == nil } == [false, false, true, false])
    #expect(throws: Failure.self) { try Mount.plan([volumes[0], volumes[0]], temporaries: []) }
  }
}

@Suite struct HostCheckTests {
  private let good = HostCheck.Host(
    machine: "x86_64", release: "6.1.0-18-amd64", hasFSGSBase: true, addressSpace: .max, fileSize: .max)

  @Test func goodHosts() {
    #expect(HostCheck.problem(of: good) == nil)
    var host = good
    host.release = "5.11.0"
    host.addressSpace = 256 << 30
    #expect(HostCheck.problem(of: host) == nil)
  }

  @Test func eachProblemIsNamed() {
    func problem(_ change: (inout HostCheck.Host) -> Void) -> String {
      var host = good
      change(&host)
      return HostCheck.problem(of: host) ?? ""
    }
    #expect(problem { $0.machine = "aarch64" }.contains("aarch64"))
    #expect(problem { $0.release = "5.10.0-28-amd64" }.contains("5.10.0-28-amd64"))
    #expect(problem { $0.release = "4.19" }.contains("4.19"))
    #expect(problem { $0.hasFSGSBase = false }.contains("FSGSBASE"))
    #expect(problem { $0.addressSpace = (256 << 30) - 1 }.contains("ulimit -v"))
    #expect(problem { $0.fileSize = 1 << 40 }.contains("ulimit -f"))
  }
}
