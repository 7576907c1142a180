//! Group commit, isolation of refused and panicking closures, failures, room, stamps.

use super::{Note, Setup, put, run};
use crate::committer::RESERVE_BYTES;
use crate::{Intent, Read, Space, StoreError};
use base::Stamp;
use bytes::Bytes;
use env::sim::{Fault, Keep};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn what_waits_together_is_committed_together() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let keys: Vec<[u8; 1]> = (0..100).map(|number| [number]).collect();
        let puts = keys.iter().map(|key| put(&store, key, b"v"));
        for result in futures_util::future::join_all(puts).await {
            result.unwrap();
        }
        assert_eq!(setup.commits(), 1);
        put(&store, b"later", b"v").await.unwrap();
        assert_eq!(setup.commits(), 2);
        let view = store.view().unwrap();
        for key in keys {
            assert_eq!(view.get_bytes(Space::Object, &key).unwrap().unwrap(), "v");
        }
    });
}

#[test]
fn a_closure_sees_those_before_it_in_its_batch_and_its_own_writes() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let increment = || {
            store.commit(Intent::Grow, |txn| {
                let number = txn.get::<Note>(Space::Setting, b"n")?.map_or(0, |note| note.number);
                let note = Note { text: String::new(), number: number + 1 };
                txn.put(Space::Setting, b"n".to_vec(), &note);
                assert_eq!(txn.get::<Note>(Space::Setting, b"n")?, Some(note));
                Ok::<_, StoreError>(number)
            })
        };
        let results = futures_util::future::join_all((0..10).map(|_| increment())).await;
        let numbers: Vec<u64> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
        assert_eq!(setup.commits(), 1);
    });
}

#[test]
fn a_refused_closure_leaves_nothing_and_disturbs_nobody() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let refused = store.commit(Intent::Grow, |txn| {
            txn.put_bytes(Space::Object, b"b".to_vec(), Bytes::from_static(b"no"));
            txn.after_commit(|| panic!("a refused closure has no after"));
            Err::<(), _>(StoreError::Closed)
        });
        let looks = store.commit(Intent::Grow, |txn| {
            assert_eq!(txn.get_bytes(Space::Object, b"a")?.unwrap(), "v");
            txn.get_bytes(Space::Object, b"b")
        });
        let (first, refused, looked, last) =
            tokio::join!(put(&store, b"a", b"v"), refused, looks, put(&store, b"c", b"v"));
        assert_eq!((first, refused, looked, last), (Ok(()), Err(StoreError::Closed), Ok(None), Ok(())));
        assert_eq!(setup.commits(), 1);
        assert_eq!(store.view().unwrap().get_bytes(Space::Object, b"b").unwrap(), None);
    });
}

#[test]
fn a_panic_in_a_closure_stays_there() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let panics = store.commit(Intent::Grow, |txn| {
            txn.put_bytes(Space::Object, b"b".to_vec(), Bytes::new());
            txn.stamp();
            assert!(txn.now().millis() == 0, "on purpose");
            Ok::<_, StoreError>(())
        });
        let (first, panicked, last) = tokio::join!(put(&store, b"a", b"v"), panics, put(&store, b"c", b"v"));
        assert_eq!((first, panicked, last), (Ok(()), Err(StoreError::Panicked), Ok(())));
        put(&store, b"d", b"v").await.unwrap();
        let view = store.view().unwrap();
        assert_eq!(view.get_bytes(Space::Object, b"b").unwrap(), None);
        assert!(view.get_bytes(Space::Object, b"c").unwrap().is_some());
    });
}

#[test]
fn a_closure_that_only_reads_costs_no_flush() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let read = store.commit(Intent::Grow, |txn| txn.get_bytes(Space::Object, b"a")).await;
        assert_eq!(read, Ok(None));
        assert_eq!(setup.commits(), 0);
    });
}

#[test]
fn actions_after_a_commit_run_once_it_is_durable_and_before_the_answer() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let ran = Arc::new(AtomicU32::new(0));
        let add = |amount: u32| {
            let (ran, reader) = (Arc::clone(&ran), store.clone());
            store.commit(Intent::Grow, move |txn| {
                txn.put_bytes(Space::Object, b"a".to_vec(), Bytes::new());
                txn.after_commit(move || {
                    let seen = reader.view().unwrap().get_bytes(Space::Object, b"a").unwrap();
                    assert!(seen.is_some(), "readers see it by now");
                    ran.fetch_add(amount, Ordering::Relaxed);
                });
                Ok::<_, StoreError>(())
            })
        };
        add(1).await.unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        setup.world.disk.inject(Fault::SyncError, 1);
        assert_eq!(add(10).await, Err(StoreError::Failed));
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_failed_flush_fails_the_whole_batch_and_stops_writing() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        put(&store, b"before", b"v").await.unwrap();
        setup.world.disk.inject(Fault::SyncError, 1);
        let reads = store.commit(Intent::Free, |txn| txn.get_bytes(Space::Object, b"a"));
        let (first, read, second) = tokio::join!(put(&store, b"a", b"v"), reads, put(&store, b"b", b"v"));
        assert_eq!((first, second), (Err(StoreError::Failed), Err(StoreError::Failed)));
        assert_eq!(read, Err(StoreError::Failed), "it may have read what is not durable");
        assert!(store.has_failed());
        let effects = setup.world.disk.effects();
        assert_eq!(put(&store, b"c", b"v").await, Err(StoreError::Failed));
        assert_eq!(setup.world.disk.effects(), effects, "nothing is written any more");
        assert!(store.view().unwrap().get_bytes(Space::Object, b"before").unwrap().is_some());
    });
    setup.world.disk.crash(Keep::Nothing);
    run(async {
        let store = setup.store();
        put(&store, b"after", b"v").await.unwrap();
        assert!(!store.has_failed());
    });
}

#[test]
fn a_full_disk_in_the_engine_fails_the_batch_and_nothing_more() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        setup.world.disk.inject(Fault::Full, 1);
        assert_eq!(put(&store, b"a", b"v").await, Err(StoreError::Full));
        assert!(!store.has_failed());
        put(&store, b"a", b"v").await.unwrap();
    });
}

#[test]
fn a_full_disk_refuses_growth_and_permits_freeing() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        put(&store, b"a", b"v").await.unwrap();
        setup.world.disk.occupy((1 << 40) - RESERVE_BYTES + 4096);
        let delete = store.commit(Intent::Free, |txn| {
            txn.delete(Space::Object, b"a".to_vec());
            Ok::<_, StoreError>(())
        });
        let (grown, freed) = tokio::join!(put(&store, b"b", b"v"), delete);
        assert_eq!((grown, freed), (Err(StoreError::Full), Ok(())));
        setup.world.disk.occupy((1 << 40) - RESERVE_BYTES);
        put(&store, b"b", b"v").await.unwrap();
        let view = store.view().unwrap();
        assert_eq!(view.get_bytes(Space::Object, b"a").unwrap(), None);
        assert!(view.get_bytes(Space::Object, b"b").unwrap().is_some());
    });
}

#[test]
fn stamps_rise_across_restarts_although_the_wall_clock_goes_back() {
    let setup = Setup::new();
    let mut last = Stamp::ZERO;
    for _ in 0..5 {
        let stamp = run(async {
            let store = setup.store();
            let stamped = store.commit(Intent::Grow, |txn| {
                txn.put_bytes(Space::Object, b"a".to_vec(), Bytes::new());
                let first = txn.stamp();
                let second = txn.stamp();
                assert!(second > first);
                Ok::<_, StoreError>(second)
            });
            stamped.await.unwrap()
        });
        assert!(stamp > last, "{stamp:?} after {last:?}");
        assert_eq!(stamp.node, 7);
        last = stamp;
        setup.world.disk.crash(Keep::Nothing);
        setup.world.clock.jump(-3_600_000);
    }
}

#[test]
fn a_view_stays_as_it_was() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        put(&store, b"a", b"old").await.unwrap();
        let view = store.view().unwrap();
        put(&store, b"a", b"new").await.unwrap();
        assert_eq!(view.get_bytes(Space::Object, b"a").unwrap().unwrap(), "old");
        let now = store.view().unwrap();
        assert_eq!(now.get_bytes(Space::Object, b"a").unwrap().unwrap(), "new");
    });
}

#[test]
fn a_damaged_record_is_unreadable_and_not_absent() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        put(&store, b"a", b"not an envelope").await.unwrap();
        let view = store.view().unwrap();
        let unreadable = StoreError::Unreadable { space: "object", key: b"a".to_vec() };
        assert_eq!(view.get::<Note>(Space::Object, b"a"), Err(unreadable.clone()));
        let walked = view.walk::<Note>(Space::Object, b"", None, &mut |_, _| crate::Step::Next);
        assert_eq!(walked, Err(unreadable));
    });
}

#[test]
fn writers_on_many_threads_lose_nothing() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let env = env::real::env();
        let engine = crate::engine::open(crate::EngineKind::Redb, &env, folder.path()).unwrap();
        let options = crate::StoreOptions { folder: folder.path().to_owned(), node_tag: 1 };
        let store = crate::Store::open(&env, engine, options).unwrap();
        let writers = (0..16_u8).map(|writer| {
            let store = store.clone();
            env.tasks.spawn(async move {
                for round in 0..20_u8 {
                    put(&store, &[writer, round], b"v").await.unwrap();
                    let view = store.view().unwrap();
                    assert!(view.get_bytes(Space::Object, &[writer, round]).unwrap().is_some());
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        for writer in writers {
            writer.join().await.unwrap();
        }
        let mut rows = 0;
        let count = &mut |_: &[u8], _: &[u8]| {
            rows += 1;
            std::ops::ControlFlow::Continue(())
        };
        let all = std::ops::Bound::Unbounded;
        store.view().unwrap().scan(Space::Object, all, all, count).unwrap();
        assert_eq!(rows, 16 * 20);
    });
}
