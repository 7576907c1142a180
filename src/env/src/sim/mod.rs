//! The simulated world: one thread, one seed, faults.
