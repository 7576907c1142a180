//! Names of buckets among several nodes: of those who create one at the same moment, one wins.
//!
//! The small tables are copied to everybody and merge, so they cannot decide. A name is therefore claimed first, as
//! a key that no client can reach: a write with the condition that nobody holds it, by ballot. The claim says which
//! bucket it is for. It stands as long as the name points at a live bucket, or may be about to.

use super::ballot::Proposal;
use super::read::KeyPlace;
use crate::rows::bucket::{AliasRow, BucketRow};
use crate::rows::object::{Body, ETag, Object, ObjectRow, Rare, Slot};
use crate::{Model, ModelError};
use base::id::kind;
use base::{BlockHash, Id, WallTime};
use bytes::Bytes;
use std::sync::Arc;
use store::{Read, Space};

/// The bucket whose keys are claimed names. No bucket gets this id: ids are drawn at random.
pub(super) const CLAIMS: Id<kind::Bucket> = Id::from_bytes([0; 32]);
/// The field of a claim that holds the bucket's id.
const HOLDER: &str = "bucket";
/// So long a claim whose bucket is not known yet may still be on its way to become one.
const CLAIM_MS: u64 = 60_000;

/// A claimed name: until when the claimer must have made the bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    until: WallTime,
}

impl Claim {
    /// Whether it is too late to make the bucket: another one may have claimed the name since.
    pub fn is_over(self, now: WallTime) -> bool {
        now >= self.until
    }
}

impl Model {
    /// Claims a name for a bucket that is about to be made.
    pub(crate) async fn claim_name(
        self: &Arc<Self>,
        name: &str,
        id: Id<kind::Bucket>,
    ) -> Result<Claim, ModelError> {
        // What this node has not heard of yet counts too.
        self.learn_bucket(name).await;
        let now = self.env.clock.wall();
        let place = KeyPlace::of(CLAIMS, name.to_owned());
        let claimed = self
            .decide(&place, |current| match self.is_held(name, current.and_then(ObjectRow::live), now)? {
                true => Err(ModelError::BucketNameTaken),
                false => Ok(Some(claim_of(id, now))),
            })
            .await?;
        claimed.ok_or(ModelError::Unavailable)?;
        Ok(Claim { until: WallTime(now.millis().saturating_add(CLAIM_MS / 2)) })
    }

    /// Whether a claim keeps others from the name.
    fn is_held(&self, name: &str, claim: Option<&Object>, now: WallTime) -> Result<bool, ModelError> {
        let Some((holder, since)) = claim.and_then(read_claim) else { return Ok(false) };
        let view = self.store.view()?;
        let bucket: Option<BucketRow> = view.get(Space::Bucket, holder.as_bytes())?;
        if let Some(bucket) = bucket {
            let alias: Option<AliasRow> = view.get(Space::Alias, name.as_bytes())?;
            return Ok(!bucket.deleted && alias.is_some_and(|alias| alias.target.value == Some(holder)));
        }
        Ok(now.millis() < since.millis().saturating_add(CLAIM_MS))
    }
}

/// An empty object that says one thing, for keys that no client can reach; and its bytes.
pub(super) fn note_object(field: &str, text: String) -> (Object, Bytes) {
    let nothing = Bytes::new();
    let object = Object {
        size: 0,
        etag: ETag { md5: [0; 16], parts: None },
        checksum: None,
        headers: vec![(field.to_owned(), text)],
        body: Body::Inline(BlockHash::of(&nothing)),
        tags: Vec::new(),
        rare: Rare::default(),
    };
    (object, nothing)
}

fn claim_of(id: Id<kind::Bucket>, now: WallTime) -> Proposal {
    let (object, nothing) = note_object(HOLDER, format!("{id} {}", now.millis()));
    Proposal::plain(Slot::Live(Box::new(object)), Some(nothing))
}

/// The bucket that a claim is for, and when it was made.
fn read_claim(claim: &Object) -> Option<(Id<kind::Bucket>, WallTime)> {
    let (_, value) = claim.headers.iter().find(|(field, _)| field == HOLDER)?;
    let (id, since) = value.split_once(' ')?;
    Some((Id::from_hex(id)?, WallTime(since.parse().ok()?)))
}
