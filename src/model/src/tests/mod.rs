//! Tests of the rules, on a real store and real blocks in the simulated world.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod bodies;
mod crash;
mod golden;
mod laws;
mod listing;
mod multipart;
mod names;
mod objects;
mod races;
mod support;

use support::{bucket_named, key_of, run};
