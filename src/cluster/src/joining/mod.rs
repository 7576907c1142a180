//! Joining by invitation: a node that belongs to the cluster makes a code, and a new node that is
//! started with it is given the cluster secret and waits for approval.
//!
//! What always holds:
//! - the code does not hold the secret, and is worth nothing to a node but the first that uses it;
//! - an invitation is durable before it is shown, and its use before the secret is given;
//! - a node that has joined knows the secret and nothing more: only the layout gives it data;
//! - what a folder holds of another cluster is never touched.

mod code;
mod host;
mod invitations;
mod newcomer;
#[cfg(test)]
mod tests;

pub use code::{InvalidCode, JoinCode};
pub use host::{Invitation, InviteError};
pub use newcomer::{AlreadyElsewhere, JoinFailure, JoinOptions, Joined, JoinedCluster, join};

pub(crate) use host::Host;
pub use invitations::NotMade;
pub(crate) use invitations::{Invitations, Kept};
pub(crate) use newcomer::read;

use crate::layout::Role;
use serde::{Deserialize, Serialize};

/// The role that a node asks for while it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The zone its invitation says.
    pub zone: String,
    /// What it has room for.
    pub capacity_bytes: u64,
}

impl Waiting {
    /// The role itself; none when it could not be one.
    pub fn role(&self) -> Option<Role> {
        let (zone, capacity_bytes) = (self.zone.clone(), Some(self.capacity_bytes));
        Some(Role { zone, capacity_bytes, tags: Vec::new() }).filter(|role| role.check().is_ok())
    }
}

/// What the host answers a newcomer.
#[derive(Serialize, Deserialize)]
struct Welcome {
    /// The cluster secret, in hexadecimal.
    secret: String,
    /// The zone.
    zone: String,
}
