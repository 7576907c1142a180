//! Digests of ranges equal their rows: both are changed in one transaction, so this holds whenever no
//! transaction runs.

use super::Failure;
use crate::node::Node;

const PROPERTY: &str = "digests equal their rows";

/// Recounts every digest of a node at rest.
pub fn check(node: &Node) -> Result<(), Failure> {
    let wrong = node.model.recount_digests();
    let wrong = wrong.map_err(|error| Failure::new(PROPERTY, format!("cannot be recounted: {error}")))?;
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(PROPERTY, wrong.join("; "))) }
}
