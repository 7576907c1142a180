//! The background work, step by step as the seed says, and the weather: faults and clock jumps.

use super::reading::may_reads_fail;
use crate::checks::Failure;
use crate::client::{Client, Verdict};
use crate::node::{DISK_BYTES, block_files};
use crate::plan::{EngineChoice, Trouble};
use base::BlockHash;
use block::{BlockError, ScrubCommand};
use env::sim::{Damage, Fault};
use env::{Disk, OpenMode};

/// Calls until a planned fault strikes, at most.
const FAULT_DELAY_MAX: u64 = 30;
/// The grace of blocks and tombstones, and a bit.
const PAST_GRACE_MS: i64 = 11 * 60 * 1000;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A step of the reclaimer.
pub async fn reclaim(client: &mut Client) -> Verdict {
    let model = client.shared.node.model.clone();
    match model.reclaim_step().await {
        Ok(_) => Verdict::Done,
        Err(error) => client.note_error("reclaim", &error),
    }
}

/// A step of the collector of blocks.
pub async fn collect(client: &mut Client) -> Verdict {
    let node = client.shared.node.clone();
    // As if this step had come after the grace of everything that is queued now.
    let later_ms = if client.chance(40) { PAST_GRACE_MS as u64 } else { 0 };
    let now = base::WallTime(node.env.clock.wall().millis() + later_ms);
    let mut verdict = match node.blocks.run_due(now).await {
        Ok(progress) => {
            for hash in progress.missing {
                judge_missing(client, &hash);
            }
            Verdict::Done
        }
        Err(error) => note_block_error(client, "collect", error),
    };
    if client.chance(20) {
        if client.chance(30)
            && let Err(error) = node.blocks.start_audit().await
        {
            verdict = note_block_error(client, "audit", error.into());
        }
        if let Err(error) = node.blocks.audit_step(now).await {
            verdict = note_block_error(client, "audit", error);
        }
    }
    verdict
}

/// A referenced block without a file is a loss, unless the file was damaged and set aside.
fn judge_missing(client: &Client, hash: &BlockHash) {
    let mut book = client.book();
    // A misread file is set aside as a damaged one is.
    let excused = book.rotten.contains(hash) || may_reads_fail(&client.shared.plan);
    if !excused && !client.shared.disk.has_crashed() {
        book.fail(Failure::new(
            "I8 no referenced block missing",
            format!("the collector misses block {hash}"),
        ));
    }
}

/// A step of scrub.
pub async fn scrub(client: &mut Client) -> Verdict {
    let node = client.shared.node.clone();
    if client.chance(40)
        && let Err(error) = node.blocks.scrub(ScrubCommand::Start).await
    {
        return note_block_error(client, "scrub", error.into());
    }
    match node.blocks.scrub_step(node.env.clock.wall()).await {
        Ok(_) => Verdict::Done,
        Err(error) => note_block_error(client, "scrub", error),
    }
}

fn note_block_error(client: &Client, what: &str, error: BlockError) -> Verdict {
    client.note_error(what, &error.into())
}

/// Something goes wrong, if the plan has it.
pub async fn weather(client: &mut Client) -> Verdict {
    let troubles: Vec<Trouble> = client.shared.plan.troubles.iter().copied().collect();
    if troubles.is_empty() {
        return Verdict::Idle;
    }
    let trouble = troubles[client.below(troubles.len())];
    let nth = 1 + client.random.below(FAULT_DELAY_MAX);
    let disk = client.shared.disk.clone();
    match trouble {
        // These have moments of their own.
        Trouble::Crash | Trouble::Cancel => return Verdict::Idle,
        Trouble::ReadError => disk.inject(Fault::ReadError, nth),
        Trouble::WriteError => disk.inject(Fault::WriteError, nth),
        Trouble::SyncError if client.chance(30) => disk.inject(Fault::SyncError, nth),
        Trouble::SyncError => return Verdict::Idle,
        Trouble::Full => fill_or_free(client, nth),
        Trouble::FlippedRead => disk.inject(Fault::FlippedRead, nth),
        Trouble::MisdirectedRead => disk.inject(Fault::MisdirectedRead, nth),
        Trouble::Rot => return rot(client),
        Trouble::ClockJump => {
            let jumps = [PAST_GRACE_MS, PAST_GRACE_MS, 60_000, -60_000, -PAST_GRACE_MS, DAY_MS, -DAY_MS];
            let jump = jumps[client.below(jumps.len())];
            client.shared.clock.jump(jump);
        }
        // These strike clusters.
        Trouble::Delay
        | Trouble::Cut
        | Trouble::OneWayCut
        | Trouble::CutOff
        | Trouble::Kill
        | Trouble::Blackout
        | Trouble::Repeat
        | Trouble::DamagedRow => return Verdict::Idle,
    }
    client.book().trace.note(&format!("  weather: {trouble:?}"));
    Verdict::Done
}

/// One write without room, or a disk that others fill and free again.
fn fill_or_free(client: &mut Client, nth: u64) {
    let disk = &client.shared.disk;
    match client.random.below(3) {
        0 => disk.inject(Fault::Full, nth),
        1 if client.shared.plan.engine == EngineChoice::Memory => disk.occupy(DISK_BYTES - disk.used_bytes()),
        1 => disk.occupy(DISK_BYTES - disk.used_bytes() - client.random.below(1 << 20)),
        _ => disk.occupy(0),
    }
}

/// Damages a block file at rest. Content that a single node has lost stays lost: what is checked
/// is that nobody ever reads the damaged bytes.
fn rot(client: &mut Client) -> Verdict {
    let node = &client.shared.node;
    let files = block_files(node.env.disk.as_ref(), &node.folders);
    if files.is_empty() {
        return Verdict::Idle;
    }
    let (hash, path) = &files[client.below(files.len())];
    let disk = client.shared.disk.clone();
    let length = disk.open(path, OpenMode::Read).and_then(|file| file.len()).unwrap_or(0);
    if length == 0 {
        return Verdict::Idle;
    }
    let damage = if client.chance(70) { Damage::FlipBit } else { Damage::ZeroPage };
    let offset = client.random.below(length);
    if disk.damage(path, offset, damage).is_err() {
        return Verdict::Idle;
    }
    let mut book = client.book();
    book.rotten.insert(*hash);
    book.trace.note(&format!("  weather: {damage:?} at {offset} of {}", path.display()));
    Verdict::Done
}
