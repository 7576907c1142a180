//! Disks that vanish under a running node, refuse everything, come back, or are another one than before.
// The tests move folders behind the store's back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use base::BlockHash;
use block::{BlockError, BlockStore, DiskState, HashedBlock, LostDisks, Presence, Refill, UnusableFolder};
use std::fs;
use support::{Machine, noise};

const BLOCKS: u64 = 20;
const BLOCK_BYTES: usize = 300;

/// A running node with blocks on two disks; the blocks that are on the second one.
async fn running() -> (Machine, BlockStore, Vec<BlockHash>) {
    let machine = Machine::new();
    let mut config = machine.config(&["one", "two"]);
    config.lost_disks = LostDisks::Refill;
    let blocks = machine.open_with(config).await.unwrap();
    for seed in 0..BLOCKS {
        machine.store_block(&blocks, &noise(BLOCK_BYTES, seed)).await;
    }
    let on_second: Vec<BlockHash> =
        machine.files("two").iter().map(|name| BlockHash::from_hex(name).unwrap()).collect();
    assert!((1..BLOCKS as usize).contains(&on_second.len()));
    (machine, blocks, on_second)
}

fn unplug(machine: &Machine, name: &str) {
    fs::rename(machine.path(name), machine.path("unplugged")).unwrap();
}

fn plug_in(machine: &Machine, name: &str) {
    fs::rename(machine.path("unplugged"), machine.path(name)).unwrap();
}

fn content_of(hash: &BlockHash) -> HashedBlock {
    let mut contents = (0..BLOCKS).map(|seed| HashedBlock::new(noise(BLOCK_BYTES, seed).into()).unwrap());
    contents.find(|block| block.hash() == *hash).unwrap()
}

async fn look(machine: &Machine, blocks: &BlockStore) {
    blocks.look_at_disks(machine.now()).await.unwrap();
}

/// Looks for every block, and returns those that are to be fetched.
async fn look_for_all(machine: &Machine, blocks: &BlockStore) -> Vec<BlockHash> {
    while blocks.audit_step(machine.now()).await.unwrap() {}
    let mut missing = blocks.run_due(machine.now()).await.unwrap().missing;
    missing.sort();
    missing
}

fn states(blocks: &BlockStore) -> Vec<DiskState> {
    blocks.statistics().unwrap().disks.iter().map(|disk| disk.state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_held_counts_as_lacking_at_once_and_is_filled_without_a_command() {
    let (machine, blocks, lost) = running().await;
    assert_eq!(blocks.refill().unwrap(), None);
    unplug(&machine, "two");
    // A reader is the first to meet it: from here on nobody is told that all is here.
    assert!(matches!(blocks.get(&lost[0]).await, Err(BlockError::DiskFailed { .. })));
    let unknown = Refill { blocks: 1, stored_bytes: None, is_counted: false };
    assert_eq!(blocks.refill().unwrap(), Some(unknown));
    assert_eq!(blocks.lacking(|_| true, 99).await.unwrap(), None);
    look(&machine, &blocks).await;
    assert_eq!(blocks.refill().unwrap(), Some(unknown), "not every block has been looked for");
    assert_eq!(blocks.lacking(|_| true, 99).await.unwrap(), None);
    assert_eq!((states(&blocks), blocks.gone_disks()), (vec![DiskState::Ready, DiskState::Absent], 1));

    assert_eq!(look_for_all(&machine, &blocks).await, lost, "they are fetched by the worker");
    let bytes = (lost.len() * BLOCK_BYTES) as u64;
    let counted = Refill { blocks: lost.len() as u64, stored_bytes: Some(bytes), is_counted: true };
    assert_eq!(blocks.refill().unwrap(), Some(counted));
    assert_eq!(blocks.lacking(|_| true, 99).await.unwrap().unwrap().into_iter().collect::<Vec<_>>(), lost);
    assert_eq!(blocks.presence(lost[0]).await, Presence::Unknown, "nobody is told that there is none");

    for hash in &lost {
        drop(blocks.put_one(&content_of(hash)).await.unwrap());
    }
    for seed in 100..120 {
        machine.store_block(&blocks, &noise(BLOCK_BYTES, seed)).await;
    }
    assert!(!machine.path("two").exists(), "nothing is written in its place");
    machine.clock.advance(60_001);
    assert_eq!(look_for_all(&machine, &blocks).await, []);
    blocks.audit_step(machine.now()).await.unwrap();
    assert_eq!(blocks.refill().unwrap(), None, "everything is here again");
    // A start without it finds nothing new to do, and one with it has two files of a block, which is no harm.
    drop(blocks);
    plug_in(&machine, "two");
    let blocks = machine.open_with(machine.config(&["one", "two"])).await.unwrap();
    assert!(blocks.get(&lost[0]).await.is_ok() && blocks.refill().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_back_is_used_again_with_what_it_holds() {
    let (machine, blocks, lost) = running().await;
    unplug(&machine, "two");
    look(&machine, &blocks).await;
    assert_eq!(look_for_all(&machine, &blocks).await, lost);
    let unneeded = lost[0];
    machine.drop_one(&blocks, unneeded).await;
    machine.clock.advance(block::GRACE_MS);
    assert_eq!(
        blocks.run_due(machine.now()).await.unwrap().removed,
        1,
        "its row goes, its file is an orphan"
    );
    plug_in(&machine, "two");
    look(&machine, &blocks).await;
    assert_eq!((states(&blocks), blocks.gone_disks()), (vec![DiskState::Ready, DiskState::Ready], 0));
    assert_eq!(look_for_all(&machine, &blocks).await, [], "what was not found is looked for again at once");
    blocks.audit_step(machine.now()).await.unwrap();
    assert_eq!(blocks.refill().unwrap(), None);
    for hash in &lost {
        assert!(blocks.get(hash).await.is_ok());
    }
    let before = machine.files("two").len();
    for seed in 100..120 {
        machine.store_block(&blocks, &noise(BLOCK_BYTES, seed)).await;
    }
    assert!(machine.files("two").len() > before, "it takes new blocks");
    let refused = machine.open_with(machine.config(&["one", "two"])).await;
    let reason = refused.err().expect("both disks are locked");
    assert!(matches!(reason, BlockError::Unusable { reason: UnusableFolder::InUse, .. }));
    // The marker of the first folder was locked all the time, that of the second one is locked again.
    let mut second = machine.config(&["two"]);
    second.lost_disks = LostDisks::Refill;
    let reason = machine.open_with(second).await.err().expect("it is locked");
    assert!(matches!(reason, BlockError::Unusable { reason: UnusableFolder::InUse, .. }));
    blocks.scrub(block::ScrubCommand::Start).await.unwrap();
    while blocks.scrub_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.scrub_status().unwrap().orphans, 1);
    machine.clock.advance(block::GRACE_MS);
    blocks.run_due(machine.now()).await.unwrap();
    assert!(!machine.files("two").contains(&unneeded.to_string()), "scrub finds what nobody needs any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_any_disk_takes_no_blocks_and_fetches_none() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &noise(BLOCK_BYTES, 0)).await;
    unplug(&machine, "data");
    assert!(blocks.takes_blocks());
    let refused = blocks.put_one(&HashedBlock::new(noise(BLOCK_BYTES, 1).into()).unwrap()).await;
    let text = refused.err().expect("there is no disk").to_string();
    assert!(text.contains("its disk is gone"), "{text}");
    assert!(!blocks.takes_blocks(), "from the first one on that meets it");
    look(&machine, &blocks).await;
    assert_eq!(look_for_all(&machine, &blocks).await, [], "there is no room for it");
    assert_eq!(blocks.refill().unwrap().map(|refill| refill.blocks), Some(1));
    let refused = blocks.put_one(&HashedBlock::new(noise(BLOCK_BYTES, 1).into()).unwrap()).await;
    assert!(refused.err().expect("there is no disk").to_string().contains("its disk is gone"));
    assert!(!machine.path("data").exists());
    plug_in(&machine, "data");
    look(&machine, &blocks).await;
    assert!(blocks.get(&hash).await.is_ok() && blocks.takes_blocks());
    blocks.run_due(machine.now()).await.unwrap();
    blocks.audit_step(machine.now()).await.unwrap();
    assert_eq!(blocks.refill().unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_whose_file_was_on_it_is_not_overlooked_though_it_comes_late() {
    let (machine, blocks, lost) = running().await;
    // Written, and its reference is on its way while everything is looked for.
    let mut late = (100..).map(|seed| HashedBlock::new(noise(BLOCK_BYTES, seed).into()).unwrap());
    let (lock, hash) = loop {
        let block = late.next().unwrap();
        let (lock, _) = blocks.put_one(&block).await.unwrap();
        if machine.files("two").contains(&block.hash().to_string()) {
            break (lock, block.hash());
        }
    };
    unplug(&machine, "two");
    look(&machine, &blocks).await;
    let missing = look_for_all(&machine, &blocks).await;
    assert_eq!(missing, lost);
    machine.add(&blocks, lock, hash).await.unwrap();
    let missing = blocks.run_due(machine.now()).await.unwrap().missing;
    assert_eq!(missing, [hash], "it is looked for as one that came without its file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_everything_is_gone_until_the_next_start() {
    let (machine, blocks, lost) = running().await;
    *machine.disk.refusing.lock().unwrap() = Some(machine.path("two"));
    let mut tries = 0;
    while blocks.gone_disks() == 0 {
        assert!(blocks.get(&lost[0]).await.is_err());
        tries += 1;
        assert!(tries < 20, "each try is refused more than once");
    }
    assert!(tries > 1, "one refusal is not enough");
    look(&machine, &blocks).await;
    assert_eq!(look_for_all(&machine, &blocks).await, lost);
    *machine.disk.refusing.lock().unwrap() = None;
    look(&machine, &blocks).await;
    assert_eq!(
        states(&blocks),
        [DiskState::Ready, DiskState::Absent],
        "its marker was readable all the time"
    );
    drop(blocks);
    let blocks = machine.open_with(machine.config(&["one", "two"])).await.unwrap();
    assert!(blocks.get(&lost[0]).await.is_ok());
    look(&machine, &blocks).await;
    assert_eq!(look_for_all(&machine, &blocks).await, [], "what is here again is not waited for");
    blocks.audit_step(machine.now()).await.unwrap();
    assert_eq!(blocks.refill().unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_disk_in_its_place_is_not_used() {
    let (machine, blocks, lost) = running().await;
    unplug(&machine, "two");
    let other = Machine::new();
    drop(other.open().await);
    fs::rename(other.path("data"), machine.path("two")).unwrap();
    look(&machine, &blocks).await;
    assert_eq!(states(&blocks), [DiskState::Ready, DiskState::Absent]);
    for seed in 100..120 {
        machine.store_block(&blocks, &noise(BLOCK_BYTES, seed)).await;
    }
    assert!(machine.files("two").is_empty());
    assert_eq!(look_for_all(&machine, &blocks).await, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_it_wrote_it_down_learns_it_at_its_start() {
    for was_recorded in [false, true] {
        let (machine, blocks, lost) = running().await;
        unplug(&machine, "two");
        assert!(blocks.get(&lost[0]).await.is_err());
        if was_recorded {
            look(&machine, &blocks).await;
        }
        drop(blocks);
        let mut config = machine.config(&["one", "two"]);
        config.lost_disks = LostDisks::Refill;
        let blocks = machine.open_with(config).await.unwrap();
        assert_eq!(look_for_all(&machine, &blocks).await, lost, "recorded: {was_recorded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_comes_and_goes_is_counted_anew_each_time() {
    let (machine, blocks, lost) = running().await;
    for _ in 0..3 {
        unplug(&machine, "two");
        look(&machine, &blocks).await;
        look(&machine, &blocks).await;
        machine.clock.advance(60 * 60 * 1000);
        assert_eq!(look_for_all(&machine, &blocks).await, lost);
        assert_eq!(blocks.refill().unwrap().map(|refill| refill.blocks), Some(lost.len() as u64));
        plug_in(&machine, "two");
        look(&machine, &blocks).await;
        assert_eq!(look_for_all(&machine, &blocks).await, []);
        blocks.audit_step(machine.now()).await.unwrap();
        assert_eq!(blocks.refill().unwrap(), None);
    }
}
