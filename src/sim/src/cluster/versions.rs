//! What must be true of versions: one that was acknowledged stays until somebody deletes it for good, and one that was
//! deleted stays gone; when all are deleted nothing is left.
//!
//! What is current is judged as in a bucket without versions, by the history of the key.

use super::client::Client;
use super::gathering::Gathering;
use super::locks::Guard;
use super::note::{Made, note_error};
use crate::book::{Book, VALUE_HEADER};
use crate::checks::Failure;
use crate::client::Verdict;
use base::Id;
use base::id::kind;
use model::objects::{Condition, Deletion, Found, Looked, Want};
use model::rows::lock::Lock;
use model::rows::past::VersionId;
use model::{Bypass, ByteRange, ModelError};
use std::time::Duration;

type Bucket = Id<kind::Bucket>;

const PROPERTY: &str = "an acknowledged version stays, a deleted one does not come back";

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
    /// Its key.
    pub key: &'static str,
    /// Which one it is.
    pub id: VersionId,
    /// What was written.
    pub value: u64,
    /// How many were known when its write began.
    seen: usize,
    /// What became of it.
    pub fate: Fate,
    /// What is known of its lock.
    pub guard: Guard,
    /// How many set or lift its lock just now.
    pub locking: u32,
    /// How many delete it just now.
    pub deleting: u32,
    /// Whether somebody who deleted it had no clear answer: that may happen yet, once no lock is in its way.
    in_doubt: bool,
}

impl Kept {
    /// A version that is there; `seen` others were known when its write began.
    pub fn new(key: &'static str, id: VersionId, (value, seen): (u64, usize), lock: Option<Lock>) -> Self {
        Self {
            key,
            id,
            value,
            seen,
            fate: Fate::There,
            guard: Guard::of(lock),
            locking: 0,
            deleting: 0,
            in_doubt: false,
        }
    }
}

/// Notes a write that was acknowledged; `seen` versions were known when it began. Null versions are replaced by others:
/// the history knows them.
pub fn acknowledged(
    homes: &Gathering,
    key: &'static str,
    written: (u64, usize),
    (made, lock): (Made, Option<Lock>),
) {
    if let Some(id) = made.filter(|id| *id != VersionId::Null) {
        homes.book().kept.push(Kept::new(key, id, written, lock));
    }
}

/// Whether a version is certainly not current: a later write began after it was acknowledged.
pub fn covered(kept: &[Kept], place: usize) -> bool {
    let is_later = |later: &Kept| later.key == kept[place].key && later.seen > place;
    kept[place..].iter().any(is_later)
}

/// Picks a version to be deleted that is certainly not current, or one that is locked and so must stay.
fn pick(client: &mut Client, bypass: Bypass) -> Option<usize> {
    let locked_percent = if client.homes.plan.races { 5 } else { 40 };
    let wants_locked = client.homes.plan.keeping.has_locks() && client.chance(locked_percent);
    let (mut places, contested): (Vec<usize>, Vec<usize>) = {
        let book = client.homes.book();
        let may = |place: &usize| {
            let kept = &book.kept[*place];
            let is_locked = kept.guard.protects(bypass);
            let fits = is_locked || !wants_locked && covered(&book.kept, *place);
            kept.fate == Fate::There && fits && (is_locked == wants_locked || !client.homes.plan.races)
        };
        let places: Vec<usize> = (0..book.kept.len()).filter(may).collect();
        let contested = places.iter().copied().filter(|place| book.kept[*place].locking > 0);
        (places.clone(), contested.collect())
    };
    if !contested.is_empty() && client.homes.plan.races {
        places = contested;
    }
    match places.len() as u64 {
        0 => None,
        count => Some(places[client.random.below(count) as usize]),
    }
}

/// Deletes a version.
pub async fn delete(client: &mut Client) -> Verdict {
    let homes = client.homes.clone();
    let may_bypass = homes.plan.keeping.has_locks() && client.chance(30);
    let bypass = if may_bypass { Bypass::Governance } else { Bypass::Nothing };
    let Some(place) = pick(client, bypass) else { return Verdict::Idle };
    let (home, patience, bucket) = (client.pick_home(), client.pick_patience(), client.bucket);
    let (kept, must_stay) = {
        let mut book = homes.book();
        let kept = &mut book.kept[place];
        kept.deleting += 1;
        let must_stay = kept.guard.protects(bypass);
        if !must_stay {
            kept.fate = Fate::Unknown;
            if may_bypass {
                kept.guard.begin_to_weaken();
            }
        }
        (kept.clone(), must_stay)
    };
    let deletion =
        Deletion { key: kept.key.to_owned(), version: Some(kept.id), condition: Condition::Always, bypass };
    let answer = homes
        .ask(home, patience, |node| async move { node.model.delete_object(bucket, deletion).await })
        .await;
    homes.note(&format!("  delete: {:?} {:?}, {bypass:?}, through home {home}", kept.key, kept.id));
    let mut book = homes.book();
    let kept = &mut book.kept[place];
    kept.deleting -= 1;
    kept.in_doubt |= !must_stay && answer.as_ref().is_none_or(is_in_doubt);
    if !must_stay && may_bypass && answer.as_ref().is_some_and(|answer| !is_in_doubt(answer)) {
        kept.guard.end_to_weaken();
    }
    match answer {
        Some(Ok(_)) => {
            let is_broken = kept.guard.protects(bypass);
            let detail = format!("home {home} deleted {kept:?}");
            kept.fate = Fate::Gone;
            if is_broken {
                book.fail(Failure::new("what is locked stays", detail));
            }
            Verdict::Done
        }
        Some(Err(ModelError::Locked)) => {
            // Somebody who lifted the lock since may have deleted it.
            if !must_stay && kept.fate != Fate::Gone {
                kept.fate = Fate::There;
            }
            book.count("a locked version was not deleted");
            Verdict::Refused
        }
        Some(Err(error)) => {
            drop(book);
            note_error(&homes, "delete a version", &error);
            Verdict::Failed
        }
        None => Verdict::Failed,
    }
}

/// A version to be read: one of which it is not known what becomes of it, if there are some.
fn pick_to_read(client: &mut Client) -> Option<usize> {
    let (all, open): (Vec<usize>, Vec<usize>) = {
        let book = client.homes.book();
        let all: Vec<usize> =
            (0..book.kept.len()).filter(|place| book.kept[*place].id != VersionId::Null).collect();
        let open = all.iter().copied().filter(|place| book.kept[*place].fate == Fate::Unknown);
        (all.clone(), open.collect())
    };
    let places = if open.is_empty() || client.chance(20) { all } else { open };
    let count = places.len() as u64;
    (count > 0).then(|| places[client.random.below(count) as usize])
}

/// Reads a version. One that is found gone stays gone, whatever was or is about to be done to it.
pub async fn get(client: &mut Client) -> Verdict {
    let Some(place) = pick_to_read(client) else { return Verdict::Idle };
    let (home, patience, bucket) = (client.pick_home(), client.pick_patience(), client.bucket);
    let homes = client.homes.clone();
    let before = homes.book().kept[place].clone();
    let (key, id) = (before.key, before.id);
    let looked = homes
        .ask(home, patience, move |node| async move {
            node.model.look(bucket, key, Some(id), Want::Metadata).await.map(Looked::object)
        })
        .await;
    match looked {
        Some(Ok(found)) => {
            homes.note(&format!("  version: {key:?} {id:?} is there: {}, home {home}", found.is_some()));
            judge_read(&mut homes.book(), (place, before.fate), found.as_ref());
            Verdict::Done
        }
        Some(Err(error)) => {
            note_error(&homes, "get a version", &error);
            Verdict::Failed
        }
        None => Verdict::Failed,
    }
}

fn judge_read(book: &mut Book, (place, before): (usize, Fate), found: Option<&Found>) {
    let kept = &mut book.kept[place];
    let seen = found.map(value_of);
    let is_right = match (before, kept.fate) {
        (Fate::Gone, _) => seen.is_none(),
        (Fate::There, Fate::There) if !kept.in_doubt => seen == Some(Some(kept.value)),
        _ => seen.is_none_or(|value| value == Some(kept.value)),
    };
    if !is_right {
        let detail = format!("a read shows {seen:?} where {before:?} was known, and now {kept:?}");
        return book.fail(Failure::new(PROPERTY, detail));
    }
    if seen.is_none() && kept.fate == Fate::Unknown {
        kept.fate = Fate::Gone;
        book.count("a version in doubt was found gone");
    }
}

/// What was written into a version.
fn value_of(found: &Found) -> Option<u64> {
    let header = found.object.headers.iter().find(|(name, _)| name == VALUE_HEADER);
    header.and_then(|(_, value)| value.parse().ok())
}

/// Whether an operation may happen yet.
fn is_in_doubt<T>(answer: &Result<T, ModelError>) -> bool {
    answer.as_ref().is_err_and(|error| !error.is_refusal())
}

/// Looks for all versions that are known of, through every home.
pub async fn check(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    let kept = homes.book().kept.clone();
    for home in homes.members().into_iter().filter(|home| homes.homes[*home].node().is_some()) {
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
    is_right(kept, found.as_ref()).map_err(|detail| Failure::new(PROPERTY, format!("home {home} {detail}")))
}

/// Judges what was found of a version while clients work.
pub fn judge(book: &mut Book, place: usize, found: Option<&Found>) {
    if let Err(detail) = is_right(&book.kept[place], found) {
        book.fail(Failure::new(PROPERTY, detail));
    }
}

fn is_right(kept: &Kept, found: Option<&Found>) -> Result<(), String> {
    let seen: Option<u64> = found.and_then(value_of);
    let is_right = match kept.fate {
        Fate::There => seen == Some(kept.value),
        Fate::Unknown => found.is_none() || seen == Some(kept.value),
        Fate::Gone => found.is_none(),
    };
    let lock = found.and_then(|found| found.object.rare.lock).unwrap_or_default();
    match (is_right, kept.guard.is_shown_by(lock)) {
        (false, _) => Err(format!("shows {seen:?} where {kept:?} was acknowledged")),
        (true, false) if found.is_some() => Err(format!("shows {lock:?} of {kept:?}")),
        (true, _) => Ok(()),
    }
}

/// Has an operation done that must succeed now.
pub async fn calmly<T, F>(
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
