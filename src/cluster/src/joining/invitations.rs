//! The invitations that this node has made: durable before they are shown, and their use before
//! anything is given for it. An expired one is remembered for a while, so that whoever comes too late is told so.

use crate::state_file::{self, StateFileError, StateKind};
use base::{NodeId, WallTime};
use env::{Env, random_array};
use net::{Ticket, Token, TurnedAway, ticket_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an invitation holds: an evening and the next day, to carry it to another home.
pub const HOLDS_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one is remembered after it has expired.
const REMEMBERED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Invitations kept at once: a cluster of homes grows by a few nodes a year.
pub const INVITATIONS_MAX: usize = 64;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    token: Token,
    zone: String,
    /// Milliseconds.
    expires_ms: u64,
    used_by: Option<NodeId>,
}

impl Kept {
    fn has_expired(&self, now: WallTime) -> bool {
        now.millis() >= self.expires_ms
    }
}

/// Why no invitation was made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// There are too many.
    #[error("{INVITATIONS_MAX} invitations are open already: wait until some of them have expired")]
    TooMany,
    /// It could not be made durable.
    #[error(transparent)]
    NotStored(#[from] StateFileError),
}

/// The invitations of one node.
pub struct Invitations {
    env: Env,
    folder: PathBuf,
    kept: Mutex<Vec<Kept>>,
}

impl Invitations {
    /// Reads them. Blocks.
    pub fn open(env: &Env, folder: &Path) -> Result<Self, StateFileError> {
        let kept = match state_file::read(env.disk.as_ref(), folder, StateKind::Invitations)? {
            Some(body) => serde_json::from_str(&body)
                .map_err(|_| state_file::damaged(folder, StateKind::Invitations))?,
            None => Vec::new(),
        };
        Ok(Self { env: env.clone(), folder: folder.to_owned(), kept: Mutex::new(kept) })
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one. `zone` chooses the zone, given those that other invitations speak of. Blocks.
    pub fn make(&self, zone: impl FnOnce(&BTreeSet<String>) -> String) -> Result<(Token, String), NotMade> {
        let (mut kept, now) = (self.kept(), self.env.clock.wall());
        let mut next = kept.clone();
        next.retain(|one| now.millis() < one.expires_ms.saturating_add(millis(REMEMBERED_FOR)));
        if next.len() >= INVITATIONS_MAX {
            next.retain(|one| !one.has_expired(now) && one.used_by.is_none());
        }
        if next.len() >= INVITATIONS_MAX {
            return Err(NotMade::TooMany);
        }
        let open = next.iter().filter(|one| !one.has_expired(now)).map(|one| one.zone.clone());
        let zone = zone(&open.collect());
        let token = random_array(self.env.rng.as_ref());
        let expires_ms = now.millis().saturating_add(millis(HOLDS_FOR));
        next.push(Kept { token, zone: zone.clone(), expires_ms, used_by: None });
        self.write(&next)?;
        *kept = next;
        Ok((token, zone))
    }

    /// The token behind a ticket, also of one that has expired.
    pub fn token(&self, ticket: &Ticket) -> Option<Token> {
        self.kept().iter().map(|one| one.token).find(|token| ticket_of(token) == *ticket)
    }

    /// Takes note that a node uses an invitation, and gives its zone. The same node may come again: its
    /// answer may have been lost. Blocks.
    pub fn redeem(&self, ticket: &Ticket, node: NodeId) -> Result<String, TurnedAway> {
        let (mut kept, now) = (self.kept(), self.env.clock.wall());
        let mut next = kept.clone();
        let found = next.iter_mut().find(|one| ticket_of(&one.token) == *ticket);
        let found = found.ok_or(TurnedAway::Unknown)?;
        match found.used_by {
            Some(other) if other != node => return Err(TurnedAway::Used),
            _ if found.has_expired(now) => return Err(TurnedAway::Expired),
            Some(_) => return Ok(found.zone.clone()),
            None => found.used_by = Some(node),
        }
        let zone = found.zone.clone();
        self.write(&next).map_err(|error| {
            tracing::error!(%error, "the use of an invitation is not stored, so the node is not let in");
            TurnedAway::NotNow
        })?;
        *kept = next;
        Ok(zone)
    }

    fn write(&self, kept: &[Kept]) -> Result<(), StateFileError> {
        let body = serde_json::to_string(kept).expect("invitations can be written as JSON");
        state_file::write(self.env.disk.as_ref(), &self.folder, StateKind::Invitations, &body)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
