//! CopyObject through any home: a write of its target with the content of what its source was.
//!
//! What is written is known once the source was seen, so the write begins there: before, nothing can have come of it.

use super::client::{Client, register};
use super::home::Member;
use super::note::{self, KeyWrite, meta_of, note_error, settle_write};
use super::ops::pick_condition;
use super::versions::{self, Fate};
use crate::book::{tag_of, version_of};
use crate::client::{Verdict, open};
use crate::history::{Needs, State, Version};
use crate::ops::objects::needs_of;
use model::ModelError;
use model::objects::{Place, Want};
use model::rows::past::VersionId;
use std::sync::{Arc, Mutex};

/// How often a version is copied instead of what is current, in percent.
const OLD_VERSION_PERCENT: u64 = 30;

/// The write that a copy is, once it has begun.
type Begun = Arc<Mutex<Option<(KeyWrite, Version, usize)>>>;

/// Copies one key to another one, or to itself.
pub async fn copy(client: &mut Client) -> Verdict {
    let (homes, bucket) = (client.homes.clone(), client.bucket);
    let (home, key, patience) = (client.pick_home(), client.pick_key(), client.pick_patience());
    let (from, kept) = pick_source(client);
    let version = kept.map(|(_, id)| id);
    let condition = pick_condition(client, key);
    let value = homes.book().new_value();
    let begun = Begun::default();
    let (begin, place) =
        (Arc::clone(&begun), Place { bucket, key: key.to_owned(), condition: condition.clone() });
    let needs = needs_of(&condition);
    let shared = Arc::clone(&homes);
    let read = homes.book().history.call(register(from), Needs::Anything, None);
    let work = move |node: Member| async move {
        let found = node.model.look(bucket, from, version, Want::Content).await?.object();
        {
            let mut book = shared.book();
            let seen = match &found {
                Some(found) => note::judge(&mut book, &register(from), found, None),
                None => Needs::Unseen,
            };
            match kept {
                Some((place, _)) => versions::judge(&mut book, place, found.as_ref()),
                None => book.history.observed(read, seen),
            }
        }
        let Some(found) = found else { return Err(ModelError::NoSuchKey) };
        let tag = tag_of(&found.object.etag.md5);
        let version_there = version_of(&found.object.headers, &found.object.etag.md5);
        shared.note(&format!("  copy: {from:?} {version:?}, which is {version_there:?}, to {:?}", place.key));
        let made = Version { value, tag };
        let write = KeyWrite::begin(&shared, &place.key, needs, State::Holds(made));
        *open(&begin) = Some((write, made, shared.book().kept.len()));
        drop(shared);
        let source = (bucket, from.to_owned(), version);
        node.model.copy_object(source, found, place, meta_of(value)).await
    };
    let answer = homes.ask(home, patience, work).await;
    let begun = open(&begun).take();
    match (begun, answer) {
        (None, answer) => {
            if let Some(Err(error)) = answer {
                note_error(&homes, "look for the source", &error);
            }
            Verdict::Failed
        }
        (Some((write, made, seen)), Some(Ok(written))) => {
            versions::acknowledged(&homes, key, (value, seen), (written.version, None));
            homes.book().history.saw_stamp(register(key), made, written.stamp);
            settle_write(&homes, write, &condition, Some(Ok(written.version)))
        }
        // The source may have changed just as well as the target.
        (Some((write, ..)), Some(Err(error))) if error.is_refusal() => {
            write.never(&mut homes.book());
            note_error(&homes, "copy", &error);
            Verdict::Refused
        }
        (Some((write, ..)), answer) => settle_write(
            &homes,
            write,
            &condition,
            answer.map(|answer| answer.map(|written| written.version)),
        ),
    }
}

/// Any key as it is, or a version that was acknowledged: the place of its note.
fn pick_source(client: &mut Client) -> (&'static str, Option<(usize, VersionId)>) {
    let key = client.pick_key();
    if !client.homes.plan.keeping.has_versions() || !client.chance(OLD_VERSION_PERCENT) {
        return (key, None);
    }
    let there: Vec<_> = {
        let book = client.homes.book();
        let kept = book.kept.iter().enumerate().filter(|(_, kept)| kept.fate == Fate::There);
        kept.map(|(place, kept)| (kept.key, Some((place, kept.id)))).collect()
    };
    match there.len() as u64 {
        0 => (key, None),
        count => there[client.random.below(count) as usize],
    }
}
