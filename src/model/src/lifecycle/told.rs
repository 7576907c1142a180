//! Who is told of what lifecycle rules remove: announced before, settled after, as a request's changes are
//! ([`crate::events`]).

use super::Counts;
use super::expire::{Moment, count};
use super::scan::{Candidate, Due};
use crate::events::{Announced, Draft, EventKind, Notifications, Outcome};
use crate::rows::bucket::Versioning;
use crate::rows::event::{Cause, Event, Subject};
use crate::rows::object::ObjectRow;
use crate::rows::past::VersionId;
use crate::{Model, ModelError};
use base::Stamp;
use std::sync::Arc;
use store::Intent;

/// What became of something that looked due; none if it was not.
pub(super) type Ended = Result<Option<Outcome>, ModelError>;

/// Something that looks due, announced if anybody is to be told.
pub(super) struct Watched {
    pub candidate: Candidate,
    announced: Option<Announced>,
}

impl Watched {
    /// Settles how it ended, and counts it.
    pub async fn end(self, ended: Ended) -> Counts {
        let counts = count(&self.candidate.due, &ended);
        if let Some(announced) = self.announced {
            // If no other home holds it this one tells it all the same: nobody waits for an answer.
            _ = announced.settle(&ended, |outcome| *outcome).await;
        }
        counts
    }
}

impl Due {
    /// What is told, in a bucket of this mode; none where nobody can ask for it.
    fn event(&self, mode: Versioning) -> Option<(EventKind, Option<VersionId>)> {
        match self {
            Self::Current if mode == Versioning::Never => Some((EventKind::Expired, None)),
            Self::Current => Some((EventKind::ExpirationMarkerCreated, None)),
            Self::Marker(id) => Some((EventKind::Expired, Some(*id))),
            Self::Past(due) => Some((EventKind::Expired, Some(due.id))),
            Self::Upload(_) => None,
        }
    }

    /// What a change of a key with versions was, by the row that it left.
    pub(super) fn outcome(&self, row: &ObjectRow) -> Outcome {
        let version = match self {
            Self::Current => Some(row.version_id()),
            Self::Marker(id) => Some(*id),
            Self::Past(due) => Some(due.id),
            Self::Upload(_) => None,
        };
        Outcome { at: Some(row.order), version }
    }
}

impl Model {
    /// Announces what looks due, where the bucket's rules ask for it.
    pub(super) async fn announce_due(
        self: &Arc<Self>,
        moment: Moment,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Watched>, ModelError> {
        let (names, mut drafts) = (self.names(), Vec::new());
        let bucket = names.bucket(moment.bucket)?;
        let rules = Notifications::of(&bucket)?;
        let name = names.aliases_of(moment.bucket).next().map(str::to_owned);
        let name = name.unwrap_or_else(|| moment.bucket.to_string());
        let mut announces = Vec::with_capacity(candidates.len());
        for Candidate { key, due } in &candidates {
            let told = due.event(bucket.versioning());
            let told = told.map(|(kind, version)| (kind, version, rules.deliveries(kind, key)));
            let told = told.filter(|(_, _, deliveries)| !deliveries.is_empty());
            announces.push(told.is_some());
            drafts.extend(told.map(|(kind, version, deliveries)| {
                let object = Subject { version, ..Subject::default() };
                let (bucket, bucket_name, key) = (moment.bucket, name.clone(), key.clone());
                let (owner, cause, at) = (None, Cause::default(), Stamp::ZERO);
                let event = Event { kind, bucket, bucket_name, owner, key, object, cause, at };
                Draft { event, deliveries }
            }));
        }
        let announced =
            if drafts.is_empty() { Vec::new() } else { self.announce(drafts, Intent::Free).await? };
        let mut announced = announced.into_iter();
        let watched = candidates.into_iter().zip(announces).map(|(candidate, announces)| {
            let announced = if announces { announced.next() } else { None };
            Watched { candidate, announced }
        });
        Ok(watched.collect())
    }
}
