//! Links and calls between whole nodes: over loopback TCP with TLS, and over the simulated network.
//! One binary, so that it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod faults;
mod guests;
mod handshake;
mod relay;
mod simulated;
mod support;
