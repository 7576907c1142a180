//! Peers that restart, fall silent, flap, and are removed.

use super::support::*;
use net::{CallError, Connection, NoAnswer, limits};
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn a_peer_that_restarts_is_found_again() {
    real(async {
        let home = TestNode::real(1, true).await;
        let address = home.address();
        let away = TestNode::real(2, false).await;
        away.net.connect(address, None).await.unwrap();
        for round in 0..3 {
            let home = if round == 0 {
                TestNode { net: home.net.clone(), hanging: home.hanging.clone() }
            } else {
                TestNode::start(env::real::env(), options(1, &[address])).await
            };
            away.wait_connected(id(1)).await;
            home.wait_connected(id(2)).await;
            away.echo(id(1), "there").await;
            home.echo(id(2), "and back").await;
            let hanging = away.net.call(id(1), &Hang, LIMIT);
            let stop = async {
                eventually("it runs", || home.hanging.load(Ordering::SeqCst) == 1).await;
                home.net.stop();
            };
            let (hanging, ()) = futures_util::future::join(hanging, stop).await;
            let cause = NoAnswer::LinkLost;
            assert_eq!(hanging, Err(CallError::Unknown { node: id(1), cause }));
            eventually("it is noticed", || !away.net.is_connected(id(1))).await;
            let refused = away.net.call(id(1), &Hang, LIMIT).await;
            assert_eq!(refused, Err(CallError::NotConnected(id(1))));
        }
    });
}

#[test]
fn a_peer_that_falls_silent_is_noticed_within_seconds_and_found_again() {
    simulated(async {
        let world = World::new(11);
        let (home, away) = (world.node(1, true).await, world.node(2, false).await);
        away.net.connect(World::address(1), None).await.unwrap();
        home.wait_connected(id(2)).await;
        env::sleep(Duration::from_secs(60)).await;
        assert!(away.net.is_connected(id(1)), "an idle link stays");
        let env = world.env();
        let start = env.clock.mono();
        world.taps.freeze();
        let hanging = away.net.call(id(1), &Echo("lost".to_owned()), LIMIT).await;
        let cause = NoAnswer::LinkLost;
        assert_eq!(hanging, Err(CallError::Unknown { node: id(1), cause }));
        let took = env.clock.mono() - start;
        assert!(took < Duration::from_secs(6), "noticed after {took:?}");
        eventually("both notice", || !home.net.is_connected(id(2)) && !away.net.is_connected(id(1))).await;
        env::sleep(Duration::from_secs(600)).await;
        let status = away.net.peer(id(1)).unwrap();
        assert_eq!(status.connection, Connection::None);
        assert!(status.last_error.is_some() && status.last_seen.is_some());
        world.taps.thaw();
        let start = env.clock.mono();
        away.wait_connected(id(1)).await;
        // The pause is capped; an attempt that hung in the frozen network has its own limit.
        let longest = limits::BACKOFF_MAX + limits::HANDSHAKE_LIMIT + Duration::from_secs(1);
        assert!(env.clock.mono() - start < longest);
        home.wait_connected(id(2)).await;
        away.echo(id(1), "again").await;
        home.echo(id(2), "again").await;
    });
}

#[test]
fn an_address_where_nobody_is_is_tried_again_with_growing_pauses() {
    simulated(async {
        let world = World::new(12);
        let away = world.node(2, false).await;
        away.net.add_peer(id(1), &[World::address(9), World::address(1)]).unwrap();
        env::sleep(Duration::from_secs(3600)).await;
        assert_eq!(away.net.peer(id(1)).unwrap().connection, Connection::None);
        let home = world.node(1, true).await;
        let env = world.env();
        let start = env.clock.mono();
        away.wait_connected(id(1)).await;
        assert!(env.clock.mono() - start <= limits::BACKOFF_MAX + Duration::from_secs(1));
        home.wait_connected(id(2)).await;
    });
}

#[test]
fn nothing_grows_while_peers_come_and_go() {
    simulated(async {
        let world = World::new(13);
        let home = world.node(1, true).await;
        let mut counts = Vec::new();
        for round in 0..40 {
            let away = world.node(2, false).await;
            away.net.connect(World::address(1), None).await.unwrap();
            home.wait_connected(id(2)).await;
            home.echo(id(2), "x").await;
            let _ = home.net.call(id(2), &Hang, Duration::from_millis(10)).await;
            // Some leave in silence, some say goodbye.
            if round % 2 == 0 {
                away.net.stop();
            }
            drop(away);
            eventually("it is noticed", || !home.net.is_connected(id(2))).await;
            env::sleep(Duration::from_secs(10)).await;
            counts.push((home.net.task_count(), home.net.peers().len()));
        }
        assert_eq!(counts[0], counts[39], "{counts:?}");
    });
}

#[test]
fn a_removed_peer_is_gone_until_it_dials() {
    simulated(async {
        let world = World::new(14);
        let (home, away) = (world.node(1, true).await, world.node(2, true).await);
        home.net.connect(World::address(2), None).await.unwrap();
        away.wait_connected(id(1)).await;
        home.net.remove_peer(id(2));
        assert!(home.net.peer(id(2)).is_none());
        env::sleep(Duration::from_secs(60)).await;
        assert!(home.net.peers().is_empty());
        away.net.connect(World::address(1), None).await.unwrap();
        home.wait_connected(id(2)).await;
    });
}

#[test]
fn invented_peers_are_bounded() {
    simulated(async {
        let world = World::new(15);
        let node = world.node(1, true).await;
        let mut refused = 0;
        for number in 0..limits::PEERS_MAX + 100 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let invented = base::NodeId::from_bytes(bytes);
            let address = std::net::SocketAddr::from(([10, 0, 0, 1], 1));
            refused += usize::from(node.net.add_peer(invented, &[address]).is_err());
        }
        assert_eq!(refused, 100);
        assert_eq!(node.net.peers().len(), limits::PEERS_MAX);
    });
}
