//! Past rows of ballots that were lost: nobody is answered from them before it is decided what became of them.

use super::homes::Homes;
use super::removals::{deletion, keep_versions, listed, put};
use super::run;
use super::sync::{BUCKET, pull_all, with_bucket};
use crate::objects::{Looked, Want};
use crate::replicas::KeyPlace;
use crate::rows::object::ObjectRow;
use crate::rows::past::{self, PastRow, VersionId};
use crate::tables::{Tables, Upkeep};
use crate::{Model, ModelError, batch, versions};
use base::Stamp;
use std::sync::Arc;
use store::{Intent, Read, Space};

const LOST: usize = 2;

/// The deletion of a past version reaches this replica, and no other: its ballot is lost.
async fn lose_deletion(model: &Arc<Model>, id: VersionId) -> Stamp {
    let head_key = versions::head_key(BUCKET, "key");
    let stamp = model.store().stamp().await.unwrap();
    let blocks = model.blocks.clone();
    let store = move |txn: &mut store::Txn<'_>| {
        let head: ObjectRow = txn.get(Space::Object, &head_key)?.unwrap();
        let lineage = versions::lineage_beside(Some(&head), Some(versions::gone(id)));
        let before = versions::predecessors(Some(&head));
        let row = ObjectRow {
            lineage: Some(Box::new(lineage)),
            before,
            order: stamp.proposal(),
            ..ObjectRow::new(stamp, head.slot.clone())
        };
        let tables = Tables::new(&blocks, Upkeep::Everywhere);
        batch::store_object(&tables, txn, (&head_key, stamp), row.version().unwrap(), None.into())?;
        Ok::<_, ModelError>(())
    };
    model.store().commit(Intent::Free, store).await.unwrap();
    stamp
}

fn past_row(model: &Arc<Model>, id: VersionId) -> PastRow {
    let row_key = past::beside(&versions::head_key(BUCKET, "key"), id);
    model.store().view().unwrap().get(Space::Past, &row_key).unwrap().unwrap()
}

/// Three homes; one of them holds the tombstone of a lost ballot, and a row of the key that came after it. The versions
/// of the key, the oldest first, and that ballot.
async fn with_lost_deletion() -> (Homes, [VersionId; 3], Stamp) {
    let mut homes = Homes::new(3, 3).await;
    with_bucket(&homes).await;
    keep_versions(homes.model(0), BUCKET).await;
    let first = put(homes.model(0), BUCKET, b"1", None).await;
    let second = put(homes.model(0), BUCKET, b"2", None).await;
    let key = KeyPlace::of(BUCKET, "key".into());
    homes.model(LOST).read_row(&key, false).await.unwrap();
    let lost = lose_deletion(homes.model(LOST), first).await;
    homes.stop(LOST).await;
    let third = put(homes.model(0), BUCKET, b"3", None).await;
    homes.start(LOST).await;
    let (row, _) = homes.model(LOST).read_row(&key, false).await.unwrap().unwrap();
    assert_eq!(row.current(), Some(third));
    (homes, [first, second, third], lost)
}

#[test]
fn the_tombstone_of_a_lost_ballot_is_in_doubt_and_what_was_chosen_is_not() {
    run(async {
        let (homes, [first, second, _], lost) = with_lost_deletion().await;
        let row = past_row(homes.model(LOST), first);
        assert_eq!((row.by, row.is_sure), (lost, false));
        for number in 0..3 {
            assert!(past_row(homes.model(number), second).is_sure);
        }
        assert!(past_row(homes.model(0), first).is_sure);
    });
}

#[test]
fn what_is_in_doubt_is_decided_on_before_it_is_answered() {
    for lists in [false, true] {
        run(async {
            let (homes, [first, second, third], lost) = with_lost_deletion().await;
            let model = homes.model(LOST);
            if lists {
                assert_eq!(listed(model, BUCKET).await, [third, second]);
            } else {
                let looked = model.look(BUCKET, "key", Some(first), Want::Metadata).await.unwrap();
                assert!(matches!(looked, Looked::Nothing), "{looked:?}");
            }
            let by: Vec<Stamp> = (0..3).map(|number| past_row(homes.model(number), first).by).collect();
            let decided = by.iter().copied().max().unwrap();
            assert!(decided > lost && by.iter().filter(|by| **by == decided).count() >= 2, "{by:?}");
            for number in 0..3 {
                assert_eq!(listed(homes.model(number), BUCKET).await, [third, second]);
            }
        });
    }
}

#[test]
fn without_the_replica_that_holds_it_the_lost_ballot_never_was() {
    run(async {
        let (mut homes, [first, second, third], _) = with_lost_deletion().await;
        homes.stop(LOST).await;
        assert_eq!(listed(homes.model(0), BUCKET).await, [third, second, first]);
        // It is deleted by a later ballot, which the tombstone does not stand against.
        homes.model(1).delete_object(BUCKET, deletion(first)).await.unwrap();
        homes.start(LOST).await;
        assert_eq!(listed(homes.model(LOST), BUCKET).await, [third, second]);
    });
}

#[test]
fn digests_agree_once_rows_in_doubt_were_synced() {
    run(async {
        let (homes, [first, ..], _) = with_lost_deletion().await;
        for _ in 0..2 {
            for number in 0..3 {
                pull_all(&homes, number, &[(number + 1) % 3, (number + 2) % 3]).await;
            }
        }
        let rows: Vec<PastRow> = (0..3).map(|number| past_row(homes.model(number), first)).collect();
        assert!(rows.iter().all(|row| *row == rows[0]) && !rows[0].is_sure, "{rows:?}");
        for number in 1..3 {
            assert_eq!(homes.node(number).digests(), homes.node(0).digests());
        }
        let looked = homes.model(0).look(BUCKET, "key", Some(first), Want::Metadata).await.unwrap();
        assert!(matches!(looked, Looked::Nothing), "{looked:?}");
        assert!(past_row(homes.model(0), first).is_sure);
    });
}
