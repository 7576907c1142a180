//! Whole clusters from one seed: several homes in one thread, on one network that loses them.
//!
//! Each home is a node as the product starts it: disk, engine, layout, links, model, background workers.
//! Clients work through any of them on a few keys; the weather cuts links, ends processes, fails disks and
//! sets clocks. An operation whose answer never came may happen at any later time, or not at all: no end of
//! a life limits it. When the weather is over, everything must work through every home, and with any
//! one of them off; then the homes must come to hold the same rows.

mod ballast;
mod buckets;
mod calm;
mod client;
mod completion;
mod copies;
mod decay;
mod emptying;
mod events;
mod gathering;
mod home;
mod keeping;
mod locks;
mod moves;
mod note;
mod ops;
mod plan;
mod run;
mod settings;
mod sightings;
mod uploads;
pub mod versions;
mod weather;

#[cfg(test)]
mod tests;

pub use plan::ClusterPlan;
pub use run::run;
