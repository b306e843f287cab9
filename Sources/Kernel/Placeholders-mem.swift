import CLinux
import Machine

// Bare shapes that other owners replace.
