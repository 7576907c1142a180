//! The simulated world: the same seed gives the same bytes.

use super::support::*;
use net::Outgoing;
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
