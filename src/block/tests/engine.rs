//! The whole path on the default engine, across a restart.
// The tests damage and move files behind the store's back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::sync::Arc;
use store::engine::RedbEngine;
use store::{Store, StoreOptions};
use support::{Machine, NODE, noise, text};

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_counts_survive_a_restart() {
    let mut machine = Machine::new();
    let metadata = machine.path("meta");
    machine.env.disk.create_dir_all(&metadata).unwrap();
    let contents = [noise(300_000, 1), text(300_000, 2)];
    let open_store = |machine: &Machine| {
        let engine = Arc::new(RedbEngine::open(&machine.env, &metadata).unwrap());
        let options = StoreOptions { folder: metadata.clone(), node_tag: NODE.tag() };
        Store::open(&machine.env, engine, options).unwrap()
    };
    let mut hashes = Vec::new();
    for round in 1..=2 {
        machine.store = open_store(&machine);
        let blocks = machine.open().await;
        hashes.clear();
        for content in &contents {
            hashes.push(machine.store_block(&blocks, content).await);
        }
        assert_eq!(blocks.reference_count(&hashes[0]).unwrap(), round);
        assert_eq!(blocks.statistics().unwrap().blocks, 2);
        machine.drop_one(&blocks, hashes[1]).await;
        drop(blocks);
        // The committer's thread lets go of the database when the last sender is gone.
        let closing = std::mem::replace(&mut machine.store, Machine::new().store);
        drop(closing);
        while RedbEngine::open(&machine.env, &metadata).is_err() {
            tokio::task::yield_now().await;
        }
    }
    machine.store = open_store(&machine);
    let blocks = machine.open().await;
    machine.clock.advance(block::GRACE_MS);
    assert_eq!(blocks.run_due(machine.now()).await.unwrap().removed, 1);
    assert_eq!(blocks.get(&hashes[0]).await.unwrap(), contents[0]);
}
