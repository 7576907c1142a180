//! Two nodes' layouts become one: commutative, associative and idempotent, so that gossip ends with the
//! same layout everywhere.
//!
//! Versions in force are facts and only rise. Of two candidates for the next version the one with the
//! greater rank stays. Of what is staged the last wish for each node stays. Layouts of two clusters
//! never mix; a layout without any version belongs to none, and takes on the first that it meets.

use super::lives::Lives;
use super::progress::Progress;
use super::{Candidate, GivenUp, HISTORY_MAX, Layout, PastVersion, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Two first versions of one cluster that were applied within this time were applied at once, and the later
/// one stands: so long nobody has stored anything. Longer ago, each may hold data.
const AT_ONCE_MS: u64 = 60_000;

/// The other layout is that of another cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherCluster;

impl Layout {
    /// This layout and what another node knows.
    pub(crate) fn merge(&self, other: &Self) -> Result<Self, OtherCluster> {
        let mut merged = match (self.current.number, other.current.number) {
            (0, 0) => Self { cluster: min_of(self.cluster, other.cluster), ..self.clone() },
            (0, _) => other.clone(),
            (_, 0) => self.clone(),
            _ if self.cluster != other.cluster => return Err(OtherCluster),
            _ => self.merge_versions(other)?,
        };
        merged.lives = self.lives.clone();
        merged.lives.merge(&other.lives);
        merged.given_up = self.given_up.clone();
        merged.given_up.merge(&other.given_up);
        merged.progress = Progress::merge(&self.progress, &other.progress, &merged.current, merged.joint());
        merged.wishes = self.wishes.clone();
        merged.wishes.merge(&other.wishes);
        let taken = merged.newest().taken.clone();
        merged.wishes.prune(&taken);
        Ok(merged)
    }

    fn merge_versions(&self, other: &Self) -> Result<Self, OtherCluster> {
        let mut in_force: BTreeMap<u64, Arc<Version>> = BTreeMap::new();
        for version in self.in_force().chain(other.in_force()) {
            match in_force.get(&version.number) {
                Some(known) if known == version => {}
                Some(known) if version.number == 1 && !are_at_once(known, version) => {
                    return Err(OtherCluster);
                }
                Some(known) if known.rank() > version.rank() => {}
                _ => _ = in_force.insert(version.number, Arc::clone(version)),
            }
        }
        let newest = self.newest().number.max(other.newest().number);
        let oldest = self.current.number.max(other.current.number);
        let (Some(current), Some(last)) = (in_force.get(&oldest), in_force.get(&newest)) else {
            return Ok(self.clone()); // One of the two has each of them.
        };
        let mut past: BTreeMap<u64, PastVersion> = BTreeMap::new();
        let gone = in_force.range(..oldest).map(|(_, version)| PastVersion::from(version.as_ref()));
        for version in self.past.iter().chain(&other.past).cloned().chain(gone) {
            let text = |past: &PastVersion| serde_json::to_string(past).unwrap_or_default();
            match past.get(&version.number) {
                Some(known) if text(known) >= text(&version) => {}
                _ => _ = past.insert(version.number, version),
            }
        }
        let surplus = past.len().saturating_sub(HISTORY_MAX);
        let candidates = [&self.next, &other.next].into_iter().flatten();
        let candidates = candidates.filter(|candidate| candidate.version.number == newest + 1);
        Ok(Self {
            cluster: self.cluster,
            current: Arc::clone(current),
            joint: (newest != oldest).then(|| Arc::clone(last)),
            next: candidates.max_by_key(|candidate| candidate.rank()).cloned(),
            progress: Progress::default(),
            lives: Lives::default(),
            given_up: GivenUp::default(),
            past: past.into_values().skip(surplus).collect(),
            wishes: self.wishes.clone(),
            is_automatic: self.is_automatic && other.is_automatic,
        })
    }
}

impl Candidate {
    /// Where it stands among candidates. One that was withdrawn has a stamp of its own.
    pub(super) fn rank(&self) -> (base::Stamp, [u8; 32], bool) {
        let (stamp, digest) = self.version.rank();
        (stamp, digest, self.is_withdrawn)
    }
}

fn are_at_once(one: &Version, other: &Version) -> bool {
    one.stamp.wall().millis().abs_diff(other.stamp.wall().millis()) <= AT_ONCE_MS
}

/// The lesser of those there are.
fn min_of<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
