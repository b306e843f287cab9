import Machine

/// One mmap(2) of a file in one address space: what its areas share. A cached file knows those of it by its `MappingList`.
public final class FileMapping: Listed {
  public var link = Link<FileMapping>()  // under the MappingList's lock
  /// The address space, which lives at least as long as an area of it has this mapping.
  let space: Borrowed<AddressSpace>
  /// What was mapped, for its name and its inode; nil for shared anonymous memory.
  public let file: File?
  public let object: MappedObject
  /// Shared, and writable or to be made so: F_SEAL_WRITE is refused meanwhile.
  let isWritable: Bool
  /// For System V shared memory.
  let attachment: SegmentAttachment?
  /// What all who map it mean by it: the cached file, else the inode; 0: neither.
  let sharedIdentity: UInt
  // Of executable text and of the room behind it, under the address space's lock:
  /// Where the stubs of this text go, 0: nowhere; of the room itself, where its library begins.
  var stubs: UInt = 0
  /// What is mapped in place of the file's text, or in the room.
  var image: ExecImage?
  /// exec or a dynamic loader maps a program (MAP_DENYWRITE, which says nothing else).
  var isProgram = false
  /// It could be written once: what the guest changed must not be replaced.
  var wasWritable = false
  /// Areas that have it: under the address space's lock. At zero it leaves the list.
  private(set) var areas = 0
  fileprivate var isDropped = false  // in `DroppedMappings`; both under the address space's lock
  fileprivate var nextDropped: FileMapping?

  init(
    space: AddressSpace, file: File?, object: MappedObject, isWritable: Bool, attachment: SegmentAttachment? = nil
  ) {
    self.space = Borrowed(space)
    self.file = file
    self.object = object
    self.isWritable = isWritable
    self.attachment = attachment
    if case .cached(let cached) = object {
      sharedIdentity = Borrowed(cached).identity
    } else {
      sharedIdentity = file.map { Borrowed($0.inode).identity } ?? 0
    }
  }

  /// The pages of the page cache behind it.
  @inline(__always) var cached: CachedFile? {
    if case .cached(let file) = object { return file }
    return nil
  }

  /// Whether areas of both are one where they meet. What could be written to stays apart, as on Linux, which accounts for it.
  func isSame(as other: FileMapping) -> Bool {
    if self === other { return true }
    guard let file, let theirs = other.file else { return false }
    return file === theirs && wasWritable == other.wasWritable
  }

  // The address space's lock is held.
  func attach() {
    areas += 1
    if areas == 1, let cached { cached.mappings.add(self) }
  }
  func detach() {
    areas -= 1
    if areas == 0, let cached { cached.mappings.remove(self) }
  }
}

/// Mappings that lost an area while the address space's lock is held: a chain.
struct DroppedMappings: ~Copyable {
  private var first: FileMapping?
  init() { first = nil }

  mutating func add(_ mapping: FileMapping) {
    if mapping.isDropped { return }
    mapping.isDropped = true
    mapping.nextDropped = first
    first = mapping
  }

  /// Empties it. Returns the chain of those that no area has any more: their files may close, so they are for `release`
  /// once the lock is, and nobody else finds them.
  mutating func take() -> FileMapping? {
    var result: FileMapping?
    while let mapping = first {
      first = mapping.nextDropped
      mapping.isDropped = false
      mapping.nextDropped = nil
      if mapping.areas == 0 {
        mapping.nextDropped = result
        result = mapping
      }
    }
    return result
  }

  static func release(_ chain: FileMapping?) {
    var at = chain
    while let mapping = at {
      at = mapping.nextDropped
      mapping.nextDropped = nil
    }
  }
}

/// The mappings of one cached file, in all address spaces (Linux's i_mmap).
public final class MappingList {
  private let list = SpinLock(MappingListState(), rank: .mappings)
  public init() {}

  func add(_ mapping: FileMapping) {
    list.withLock { state in
      state.mappings.append(mapping)
      state.additions &+= 1
    }
  }
  func remove(_ mapping: FileMapping) { list.withLock { $0.mappings.remove(mapping) } }

  /// Whether someone may write to the file through a mapping.
  public var hasWritable: Bool {
    list.withLock { state in
      var result = false
      state.mappings.forEach { if $0.isWritable { result = true } }
      return result
    }
  }
  public var isEmpty: Bool { list.withLock { $0.mappings.isEmpty } }

  /// Takes the file's `pages` out of every address space, private copies too: before they
  /// are discarded. What is touched there afterwards faults and looks at the file's size anew, so a truncation sets the
  /// size before it calls this. The caller holds no lock of an address space, and none that `CachedFile`'s fault path takes.
  public func unmap(pages: Range<Int>) {
    var seen: UInt64 = 0
    while true {
      var spaces: [AddressSpace] = []
      let additions = list.withLock { state -> UInt64 in
        if state.additions == seen && seen != 0 { return seen }
        state.mappings.forEach { mapping in
          if spaces.last.map({ mapping.space == $0 }) != true { spaces.append(mapping.space.object) }
        }
        return state.additions
      }
      // A fork that copied pages after its parent was looked at has added its mappings: look again.
      if spaces.isEmpty || additions == seen { return }
      seen = additions
      for space in spaces { space.unmapPages(of: self, pages.lowerBound, pages.upperBound) }
    }
  }
}

private struct MappingListState: ~Copyable {
  var mappings = IntrusiveList<FileMapping>()
  var additions: UInt64 = 0
}
