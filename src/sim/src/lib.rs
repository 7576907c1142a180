//! Whole nodes in one thread from one printed seed, with faults (development only).
