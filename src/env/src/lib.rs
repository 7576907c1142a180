//! The only doors to clock, randomness, disk, network and tasks; a real and a simulated version of each.
