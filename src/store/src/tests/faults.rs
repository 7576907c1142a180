//! Faults of a living disk below redb: no room, failing reads and writes, a failed flush.

use super::{open_store, put, run};
use crate::engine::{EngineKind, RedbEngine, open};
use crate::{Batch, Engine, EngineError, Intent, Read, Space, StoreError};
use bytes::Bytes;
use env::Disk;
use env::sim::{Damage, Fault, Keep, SimOptions, SimWorld};
use std::ops::{Bound, ControlFlow};
use std::path::Path;

const FOLDER: &str = "/meta";
const FILE: &str = "/meta/meta.redb";

fn batch(first: u32, rows: u32, value_bytes: usize) -> Batch {
    let row = |number: u32| {
        let value = Bytes::from(vec![number as u8; value_bytes]);
        ((Space::Inline, number.to_be_bytes().to_vec()), Some(value))
    };
    (first..first + rows).map(row).collect()
}

fn count(engine: &dyn Engine) -> usize {
    let mut rows = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        rows += 1;
        ControlFlow::Continue(())
    };
    let snapshot = engine.snapshot().unwrap();
    snapshot.scan(Space::Inline, Bound::Unbounded, Bound::Unbounded, &mut visit).unwrap();
    rows
}

fn redb(world: &SimWorld) -> RedbEngine {
    // A small cache, so that reads reach the disk.
    RedbEngine::open_with_cache(&world.env(), Path::new(FOLDER), 1 << 20).unwrap()
}

#[test]
fn a_write_without_room_at_any_place_leaves_the_engine_usable() {
    for nth in 1..40 {
        let world = SimWorld::new(nth, &SimOptions::default());
        let engine = redb(&world);
        engine.commit(&batch(0, 20, 3000)).unwrap();
        let before = engine.snapshot().unwrap();
        world.disk.inject(Fault::Full, nth);
        let mut applied = 20;
        for first in [100, 200, 300] {
            match engine.commit(&batch(first, 20, 3000)) {
                Ok(()) => applied += 20,
                Err(EngineError::Full(_)) => {}
                Err(error) => panic!("fault at {nth}: {error}"),
            }
            assert_eq!(count(&engine), applied, "fault at {nth}");
        }
        assert!(applied >= 60, "at most one commit failed");
        drop(before);
        drop(engine);
        world.disk.clear_faults();
        world.disk.crash(Keep::Nothing);
        assert_eq!(count(&redb(&world)), applied, "fault at {nth}");
    }
}

#[test]
fn a_disk_that_fills_up_refuses_and_goes_on_when_there_is_room() {
    let world = SimWorld::new(1, &SimOptions { disk_bytes: 4 << 20, ..SimOptions::default() });
    let engine = redb(&world);
    let mut stored = 0;
    let full = loop {
        match engine.commit(&batch(stored, 10, 4096)) {
            Ok(()) => stored += 10,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "the disk must fill up");
    };
    assert!(matches!(full, EngineError::Full(_)), "{full}");
    assert!(matches!(engine.commit(&batch(stored, 10, 4096)), Err(EngineError::Full(_))));
    world.disk.set_capacity(64 << 20);
    assert_eq!(count(&engine), stored as usize);
    engine.commit(&batch(stored, 10, 4096)).unwrap();
    assert_eq!(count(&engine), stored as usize + 10);
    drop(engine);
    world.disk.crash(Keep::Nothing);
    assert_eq!(count(&redb(&world)), stored as usize + 10);
}

#[test]
fn a_failed_read_is_an_error_once() {
    let world = SimWorld::new(1, &SimOptions::default());
    let engine = redb(&world);
    engine.commit(&batch(0, 2000, 3000)).unwrap();
    let snapshot = engine.snapshot().unwrap();
    world.disk.inject(Fault::ReadError, 1);
    let mut visit = |_: &[u8], _: &[u8]| ControlFlow::Continue(());
    let scanned = snapshot.scan(Space::Inline, Bound::Unbounded, Bound::Unbounded, &mut visit);
    assert!(matches!(scanned, Err(EngineError::Io(_))), "{scanned:?}");
    assert_eq!(count(&engine), 2000, "the next reader gets through");
    engine.commit(&batch(5000, 1, 10)).unwrap();
    assert_eq!(count(&engine), 2001);
}

#[test]
fn a_failed_read_does_not_stop_the_next_commit() {
    let world = SimWorld::new(1, &SimOptions::default());
    let engine = redb(&world);
    engine.commit(&batch(0, 2000, 3000)).unwrap();
    let snapshot = engine.snapshot().unwrap();
    world.disk.inject(Fault::ReadError, 1);
    let mut visit = |_: &[u8], _: &[u8]| ControlFlow::Continue(());
    snapshot.scan(Space::Inline, Bound::Unbounded, Bound::Unbounded, &mut visit).unwrap_err();
    engine.commit(&batch(5000, 1, 10)).unwrap();
    assert_eq!(count(&engine), 2001);
}

#[test]
fn after_a_failed_flush_or_write_the_outcome_is_unknown_and_stays_so() {
    for fault in [Fault::SyncError, Fault::WriteError] {
        for seed in 0..20 {
            let world = SimWorld::new(seed, &SimOptions::default());
            run(async {
                let engine = open(EngineKind::Redb, &world.env(), Path::new(FOLDER)).unwrap();
                let store = open_store(&world.env(), engine).unwrap();
                put(&store, b"kept", b"v").await.unwrap();
                world.disk.inject(fault, 1);
                assert_eq!(put(&store, b"maybe", b"v").await, Err(StoreError::Failed));
                assert_eq!(put(&store, b"never", b"v").await, Err(StoreError::Failed));
            });
            world.disk.crash(Keep::Some);
            run(async {
                let engine = open(EngineKind::Redb, &world.env(), Path::new(FOLDER)).unwrap();
                let store = open_store(&world.env(), engine).unwrap();
                let view = store.view().unwrap();
                assert!(view.get_bytes(Space::Object, b"kept").unwrap().is_some());
                assert_eq!(view.get_bytes(Space::Object, b"never").unwrap(), None);
                put(&store, b"after", b"v").await.unwrap();
            });
        }
    }
}

#[test]
fn a_store_on_a_nearly_full_disk_can_still_delete() {
    let world = SimWorld::new(1, &SimOptions::default());
    run(async {
        let engine = open(EngineKind::Redb, &world.env(), Path::new(FOLDER)).unwrap();
        let store = open_store(&world.env(), engine).unwrap();
        put(&store, b"a", b"v").await.unwrap();
        // Less is left than the reserve, more than a small commit needs.
        let left = 1 << 20;
        world.disk.occupy((1 << 40) - world.disk.used_bytes() - left);
        assert_eq!(put(&store, b"b", b"v").await, Err(StoreError::Full));
        let deleted = store.commit(Intent::Free, |txn| {
            txn.delete(Space::Object, b"a".to_vec());
            Ok::<_, StoreError>(())
        });
        deleted.await.unwrap();
    });
}

#[test]
fn damage_at_rest_is_an_error_and_never_a_panic() {
    let mut refused = 0;
    for seed in 0..60_u64 {
        let world = SimWorld::new(seed, &SimOptions::default());
        let engine = redb(&world);
        engine.commit(&batch(0, 200, 1000)).unwrap();
        drop(engine);
        world.disk.crash(Keep::Nothing);
        let length = world.disk.open(Path::new(FILE), env::OpenMode::Read).unwrap().len().unwrap();
        let offset = (seed * 7919 * 512) % length;
        let damage = [Damage::FlipBit, Damage::ZeroPage, Damage::Unreadable][seed as usize % 3];
        world.disk.damage(Path::new(FILE), offset, damage).unwrap();
        let opened = RedbEngine::open_with_cache(&world.env(), Path::new(FOLDER), 1 << 20);
        let read = opened.and_then(|engine| {
            let snapshot = engine.snapshot()?;
            let mut visit = |_: &[u8], _: &[u8]| ControlFlow::Continue(());
            snapshot.scan(Space::Inline, Bound::Unbounded, Bound::Unbounded, &mut visit)?;
            engine.commit(&batch(1000, 10, 100))
        });
        refused += u32::from(read.is_err());
    }
    assert!(refused > 0, "some of the damage hit something");
}
