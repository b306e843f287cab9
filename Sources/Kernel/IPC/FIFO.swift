import CLinux
import Machine
import Synchronization

/// FIFOs: fifo(7). While a FIFO is open somewhere its inode has a pipe, found by the inode.
public enum FIFO {
  /// Implements open(2) of a FIFO: waits for the other end, except with O_RDWR or O_NONBLOCK.
  /// Errors: ENXIO (O_WRONLY with O_NONBLOCK, and no reader), ENOMEM, `.restart`.
  public static func open(_ inode: Inode, _ path: Path?, _ flags: Int32) throws(Errno) -> File {
    let pipe = try fifos.borrowed.with { (table) throws(Errno) in try table.pipe(of: inode) }
    // From here on `pipe` counts an opening, which `closed` or the file's end takes back.
    let isNonBlocking = flags & O_NONBLOCK != 0
    do throws(Errno) {
      switch flags & O_ACCMODE {
      case O_RDONLY:
        let seen = pipe.writerOpenings.load(ordering: .sequentiallyConsistent)
        pipe.addEnd(reads: true, writes: false)
        pipe.canRead.wakeAll()
        if !pipe.hasWriters {
          if isNonBlocking {
            return PipeFile(fifo: pipe, inode: inode, path: path, flags: flags, seenWriters: seen)
          }
          try waitForPartner(pipe, isReader: true, since: seen)
        }
      case O_WRONLY:
        if isNonBlocking && !pipe.hasReaders { throw .noDeviceOrAddress }
        let seen = pipe.readerOpenings.load(ordering: .sequentiallyConsistent)
        pipe.addEnd(reads: false, writes: true)
        pipe.canRead.wakeAll()
        if !pipe.hasReaders { try waitForPartner(pipe, isReader: false, since: seen) }
      case O_RDWR:
        pipe.addEnd(reads: true, writes: true)
        pipe.canRead.wakeAll()
      default:
        throw .invalid
      }
    } catch {
      closed(pipe, inode)
      throw error
    }
    return PipeFile(fifo: pipe, inode: inode, path: path, flags: flags)
  }

  /// Waits until an end of the other kind was opened, even if it is closed again.
  private static func waitForPartner(_ pipe: Pipe, isReader: Bool, since seen: Int) throws(Errno) {
    do throws(Errno) {
      try pipe.canRead.wait { () throws(Errno) -> Bool in
        let openings =
          isReader
          ? pipe.writerOpenings.load(ordering: .sequentiallyConsistent)
          : pipe.readerOpenings.load(ordering: .sequentiallyConsistent)
        return openings != seen
      }
    } catch {
      pipe.removeEnd(reads: isReader, writes: !isReader)
      throw error
    }
  }

  /// An opening of `inode` that had `pipe` is gone: with the last one the pipe and its bytes go.
  static func closed(_ pipe: Pipe, _ inode: Inode) { fifos.borrowed.with { $0.closed(pipe, inode) } }
}

/// The pipes of the FIFOs that are open, by inode.
final class FIFOTable {
  private struct Entry {
    let inode: Inode
    let pipe: Pipe
    var openings: Int
  }
  private static var bucketCount: Int { 64 }
  private let buckets: SpinLock<[[Entry]]>

  init() { buckets = SpinLock([[Entry]](repeating: [], count: Self.bucketCount), rank: .leaf) }

  private static func bucket(_ inode: Inode) -> Int { Int(Borrowed(inode).identity >> 4 % UInt(bucketCount)) }

  /// The pipe of `inode`, with one more opening.
  func pipe(of inode: Inode) throws(Errno) -> Pipe {
    let fresh = try Pipe()
    let bucket = Self.bucket(inode)
    return buckets.withLock { buckets -> Pipe in
      for i in buckets[bucket].indices where buckets[bucket][i].inode === inode {
        buckets[bucket][i].openings += 1
        return buckets[bucket][i].pipe
      }
      buckets[bucket].append(Entry(inode: inode, pipe: fresh, openings: 1))
      return fresh
    }
  }
  func closed(_ pipe: Pipe, _ inode: Inode) {
    let bucket = Self.bucket(inode)
    let gone = buckets.withLock { buckets -> Entry? in
      for i in buckets[bucket].indices where buckets[bucket][i].pipe === pipe {
        buckets[bucket][i].openings -= 1
        if buckets[bucket][i].openings > 0 { return nil }
        return buckets[bucket].remove(at: i)
      }
      return nil
    }
    _ = gone  // dropped here, without the lock
  }
}
let fifos = KernelGlobal<FIFOTable>()
