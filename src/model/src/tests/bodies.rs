//! Bodies on their way in and out: writers that are cut off, and readers of what was overwritten.

use super::homes::Homes;
use super::support::{Node, tag};
use super::sync::{BUCKET, with_bucket};
use super::{key_of, run};
use crate::objects::{Condition, ObjectMeta, Place, Want};
use crate::rows::version::Owner;
use crate::{BodyWriter, ByteRange, ModelError, SENDING_MAX_BLOCKS};
use bytes::Bytes;
use std::time::Duration;
use store::Space;

const PIECES: &[&[u8]] = &[b"one", b"two", b"three", b"four", b"five", b"six"];

#[test]
fn a_writer_dropped_anywhere_frees_its_blocks() {
    run(async {
        for pushed in 0..PIECES.len() {
            let node = Node::new().await;
            let bucket = node.bucket().await;
            let mut writer = BodyWriter::new(&node.model, Owner::Object(bucket, "a".into()));
            for piece in &PIECES[..pushed] {
                writer.push_block(Bytes::copy_from_slice(piece), ()).await.unwrap();
            }
            drop(writer);
            node.settle().await;
            assert_eq!(node.rows(Space::Pending), 0);
            node.expire().await;
            node.assert_only_buckets_left();
        }
    });
}

#[test]
fn a_writer_cancelled_while_it_pushes_frees_its_blocks() {
    run(async {
        // Polling a push only so often cuts it off at each of its waits.
        for polls in 0..60 {
            let node = Node::new().await;
            let bucket = node.bucket().await;
            let model = node.model.clone();
            let upload = async move {
                let mut writer = BodyWriter::new(&model, Owner::Object(bucket, "a".into()));
                for piece in PIECES {
                    writer.push_block(Bytes::copy_from_slice(piece), ()).await.unwrap();
                }
                let body = writer.finish(Bytes::from_static(b"rest")).await.unwrap();
                let place = Place { bucket, key: "a".into(), condition: Condition::Always };
                model.put_object(place, body, tag(PIECES), ObjectMeta::default()).await.unwrap();
            };
            let mut upload = Box::pin(upload);
            for _ in 0..polls {
                if futures_util::poll!(&mut upload).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(upload);
            node.expire().await;
            assert_eq!(node.rows(Space::Pending), 0);
            // It may have been answered, or got through without an answer; both are whole.
            if let Some(content) = node.content(bucket, "a").await {
                assert_eq!(content, [&PIECES.concat()[..], b"rest"].concat());
                node.delete(bucket, "a").await;
                node.expire().await;
            }
            node.assert_only_buckets_left();
            node.assert_usage_is_exact(bucket);
        }
    });
}

#[test]
fn a_finished_body_that_nobody_names_frees_its_blocks() {
    run(async {
        let cases: [&[&[u8]]; 3] = [PIECES, &[b"inline"], &[&[7; crate::INLINE_MAX_BYTES + 1]]];
        for pieces in cases {
            let node = Node::new().await;
            let bucket = node.bucket().await;
            drop(node.body(Owner::Object(bucket, "a".into()), pieces).await);
            let refused = node.put_if(bucket, "a", pieces, Condition::Present).await;
            assert!(matches!(refused, Err(ModelError::ConditionOnMissing)));
            node.expire().await;
            node.assert_only_buckets_left();
        }
    });
}

#[test]
fn what_a_power_cut_interrupted_is_settled_at_the_next_start() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "kept", PIECES).await;
        let mut writer = BodyWriter::new(&node.model, Owner::Object(bucket, "a".into()));
        for piece in [&b"only"[..], b"here"] {
            writer.push_block(Bytes::copy_from_slice(piece), ()).await.unwrap();
        }
        let name = node.upload(bucket, "b").await;
        let part = node.body(Owner::Part(name.id, 1), &[b"only", b"in the part"]).await;
        let overwritten = node.find(bucket, "kept").unwrap().object.body.id();
        node.put(bucket, "kept", &[b"new", b"content"]).await;
        assert_eq!(node.rows(Space::Outbox), 1, "{overwritten:?} waits to be released");
        let node = node.restart().await;
        drop((writer, part));
        assert_eq!(node.rows(Space::Pending), 2);
        assert_eq!(node.model.settle_interrupted_uploads().await.unwrap(), 2);
        assert_eq!(node.model.settle_interrupted_uploads().await.unwrap(), 0);
        node.expire().await;
        assert_eq!(node.content(bucket, "kept").await, Some(b"newcontent".to_vec()));
        assert_eq!(node.block_rows(), 2, "the queue of work outlives the power cut");
        node.assert_usage_is_exact(bucket);
        node.delete(bucket, "kept").await;
        node.model.abort_upload(name).await.unwrap();
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

/// Reads bodies whose entries go when they were found, or, if `begun`, when their first bytes are
/// read already.
fn read_what_goes(begun: bool) {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        // More blocks than an entry lists, so that rows are read while the body is sent.
        let blocks: Vec<[u8; 4]> = (0..100u32).map(u32::to_be_bytes).collect();
        let blocks: Vec<&[u8]> = blocks.iter().map(|block| &block[..]).collect();
        node.put(bucket, "rows", &blocks).await;
        node.put(bucket, "blocks", PIECES).await;
        let name = node.upload(bucket, "composite").await;
        for number in 1..=70 {
            node.part(&name, number, &[&number.to_be_bytes(), b"rest"]).await.unwrap();
        }
        let numbers: Vec<u16> = (1..=70).collect();
        node.complete(&name, node.plan(&name, &numbers)).await.unwrap();
        let parts: Vec<u8> =
            numbers.iter().flat_map(|number| [&number.to_be_bytes()[..], b"rest"].concat()).collect();
        for (key, whole) in [("rows", blocks.concat()), ("blocks", PIECES.concat()), ("composite", parts)] {
            let found = node.find(bucket, key).unwrap();
            let range = ByteRange { start: 0, end: whole.len() as u64 };
            let mut reader = begun.then(|| found.read(&node.model, range));
            let mut content = Vec::new();
            if let Some(reader) = &mut reader {
                content.extend(reader.next().await.unwrap().unwrap());
            }
            node.delete(bucket, key).await;
            // Work on bodies that are read stays in the queue, so this does not settle.
            for _ in 0..4 {
                node.world.clock.jump(11 * 60 * 1000);
                node.model.reclaim_step().await.unwrap();
                node.blocks.run_due(node.model.env().clock.wall()).await.unwrap();
            }
            let mut reader = reader.unwrap_or_else(|| found.read(&node.model, range));
            while let Some(bytes) = reader.next().await.unwrap() {
                content.extend(bytes);
            }
            assert_eq!(content, whole, "{key}");
            drop((reader, found));
            node.expire().await;
            assert!(node.find(bucket, key).is_none());
        }
        node.assert_only_buckets_left();
    });
}

#[test]
fn a_reader_of_an_overwritten_body_can_finish() {
    read_what_goes(true);
}

#[test]
fn what_was_found_can_be_read_although_it_has_gone_since() {
    read_what_goes(false);
}

#[test]
fn what_is_read_through_one_home_is_not_let_go_by_another() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "film", PIECES).await;
        homes.node(0).put(BUCKET, "unread", &[b"unread", b"film"]).await;
        let references = |piece: &[u8]| {
            let hash = base::BlockHash::of(piece);
            let count = |number: usize| homes.model(number).blocks().reference_count(&hash).unwrap();
            (0..3).map(count).sum::<u64>()
        };
        let found = homes.model(1).find(BUCKET, "film", Want::Content).await.unwrap().unwrap();
        let mut reader = found.read(homes.model(1), ByteRange { start: 0, end: found.object.size });
        assert_eq!(reader.next().await.unwrap().unwrap(), PIECES[0]);
        homes.node(0).delete(BUCKET, "film").await;
        homes.node(2).delete(BUCKET, "unread").await;
        for _ in 0..3 {
            homes.pass(Duration::from_secs(3600));
            homes.tidy_up().await;
        }
        assert_eq!(references(b"unread"), 0);
        assert_eq!(references(PIECES[5]), 3);
        for piece in &PIECES[1..] {
            assert_eq!(reader.next().await.unwrap().unwrap(), *piece);
        }
        drop((reader, found));
        for _ in 0..3 {
            homes.pass(Duration::from_secs(3600));
            homes.tidy_up().await;
        }
        assert_eq!(PIECES.iter().map(|piece| references(piece)).sum::<u64>(), 0);
    });
}

/// Files of blocks go with the last reference to them, so what matters on a link with a long way is how many of those a
/// home lets go in a second, and that bodies which lose meanwhile do not come first.
#[test]
fn over_a_long_way_references_go_by_the_hundred_whatever_loses_meanwhile() {
    const BODIES: usize = 400;
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        for number in 0..BODIES {
            let blocks: Vec<[u8; 8]> = (0..4).map(|block| (number * 4 + block).to_be_bytes()).collect();
            let pieces: Vec<&[u8]> = blocks.iter().map(<[u8; 8]>::as_slice).collect();
            homes.node(0).put(BUCKET, &key_of(number), &pieces).await;
        }
        for number in 0..BODIES {
            homes.node(0).delete(BUCKET, &key_of(number)).await;
        }
        assert_eq!(homes.node(0).holding_references(), BODIES * 4);
        homes.pass(Duration::from_secs(3600));
        homes.slow_down(Duration::from_millis(50));
        let began = tokio::time::Instant::now();
        let mut half = None;
        while homes.node(0).holding_references() > 0 {
            assert!(
                began.elapsed() < Duration::from_secs(900),
                "{} are left",
                homes.node(0).holding_references()
            );
            if !homes.model(0).reclaim_step().await.unwrap().more {
                // Its turn has come.
                homes.pass(Duration::from_secs(90));
            }
            if homes.node(0).holding_references() <= BODIES * 2 {
                half.get_or_insert(homes.node(0).records(Space::Outbox));
            }
        }
        let took = began.elapsed();
        let per_second = (BODIES * 4) as f64 / took.as_secs_f64();
        println!("{per_second:.1} references and {:.1} bodies per second", per_second / 4.0);
        assert!(per_second > 100.0, "{per_second:.1} references per second");
        assert!(half > Some(BODIES / 4), "{half:?}: all bodies came before their references");
    });
}

#[test]
fn a_home_that_is_filled_again_keeps_the_files_that_it_is_about_to_need() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "film", PIECES).await;
        let (model, hash) = (homes.model(2), base::BlockHash::of(PIECES[0]));
        let files = || async { model.blocks().get(&hash).await.is_ok() };
        let drop_all = |blocks: block::BlockStore| {
            move |txn: &mut store::Txn<'_>| {
                PIECES.iter().try_for_each(|piece| blocks.drop_reference(txn, &base::BlockHash::of(piece)))
            }
        };
        // It does not answer for what it is to hold; what it held before is dropped.
        model.peers().set_taking_part(cluster::layout::ArcSet::EMPTY);
        model.store().commit(store::Intent::Free, drop_all(model.blocks().clone())).await.unwrap();
        for _ in 0..3 {
            homes.pass(Duration::from_secs(3600));
            model.blocks().run_due(model.env().clock.wall()).await.unwrap();
        }
        assert!(files().await);
        model.peers().set_taking_part(cluster::layout::ArcSet::ALL);
        homes.pass(Duration::from_secs(3600));
        model.blocks().run_due(model.env().clock.wall()).await.unwrap();
        assert!(!files().await, "nothing calls for it any more");
    });
}

#[test]
fn an_owner_that_does_not_answer_may_read_what_is_free_for_a_while() {
    run(async {
        let mut homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "film", PIECES).await;
        homes.stop(2).await;
        homes.node(0).delete(BUCKET, "film").await;
        // Every home has its turn, and finds the body free.
        homes.pass(Duration::from_secs(3600));
        homes.tidy_up().await;
        assert_eq!(homes.node(0).holding_references(), PIECES.len());
        homes.pass(Duration::from_secs(11 * 60));
        homes.tidy_up().await;
        homes.pass(Duration::from_secs(11 * 60));
        homes.tidy_up().await;
        assert_eq!(homes.node(0).holding_references(), 0, "a home that is off keeps nothing for ever");
    });
}

#[test]
fn a_copy_holds_few_blocks_in_one_message_to_other_homes() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let blocks: Vec<[u8; 8]> = (0..200usize).map(usize::to_be_bytes).collect();
        let pieces: Vec<&[u8]> = blocks.iter().map(<[u8; 8]>::as_slice).collect();
        homes.node(0).put(BUCKET, "film", &pieces).await;
        let found = homes.model(1).find(BUCKET, "film", Want::Content).await.unwrap().unwrap();
        let body = found.object.body.id().unwrap();
        assert_eq!(homes.model(1).holds_of_messages(body).await, [64, 64, 64, 8]);
    });
}

#[test]
fn slow_readers_hold_up_nobody_elses_space() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let mut readers = Vec::new();
        for number in 0..200 {
            let pieces: [&[u8]; 2] = [&u32::to_be_bytes(number), b"rest"];
            node.put(bucket, &key_of(number as usize), &pieces).await;
            let found = node.find(bucket, &key_of(number as usize)).unwrap();
            readers.push(found.read(&node.model, ByteRange { start: 0, end: found.object.size }));
            node.delete(bucket, &key_of(number as usize)).await;
        }
        node.put(bucket, "unread", &[b"unread", b"content"]).await;
        node.delete(bucket, "unread").await;
        let mut steps = 0;
        while node.model.reclaim_step().await.unwrap().more {
            steps += 1;
            assert!(steps < 10, "waiting for readers is not work that can be done now");
        }
        assert_eq!(node.rows(Space::Outbox), 200, "all but the unread body wait");
        drop(readers);
        node.expire().await;
        node.assert_only_buckets_left();
    });
}

#[test]
fn all_readers_share_one_memory_and_wait_for_it_before_they_read() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "blocks", PIECES).await;
        node.put(bucket, "small", &[b"beside its row"]).await;
        let found = node.find(bucket, "blocks").unwrap();
        let range = ByteRange { start: 0, end: found.object.size };
        let soon = Duration::from_secs(1);
        let mut slow = Vec::new();
        let waiting = loop {
            let mut reader = found.read(&node.model, range);
            match env::timeout(soon, reader.next()).await {
                Some(bytes) => slow.push((reader, bytes.unwrap().unwrap())),
                None => break reader,
            }
            assert!(slow.len() <= SENDING_MAX_BLOCKS);
        };
        assert_eq!(node.model.memory.free_blocks(), 0);
        assert!(slow.len() > SENDING_MAX_BLOCKS / 2, "reading ahead takes the smaller part: {}", slow.len());
        drop(waiting);
        assert_eq!(node.content(bucket, "small").await, Some(b"beside its row".to_vec()));
        // What is sent makes room, whether or not its reader goes on.
        let mut reader = found.read(&node.model, range);
        let (stopped, sent) = slow.pop().unwrap();
        drop(sent);
        let first = env::timeout(soon, reader.next()).await.expect("there is room now");
        assert_eq!(first.unwrap().as_deref(), Some(PIECES[0]));
        drop((reader, stopped, slow));
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.model.memory.free_blocks(), SENDING_MAX_BLOCKS);
        assert_eq!(node.content(bucket, "blocks").await, Some(PIECES.concat()));
    });
}
