//! After the faults: everything works, and everything that is queued is worked off.

use crate::book::{VALUE_HEADER, tag_of};
use crate::checks::{self, Failure};
use crate::client::open;
use crate::content::Content;
use crate::node::Node;
use crate::ops;
use crate::run::Run;
use block::ScrubCommand;
use bytes::Bytes;
use env::sim::Keep;
use futures_util::FutureExt;
use model::objects::{Condition, Deletion, ObjectMeta, Place, Want};
use model::rows::object::ETag;
use model::rows::version::Owner;
use model::{BodyWriter, Bypass, ModelError};

/// The clock moves on by this much between rounds: past every grace (10 minutes) and far enough
/// to catch up with a clock that was set back by days.
const ROUND_MS: i64 = 30 * 24 * 3600 * 1000;
/// Rounds until everything must be gone: releasing a composite releases its parts, then their
/// blocks, then their files, each after a grace.
const ROUNDS: usize = 8;
/// Steps in a row after which a queue that never empties counts as stuck.
const STEPS_MAX: usize = 1000;

/// Lets a node come to rest and judges what is left; ends with a restart that must show the same.
pub async fn settle(run: &mut Run, node: Node) -> Result<(), Failure> {
    prove_alive(run, &node).await?;
    let uploads: Vec<_> = {
        let book = open(&run.book);
        let place = |upload: &crate::book::UploadNote| {
            (book.buckets[upload.bucket].id, upload.key.clone(), upload.id)
        };
        book.uploads.iter().map(place).collect()
    };
    for upload in uploads {
        if run.random.coin() {
            let aborted = ops::abort_at_rest(&node.model, upload).await;
            aborted.map_err(|error| Failure::new("liveness", format!("aborting at rest: {error}")))?;
        }
    }
    for round in 0..ROUNDS {
        // The first pass of scrub may be one that began in the middle, in an earlier life.
        work_off(&node, round < 2).await?;
        run.machine.world.clock.jump(ROUND_MS);
    }
    work_off(&node, false).await?;
    let rotten = open(&run.book).rotten.clone();
    checks::counters::check(&node)?;
    checks::digests::check(&node)?;
    checks::blocks::check(&node, &rotten).await?;
    checks::leftovers::check(&node, &rotten)?;
    drop(node);
    run.end(Keep::Nothing).await?;
    let node = run.start(0).await?;
    checks::counters::check(&node)?;
    checks::digests::check(&node)?;
    drop(node);
    run.end(Keep::Nothing).await
}

/// Puts, gets and deletes in every bucket.
async fn prove_alive(run: &Run, node: &Node) -> Result<(), Failure> {
    let dead = |error: ModelError| Failure::new("liveness", format!("after the faults: {error}"));
    let buckets: Vec<_> = node.model.names().buckets.keys().copied().collect();
    for bucket in buckets {
        let content = Bytes::from(vec![b'x'; run.plan.block_bytes]);
        let mut writer = BodyWriter::new(&node.model, Owner::Object(bucket, "alive".to_owned()));
        writer.push_block(content.clone(), ()).await.map_err(dead)?;
        let body = writer.finish(content.clone()).await.map_err(dead)?;
        let (value, md5) = {
            let mut book = open(&run.book);
            (book.new_value(), book.new_digest(Content::default()))
        };
        let headers = vec![(VALUE_HEADER.to_owned(), value.to_string())];
        let meta = ObjectMeta { headers, ..ObjectMeta::default() };
        let etag = ETag { md5, parts: None };
        node.model
            .put_object(
                Place { bucket, key: "alive".to_owned(), condition: Condition::Absent },
                body,
                etag,
                meta,
            )
            .await
            .map_err(dead)?;
        let found = node
            .model
            .find(bucket, "alive", Want::Content)
            .now_or_never()
            .expect("a node that is alone answers at once")
            .map_err(dead)?
            .ok_or(ModelError::NoSuchKey);
        let bytes = ops::reading::read_whole(node, &found.map_err(dead)?).await.map_err(dead)?;
        if bytes != [content.clone(), content].concat() {
            return Err(Failure::new("I5 content", format!("after the faults, tag {:x}", tag_of(&md5))));
        }
        let deletion = Deletion {
            key: "alive".to_owned(),
            version: None,
            condition: Condition::Present,
            bypass: Bypass::Nothing,
        };
        node.model.delete_object(bucket, deletion).await.map_err(dead)?;
    }
    Ok(())
}

/// Runs all background work that is due, once everything that is due now is done.
async fn work_off(node: &Node, scrubs: bool) -> Result<(), Failure> {
    let stuck = |what: &str| Failure::new("liveness", format!("{what} does not come to an end"));
    let failed =
        |error: &dyn std::fmt::Display| Failure::new("liveness", format!("background work: {error}"));
    if scrubs {
        node.blocks.scrub(ScrubCommand::Start).await.map_err(|error| failed(&error))?;
        node.blocks.start_audit().await.map_err(|error| failed(&error))?;
    }
    for step in 0.. {
        let progress = node.model.reclaim_step().await.map_err(|error| failed(&error))?;
        if progress.done == 0 && !progress.more {
            break;
        }
        if step == STEPS_MAX {
            return Err(stuck("reclaiming"));
        }
    }
    for step in 0.. {
        let now = node.env.clock.wall();
        let busy = node.blocks.run_due(now).await.map_err(|error| failed(&error))?.more;
        let auditing = node.blocks.audit_step(now).await.map_err(|error| failed(&error))?;
        let scrubbing = scrubs && node.blocks.scrub_step(now).await.map_err(|error| failed(&error))?;
        if !busy && !auditing && !scrubbing {
            return Ok(());
        }
        if step == STEPS_MAX {
            return Err(stuck("collecting blocks"));
        }
    }
    Ok(())
}
