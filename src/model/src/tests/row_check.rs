//! The look at all rows: damaged ones and digests are found and put right without any read, progress is kept, and
//! references without a body go when that is certain.

use super::homes::{Homes, id};
use super::mending::{agree, assert_counts, keys_of, spoil};
use super::run;
use super::sync::{BUCKET, with_bucket};
use crate::batch::Write;
use crate::check::{CheckProgress, PROGRESS_KEY, Worker};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::version::{Contents, Owner, VersionRow};
use crate::{Model, tables};
use base::id::kind;
use base::{BlockHash, Id, WallTime};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Read, Space, StoreError, Txn};

const BLOCK: [u8; 5000] = [3; 5000];
const TABLES: [Space; 4] = [Space::Object, Space::Inline, Space::Version, Space::BlockRef];
/// Longer than anybody takes something for a body.
const BEYOND_DEADLINES: Duration = Duration::from_secs(49 * 3600);

async fn filled() -> Homes {
    let homes = Homes::new(3, 3).await;
    with_bucket(&homes).await;
    for number in 0..20 {
        homes.node(0).put(BUCKET, &format!("small-{number}"), &[b"inline"]).await;
    }
    homes.node(0).put(BUCKET, "big", &[&BLOCK, b"end"]).await;
    agree(&homes).await;
    homes
}

#[test]
fn damaged_rows_are_found_and_mended_before_anybody_reads_them() {
    run(async {
        let homes = filled().await;
        let model = homes.model(1);
        let mut spoiled = 0;
        for space in TABLES {
            for key in keys_of(model, space).into_iter().step_by(3) {
                spoil(model, space, key).await;
                spoiled += 1;
            }
        }
        spoil(model, Space::Bucket, BUCKET.as_bytes().to_vec()).await;
        let mut worker = Worker::open(model).unwrap();
        worker.pass().await;
        let figures = model.row_check_figures();
        assert_eq!((figures.damaged, figures.running), (spoiled + 1, false), "{figures:?}");
        assert_eq!(figures.chunks, 0, "what is damaged says nothing of its digest");
        assert!(figures.rows > 40 && figures.ended.is_some(), "{figures:?}");
        while !model.mend_all().await {}
        assert_eq!(model.damaged_rows().0, 0);
        assert_counts(&homes, 1);
        agree(&homes).await;
        worker.pass().await;
        assert_eq!(model.row_check_figures().damaged, 0);
        assert!(model.names().bucket(BUCKET).is_ok());
    });
}

#[test]
fn a_digest_that_does_not_fit_its_rows_is_made_again() {
    run(async {
        let homes = filled().await;
        let model = homes.model(1);
        // A row that went without its digest, and a digest that went.
        let (row, chunk) =
            (keys_of(model, Space::Object).remove(0), keys_of(model, Space::Chunk).pop().unwrap());
        let lose = move |txn: &mut Txn<'_>| {
            txn.delete(Space::Object, row);
            txn.delete(Space::Chunk, chunk);
            Ok::<_, StoreError>(())
        };
        model.store().commit(Intent::Free, lose).await.unwrap();
        assert_eq!(model.recount_digests().unwrap().len(), 2);
        let mut worker = Worker::open(model).unwrap();
        worker.pass().await;
        assert_eq!(model.row_check_figures().chunks, 2);
        assert_eq!(model.recount_digests().unwrap(), Vec::<String>::new());
        // The row that is not there shows in the comparison with others, as any other that was missed.
        agree(&homes).await;
        worker.pass().await;
        assert_eq!(model.row_check_figures().chunks, 0);
    });
}

#[test]
fn a_pass_goes_on_after_a_restart_and_the_next_one_begins_when_it_is_due() {
    run(async {
        let mut homes = filled().await;
        let mut worker = Worker::open(homes.model(1)).unwrap();
        worker.some_steps(20).await;
        let rows = homes.model(1).row_check_figures().rows;
        drop(worker);
        homes.stop(1).await;
        homes.start(1).await;
        let model = Arc::clone(homes.model(1));
        let saved = |model: &Model| -> CheckProgress {
            model.store().view().unwrap().get(Space::Setting, PROGRESS_KEY).unwrap().unwrap()
        };
        assert_eq!(saved(&model).rows, rows);
        let place = (saved(&model).space, saved(&model).from);
        assert!(place.0 != Space::Object.number() || !place.1.is_empty());
        let task = model.spawn_row_check();
        model.start_row_check();
        env::sleep(Duration::from_secs(600)).await;
        let first = model.row_check_figures();
        assert!(!first.running && first.rows >= rows && first.ended.is_some(), "{first:?}");
        let began = saved(&model).last;
        env::sleep(Duration::from_secs(3600)).await;
        assert_eq!(saved(&model).last, began, "it rests");
        homes.pass(Duration::from_secs(7 * 24 * 3600));
        env::sleep(Duration::from_secs(3600)).await;
        assert!(saved(&model).last > began && !model.row_check_figures().running);
        drop(task);
    });
}

/// A reference without a body, as an upload leaves it of which only the nodes of a block heard.
async fn hold(homes: &Homes, body: Id<kind::Body>) -> (Vec<u8>, BlockHash) {
    let hash = BlockHash::of(&BLOCK);
    let (target, referrer) = (Target::Block(hash), Referrer::Body(body));
    for number in 0..3 {
        let write = move |txn: &mut Txn<'_>, model: &Model| {
            let tables = tables::Tables::new(&model.blocks, tables::Upkeep::Everywhere);
            let key = reference::row_key(target, referrer);
            table::apply(&tables.references, txn, key, &ReferenceRow { removed: false }, None).map(drop)
        };
        let model = Arc::clone(homes.model(number));
        let inner = Arc::clone(&model);
        model.store().commit(Intent::Free, move |txn| write(txn, &inner)).await.unwrap();
    }
    (reference::row_key(target, referrer), hash)
}

fn is_held(homes: &Homes, number: usize, key: &[u8]) -> bool {
    let view = homes.model(number).store().view().unwrap();
    view.get::<ReferenceRow>(Space::BlockRef, key).unwrap().is_some_and(|row| !row.removed)
}

#[test]
fn a_reference_whose_body_is_nowhere_goes_when_nobody_takes_anything_for_it_any_more() {
    run(async {
        let mut homes = filled().await;
        let body = Id::from_bytes([9; 32]);
        let (key, hash) = hold(&homes, body).await;
        assert_eq!(homes.model(0).blocks().reference_count(&hash).unwrap(), 2);
        let mut worker = Worker::open(homes.model(0)).unwrap();
        worker.pass().await;
        assert!(is_held(&homes, 0, &key), "its body may be on its way");
        homes.pass(Duration::from_secs(47 * 3600));
        worker.pass().await;
        assert!(is_held(&homes, 0, &key));
        homes.pass(BEYOND_DEADLINES);
        homes.stop(2).await;
        worker.pass().await;
        assert!(is_held(&homes, 0, &key), "one that is away may have its row");
        homes.start(2).await;
        worker.pass().await;
        assert_eq!(homes.model(0).row_check_figures().references, 1);
        env::sleep(Duration::from_secs(2)).await;
        for number in 0..3 {
            assert!(!is_held(&homes, number, &key), "home {number}");
            assert_eq!(homes.model(number).blocks().reference_count(&hash).unwrap(), 1);
        }
        assert_eq!(homes.node(1).content(BUCKET, "big").await.unwrap(), [&BLOCK[..], b"end"].concat());
        worker.pass().await;
        assert_eq!(homes.model(0).row_check_figures().references, 0);
    });
}

#[test]
fn a_reference_whose_body_has_a_row_on_any_replica_stays() {
    run(async {
        let homes = filled().await;
        let body = Id::from_bytes([9; 32]);
        let (key, _) = hold(&homes, body).await;
        // Not where it is looked first.
        let row = VersionRow {
            owner: Owner::Object(BUCKET, "key".to_owned()),
            deadline: WallTime(1),
            dead: false,
            contents: Contents::Blocks(Vec::new()),
        };
        let model = Arc::clone(homes.model(2));
        let inner = Arc::clone(&model);
        let write = move |txn: &mut Txn<'_>| {
            crate::NodeBatch::new(vec![Write::Version { body, number: 3, row }]).apply(&inner.blocks, txn)
        };
        model.store().commit(Intent::Free, write).await.unwrap();
        let mut worker = Worker::open(homes.model(0)).unwrap();
        for _ in 0..3 {
            worker.pass().await;
            homes.pass(BEYOND_DEADLINES);
        }
        assert!(is_held(&homes, 0, &key));
        assert_eq!(homes.model(0).row_check_figures().references, 0);
        // Even where it cannot be read.
        spoil(homes.model(2), Space::Version, crate::rows::version::row_key(&body, 3)).await;
        worker.pass().await;
        assert!(is_held(&homes, 0, &key));
    });
}

#[test]
fn a_node_that_keeps_no_body_asks_one_that_does() {
    run(async {
        let homes = Homes::new(4, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "big", &[&BLOCK, b"end"]).await;
        env::sleep(Duration::from_secs(2)).await;
        // The fourth home has the references and keeps no arc.
        let rows: Vec<_> = keys_of(homes.model(0), Space::BlockRef);
        assert!(!rows.is_empty());
        let copy = rows.clone();
        let put = move |txn: &mut Txn<'_>| {
            for key in copy {
                txn.put(Space::BlockRef, key, &ReferenceRow { removed: false });
            }
            Ok::<_, StoreError>(())
        };
        homes.model(3).store().commit(Intent::Free, put).await.unwrap();
        let mut worker = Worker::open(homes.model(3)).unwrap();
        for _ in 0..2 {
            worker.pass().await;
            homes.pass(BEYOND_DEADLINES);
        }
        assert_eq!(homes.model(3).row_check_figures().references, 0);
        let progress: CheckProgress =
            homes.model(3).store().view().unwrap().get(Space::Setting, PROGRESS_KEY).unwrap().unwrap();
        assert_eq!(progress.doubted_before, Vec::new(), "all bodies are known where they are kept");
        assert!(homes.model(3).peers().is_up(id(0)));
    });
}
