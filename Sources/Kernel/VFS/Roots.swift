import Machine

/// Moves everyone whose root or directory was `old` to `new`: the end of pivot_root(2).
func changeRoots(from old: Path, to new: Path) {
  var id = 1
  while let process = Processes.next(from: id) {
    id = process.id + 1
    guard let context = process.anyTask?.takeFileSystem() else { continue }
    if context.root == old { context.root = new }
    if context.directory == old { context.directory = new }
  }
}
