//! The simulated world: the same seed gives the same bytes, and requests can come twice.

use super::support::*;
use net::{Attachment, Class, Net, Outgoing, Request};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Three nodes, all dialling each other, calls of all kinds; a digest of what was written.
fn run(seed: u64) -> (String, Duration) {
    simulated(async {
        let world = World::new(seed);
        let mut nodes = Vec::new();
        for number in 1..=3 {
            nodes.push(world.node(number, true).await);
        }
        for node in &nodes {
            for number in (1..=3).filter(|number| id(*number) != node.net.id()) {
                node.net.add_peer(id(number), &[World::address(number)]).unwrap();
            }
        }
        for node in &nodes {
            for number in (1..=3).filter(|number| id(*number) != node.net.id()) {
                node.wait_connected(id(number)).await;
                node.echo(id(number), "hello").await;
                let attachment = pattern(300_000).into();
                let outgoing = Outgoing { request: &Mirror { as_stream: true }, attachment, limit: LIMIT };
                let answer = node.net.call_with(id(number), outgoing).await.unwrap();
                assert!(answer.attachment.read_all(300_000).await.unwrap() == pattern(300_000));
            }
        }
        world.taps.freeze();
        env::sleep(Duration::from_secs(20)).await;
        world.taps.thaw();
        for node in &nodes {
            for number in (1..=3).filter(|number| id(*number) != node.net.id()) {
                node.wait_connected(id(number)).await;
                node.echo(id(number), "again").await;
            }
        }
        (world.taps.digest(), world.env().clock.mono())
    })
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

/// Is told which bytes came with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tell;

impl Request for Tell {
    type Reply = usize;
    const NAME: &'static str = "test/tell";
    const CLASS: Class = Class::Metadata;
}

/// Takes note of the lengths of what comes.
fn note_lengths(net: &Net) -> Arc<Mutex<Vec<usize>>> {
    let lengths = Arc::<Mutex<Vec<usize>>>::default();
    let noted = Arc::clone(&lengths);
    net.handle::<Tell, _, _>(move |call| {
        let noted = Arc::clone(&noted);
        async move {
            let length = call.attachment.read_all(1 << 20).await.unwrap_or_default().len();
            noted.lock().unwrap().push(length);
            Ok(length.into())
        }
    });
    lengths
}

async fn tell(node: &TestNode, attachment: Attachment) -> usize {
    let outgoing = Outgoing { request: &Tell, attachment, limit: LIMIT };
    node.net.call_with(id(2), outgoing).await.unwrap().reply
}

#[test]
fn a_request_can_be_executed_twice_and_is_answered_once() {
    simulated(async {
        let world = World::new(3);
        let (node, other) = (world.node(1, true).await, world.node(2, true).await);
        node.net.add_peer(id(2), &[World::address(2)]).unwrap();
        node.wait_connected(id(2)).await;
        let lengths = note_lengths(&other.net);
        assert_eq!(tell(&node, pattern(100_000).into()).await, 100_000);
        env::sleep(Duration::from_secs(60)).await;
        assert_eq!(*lengths.lock().unwrap(), [100_000]);
        world.network.repeat_requests(100, Duration::from_secs(30));
        assert_eq!(tell(&node, pattern(70_000).into()).await, 70_000);
        env::sleep(Duration::from_secs(60)).await;
        assert_eq!(*lengths.lock().unwrap(), [100_000, 70_000, 70_000]);
        let chunks = futures_util::stream::iter([Ok(pattern(5))]);
        assert_eq!(tell(&node, Attachment::stream(chunks)).await, 5);
        env::sleep(Duration::from_secs(60)).await;
        assert_eq!(*lengths.lock().unwrap(), [100_000, 70_000, 70_000, 5], "a stream is there once");
    });
}

#[test]
fn a_request_does_not_come_again_from_a_process_that_another_one_follows() {
    simulated(async {
        let world = World::new(4);
        let (node, other) = (world.node(1, true).await, world.node(2, true).await);
        node.net.add_peer(id(2), &[World::address(2)]).unwrap();
        node.wait_connected(id(2)).await;
        let lengths = note_lengths(&other.net);
        world.network.repeat_requests(100, Duration::from_secs(3600));
        for _ in 0..20 {
            assert_eq!(tell(&node, Attachment::empty()).await, 0);
        }
        env::sleep(Duration::from_secs(1)).await;
        let before = lengths.lock().unwrap().len();
        assert!((21..40).contains(&before), "some come late: {before}");
        drop(node);
        env::sleep(Duration::from_secs(1)).await;
        let again = world.node(1, true).await;
        again.net.add_peer(id(2), &[World::address(2)]).unwrap();
        again.wait_connected(id(2)).await;
        env::sleep(Duration::from_secs(4000)).await;
        assert_eq!(lengths.lock().unwrap().len(), before);
    });
}
