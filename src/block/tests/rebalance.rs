//! Moving blocks to a disk that was added: shares, readers meanwhile, restarts, full and failing disks, power cuts.
// The tests look at files behind the store's back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use base::BlockHash;
use block::{BlockStore, HashedBlock, Presence};
use env::sim::Keep;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use support::{Fault, Machine, noise};
use tokio::sync::RwLock;

const BLOCKS: u64 = 60;
const BLOCK_BYTES: usize = 300;

/// A node whose blocks all lie on `one`, to which `two` was added.
async fn with_added_disk(machine: &Machine) -> (BlockStore, Vec<BlockHash>) {
    machine.disk.skip_flush.store(true, SeqCst);
    let blocks = machine.open_with(machine.config(&["one"])).await.unwrap();
    let mut hashes = Vec::new();
    for seed in 0..BLOCKS {
        hashes.push(machine.store_block(&blocks, &noise(BLOCK_BYTES, seed)).await);
    }
    drop(blocks);
    (machine.open_with(machine.config(&["one", "two"])).await.unwrap(), hashes)
}

/// Steps until the pass has ended.
async fn run(machine: &Machine, blocks: &BlockStore) {
    while blocks.rebalance_step(machine.now()).await.unwrap() {}
}

async fn all_readable(blocks: &BlockStore, hashes: &[BlockHash]) {
    for hash in hashes {
        assert_eq!(blocks.get(hash).await.unwrap().len(), BLOCK_BYTES);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_disk_gets_its_share_and_each_block_stays_one_file() {
    let machine = Machine::new();
    let (blocks, hashes) = with_added_disk(&machine).await;
    assert!(!blocks.rebalance_step(machine.now()).await.unwrap(), "nobody has asked for it");
    assert!(blocks.start_rebalance().await.unwrap());
    assert!(blocks.rebalance_status().unwrap().running);
    assert!(blocks.rebalance_step(machine.now()).await.unwrap());
    let after_one = blocks.rebalance_status().unwrap();
    assert_eq!(after_one.state.moved, 16, "a step is bounded");
    // A restart goes on where it was, and who asks again does not begin anew.
    drop(blocks);
    let blocks = machine.open_with(machine.config(&["one", "two"])).await.unwrap();
    assert!(blocks.start_rebalance().await.unwrap());
    assert_eq!(blocks.rebalance_status().unwrap(), after_one);
    run(&machine, &blocks).await;
    let (first, second) = (machine.files("one").len(), machine.files("two").len());
    assert_eq!(first + second, BLOCKS as usize);
    assert!((20..=40).contains(&second), "half of them: {second}");
    let status = blocks.rebalance_status().unwrap();
    assert_eq!((status.running, status.state.completed), (false, Some(machine.now())));
    assert_eq!((status.state.moved, status.state.left), (second as u64, 0));
    assert_eq!(status.state.moved_bytes, (second * BLOCK_BYTES) as u64);
    all_readable(&blocks, &hashes).await;
    blocks.start_rebalance().await.unwrap();
    run(&machine, &blocks).await;
    assert_eq!(blocks.rebalance_status().unwrap().state.moved, 0, "everything lies where it belongs");
    // Whoever stores one anew finds it, and deleting it frees its file wherever it is.
    for seed in 0..BLOCKS {
        machine.store_block(&blocks, &noise(BLOCK_BYTES, seed)).await;
    }
    assert_eq!(machine.files("one").len() + machine.files("two").len(), BLOCKS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_disk_has_nothing_to_share() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    assert!(!blocks.start_rebalance().await.unwrap());
    assert!(!blocks.rebalance_status().unwrap().running);
}

/// Puts every file on the disk `one`, as if the other one had just been added.
fn put_all_back(machine: &Machine) {
    let place = |disk: &str, name: &str| machine.path(disk).join("blocks").join(&name[..2]).join(name);
    for name in machine.files("two") {
        fs::rename(place("two", &name), place("one", &name)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_looks_never_miss_a_block_that_moves() {
    let machine = Machine::new();
    let (blocks, hashes) = with_added_disk(&machine).await;
    let ended = Arc::new(AtomicBool::new(false));
    // Held by readers, and alone by what moves files back behind the store's back.
    let reading = Arc::new(RwLock::new(()));
    let readers = (0..3_usize).map(|number| {
        let (blocks, hashes) = (blocks.clone(), hashes.clone());
        let (ended, reading) = (Arc::clone(&ended), Arc::clone(&reading));
        tokio::spawn(async move {
            while !ended.load(SeqCst) {
                for hash in &hashes {
                    let _reading = reading.read().await;
                    let is_there = match number {
                        0 => blocks.presence(*hash).await == Presence::Good,
                        _ => blocks.get(hash).await.is_ok(),
                    };
                    assert!(is_there, "{hash} was missed");
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut moved = 0;
    for _ in 0..30 {
        blocks.start_rebalance().await.unwrap();
        run(&machine, &blocks).await;
        moved += blocks.rebalance_status().unwrap().state.moved;
        let _alone = reading.write().await;
        put_all_back(&machine);
    }
    ended.store(true, SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(moved > 5 * BLOCKS, "{moved} moves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_in_use_and_a_damaged_file_stay() {
    let machine = Machine::new();
    let (blocks, hashes) = with_added_disk(&machine).await;
    let held = blocks.lock(hashes[..30].to_vec()).await;
    blocks.start_rebalance().await.unwrap();
    run(&machine, &blocks).await;
    let first = blocks.rebalance_status().unwrap().state;
    assert!(first.left > 0 && first.moved > 0, "{first:?}");
    for hash in &hashes[..30] {
        assert!(machine.files("one").contains(&hash.to_string()), "its lock was held");
    }
    drop(held);
    for hash in &hashes[..30] {
        fs::write(machine.file_of("one", hash), b"rot").unwrap();
    }
    blocks.start_rebalance().await.unwrap();
    run(&machine, &blocks).await;
    let second = blocks.rebalance_status().unwrap().state;
    assert_eq!((second.moved, second.left), (0, first.left), "rot is not carried along");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_gets_none_and_one_that_fails_in_a_move_loses_none() {
    let machine = Machine::new();
    let (blocks, hashes) = with_added_disk(&machine).await;
    machine.disk.available_bytes.store(200 << 20, SeqCst);
    blocks.start_rebalance().await.unwrap();
    run(&machine, &blocks).await;
    assert_eq!(blocks.rebalance_status().unwrap().state.moved, 0, "no room");
    all_readable(&blocks, &hashes).await;
    // Making the folder, opening, writing, flushing, renaming, flushing the name; unlinking, flushing that.
    for (fault, step) in
        (0..8).map(|step| (Fault::Full, step)).chain((0..8).map(|step| (Fault::BadFlush, step)))
    {
        let machine = Machine::new();
        let (blocks, hashes) = with_added_disk(&machine).await;
        blocks.start_rebalance().await.unwrap();
        machine.disk.strike(fault, step);
        run(&machine, &blocks).await;
        machine.disk.heal();
        let state = blocks.rebalance_status().unwrap().state;
        assert!(state.left > 0, "{fault:?} at {step}: {state:?}");
        all_readable(&blocks, &hashes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_for_a_disk_that_vanishes() {
    let machine = Machine::new();
    let (blocks, hashes) = with_added_disk(&machine).await;
    blocks.start_rebalance().await.unwrap();
    fs::rename(machine.path("two"), machine.path("unplugged")).unwrap();
    run(&machine, &blocks).await;
    assert_eq!(machine.files("one").len(), BLOCKS as usize);
    assert!(!machine.path("two").exists());
    all_readable(&blocks, &hashes).await;
    assert!(!blocks.start_rebalance().await.unwrap(), "one disk is left");
}

/// The power goes before each operation of a pass that moves two blocks, on a disk that forgets what was not flushed.
#[tokio::test]
async fn a_power_cut_loses_no_block_and_the_next_pass_leaves_one_file_of_each() {
    for (keep, seeds) in [(Keep::Nothing, 1), (Keep::Everything, 1), (Keep::Some, 5)] {
        for seed in 0..seeds {
            for step in 1.. {
                let (machine, world) = Machine::simulated(seed);
                let blocks = machine.open_with(machine.config(&["one"])).await.unwrap();
                let contents: Vec<Vec<u8>> = (0..4).map(|number| noise(BLOCK_BYTES, number)).collect();
                for content in &contents {
                    machine.store_block(&blocks, content).await;
                }
                drop(blocks);
                let blocks = machine.open_with(machine.config(&["one", "two"])).await.unwrap();
                blocks.start_rebalance().await.unwrap();
                world.disk.crash_at_effect(step);
                run(&machine, &blocks).await;
                let finished = machine.files("two").len() + machine.files("one").len() == contents.len()
                    && blocks.rebalance_status().unwrap().state.left == 0;
                world.disk.crash(keep);
                let when = format!("power cut at step {step}, {keep:?}, seed {seed}");
                drop(blocks);
                let blocks = machine.open_with(machine.config(&["one", "two"])).await.expect(&when);
                for content in &contents {
                    let block = HashedBlock::new(content.clone().into()).unwrap();
                    assert_eq!(blocks.get(&block.hash()).await.expect(&when), *content, "{when}");
                }
                run(&machine, &blocks).await;
                blocks.start_rebalance().await.unwrap();
                run(&machine, &blocks).await;
                let (one, two) = (machine.files("one"), machine.files("two"));
                assert_eq!(one.len() + two.len(), contents.len(), "{when}: {one:?} {two:?}");
                if finished {
                    assert!(step > 8, "the pass has only {step} steps");
                    break;
                }
            }
        }
    }
}
