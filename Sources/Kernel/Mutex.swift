import Machine

/// The kernel's sleeping lock; hosted builds have another of the name in Synchronization.
public typealias Mutex<Value: ~Copyable> = Machine.Mutex<Value>
