//! A node that was away, or that joins, takes over what others hold.

use super::homes::{Homes, id};
use super::mending::spoil;
use super::run;
use super::support::Bucket;
use crate::objects::Condition;
use crate::replicas::{Begun, GetBlock, KeyPlace, READ_LIMIT, Sought};
use crate::rows::object::{self, ObjectRow};
use crate::sync::{Differing, Manner, Pace, Pulled, Taking};
use crate::{Model, ModelError};
use base::{BlockHash, Id, Stamp};
use bytes::Bytes;
use cluster::layout::ArcSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Read, Space, Txn};
use table::digest::arc_of;

pub const BUCKET: Bucket = Id::from_bytes([9; 32]);
const BLOCK: [u8; 5000] = [7; 5000];
const GENTLY: Manner = Manner { pace: Pace::GENTLE, taking: Taking::ByTheRules };

/// A node pulls until one comparison with each of the others finds nothing new.
pub(super) async fn pull_all(homes: &Homes, number: usize, from: &[usize]) -> Pulled {
    let mut whole = Pulled::default();
    for other in from {
        let pulled = homes.model(number).sync_with(id(*other)).await.unwrap();
        whole.rows += pulled.rows;
        whole.bytes += pulled.bytes;
        whole.blocks += pulled.blocks;
    }
    whole
}

/// All tables in one arc.
fn only(arc: u16) -> Differing {
    Differing::everywhere(ArcSet::of(|other| other == arc))
}

pub async fn with_bucket(homes: &Homes) {
    // Buckets are copied by other means; here each node makes the same row.
    for number in homes.running() {
        homes.model(number).make_bucket_for_test(BUCKET).await;
    }
}

impl Model {
    pub(super) async fn make_bucket_for_test(self: &Arc<Self>, bucket: Bucket) {
        let directory = Arc::clone(&self.directory);
        let make = move |txn: &mut Txn<'_>| {
            let row = crate::rows::bucket::BucketRow::new(Stamp { time: 1, node: 2 });
            txn.put(Space::Bucket, bucket.as_bytes().to_vec(), &row);
            directory.follow(txn);
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, make).await.unwrap();
    }
}

#[test]
fn a_node_that_was_away_takes_over_rows_blocks_and_deletions() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        for number in 0..40 {
            homes.node(0).put(BUCKET, &format!("old-{number}"), &[b"before"]).await;
        }
        env::sleep(Duration::from_secs(2)).await;
        homes.stop(2).await;
        for number in 0..300 {
            let content = format!("new {number}");
            homes.node(number % 2).put(BUCKET, &format!("new-{number:03}"), &[content.as_bytes()]).await;
        }
        let pieces: Vec<[u8; 5000]> = (0..4).map(|number| [number; 5000]).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(<[u8; 5000]>::as_slice).collect();
        homes.node(0).put(BUCKET, "big", &pieces).await;
        for number in 0..30 {
            homes.node(1).delete(BUCKET, &format!("old-{number}")).await;
        }
        homes.start(2).await;
        assert_ne!(homes.node(2).digests(), homes.node(0).digests());
        let pulled = pull_all(&homes, 2, &[0, 1]).await;
        assert!(pulled.rows >= 331, "{pulled:?}");
        assert_eq!(pulled.blocks, 4);
        let counted = homes.model(2).sync_figures();
        assert_eq!((counted.rows, counted.blocks), (pulled.rows, pulled.blocks));
        // The others may lack what only one of them and nobody else acknowledged: they pull as well.
        pull_all(&homes, 0, &[1, 2]).await;
        pull_all(&homes, 1, &[0, 2]).await;
        for number in 0..2 {
            assert_eq!(homes.node(2).digests(), homes.node(number).digests());
        }
        assert_eq!(pull_all(&homes, 2, &[0, 1]).await, Pulled::default(), "nothing is taken twice");
        for piece in &pieces {
            let hash = BlockHash::of(piece);
            assert_eq!(homes.model(2).blocks().get(&hash).await.unwrap(), *piece);
            assert_eq!(homes.model(2).blocks().reference_count(&hash).unwrap(), 1);
        }
        // The pair that includes it answers everything.
        homes.stop(0).await;
        for number in 0..300 {
            let content = homes.node(2).content(BUCKET, &format!("new-{number:03}")).await;
            assert_eq!(content.unwrap(), format!("new {number}").into_bytes());
        }
        for number in 0..40 {
            let content = homes.node(2).content(BUCKET, &format!("old-{number}")).await;
            assert_eq!(content.is_some(), number >= 30, "old-{number}");
        }
        assert_eq!(homes.node(2).content(BUCKET, "big").await.unwrap(), pieces.concat());
    });
}

#[test]
fn a_node_that_keeps_nothing_yet_can_fill_arc_by_arc() {
    run(async {
        let homes = Homes::new(3, 2).await;
        with_bucket(&homes).await;
        for number in 0..700 {
            let content = format!("content {number}");
            homes.node(0).put(BUCKET, &format!("key-{number}"), &[content.as_bytes()]).await;
        }
        homes.node(1).put(BUCKET, "big", &[&BLOCK, b"end"]).await;
        env::sleep(Duration::from_secs(2)).await;
        let (mut rows, mut blocks) = (0, 0);
        for group in Differing::everywhere(ArcSet::ALL).in_groups(32) {
            let pulled = homes.model(2).pull_arcs(id(1), &group, GENTLY).await.unwrap();
            assert_eq!(pulled.refused, Vec::new());
            rows += pulled.rows;
            blocks += pulled.blocks;
        }
        assert_eq!(homes.node(2).digests(), homes.node(1).digests());
        assert!(rows >= 700 && blocks == 2, "{rows} rows, {blocks} blocks");
        // Nobody may pull from it: it does not answer for the arc.
        let arc = table::digest::arc_of(&object::row_key(KeyPlace::of(BUCKET, String::new()).partition, ""));
        let refused = homes.model(0).pull_arcs(id(2), &only(arc), GENTLY).await;
        assert!(matches!(refused, Err(ModelError::Unavailable)), "{refused:?}");
    });
}

#[test]
fn what_a_promise_blocks_is_handed_back_and_decided_by_a_read() {
    run(async {
        let homes = Homes::new(2, 2).await;
        with_bucket(&homes).await;
        let place = KeyPlace::of(BUCKET, "key".to_owned());
        let row_key = object::row_key(place.partition, "key");
        // One replica has the row; the other has promised a later ballot that never went on.
        let row = ObjectRow::new(homes.model(0).store().stamp().await.unwrap(), object::Slot::Deleted);
        let (key, version) = (row_key.clone(), row.version().unwrap());
        let blocks = homes.model(0).blocks().clone();
        let store = move |txn: &mut Txn<'_>| {
            let tables = crate::tables::Tables::new(&blocks, crate::tables::Upkeep::Everywhere);
            crate::batch::store_object(&tables, txn, (&key, version.order), version, None.into())
        };
        homes.model(0).store().commit(Intent::Free, store).await.unwrap();
        env::sleep(Duration::from_secs(1)).await;
        let ballot = homes.model(1).store().stamp().await.unwrap();
        assert!(ballot > row.order);
        let (key, blocks) = (row_key.clone(), homes.model(1).blocks().clone());
        let promise = move |txn: &mut Txn<'_>| crate::batch::prepare(&blocks, txn, key, ballot);
        homes.model(1).store().commit(Intent::Free, promise).await.unwrap().unwrap();
        let arc = table::digest::arc_of(&row_key);
        let pulled = homes.model(1).pull_arcs(id(0), &only(arc), GENTLY).await.unwrap();
        assert_eq!((pulled.rows, pulled.refused.len()), (0, 1));
        assert_eq!(pulled.refused[0].row_key, row_key);
        homes.model(1).sync_with(id(0)).await.unwrap();
        let held = |number: usize| -> ObjectRow {
            homes.model(number).store().view().unwrap().get(Space::Object, &row_key).unwrap().unwrap()
        };
        assert_eq!((held(1).stamp, held(1).slot), (row.stamp, row.slot.clone()));
        homes.model(0).sync_with(id(1)).await.unwrap();
        assert_eq!(held(0).order, held(1).order);
        assert_eq!(homes.node(0).digests(), homes.node(1).digests());
    });
}

#[test]
fn a_damaged_row_is_not_spread_and_does_not_stop_the_others() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.stop(2).await;
        for number in 0..20 {
            homes.node(0).put(BUCKET, &format!("key-{number}"), &[b"content"]).await;
        }
        let damaged = object::row_key(KeyPlace::of(BUCKET, String::new()).partition, "key-3");
        let spoil = |key: Vec<u8>| {
            move |txn: &mut Txn<'_>| {
                let mut bytes = txn.get_bytes(Space::Object, &key)?.unwrap().to_vec();
                bytes[20] ^= 1;
                txn.put_bytes(Space::Object, key, bytes.into());
                Ok::<_, store::StoreError>(())
            }
        };
        homes.model(0).store().commit(Intent::Free, spoil(damaged.clone())).await.unwrap();
        homes.start(2).await;
        let pulled = pull_all(&homes, 2, &[0]).await;
        assert_eq!(pulled.rows, 19);
        assert!(!homes.node(2).has(Space::Object, &damaged));
        assert_eq!(pull_all(&homes, 2, &[1]).await.rows, 1);
        // The row that is damaged here is left as it is when a newer one comes, and that is said.
        homes.node(1).put(BUCKET, "key-3", &[b"newer"]).await;
        let arc = table::digest::arc_of(&damaged);
        let pulled = homes.model(0).pull_arcs(id(1), &only(arc), GENTLY).await.unwrap();
        assert_eq!((pulled.rows, pulled.refused.len()), (0, 1));
    });
}

#[test]
fn a_block_goes_on_where_another_node_ended_and_is_never_what_nobody_stored() {
    run(async {
        let homes = Homes::new(3, 2).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "big", &[&BLOCK, b"end"]).await;
        let (hash, nodes) = (BlockHash::of(&BLOCK), [id(0), id(1)]);
        let reader = homes.model(2);
        let read = |begun: Begun| async move {
            let block = reader.read_block_of(hash, nodes[0], &begun).await?;
            Some(block.content().to_vec())
        };
        for length in [0, 1, 3000, BLOCK.len()] {
            assert_eq!(
                read(Begun::of_for_test(&BLOCK[..length])).await.unwrap(),
                BLOCK,
                "{length} bytes before"
            );
        }
        // Only the rest is sent.
        let rest = GetBlock { hash, from: 3000 };
        let answer = reader.ask_one(id(1), rest, Bytes::new(), READ_LIMIT).await.unwrap();
        assert_eq!(answer.attachment.read_all(BLOCK.len()).await.unwrap(), BLOCK[3000..]);
        // What came before was something else, or more than there is: all of it is asked for again.
        assert_eq!(read(Begun::of_for_test(&[1; 3000])).await.unwrap(), BLOCK);
        assert_eq!(read(Begun::of_for_test(&[7; 6000])).await.unwrap(), BLOCK);
        let found = reader.seek_block(hash, &[id(9), id(1)], Duration::from_millis(700)).await;
        assert!(matches!(found, Sought::Found(block) if block.content() == &BLOCK[..]));
    });
}

/// Three homes of which the third one was away when an object was put whose first block nobody has any more; it has
/// taken the rows from the others since.
async fn without_a_block() -> (Homes, BlockHash, Pulled) {
    let mut homes = Homes::new(3, 3).await;
    with_bucket(&homes).await;
    homes.stop(2).await;
    homes.node(0).put(BUCKET, "big", &[&BLOCK, b"end"]).await;
    let hash = BlockHash::of(&BLOCK);
    (0..2).for_each(|number| _ = take_file(homes.model(number), &hash));
    homes.start(2).await;
    let pulled = pull_all(&homes, 2, &[0]).await;
    (homes, hash, pulled)
}

#[test]
fn a_block_that_nobody_has_does_not_hold_up_its_reference() {
    run(async {
        let (homes, hash, pulled) = without_a_block().await;
        assert_eq!(pulled.blocks, 1, "the end of the object");
        assert_eq!(homes.model(2).blocks().reference_count(&hash).unwrap(), 1);
        let due = homes.model(2).env().clock.wall();
        let found = homes.model(2).blocks().run_due(due).await.unwrap();
        assert_eq!(found.missing, vec![hash], "it is looked for again");
    });
}

/// Where a block's file lies, in its two forms.
fn files_of(hash: &BlockHash) -> [String; 2] {
    let name = format!("/data/blocks/{:02x}/{hash}", hash.as_bytes()[0]);
    [name.clone(), format!("{name}.zst")]
}

/// Takes a block's file away; where it lay.
fn take_file(model: &Model, hash: &BlockHash) -> String {
    let is_gone = |name: &String| model.env().disk.rename(Path::new(name), Path::new("/data/taken")).is_ok();
    files_of(hash).into_iter().find(is_gone).expect("the block has a file")
}

#[test]
fn an_arc_is_copied_once_every_block_that_anybody_has_is_here() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.stop(2).await;
        homes.node(0).put(BUCKET, "big", &[&BLOCK, b"end"]).await;
        let (hash, end) = (BlockHash::of(&BLOCK), BlockHash::of(b"end"));
        let (arc, ends) = (arc_of(hash.as_bytes()), arc_of(end.as_bytes()));
        assert_ne!(arc, ends);
        // One owner cannot read its file when it is asked, and the other one is away as soon as the rows have come.
        take_file(homes.model(0), &hash);
        let name = take_file(homes.model(1), &hash);
        homes.start(2).await;
        pull_all(&homes, 2, &[0]).await;
        assert_eq!(homes.model(2).blocks().lacking(|_| true, 9).await.unwrap(), Some([hash].into()));
        homes.stop(1).await;
        let copied = homes.model(2).with_files(ArcSet::ALL).await.unwrap();
        assert!(!copied.contains(arc) && copied.contains(ends), "who is away may have it");
        // The one that was away has it.
        homes.start(1).await;
        homes.model(1).env().disk.rename(Path::new("/data/taken"), Path::new(&name)).unwrap();
        assert_eq!(homes.model(2).with_files(ArcSet::ALL).await.unwrap(), ArcSet::ALL);
        assert_eq!(homes.model(2).blocks().get(&hash).await.unwrap(), &BLOCK[..]);
        // All who could have it say that they have none: nothing is waited for.
        (1..3).for_each(|number| _ = take_file(homes.model(number), &hash));
        assert!(
            homes.model(2).blocks().get(&hash).await.is_err(),
            "a reader meets it, and has it looked for"
        );
        let due = homes.model(2).env().clock.wall();
        homes.model(2).blocks().run_due(due).await.unwrap();
        assert_eq!(homes.model(2).blocks().lacking_count(), 1);
        assert_eq!(homes.model(2).with_files(ArcSet::ALL).await.unwrap(), ArcSet::ALL);
    });
}

#[test]
fn what_is_copied_keeps_to_the_limit_and_what_clients_read_does_not() {
    run(async {
        const LIMIT: u64 = 20_000;
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.stop(2).await;
        let blocks: Vec<Vec<u8>> = (0..20_u8).map(|number| vec![number; 50_000]).collect();
        for (number, block) in blocks.iter().enumerate() {
            homes.node(0).put(BUCKET, &format!("big-{number}"), &[block, b"end"]).await;
        }
        homes.start(2).await;
        let model = Arc::clone(homes.model(2));
        model.limit_copying(Some(LIMIT)).await.unwrap();
        let since = |begin: Duration| (model.env().clock.mono() - begin).as_secs();
        // A million bytes: 50 seconds, less the first piece.
        let begin = model.env().clock.mono();
        pull_all(&homes, 2, &[0]).await;
        assert!((45..60).contains(&since(begin)), "missed: {}", since(begin));
        let hashes: Vec<BlockHash> = blocks.iter().map(|block| BlockHash::of(block)).collect();
        let lose = || hashes.iter().for_each(|hash| _ = take_file(&model, hash));
        lose();
        let begin = model.env().clock.mono();
        let worked = model.fetch_all_missing(hashes.clone()).await;
        assert!((45..60).contains(&since(begin)), "of a lost disk: {}", since(begin));
        assert_eq!(worked, Duration::ZERO, "it has rested already");
        lose();
        for hash in &hashes {
            assert!(model.blocks().get(hash).await.is_err(), "it is looked for then");
        }
        model.blocks().run_due(model.env().clock.wall()).await.unwrap();
        let begin = model.env().clock.mono();
        assert_eq!(model.with_files(ArcSet::ALL).await.unwrap(), ArcSet::ALL);
        assert!((45..60).contains(&since(begin)), "of a layout change: {}", since(begin));
        lose();
        let begin = model.env().clock.mono();
        for hash in &hashes {
            model.read_block(hash).await.unwrap();
        }
        assert!(since(begin) < 10, "for clients: {}", since(begin));
    });
}

#[test]
fn a_damaged_count_of_a_block_holds_up_no_layout_change_and_is_set_anew() {
    run(async {
        let (homes, hash, _) = without_a_block().await;
        let key = [b"b", hash.as_bytes().as_slice()].concat();
        spoil(homes.model(2), Space::RefCount, key).await;
        assert!(homes.model(2).blocks().reference_count(&hash).is_err());
        assert_eq!(homes.model(2).with_files(ArcSet::ALL).await.unwrap(), ArcSet::ALL);
        assert_eq!(homes.model(2).blocks().reference_count(&hash).unwrap(), 1);
    });
}

#[test]
fn a_pass_ends_while_clients_write() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.stop(2).await;
        for number in 0..400 {
            homes.node(0).put(BUCKET, &format!("key-{number}"), &[b"first"]).await;
        }
        homes.start(2).await;
        let writes = async {
            for round in 0..200 {
                let key = format!("key-{}", (round * 7) % 500);
                homes.node(round % 3).put(BUCKET, &key, &[b"second"]).await;
            }
        };
        let pulls = async {
            for _ in 0..3 {
                pull_all(&homes, 2, &[0, 1]).await;
            }
        };
        futures_util::future::join(writes, pulls).await;
        env::sleep(Duration::from_secs(2)).await;
        for number in [0, 1, 2, 0, 1, 2] {
            let others: Vec<usize> = (0..3).filter(|other| *other != number).collect();
            pull_all(&homes, number, &others).await;
        }
        assert_eq!(homes.node(2).digests(), homes.node(0).digests());
        assert_eq!(homes.node(1).digests(), homes.node(0).digests());
    });
}

#[test]
fn the_worker_takes_over_what_was_missed_by_itself() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.stop(2).await;
        for number in 0..50 {
            let content = Condition::Absent;
            homes.node(0).put_if(BUCKET, &format!("key-{number}"), &[b"content"], content).await.unwrap();
        }
        homes.start(2).await;
        let workers: Vec<_> = (0..3).map(|number| homes.model(number).spawn_sync()).collect();
        env::sleep(Duration::from_secs(60)).await;
        assert_eq!(homes.node(2).digests(), homes.node(0).digests());
        assert_eq!(homes.node(2).digests(), homes.node(1).digests());
        let figures = homes.model(2).sync_figures();
        assert_eq!((figures.arcs_left, figures.failures, figures.complete.len()), (0, 0, 2));
        assert!(figures.rows >= 50);
        drop(workers);
    });
}
