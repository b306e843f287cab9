import Machine

/// The files that descriptors 0, 1, 2 of the first process are to be: those on the host's, where they are open; two that
/// are one description on the host are one here. A descriptor that is closed on the host stays closed (nil).
func makeStandardStreams() -> InlineArray<3, File?> {
  var result = InlineArray<3, File?>(repeating: nil)
  for number in 0..<3 {
    let first = Int(StandardStreams.first(sharedWith: Int32(number)))
    if first < number {
      result[number] = result[first]
      continue
    }
    do throws(Errno) { result[number] = try HostStream(Int32(number)) } catch {}
  }
  return result
}
