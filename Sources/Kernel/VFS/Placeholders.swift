import CLinux
import Machine

// Bare shapes that the owners of these replace.
public final class HostFileReference {}
public final class AddressSpace {}
