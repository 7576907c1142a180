//! The simulated world as a whole: clock, randomness, network, restarts.

use super::{Keep, SimOptions, SimWorld};
use crate::Net as _;
use crate::{OpenMode, random_u64};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A paused runtime is the simulator's business; here a plain one-thread runtime will do.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn the_same_seed_gives_the_same_randomness_and_each_start_another() {
    let first = SimWorld::new(7, &SimOptions::default());
    let second = SimWorld::new(7, &SimOptions::default());
    let (a, b) = (first.env(), second.env());
    let draw = |env: &crate::Env| random_u64(env.rng.as_ref());
    let drawn = draw(&a);
    assert_eq!(drawn, draw(&b));
    assert_ne!(drawn, draw(&first.env()));
    assert_ne!(drawn, draw(&SimWorld::new(8, &SimOptions::default()).env()));
}

#[test]
fn the_generator_gives_the_published_numbers() {
    // The first outputs of xoshiro256** for the state 1, 2, 3, 4, worked out by hand from its
    // definition: rotl(2 * 5, 7) * 9 = 11520, then rotl(0 * 5, 7) * 9 = 0.
    let mut generator = super::Generator([1, 2, 3, 4]);
    assert_eq!(generator.next_u64(), 11_520);
    assert_eq!(generator.next_u64(), 0);
}

#[test]
fn the_wall_clock_jumps_and_monotonic_time_does_not() {
    let world = SimWorld::new(1, &SimOptions::default());
    let env = world.env();
    let (wall, mono) = (env.clock.wall(), env.clock.mono());
    world.clock.jump(-3_600_000);
    assert_eq!(env.clock.wall().millis(), wall.millis() - 3_600_000);
    assert_eq!(env.clock.mono(), mono);
}

#[test]
fn the_disk_outlives_the_node() {
    let world = SimWorld::new(1, &SimOptions::default());
    let env = world.env();
    env.disk.create_dir_all(Path::new("/data")).unwrap();
    let path = Path::new("/data/file");
    crate::write_file_durably(env.disk.as_ref(), path, b"bytes").unwrap();
    drop(env);
    world.disk.crash(Keep::Nothing);
    let file = world.env().disk.open(path, OpenMode::Read).unwrap();
    assert_eq!(file.len().unwrap(), 5);
}

#[test]
fn bytes_cross_the_network_in_order_and_both_ways() {
    let options = SimOptions { delay_max: Duration::from_micros(200), ..SimOptions::default() };
    let world = SimWorld::new(3, &options);
    run(async {
        let net = world.env().net;
        let listener = net.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        let server = async {
            let (mut stream, from) = listener.accept().await.unwrap();
            assert!(from.is_some());
            let mut received = vec![0; expected.len()];
            stream.read_exact(&mut received).await.unwrap();
            stream.write_all(b"thanks").await.unwrap();
            received
        };
        let client = async {
            let mut stream = net.connect(address).await.unwrap();
            stream.write_all(&sent).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let (received, answer) = tokio::join!(server, client);
        assert_eq!(received, sent);
        assert_eq!(answer, b"thanks");
    });
}

#[test]
fn a_line_with_a_rate_carries_no_more_than_that_whatever_streams_share_it() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let here = super::SimNet::new(3, Duration::ZERO).with_rate(Some(50_000));
        let there = here.of_machine(1);
        let listener = there.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let begin = tokio::time::Instant::now();
        let send = async || {
            let mut stream = here.connect(address).await.unwrap();
            stream.write_all(&[7; 100_000]).await.unwrap();
        };
        let receive = async || {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            assert_eq!(received.len(), 100_000);
        };
        tokio::join!(send(), send(), receive(), receive());
        let took = begin.elapsed().as_secs_f64();
        assert!((3.9..4.1).contains(&took), "{took}");
    });
}

#[test]
fn nobody_listens_means_refused_and_a_closed_end_is_noticed() {
    let world = SimWorld::new(3, &SimOptions::default());
    run(async {
        let net = world.env().net;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(net.connect(nowhere).await.is_err());
        let socket = Path::new("/run/admin.sock");
        assert!(net.connect_unix(socket).await.is_err());
        let listener = net.listen_unix(socket).await.unwrap();
        let mut ours = net.connect_unix(socket).await.unwrap();
        let (theirs, from) = listener.accept().await.unwrap();
        assert!(from.is_none());
        drop(theirs);
        assert_eq!(ours.read(&mut [0; 4]).await.unwrap(), 0);
        assert!(ours.write_all(b"x").await.is_err());
        assert!(net.listen(SocketAddr::from(([127, 0, 0, 1], 9))).await.is_ok());
        drop(listener);
        assert!(net.connect_unix(socket).await.is_err());
    });
}
