//! Every operation of the S3 API, over HTTP, against a real store: who may call it, what it answers,
//! which parameters it obeys, and what bad input gets. Tables are compared with `OPERATIONS`, so an
//! operation that is added without its rows fails here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod access_lists;
mod answers;
mod authorization;
mod bad_input;
mod bucket_policy;
mod calls;
mod client;
mod conformance;
mod cross_origin;
mod damaged_names;
mod documentation;
mod expect;
mod failures;
mod home;
mod matrix;
mod parameters;
mod slow;
mod spoil;
mod upload_form;
mod versions;

use api::s3::operation::OPERATIONS;
use std::collections::BTreeSet;

/// Fails unless `found` names exactly the operations there are.
fn assert_names_all_operations(what: &str, found: impl Iterator<Item = &'static str>) {
    let known: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    let found: Vec<&str> = found.collect();
    let distinct: BTreeSet<&str> = found.iter().copied().collect();
    assert_eq!(found.len(), distinct.len(), "{what} names an operation twice");
    let missing: Vec<_> = known.difference(&distinct).collect();
    let unknown: Vec<_> = distinct.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "{what}: missing {missing:?}, unknown {unknown:?}");
}
