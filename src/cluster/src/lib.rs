//! Who is in the cluster, and the layout: which node keeps which part of the hash space.
//!
//! Decisions about the layout are pure functions from one layout to the next; the rest is a few
//! small state files in the metadata folder and a handle that keeps them and memory in step.
//! What always holds:
//!
//! - a state file that exists and cannot be read stops the node; it never starts afresh;
//! - a layout is durable before anybody sees it, and the one before it is kept beside it;
//! - nothing in the layout names a replica set that its roles do not allow.

mod choosing;
mod forgetting;
#[doc(hidden)]
pub mod fuzzing;
mod health;
pub mod joining;
mod keeper;
pub mod layout;
pub mod membership;
mod node_key;
mod placement;
mod safety;
mod secrets;
mod state;
mod state_file;
#[cfg(test)]
mod tests;
mod vote;

pub use choosing::Chosen;
pub use forgetting::{ForgetError, Forgetting};
pub use health::{Health, HealthStatus, LocalService, Reason};
pub use layout::{ClusterId, Layout, LayoutError};
pub use node_key::NodeKey;
pub use placement::{Placement, View};
pub use safety::Safety;
pub use secrets::{AdminToken, ClusterSecret, InvalidSecret};
pub use state::{ChangeError, ClusterError, ClusterOptions, ClusterState, FirstLayout, Node};
pub use state_file::{StateFileError, StateKind};
