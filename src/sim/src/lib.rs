//! Whole nodes in one thread from one printed seed, with faults (development only).
//!
//! A seed decides everything: the engine, the sizes, the mix of operations, which faults there are
//! and when they strike. [`run::run`] plays it: clients work on one node over a simulated machine
//! that loses power, fills up, misreads and rots; the node is restarted over what is left; at the
//! end everything comes to rest. What was promised is judged by [`checks`], which know no scenario.
//! The same seed gives the same trace, to the last effect on the disk. [`cluster`] plays several nodes
//! on one network in the same way.

pub mod arguments;
pub mod book;
pub mod checks;
pub mod client;
pub mod cluster;
pub mod content;
pub mod history;
pub mod node;
pub mod ops;
pub mod plan;
pub mod rest;
pub mod run;
#[cfg(test)]
mod tests;
