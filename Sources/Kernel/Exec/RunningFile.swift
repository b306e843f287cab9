import Machine

/// A file that is being run, or is about to be: nobody may write to it meanwhile (ETXTBSY).
public final class RunningFile {
  public let file: File

  /// Errors: ETXTBSY where it is open for writing.
  init(_ file: File) throws(Errno) {
    try file.inode.beginRunning()
    self.file = file
  }
  deinit { file.inode.endRunning() }
}
