//! The row check: a slow look at every row of this node, so that what is damaged is found and mended before somebody
//! meets it (rule D5).
//!
//! One task goes from table to table, in each from arc to arc, in small steps with rests. What always holds:
//!
//! - what cannot be read is noted, and mended as what a request meets (`replicas/mend`); nothing is mended here;
//! - a chunk that does not say what its rows do is made again from them, and told of;
//! - how far it is stands on disk: a restart goes on from there;
//! - references to blocks that no body goes with are let go after every replica said so (`references`).

mod figures;
mod look;
mod progress;
mod references;
mod worker;

pub use figures::CheckFigures;
pub(crate) use figures::CheckRecord;
pub use progress::CheckProgress;
#[cfg(test)]
pub(crate) use progress::PROGRESS_KEY;
pub(crate) use references::AskBodies;
#[cfg(test)]
pub(crate) use worker::Worker;
