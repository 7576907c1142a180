//! Table `webhook`: where events may be sent, copied to every node, read locally.
//!
//! Only operators make rows of it: what applications configure names one of them, never an address.

use super::key::Secret;
use super::record_kind;
use base::{Lww, Merge, Stamp};
use serde::{Deserialize, Serialize};
use store::Record;

/// A webhook, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookRow {
    /// When the name was given first.
    pub created: Stamp,
    /// Where it is; none once it is deleted.
    pub endpoint: Lww<Option<Endpoint>>,
}

/// Where events are sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// `http://` or `https://`, host, port and path.
    pub url: String,
    /// What it is shown as a bearer token.
    pub token: Option<Secret>,
}

impl Record for WebhookRow {
    const KIND: u8 = record_kind::WEBHOOK;
    const VERSION: u8 = 1;
}

impl Merge for WebhookRow {
    fn merge(&mut self, other: &Self) {
        self.created = self.created.min(other.created);
        self.endpoint.merge(&other.endpoint);
    }
}
