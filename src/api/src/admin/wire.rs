//! What travels: the JSON bodies of the admin API, both ways, for the server and its clients.
//!
//! Names and shapes are those that operators' tools already speak (camelCase; times in RFC 3339;
//! sizes in bytes). Fields of our own are optional additions. A field that is missing and one that
//! is null mean the same.

mod block;
mod bucket;
mod cluster;
mod encryption;
mod forgetting;
mod joining;
mod key;
pub mod lifecycle;
mod node;
mod webhook;

pub use block::*;
pub use bucket::*;
pub use cluster::*;
pub use encryption::*;
pub use forgetting::*;
pub use joining::*;
pub use key::*;
pub use lifecycle::LifecycleRule;
pub use node::*;
pub use webhook::*;

use serde::{Deserialize, Serialize};

/// The body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// The region of the cluster.
    pub region: String,
    /// The path of the request.
    pub path: String,
}
