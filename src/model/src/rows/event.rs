//! Events on their way to webhooks: kept by the node that took the request, and held by another one for it.
//!
//! An intent is written before the change it speaks of, and becomes queued events, one for each webhook, once the change
//! has taken place (doc/decisions/0011).

use super::past::VersionId;
use super::record_kind;
use crate::events::EventKind;
use base::id::kind;
use base::{Id, Stamp};
use serde::{Deserialize, Serialize};
use store::Record;

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// In which bucket.
    pub bucket: Id<kind::Bucket>,
    /// Its name, as whoever caused this calls it.
    pub bucket_name: String,
    /// Who owns the bucket.
    pub owner: Option<String>,
    /// To which key.
    pub key: String,
    /// To what of it.
    pub object: Subject,
    /// By whom.
    pub cause: Cause,
    /// The change's place in the order of all changes of its key.
    pub at: Stamp,
}

/// What an event says of the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its size.
    pub size: Option<u64>,
    /// Its tag, without quotes.
    pub etag: Option<String>,
    /// Its version.
    pub version: Option<VersionId>,
}

/// The request that caused an event; all is empty for what the store does by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The access key.
    pub requester: Option<String>,
    /// The address it came from.
    pub source: Option<String>,
    /// The request's id.
    pub request_id: String,
}

/// Who is told of an event, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The webhook.
    pub webhook: String,
    /// The rule's id.
    pub rule: String,
}

/// A change that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentRow {
    /// What will have happened; its place in the order is when the intent was written.
    pub event: Event,
    /// Who will be told.
    pub deliveries: Vec<Delivery>,
}

impl Record for IntentRow {
    const KIND: u8 = record_kind::EVENT_INTENT;
    const VERSION: u8 = 1;
}

/// An event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRow {
    /// What happened.
    pub event: Event,
    /// The rule by which the webhook is told.
    pub rule: String,
}

impl Record for QueuedRow {
    const KIND: u8 = record_kind::EVENT;
    const VERSION: u8 = 1;
}

/// An event that another node has on its way to one webhook: told by this one should that node be lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRow {
    /// The event, and the rule by which the webhook is told.
    pub queued: QueuedRow,
    /// Whether it is certain that it has happened; else the key is looked at first.
    pub is_settled: bool,
}

impl Record for HeldRow {
    const KIND: u8 = record_kind::EVENT_HELD;
    const VERSION: u8 = 1;
}

/// How much is on its way to one webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacklogRow {
    /// Events that wait.
    pub events: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Events that found no room.
    pub lost: u64,
    /// When one found none last.
    pub lost_at: Option<Stamp>,
}

impl Record for BacklogRow {
    const KIND: u8 = record_kind::EVENT_BACKLOG;
    const VERSION: u8 = 1;
}
