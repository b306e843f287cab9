import Testing

@testable import Kernel

@Test func tableNames() {
  #expect("\(syscallTable[0].name)" == "read")
  #expect("\(syscallTable[450].name)" == "set_mempolicy_home_node")
}
