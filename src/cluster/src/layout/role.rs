//! What an operator says: roles and parameters.

use super::LayoutError;
use serde::{Deserialize, Serialize};

/// Longest name of a zone and longest tag, in bytes: they are printed in table columns.
pub const NAME_MAX_BYTES: usize = 64;
/// Most tags of one node.
pub const TAGS_MAX: usize = 32;
/// Smallest capacity: one byte per partition.
pub const CAPACITY_MIN_BYTES: u64 = 1024;

/// What a node does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The place that fails as one: a home.
    pub zone: String,
    /// How much it stores; `None`: it is a gateway and stores nothing.
    pub capacity_bytes: Option<u64>,
    /// For people.
    pub tags: Vec<String>,
}

impl Role {
    /// Refuses what cannot be a role.
    pub fn check(&self) -> Result<(), LayoutError> {
        let is_name = |text: &str| {
            !text.is_empty() && text.len() <= NAME_MAX_BYTES && !text.chars().any(char::is_control)
        };
        if !is_name(&self.zone) {
            return Err(LayoutError::ZoneName);
        }
        if self.tags.len() > TAGS_MAX || !self.tags.iter().all(|tag| is_name(tag)) {
            return Err(LayoutError::Tags);
        }
        match self.capacity_bytes {
            Some(capacity) if capacity < CAPACITY_MIN_BYTES => Err(LayoutError::CapacityTooSmall),
            _ => Ok(()),
        }
    }
}

/// In how many zones the copies of one piece of data must lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZoneRedundancy {
    /// In as many as possible.
    #[default]
    #[serde(rename = "maximum")]
    Maximum,
    /// In at least this many.
    #[serde(rename = "at_least")]
    AtLeast(u8),
}

/// How many copies are kept: 1, 2 or 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ReplicationFactor(u8);

impl ReplicationFactor {
    /// The most copies this design keeps: with three, one may be away and a quorum is left.
    pub const MAX: ReplicationFactor = ReplicationFactor(3);

    /// Checks the range.
    pub fn new(copies: u8) -> Result<Self, LayoutError> {
        if (1..=Self::MAX.0).contains(&copies) {
            Ok(Self(copies))
        } else {
            Err(LayoutError::ReplicationRange)
        }
    }

    /// The number of copies.
    pub const fn copies(self) -> u8 {
        self.0
    }

    /// How many copies must answer: all of one or two, two of three.
    pub const fn quorum(self) -> u8 {
        if self.0 == 1 { 1 } else { 2 }
    }
}

impl TryFrom<u8> for ReplicationFactor {
    type Error = LayoutError;
    fn try_from(copies: u8) -> Result<Self, LayoutError> {
        Self::new(copies)
    }
}

impl From<ReplicationFactor> for u8 {
    fn from(factor: ReplicationFactor) -> u8 {
        factor.0
    }
}

/// How the number of copies is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replication {
    /// The smaller of three and the number of storage zones.
    #[default]
    #[serde(rename = "automatic")]
    Automatic,
    /// As given.
    #[serde(rename = "copies")]
    Copies(ReplicationFactor),
}

/// The operator's parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Zones per piece of data.
    pub zone_redundancy: ZoneRedundancy,
    /// Copies per piece of data.
    pub replication: Replication,
}
