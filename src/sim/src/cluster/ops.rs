//! Writing and listing objects through any home.

use super::client::{Client, register};
use super::gathering::Gathering;
use super::note::{KeyWrite, meta_of, note_error, settle_write};
use super::{events, locks, sightings, versions};
use crate::book::tag_of;
use crate::checks::{Failure, listing};
use crate::client::Verdict;
use crate::content::Sending;
use crate::history::{State, Version};
use crate::ops::objects::needs_of;
use base::Id;
use base::id::kind;
use model::events::{EventKind, Outcome};
use model::listing::{ListQuery, Start};
use model::objects::{Condition, Deleted, Deletion, ObjectMeta, Place, Written};
use model::rows::lock::Lock;
use model::rows::object::ETag;
use model::rows::version::Owner;
use model::{BodyWriter, Bypass, FinishedBody, Model, ModelError};
use std::sync::Arc;
use std::time::Duration;

/// Most entries of a page: small, so that pages end in the middle of things.
const LIMIT_MAX: u64 = 4;

/// Sends a body, block by block.
pub async fn send_body(
    model: &Arc<Model>,
    owner: Owner,
    sending: &Sending,
) -> Result<FinishedBody, ModelError> {
    let mut writer = BodyWriter::new(model, owner);
    for piece in &sending.content.pieces[..sending.pushed] {
        writer.push_block(piece.bytes(), ()).await?;
    }
    writer.finish(sending.rest()).await
}

/// A condition on a key.
pub fn pick_condition(client: &mut Client, key: &str) -> Condition {
    let conditional = client.homes.plan.conditional;
    if !client.chance(conditional) {
        return Condition::Always;
    }
    if client.chance(50) {
        return Condition::Absent;
    }
    let versions = client.homes.book().history.versions_of(&register(key));
    if versions.is_empty() || client.chance(20) {
        return Condition::Present;
    }
    let recent = versions.len().min(3) as u64;
    let version = versions[versions.len() - 1 - client.random.below(recent) as usize];
    let book = client.homes.book();
    let tag = book.contents.keys().find(|md5| tag_of(md5) == version.tag);
    let parts = tag.and_then(|md5| book.composites.get(md5).copied());
    tag.map_or(Condition::Present, |md5| Condition::Matches(vec![ETag { md5: *md5, parts }.to_string()]))
}

/// PUT.
pub async fn put(client: &mut Client) -> Verdict {
    let (home, key, patience) = (client.pick_home(), client.pick_key(), client.pick_patience());
    let (sending, condition) = (client.pick_body(), pick_condition(client, key));
    let lock = locks::pick_for_put(client);
    put_body(&client.homes.clone(), home, (client.bucket, key), (sending, condition, patience), lock).await
}

/// Puts a body under a key through a home.
pub async fn put_body(
    homes: &Gathering,
    home: usize,
    (bucket, key): (Id<kind::Bucket>, &'static str),
    (sending, condition, patience): (Sending, Condition, Option<Duration>),
    lock: Option<Lock>,
) -> Verdict {
    let (value, md5) = {
        let mut book = homes.book();
        (book.new_value(), book.new_digest(sending.content.clone()))
    };
    let version = Version { value, tag: tag_of(&md5) };
    let call = KeyWrite::begin(homes, key, needs_of(&condition), State::Holds(version));
    let seen = homes.book().kept.len();
    let etag = ETag { md5, parts: None };
    let change = events::Change::new(homes, EventKind::Put, (bucket, key)).with_tag(&etag.to_string());
    let told = change.clone();
    let place = Place { bucket, key: key.to_owned(), condition: condition.clone() };
    let answer = homes
        .ask(home, patience, |node| async move {
            let owner = Owner::Object(bucket, key.to_owned());
            let body = send_body(&node.model, owner, &sending).await.map_err(|error| (false, error))?;
            let meta = ObjectMeta { lock, ..meta_of(value) };
            let put = node.model.put_object(place, body, etag, meta);
            let outcome = |put: &Written| Outcome { at: Some(put.order), version: put.version };
            change.make(&node.model, put, outcome).await.map_err(|error| (true, error))
        })
        .await;
    match answer {
        // Nothing names the body.
        Some(Err((false, error))) => {
            call.never(&mut homes.book());
            note_error(homes, "send body", &error);
            Verdict::Failed
        }
        Some(Err((true, error))) => settle_write(homes, call, &condition, Some(Err(error))),
        Some(Ok(written)) => {
            told.acknowledged(homes);
            versions::acknowledged(homes, key, (value, seen), (written.version, lock));
            homes.book().history.saw_stamp(register(key), version, written.stamp);
            settle_write(homes, call, &condition, Some(Ok(written.version)))
        }
        None => settle_write(homes, call, &condition, None),
    }
}

/// DELETE.
pub async fn delete(client: &mut Client) -> Verdict {
    let (home, key, patience) = (client.pick_home(), client.pick_key(), client.pick_patience());
    // S3 has no delete of what is absent.
    let condition = match pick_condition(client, key) {
        Condition::Absent => Condition::Present,
        condition => condition,
    };
    delete_key(&client.homes.clone(), home, (client.bucket, key), (condition, patience)).await
}

/// Deletes a key through a home.
pub async fn delete_key(
    homes: &Gathering,
    home: usize,
    (bucket, key): (Id<kind::Bucket>, &'static str),
    (condition, patience): (Condition, Option<Duration>),
) -> Verdict {
    let call = KeyWrite::begin(homes, key, needs_of(&condition), State::Absent);
    let deletion = Deletion {
        key: key.to_owned(),
        version: None,
        condition: condition.clone(),
        bypass: Bypass::Nothing,
    };
    let is_kept = homes.plan.keeping.has_versions();
    let kind = if is_kept { EventKind::DeleteMarkerCreated } else { EventKind::Delete };
    let change = events::Change::new(homes, kind, (bucket, key));
    let told = change.clone();
    let answer = homes
        .ask(home, patience, |node| async move {
            let outcome = |deleted: &Deleted| Outcome { at: deleted.order, version: deleted.version };
            change.make(&node.model, node.model.delete_object(bucket, deletion), outcome).await
        })
        .await;
    if let Some(Ok(_)) = &answer {
        told.acknowledged(homes);
    }
    settle_write(homes, call, &condition, answer.map(|answer| answer.map(|deleted| deleted.version)))
}

/// DeleteObjects.
pub async fn delete_many(client: &mut Client) -> Verdict {
    let (home, patience, bucket) = (client.pick_home(), client.pick_patience(), client.bucket);
    let (mut deletions, mut calls) = (Vec::new(), Vec::new());
    for key in client.homes.plan.keys.clone() {
        if client.chance(50) {
            continue;
        }
        let condition = Condition::Always;
        calls.push(KeyWrite::begin(&client.homes, key, needs_of(&condition), State::Absent));
        deletions.push(Deletion { key: key.to_owned(), version: None, condition, bypass: Bypass::Nothing });
    }
    let wanted = deletions.len();
    let homes = client.homes.clone();
    let answer = homes
        .ask(home, patience, |node| async move { node.model.delete_objects(bucket, deletions).await })
        .await;
    match answer {
        Some(Ok(outcomes)) if outcomes.len() == wanted => {
            for (call, outcome) in calls.into_iter().zip(outcomes) {
                let outcome = outcome.map(|deleted| deleted.version);
                settle_write(&homes, call, &Condition::Always, Some(outcome));
            }
            Verdict::Done
        }
        Some(Ok(outcomes)) => {
            let detail = format!("{} answers to {wanted} deletions", outcomes.len());
            homes.book().fail(Failure::new("errors make sense", detail));
            Verdict::Failed
        }
        Some(Err(error)) => {
            note_error(&homes, "delete many", &error);
            Verdict::Failed
        }
        None => Verdict::Failed,
    }
}

fn pick_query(client: &mut Client) -> ListQuery {
    let key = client.pick_key();
    let characters = key.chars().count() as u64;
    let prefix = match client.chance(60) {
        true => String::new(),
        false => key.chars().take(client.random.below(characters + 1) as usize).collect(),
    };
    let delimiter = client.chance(50).then(|| "/".to_owned());
    let start = if client.chance(80) { Start::First } else { Start::After(key.to_owned()) };
    ListQuery { prefix, delimiter, start, limit: 1 + client.random.below(LIMIT_MAX) as usize }
}

/// ListObjects, until the last page.
pub async fn list(client: &mut Client) -> Verdict {
    let (home, mut query, patience) = (client.pick_home(), pick_query(client), client.pick_patience());
    loop {
        let homes = client.homes.clone();
        match list_page(&homes, home, client.bucket, (query.clone(), patience)).await {
            Ok(Some(next)) => query.start = Start::At(next),
            Ok(None) => return Verdict::Done,
            Err(()) => return Verdict::Failed,
        }
        client.pause(20).await;
    }
}

/// One page through a home, and what it says about each key; where the next one begins.
pub async fn list_page(
    homes: &Gathering,
    home: usize,
    bucket: Id<kind::Bucket>,
    (query, patience): (ListQuery, Option<Duration>),
) -> Result<Option<String>, ()> {
    let called = homes.book().history.tick();
    let asked = query.clone();
    let answer =
        homes.ask(home, patience, |node| async move { node.model.list_objects(bucket, asked).await }).await;
    match answer {
        Some(Ok(page)) => {
            let mut book = homes.book();
            let ended = book.history.tick();
            let judged = listing::check_form(&query, &page).and_then(|()| {
                sightings::check(&book.history, &homes.plan.keys, (&query, &page), (called, ended))
            });
            if let Err(failure) = judged {
                book.fail(failure);
            }
            Ok(page.next)
        }
        Some(Err(error)) => {
            note_error(homes, "list", &error);
            Err(())
        }
        None => Err(()),
    }
}

/// Metadata of an upload that will become a value.
pub fn meta_of_upload(value: u64) -> ObjectMeta {
    meta_of(value)
}
