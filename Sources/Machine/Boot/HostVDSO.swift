import CLinux
import CMachine

/// The host's vDSO and its data pages: they stay where the host put them, in every process. The guest has it as its own,
/// without the functions that would answer for the host instead of Martlet; the kernel reads the clocks through it.
/// See vdso(7).
public enum HostVDSO {
  nonisolated(unsafe) static var start: UInt = 0x7fff_ffff_f000  // SAFETY of both: written at boot
  nonisolated(unsafe) static var end: UInt = 0x7fff_ffff_f000
  /// Its clock_gettime. SAFETY: written at boot.
  nonisolated(unsafe) static var clock: (@convention(c) (Int32, UnsafeMutablePointer<linux_timespec>) -> Int32)? = nil

  static func prepare() {
    HostMaps.forEach { from, to, tag in
      guard tag == .vdso else { return }
      unsafe start = min(start, from)
      unsafe end = end == 0x7fff_ffff_f000 ? to : max(end, to)
    }
    let base = unsafe hostAuxiliary.vdso
    if base == 0 { return }
    // A host may have sealed the image: better no vDSO than one that tells the host's CPU.
    guard unsafe base >= start, unsafe withdraw(base) else {
      unsafe hostAuxiliary.vdso = 0
      return
    }
    if let function = unsafe VDSOImage(base)?.find("__vdso_clock_gettime") {
      unsafe clock = unsafeBitCast(
        base + UInt(function.pointee.st_value),
        to: (@convention(c) (Int32, UnsafeMutablePointer<linux_timespec>) -> Int32).self)
    }
  }

  /// Takes from the image's symbols what is the guest kernel's to answer: the pages become this process's own, and those of
  /// all that come from it. Returns false where that cannot be.
  private static func withdraw(_ base: UInt) -> Bool {
    guard let image = unsafe VDSOImage(base) else { return false }
    let names: InlineArray<2, StaticString> = ["__vdso_getcpu", "__vdso_getrandom"]
    let aliases: InlineArray<2, StaticString> = ["getcpu", "getrandom"]
    let size = unsafe Int(end - base)
    if hostCall(__NR_mprotect, Int(base), size, Int(PROT_READ | PROT_WRITE | PROT_EXEC)) < 0 { return false }
    for i in names.indices {
      unsafe image.hide(names[i])
      unsafe image.hide(aliases[i])
    }
    check(hostCall(__NR_mprotect, Int(base), size, Int(PROT_READ | PROT_EXEC)), "mprotect of the vDSO")
    return true
  }

  /// The pages that no guest mapping may touch.
  public static var range: Range<UInt> { unsafe start..<end }
  static func contains(_ address: UInt64) -> Bool { unsafe address >= UInt64(start) && address < UInt64(end) }
}

/// The dynamic symbols of the vDSO at an address. SAFETY: the image is the host kernel's; it is looked at only at boot.
@unsafe private struct VDSOImage {
  let symbols: UnsafeMutablePointer<Elf64_Sym>
  let strings: UnsafePointer<UInt8>
  let count: Int

  init?(_ base: UInt) {
    let image = unsafe UnsafeRawPointer(bitPattern: base).unsafelyUnwrapped
    let header = unsafe image.load(as: Elf64_Ehdr.self)
    var load: UInt?, dynamic: UInt?
    for i in 0..<Int(header.e_phnum) {
      let segment = unsafe image.load(
        fromByteOffset: Int(header.e_phoff) + i * MemoryLayout<Elf64_Phdr>.stride, as: Elf64_Phdr.self)
      if segment.p_type == UInt32(PT_LOAD) { load = load ?? base &+ UInt(segment.p_offset) &- UInt(segment.p_vaddr) }
      if segment.p_type == UInt32(PT_DYNAMIC) { dynamic = base &+ UInt(segment.p_offset) }
    }
    guard let load, let dynamic else { return nil }
    var symbols: UInt?, strings: UInt?, hash: UInt?
    var at = unsafe UnsafePointer<(tag: Int, value: UInt)>(bitPattern: dynamic).unsafelyUnwrapped
    while unsafe at.pointee.tag != Int(DT_NULL) {
      let value = unsafe load &+ at.pointee.value
      switch unsafe at.pointee.tag {
      case Int(DT_SYMTAB): symbols = value
      case Int(DT_STRTAB): strings = value
      case Int(DT_HASH): hash = value
      default: break
      }
      unsafe at += 1
    }
    guard let symbols, let strings else { return nil }
    unsafe self.symbols = UnsafeMutablePointer(bitPattern: symbols).unsafelyUnwrapped
    unsafe self.strings = UnsafePointer(bitPattern: strings).unsafelyUnwrapped
    if let hash {
      count = unsafe Int(UnsafePointer<UInt32>(bitPattern: hash).unsafelyUnwrapped[1])
    } else if strings > symbols {  // linkers put the names right behind the symbols
      count = Int(strings - symbols) / MemoryLayout<Elf64_Sym>.stride
    } else {
      return nil
    }
  }

  /// Makes the symbol one that is not defined: libcs look at its section, at its value, or at both.
  func hide(_ name: StaticString) {
    guard let symbol = unsafe find(name) else { return }
    unsafe symbol.pointee.st_shndx = UInt16(SHN_UNDEF)
    unsafe symbol.pointee.st_value = 0
  }

  func find(_ name: StaticString) -> UnsafeMutablePointer<Elf64_Sym>? {
    for i in 0..<count {
      let symbol = unsafe symbols + i
      let own = unsafe strings + Int(symbol.pointee.st_name)
      var at = 0
      while unsafe at < name.utf8CodeUnitCount && own[at] == name.utf8Start[at] { at += 1 }
      if unsafe at == name.utf8CodeUnitCount && own[at] == 0 { return unsafe symbol }
    }
    return nil
  }
}
