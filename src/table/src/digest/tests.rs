//! Digests against the rows they are of, through random changes on a real store in memory.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use super::*;
use crate::{Change, Table};
use base::Merge;
use env::sim::{SimOptions, SimWorld};
use serde::Deserialize;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Intent, MemEngine, Read, Record, Store, StoreError, StoreOptions, Txn, View};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    said: u64,
    /// Not compared.
    local: u64,
}

impl Record for Row {
    const KIND: u8 = 250;
    const VERSION: u8 = 1;
}

impl Merge for Row {
    fn merge(&mut self, other: &Self) {
        self.said = self.said.max(other.said);
    }
}

/// A table, under the number of a real one.
struct Notes;

impl Table for Notes {
    const SPACE: Space = Space::Object;
    type Row = Row;
    type Payload = ();

    fn canonical(row: &Row) -> Option<Vec<u8>> {
        (row.said > 0).then(|| canonical_form(&row.said))
    }

    fn hook(&self, _: &mut Txn<'_>, _: &[u8], _: Change<'_, Row>, _: Option<()>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Rows of another table in front and behind are not counted.
struct Others;

impl Table for Others {
    const SPACE: Space = Space::Version;
    type Row = Row;
    type Payload = ();

    fn canonical(row: &Row) -> Option<Vec<u8>> {
        Some(canonical_form(&row.said))
    }

    fn hook(&self, _: &mut Txn<'_>, _: &[u8], _: Change<'_, Row>, _: Option<()>) -> Result<(), StoreError> {
        Ok(())
    }
}

const TABLES: [Digested; 2] = [Digested::of::<Notes>(), Digested::of::<Others>()];
const NOTES: Digested = TABLES[0];

fn key() -> DigestKey {
    DigestKey::of_cluster("a cluster")
}

/// A small seeded generator, so that a failing case can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    /// A key in one of three arcs, one of them the last.
    fn row_key(&mut self, keys: usize) -> Vec<u8> {
        let arc = [[0, 0x3f], [0, 0x40], [0xff, 0xff]][self.below(3)];
        let number = u16::try_from(self.below(keys)).unwrap();
        [&arc[..], &number.to_be_bytes()].concat()
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

fn store() -> Store {
    let env = SimWorld::new(1, &SimOptions::default()).env();
    let options = StoreOptions { folder: "/".into(), node_tag: 7 };
    Store::open(&env, Arc::new(MemEngine::empty()), options).unwrap()
}

async fn commit(store: &Store, work: impl FnOnce(&mut Txn<'_>) -> Result<(), StoreError> + Send + 'static) {
    store.commit(Intent::Grow, work).await.unwrap();
}

async fn build(store: &Store, key: DigestKey) {
    loop {
        let key = key.clone();
        let built = store.commit(Intent::Grow, move |txn| build_some(txn, &key, &TABLES)).await;
        if built.unwrap() == Built::All {
            return;
        }
    }
}

/// Some changes of rows: written, changed in what is not compared, removed.
fn change(txn: &mut Txn<'_>, random: &mut Random, keys: usize, removing: usize) -> Result<(), StoreError> {
    for _ in 0..=random.below(60) {
        let row_key = random.row_key(keys);
        let old: Option<Row> = txn.get(Space::Object, &row_key)?;
        if let (Some(old), true) = (&old, random.below(10) < removing) {
            crate::remove::<Notes>(txn, row_key, old)?;
            continue;
        }
        let new = Row { said: random.below(50) as u64, local: random.below(9) as u64 };
        crate::replace(&Notes, txn, row_key.clone(), Change { old: old.as_ref(), new: &new }, None)?;
        crate::apply(&Others, txn, row_key, &new, None)?;
    }
    Ok(())
}

fn assert_counted(view: &View, random: &mut Random, keys: usize) {
    assert_eq!(recount(view, &TABLES).unwrap(), Vec::<String>::new());
    let digests = Digests::open(view, &key()).unwrap().expect("complete");
    for _ in 0..5 {
        let (mut from, mut to) = (random.row_key(keys), random.row_key(keys));
        if from > to {
            std::mem::swap(&mut from, &mut to);
        }
        let listed = digests.list(NOTES, &from, &to, usize::MAX).unwrap();
        let mut expected = Digest::default();
        listed.rows.iter().for_each(|(_, hash)| expected.add(*hash));
        assert_eq!(digests.of_range(NOTES, &from, &to).unwrap(), expected, "{from:x?} to {to:x?}");
        let to = to.min(arc_end(arc_of(&from)));
        let (mut whole, mut start) = (Digest::default(), from.clone());
        let pieces = digests.cut(NOTES, &from, &to, 16).unwrap();
        assert!(pieces.len() <= 16);
        for piece in pieces {
            assert_eq!(digests.of_range(NOTES, &start, &piece.to).unwrap(), piece.digest);
            whole.join(piece.digest);
            start = piece.to;
        }
        assert_eq!(whole, digests.of_range(NOTES, &from, &to).unwrap());
    }
    let arcs = digests.arcs(NOTES).unwrap();
    for arc in [0, 1, 2, ARCS - 1] {
        let digest = digests.of_range(NOTES, &arc_start(arc), &arc_end(arc)).unwrap();
        assert_eq!(arcs[usize::from(arc)], digest, "arc {arc}");
    }
}

fn chunks(view: &View) -> Vec<u64> {
    let mut rows = Vec::new();
    view.walk(Space::Chunk, &[], None, &mut |_, chunk: Chunk| {
        rows.push(chunk.rows);
        store::Step::Next
    })
    .unwrap();
    rows
}

#[test]
fn digests_follow_random_changes() {
    run(async {
        for seed in 0..12 {
            let (store, keys) = (store(), [40, 700, 5000][seed as usize % 3]);
            build(&store, key()).await;
            for round in 0..60u64 {
                let mut random = Random(seed * 1000 + round);
                // The store grows, shrinks and grows again.
                let removing = [1, 9, 2][round as usize / 20];
                commit(&store, move |txn| change(txn, &mut random, keys, removing)).await;
                assert_counted(&store.view().unwrap(), &mut Random(round), keys);
            }
            assert!(chunks(&store.view().unwrap()).iter().all(|rows| (1..=256).contains(rows)));
        }
    });
}

#[test]
fn chunks_are_split_above_256_rows_and_joined_below_64() {
    run(async {
        let store = store();
        build(&store, key()).await;
        let row = |number: u16| [&[9, 9][..], &number.to_be_bytes()].concat();
        for number in 0..1000 {
            let new = Row { said: 1, local: 0 };
            commit(&store, move |txn| crate::apply(&Notes, txn, row(number), &new, None).map(|_| ())).await;
        }
        let split = chunks(&store.view().unwrap());
        assert!(split.len() >= 4 && split.iter().all(|rows| (64..=256).contains(rows)), "{split:?}");
        for number in 0..990 {
            commit(&store, move |txn| {
                let old = txn.get::<Row>(Space::Object, &row(number))?.unwrap();
                crate::remove::<Notes>(txn, row(number), &old)
            })
            .await;
        }
        assert_eq!(chunks(&store.view().unwrap()), vec![10]);
        assert_counted(&store.view().unwrap(), &mut Random(1), 10);
    });
}

#[test]
fn equal_rows_with_different_histories_have_equal_digests() {
    run(async {
        let (one, other) = (store(), store());
        build(&one, key()).await;
        for round in 0..40 {
            commit(&one, move |txn| change(txn, &mut Random(round), 600, 3)).await;
        }
        // The other has the same rows in another order, with other local parts, and its digests made late.
        let mut rows = Vec::new();
        let view = one.view().unwrap();
        for space in [Space::Object, Space::Version] {
            view.walk(space, &[], None, &mut |row_key, row: Row| {
                rows.push((space, row_key.to_vec(), Row { local: 99, ..row }));
                store::Step::Next
            })
            .unwrap();
        }
        rows.reverse();
        assert!(rows.len() > 1000);
        commit(&other, move |txn| {
            rows.into_iter().for_each(|(space, row_key, row)| txn.put(space, row_key, &row));
            Ok(())
        })
        .await;
        build(&other, key()).await;
        let (mine, theirs) = (one.view().unwrap(), other.view().unwrap());
        let open = |view| Digests::open(view, &key()).unwrap().unwrap();
        for table in TABLES {
            assert_eq!(open(&mine).arcs(table).unwrap(), open(&theirs).arcs(table).unwrap());
        }
        assert_ne!(chunks(&mine), chunks(&theirs), "boundaries are each one's own");
    });
}

#[test]
fn digests_are_built_while_rows_change() {
    run(async {
        let store = store();
        for round in 0..60 {
            commit(&store, move |txn| change(txn, &mut Random(round), 5000, 1)).await;
        }
        for (number, name) in ["a cluster", "another", "a cluster"].into_iter().enumerate() {
            let (mut round, wanted) = (number as u64 * 7919, DigestKey::of_cluster(name));
            loop {
                let inner = wanted.clone();
                let built = store.commit(Intent::Grow, move |txn| build_some(txn, &inner, &TABLES)).await;
                if built.unwrap() == Built::All {
                    break;
                }
                assert!(Digests::open(&store.view().unwrap(), &wanted).unwrap().is_none());
                round += 1;
                commit(&store, move |txn| change(txn, &mut Random(round), 5000, 3)).await;
            }
            assert_eq!(recount(&store.view().unwrap(), &TABLES).unwrap(), Vec::<String>::new(), "{name}");
        }
        assert_counted(&store.view().unwrap(), &mut Random(4), 5000);
    });
}

#[test]
fn damaged_chunks_and_marks_are_made_again() {
    run(async {
        let store = store();
        build(&store, key()).await;
        for round in 0..60u64 {
            commit(&store, move |txn| change(txn, &mut Random(round), 3000, 2)).await;
            commit(&store, move |txn| {
                let mut random = Random(round + 500);
                let mut keys = Vec::new();
                txn.scan(Space::Chunk, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
                    keys.push(key.to_vec());
                    ControlFlow::Continue(())
                })?;
                let damaged = keys.swap_remove(random.below(keys.len()));
                txn.put_bytes(Space::Chunk, damaged, vec![1, 2, 3].into());
                Ok(())
            })
            .await;
            // A question about it is answered from the rows.
            let view = store.view().unwrap();
            let digests = Digests::open(&view, &key()).unwrap().unwrap();
            let arcs = digests.arcs(NOTES).unwrap();
            for arc in [0, 1, ARCS - 1] {
                let listed = digests.list(NOTES, &arc_start(arc), &arc_end(arc), usize::MAX).unwrap();
                let mut expected = Digest::default();
                listed.rows.iter().for_each(|(_, hash)| expected.add(*hash));
                assert_eq!(arcs[usize::from(arc)], expected);
            }
        }
        commit(&store, |txn| {
            txn.put_bytes(Space::Meta, DIGEST_KEY.to_vec(), vec![0].into());
            Ok(())
        })
        .await;
        commit(&store, |txn| change(txn, &mut Random(77), 3000, 2)).await;
        build(&store, key()).await;
        assert_counted(&store.view().unwrap(), &mut Random(4), 3000);
    });
}

#[test]
fn one_wrong_row_is_found() {
    run(async {
        let store = store();
        build(&store, key()).await;
        commit(&store, move |txn| change(txn, &mut Random(3), 3000, 0)).await;
        commit(&store, |txn| {
            let row = Row { said: 77, local: 0 };
            txn.put(Space::Object, vec![0, 0x3f, 1, 2, 3], &row);
            Ok(())
        })
        .await;
        assert_eq!(recount(&store.view().unwrap(), &TABLES).unwrap().len(), 1);
    });
}
