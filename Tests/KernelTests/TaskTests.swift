import CBoot
import CLinux
import Testing

@testable import Kernel
@testable import Machine

@Suite struct PidTableTests {
  @Test func numbersGoInACircle() throws {
    let table = Pids()
    #expect(try table.allocate() == 1)
    #expect(try table.allocate() == 2)
    table.free(1)
    #expect(try table.allocate() == 3)
    for expected in 4..<Pids.maximum { #expect(try table.allocate() == expected) }
    // All are taken but 1, which the circle leaves out.
    #expect(throws: Errno.wouldBlock) { _ = try table.allocate() }
    table.free(300)
    #expect(try table.allocate() == 300)
    table.free(20000)
    table.free(301)
    #expect(try table.allocate() == 301)
    #expect(try table.allocate() == 20000)
  }

  @Test func numberIsTakenWhileAnythingBearsIt() throws {
    let table = Pids()
    for _ in 0..<400 { _ = try table.allocate() }
    let session = Session(id: 400)
    let group = ProcessGroup(id: 400, session: session)
    table.set(group: group, 400)
    table.set(session: session, 400)
    table.set(group: nil, 400)
    #expect(table.session(400) === session)
    #expect(table.group(400) == nil)
    for id in 401..<Pids.maximum { #expect(try table.allocate() == id) }
    table.set(session: nil, 400)
    #expect(try table.allocate() == 400)
  }

  @Test func walkFindsProcessesInOrder() throws {
    let table = Pids()
    var made: [Process] = []
    for i in 1...600 {
      let id = try table.allocate()
      guard i % 97 == 0 else { continue }
      let process = testProcess(id)
      made.append(process)
      table.set(process: process, id)
    }
    var found: [Int] = []
    var at = table.nextProcess(from: 1)
    while let process = at {
      found.append(process.id)
      at = table.nextProcess(from: process.id + 1)
    }
    #expect(found == made.map { $0.id })
    #expect(table.nextProcess(from: Pids.maximum) == nil)
    #expect(table.process(0) == nil && table.process(-1) == nil && table.process(Int.max) == nil)
    for process in made { table.set(process: nil, process.id) }
  }
}

private func testProcess(_ id: Int) -> Process {
  let session = Session(id: id)
  return Process(
    id: id, group: ProcessGroup(id: id, session: session), signals: ProcessSignals(), limits: ResourceLimits(),
    exitSignal: SIGCHLD)
}

@Suite struct MemberListTests {
  @Test func elementsLeaveFromAnywhere() {
    var list = MemberList<ChildMembership>()
    let all = (1...5).map { testProcess($0) }
    for process in all { list.append(process) }
    list.remove(all[2])
    list.remove(all[0])
    list.remove(all[4])
    var ids: [Int] = []
    list.forEach { ids.append($0.id) }
    #expect(ids == [2, 4])
    #expect(list.count == 2)
    #expect(list.contains { $0.id == 4 })
    #expect(!list.contains { $0.id == 3 })
    list.append(all[2])
    #expect(list.popFirst().map { $0.with { $0.id } } == 2)
    #expect(list.popFirst().map { $0.with { $0.id } } == 4)
    #expect(list.popFirst().map { $0.with { $0.id } } == 3)
    #expect(list.popFirst() == nil && list.isEmpty && list.count == 0)
    withExtendedLifetime(all) {}
  }
}

@Suite struct LimitTests {
  @Test func hardLimitsNeedPrivilege() throws {
    let old = Limit(soft: 10, hard: 20)
    func check(_ soft: UInt64, _ hard: UInt64, _ mayRaise: Bool, _ resource: Int32 = RLIMIT_STACK) -> Int32 {
      do throws(Errno) {
        try ResourceLimits.check(resource, Limit(soft: soft, hard: hard), instead: old, mayRaise: mayRaise)
        return 0
      } catch {
        return error.number
      }
    }
    #expect(check(20, 20, false) == 0)
    #expect(check(5, 5, false) == 0)
    #expect(check(5, 21, false) == EPERM)
    #expect(check(5, 21, true) == 0)
    #expect(check(21, 20, true) == EINVAL)
    #expect(check(.max, .max, true) == 0)
    #expect(check(5, .max, true, RLIMIT_NOFILE) == EPERM)
    #expect(check(5, 1 << 20, true, RLIMIT_NOFILE) == 0)
  }

  @Test func copiesAreTheirOwn() {
    let limits = ResourceLimits()
    #expect(limits.soft(RLIMIT_NOFILE) == 1024)
    #expect(limits.soft(RLIMIT_AS) == Int.max)
    let copy = ResourceLimits(copying: limits)
    copy[RLIMIT_NOFILE] = Limit(soft: 3, hard: 4)
    #expect(limits.soft(RLIMIT_NOFILE) == 1024)
    #expect(copy.soft(RLIMIT_NOFILE) == 3)
  }
}

@Suite struct CredentialTests {
  private func user(_ id: UInt32) -> Credentials {
    let c = Credentials()
    c.become(uid: id, gid: id)
    return c
  }

  @Test func rootGivesUpItsCapabilities() {
    let c = user(1000)
    #expect(c.uid == 1000 && c.euid == 1000 && c.suid == 1000 && c.fsuid == 1000)
    #expect(c.gid == 1000 && c.fsgid == 1000)
    #expect(c.permitted == 0 && c.effective == 0)
    #expect(c.bounding == Credentials.allCapabilities)
  }

  @Test func effectiveRootIsTakenUpAgain() throws {
    let c = Credentials()
    try c.set(.user, real: .max, effective: 1000, saved: .max)
    #expect(c.effective == 0 && c.permitted == Credentials.allCapabilities)
    try c.set(.user, real: .max, effective: 0, saved: .max)
    #expect(c.effective == Credentials.allCapabilities)
  }

  @Test func keepCapsKeepsThePermitted() throws {
    let c = Credentials()
    c.secureBits = Secure.keepCaps
    try c.set(.user, 1000)
    #expect(c.permitted == Credentials.allCapabilities && c.effective == 0)
  }

  @Test func usersMayOnlySwitchAmongTheirOwn() throws {
    let c = user(1000)
    c.suid = 2000
    #expect(throws: Errno.notPermitted) { try c.set(.user, 3000) }
    #expect(throws: Errno.invalid) { try c.set(.user, .max) }
    try c.set(.user, real: .max, effective: 2000)
    #expect(c.euid == 2000 && c.fsuid == 2000 && c.suid == 2000 && c.uid == 1000)
    #expect(throws: Errno.notPermitted) { try c.set(.user, real: 3000, effective: .max, saved: .max) }
    try c.set(.user, real: 2000, effective: 1000, saved: 2000)
    #expect(c.uid == 2000 && c.euid == 1000)
    c.set(.user, fileSystem: 5)
    #expect(c.fsuid == 1000)
    c.set(.user, fileSystem: 2000)
    #expect(c.fsuid == 2000)
  }

  @Test func fileSystemUserCarriesItsCapabilities() {
    let c = Credentials()
    c.set(.user, fileSystem: 1000)
    #expect(!c.has(CAP_DAC_OVERRIDE) && c.has(CAP_KILL))
    c.set(.user, fileSystem: 0)
    #expect(c.effective == Credentials.allCapabilities)
  }

  @Test func capabilitiesOnlyShrink() throws {
    let c = Credentials()
    try c.setCapabilities(effective: 1, permitted: 3, inheritable: 1)
    c.ambient = 1
    #expect(throws: Errno.notPermitted) { try c.setCapabilities(effective: 4, permitted: 7, inheritable: 0) }
    #expect(throws: Errno.notPermitted) { try c.setCapabilities(effective: 2, permitted: 1, inheritable: 0) }
    #expect(throws: Errno.notPermitted) { try c.setCapabilities(effective: 1, permitted: 1, inheritable: 8) }
    try c.setCapabilities(effective: 2, permitted: 2, inheritable: 0)
    #expect(c.ambient == 0)
  }
}

@Suite struct CommandTests {
  private func text(_ paths: [[UInt8]]) -> [String] { paths.map { String(decoding: $0, as: UTF8.self) } }

  @Test func pathIsSearchedInOrder() {
    let environment = [Array("HOME=/root".utf8), Array("PATH=/a::/b/".utf8)]
    #expect(text(Command.candidates(Array("ls".utf8), environment)) == ["/a/ls", "ls", "/b//ls"])
    #expect(text(Command.candidates(Array("./ls".utf8), environment)) == ["./ls"])
    #expect(Command.candidates([], environment).isEmpty)
    #expect(text(Command.candidates(Array("ls".utf8), [])).first == "/usr/local/sbin/ls")
  }

  @Test func passwordEntries() {
    let file = Array("# a comment\nroot:x:0:0:root:/root:/bin/sh\nbad:x\nu:x:1000:100::/home/u:\n".utf8)
    let root = PasswordEntry.find(0, in: file)
    #expect(root.map { String(decoding: $0.shell, as: UTF8.self) } == "/bin/sh")
    let user = PasswordEntry.find(1000, in: file)
    #expect(user?.gid == 100 && user?.shell.isEmpty == true)
    #expect(user.map { String(decoding: $0.home, as: UTF8.self) } == "/home/u")
    #expect(PasswordEntry.find(7, in: file) == nil)
  }

  @Test func exitStatus() {
    #expect(WaitStatus.asExitStatus(WaitStatus.exited(7)) == 7)
    #expect(WaitStatus.asExitStatus(WaitStatus.exited(256 + 3)) == 3)
    #expect(WaitStatus.asExitStatus(WaitStatus.killed(SIGKILL)) == 137)
    #expect(WaitStatus.asExitStatus(WaitStatus.killed(SIGSEGV, dumped: true)) == 139)
  }
}

@Test func hooksHaveTheBootBlocksNumbers() {
  #expect(Hook.trap.rawValue == UInt32(MARTLET_HOOK_TRAP))
  #expect(Hook.rewrite.rawValue == UInt32(MARTLET_HOOK_REWRITE))
  #expect(Hook.zpoline.rawValue == UInt32(MARTLET_HOOK_ZPOLINE))
}
