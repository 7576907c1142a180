//! Who may come in, and what it costs to let somebody try.

use super::support::*;
use net::{ConnectError, Options, Versions, limits};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_wrong_secret_gets_nothing_on_either_side() {
    real(async {
        let home = TestNode::real(1, true).await;
        let other = Options { secret: [43; 32], ..options(2, &[ANY_PORT]) };
        let other = TestNode::start(env::real::env(), other).await;
        let dialled = other.net.connect(home.address(), None).await;
        assert_eq!(dialled, Err(ConnectError::WrongSecret));
        let dialled = home.net.connect(other.address(), None).await;
        assert_eq!(dialled, Err(ConnectError::WrongSecret));
        assert!(home.net.peers().is_empty() && other.net.peers().is_empty());
    });
}

#[test]
fn another_node_than_the_expected_one_is_an_error_and_learns_nothing() {
    real(async {
        let (home, away) = (TestNode::real(1, true).await, TestNode::real(2, false).await);
        let dialled = away.net.connect(home.address(), Some(id(3))).await;
        assert_eq!(dialled, Err(ConnectError::WrongNode { expected: id(3), found: id(1) }));
        assert!(home.net.peers().is_empty());
        assert_eq!(home.net.connect(home.address(), None).await, Err(ConnectError::Myself));
        assert_eq!(home.net.add_peer(id(1), &[]), Err(ConnectError::Myself));
    });
}

#[test]
fn version_ranges_that_overlap_meet_and_others_are_told() {
    real(async {
        let speaks = |number, min, max| {
            let versions = Versions { min, max, feature: max };
            TestNode::start(env::real::env(), Options { versions, ..options(number, &[ANY_PORT]) })
        };
        let (old, middle, new) = (speaks(1, 1, 2).await, speaks(2, 2, 5).await, speaks(3, 4, 6).await);
        let level = |node: &TestNode, other| node.net.peer(id(other)).unwrap().level.unwrap();
        middle.net.connect(old.address(), None).await.unwrap();
        assert_eq!((level(&middle, 1).protocol, level(&middle, 1).feature), (2, 2));
        middle.echo(id(1), "older").await;
        new.net.connect(middle.address(), None).await.unwrap();
        assert_eq!(level(&new, 2).protocol, 5);
        new.echo(id(2), "newer").await;
        let too_far = new.net.connect(old.address(), None).await;
        assert!(matches!(too_far, Err(ConnectError::NoCommonVersion { .. })), "{too_far:?}");
        let too_far = old.net.connect(new.address(), None).await;
        assert!(matches!(too_far, Err(ConnectError::NoCommonVersion { .. })), "{too_far:?}");
    });
}

/// What the other end sends before it closes.
async fn until_closed(stream: &mut env::BoxStream) -> usize {
    let mut received = Vec::new();
    let closed = env::timeout(LIMIT, stream.read_to_end(&mut received)).await;
    let _ends_with_or_without_reset = closed.expect("the node closes the connection");
    received.len()
}

#[test]
fn garbage_is_hung_up_on() {
    real(async {
        let home = TestNode::real(1, true).await;
        let env = env::real::env();
        let http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        // A TLS handshake record that announces 16 KiB, and a flood inside it.
        let flood = [&[22, 3, 1, 64, 0, 1, 0, 255, 255][..], &vec![7; 256 << 10]].concat();
        for garbage in [http, vec![0; 1000], vec![255; 100_000], flood] {
            let mut stream = env.net.connect(home.address()).await.unwrap();
            // A reset while writing is as good.
            let _ = stream.write_all(&garbage).await;
            let answered_bytes = until_closed(&mut stream).await;
            assert!(answered_bytes < 100, "{answered_bytes} bytes for a stranger");
        }
        assert!(home.net.peers().is_empty());
        let away = TestNode::real(2, false).await;
        away.net.connect(home.address(), None).await.unwrap();
    });
}

#[test]
fn who_answers_with_garbage_is_not_a_node() {
    real(async {
        let node = TestNode::real(1, false).await;
        let env = env::real::env();
        let listener = env.net.listen(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let (dialled, _stream) = futures_util::future::join(node.net.connect(address, None), server).await;
        assert_eq!(dialled, Err(ConnectError::NotANode));
    });
}

#[test]
fn a_stranger_who_says_nothing_is_hung_up_on_in_time() {
    simulated(async {
        let world = World::new(5);
        let home = world.node(1, true).await;
        let env = world.env();
        let mut silent = env.net.connect(World::address(1)).await.unwrap();
        let mut slow = env.net.connect(World::address(1)).await.unwrap();
        let start = env.clock.mono();
        slow.write_all(&[0, 100, 1, 2, 3]).await.unwrap();
        assert_eq!(until_closed(&mut silent).await, 0);
        assert_eq!(until_closed(&mut slow).await, 0);
        let took = env.clock.mono() - start;
        assert!(took >= limits::HANDSHAKE_LIMIT && took < limits::HANDSHAKE_LIMIT + Duration::from_secs(1));
        assert!(home.net.peers().is_empty());
    });
}

#[test]
fn strangers_without_end_take_a_bounded_number_of_places() {
    simulated(async {
        let world = World::new(6);
        let home = world.node(1, true).await;
        let env = world.env();
        let idle_tasks = home.net.task_count();
        let mut streams = Vec::new();
        for _ in 0..300 {
            streams.push(env.net.connect(World::address(1)).await.unwrap());
        }
        env::sleep(Duration::from_millis(100)).await;
        let tasks = home.net.task_count() - idle_tasks;
        assert_eq!(tasks, limits::STRANGERS_PER_ADDRESS_MAX);
        env::sleep(limits::HANDSHAKE_LIMIT).await;
        assert_eq!(home.net.task_count(), idle_tasks);
        let away = world.node(2, false).await;
        assert_eq!(away.net.connect(World::address(1), None).await, Ok(id(1)));
    });
}

#[test]
fn a_node_that_was_removed_from_the_cluster_stays_out() {
    real(async {
        let bouncer = || Options { courier: std::sync::Arc::new(Bouncer), ..options(1, &[ANY_PORT]) };
        let home = TestNode::start(env::real::env(), bouncer()).await;
        let (removed, member) = (TestNode::real(2, true).await, TestNode::real(3, false).await);
        let dialled = removed.net.connect(home.address(), None).await;
        assert_eq!(dialled, Err(ConnectError::NotAdmitted));
        let dialled = home.net.connect(removed.address(), None).await;
        assert_eq!(dialled, Err(ConnectError::NotAdmitted));
        assert!(home.net.peers().is_empty());
        assert_eq!(member.net.connect(home.address(), None).await, Ok(id(1)));
    });
}

/// Does not admit node 2.
struct Bouncer;

impl net::Courier for Bouncer {
    fn seal(&self, _: base::NodeId) -> bytes::Bytes {
        bytes::Bytes::new()
    }

    fn open(&self, _: base::NodeId, _: &[u8]) -> Result<(), net::Refusal> {
        Ok(())
    }

    fn admits(&self, node: base::NodeId) -> bool {
        node != id(2)
    }
}
