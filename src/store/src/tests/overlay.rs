//! Reads inside a transaction, through the changes of its batch and its own, against a map.

use super::{Random, Setup, run};
use crate::{Intent, Read, Space, StoreError, Txn};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex};

type Model = BTreeMap<(Space, Vec<u8>), Bytes>;

const SPACES: [Space; 3] = [Space::Object, Space::Inline, Space::Version];

#[test]
fn random_changes_and_scans_agree_with_a_map() {
    for seed in 0..30 {
        let setup = Setup::new();
        let shared = Arc::new(Mutex::new((Random(seed), Model::new())));
        run(async {
            let store = setup.store();
            for _ in 0..8 {
                // Several closures in one batch: each reads through two layers of changes.
                let closures = (0..4).map(|_| {
                    let shared = Arc::clone(&shared);
                    store.commit(Intent::Grow, move |txn| {
                        let (random, model) = &mut *shared.lock().unwrap();
                        change_and_check(txn, random, model)
                    })
                });
                for result in futures_util::future::join_all(closures).await {
                    result.unwrap();
                }
            }
        });
        assert_eq!(setup.commits(), 8);
    }
}

fn key(random: &mut Random) -> Vec<u8> {
    random.bytes_from(b"ab\xff", 1, 3)
}

fn change_and_check(txn: &mut Txn<'_>, random: &mut Random, model: &mut Model) -> Result<(), StoreError> {
    for _ in 0..random.below(12) + 1 {
        let place = (SPACES[random.below(3)], key(random));
        if random.below(3) == 0 {
            txn.delete(place.0, place.1.clone());
            model.remove(&place);
        } else {
            let value = Bytes::from(random.next().to_le_bytes().to_vec());
            txn.put_bytes(place.0, place.1.clone(), value.clone());
            model.insert(place, value);
        }
        let asked = (SPACES[random.below(3)], key(random));
        assert_eq!(txn.get_bytes(asked.0, &asked.1)?, model.get(&asked).cloned());
        check_scan(txn, random, model)?;
    }
    Ok(())
}

fn bound(random: &mut Random) -> Bound<Vec<u8>> {
    match random.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key(random)),
        _ => Bound::Excluded(key(random)),
    }
}

fn check_scan(txn: &Txn<'_>, random: &mut Random, model: &Model) -> Result<(), StoreError> {
    let (space, from, to) = (SPACES[random.below(3)], bound(random), bound(random));
    let limit = random.below(10) + 1;
    let above = |key: &Vec<u8>| match &from {
        Bound::Unbounded => true,
        Bound::Included(low) => key >= low,
        Bound::Excluded(low) => key > low,
    };
    let below = |key: &Vec<u8>| match &to {
        Bound::Unbounded => true,
        Bound::Included(high) => key <= high,
        Bound::Excluded(high) => key < high,
    };
    let expected: Vec<_> = model
        .iter()
        .filter(|((other, key), _)| *other == space && above(key) && below(key))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    let (low, high) = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
    assert_eq!(txn.last(space, low, high)?, expected.last().cloned(), "{space:?} from {from:?} to {to:?}");
    let expected: Vec<_> = expected.into_iter().take(limit).collect();
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        assert!(found.len() < limit, "no row after the end of the scan");
        found.push((key.to_vec(), Bytes::copy_from_slice(value)));
        if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    txn.scan(space, low, high, &mut visit)?;
    assert_eq!(found, expected, "{space:?} from {from:?} to {to:?}");
    Ok(())
}
