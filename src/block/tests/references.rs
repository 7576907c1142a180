//! Reference counts, the grace time, missing blocks, and the lock between storing and unlinking.
// The tests damage and move files behind the store's back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use base::WallTime;
use block::{
    BlockConfig, BlockError, DiskState, GRACE_MS, GRACE_WHEN_FULL_MS, HashedBlock, SCRUB_INTERVAL_MS,
    ScrubCommand,
};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use support::{Machine, noise};

#[tokio::test(flavor = "multi_thread")]
async fn an_unreferenced_file_goes_after_the_grace_and_not_before() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(5000, 1)).await;
    machine.store_block(&blocks, &noise(5000, 1)).await;
    assert_eq!(blocks.reference_count(&hash).unwrap(), 2);
    let figures = blocks.statistics().unwrap();
    assert_eq!((figures.blocks, figures.stored_bytes), (1, 5000));

    machine.drop_one(&blocks, hash).await;
    machine.clock.advance(10 * GRACE_MS);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 0, "one reference is left");

    machine.drop_one(&blocks, hash).await;
    machine.clock.advance(GRACE_MS - 1);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().examined, 0);
    machine.clock.advance(1);
    let progress = blocks.run_due(machine.now()).await.unwrap();
    assert_eq!((progress.removed, progress.freed_bytes), (1, 5000));
    assert!(machine.files("data").is_empty());
    let figures = blocks.statistics().unwrap();
    assert_eq!((figures.blocks, figures.stored_bytes, figures.resync_queue), (0, 0, 0));
    assert!(matches!(blocks.get(&hash).await, Err(BlockError::Missing { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_shortens_the_grace() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let kept = machine.store_block(&blocks, &noise(5000, 1)).await;
    let hash = machine.store_block(&blocks, &noise(5000, 2)).await;
    machine.drop_one(&blocks, hash).await;
    machine.clock.advance(GRACE_WHEN_FULL_MS - 1);
    machine.disk.available_bytes.store(1 << 20, SeqCst);
    assert_eq!(blocks.statistics().unwrap().disks[0].state, DiskState::Full);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().examined, 0);
    machine.clock.advance(1);
    machine.disk.available_bytes.store(0, SeqCst);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().examined, 0, "a disk with room waits longer");
    machine.disk.available_bytes.store(1 << 20, SeqCst);
    let progress = blocks.run_due(machine.now()).await.unwrap();
    assert_eq!((progress.removed, progress.freed_bytes), (1, 5000));
    assert_eq!(machine.files("data"), [kept.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_references_may_come_back_stays_unless_the_disk_is_full() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let keeps = Arc::new(AtomicBool::new(true));
    let says = keeps.clone();
    blocks.keep_files_while(move || says.load(SeqCst));
    let gone = machine.store_block(&blocks, &noise(5000, 1)).await;
    machine.drop_one(&blocks, gone).await;
    for _ in 0..3 {
        machine.clock.advance(10 * GRACE_MS);
        assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 0);
    }
    // It comes back without a byte being sent; another one does not.
    machine.store_block(&blocks, &noise(5000, 1)).await;
    let other = machine.store_block(&blocks, &noise(5000, 2)).await;
    machine.drop_one(&blocks, other).await;
    keeps.store(false, SeqCst);
    machine.clock.advance(GRACE_MS);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 1);
    assert_eq!(machine.files("data"), [gone.to_string()]);
    // On a full disk there is no room for what is to come: files go, after the usual grace.
    keeps.store(true, SeqCst);
    machine.drop_one(&blocks, gone).await;
    machine.disk.available_bytes.store(1 << 20, SeqCst);
    machine.clock.advance(GRACE_MS - 1);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 0, "not sooner");
    machine.clock.advance(1);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_time_the_count_falls_to_zero_the_grace_begins_anew() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(5000, 2)).await;
    machine.drop_one(&blocks, hash).await;
    machine.clock.advance(GRACE_MS / 2);
    machine.store_block(&blocks, &noise(5000, 2)).await;
    machine.drop_one(&blocks, hash).await;
    machine.clock.advance(GRACE_MS / 2);
    let progress = blocks.run_due(machine.now()).await.unwrap();
    assert_eq!(
        (progress.examined, progress.removed),
        (1, 0),
        "the first entry is due, its grace is not over"
    );
    machine.clock.advance(GRACE_MS / 2);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 1);
    assert_eq!(blocks.statistics().unwrap().resync_queue, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_without_its_file_is_reported_until_the_block_comes() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let block = HashedBlock::new(noise(5000, 3).into()).unwrap();
    let hash = block.hash();
    machine.add_alone(&blocks, hash).await;
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [hash]);
    let faults = blocks.faults(10).unwrap();
    assert_eq!((faults[0].hash, faults[0].failures, faults[0].since), (hash, 1, Some(machine.now())));

    assert!(blocks.run_due(machine.now()).await.unwrap().missing.is_empty(), "not before its next try");
    assert_eq!(blocks.retry_now(None, machine.now()).await.unwrap(), 1);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [hash]);
    assert_eq!(blocks.faults(10).unwrap()[0].failures, 2);

    drop(blocks.put_one(&block).await.unwrap());
    blocks.retry_now(Some(&BTreeSet::from([hash])), machine.now()).await.unwrap();
    let progress = blocks.run_due(machine.now()).await.unwrap();
    assert!(progress.missing.is_empty() && progress.removed == 0);
    assert!(blocks.faults(10).unwrap().is_empty());
    assert_eq!(blocks.get(&hash).await.unwrap(), *block.content());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_cannot_be_read_holds_up_no_other_block_and_is_set_anew() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let stored = machine.store_block(&blocks, &noise(5000, 1)).await;
    let (absent, other) = (HashedBlock::new(noise(5000, 2).into()).unwrap(), noise(5000, 3));
    let other = HashedBlock::new(other.into()).unwrap().hash();
    machine.add_alone(&blocks, absent.hash()).await;
    machine.add_alone(&blocks, other).await;
    for hash in [stored, absent.hash()] {
        machine.spoil_count(hash).await;
    }
    let lacking = blocks.lacking(|_| true, 9).await.unwrap().unwrap();
    assert_eq!(lacking, BTreeSet::from([absent.hash(), other]), "it may be referenced");
    blocks.start_audit().await.unwrap();
    while blocks.audit_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [other]);
    assert_eq!(blocks.take_uncounted(), BTreeSet::from([stored, absent.hash()]));
    let counter = blocks.clone();
    let recount = move |txn: &mut store::Txn<'_>| {
        counter.recount_references(txn, &stored, 1)?;
        counter.recount_references(txn, &absent.hash(), 1)
    };
    machine.store.commit(store::Intent::Free, recount).await.unwrap();
    assert_eq!(blocks.reference_count(&stored).unwrap(), 1);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing.len(), 1);
    assert!(blocks.get(&stored).await.is_ok());
}

/// What came without its file is told of before anybody has looked for it, and not told of when it did not come.
#[tokio::test(flavor = "multi_thread")]
async fn references_without_files_are_lacking_from_the_moment_they_are_here() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    blocks.run_due(machine.now()).await.unwrap();
    assert_eq!(blocks.blocks_to_refill().unwrap(), None);
    let stored: Vec<_> = (0..200).map(|seed| HashedBlock::new(noise(300, seed).into()).unwrap()).collect();
    for block in &stored {
        machine.add_alone(&blocks, block.hash()).await;
    }
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(200), "nobody has looked at the queue yet");
    for block in &stored[..150] {
        drop(blocks.put_one(block).await.unwrap());
    }
    while blocks.run_due(machine.now()).await.unwrap().more {}
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(50));
    for block in &stored[150..] {
        drop(blocks.put_one(block).await.unwrap());
    }
    assert_eq!(blocks.blocks_to_refill().unwrap(), None);
    let (failing, hash) = (blocks.clone(), HashedBlock::new(noise(300, 999).into()).unwrap().hash());
    let fail = move |txn: &mut store::Txn<'_>| {
        failing.add_reference(txn, &hash)?;
        Err::<(), _>(store::StoreError::Full)
    };
    assert!(machine.store.commit(store::Intent::Grow, fail).await.is_err());
    assert_eq!(blocks.blocks_to_refill().unwrap(), None);
}

/// A reference comes while its file is damaged and nobody can send another one: that there is a file is no proof.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_lacking_where_its_reference_came_without_a_good_one() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let block = HashedBlock::new(noise(5000, 4).into()).unwrap();
    let hash = block.hash();
    drop(blocks.put_one(&block).await.unwrap());
    fs::write(machine.file_of("data", &hash), b"rot").unwrap();
    let lock = blocks.lock([hash]).await;
    assert!(!blocks.verify(&lock, &hash).await.unwrap());
    machine.add(&blocks, lock, hash).await.unwrap();
    for _ in 0..3 {
        assert_eq!(blocks.lacking(|_| true, 9).await.unwrap(), Some(BTreeSet::from([hash])));
        assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [hash]);
        blocks.retry_now(None, machine.now()).await.unwrap();
    }
    drop(blocks.put_one(&block).await.unwrap());
    assert_eq!(blocks.lacking(|_| true, 9).await.unwrap(), Some(BTreeSet::new()));
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, []);
    assert!(blocks.get(&hash).await.is_ok());
}

/// Homes that ask each other for what they all lost, and an operator who has it looked for, add nothing to the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_block_has_one_entry_however_often_it_is_asked_for() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = HashedBlock::new(noise(5000, 3).into()).unwrap().hash();
    machine.add_alone(&blocks, hash).await;
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [hash]);
    let since = machine.now();
    for _ in 0..3 {
        machine.clock.advance(1000);
        assert!(blocks.get(&hash).await.is_err());
        assert!(blocks.run_due(machine.now()).await.unwrap().missing.is_empty(), "it waits for its next try");
    }
    for looks in 2..4 {
        machine.clock.advance(1000);
        blocks.start_audit().await.unwrap();
        blocks.audit_step(machine.now()).await.unwrap();
        assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [hash], "the operator wants it now");
        let faults = blocks.faults(10).unwrap();
        assert_eq!((faults.len(), faults[0].failures, faults[0].since), (1, looks, Some(since)));
        assert_eq!(faults[0].last_try, Some(machine.now()));
    }
    assert_eq!(blocks.statistics().unwrap().resync_queue, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_hard_the_worker_works_is_kept_over_restarts() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let usual = block::Pace { scrub: 2, resync: 2 };
    assert_eq!(blocks.pace().unwrap(), usual);
    blocks.change_pace(|pace| block::Pace { scrub: 30, ..pace }).await.unwrap();
    blocks.change_pace(|pace| block::Pace { resync: 1000, ..pace }).await.unwrap();
    drop(blocks);
    let wanted = block::Pace { scrub: 30, resync: block::REST_FACTOR_MAX };
    assert_eq!(machine.open().await.pace().unwrap(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_reference_needs_no_look_at_the_file() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(5000, 7)).await;
    machine.add_alone(&blocks, hash).await;
    assert_eq!(blocks.statistics().unwrap().resync_queue, 0);
    machine.drop_one(&blocks, hash).await;
    machine.clock.advance(2 * GRACE_MS);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().examined, 0);
    assert!(blocks.get(&hash).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_referenced_block_becomes_a_fault() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(5000, 4)).await;
    fs::write(machine.file_of("data", &hash), b"rot").unwrap();
    assert!(blocks.get(&hash).await.is_err());
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [hash]);
    assert_eq!(blocks.statistics().unwrap().resync_faults, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_was_stored_and_never_referenced_is_removed() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let block = HashedBlock::new(noise(5000, 5).into()).unwrap();
    drop(blocks.put_one(&block).await.unwrap());
    blocks.run_due(machine.now()).await.unwrap();
    assert_eq!(machine.files("data").len(), 1, "a late request may still want it");
    machine.clock.advance(GRACE_MS);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 1);
    assert!(machine.files("data").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_block_is_left_alone() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(5000, 6)).await;
    machine.drop_one(&blocks, hash).await;
    machine.clock.advance(GRACE_MS);
    let block = HashedBlock::new(noise(5000, 6).into()).unwrap();
    let (lock, _) = blocks.put_one(&block).await.unwrap();
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().examined, 0);
    machine.add(&blocks, lock, hash).await.unwrap();
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 0);
    assert!(blocks.get(&hash).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_cancelled_waiters_are_forgotten() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = base::BlockHash::of(b"x");
    let lock = blocks.lock([hash]).await;
    assert!(env::timeout(std::time::Duration::ZERO, blocks.lock([hash])).await.is_none());
    assert_eq!(blocks.statistics().unwrap().locks_in_use, 1);
    drop(lock);
    assert_eq!(blocks.statistics().unwrap().locks_in_use, 0);
    drop(blocks.lock([hash]).await);
}

/// Writers store, reference, read and drop the same few blocks while the collector unlinks with
/// no grace left: whoever holds a reference must be able to read its block.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn storing_and_unlinking_exclude_each_other() {
    let machine = Arc::new(Machine::new());
    machine.disk.skip_flush.store(true, SeqCst);
    let blocks = machine.open().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..4u64 {
        let (machine, blocks) = (machine.clone(), blocks.clone());
        writers.push(machine.clone().env.tasks.spawn(async move {
            for round in 0..150u64 {
                let content = noise(300, (writer + round) % 3);
                let hash = machine.store_block(&blocks, &content).await;
                assert_eq!(blocks.get(&hash).await.unwrap(), content, "writer {writer}, round {round}");
                machine.drop_one(&blocks, hash).await;
            }
        }));
    }
    let collector = {
        let (machine, blocks, stop) = (machine.clone(), blocks.clone(), stop.clone());
        machine.clone().env.tasks.spawn(async move {
            let mut removed = 0;
            while !stop.load(SeqCst) {
                machine.clock.advance(GRACE_MS);
                let progress = blocks.run_due(machine.now()).await.unwrap();
                assert!(progress.missing.is_empty(), "{progress:?}");
                removed += progress.removed;
            }
            removed
        })
    };
    for writer in writers {
        writer.join().await.expect("a writer could not read what it had stored");
    }
    stop.store(true, SeqCst);
    let removed = collector.join().await.expect("the collector works");
    assert!(removed > 10, "the collector hardly ran: {removed}");
    machine.clock.advance(GRACE_MS);
    while blocks.run_due(machine.now()).await.unwrap().examined > 0 {}
    assert!(machine.files("data").is_empty());
    let figures = blocks.statistics().unwrap();
    assert_eq!((figures.blocks, figures.stored_bytes, figures.locks_in_use), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn scrub_finds_damage_and_orphans_and_remembers_its_place() {
    let machine = Machine::new();
    machine.disk.skip_flush.store(true, SeqCst);
    let blocks = machine.open().await;
    let mut hashes = Vec::new();
    for seed in 0..100 {
        hashes.push(machine.store_block(&blocks, &noise(300, seed)).await);
    }
    fs::write(machine.file_of("data", &hashes[3]), b"rot").unwrap();
    let orphan = HashedBlock::new(noise(300, 999).into()).unwrap();
    drop(blocks.put_one(&orphan).await.unwrap());
    blocks.scrub(ScrubCommand::Start).await.unwrap();
    assert!(blocks.scrub_step(machine.now()).await.unwrap());
    blocks.scrub(ScrubCommand::Pause).await.unwrap();
    assert!(!blocks.scrub_step(machine.now()).await.unwrap());
    let before = blocks.scrub_status().unwrap();
    assert!(before.running && before.paused && before.done_permille > 0);
    // The list of suspects is lost with the process; scrub finds the orphan all the same.
    drop(blocks);
    let blocks = machine.open().await;
    assert_eq!(blocks.scrub_status().unwrap(), before);
    blocks.scrub(ScrubCommand::Resume).await.unwrap();
    while blocks.scrub_step(machine.now()).await.unwrap() {}
    let status = blocks.scrub_status().unwrap();
    assert_eq!((status.files, status.damaged, status.orphans), (101, 1, 1), "{status:?}");
    assert_eq!(status.completed, Some(machine.now()));
    machine.clock.advance(GRACE_MS);
    while blocks.run_due(machine.now()).await.unwrap().examined > 0 {}
    let files = machine.files("data");
    assert_eq!(files.iter().filter(|name| !name.ends_with(".corrupted")).count(), 99);
    assert!(!files.contains(&orphan.hash().to_string()));
}

/// A new node has ended no pass, and begins its first one after a whole interval.
#[tokio::test(flavor = "multi_thread")]
async fn scrub_begins_by_itself_unless_it_is_switched_off() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    machine.store_block(&blocks, &noise(300, 1)).await;
    assert!(!blocks.scrub_step(machine.now()).await.unwrap());
    let status = blocks.scrub_status().unwrap();
    assert_eq!((status.completed, status.by_itself), (None, true));
    let due = WallTime(machine.now().millis() + SCRUB_INTERVAL_MS);
    assert_eq!(status.next, Some(due));
    machine.clock.advance(SCRUB_INTERVAL_MS);
    drop(blocks);
    let off = BlockConfig { scrubs_by_itself: false, ..machine.config(&["data"]) };
    let blocks = machine.open_with(off).await.unwrap();
    assert!(!blocks.scrub_step(machine.now()).await.unwrap(), "not by itself");
    assert!(!blocks.scrub_status().unwrap().by_itself);
    blocks.scrub(ScrubCommand::Start).await.unwrap();
    while blocks.scrub_step(machine.now()).await.unwrap() {}
    let status = blocks.scrub_status().unwrap();
    assert_eq!((status.files, status.completed), (1, Some(machine.now())), "once it was asked for");
    machine.clock.advance(SCRUB_INTERVAL_MS);
    drop(blocks);
    let blocks = machine.open().await;
    assert!(blocks.scrub_step(machine.now()).await.unwrap(), "by itself again");
}
