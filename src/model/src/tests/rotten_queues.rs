//! Records of the queues that cannot be read any more: they hold up nothing, what they stood for goes in the end, and
//! nothing goes for which they alone spoke.

use super::homes::Homes;
use super::mending::{keys_of, spoil};
use super::support::{Node, run};
use super::sync::{BUCKET, with_bucket};
use crate::reclaim::Work;
use crate::rows::object;
use crate::rows::version::Owner;
use crate::{BodyWriter, Model, ModelError};
use base::PartitionHash;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Space, Txn};

/// What reclaiming is told by.
const QUEUES: [Space; 3] = [Space::Outbox, Space::Tombstone, Space::Pending];
const BLOCK: [u8; 5000] = [7; 5000];
/// Longer than a tombstone stays, with all turns.
const GRACE: Duration = Duration::from_secs(20 * 60);
/// Longer than a body may be on its way.
const DEADLINE: Duration = Duration::from_secs(49 * 3600);

/// Makes every record of the queues one that cannot be read; how many there are in each.
async fn rot(model: &Arc<Model>) -> [usize; 3] {
    let mut counts = [0; 3];
    for (space, count) in QUEUES.into_iter().zip(&mut counts) {
        for key in keys_of(model, space) {
            spoil(model, space, key).await;
            *count += 1;
        }
    }
    counts
}

async fn put_rot(node: &Node, work: Work) {
    let put = move |txn: &mut Txn<'_>| {
        txn.put_bytes(Space::Outbox, work.key(), Bytes::from_static(b"rot"));
        Ok::<_, ModelError>(())
    };
    node.store.commit(Intent::Free, put).await.unwrap();
}

#[test]
fn a_home_alone_lets_go_what_unreadable_records_stood_for() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let mut writer = BodyWriter::new(&node.model, Owner::Object(bucket, "c".into()));
        for piece in [&b"cut"[..], b"off"] {
            writer.push_block(Bytes::copy_from_slice(piece), ()).await.unwrap();
        }
        node.put(bucket, "a", &[&BLOCK, b"overwritten"]).await;
        node.put(bucket, "a", &[&BLOCK, b"deleted"]).await;
        node.delete(bucket, "a").await;
        let name = node.upload(bucket, "b").await;
        node.part(&name, 1, &[&BLOCK, b"of a part"]).await.unwrap();
        node.model.abort_upload(name.clone()).await.unwrap();
        let node = node.restart().await;
        let [outbox, tombstones, pending] = rot(&node.model).await;
        assert!(outbox >= 3 && tombstones >= 1 && pending == 1, "{outbox} {tombstones} {pending}");
        assert_eq!(node.model.settle_interrupted_uploads().await.unwrap(), 1);
        rot(&node.model).await;
        node.expire().await;
        node.assert_only_buckets_left();
        node.assert_usage_is_exact(bucket);
        // It is of the process before: dropped earlier it would tidy up.
        drop(writer);
    });
}

#[test]
fn an_unreadable_record_alone_closes_no_upload_and_takes_no_body() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "a", &[&BLOCK, b"stays"]).await;
        let body = node.find(bucket, "a").unwrap().object.body.id().unwrap();
        let name = node.upload(bucket, "b").await;
        node.part(&name, 1, &[&BLOCK, b"of a part"]).await.unwrap();
        for work in [Work::ReleaseBody(body), Work::CloseUpload(name.id), Work::DropReferences(body, 0)] {
            put_rot(&node, work).await;
        }
        node.expire().await;
        assert_eq!(node.rows(Space::Outbox), 0, "there was nothing to do");
        assert_eq!(node.content(bucket, "a").await.unwrap(), [&BLOCK[..], b"stays"].concat());
        node.complete(&name, node.plan(&name, &[1])).await.unwrap();
        node.expire().await;
        assert_eq!(node.content(bucket, "b").await.unwrap(), [&BLOCK[..], b"of a part"].concat());
    });
}

#[test]
fn several_homes_let_go_what_unreadable_records_stood_for() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "stays", &[&BLOCK, b"and more"]).await;
        let kept = homes.node(0).rows();
        for number in 0..5 {
            homes.node(number % 3).put(BUCKET, &format!("key-{number}"), &[&BLOCK, b"rest"]).await;
        }
        for number in 0..5 {
            homes.node(number % 3).delete(BUCKET, &format!("key-{number}")).await;
        }
        for number in 0..3 {
            let [outbox, tombstones, _] = rot(homes.model(number)).await;
            assert!(outbox > 0 && tombstones > 0, "{outbox} {tombstones}");
        }
        for wait in [GRACE, GRACE, DEADLINE, GRACE, GRACE, GRACE] {
            homes.tidy_up().await;
            homes.pass(wait);
        }
        homes.tidy_up().await;
        for number in 0..3 {
            let left = QUEUES.map(|space| homes.node(number).records(space));
            assert_eq!((left, homes.node(number).rows()), ([0; 3], kept), "home {number}");
        }
        assert!(homes.node(1).content(BUCKET, "stays").await.is_some());
    });
}

#[test]
fn a_tombstone_that_cannot_be_read_keeps_no_other_from_going() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        for key in ["a", "b", "c"] {
            node.put(bucket, key, &[b"small"]).await;
            node.delete(bucket, key).await;
        }
        let damaged = object::row_key(PartitionHash::of_shard(&bucket, 0), "a");
        spoil(&node.model, Space::Object, damaged.clone()).await;
        node.expire().await;
        assert_eq!(keys_of(&node.model, Space::Object), [damaged]);
        assert_eq!(node.rows(Space::Tombstone), 1, "it waits for whoever repairs the row");
    });
}
