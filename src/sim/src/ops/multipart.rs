//! Multipart uploads: parts sent again, completions repeated and at the same time, aborts.

use super::objects::{needs_of, send_body, settle_write};
use crate::book::{PARTS_MAX, UploadNote, parts_of_upload, tag_of};
use crate::checks::Failure;
use crate::client::{Client, Verdict};
use crate::content::Content;
use crate::history::{Call, Needs, Register, State, Version};
use base::id::kind;
use base::{Id, PartNumber};
use futures_util::FutureExt;
use model::ModelError;
use model::multipart::{Completion, NamedPart, Part, Planned, UploadName};
use model::objects::Condition;
use model::rows::version::Owner;

/// CreateMultipartUpload.
pub async fn create(client: &mut Client) -> Verdict {
    let Some(target) = client.pick_target() else { return Verdict::Idle };
    let (value, called) = {
        let mut book = client.book();
        (book.new_value(), book.history.tick())
    };
    let model = client.shared.node.model.clone();
    let place = (target.id, target.key.clone());
    match model.create_upload(place, Client::meta_of(value), None, "sim".to_owned()).await {
        Ok(id) => {
            let mut book = client.book();
            let upload = book.uploads.len();
            // A bucket that is deleted at the same time may close the upload at once.
            book.history.may_share_the_end(&target.register(), called, parts_of_upload(upload));
            book.uploads.push(UploadNote { id, bucket: target.bucket, key: target.key, value });
            Verdict::Done
        }
        Err(ModelError::NoSuchBucket) => Verdict::Refused,
        Err(error) => client.note_error("create upload", &error),
    }
}

/// An upload of the run: its number, note and name.
fn pick_upload(client: &mut Client) -> Option<(usize, UploadNote, UploadName)> {
    let count = client.book().uploads.len();
    if count == 0 {
        return None;
    }
    // Mostly a recent one: old ones are closed.
    let recent = if client.chance(85) { 3 } else { count };
    let back = client.below(count.min(recent));
    let number = count - 1 - back;
    let book = client.book();
    let note = book.uploads[number].clone();
    let bucket = book.buckets[note.bucket].id;
    drop(book);
    let name = UploadName { bucket, key: note.key.clone(), id: note.id };
    Some((number, note, name))
}

/// UploadPart.
pub async fn put_part(client: &mut Client) -> Verdict {
    let Some((upload, note, name)) = pick_upload(client) else { return Verdict::Idle };
    let number = 1 + client.random.below(u64::from(PARTS_MAX));
    let Ok(part) = PartNumber::new(number) else { return Verdict::Idle };
    let sending = client.pick_body();
    let body = match send_body(client, Owner::Part(note.id, part.get()), &sending).await {
        Ok(body) => body,
        Err(verdict) => return verdict,
    };
    let (call, md5) = {
        let mut book = client.book();
        let (value, md5) = (book.new_value(), book.new_digest(sending.content));
        let leaves = State::Holds(Version { value, tag: tag_of(&md5) });
        let place = Register::Part { upload, number: part.get() };
        (book.history.call(place, Needs::Open, Some(leaves)), md5)
    };
    let model = client.shared.node.model.clone();
    match model.put_part(name, part, body, (md5, None)).await {
        Err(ModelError::NoSuchUpload) => {
            client.book().history.observed(call, Needs::Gone);
            Verdict::Refused
        }
        outcome => settle_write(client, call, &Condition::Always, outcome.map(Some)),
    }
}

/// Calls on every part of an upload.
fn call_parts(client: &Client, upload: usize, leaves: Option<State>) -> Vec<Call> {
    let mut book = client.book();
    let needs = if leaves.is_some() { Needs::Open } else { Needs::Anything };
    parts_of_upload(upload).map(|place| book.history.call(place, needs, leaves)).collect()
}

/// ListParts.
pub async fn list_parts(client: &mut Client) -> Verdict {
    let Some((upload, _, name)) = pick_upload(client) else { return Verdict::Idle };
    let calls = call_parts(client, upload, None);
    let listed = client
        .shared
        .node
        .model
        .list_parts(&name, 0, usize::MAX)
        .now_or_never()
        .expect("a node that is alone answers at once");
    let mut book = client.book();
    match listed {
        Ok((_, parts, more)) => {
            if more || parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
                book.fail(Failure::new("I4 listing", format!("parts of upload {upload}: {parts:?}")));
            }
            for (call, number) in calls.into_iter().zip(1..) {
                let part = parts.iter().find(|part| part.number.get() == number);
                book.history
                    .observed(call, part.map_or(Needs::Absent, |part| Needs::Tag(tag_of(&part.row.md5))));
            }
            Verdict::Done
        }
        Err(ModelError::NoSuchUpload) => {
            calls.into_iter().for_each(|call| book.history.observed(call, Needs::Gone));
            Verdict::Refused
        }
        Err(error) => {
            drop(book);
            client.note_error("list parts", &error)
        }
    }
}

/// AbortMultipartUpload.
pub async fn abort(client: &mut Client) -> Verdict {
    let Some((upload, _, name)) = pick_upload(client) else { return Verdict::Idle };
    let calls = call_parts(client, upload, Some(State::Gone));
    let model = client.shared.node.model.clone();
    let outcome = model.abort_upload(name).await;
    settle_closing(client, calls, outcome)
}

/// Writes down what the answer says about the upload's parts.
fn settle_closing(client: &Client, calls: Vec<Call>, outcome: Result<(), ModelError>) -> Verdict {
    let mut verdict = Verdict::Refused;
    for call in calls {
        match &outcome {
            Ok(()) => {
                client.book().history.done(call);
                verdict = Verdict::Done;
            }
            Err(ModelError::NoSuchUpload) => client.book().history.observed(call, Needs::Gone),
            Err(ModelError::ConditionFailed | ModelError::ConditionOnMissing | ModelError::NoSuchBucket) => {
                client.book().history.never(call);
            }
            Err(error) => verdict = client.settle_error(call, "close upload", error),
        }
    }
    verdict
}

/// CompleteMultipartUpload, with some of the parts.
pub async fn complete(client: &mut Client) -> Verdict {
    let Some((upload, note, name)) = pick_upload(client) else { return Verdict::Idle };
    let completion = match plan(client, upload, &name) {
        Ok(completion) => completion,
        Err(verdict) => return verdict,
    };
    client.pause(10).await;
    let md5 = note_composite(client, &completion);
    let condition = if client.chance(80) { Condition::Always } else { Condition::Absent };
    let object = {
        let leaves = State::Holds(Version { value: note.value, tag: tag_of(&md5) });
        let place = Register::Object { bucket: note.bucket, key: note.key.clone() };
        client.book().history.call(place, needs_of(&condition), Some(leaves))
    };
    let parts = call_parts(client, upload, Some(State::Gone));
    let model = client.shared.node.model.clone();
    match model.complete_upload(name, completion, None, condition.clone()).await {
        Ok(completed) => {
            settle_closing(client, parts, Ok(()));
            settle_write(client, object, &condition, Ok(Some(completed.stamp)))
        }
        Err(ModelError::NoSuchUpload) => {
            settle_closing(client, parts, Err(ModelError::NoSuchUpload));
            client.book().history.never(object);
            Verdict::Refused
        }
        Err(
            error @ (ModelError::ConditionFailed | ModelError::ConditionOnMissing | ModelError::NoSuchBucket),
        ) => {
            let mut book = client.book();
            parts.into_iter().for_each(|call| book.history.never(call));
            drop(book);
            settle_write(client, object, &condition, Err(error))
        }
        Err(error) => {
            parts.into_iter().for_each(|call| _ = client.settle_error(call, "complete", &error));
            client.settle_error(object, "complete", &error)
        }
    }
}

/// Checks some of the parts as a completion does. Parts here are far below S3's smallest size, so
/// with several of them the completion is put together by hand, after the check has said so.
fn plan(client: &mut Client, upload: usize, name: &UploadName) -> Result<Completion, Verdict> {
    let model = client.shared.node.model.clone();
    let (row, mut parts) = match model
        .list_parts(name, 0, usize::MAX)
        .now_or_never()
        .expect("a node that is alone answers at once")
    {
        Ok((row, parts, _)) => (row, parts),
        Err(ModelError::NoSuchUpload) => return Err(repeat(client, upload, name)),
        Err(error) => return Err(client.note_error("list parts", &error)),
    };
    parts.retain(|_| client.random.below(4) > 0);
    if parts.is_empty() {
        return Err(Verdict::Idle);
    }
    let named = |part: &Part| NamedPart { number: part.number, etag: base::id::encode_hex(&part.row.md5) };
    let wanted: Vec<NamedPart> = parts.iter().map(named).collect();
    match model.plan_completion(name, &wanted).now_or_never().expect("a node that is alone answers at once") {
        Ok(Planned::Ready(completion)) if completion.parts == parts => Ok(*completion),
        Err(ModelError::PartTooSmall(_)) if parts.len() > 1 => {
            Ok(Completion { upload: name.id, row, parts, deadline: base::WallTime(u64::MAX) })
        }
        Err(error) => Err(client.note_error("plan completion", &error)),
        Ok(_) => {
            let detail = format!("upload {upload} is open, and planning {wanted:?} says otherwise");
            client.book().fail(Failure::new("errors make sense", detail));
            Err(Verdict::Failed)
        }
    }
}

/// A completion that comes again: the same answer, or none once everything is forgotten.
fn repeat(client: &Client, upload: usize, name: &UploadName) -> Verdict {
    let answer = client
        .shared
        .node
        .model
        .plan_completion(name, &[])
        .now_or_never()
        .expect("a node that is alone answers at once");
    let mut book = client.book();
    let place = Register::Object { bucket: book.uploads[upload].bucket, key: name.key.clone() };
    let value = book.uploads[upload].value;
    match answer {
        Ok(Planned::Done(completed)) => {
            let version = Version { value, tag: tag_of(&completed.etag.md5) };
            let written = book.history.versions_of(&place).contains(&version);
            book.history.saw_stamp(place.clone(), version, completed.stamp);
            if !written {
                let detail = format!("upload {upload} became {version:?} of {place:?}, which nobody wrote");
                book.fail(Failure::new("I5 content", detail));
            }
            Verdict::Done
        }
        Ok(Planned::Ready(_)) => {
            let detail = format!("upload {upload} is closed, and planning says otherwise");
            book.fail(Failure::new("errors make sense", detail));
            Verdict::Failed
        }
        Err(ModelError::NoSuchUpload) => Verdict::Refused,
        Err(error) => {
            drop(book);
            client.note_error("repeat completion", &error)
        }
    }
}

/// Notes what the completed object will hold.
fn note_composite(client: &Client, completion: &Completion) -> [u8; 16] {
    let etag = completion.etag();
    let mut book = client.book();
    let mut whole = Content::default();
    for part in &completion.parts {
        let content = book.contents.get(&part.row.md5).cloned().unwrap_or_default();
        whole.pieces.extend(content.pieces);
    }
    book.contents.insert(etag.md5, whole);
    book.composites.insert(etag.md5, completion.parts.len() as u16);
    etag.md5
}

/// Aborts an upload at rest.
pub async fn abort_at_rest(
    model: &std::sync::Arc<model::Model>,
    (bucket, key, id): (Id<kind::Bucket>, String, Id<kind::Upload>),
) -> Result<(), ModelError> {
    match model.abort_upload(UploadName { bucket, key, id }).await {
        Err(ModelError::NoSuchUpload) => Ok(()),
        outcome => outcome,
    }
}
