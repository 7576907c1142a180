//! The checks: one file per property, none of them knows a scenario.
//!
//! Those on the history need no node: [`durability`] (I1, I2), [`linearizable`] (I3),
//! [`listing`] (I4), [`stamps`]. Those on a node need it at rest: [`counters`] (I7), [`blocks`]
//! (I8), [`leftovers`] (I9), [`digests`], [`names`]. [`content`] (I5) looks at what a read returned.

pub mod blocks;
pub mod content;
pub mod counters;
pub mod digests;
pub mod durability;
pub mod leftovers;
pub mod linearizable;
pub mod listing;
pub mod names;
pub mod stamps;
#[cfg(test)]
mod tests;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which promise.
    pub property: &'static str,
    /// How.
    pub detail: String,
}

impl Failure {
    /// A broken promise.
    pub fn new(property: &'static str, detail: impl Into<String>) -> Self {
        Self { property, detail: detail.into() }
    }
}

/// Names a property in the error of a check that could not read what it needs.
pub(crate) fn unreadable(property: &'static str) -> impl Fn(store::StoreError) -> Failure {
    move |error| Failure::new(property, format!("the store cannot be read: {error}"))
}
