//! Writing objects: PUT, DELETE, DeleteObjects, copy; plain and conditional.

use super::reading::note_found;
use crate::book::tag_of;
use crate::checks::Failure;
use crate::client::{Client, Target, Verdict};
use crate::content::Sending;
use crate::history::{Call, Needs, Register, State, Version};
use base::Stamp;
use futures_util::FutureExt;
use model::objects::{Condition, Deletion, Place, Want};
use model::rows::object::ETag;
use model::rows::version::Owner;
use model::{BodyWriter, Bypass, FinishedBody, ModelError};

/// Sends a body block by block; `None` if it was given up or failed, with the verdict.
pub async fn send_body(
    client: &mut Client,
    owner: Owner,
    sending: &Sending,
) -> Result<FinishedBody, Verdict> {
    let model = client.shared.node.model.clone();
    let mut writer = BodyWriter::new(&model, owner);
    for piece in &sending.content.pieces[..sending.pushed] {
        if let Err(error) = writer.push_block(piece.bytes(), ()).await {
            return Err(client.note_error("push block", &error));
        }
        client.pause(40).await;
        if client.chance(2) {
            // The client went away.
            return Err(Verdict::Idle);
        }
    }
    let body =
        writer.finish(sending.rest()).await.map_err(|error| client.note_error("finish body", &error))?;
    client.pause(10).await;
    if client.chance(2) { Err(Verdict::Idle) } else { Ok(body) }
}

/// A condition, what it needs, and what its failure says.
fn pick_condition(client: &mut Client, place: &Register) -> Condition {
    match client.random.below(100) {
        0..72 => Condition::Always,
        72..85 => Condition::Absent,
        85..88 => Condition::Present,
        _ => {
            let versions = client.book().history.versions_of(place);
            let recent = versions.len().min(3);
            if recent == 0 {
                return Condition::Absent;
            }
            let version = versions[versions.len() - 1 - client.below(recent)];
            let tags = client
                .book()
                .contents
                .keys()
                .copied()
                .filter(|md5| tag_of(md5) == version.tag)
                .collect::<Vec<_>>();
            Condition::Matches(tags.into_iter().map(|md5| tag_text(client, md5)).collect())
        }
    }
}

/// The entity tag as S3 shows it.
fn tag_text(client: &Client, md5: [u8; 16]) -> String {
    let parts = client.book().composites.get(&md5).copied();
    ETag { md5, parts }.to_string()
}

/// What a condition needs of the place.
pub fn needs_of(condition: &Condition) -> Needs {
    match condition {
        Condition::Always => Needs::Open,
        Condition::Absent => Needs::Absent,
        // No client of the simulator asks for a body, or for whose it is and since when.
        Condition::Present | Condition::OfBody(_) => Needs::Present,
        Condition::OwnedBy(_, other) | Condition::UnchangedSince(_, other) => needs_of(other),
        Condition::Matches(tags) => matched_tag(tags).map_or(Needs::Present, Needs::Tag),
    }
}

/// What the failure of a condition says about the place.
pub fn denial_of(condition: &Condition) -> Needs {
    match condition {
        Condition::Matches(tags) => matched_tag(tags).map_or(Needs::Present, Needs::OtherTag),
        _ => Needs::Present,
    }
}

fn matched_tag(tags: &[String]) -> Option<u64> {
    u64::from_str_radix(tags.first()?.get(..16)?, 16).ok()
}

/// Writes down the answer to a write.
pub fn settle_write(
    client: &Client,
    call: Call,
    condition: &Condition,
    outcome: Result<Option<Stamp>, ModelError>,
) -> Verdict {
    let mut book = client.book();
    match outcome {
        Ok(stamp) => {
            book.history.done(call);
            if let Some(stamp) = stamp {
                book.history.stamped(call, stamp);
            }
            Verdict::Done
        }
        Err(ModelError::ConditionFailed) => {
            book.history.observed(call, denial_of(condition));
            Verdict::Refused
        }
        Err(ModelError::ConditionOnMissing) => {
            book.history.observed(call, Needs::Absent);
            Verdict::Refused
        }
        Err(error) => {
            drop(book);
            client.settle_error(call, "write", &error)
        }
    }
}

/// PUT.
pub async fn put(client: &mut Client) -> Verdict {
    let Some(target) = client.pick_target() else { return Verdict::Idle };
    let sending = client.pick_body();
    let owner = Owner::Object(target.id, target.key.clone());
    let body = match send_body(client, owner, &sending).await {
        Ok(body) => body,
        Err(verdict) => return verdict,
    };
    let condition = pick_condition(client, &target.register());
    let (call, value, md5) = {
        let mut book = client.book();
        let (value, md5) = (book.new_value(), book.new_digest(sending.content));
        let leaves = State::Holds(Version { value, tag: tag_of(&md5) });
        (book.history.call(target.register(), needs_of(&condition), Some(leaves)), value, md5)
    };
    let etag = ETag { md5, parts: None };
    let model = client.shared.node.model.clone();
    let place = Place { bucket: target.id, key: target.key.clone(), condition: condition.clone() };
    let outcome = model.put_object(place, body, etag, Client::meta_of(value)).await;
    settle_write(client, call, &condition, outcome.map(|written| Some(written.stamp)))
}

/// DELETE.
pub async fn delete(client: &mut Client) -> Verdict {
    let Some(target) = client.pick_target() else { return Verdict::Idle };
    let condition =
        if client.chance(80) { Condition::Always } else { pick_condition(client, &target.register()) };
    let call = client.book().history.call(target.register(), needs_of(&condition), Some(State::Absent));
    let deletion = Deletion {
        key: target.key.clone(),
        version: None,
        condition: condition.clone(),
        bypass: Bypass::Nothing,
    };
    let model = client.shared.node.model.clone();
    let outcome = model.delete_object(target.id, deletion).await;
    settle_write(client, call, &condition, outcome.map(|_| None))
}

/// DeleteObjects.
pub async fn delete_many(client: &mut Client) -> Verdict {
    let Some((bucket, id)) = client.pick_bucket() else { return Verdict::Idle };
    let keys: Vec<&'static str> = client.shared.plan.keys.clone();
    let mut deletions = Vec::new();
    let mut calls = Vec::new();
    for key in keys {
        if client.chance(50) {
            continue;
        }
        let place = Register::Object { bucket, key: key.to_owned() };
        let condition = if client.chance(80) { Condition::Always } else { pick_condition(client, &place) };
        calls.push((
            client.book().history.call(place, needs_of(&condition), Some(State::Absent)),
            condition.clone(),
        ));
        deletions.push(Deletion { key: key.to_owned(), version: None, condition, bypass: Bypass::Nothing });
    }
    let wanted = deletions.len();
    let model = client.shared.node.model.clone();
    match model.delete_objects(id, deletions).await {
        Ok(outcomes) if outcomes.len() == wanted => {
            for ((call, condition), outcome) in calls.into_iter().zip(outcomes) {
                settle_write(client, call, &condition, outcome.map(|_| None));
            }
            Verdict::Done
        }
        Ok(outcomes) => {
            let detail = format!("{} answers to {wanted} deletions", outcomes.len());
            client.book().fail(Failure::new("errors make sense", detail));
            Verdict::Failed
        }
        Err(error) => {
            calls.into_iter().for_each(|(call, _)| _ = client.settle_error(call, "delete many", &error));
            Verdict::Failed
        }
    }
}

/// Copy, onto itself too.
pub async fn copy(client: &mut Client) -> Verdict {
    let (Some(from), Some(to)) = (client.pick_target(), client.pick_target()) else { return Verdict::Idle };
    let found = {
        let mut book = client.book();
        let call = book.history.call(from.register(), Needs::Anything, None);
        match client
            .shared
            .node
            .model
            .find(from.id, &from.key, Want::Content)
            .now_or_never()
            .expect("a node that is alone answers at once")
        {
            Ok(Some(found)) => match note_found(&mut book, &from.register(), Some(&found)) {
                Some(version) => {
                    book.history.observed(call, Needs::Is(version));
                    found
                }
                None => return Verdict::Failed,
            },
            Ok(None) => {
                book.history.observed(call, Needs::Unseen);
                return Verdict::Refused;
            }
            Err(error) => {
                drop(book);
                return client.settle_error(call, "find source", &error);
            }
        }
    };
    client.pause(10).await;
    copy_found(client, from, found, to).await
}

async fn copy_found(client: &mut Client, from: Target, found: model::objects::Found, to: Target) -> Verdict {
    let conditional = client.chance(20);
    let condition = if conditional { pick_condition(client, &to.register()) } else { Condition::Always };
    let (call, value) = {
        let mut book = client.book();
        let value = book.new_value();
        let leaves = State::Holds(Version { value, tag: tag_of(&found.object.etag.md5) });
        (book.history.call(to.register(), needs_of(&condition), Some(leaves)), value)
    };
    let model = client.shared.node.model.clone();
    let source = (from.id, from.key, None);
    let outcome = model
        .copy_object(
            source,
            found,
            Place { bucket: to.id, key: to.key, condition: condition.clone() },
            Client::meta_of(value),
        )
        .await;
    match outcome {
        // The source may have gone away or changed: this need not say anything about the place it
        // was to be copied to.
        Err(ModelError::NoSuchKey | ModelError::ConditionFailed) => {
            client.book().history.never(call);
            Verdict::Refused
        }
        outcome => settle_write(client, call, &condition, outcome.map(|written| Some(written.stamp))),
    }
}
