//! What an operation does to objects, announced before and settled after, where the bucket's rules ask for it.

use super::error::S3Error;
use super::operation::{Call, NamedBucket};
use super::parameters::OWNER_ID;
use model::ModelError;
use model::events::{Announced, Draft, EventKind, Notifications, Outcome};
use model::objects::{Deleted, Deletion, Written};
use model::rows::bucket::{Setting, Versioning};
use model::rows::event::{Cause, Event, Subject};
use model::rows::object::ETag;
use model::rows::past::VersionId;
use store::Intent;

/// A change that is about to be made.
pub struct Change {
    kind: EventKind,
    key: String,
    object: Subject,
}

impl Change {
    /// An object is made.
    pub fn creation(kind: EventKind, key: &str, (size, etag): (u64, ETag)) -> Self {
        let object = Subject { size: Some(size), etag: Some(etag.to_string()), version: None };
        Self { kind, key: key.to_owned(), object }
    }

    /// Something is said about an object, or one version of it.
    pub fn of_version(kind: EventKind, key: &str, version: Option<VersionId>) -> Self {
        Self { kind, key: key.to_owned(), object: Subject { version, ..Subject::default() } }
    }
}

/// What a deletion is about to do: in a bucket that keeps versions one that names none makes a delete marker.
pub fn deletion(bucket: &NamedBucket, deletion: &Deletion) -> Change {
    let covers = deletion.version.is_none() && bucket.row.versioning() != Versioning::Never;
    let kind = if covers { EventKind::DeleteMarkerCreated } else { EventKind::Delete };
    Change::of_version(kind, &deletion.key, deletion.version)
}

/// A change under way: announced, if anybody is to be told.
pub struct Watch(Option<Announced>);

impl Watch {
    /// Settles how the change ended, and hands that on.
    pub async fn settle<T>(
        self,
        ended: Result<T, ModelError>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> Result<T, ModelError> {
        if let Some(announced) = self.0 {
            announced.settle(&ended, |done| Some(outcome(done))).await?;
        }
        ended
    }
}

/// Announces a change of one object.
pub async fn announce(call: &Call, change: Change) -> Result<Watch, S3Error> {
    let intent = if change.kind.leaves_object() { Intent::Grow } else { Intent::Free };
    let mut all = announce_all(call, vec![change], intent).await?;
    Ok(all.pop().unwrap_or(Watch(None)))
}

/// Announces changes of several; a watch for each comes back, in their order.
pub async fn announce_all(call: &Call, changes: Vec<Change>, intent: Intent) -> Result<Vec<Watch>, S3Error> {
    let bucket = call.bucket()?;
    if bucket.row.setting(Setting::Notification).is_none() {
        return Ok(changes.iter().map(|_| Watch(None)).collect());
    }
    let rules = Notifications::of(&bucket.row)?;
    let (mut drafts, mut announces) = (Vec::new(), Vec::with_capacity(changes.len()));
    for change in changes {
        let deliveries = rules.deliveries(change.kind, &change.key);
        announces.push(!deliveries.is_empty());
        if !deliveries.is_empty() {
            drafts.push(Draft { event: event(call, change)?, deliveries });
        }
    }
    let mut announced = match drafts.is_empty() {
        true => Vec::new(),
        false => call.api.model.announce(drafts, intent).await?,
    }
    .into_iter();
    Ok(announces
        .into_iter()
        .map(|announces| Watch(if announces { announced.next() } else { None }))
        .collect())
}

fn event(call: &Call, change: Change) -> Result<Event, S3Error> {
    let (head, bucket) = (&call.head, call.bucket()?);
    let cause = Cause {
        requester: call.caller.access_key().map(str::to_owned),
        source: head.source.map(|address| address.to_string()),
        request_id: head.request_id.clone(),
    };
    Ok(Event {
        kind: change.kind,
        bucket: bucket.id,
        bucket_name: bucket.name.clone(),
        owner: Some(OWNER_ID.to_owned()),
        key: change.key,
        object: change.object,
        cause,
        at: base::Stamp::ZERO,
    })
}

/// Tells every webhook of new rules that it was configured.
pub async fn send_test(call: &Call, rules: &Notifications) -> Result<(), S3Error> {
    let webhooks: std::collections::BTreeSet<&String> =
        rules.rules.iter().map(|rule| &rule.webhook).collect();
    for webhook in webhooks {
        let change = Change::of_version(EventKind::Test, "", None);
        let delivery = model::rows::event::Delivery { webhook: webhook.clone(), rule: String::new() };
        let draft = Draft { event: event(call, change)?, deliveries: vec![delivery] };
        call.api.model.send_event(draft).await?;
    }
    Ok(())
}

/// What became of a write.
pub fn written(written: &Written) -> Outcome {
    Outcome { at: Some(written.order), version: written.version }
}

/// What became of a deletion.
pub fn deleted(deleted: &Deleted) -> Outcome {
    Outcome { at: deleted.order, version: deleted.version }
}
