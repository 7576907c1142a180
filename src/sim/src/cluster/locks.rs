//! Locks of versions: what is locked is never removed, whoever asks, through whichever home.
//!
//! A lock is *sure* once it was acknowledged and nobody has begun to weaken it since, nor was about to. As long as it is
//! sure, no deletion is answered with success, and the version is found with its lock. That a lock and a deletion of one
//! version are both acknowledged is a broken promise, whichever came first, unless the lock was weakened in between.
//! Only versions that are certainly not current are weakened, so that nothing else can be uncovered.

use super::client::Client;
use super::gathering::{Gathering, failed};
use super::home::Member;
use super::note::{self, Looked, Which, note_error};
use super::versions::{Fate, Kept, calmly, covered};
use crate::book::{Book, version_of};
use crate::checks::Failure;
use crate::client::Verdict;
use base::id::kind;
use base::{Id, WallTime};
use env::Clock;
use env::sim::Keep;
use model::objects::{Condition, Deletion};
use model::rows::lock::{Lock, Retention, RetentionMode};
use model::rows::past::VersionId;
use model::{Bypass, ModelError};
use std::time::Duration;

type Bucket = Id<kind::Bucket>;

const PROPERTY: &str = "what is locked stays";
/// For how long versions are retained: longer than a run lasts until its end is judged.
const RETAINED_MS: u64 = 60 * 24 * 3600 * 1000;
/// So many of the last versions are locked rather than those of long ago.
const RECENT: usize = 6;
/// How long homes may take to find each other again.
const MEETING_MAX: Duration = Duration::from_secs(300);

/// What is known of the lock of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    hold: bool,
    retained: Option<RetentionMode>,
    /// How many began to weaken it, and how many of them may still do so.
    weakened: (u32, u32),
}

impl Guard {
    /// Of a version that was written with this lock.
    pub fn of(lock: Option<Lock>) -> Self {
        let hold = lock.is_some_and(|lock| lock.legal_hold == Some(true));
        let retained = lock.and_then(|lock| lock.retention).map(|retention| retention.mode);
        Self { hold, retained, ..Self::default() }
    }

    /// Whether the version surely stays, whatever such a deletion does.
    pub fn protects(self, bypass: Bypass) -> bool {
        let governed = self.retained == Some(RetentionMode::Governance) && bypass == Bypass::Nothing;
        self.hold || governed || self.retained == Some(RetentionMode::Compliance)
    }

    /// Whether a lock is what it surely is.
    pub fn is_shown_by(self, lock: Lock) -> bool {
        let mode = lock.retention.map(|retention| retention.mode);
        (!self.hold || lock.legal_hold == Some(true)) && (self.retained.is_none() || self.retained == mode)
    }

    /// Somebody lifts the hold, or does what governance only forbids to others.
    pub fn begin_to_weaken(&mut self) {
        self.hold = false;
        self.retained = self.retained.filter(|mode| *mode == RetentionMode::Compliance);
        self.weakened = (self.weakened.0 + 1, self.weakened.1 + 1);
    }

    /// That was answered.
    pub fn end_to_weaken(&mut self) {
        self.weakened.1 = self.weakened.1.saturating_sub(1);
    }
}

/// What a client does to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Hold,
    Retain(RetentionMode),
    /// Lifts the hold.
    Lift,
    /// Ends a retention, as who may do what governance forbids.
    Free,
    /// Ends a retention without being allowed to.
    TryToFree,
}

/// The lock that a new version brings.
pub fn pick_for_put(client: &mut Client) -> Option<Lock> {
    // Where locks are set against deletions there must be something that can be deleted.
    if !client.homes.plan.keeping.has_locks() || client.homes.plan.races {
        return None;
    }
    match client.random.below(100) {
        0..8 => Some(Lock { legal_hold: Some(true), retention: None }),
        8..14 => {
            let mode = pick_mode(client);
            Some(Lock { legal_hold: None, retention: Some(retention(client, mode)) })
        }
        _ => None,
    }
}

fn pick_mode(client: &mut Client) -> RetentionMode {
    if client.random.coin() { RetentionMode::Governance } else { RetentionMode::Compliance }
}

fn retention(client: &Client, mode: RetentionMode) -> Retention {
    let now = client.homes.homes[0].world.clock.wall();
    Retention { mode, until: WallTime(now.millis() + RETAINED_MS) }
}

/// Sets or lifts a lock of some version.
pub async fn change(client: &mut Client) -> Verdict {
    if client.homes.plan.keeping.has_null_versions() && client.chance(30) {
        return hold_null(client).await;
    }
    let wish = match client.random.below(100) {
        0..60 if client.homes.plan.races => Wish::Hold,
        60..95 if client.homes.plan.races => Wish::Lift,
        0..40 => Wish::Hold,
        40..60 => Wish::Retain(pick_mode(client)),
        60..75 => Wish::Lift,
        75..85 => Wish::Free,
        _ => Wish::TryToFree,
    };
    match pick(client, wish) {
        Some(place) => ask(client, place, wish).await,
        None => Verdict::Idle,
    }
}

/// A version for that: one of the last ones, or one that somebody deletes just now.
fn pick(client: &mut Client, wish: Wish) -> Option<usize> {
    let (mut places, contested): (Vec<usize>, Vec<usize>) = {
        let book = client.homes.book();
        let may = |place: &usize| match wish {
            Wish::Lift | Wish::Free => covered(&book.kept, *place) && book.kept[*place].id != VersionId::Null,
            Wish::TryToFree => book.kept[*place].guard.retained.is_some(),
            Wish::Hold | Wish::Retain(_) => book.kept[*place].fate != Fate::Gone,
        };
        let places: Vec<usize> = (0..book.kept.len()).filter(may).collect();
        let fought = |place: &usize| book.kept[*place].fate == Fate::Unknown;
        let fought_now = |place: &usize| book.kept[*place].deleting > 0;
        let races = client.homes.plan.races && places.iter().any(fought_now);
        let contested =
            places.iter().copied().filter(|place| if races { fought_now(place) } else { fought(place) });
        (places.clone(), contested.collect())
    };
    if !contested.is_empty() && client.chance(70) {
        places = contested;
    }
    let recent = places.len().min(RECENT);
    let back = 1 + client.random.below(recent.max(1) as u64) as usize;
    places.len().checked_sub(back).map(|place| places[place])
}

async fn ask(client: &mut Client, place: usize, wish: Wish) -> Verdict {
    let (homes, bucket) = (client.homes.clone(), client.bucket);
    let (home, patience) = (client.pick_home(), client.pick_patience());
    let retention = match wish {
        Wish::Retain(mode) => Some(retention(client, mode)),
        _ => None,
    };
    let before = {
        let mut book = homes.book();
        let kept = &mut book.kept[place];
        kept.locking += 1;
        if matches!(wish, Wish::Lift | Wish::Free) {
            kept.guard.begin_to_weaken();
        }
        kept.clone()
    };
    let named = (before.key.to_owned(), Some(before.id));
    let answer = homes
        .ask(home, patience, move |node: Member| async move {
            let model = node.model;
            match wish {
                Wish::Hold => model.set_object_legal_hold(bucket, named, true).await,
                Wish::Lift => model.set_object_legal_hold(bucket, named, false).await,
                Wish::Free => model.set_object_retention(bucket, named, (None, Bypass::Governance)).await,
                Wish::Retain(_) | Wish::TryToFree => {
                    model.set_object_retention(bucket, named, (retention, Bypass::Nothing)).await
                }
            }
        })
        .await;
    let verdict = judge(&mut homes.book(), (place, &before), wish, answer.as_ref());
    homes.note(&format!("  lock: {wish:?} of {:?} {:?} through home {home}", before.key, before.id));
    if let Some(Err(error)) = answer {
        note_error(&homes, "lock", &error);
    }
    verdict
}

/// Judges what came of it, and notes what is known now.
fn judge(
    book: &mut Book,
    (place, before): (usize, &Kept),
    wish: Wish,
    answer: Option<&Result<VersionId, ModelError>>,
) -> Verdict {
    let kept = &mut book.kept[place];
    kept.locking -= 1;
    let is_weakening = matches!(wish, Wish::Lift | Wish::Free);
    let was_alone = before.guard.weakened.1 == 0 && kept.guard.weakened == before.guard.weakened;
    let mut broken = None;
    let verdict = match answer {
        None => Verdict::Failed,
        Some(Ok(_)) if is_weakening => {
            kept.guard.end_to_weaken();
            Verdict::Done
        }
        Some(Ok(_)) => {
            if wish == Wish::TryToFree && before.guard.retained.is_some() && kept.guard.retained.is_some() {
                broken = Some("a retention was ended by somebody who must not".to_owned());
            }
            if was_alone && wish != Wish::TryToFree {
                match wish {
                    Wish::Hold => kept.guard.hold = true,
                    Wish::Retain(mode) => kept.guard.retained = Some(mode),
                    _ => {}
                }
                if kept.fate == Fate::Gone && kept.guard.protects(Bypass::Governance) {
                    broken = Some("it was deleted, and locked".to_owned());
                } else if kept.guard.protects(Bypass::Governance) {
                    kept.fate = Fate::There;
                }
            }
            Verdict::Done
        }
        Some(Err(error)) if error.is_refusal() => {
            if is_weakening {
                kept.guard.end_to_weaken();
            }
            let is_absent = matches!(error, ModelError::NoSuchVersion | ModelError::NoSuchKey);
            if is_absent && kept.fate == Fate::There {
                broken = Some(format!("who would lock it is told: {error}"));
            }
            Verdict::Refused
        }
        Some(Err(_)) => Verdict::Failed,
    };
    let text = broken.map(|what| format!("{what}: {kept:?}"));
    if let Some(text) = text {
        book.fail(Failure::new(PROPERTY, text));
    }
    verdict
}

/// Holds the null version of a key. Which one that was is known if there is the same before and after.
async fn hold_null(client: &mut Client) -> Verdict {
    let (homes, bucket) = (client.homes.clone(), client.bucket);
    let (home, key, patience) = (client.pick_home(), client.pick_key(), client.pick_patience());
    let Ok(before) = note::read(&homes, home, (bucket, key, Which::Null), (false, patience)).await else {
        return Verdict::Failed;
    };
    let Some(value) = value_of(&before) else { return Verdict::Refused };
    let named = (key.to_owned(), Some(VersionId::Null));
    let hold = move |node: Member| async move { node.model.set_object_legal_hold(bucket, named, true).await };
    match homes.ask(home, patience, hold).await {
        Some(Ok(_)) => {}
        Some(Err(error)) => {
            note_error(&homes, "hold the null version", &error);
            return Verdict::Failed;
        }
        None => return Verdict::Failed,
    }
    let Ok(after) = note::read(&homes, home, (bucket, key, Which::Null), (false, patience)).await else {
        return Verdict::Failed;
    };
    if value_of(&after) == Some(value) {
        homes.note(&format!("  lock: the null version of {key:?} is held: {value}"));
        let lock = Lock { legal_hold: Some(true), retention: None };
        let mut book = homes.book();
        let seen = book.kept.len();
        book.kept.push(Kept::new(key, VersionId::Null, (value, seen), Some(lock)));
        book.count("the null version is held");
    }
    Verdict::Done
}

fn value_of(looked: &Looked) -> Option<u64> {
    let (found, _) = looked.found.as_ref()?;
    version_of(&found.object.headers, &found.object.etag.md5).map(|version| version.value)
}

/// When all is calm, whatever is surely locked cannot be deleted through any home.
pub async fn check(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    let (kept, members) = (homes.book().kept.clone(), homes.members());
    for (place, kept) in kept.iter().enumerate() {
        for bypass in [Bypass::Nothing, Bypass::Governance] {
            if kept.guard.protects(bypass) {
                let home = members[place % members.len()];
                check_refusal(homes, home, bucket, (kept, bypass)).await?;
            }
        }
    }
    Ok(())
}

async fn check_refusal(
    homes: &Gathering,
    home: usize,
    bucket: Bucket,
    (kept, bypass): (&Kept, Bypass),
) -> Result<(), Failure> {
    let deletion =
        Deletion { key: kept.key.to_owned(), version: Some(kept.id), condition: Condition::Always, bypass };
    let told = calmly(homes, home, "a deletion of what is locked", move |node| {
        let deletion = deletion.clone();
        async move {
            match node.model.delete_object(bucket, deletion).await {
                Err(ModelError::Locked) => Ok(None),
                other => other.map(Some),
            }
        }
    })
    .await?;
    match told {
        None => Ok(()),
        Some(told) => {
            let detail = format!("home {home} answers {told:?} to {bypass:?} of {kept:?}");
            Err(Failure::new(PROPERTY, detail))
        }
    }
}

/// Time goes on until all retentions are over. A clock is believed a day ahead of its start, so all homes start again.
pub async fn end_retentions(homes: &Gathering) -> Result<(), Failure> {
    homes.note("retentions are over");
    for home in homes.members().iter().map(|home| &homes.homes[*home]) {
        home.kill(Keep::Everything).await.map_err(failed)?;
    }
    let later = i64::try_from(2 * RETAINED_MS).unwrap_or(i64::MAX);
    homes.homes.iter().for_each(|home| home.world.clock.jump(later));
    for home in homes.members().iter().map(|home| &homes.homes[*home]) {
        home.start(Vec::new()).await.map_err(failed)?;
    }
    homes.meet(MEETING_MAX).await
}
