//! Storing and reading: every form and size comes back, and no kind of damage is ever served or
//! taken for a copy.
// The tests damage and move files behind the store's back.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use base::BlockHash;
use base::limits::BLOCK_SIZE_BYTES;
use block::{BlockError, HashedBlock, ScrubCommand, Stored};
use bytes::Bytes;
use env::sim::Fault;
use std::fs;
use std::path::Path;
use support::{Machine, noise, text};

#[tokio::test(flavor = "multi_thread")]
async fn every_size_and_kind_comes_back() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    for length in [0, 1, 4096, 4097, 65_536, 65_537, 300_000, BLOCK_SIZE_BYTES] {
        for content in [noise(length, 1), text(length, 1)] {
            let block = HashedBlock::new(Bytes::from(content.clone())).unwrap();
            let (lock, _) = blocks.put_one(&block).await.unwrap();
            drop(lock);
            assert_eq!(blocks.get(&block.hash()).await.unwrap(), content, "{length} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_is_used_where_it_helps() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let mut plain = machine.config(&["plain"]);
    plain.compression_level = None;
    // The second store has metadata of its own.
    let other = Machine::new();
    let uncompressed = other.open_with(plain).await.unwrap();
    let cases =
        [(text(BLOCK_SIZE_BYTES, 2), true), (noise(BLOCK_SIZE_BYTES, 2), false), (text(4000, 2), false)];
    for (content, compresses) in cases {
        let block = HashedBlock::new(content.clone().into()).unwrap();
        let (lock, stored) = blocks.put_one(&block).await.unwrap();
        drop(lock);
        let Stored::Written { stored_bytes } = stored else { panic!("{stored:?}") };
        assert_eq!(stored_bytes < content.len() as u64, compresses);
        let file = machine.file_of("data", &block.hash());
        assert_eq!(file.extension().is_some(), compresses);
        assert_eq!(fs::metadata(file).unwrap().len(), stored_bytes);
        let (_, stored) = uncompressed.put_one(&block).await.unwrap();
        assert_eq!(stored, Stored::Written { stored_bytes: content.len() as u64 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_with_a_wrong_name_or_size_is_refused() {
    let announced = BlockHash::of(b"one");
    let wrong = HashedBlock::received(announced, Bytes::from_static(b"two"));
    assert!(matches!(wrong, Err(BlockError::WrongHash { announced: named }) if named == announced));
    let large = HashedBlock::new(vec![0; BLOCK_SIZE_BYTES + 1].into());
    assert!(matches!(large, Err(BlockError::TooLarge { .. })));
    assert_eq!(HashedBlock::received(announced, Bytes::from_static(b"one")).unwrap().hash(), announced);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_put_finds_the_first() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let block = HashedBlock::new(text(200_000, 3).into()).unwrap();
    // The same block twice inside one object: one lock, no waiting for oneself.
    let lock = blocks.lock([block.hash(), block.hash()]).await;
    let Stored::Written { stored_bytes } = blocks.put(&lock, &block).await.unwrap() else { panic!() };
    assert_eq!(blocks.put(&lock, &block).await.unwrap(), Stored::Duplicate { stored_bytes });
    drop(lock);
    let (lock, stored) = blocks.put_one(&block).await.unwrap();
    assert_eq!(stored, Stored::Duplicate { stored_bytes });
    assert!(blocks.verify(&lock, &block.hash()).await.unwrap());
    assert_eq!(machine.files("data").len(), 1);
}

/// A way to damage a file.
type Damage = fn(&Path);

const DAMAGES: [(&str, Damage); 6] = [
    ("truncated to nothing", |path| fs::write(path, b"").unwrap()),
    ("one bit flipped", |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }),
    ("last byte missing", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    }),
    ("zeros", |path| {
        let length = fs::metadata(path).unwrap().len();
        fs::write(path, vec![0; length as usize]).unwrap();
    }),
    ("longer than a block", |path| fs::write(path, vec![1; BLOCK_SIZE_BYTES + 1]).unwrap()),
    ("another block's bytes", |path| {
        let other = path.parent().unwrap().join("other");
        fs::write(&other, b"something else").unwrap();
        fs::rename(other, path).unwrap();
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_never_served_and_the_file_is_set_aside() {
    for content in [noise(100_000, 4), text(100_000, 4)] {
        for (what, damage) in DAMAGES {
            let machine = Machine::new();
            let blocks = machine.open().await;
            let hash = machine.store_block(&blocks, &content).await;
            damage(&machine.file_of("data", &hash));
            let read = blocks.get(&hash).await;
            assert!(
                matches!(read, Err(BlockError::Damaged { hash: named }) if named == hash),
                "{what}: {read:?}"
            );
            assert!(matches!(blocks.get(&hash).await, Err(BlockError::Missing { .. })), "{what}");
            let files = machine.files("data");
            assert!(files.len() == 1 && files[0].ends_with(".corrupted"), "{what}: {files:?}");
            assert_eq!(blocks.statistics().unwrap().damaged, 1, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_file_that_was_set_aside_comes_back() {
    for content in [noise(100_000, 9), text(100_000, 9)] {
        let machine = Machine::new();
        let blocks = machine.open().await;
        let hash = machine.store_block(&blocks, &content).await;
        machine.add_alone(&blocks, hash).await;
        let path = machine.file_of("data", &hash);
        let mut aside = path.clone().into_os_string();
        aside.push(".corrupted");
        fs::rename(&path, &aside).unwrap();
        assert_eq!(blocks.get(&hash).await.unwrap(), content);
        assert!(path.exists());
        fs::rename(&path, &aside).unwrap();
        blocks.scrub(ScrubCommand::Start).await.unwrap();
        while blocks.scrub_step(machine.now()).await.unwrap() {}
        assert!(path.exists(), "scrub looks at what was set aside");
        // A damaged one beside a good one stays where it is.
        fs::write(&aside, b"damaged").unwrap();
        assert_eq!(blocks.get(&hash).await.unwrap(), content);
        assert_eq!(fs::read(&aside).unwrap(), b"damaged");
    }
}

#[test]
fn a_file_that_was_misread_is_read_again() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(async {
        let (machine, world) = Machine::simulated(5);
        let blocks = machine.open().await;
        let content = noise(100_000, 10);
        let hash = machine.store_block(&blocks, &content).await;
        world.disk.inject(Fault::FlippedRead, 1);
        assert_eq!(blocks.get(&hash).await.unwrap(), content);
        assert_eq!(blocks.statistics().unwrap().damaged, 0, "it was not set aside");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_no_duplicate() {
    for content in [noise(100_000, 5), text(100_000, 5)] {
        for (what, damage) in DAMAGES {
            let machine = Machine::new();
            let blocks = machine.open().await;
            let hash = machine.store_block(&blocks, &content).await;
            damage(&machine.file_of("data", &hash));
            let lock = blocks.lock([hash]).await;
            assert!(
                !blocks.verify(&lock, &hash).await.unwrap(),
                "{what}: a reference alone would be accepted"
            );
            drop(lock);
            let block = HashedBlock::new(content.clone().into()).unwrap();
            let (_, stored) = blocks.put_one(&block).await.unwrap();
            assert!(matches!(stored, Stored::Written { .. }), "{what}: {stored:?}");
            assert_eq!(blocks.get(&hash).await.unwrap(), content, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zstd_bomb_is_damage() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let hash = machine.store_block(&blocks, &text(100_000, 6)).await;
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
    fs::write(machine.file_of("data", &hash), bomb).unwrap();
    assert!(matches!(blocks.get(&hash).await, Err(BlockError::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_blocks_with_swapped_files_are_both_damaged() {
    let machine = Machine::new();
    let blocks = machine.open().await;
    let one = machine.store_block(&blocks, &noise(5000, 7)).await;
    let two = machine.store_block(&blocks, &noise(5000, 8)).await;
    let (one_path, two_path) = (machine.file_of("data", &one), machine.file_of("data", &two));
    let (one_bytes, two_bytes) = (fs::read(&one_path).unwrap(), fs::read(&two_path).unwrap());
    fs::write(one_path, two_bytes).unwrap();
    fs::write(two_path, one_bytes).unwrap();
    for hash in [one, two] {
        assert!(matches!(blocks.get(&hash).await, Err(BlockError::Damaged { .. })));
    }
}
