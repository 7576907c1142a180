//! What must be true of versions: one that was acknowledged stays until somebody deletes it for good, and one that was
//! deleted stays gone; when all are deleted nothing is left.
//!
//! What is current is judged as in a bucket without versions, by the history of the key.

use super::client::Client;
use super::gathering::Gathering;
use super::note::note_error;
use crate::book::VALUE_HEADER;
use crate::checks::Failure;
use crate::client::Verdict;
use base::Id;
use base::id::kind;
use model::objects::{Condition, Deletion, Found, Looked, Want, Written};
use model::rows::past::VersionId;
use model::version_listing::{VersionEntry, VersionQuery};
use model::{Bypass, ByteRange};
use std::time::Duration;

type Bucket = Id<kind::Bucket>;

/// How long any operation may take when all is calm.
const CALM_ANSWER_MAX: Duration = Duration::from_secs(30);
/// How often one is tried where homes forget in haste.
const TRIES: usize = 8;

/// What is known of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was acknowledged.
    There,
    /// Somebody deletes it, or tried to.
    Unknown,
    /// It was deleted for good.
    Gone,
}

/// A version that was acknowledged.
#[derive(Debug, Clone)]
pub struct Kept {
    key: &'static str,
    id: VersionId,
    value: u64,
    /// How many were known when its write began.
    seen: usize,
    fate: Fate,
}

/// Notes a write that was acknowledged; `seen` versions were known when it began.
pub fn acknowledged(homes: &Gathering, key: &'static str, (value, seen): (u64, usize), written: &Written) {
    if let Some(id) = written.version {
        homes.book().kept.push(Kept { key, id, value, seen, fate: Fate::There });
    }
}

/// Deletes a version that is certainly not current: a later write began after it was acknowledged.
pub async fn delete(client: &mut Client) -> Verdict {
    let homes = client.homes.clone();
    let covered: Vec<usize> = {
        let book = homes.book();
        let is_covered = |place: usize, kept: &Kept| {
            book.kept[place..].iter().any(|later| later.key == kept.key && later.seen > place)
        };
        let places = book.kept.iter().enumerate();
        places
            .filter(|(place, kept)| kept.fate == Fate::There && is_covered(*place, kept))
            .map(|(place, _)| place)
            .collect()
    };
    if covered.is_empty() {
        return Verdict::Idle;
    }
    let place = covered[client.random.below(covered.len() as u64) as usize];
    let (home, patience, bucket) = (client.pick_home(), client.pick_patience(), client.bucket);
    let kept = {
        let mut book = homes.book();
        book.kept[place].fate = Fate::Unknown;
        book.kept[place].clone()
    };
    let deletion = Deletion {
        key: kept.key.to_owned(),
        version: Some(kept.id),
        condition: Condition::Always,
        bypass: Bypass::Nothing,
    };
    let answer = homes
        .ask(home, patience, |node| async move { node.model.delete_object(bucket, deletion).await })
        .await;
    match answer {
        Some(Ok(_)) => {
            homes.book().kept[place].fate = Fate::Gone;
            Verdict::Done
        }
        Some(Err(error)) => {
            note_error(&homes, "delete a version", &error);
            Verdict::Failed
        }
        None => Verdict::Failed,
    }
}

/// Looks for all versions that are known of, through every home.
pub async fn check(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    let kept = homes.book().kept.clone();
    for home in (0..homes.homes.len()).filter(|home| homes.homes[*home].node().is_some()) {
        for kept in &kept {
            check_one(homes, home, bucket, kept).await?;
        }
    }
    homes.stop_on_failure()
}

async fn check_one(homes: &Gathering, home: usize, bucket: Bucket, kept: &Kept) -> Result<(), Failure> {
    let (key, id) = (kept.key, kept.id);
    let found = calmly(homes, home, "a look at a version", move |node| async move {
        match node.model.look(bucket, key, Some(id), Want::Content).await? {
            Looked::Object(found) => {
                let mut reader = found.read(&node.model, ByteRange { start: 0, end: found.object.size });
                while reader.next().await?.is_some() {}
                Ok(Some(*found))
            }
            Looked::Marker(..) | Looked::Nothing => Ok(None),
        }
    })
    .await?;
    let value_of = |found: &Found| {
        let header = found.object.headers.iter().find(|(name, _)| name == VALUE_HEADER);
        header.and_then(|(_, value)| value.parse().ok())
    };
    let seen: Option<u64> = found.as_ref().and_then(value_of);
    let is_right = match kept.fate {
        Fate::There => seen == Some(kept.value),
        Fate::Unknown => found.is_none() || seen == Some(kept.value),
        Fate::Gone => found.is_none(),
    };
    if is_right {
        return Ok(());
    }
    let detail = format!("home {home} shows {seen:?} where {kept:?} was acknowledged");
    Err(Failure::new("an acknowledged version stays, a deleted one does not come back", detail))
}

/// Deletes every version there is.
pub async fn delete_all(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    let mut turn = 0;
    loop {
        let page = calmly(homes, turn % homes.homes.len(), "a listing of versions", move |node| async move {
            node.model.list_versions(bucket, VersionQuery::all(20)).await
        })
        .await?;
        if page.entries.is_empty() {
            homes.book().kept.clear();
            return Ok(());
        }
        for entry in page.entries {
            let (key, id) = match entry {
                VersionEntry::Object { id, listed, .. } => (listed.key, id),
                VersionEntry::Marker { key, id, .. } => (key, id),
                VersionEntry::Prefix(_) => continue,
            };
            turn += 1;
            let deletion =
                Deletion { key, version: Some(id), condition: Condition::Always, bypass: Bypass::Nothing };
            let delete = move |node: super::home::Member| {
                let deletion = deletion.clone();
                async move { node.model.delete_object(bucket, deletion).await }
            };
            calmly(homes, turn % homes.homes.len(), "a deletion of a version", delete).await?;
        }
    }
}

/// Has an operation done that must succeed now.
async fn calmly<T, F>(
    homes: &Gathering,
    home: usize,
    what: &str,
    ask: impl Fn(super::home::Member) -> F,
) -> Result<T, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, model::ModelError>> + Send + 'static,
{
    let mut last = String::new();
    for _ in 0..TRIES {
        match homes.ask(home, Some(CALM_ANSWER_MAX), &ask).await {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => last = error.to_string(),
            None => "no answer".clone_into(&mut last),
        }
    }
    Err(Failure::new("liveness", format!("when all was calm home {home} refuses {what}: {last}")))
}
