// swift-tools-version: 6.3
import PackageDescription

// In release the kernel's modules are Embedded Swift for a freestanding image; in debug the same sources
// are built hosted, so that `swift test` can test what is pure logic. docs/building.md explains the flags.
let release: BuildSettingCondition = .when(configuration: .release)
let checked: [SwiftSetting] = Context.environment["MARTLET_CHECKED"] == "1" ? [.define("CHECKED")] : []

let freestanding: [SwiftSetting] =
  checked + [
    .enableExperimentalFeature("Embedded", release),
    .enableExperimentalFeature("Lifetimes"),
    .enableExperimentalFeature("RawLayout"),
    .enableExperimentalFeature("BuiltinModule"),
    .unsafeFlags(
      [
        "-wmo", "-enforce-exclusivity=unchecked",
        "-Xfrontend", "-disable-stack-protector", "-Xfrontend", "-function-sections",
        "-Xcc", "-mno-sse", "-Xcc", "-mno-mmx", "-Xcc", "-mno-red-zone",
        "-Xcc", "-Xclang", "-Xcc", "-target-feature", "-Xcc", "-Xclang", "-Xcc", "+soft-float",
        // Functions alike are not merged into one with a call through a pointer.
        "-Xllvm", "-swiftmergefunc-threshold=0",
        "-Xcc", "-DKERNEL_IMAGE",
      ], release),
  ]
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatWarning("StrictMemorySafety", as: .error),
]
let kernelC: [CSetting] = [
  .define("KERNEL_IMAGE", release),
  .unsafeFlags(
    [
      "-mno-sse", "-mgeneral-regs-only", "-mno-red-zone", "-fno-stack-protector", "-ffreestanding",
      "-ffunction-sections", "-fdata-sections", "-fno-omit-frame-pointer",
    ], release),
]

let package = Package(
  name: "martlet",
  products: [
    .executable(name: "martlet", targets: ["martlet"]),
    .executable(name: "martlet-kernel", targets: ["KernelImage"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
  ],
  targets: [
    .target(name: "CLinux", cSettings: kernelC),
    .target(name: "CMachine", dependencies: ["CLinux"], cSettings: kernelC),
    .target(name: "CBoot"),
    .target(name: "CTool"),
    .target(name: "Machine", dependencies: ["CLinux", "CMachine", "CBoot"], swiftSettings: freestanding),
    .target(name: "Kernel", dependencies: ["Machine", "CLinux", "CBoot"], swiftSettings: freestanding + strict),
    .executableTarget(
      name: "KernelImage", dependencies: ["Kernel", "Machine", "CMachine"], exclude: ["kernel.lds"],
      swiftSettings: freestanding,
      linkerSettings: [
        .unsafeFlags(
          [
            "-nostartfiles", "-Xclang-linker", "-nostdlib", "-Xclang-linker", "-static",
            "-Xclang-linker", "-fuse-ld=lld", "-Xlinker", "-z", "-Xlinker", "max-page-size=0x200000",
            "-Xlinker", "--script=\(Context.packageDirectory)/Sources/KernelImage/kernel.lds",
          ], release)
      ]),
    .executableTarget(
      name: "martlet",
      dependencies: [
        "CBoot", "CTool", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      // Static and stripped: a cold start spends most of its time in the dynamic linker otherwise. The last three
      // libraries are what ArgumentParser's FoundationEssentials needs, which a static link does not find by itself.
      linkerSettings: [
        .unsafeFlags(
          [
            "-static-executable", "-use-ld=lld", "-Xlinker", "-s",
            "-l_FoundationCollections", "-l_FoundationCShims", "-lswiftSynchronization",
          ], release)
      ]),
    .testTarget(name: "MachineTests", dependencies: ["Machine"]),
    .testTarget(name: "KernelTests", dependencies: ["Kernel", "Machine"]),
    .testTarget(name: "MartletToolTests", dependencies: ["martlet", "CBoot", "CTool"]),
  ]
)
