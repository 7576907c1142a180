//! Reading objects: HEAD, and GET of a random range, read slowly.

use crate::book::{Book, version_of};
use crate::checks::{Failure, content};
use crate::client::{Client, Fate, Verdict, fate_of};
use crate::history::{Needs, Register, Version};
use crate::node::Node;
use crate::plan::{Plan, Trouble};
use base::BlockHash;
use block::BlockError;
use futures_util::FutureExt;
use model::objects::{Found, Want};
use model::{ByteRange, ModelError};

/// HEAD.
pub async fn head(client: &mut Client) -> Verdict {
    look(client, Want::Metadata).map_or_else(|verdict| verdict, |_| Verdict::Done)
}

/// GET.
pub async fn get(client: &mut Client) -> Verdict {
    let (found, register) = match look(client, Want::Content) {
        Ok(found) => found,
        Err(verdict) => return verdict,
    };
    let size = found.object.size;
    let range = if client.chance(50) || size == 0 {
        ByteRange { start: 0, end: size }
    } else {
        let start = client.random.below(size);
        ByteRange { start, end: start + 1 + client.random.below(size - start) }
    };
    let mut reader = found.read(&client.shared.node.model, range);
    let mut bytes = Vec::new();
    loop {
        match reader.next().await {
            Ok(Some(some)) => bytes.extend_from_slice(&some),
            Ok(None) => break,
            Err(error) => return judge_read_error(client, &register, &error),
        }
        client.pause(30).await;
        if client.chance(2) {
            // The client went away.
            return Verdict::Done;
        }
    }
    let mut book = client.book();
    let whole = book.contents.get(&found.object.etag.md5).cloned().unwrap_or_default();
    if let Err(failure) = content::check(&format!("{register:?}"), &whole, range, &bytes) {
        book.fail(failure);
    }
    Verdict::Done
}

/// Finds an object and notes what was seen.
fn look(client: &mut Client, want: Want) -> Result<(Found, Register), Verdict> {
    let target = client.pick_target().ok_or(Verdict::Idle)?;
    let register = target.register();
    let mut book = client.book();
    let call = book.history.call(register.clone(), Needs::Anything, None);
    match client
        .shared
        .node
        .model
        .find(target.id, &target.key, want)
        .now_or_never()
        .expect("a node that is alone answers at once")
    {
        Ok(found) => match note_found(&mut book, &register, found.as_ref()) {
            Some(version) => {
                book.history.observed(call, Needs::Is(version));
                found.map(|found| (found, register)).ok_or(Verdict::Failed)
            }
            None => {
                book.history.observed(call, Needs::Unseen);
                Err(Verdict::Refused)
            }
        },
        Err(error) => {
            drop(book);
            Err(client.settle_error(call, "find", &error))
        }
    }
}

/// Judges size and stamp of what was found; which version it is.
pub fn note_found(book: &mut Book, register: &Register, found: Option<&Found>) -> Option<Version> {
    let found = found?;
    let Some(version) = version_of(&found.object.headers, &found.object.etag.md5) else {
        book.fail(Failure::new("I5 content", format!("{register:?} shows what nobody wrote")));
        return None;
    };
    book.history.saw_stamp(register.clone(), version, found.stamp);
    let judged = match book.contents.get(&found.object.etag.md5) {
        Some(whole) => content::check_size(&format!("{register:?}"), whole, found.object.size),
        None => Err(Failure::new("I5 content", format!("{register:?} shows a tag that nobody gave"))),
    };
    if let Err(failure) = judged {
        book.fail(failure);
    }
    Some(version)
}

/// A read that fails must have a reason: the power is off, reads are made to fail, or the block's
/// file was damaged.
fn judge_read_error(client: &Client, register: &Register, error: &ModelError) -> Verdict {
    let mut book = client.book();
    let excused = client.shared.disk.has_crashed()
        || may_reads_fail(&client.shared.plan)
        || block_of(error).is_some_and(|hash| book.rotten.contains(&hash));
    book.trace.note(&format!("  get: {error}"));
    if !excused || fate_of(error) == Fate::Bug {
        book.fail(Failure::new("I8 no referenced block missing", format!("reading {register:?}: {error}")));
    }
    if block_of(error).is_some() { Verdict::Refused } else { Verdict::Failed }
}

/// Whether this plan lets reads fail.
pub fn may_reads_fail(plan: &Plan) -> bool {
    [Trouble::ReadError, Trouble::FlippedRead, Trouble::MisdirectedRead]
        .iter()
        .any(|trouble| plan.has(*trouble))
}

/// The block that an error is about.
pub fn block_of(error: &ModelError) -> Option<BlockHash> {
    match error {
        ModelError::Block(BlockError::Missing { hash } | BlockError::Damaged { hash }) => Some(*hash),
        _ => None,
    }
}

/// Reads all of an object at rest.
pub async fn read_whole(node: &Node, found: &Found) -> Result<Vec<u8>, ModelError> {
    let mut reader = found.read(&node.model, ByteRange { start: 0, end: found.object.size });
    let mut bytes = Vec::new();
    while let Some(some) = reader.next().await? {
        bytes.extend_from_slice(&some);
    }
    Ok(bytes)
}
