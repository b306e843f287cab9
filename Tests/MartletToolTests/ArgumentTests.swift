import Testing

@testable import martlet

@Suite struct SizeTests {
  @Test(arguments: [
    ("1", 1), ("1024", 1024), ("64k", 65536), ("1024m", 1 << 30), ("2G", 2 << 30), ("1gb", 1 << 30), ("3MiB", 3 << 20),
    ("1t", 1 << 40),
  ])
  func accepts(_ text: String, _ bytes: UInt64) {
    #expect(Size(argument: text)?.bytes == bytes)
  }

  @Test(arguments: ["", "m", "-1m", "+1m", "1.5g", "1x", "1 m", "99999999999999999999", "18446744073709551615k"])
  func refuses(_ text: String) {
    #expect(Size(argument: text) == nil)
  }
}

@Suite struct VolumeTests {
  @Test func readsItsParts() throws {
    let plain = try #require(Volume(argument: "/a:/b"))
    #expect((plain.host, plain.guest, plain.readOnly) == ("/a", "/b", false))
    let readOnly = try #require(Volume(argument: "x/y:/b//c/./d/:ro"))
    #expect((readOnly.host, readOnly.guest, readOnly.readOnly) == ("x/y", "/b/c/d", true))
    #expect(Volume(argument: "/a:/b:rw")?.readOnly == false)
  }

  @Test func theHostPathMayHaveColons() {
    #expect(Volume(argument: "a:b:/c")?.host == "a:b")
    #expect(Volume(argument: "/a:ro:/c")?.host == "/a:ro")
  }

  @Test(arguments: ["", "/a", "/a:", ":/b", "/a:b", "/a:/", "/a:/b/../c", "/a:/./", "/a:ro"])
  func refuses(_ text: String) {
    #expect(Volume(argument: text) == nil)
  }
}

@Suite struct UserIdentityTests {
  @Test func groupDefaultsToUser() {
    #expect(UserIdentity(argument: "1000") == UserIdentity(user: 1000, group: 1000))
    #expect(UserIdentity(argument: "1000:5") == UserIdentity(user: 1000, group: 5))
    #expect(UserIdentity(argument: "0") == .root)
  }

  @Test(arguments: ["", "joe", "1:", ":1", "1:2:3", "-1", "4294967295", "4294967296"])
  func refuses(_ text: String) {
    #expect(UserIdentity(argument: text) == nil)
  }
}

@Suite struct CommandSplitterTests {
  @Test(arguments: [
    (["run"], ["run"]),
    (["run", "ls", "-l"], ["run", "--", "ls", "-l"]),
    (["run", "--", "ls", "-l"], ["run", "--", "ls", "-l"]),
    (["run", "--help"], ["run", "--help"]),
    (["run", "ls", "--help"], ["run", "--", "ls", "--help"]),
    (["run", "--root", "/", "--ro", "ls"], ["run", "--root", "/", "--ro", "--", "ls"]),
    (["run", "--root=/", "ls"], ["run", "--root=/", "--", "ls"]),
    (["run", "-e", "A=B", "-v", "/a:/b", "ls"], ["run", "-e", "A=B", "-v", "/a:/b", "--", "ls"]),
    (["run", "-eA=B", "-v/a:/b", "ls"], ["run", "-e", "A=B", "-v", "/a:/b", "--", "ls"]),
    (["run", "--strace", "ls"], ["run", "--strace=-", "--", "ls"]),
    (["run", "--strace=f", "ls", "--strace"], ["run", "--strace=f", "--", "ls", "--strace"]),
    (["run", "-w"], ["run", "-w"]),
    (["run", "--", "--", "x"], ["run", "--", "--", "x"]),
    (["kunit", "x"], ["kunit", "x"]),
    (["--help"], ["--help"]),
  ])
  func finds(_ arguments: [String], _ expected: [String]) {
    #expect(CommandSplitter.normalised(arguments) == expected)
  }

  /// Every option that takes a value does so where the splitter thinks it does, and no flag does.
  @Test func knowsTheOptionsWithValues() throws {
    let values = [
      "--root": "/", "--mmu": "none", "--cpus": "2", "--mem": "64m", "--hook": "trap", "--volume": "/a:/b",
      "-v": "/a:/b", "--env": "A=B", "-e": "A=B", "--workdir": "/", "-w": "/", "--user": "1", "-u": "1",
      "--hostname": "h", "--log": "l", "--loglevel": "3", "--tick": "off", "--kick": "50",
    ]
    #expect(Set(values.keys) == CommandSplitter.optionsWithValue)
    for (option, value) in values {
      let run = try Martlet.parseAsRoot(CommandSplitter.normalised(["run", option, value, "true", option])) as? Run
      #expect(run?.command == ["true", option], "\(option)")
    }
    for flag in ["--ro", "--no-aslr", "--verbose", "--strace"] {
      let run = try Martlet.parseAsRoot(CommandSplitter.normalised(["run", flag, "true"])) as? Run
      #expect(run?.command == ["true"], "\(flag)")
    }
    // The help names no option with a value that is not listed above.
    let help = Martlet.helpMessage(for: Run.self, includeHidden: true, columns: 200)
    for line in help.split(separator: "\n") where line.hasPrefix("  -") && line.contains("<") {
      let names = line.split(whereSeparator: { ", ".contains($0) }).prefix { $0.hasPrefix("-") }.map(String.init)
      #expect(names.allSatisfy { CommandSplitter.optionsWithValue.contains($0) || $0 == "--strace" }, "\(line)")
    }
  }
}

@Suite struct GuestEnvironmentTests {
  private func make(_ user: UserIdentity = .root, _ settings: [String] = [], host: [String: String] = [:]) throws
    -> [String]
  {
    try GuestEnvironment.make(user: user, hostname: "m", settings: settings) { host[$0] }
  }

  @Test func hasTheUsualDefaults() throws {
    #expect(try make() == ["PATH=\(GuestEnvironment.path)", "HOME=/root", "USER=root", "TERM=linux", "HOSTNAME=m"])
    let other = try make(UserIdentity(user: 7, group: 7), host: ["TERM": "xterm", "SECRET": "x"])
    #expect(other == ["PATH=\(GuestEnvironment.path)", "HOME=/", "USER=7", "TERM=xterm", "HOSTNAME=m"])
  }

  @Test func settingsWin() throws {
    let result = try make(.root, ["HOME=/x", "A=1", "A=b=c", "KEPT", "GONE", "EMPTY="], host: ["KEPT": "k"])
    #expect(result.filter { $0.hasPrefix("HOME=") } == ["HOME=/x"])
    #expect(result.suffix(3) == ["A=b=c", "KEPT=k", "EMPTY="])
  }

  @Test func aSettingNeedsAName() {
    #expect(throws: Failure.self) { try make(.root, ["=x"]) }
  }
}

@Suite struct HostTextTests {
  @Test(arguments: [
    [], Array("plain".utf8), Array("grün 🐦".utf8), [0xff], [0x61, 0xe9, 0x62], [0xc3], [0xe2, 0x82],
    [0xf4, 0x8f, 0xbe],
    Array("\u{10ff41}".utf8), Array("\u{10fffe}".utf8), Array("\u{10fe00}".utf8), [0xed, 0xa0, 0x80],
    [0xf0, 0x9f, 0x90, 0xa6, 0x80], [0xf4, 0xf4, 0x41],
  ])
  func allBytesSurvive(_ bytes: [UInt8]) {
    #expect(HostText.bytes(HostText.string(bytes)) == bytes)
  }

  @Test func everyPairOfBytesSurvives() {
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max {
        let bytes = [0x61, first, second, 0x62]
        if HostText.bytes(HostText.string(bytes)) != bytes { Issue.record("\(bytes)") }
      }
    }
  }

  @Test func validTextIsItself() {
    #expect(HostText.string(Array("grün".utf8)) == "grün")
  }
}
