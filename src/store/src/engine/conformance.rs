//! One suite for every engine: what the trait promises, tried on each of them.
// The files that an engine must refuse are made by hand.
#![allow(clippy::disallowed_methods)]

use super::{Batch, Engine, EngineError, EngineKind, MemEngine, MemPlatter, Snapshot, made_by, open};
use crate::space::Space;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A row change: `None` deletes.
type Change<'a> = (Space, &'a [u8], Option<&'a [u8]>);
type Model = BTreeMap<(Space, Vec<u8>), Bytes>;

/// A folder with an engine that can be closed and opened again.
struct Subject {
    kind: EngineKind,
    folder: TempDir,
    engine: Option<Arc<dyn Engine>>,
    /// Set when the engine in memory is tried instead.
    platter: Option<Arc<MemPlatter>>,
}

impl Subject {
    fn new(kind: EngineKind) -> Self {
        let mut subject = Self { kind, folder: tempfile::tempdir().unwrap(), engine: None, platter: None };
        subject.reopen();
        subject
    }

    fn in_memory() -> Self {
        let mut subject = Self::new(EngineKind::Redb);
        subject.platter = Some(Arc::default());
        subject.reopen();
        subject
    }

    fn reopen(&mut self) {
        self.engine = None;
        if let Some(platter) = &self.platter {
            self.engine = Some(Arc::new(MemEngine::open(platter, None)));
            return;
        }
        let env = env::real::env();
        self.engine = Some(open(self.kind, &env, self.folder.path()).unwrap());
    }

    fn engine(&self) -> &dyn Engine {
        self.engine.as_deref().unwrap()
    }

    fn commit(&self, changes: &[Change<'_>]) {
        let batch: Batch = changes
            .iter()
            .map(|(space, key, value)| ((*space, key.to_vec()), value.map(Bytes::copy_from_slice)))
            .collect();
        self.engine().commit(&batch).unwrap();
    }
}

fn each_engine(check: impl Fn(Subject)) {
    each_real_engine(&check);
    check(Subject::in_memory());
}

fn each_real_engine(check: impl Fn(Subject)) {
    for kind in EngineKind::ALL {
        check(Subject::new(kind));
    }
}

fn get(snapshot: &dyn Snapshot, space: Space, key: &[u8]) -> Option<Bytes> {
    snapshot.get(space, key).unwrap()
}

fn scan(
    snapshot: &dyn Snapshot,
    space: Space,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
) -> Vec<(Vec<u8>, Bytes)> {
    let mut rows = Vec::new();
    snapshot
        .scan(space, from, to, &mut |key, value| {
            rows.push((key.to_vec(), Bytes::copy_from_slice(value)));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn keys(rows: Vec<(Vec<u8>, Bytes)>) -> Vec<Vec<u8>> {
    rows.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn rows_are_written_replaced_and_deleted() {
    each_engine(|subject| {
        subject.commit(&[(Space::Object, b"a", Some(b"1")), (Space::Object, b"b", Some(b""))]);
        subject.commit(&[(Space::Object, b"a", Some(b"2")), (Space::Inline, b"a", Some(b"other"))]);
        let snapshot = subject.engine().snapshot().unwrap();
        assert_eq!(get(&*snapshot, Space::Object, b"a").unwrap(), "2");
        assert_eq!(get(&*snapshot, Space::Object, b"b").unwrap(), "", "an empty value is a value");
        assert_eq!(get(&*snapshot, Space::Inline, b"a").unwrap(), "other");
        assert_eq!(get(&*snapshot, Space::Object, b"c"), None);
        subject.commit(&[(Space::Object, b"a", None), (Space::Object, b"never there", None)]);
        let after = subject.engine().snapshot().unwrap();
        assert_eq!(get(&*after, Space::Object, b"a"), None);
        assert_eq!(get(&*after, Space::Inline, b"a").unwrap(), "other");
    });
}

#[test]
fn scans_keep_to_their_bounds_their_keyspace_and_their_order() {
    each_engine(|subject| {
        let names: [&[u8]; 6] = [b"\x00", b"\x00\x00", b"a", b"a\x00", b"ab", b"\xff\xff"];
        for (index, name) in names.iter().rev().enumerate() {
            subject.commit(&[(Space::Object, name, Some(&[index as u8])), (Space::Alias, name, Some(b"x"))]);
        }
        let snapshot = subject.engine().snapshot().unwrap();
        let all = scan(&*snapshot, Space::Object, Bound::Unbounded, Bound::Unbounded);
        assert_eq!(all.len(), names.len());
        assert_eq!(all[0].1, Bytes::from_static(&[5]));
        for (low, from) in names.iter().enumerate() {
            for (high, to) in names.iter().enumerate() {
                let between = |from, to| keys(scan(&*snapshot, Space::Object, from, to));
                let expected = |from: usize, to: usize| names.get(from..to).unwrap_or_default().to_vec();
                assert_eq!(between(Bound::Included(from), Bound::Excluded(to)), expected(low, high));
                assert_eq!(between(Bound::Included(from), Bound::Included(to)), expected(low, high + 1));
                assert_eq!(between(Bound::Excluded(from), Bound::Excluded(to)), expected(low + 1, high));
                assert_eq!(between(Bound::Excluded(from), Bound::Included(to)), expected(low + 1, high + 1));
            }
            let below = keys(scan(&*snapshot, Space::Object, Bound::Unbounded, Bound::Excluded(from)));
            assert_eq!(below, names[..low]);
        }
        assert_eq!(scan(&*snapshot, Space::Bucket, Bound::Unbounded, Bound::Unbounded), []);
    });
}

#[test]
fn a_scan_ends_when_it_is_told_to() {
    each_engine(|subject| {
        for key in [b"a", b"b", b"c"] {
            subject.commit(&[(Space::Object, key, Some(b""))]);
        }
        let snapshot = subject.engine().snapshot().unwrap();
        let mut seen = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            seen.push(key.to_vec());
            if key == b"b" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        snapshot.scan(Space::Object, Bound::Unbounded, Bound::Unbounded, &mut visit).unwrap();
        assert_eq!(seen, [b"a", b"b"]);
    });
}

#[test]
fn a_snapshot_stays_as_it_was() {
    each_engine(|subject| {
        subject.commit(&[(Space::Object, b"kept", Some(b"old")), (Space::Object, b"gone", Some(b"old"))]);
        let before = subject.engine().snapshot().unwrap();
        let untouched = subject.engine().snapshot().unwrap();
        assert_eq!(get(&*before, Space::Object, b"kept").unwrap(), "old");
        for round in 0..200_u32 {
            let key = round.to_be_bytes();
            subject.commit(&[
                (Space::Object, b"kept", Some(&key)),
                (Space::Object, b"gone", None),
                (Space::Object, &key, Some(&[7; 900])),
            ]);
        }
        for snapshot in [&before, &untouched] {
            assert_eq!(get(&**snapshot, Space::Object, b"kept").unwrap(), "old");
            let rows = scan(&**snapshot, Space::Object, Bound::Unbounded, Bound::Unbounded);
            assert_eq!(keys(rows), [b"gone", b"kept"]);
        }
        let after = subject.engine().snapshot().unwrap();
        assert_eq!(scan(&*after, Space::Object, Bound::Unbounded, Bound::Unbounded).len(), 201);
    });
}

#[test]
fn large_values_and_large_batches_come_back_whole() {
    each_engine(|mut subject| {
        let large = vec![0xa5; 1 << 20];
        subject.commit(&[(Space::Inline, b"large", Some(&large)), (Space::Inline, b"small", Some(b"s"))]);
        let rows = 20_000_u32;
        let batch: Batch = (0..rows)
            .map(|row| {
                ((Space::BlockRef, row.to_be_bytes().to_vec()), Some(Bytes::from(vec![row as u8; 100])))
            })
            .collect();
        subject.engine().commit(&batch).unwrap();
        subject.reopen();
        let snapshot = subject.engine().snapshot().unwrap();
        assert_eq!(get(&*snapshot, Space::Inline, b"large").unwrap(), large);
        let found = scan(&*snapshot, Space::BlockRef, Bound::Unbounded, Bound::Unbounded);
        assert_eq!(found.len(), rows as usize);
        assert!(
            found
                .iter()
                .zip(&batch)
                .all(|((key, value), ((_, made), change))| { key == made && change.as_ref() == Some(value) })
        );
        assert!(subject.engine().disk_bytes().unwrap() > 1 << 20);
    });
}

#[test]
fn random_changes_agree_with_a_map_across_reopening() {
    each_engine(|mut subject| {
        let mut random = crate::tests::Random(0x5eed);
        let mut model = Model::new();
        for round in 0..150 {
            let mut batch = Batch::new();
            for _ in 0..=random.below(40) {
                let space = [Space::Object, Space::Inline, Space::Usage, Space::Setting][random.below(4)];
                let key = random.bytes_from(b"ab\x00\xff", 1, 4);
                let value = (random.below(3) > 0).then(|| Bytes::from(vec![round as u8; random.below(3000)]));
                batch.insert((space, key), value);
            }
            subject.engine().commit(&batch).unwrap();
            for (place, change) in batch {
                match change {
                    Some(value) => model.insert(place, value),
                    None => model.remove(&place),
                };
            }
            if round % 50 == 49 {
                subject.reopen();
            }
            check_against(&model, &*subject.engine().snapshot().unwrap(), &mut random);
        }
    });
}

fn check_against(model: &Model, snapshot: &dyn Snapshot, random: &mut crate::tests::Random) {
    for space in Space::ALL {
        let expected = model.iter().filter(|((other, _), _)| *other == space);
        let expected: Vec<_> = expected.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        assert_eq!(scan(snapshot, space, Bound::Unbounded, Bound::Unbounded), expected);
    }
    for _ in 0..20 {
        let key = random.bytes_from(b"ab\x00\xff", 1, 4);
        let wanted = (Space::Object, key);
        assert_eq!(get(snapshot, wanted.0, &wanted.1), model.get(&wanted).cloned());
        let other = random.bytes_from(b"ab\x00\xff", 1, 4);
        check_last(snapshot, &wanted.1, &other);
    }
}

/// The last row between two keys, by every kind of bound, is that of a scan.
fn check_last(snapshot: &dyn Snapshot, from: &[u8], to: &[u8]) {
    let bounds = |key| [Bound::Included(key), Bound::Excluded(key), Bound::Unbounded];
    for space in [Space::Object, Space::Inline, Space::Setting, Space::Chunk] {
        for low in bounds(from) {
            for high in bounds(to) {
                let expected = scan(snapshot, space, low, high).pop();
                assert_eq!(snapshot.last(space, low, high).unwrap(), expected, "{low:x?} to {high:x?}");
            }
        }
    }
}

#[test]
fn a_store_is_open_once_at_a_time() {
    each_real_engine(|subject| {
        let second = open(subject.kind, &env::real::env(), subject.folder.path());
        assert!(matches!(second.err(), Some(EngineError::Locked(_))), "{}", subject.kind);
    });
}

#[test]
fn a_folder_of_another_engine_is_refused() {
    each_real_engine(|subject| {
        for other in EngineKind::ALL {
            if other != subject.kind {
                let error = open(other, &env::real::env(), subject.folder.path()).err().unwrap();
                let remedy = format!("remove db_engine, or write db_engine = \"{}\"", subject.kind);
                assert!(error.to_string().ends_with(&remedy), "{error}");
            }
        }
        let made = made_by(&env::real::env(), subject.folder.path()).unwrap();
        assert_eq!(made, Some(subject.kind), "which is what no db_engine at all leads to");
    });
}

#[test]
fn foreign_bytes_are_an_error_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("meta.redb"), b"this is not a database at all").unwrap();
    let error = open(EngineKind::Redb, &env::real::env(), folder.path()).err().unwrap();
    assert!(matches!(error, EngineError::Corrupt(_)), "{error}");
}

#[test]
fn engine_names_are_read_back() {
    for kind in EngineKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    assert!("sled".parse::<EngineKind>().unwrap_err().to_string().contains("sled"));
}

#[test]
fn a_path_that_is_a_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"").unwrap();
    for kind in EngineKind::ALL {
        assert!(open(kind, &env::real::env(), Path::new(&path)).is_err());
    }
}
