import Testing

@testable import Machine

@Test func errnoNumbers() {
  #expect(Errno.noEntry.number == 2)
  #expect(Errno.restart.number == 512)
}
