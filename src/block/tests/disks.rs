//! Several disks, wrong disks, full disks, failing disks, and crashes between any two steps.
// The tests damage and move files behind the store's back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use base::{BlockHash, NodeId};
use block::{BlockError, DiskState, HashedBlock, LostDisks, Stored, UnusableFolder};
use env::sim::Keep;
use std::fs;
use std::sync::atomic::Ordering::SeqCst;
use support::{Fault, Machine, NODE, noise, text};

fn reason(opened: Result<block::BlockStore, BlockError>) -> UnusableFolder {
    match opened {
        Err(BlockError::Unusable { reason, .. }) => reason,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the folder was accepted"),
    }
}

/// A node that has stopped, with twenty blocks in the folders `one` and `two`, the second of which is a disk of its own;
/// the blocks, and how many lie on that disk.
async fn with_blocks_on_two_disks() -> (Machine, Vec<BlockHash>, usize) {
    let machine = Machine::new();
    machine.disk.mounted.lock().unwrap().insert(machine.path("two"));
    let blocks = machine.open_with(machine.config(&["one", "two"])).await.unwrap();
    let mut hashes = Vec::new();
    for seed in 0..20 {
        hashes.push(machine.store_block(&blocks, &noise(300, seed)).await);
    }
    let lost = machine.files("two").len();
    assert!((1..20).contains(&lost), "{lost} blocks on the second disk");
    (machine, hashes, lost)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mount_point_is_noticed() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(5000, 1)).await;
    drop(blocks);
    fs::rename(machine.path("data"), machine.path("unmounted")).unwrap();
    fs::create_dir(machine.path("data")).unwrap();
    assert_eq!(reason(machine.open_with(machine.config(&["data"])).await), UnusableFolder::LostDisk);
    assert!(machine.files("data").is_empty(), "nothing is written to a refused folder");

    let mut config = machine.config(&["data"]);
    config.lost_disks = LostDisks::Refill;
    let blocks = machine.open_with(config.clone()).await.unwrap();
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(1), "it is not known yet how many");
    while blocks.audit_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, [hash], "every block is checked");
    // A restart in the middle forgets nothing.
    drop(blocks);
    let blocks = machine.open_with(config).await.unwrap();
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(1));
    let block = HashedBlock::new(noise(5000, 1).into()).unwrap();
    blocks.put_one(&block).await.unwrap();
    machine.clock.advance(60_001);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, []);
    assert!(!blocks.audit_step(machine.now()).await.unwrap());
    assert_eq!(blocks.blocks_to_refill().unwrap(), None, "everything is here again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refill_stays_one_when_somebody_has_every_block_looked_for_meanwhile() {
    let (machine, _, lost) = with_blocks_on_two_disks().await;
    fs::remove_dir_all(machine.path("two")).unwrap();
    machine.disk.mounted.lock().unwrap().clear();
    let mut config = machine.config(&["one"]);
    config.given_up = vec![machine.path("two")];
    let blocks = machine.open_with(config).await.unwrap();
    assert_eq!(blocks.lacking(|_| true, 99).await.unwrap(), None);
    blocks.start_audit().await.unwrap();
    assert_eq!(blocks.lacking(|_| true, 99).await.unwrap(), None, "not every block has been looked for");
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(1));
    while blocks.audit_step(machine.now()).await.unwrap() {}
    // And after it, as long as something is missing: whoever asks again does not end it.
    blocks.start_audit().await.unwrap();
    assert_eq!(blocks.lacking(|_| true, 99).await.unwrap(), None);
    while blocks.audit_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.lacking(|_| true, 99).await.unwrap().unwrap().len(), lost);
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(lost as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_not_mounted_is_left_out_and_nothing_is_written_below_it() {
    let (machine, hashes, lost) = with_blocks_on_two_disks().await;
    fs::rename(machine.path("two"), machine.path("unplugged")).unwrap();
    fs::create_dir(machine.path("two")).unwrap();
    machine.disk.mounted.lock().unwrap().clear();
    let mut config = machine.config(&["one", "two"]);
    assert_eq!(reason(machine.open_with(config.clone()).await), UnusableFolder::LostDisk);
    config.lost_disks = LostDisks::Refill;
    for start in 0..2 {
        let blocks = machine.open_with(config.clone()).await.unwrap();
        let states: Vec<DiskState> =
            blocks.statistics().unwrap().disks.iter().map(|disk| disk.state).collect();
        assert_eq!(states, [DiskState::Ready, DiskState::Absent], "start {start}");
        while blocks.audit_step(machine.now()).await.unwrap() {}
        let missing = blocks.run_due(machine.now()).await.unwrap().missing;
        assert_eq!(missing.len(), if start == 0 { lost } else { 0 }, "a start alone finds nothing new");
        assert_eq!(blocks.blocks_to_refill().unwrap(), Some(lost as u64));
        assert_eq!(fs::read_dir(machine.path("two")).unwrap().count(), 0);
    }
    // Plugged in again it is used, with what it holds.
    fs::remove_dir(machine.path("two")).unwrap();
    fs::rename(machine.path("unplugged"), machine.path("two")).unwrap();
    machine.disk.mounted.lock().unwrap().insert(machine.path("two"));
    let blocks = machine.open_with(config.clone()).await.unwrap();
    for hash in &hashes {
        assert!(blocks.get(hash).await.is_ok());
    }
    machine.clock.advance(60_001);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing, []);
    blocks.audit_step(machine.now()).await.unwrap();
    assert_eq!(blocks.blocks_to_refill().unwrap(), None);
    // A new disk in its place is taken.
    drop(blocks);
    fs::remove_dir_all(machine.path("two")).unwrap();
    fs::create_dir(machine.path("two")).unwrap();
    let blocks = machine.open_with(config).await.unwrap();
    while blocks.audit_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing.len(), lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_gone_for_good_is_given_up_when_asked_for() {
    let (machine, hashes, lost) = with_blocks_on_two_disks().await;
    let giving_up = |names: &[&str], folder: &str| {
        let mut config = machine.config(names);
        config.given_up = vec![machine.path(folder)];
        config
    };
    for folder in ["one", "two", "three"] {
        let refused = machine.open_with(giving_up(&["one", "two"], folder)).await;
        assert_eq!(reason(refused), UnusableFolder::NotLost, "{folder} is not missing");
    }
    fs::remove_dir_all(machine.path("two")).unwrap();
    machine.disk.mounted.lock().unwrap().clear();
    let refused = machine.open_with(machine.config(&["one"])).await;
    assert_eq!(reason(refused), UnusableFolder::NotConfigured);
    let refused = machine.open_with(giving_up(&["one", "two"], "two")).await;
    assert_eq!(reason(refused), UnusableFolder::NotMounted, "nothing is written below a mount point");
    assert!(!machine.path("two").exists());
    let blocks = machine.open_with(giving_up(&["one"], "two")).await.unwrap();
    while blocks.audit_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().missing.len(), lost, "it is known what is lost");
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(lost as u64));
    let mut readable = 0;
    for hash in &hashes {
        readable += usize::from(blocks.get(hash).await.is_ok());
    }
    assert_eq!(readable, hashes.len() - lost, "the others are read");
    drop(blocks);
    // Later starts do not miss it; and a new disk is taken where it was.
    drop(machine.open_with(machine.config(&["one"])).await.unwrap());
    let refused = machine.open_with(giving_up(&["one"], "two")).await;
    assert_eq!(reason(refused), UnusableFolder::NotLost, "once is enough");
    machine.disk.mounted.lock().unwrap().insert(machine.path("two"));
    machine.open_with(machine.config(&["one", "two"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_folders_are_refused() {
    let machine = Machine::new();
    drop(machine.open_with(machine.config(&["data", "second"])).await.unwrap());
    let refused = machine.open_with(machine.config(&["data"])).await;
    assert_eq!(reason(refused), UnusableFolder::NotConfigured);

    let running = machine.open_with(machine.config(&["data", "second"])).await.unwrap();
    let refused = machine.open_with(machine.config(&["data", "second"])).await;
    assert_eq!(reason(refused), UnusableFolder::InUse);
    drop(running);

    let other = Machine::new();
    let mut config = other.config(&["data"]);
    config.node = NodeId::from_bytes([8; 32]);
    config.disks[0].path = machine.path("data");
    assert_eq!(reason(other.open_with(config).await), UnusableFolder::ForeignDisk(NODE));

    fs::create_dir(machine.path("copy")).unwrap();
    fs::copy(machine.path("data").join("garage-marker"), machine.path("copy").join("garage-marker")).unwrap();
    let refused = machine.open_with(machine.config(&["data", "second", "copy"])).await;
    assert_eq!(reason(refused), UnusableFolder::Duplicate);

    fs::write(machine.path("copy").join("garage-marker"), b"garage").unwrap();
    let refused = machine.open_with(machine.config(&["data", "second", "copy"])).await;
    assert_eq!(reason(refused), UnusableFolder::DamagedMarker);

    fs::create_dir_all(machine.path("stray").join("blocks")).unwrap();
    let refused = machine.open_with(machine.config(&["data", "second", "stray"])).await;
    assert_eq!(reason(refused), UnusableFolder::NoMarker);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_folder_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let machine = Machine::new();
    let mut config = machine.config(&["data"]);
    config.disks[0].path = machine.path("data").join(std::ffi::OsStr::from_bytes(b"n\xff"));
    let blocks = machine.open_with(config.clone()).await.unwrap();
    let hash = machine.store_block(&blocks, &noise(5000, 1)).await;
    drop(blocks);
    let blocks = machine.open_with(config.clone()).await.unwrap();
    assert!(blocks.get(&hash).await.is_ok());
    drop(blocks);
    // It is known again by its exact name.
    fs::remove_dir_all(&config.disks[0].path).unwrap();
    assert_eq!(reason(machine.open_with(config).await), UnusableFolder::LostDisk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_may_come_back_under_another_path() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(5000, 2)).await;
    drop(blocks);
    fs::rename(machine.path("data"), machine.path("moved")).unwrap();
    let blocks = machine.open_with(machine.config(&["moved"])).await.unwrap();
    assert!(blocks.get(&hash).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_spread_over_disks_and_are_found_when_the_order_changes() {
    let machine = Machine::new();
    machine.disk.skip_flush.store(true, SeqCst);
    let blocks = machine.open_with(machine.config(&["one", "two"])).await.unwrap();
    let mut hashes = Vec::new();
    for seed in 0..60 {
        hashes.push(machine.store_block(&blocks, &noise(300, seed)).await);
    }
    assert!(machine.files("one").len() > 10 && machine.files("two").len() > 10);
    drop(blocks);
    let mut config = machine.config(&["two", "one", "three"]);
    config.disks[0].capacity_bytes = Some(1);
    let blocks = machine.open_with(config).await.unwrap();
    for (seed, hash) in hashes.iter().enumerate() {
        assert_eq!(blocks.get(hash).await.unwrap(), noise(300, seed as u64));
        let block = HashedBlock::new(noise(300, seed as u64).into()).unwrap();
        let (_, stored) = blocks.put_one(&block).await.unwrap();
        assert!(matches!(stored, Stored::Duplicate { .. }));
    }
    assert!(machine.files("three").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_only_read() {
    let machine = Machine::new();
    let blocks = machine.open_with(machine.config(&["old", "new"])).await.unwrap();
    let block = HashedBlock::new(noise(300, 3).into()).unwrap();
    let hash = machine.store_block(&blocks, block.content()).await;
    drop(blocks);
    if machine.files("old").is_empty() {
        let digits = hash.to_string();
        fs::create_dir_all(machine.path("old").join("blocks").join(&digits[..2])).unwrap();
        fs::rename(machine.file_of("new", &hash), machine.file_of("old", &hash).with_extension("")).unwrap();
    }
    let mut config = machine.config(&["old", "new"]);
    config.disks[0].read_only = true;
    let blocks = machine.open_with(config).await.unwrap();
    assert!(matches!(blocks.put_one(&block).await.unwrap().1, Stored::Duplicate { .. }));
    for seed in 10..30 {
        machine.store_block(&blocks, &noise(300, seed)).await;
    }
    assert_eq!((machine.files("old").len(), machine.files("new").len()), (1, 20));
    fs::write(machine.file_of("old", &hash), b"rot").unwrap();
    assert!(matches!(blocks.get(&hash).await, Err(BlockError::Damaged { .. })));
    assert_eq!(machine.files("old"), [hash.to_string()], "not even a damaged file is renamed");
    assert!(matches!(blocks.put_one(&block).await.unwrap().1, Stored::Written { .. }));
    assert_eq!(blocks.get(&hash).await.unwrap(), *block.content(), "the good copy is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_before_writing_and_leaves_nothing() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(300, 4)).await;
    let block = HashedBlock::new(noise(5000, 5).into()).unwrap();
    machine.disk.available_bytes.store(200 << 20, SeqCst);
    let changes = machine.disk.changes.load(SeqCst);
    assert!(matches!(blocks.put_one(&block).await, Err(BlockError::Full)));
    assert_eq!(machine.disk.changes.load(SeqCst), changes, "nothing was tried");
    machine.disk.available_bytes.store(0, SeqCst);
    // The check passes and the disk runs full at one of the six operations after it.
    for step in 0..6 {
        machine.disk.strike(Fault::Full, step);
        let refused = blocks.put_one(&HashedBlock::new(noise(5000, 50 + step as u64).into()).unwrap()).await;
        assert!(matches!(refused, Err(BlockError::Full)), "step {step}: {:?}", refused.map(|put| put.1));
        machine.disk.heal();
        // Only after the rename is a file left, and it is collected.
        assert_eq!(machine.files("data").len(), if step < 5 { 1 } else { 2 }, "step {step}");
    }
    blocks.run_due(machine.now()).await.unwrap();
    machine.clock.advance(block::GRACE_MS);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().freed_bytes, 5000);
    assert_eq!(machine.files("data"), [hash.to_string()]);
    assert!(blocks.get(&hash).await.is_ok(), "reads go on");
    drop(blocks.put_one(&block).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_flush_nothing_is_called_durable_until_a_restart() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(300, 6)).await;
    let block = HashedBlock::new(noise(300, 7).into()).unwrap();
    machine.disk.fail_flush.store(true, SeqCst);
    assert!(matches!(blocks.put_one(&block).await, Err(BlockError::DiskFailed { .. })));
    machine.disk.heal();
    assert!(
        matches!(blocks.put_one(&block).await, Err(BlockError::DiskFailed { .. })),
        "flushes are not retried"
    );
    assert_eq!(blocks.statistics().unwrap().disks[0].state, DiskState::Failed);
    assert!(blocks.get(&hash).await.is_ok(), "reads go on");
    drop(blocks);
    let blocks = machine.open().await;
    drop(blocks.put_one(&block).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_vanishes_is_neither_written_to_nor_taken_for_empty() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(300, 8)).await;
    let gone = machine.store_block(&blocks, &noise(300, 9)).await;
    machine.drop_one(&blocks, gone).await;
    machine.clock.advance(block::GRACE_MS);
    fs::rename(machine.path("data"), machine.path("unplugged")).unwrap();
    fs::create_dir(machine.path("data")).unwrap();
    assert!(matches!(blocks.get(&hash).await, Err(BlockError::DiskFailed { .. })));
    let block = HashedBlock::new(noise(300, 10).into()).unwrap();
    assert!(matches!(blocks.put_one(&block).await, Err(BlockError::DiskFailed { .. })));
    let progress = blocks.run_due(machine.now()).await.unwrap();
    assert!(progress.missing.is_empty() && progress.removed == 0, "{progress:?}");
    assert!(fs::read_dir(machine.path("data")).unwrap().next().is_none());
    assert_eq!(blocks.statistics().unwrap().disks[0].state, DiskState::Absent);
    fs::remove_dir(machine.path("data")).unwrap();
    fs::rename(machine.path("unplugged"), machine.path("data")).unwrap();
    blocks.look_at_disks(machine.now()).await.unwrap();
    assert!(blocks.get(&hash).await.is_ok());
    blocks.retry_now(None, machine.now()).await.unwrap();
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_whose_flush_failed_is_not_trusted_later() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    machine.store_block(&blocks, &noise(300, 13)).await;
    let block = HashedBlock::new(noise(300, 14).into()).unwrap();
    // Everything up to the rename has happened, the flush of the folder fails.
    machine.disk.strike(Fault::BadFlush, 5);
    assert!(matches!(blocks.put_one(&block).await, Err(BlockError::DiskFailed { .. })));
    machine.disk.heal();
    assert_eq!(machine.files("data").len(), 2, "the file is there, but nobody knows whether it stays");
    assert!(matches!(blocks.put_one(&block).await, Err(BlockError::DiskFailed { .. })));
}

/// Kills the process before each operation of: start, store and reference two blocks, drop one,
/// collect it. After each restart: what was acknowledged is there, nothing unfinished is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_and_leaves_nothing() {
    for step in 0.. {
        let machine = Machine::new();
        machine.disk.skip_flush.store(true, SeqCst);
        machine.disk.strike(Fault::Crash, step);
        let mut acknowledged = Vec::new();
        let finished = script(&machine, &mut acknowledged).await.is_ok();
        machine.disk.heal();
        check_after_restart(&machine, &acknowledged, &format!("killed at step {step}")).await;
        if finished {
            assert!(step > 15, "the script has only {step} steps");
            return;
        }
    }
}

/// The same with the power cut, on a disk that forgets what was not flushed: all of it, or the
/// part that the seed says.
#[tokio::test]
async fn a_power_cut_loses_nothing_and_leaves_nothing() {
    for (keep, seeds) in [(Keep::Nothing, 1), (Keep::Everything, 1), (Keep::Some, 20)] {
        for seed in 0..seeds {
            for step in 1.. {
                let (machine, world) = Machine::simulated(seed);
                world.disk.crash_at_effect(step);
                let mut acknowledged = Vec::new();
                let finished = script(&machine, &mut acknowledged).await.is_ok();
                world.disk.crash(keep);
                let when = format!("power cut at step {step}, {keep:?}, seed {seed}");
                check_after_restart(&machine, &acknowledged, &when).await;
                if finished {
                    assert!(step > 15, "the script has only {step} steps");
                    break;
                }
            }
        }
    }
}

async fn script(machine: &Machine, acknowledged: &mut Vec<Vec<u8>>) -> Result<(), BlockError> {
    let blocks = machine.open_with(machine.config(&["data"])).await?;
    for content in [noise(5000, 11), text(50_000, 12)] {
        let block = HashedBlock::new(content.clone().into())?;
        let (lock, _) = blocks.put_one(&block).await?;
        machine.add(&blocks, lock, block.hash()).await?;
        acknowledged.push(content);
    }
    let dropped = acknowledged.remove(0);
    machine.drop_one(&blocks, base::BlockHash::of(&dropped)).await;
    machine.clock.advance(block::GRACE_MS);
    let progress = blocks.run_due(machine.now()).await?;
    if progress.removed == 1 { Ok(()) } else { Err(BlockError::Full) }
}

async fn check_after_restart(machine: &Machine, acknowledged: &[Vec<u8>], when: &str) {
    let blocks = machine.open().await;
    for content in acknowledged {
        let hash = base::BlockHash::of(content);
        assert_eq!(blocks.get(&hash).await.expect(when), *content, "{when}");
    }
    machine.clock.advance(10 * block::GRACE_MS);
    blocks.scrub(block::ScrubCommand::Start).await.unwrap();
    while blocks.scrub_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.scrub_status().unwrap().damaged, 0, "{when}: a file was visible before it was whole");
    machine.clock.advance(10 * block::GRACE_MS);
    while blocks.run_due(machine.now()).await.unwrap().examined > 0 {}
    assert!(blocks.faults(1).unwrap().is_empty(), "{when}");
    let kept = machine.files("data");
    assert_eq!(kept.len(), acknowledged.len(), "{when}: {kept:?}");
}
