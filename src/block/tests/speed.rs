//! How long one block takes, printed: `cargo test --profile fast -p block --test speed -- --nocapture`.
//! The only claim checked is that storing and reading need no more steps on the disk than they must.
// The tests damage and move files behind the store's back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use base::limits::BLOCK_SIZE_BYTES;
use block::HashedBlock;
use std::sync::atomic::Ordering::SeqCst;
use support::{Machine, noise};

#[tokio::test(flavor = "multi_thread")]
async fn one_block_takes_five_changes_of_the_disk() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let real = env::real::env();
    for (flushes, rounds) in [("real flushes", 12u32), ("no flushes", 60)] {
        machine.disk.skip_flush.store(flushes == "no flushes", SeqCst);
        let (mut put, mut get) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
        for round in 0..rounds {
            let seed = u64::from(round) + 1000 * u64::from(rounds);
            let block = HashedBlock::new(noise(BLOCK_SIZE_BYTES, seed).into()).unwrap();
            let (before, start) = (machine.disk.changes.load(SeqCst), real.clock.mono());
            drop(blocks.put_one(&block).await.unwrap());
            put += real.clock.mono() - start;
            let changes = machine.disk.changes.load(SeqCst) - before;
            // Open, write, flush, rename, flush of the folder; making the folder is one more.
            assert!(changes == 5 || changes == 6, "{changes} changes");
            let start = real.clock.mono();
            assert_eq!(blocks.get(&block.hash()).await.unwrap().len(), BLOCK_SIZE_BYTES);
            get += real.clock.mono() - start;
        }
        println!("{flushes}: put {:?}, get {:?} per MiB", put / rounds, get / rounds);
    }
}
