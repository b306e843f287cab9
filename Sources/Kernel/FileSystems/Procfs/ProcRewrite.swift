import Machine
import Synchronization

/// /proc/martlet/rewrite: how the system calls of each file are patched, and how many of its `cpuid`.
enum ProcRewrite {
  static func text(_ text: inout TextBuilder) {
    let names = PatchForm.allCases.map { name($0) } + PatchRefusal.allCases.map { name($0) }
    text.add("sites patched traps")
    for name in names {
      text.space()
      text.add(name)
    }
    text.add(" cpuid cpuid-left file\n")
    for image in images() {
      let counts = image.counts()
      let done = counts.patched.reduce(0, +)
      text.add(done + counts.left.reduce(0, +))
      text.space()
      text.add(done)
      text.space()
      text.add(image.traps.load(ordering: .relaxed))
      for count in counts.patched + counts.left + [counts.identifications, counts.identificationsLeft] {
        text.space()
        text.add(count)
      }
      text.space()
      text.add(escaped: image.path, also: [10])
      text.newline()
    }
  }

  private static func images() -> [ExecImage] {
    execFiles.with { files in
      files.lock.withLock { list in
        var all: [ExecImage] = []
        list.forEach { all.append($0) }
        return all
      }
    }
  }

  private static func name(_ form: PatchForm) -> StaticString {
    switch form {
    case .springboard: "springboard"
    case .before: "before"
    case .after: "after"
    case .pageZero: "page-zero"
    }
  }
  private static func name(_ reason: PatchRefusal) -> StaticString {
    switch reason {
    case .noSystemCall: "no-call"
    case .taken: "taken"
    case .signalReturn: "signal-return"
    case .noRoom: "no-room"
    case .crossesWord: "crosses-word"
    case .noStub: "no-stub"
    }
  }
}
