//! Tests of the rules, on a real store and real blocks in the simulated world.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod arc_bytes;
mod bad_rows;
mod bodies;
mod burial;
mod clocks;
mod conditions;
mod crash;
mod damaged_names;
mod encryption;
mod entries;
mod events;
mod golden;
mod held_events;
mod homes;
mod in_doubt;
mod laws;
mod lifecycle;
mod listing;
mod locks;
mod mending;
mod multipart;
mod names;
mod objects;
mod races;
mod removals;
mod rotten_queues;
mod row_check;
mod seal;
mod support;
mod sync;
mod versions;

pub(crate) use support::{Node, run};
use support::{bucket_named, key_of};
