//! Other buckets, made and deleted while clients write to them, each request through any home.
//!
//! A deletion that was acknowledged found nothing in the bucket, and nothing comes into it any more (doc/decisions/0005):
//! for each key it needs "absent" and leaves "gone", and every acknowledged write needs "open". Two buckets have one name
//! only if the first of them may have been deleted. Once a deletion has begun reads are not judged: a home that has not
//! heard of it may show what was being deleted, and a delete that is answered may have found the bucket gone.

use super::client::Client;
use super::gathering::{Gathering, failed};
use super::home::Member;
use super::note::{self, meta_of, note_error};
use super::ops::send_body;
use super::versions::calmly;
use crate::book::tag_of;
use crate::checks::Failure;
use crate::client::{Verdict, open};
use crate::content::Sending;
use crate::history::{Call, Needs, Register, State, Version};
use base::id::kind;
use base::{BucketName, Id};
use model::Bypass;
use model::ModelError;
use model::objects::{Condition, Deletion, Place, Want};
use model::rows::object::ETag;
use model::rows::version::Owner;
use std::time::Duration;

type Bucket = Id<kind::Bucket>;

/// Names in use.
const NAMES: [&str; 2] = ["second", "third"];
/// Buckets that may be there at once, for all that is known.
const BUCKETS_MAX: usize = 3;
/// How long homes may take to hear that a bucket is deleted when nothing is wrong.
const HEARING_MAX: Duration = Duration::from_secs(120);

/// A bucket of the run beside the first one.
#[derive(Debug, Clone)]
pub struct Other {
    id: Bucket,
    name: &'static str,
    /// Deletions that began, and how many of them were refused.
    deletions: (u32, u32),
    is_gone: bool,
}

impl Other {
    fn may_be_gone(&self) -> bool {
        self.is_gone || self.deletions.0 > self.deletions.1
    }
}

/// A key of one of them: its place among them.
type Spot = (usize, &'static str);

fn register((place, key): Spot) -> Register {
    Register::Object { bucket: place + 1, key: key.to_owned() }
}

/// Does something with one of them.
pub async fn play(client: &mut Client) -> Verdict {
    let there: Vec<(usize, Other)> = {
        let others = open(&client.homes.others);
        let there = others.iter().enumerate().filter(|(_, other)| !other.is_gone);
        there.map(|(place, other)| (place, other.clone())).collect()
    };
    let choice = client.random.below(100);
    if there.is_empty() || (choice < 12 && there.len() < BUCKETS_MAX) {
        return create(client).await;
    }
    let (place, other) = there[client.random.below(there.len() as u64) as usize].clone();
    let spot = (place, client.pick_key());
    match choice {
        0..50 => put(client, other.id, spot).await,
        50..65 => get(client, other.id, spot).await,
        65..82 => delete_key(client, other.id, spot).await,
        _ => delete(client, other.id, place).await,
    }
}

async fn create(client: &mut Client) -> Verdict {
    let (homes, home, patience) = (client.homes.clone(), client.pick_home(), client.pick_patience());
    let name = NAMES[client.random.below(NAMES.len() as u64) as usize];
    let Ok(parsed) = BucketName::parse(name) else { return Verdict::Idle };
    let surely = |other: &Other| other.name == name && !other.may_be_gone();
    let rivals: Vec<Bucket> =
        open(&homes.others).iter().filter(|one| surely(one)).map(|one| one.id).collect();
    let made = homes
        .ask(home, patience, |node| async move { node.model.create_bucket(Some(parsed), None).await })
        .await;
    match made {
        Some(Ok(id)) => {
            let mut others = open(&homes.others);
            let rival = others.iter().find(|other| surely(other) && rivals.contains(&other.id)).cloned();
            others.push(Other { id, name, deletions: (0, 0), is_gone: false });
            drop(others);
            if let Some(rival) = rival {
                let detail = format!("home {home} made {id:?} as {name:?}, which is {rival:?}");
                homes.book().fail(Failure::new("names", detail));
            }
            Verdict::Done
        }
        Some(Err(error)) => {
            note_error(&homes, "create a bucket", &error);
            if error.is_refusal() { Verdict::Refused } else { Verdict::Failed }
        }
        None => Verdict::Failed,
    }
}

async fn put(client: &mut Client, bucket: Bucket, spot: Spot) -> Verdict {
    let (homes, home, patience) = (client.homes.clone(), client.pick_home(), client.pick_patience());
    let sending = client.pick_body();
    put_body(&homes, home, (bucket, spot), (sending, patience)).await
}

async fn put_body(
    homes: &Gathering,
    home: usize,
    (bucket, spot): (Bucket, Spot),
    (sending, patience): (Sending, Option<Duration>),
) -> Verdict {
    let (call, value, md5) = {
        let mut book = homes.book();
        let (value, md5) = (book.new_value(), book.new_digest(sending.content.clone()));
        let leaves = State::Holds(Version { value, tag: tag_of(&md5) });
        (book.history.call(register(spot), Needs::Open, Some(leaves)), value, md5)
    };
    let key = spot.1.to_owned();
    let place = Place { bucket, key: key.clone(), condition: Condition::Always };
    let answer = homes
        .ask(home, patience, |node| async move {
            let body = send_body(&node.model, Owner::Object(bucket, key), &sending).await;
            let body = body.map_err(|error| (true, error))?;
            let put = node.model.put_object(place, body, ETag { md5, parts: None }, meta_of(value)).await;
            put.map(drop).map_err(|error| (error.is_refusal(), error))
        })
        .await;
    settle(homes, call, answer)
}

/// Writes down what came of a write: whether an error refuses it stands beside it.
fn settle(homes: &Gathering, call: Call, answer: Option<Result<(), (bool, ModelError)>>) -> Verdict {
    match answer {
        Some(Ok(())) => {
            homes.book().history.done(call);
            Verdict::Done
        }
        Some(Err((true, error))) => {
            homes.book().history.never(call);
            note_error(homes, "write to another bucket", &error);
            Verdict::Refused
        }
        Some(Err((false, error))) => {
            homes.leave_rest();
            note_error(homes, "write to another bucket", &error);
            Verdict::Failed
        }
        None => {
            homes.leave_rest();
            Verdict::Failed
        }
    }
}

async fn get(client: &mut Client, bucket: Bucket, spot: Spot) -> Verdict {
    let (homes, home, patience) = (client.homes.clone(), client.pick_home(), client.pick_patience());
    read(&homes, home, (bucket, spot), patience).await
}

async fn read(
    homes: &Gathering,
    home: usize,
    (bucket, spot): (Bucket, Spot),
    patience: Option<Duration>,
) -> Verdict {
    let (place, key) = spot;
    let before = open(&homes.others)[place].clone();
    let call = homes.book().history.call(register(spot), Needs::Anything, None);
    let look = move |node: Member| async move { node.model.find(bucket, key, Want::Content).await };
    let answer = homes.ask(home, patience, look).await;
    let after = open(&homes.others)[place].clone();
    let mut book = homes.book();
    match answer {
        Some(Ok(_)) if after.may_be_gone() || after.deletions != before.deletions => {
            book.history.never(call);
            Verdict::Done
        }
        Some(Ok(found)) => {
            let seen = match &found {
                Some(found) => note::judge(&mut book, &register(spot), found, None),
                None => Needs::Unseen,
            };
            book.history.observed(call, seen);
            Verdict::Done
        }
        Some(Err(error)) => {
            book.history.never(call);
            drop(book);
            note_error(homes, "read another bucket", &error);
            Verdict::Failed
        }
        None => Verdict::Failed,
    }
}

fn deletion_of(key: &str) -> Deletion {
    Deletion { key: key.to_owned(), version: None, condition: Condition::Always, bypass: Bypass::Nothing }
}

async fn delete_key(client: &mut Client, bucket: Bucket, spot: Spot) -> Verdict {
    let (homes, home, patience) = (client.homes.clone(), client.pick_home(), client.pick_patience());
    let call = homes.book().history.call(register(spot), Needs::Open, Some(State::Absent));
    let deletion = deletion_of(spot.1);
    let delete = move |node: Member| async move { node.model.delete_object(bucket, deletion).await };
    let answer = homes.ask(home, patience, delete).await;
    let may_be_gone = open(&homes.others)[spot.0].may_be_gone();
    match answer {
        // Before it was gone, or after: then it did nothing.
        Some(Ok(_)) if may_be_gone => Verdict::Done,
        answer => {
            let answer = answer.map(|answer| answer.map(drop).map_err(|error| (error.is_refusal(), error)));
            settle(&homes, call, answer)
        }
    }
}

/// DeleteBucket.
async fn delete(client: &mut Client, bucket: Bucket, place: usize) -> Verdict {
    let (homes, home, patience) = (client.homes.clone(), client.pick_home(), client.pick_patience());
    open(&homes.others)[place].deletions.0 += 1;
    let calls: Vec<Call> = {
        let mut book = homes.book();
        let keys = homes.plan.keys.iter();
        // Who finds it gone, but not told to everybody yet, tells it, and is answered as who deleted it.
        keys.map(|key| book.history.call(register((place, key)), Needs::Unseen, Some(State::Gone))).collect()
    };
    let answer = homes.ask(home, patience, move |node| delete_known(node, bucket)).await;
    homes.note(&format!("  bucket {} is deleted through home {home}: {answer:?}", place + 1));
    let mut book = homes.book();
    match answer {
        Some(Ok(())) => {
            calls.into_iter().for_each(|call| book.history.done(call));
            open(&homes.others)[place].is_gone = true;
            Verdict::Done
        }
        Some(Err(error)) if error.is_refusal() => {
            calls.into_iter().for_each(|call| book.history.never(call));
            open(&homes.others)[place].deletions.1 += 1;
            Verdict::Refused
        }
        Some(Err(_)) | None => Verdict::Failed,
    }
}

/// As a front end does it, which looks for the name first.
async fn delete_known(node: Member, bucket: Bucket) -> Result<(), ModelError> {
    if !node.model.names().buckets.contains_key(&bucket) {
        return Err(ModelError::NoSuchBucket);
    }
    node.model.delete_bucket(bucket).await
}

/// When all is calm every bucket that is left can be read, emptied and deleted, and takes nothing afterwards.
pub async fn end(homes: &Gathering) -> Result<(), Failure> {
    let (others, members) = (open(&homes.others).clone(), homes.members());
    for (place, other) in others.iter().enumerate().filter(|(_, other)| !other.is_gone) {
        for key in &homes.plan.keys {
            for home in &members {
                read(homes, *home, (other.id, (place, key)), None).await;
            }
        }
        empty(homes, members[place % members.len()], other).await?;
    }
    crate::checks::linearizable::check(&homes.book().history)?;
    for (place, other) in others.iter().enumerate() {
        let hears = |node: &Member| !node.model.names().buckets.contains_key(&other.id);
        homes.until(HEARING_MAX, "hears that a bucket is deleted", hears).await?;
        for home in &members {
            let nothing = Sending { content: crate::content::Content::default(), pushed: 0 };
            let spot = (place, homes.plan.keys[0]);
            let put = put_body(homes, *home, (other.id, spot), (nothing, None)).await;
            if put != Verdict::Refused {
                return Err(failed(format!("home {home} answers {put:?} to a put in a bucket that is gone")));
            }
        }
    }
    Ok(())
}

async fn empty(homes: &Gathering, home: usize, other: &Other) -> Result<(), Failure> {
    let bucket = other.id;
    for key in homes.plan.keys.clone() {
        calmly(homes, home, "a delete in another bucket", move |node: Member| async move {
            gone_is_fine(node.model.delete_object(bucket, deletion_of(key)).await.map(drop))
        })
        .await?;
    }
    calmly(homes, home, "a deletion of a bucket", move |node: Member| async move {
        gone_is_fine(delete_known(node, bucket).await)
    })
    .await
}

/// Somebody whose answer never came deleted the bucket.
fn gone_is_fine(outcome: Result<(), ModelError>) -> Result<(), ModelError> {
    match outcome {
        Err(ModelError::NoSuchBucket) => Ok(()),
        other => other,
    }
}
