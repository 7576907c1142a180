//! A multipart upload from its beginning to its end, each request through any home.
//!
//! Parts are rows that merge, not registers, so they are judged here: the newest acknowledged part of a
//! number is listed, or one that was sent after it. What a completion writes is a write of its key.

use super::client::{Client, register};
use super::home::Member;
use super::note::{KeyWrite, note_error, settle_write};
use super::ops::{meta_of_upload, send_body};
use crate::book::tag_of;
use crate::checks::Failure;
use crate::client::Verdict;
use crate::content::Content;
use crate::history::{State, Version};
use crate::ops::objects::needs_of;
use base::PartNumber;
use model::ModelError;
use model::multipart::{Completed, Completion, NamedPart, Part, Planned, UploadName};
use model::objects::Condition;
use model::rows::version::Owner;
use std::collections::BTreeMap;

/// Parts of an upload, at most.
const PARTS_MAX: u64 = 3;
/// Completions that are sent, at most.
const COMPLETIONS_MAX: u32 = 3;

/// What was sent as one part: digests in order, and the last one that was acknowledged.
#[derive(Default)]
struct Sent {
    digests: Vec<[u8; 16]>,
    acknowledged: Option<usize>,
}

/// An upload under way.
struct Upload {
    name: UploadName,
    key: &'static str,
    value: u64,
    parts: BTreeMap<u16, Sent>,
    /// Whether anybody may have ended it.
    may_be_closed: bool,
}

/// Creates, fills and completes an upload, or gives it up.
pub async fn upload(client: &mut Client) -> Verdict {
    let (home, key, bucket) = (client.pick_home(), client.pick_key(), client.bucket);
    let homes = client.homes.clone();
    let value = homes.book().new_value();
    let meta = meta_of_upload(value);
    let create = |node: Member| async move {
        node.model.create_upload((bucket, key.to_owned()), meta, None, "sim".to_owned()).await
    };
    let patience = client.pick_patience();
    let id = match homes.ask(home, patience, create).await {
        Some(Ok(id)) => id,
        Some(Err(error)) => {
            note_error(&homes, "create upload", &error);
            return Verdict::Failed;
        }
        None => return Verdict::Failed,
    };
    let name = UploadName { bucket, key: key.to_owned(), id };
    let mut upload = Upload { name, key, value, parts: BTreeMap::new(), may_be_closed: false };
    let numbers = 1 + client.random.below(PARTS_MAX) as u16;
    for number in 1..=numbers {
        put_part(client, &mut upload, number).await;
        if client.chance(15) {
            put_part(client, &mut upload, number).await;
        }
        client.pause(50).await;
    }
    if client.chance(10) {
        return abort(client, &mut upload).await;
    }
    for _ in 0..COMPLETIONS_MAX {
        let verdict = complete(client, &mut upload).await;
        if verdict != Verdict::Failed {
            return verdict;
        }
        client.pause(2000).await;
    }
    Verdict::Failed
}

async fn put_part(client: &mut Client, upload: &mut Upload, number: u16) {
    let (home, patience, sending) = (client.pick_home(), client.pick_patience(), client.pick_body());
    let Ok(part) = PartNumber::new(u64::from(number)) else { return };
    let homes = client.homes.clone();
    let md5 = homes.book().new_digest(sending.content.clone());
    let sent = upload.parts.entry(number).or_default();
    sent.digests.push(md5);
    let name = upload.name.clone();
    let put = |node: Member| async move {
        let (_, still_open) = node.model.begin_part(&name, part).await?;
        let send = send_body(&node.model, Owner::Part(name.id, number), &sending);
        let (body, ()) = futures_util::try_join!(send, still_open)?;
        node.model.put_part(name, part, body, (md5, None)).await
    };
    match homes.ask(home, patience, put).await {
        Some(Ok(_)) => sent.acknowledged = Some(sent.digests.len() - 1),
        Some(Err(error)) => note_error(&homes, "put part", &error),
        None => {}
    }
}

/// Gives the upload up.
async fn abort(client: &mut Client, upload: &mut Upload) -> Verdict {
    let (home, patience, name) = (client.pick_home(), client.pick_patience(), upload.name.clone());
    upload.may_be_closed = true;
    let homes = client.homes.clone();
    match homes.ask(home, patience, |node| async move { node.model.abort_upload(name).await }).await {
        Some(Ok(())) => Verdict::Done,
        Some(Err(error)) => {
            note_error(&homes, "abort", &error);
            Verdict::Failed
        }
        None => Verdict::Failed,
    }
}

/// Completes the upload with what is there.
async fn complete(client: &mut Client, upload: &mut Upload) -> Verdict {
    let (home, name) = (client.pick_home(), upload.name.clone());
    let homes = client.homes.clone();
    let last = upload.parts.iter().rev().find_map(|(number, sent)| {
        let md5 = sent.digests[sent.acknowledged?];
        Some(NamedPart {
            number: PartNumber::new(u64::from(*number)).ok()?,
            etag: base::id::encode_hex(&md5),
        })
    });
    let Some(last) = last else { return abort(client, upload).await };
    let planned = homes.ask(home, None, |node| plan(node, name.clone(), last)).await;
    let completion = match planned {
        None => return Verdict::Failed,
        Some(Ok(Ok(completion))) => completion,
        Some(Ok(Err(completed))) => return judge_repetition(client, upload, &completed),
        Some(Err(error)) => {
            let lost = matches!(error, ModelError::NoSuchUpload) && !upload.may_be_closed;
            if lost {
                let detail = format!("nobody closed upload {:?}, and it is gone", upload.name.id);
                homes.book().fail(Failure::new("I1 acknowledged survives", detail));
            }
            note_error(&homes, "plan completion", &error);
            return Verdict::Failed;
        }
    };
    judge_parts(client, upload, &completion.parts);
    let md5 = note_composite(client, &completion);
    let condition = if client.chance(20) { Condition::Absent } else { Condition::Always };
    let leaves = State::Holds(Version { value: upload.value, tag: tag_of(&md5) });
    let call = KeyWrite::begin(&homes, upload.key, needs_of(&condition), leaves);
    upload.may_be_closed = true;
    let (sent, patience) = (condition.clone(), client.pick_patience());
    // Somebody gives the upload up at the same time: one of the two, or both in some order.
    let rival = client.chance(8).then(|| (client.pick_home(), upload.name.clone()));
    let completing = homes.ask(home, patience, |node| async move {
        node.model.complete_upload(name, completion, None, sent).await
    });
    let aborting = async {
        let Some((home, name)) = rival else { return };
        homes.ask(home, None, |node| async move { node.model.abort_upload(name).await }).await;
    };
    let (answer, ()) = futures_util::future::join(completing, aborting).await;
    settle_write(&homes, call, &condition, answer.map(|answer| answer.map(|completed| completed.version)))
}

/// A completion with everything that is listed, or what it became before.
async fn plan(
    node: Member,
    name: UploadName,
    last: NamedPart,
) -> Result<Result<Completion, Completed>, ModelError> {
    // Parts here are far below S3's smallest size: a plan with one part is filled by hand. Parts that are
    // listed later than the plan's deadline was set only make the deadline stricter.
    let mut completion = match node.model.plan_completion(&name, &[last]).await {
        Ok(Planned::Ready(completion)) => *completion,
        Ok(Planned::Done(completed)) => return Ok(Err(completed)),
        Err(error) => return Err(error),
    };
    let (_, parts, _) = node.model.list_parts(&name, 0, usize::MAX).await?;
    completion.parts = parts;
    Ok(Ok(completion))
}

fn judge_parts(client: &Client, upload: &Upload, parts: &[Part]) {
    for (number, sent) in &upload.parts {
        let listed = parts.iter().find(|part| part.number.get() == *number).map(|part| part.row.md5);
        let is_right = match (listed, sent.acknowledged) {
            (None, acknowledged) => acknowledged.is_none(),
            (Some(md5), acknowledged) => {
                sent.digests.iter().skip(acknowledged.unwrap_or(0)).any(|known| *known == md5)
            }
        };
        if !is_right {
            let Sent { digests, acknowledged } = sent;
            let detail = format!(
                "part {number} is {listed:?}, sent were {digests:?}, the last answered is {acknowledged:?}"
            );
            client.homes.book().fail(Failure::new("I1 acknowledged survives", detail));
        }
    }
}

/// The upload was completed by a request whose answer did not come.
fn judge_repetition(client: &Client, upload: &Upload, completed: &Completed) -> Verdict {
    let mut book = client.homes.book();
    let version = Version { value: upload.value, tag: tag_of(&completed.etag.md5) };
    if !book.history.versions_of(&register(upload.key)).contains(&version) {
        let detail = format!("upload {:?} became {version:?}, which nobody wrote", upload.name.id);
        book.fail(Failure::new("I5 content", detail));
    }
    Verdict::Done
}

/// Notes what the completed object will hold.
fn note_composite(client: &Client, completion: &Completion) -> [u8; 16] {
    let etag = completion.etag();
    let mut book = client.homes.book();
    let mut whole = Content::default();
    for part in &completion.parts {
        let content = book.contents.get(&part.row.md5).cloned().unwrap_or_default();
        whole.pieces.extend(content.pieces);
    }
    book.contents.insert(etag.md5, whole);
    book.composites.insert(etag.md5, completion.parts.len() as u16);
    etag.md5
}
