//! Tests that take part in the protocol themselves: members that do not keep to it.

mod bad_callee;
mod bad_caller;
mod bad_member;
#[allow(dead_code, clippy::unwrap_used, reason = "it serves the tests from outside too")]
#[path = "../../tests/links/support.rs"]
pub(crate) mod support;
