//! Two nodes that nobody can dial, and a third that both can reach.

use super::support::*;
use net::{CallError, Connection, Outgoing};
use std::time::Duration;

/// A middle that both ends dial, and two ends that know each other's id only.
async fn triangle(real_world: bool, world: &World) -> (TestNode, TestNode, TestNode) {
    let (middle, left, right) = if real_world {
        (TestNode::real(1, true).await, TestNode::real(2, false).await, TestNode::real(3, false).await)
    } else {
        (world.node(1, true).await, world.node(2, false).await, world.node(3, false).await)
    };
    left.net.connect(middle.address(), None).await.unwrap();
    right.net.connect(middle.address(), None).await.unwrap();
    middle.wait_connected(id(2)).await;
    middle.wait_connected(id(3)).await;
    left.net.add_peer(id(3), &[]).unwrap();
    left.wait_connected(id(3)).await;
    right.wait_connected(id(2)).await;
    (middle, left, right)
}

#[test]
fn two_nodes_talk_through_a_common_one_with_keys_of_their_own() {
    real(async {
        let (middle, left, right) = triangle(true, &World::new(0)).await;
        assert_eq!(left.net.peer(id(3)).unwrap().connection, Connection::Relayed(id(1)));
        // The handler sees who asks by the key inside, not by the node in the middle.
        left.echo(id(3), "there").await;
        right.echo(id(2), "and back").await;
        let attachment = pattern_stream(100, 100_000);
        let outgoing = Outgoing { request: &Mirror { as_stream: true }, attachment, limit: LIMIT };
        let mut answer = left.net.call_with(id(3), outgoing).await.unwrap();
        let mut received_bytes = 0;
        while let Some(chunk) = answer.attachment.next().await {
            received_bytes += chunk.unwrap().len();
        }
        assert_eq!(received_bytes, 10_000_000);
        middle.net.stop();
        eventually("without the middle they are apart", || {
            !left.net.is_connected(id(3)) && !right.net.is_connected(id(2))
        })
        .await;
        let apart = left.net.call(id(3), &Hang, LIMIT).await;
        assert_eq!(apart, Err(CallError::NotConnected(id(3))));
    });
}

#[test]
fn a_direct_way_takes_over_when_there_is_one() {
    simulated(async {
        let world = World::new(21);
        let (middle, left, right) = triangle(false, &world).await;
        assert_eq!(left.net.peer(id(3)).unwrap().connection, Connection::Relayed(id(1)));
        left.echo(id(3), "relayed").await;
        right.net.stop();
        let right = world.node(3, true).await;
        left.net.add_peer(id(3), &[World::address(3)]).unwrap();
        let is_direct = || left.net.peer(id(3)).unwrap().connection == Connection::Direct;
        for _ in 0..120 {
            env::sleep(Duration::from_secs(1)).await;
            if is_direct() {
                break;
            }
        }
        assert!(is_direct());
        left.echo(id(3), "direct").await;
        right.wait_connected(id(2)).await;
        drop(middle);
        env::sleep(Duration::from_secs(20)).await;
        left.echo(id(3), "without the middle").await;
        right.echo(id(2), "and back").await;
    });
}
