//! Requests at the same time: of those that exclude each other exactly one wins.

use super::homes::Homes;
use super::removals::{keep_versions, listed, put};
use super::support::{Node, tag};
use super::sync::{BUCKET, with_bucket};
use super::{bucket_named, run};
use crate::ModelError;
use crate::objects::{Condition, ObjectMeta, Place};
use crate::rows::version::Owner;
use futures_util::future::join_all;
use std::time::Duration;

/// Longer than any body of an upload may wait for its entry.
const AFTER_DEADLINES: Duration = Duration::from_secs(60 * 3600);

#[test]
fn a_name_claimed_by_many_has_one_winner() {
    run(async {
        let node = Node::new().await;
        let mut keys = Vec::new();
        for name in ["a", "b"] {
            keys.push(node.model.create_key(name.into()).await.unwrap());
        }
        let claims = (0..6).map(|number| {
            let owner = keys[number % 2].clone();
            node.model.create_bucket(Some(bucket_named("photos")), Some(owner))
        });
        let outcomes = join_all(claims).await;
        let winners: Vec<usize> = (0..6).filter(|number| outcomes[*number].is_ok()).collect();
        let [winner] = winners[..] else { panic!("winners: {winners:?}") };
        for (number, outcome) in outcomes.iter().enumerate().filter(|(number, _)| *number != winner) {
            let mine = number % 2 == winner % 2;
            assert!(match outcome {
                Err(ModelError::BucketAlreadyYours) => mine,
                Err(ModelError::BucketNameTaken) => !mine,
                _ => false,
            });
        }
        let names = node.model.names();
        assert_eq!(names.buckets.len(), 1, "a loser leaves no bucket behind");
        assert_eq!(
            names.resolve("photos", None).unwrap().map(|(id, _)| id),
            outcomes[winner].as_ref().ok().copied()
        );
    });
}

#[test]
fn of_many_writers_that_want_an_absent_key_one_wins() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        let contents: Vec<[u8; 4]> = (0..8u32).map(u32::to_be_bytes).collect();
        let puts = contents.iter().map(|content| {
            let node = &node;
            async move { node.put_if(bucket, "a", &[content, b"rest"], Condition::Absent).await }
        });
        let outcomes = join_all(puts).await;
        let winners: Vec<usize> = (0..8).filter(|number| outcomes[*number].is_ok()).collect();
        let [winner] = winners[..] else { panic!("winners: {winners:?}") };
        let won = [&contents[winner][..], b"rest"].concat();
        assert_eq!(node.content(bucket, "a").await, Some(won));
        node.expire().await;
        assert_eq!(node.block_rows(), 2, "the losers' blocks are freed");
        node.assert_usage_is_exact(bucket);
    });
}

#[test]
fn of_many_writers_through_three_homes_one_wins_and_the_others_are_told_so() {
    const ROUNDS: usize = 20;
    const RACERS: usize = 30;
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let mut told_nothing = 0;
        for round in 0..ROUNDS {
            let key = format!("race-{round}");
            let contents: Vec<[u8; 8]> = (0..RACERS).map(usize::to_be_bytes).collect();
            let puts = contents.iter().enumerate().map(|(number, content)| {
                let home = homes.node(number % 3);
                let key = &key;
                async move { home.put_if(BUCKET, key, &[content], Condition::Absent).await }
            });
            let outcomes = join_all(puts).await;
            let winners: Vec<usize> = (0..RACERS).filter(|number| outcomes[*number].is_ok()).collect();
            let [winner] = winners[..] else { panic!("winners: {winners:?}") };
            assert_eq!(homes.node(0).content(BUCKET, &key).await, Some(contents[winner].to_vec()));
            for outcome in outcomes {
                match outcome {
                    Ok(_) | Err(ModelError::ConditionFailed) => {}
                    Err(ModelError::Unavailable) => told_nothing += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        // Whoever was overtaken after one replica had stored its version cannot know.
        assert!(told_nothing <= ROUNDS, "{told_nothing} cannot know what came of their put");
    });
}

#[test]
fn a_chain_of_exchanges_loses_none() {
    run(async {
        let node = Node::new().await;
        let bucket = node.bucket().await;
        node.put(bucket, "counter", &[b""]).await;
        let adders = (0..5).map(|_| async {
            let mut added = 0;
            while added < 4 {
                let found = node.find(bucket, "counter").unwrap();
                let longer = vec![b'x'; found.object.size as usize + 1];
                let condition = Condition::Matches(vec![found.object.etag.to_string()]);
                match node.put_if(bucket, "counter", &[&longer], condition).await {
                    Ok(_) => added += 1,
                    Err(ModelError::ConditionFailed) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        join_all(adders).await;
        assert_eq!(node.content(bucket, "counter").await, Some(vec![b'x'; 20]));
    });
}

#[test]
fn a_put_and_the_deletion_of_its_bucket_exclude_each_other() {
    run(async {
        for put_first in [true, false] {
            let node = Node::new().await;
            let bucket = node.bucket().await;
            let body = node.body(Owner::Object(bucket, "a".into()), &[b"a", b"b"]).await;
            let place = Place { bucket, key: "a".into(), condition: Condition::Always };
            let put = node.model.put_object(place, body, tag(&[b"ab"]), ObjectMeta::default());
            let delete = node.model.delete_bucket(bucket);
            let (put, deleted) = if put_first {
                futures_util::join!(put, delete)
            } else {
                let (deleted, put) = futures_util::join!(delete, put);
                (put, deleted)
            };
            assert_eq!((put.is_ok(), deleted.is_ok()), (put_first, !put_first));
            node.expire().await;
            let kept = if put_first { 2 } else { 0 };
            assert_eq!(node.block_rows(), kept);
        }
    });
}

#[test]
fn a_body_of_blocks_that_was_overtaken_goes_out_again_as_a_new_one() {
    const ROUNDS: usize = 20;
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        let key_of = |round: usize| format!("plain-{round}");
        for round in 0..ROUNDS {
            let puts = (0..3).map(|home| {
                let (homes, key) = (&homes, key_of(round));
                async move {
                    homes.node(home).put_if(BUCKET, &key, &[&[home as u8], b"rest"], Condition::Always).await
                }
            });
            for outcome in join_all(puts).await {
                outcome.unwrap();
            }
        }
        homes.pass(AFTER_DEADLINES);
        homes.tidy_up().await;
        for round in 0..ROUNDS {
            for home in 0..3 {
                let content = homes.node(home).content(BUCKET, &key_of(round)).await;
                assert!(content.is_some_and(|content| content.ends_with(b"rest")), "{round} through {home}");
            }
        }
        for home in 0..3 {
            // Those of one key have their last block in common.
            assert_eq!(homes.node(home).holding_references(), 2 * ROUNDS, "those who lost are gone");
        }
    });
}

#[test]
fn writers_of_one_key_with_versions_through_one_home_take_turns() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        keep_versions(homes.model(0), BUCKET).await;
        homes.slow_down(Duration::from_millis(100));
        let contents: Vec<[u8; 4]> = (0..24u32).map(u32::to_be_bytes).collect();
        let writers = contents.iter().map(|content| put(homes.model(0), BUCKET, content, None));
        let mut made = join_all(writers).await;
        made.sort_unstable();
        let mut seen = listed(homes.model(1), BUCKET).await;
        seen.sort_unstable();
        assert_eq!(seen, made);
        assert_eq!(homes.model(0).keys_in_turn(), 0, "who is done leaves the queue");
    });
}
