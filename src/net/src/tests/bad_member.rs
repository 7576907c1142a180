//! A member with the right key and the right secret whose links are in its own hand: what it sends inside TLS is up to
//! the test. And bytes that are not HTTP/2, in both directions.
#![allow(clippy::unwrap_used)]

use super::support::{LIMIT, SECRET, TestNode, eventually, id, real};
use crate::handshake::{Credentials, Established};
use crate::hello::{Caller, Purpose, Versions};
use crate::peer::Peer;
use crate::request::Class;
use crate::tls::{Identity, SeedIdentity, Tls};
use env::BoxStream;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How a client of HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty frame of settings, with which each end begins.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A node that suffers a bad member, and one beside it that does not want to know.
pub(super) struct Homes {
    pub victim: TestNode,
    pub good: TestNode,
    bad: Credentials,
}

/// The number of the bad member.
pub(super) const BAD: u8 = 9;

impl Homes {
    pub async fn start() -> Self {
        let (victim, good) = (TestNode::real(1, true).await, TestNode::real(2, false).await);
        good.net.connect(victim.address(), None).await.unwrap();
        victim.wait_connected(id(2)).await;
        let identity = Arc::new(SeedIdentity::new(&[BAD; 32]));
        let (node, tls) = (identity.id(), Some(Tls::new(identity).unwrap()));
        let versions = Versions::CURRENT;
        let bad = Credentials { node, instance: 7, secret: SECRET, versions, advertised: None, tls };
        Self { victim, good, bad }
    }

    /// A link of the bad member to the victim, on which one of them calls.
    pub async fn link(&self, class: Class, caller: Caller) -> Established {
        let stream = self.victim.net.shared().env.net.connect(self.victim.address()).await.unwrap();
        self.bad.dial(stream, Purpose { class, caller }, Some(id(1))).await.unwrap()
    }

    /// The bad member, as the victim knows it.
    pub fn peer(&self) -> Arc<Peer> {
        self.victim.net.shared().peer(id(BAD)).unwrap()
    }

    fn complaints(&self) -> u64 {
        self.victim.net.shared().peer(id(BAD)).map_or(0, |peer| peer.complaints())
    }

    /// Others are served all the while.
    pub async fn assert_served(&self) {
        self.good.echo(id(1), "a request of somebody else").await;
        self.victim.echo(id(2), "and one to somebody else").await;
    }

    /// Waits for one more complaint about the bad member than there were.
    pub async fn until_complaint(&self, before: u64, what: &str) {
        eventually(&format!("a complaint: {what}"), || self.complaints() > before).await;
    }

    pub fn count_complaints(&self) -> u64 {
        self.complaints()
    }
}

/// Reads until the other end hangs up.
async fn until_closed(stream: &mut BoxStream) {
    let mut heard = Vec::new();
    let end = env::timeout(LIMIT, stream.read_to_end(&mut heard)).await;
    assert!(end.is_some(), "the link does not end");
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What is not HTTP/2, whichever end says it, after the beginning that is.
fn broken_frames() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a frame larger than any may be", vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
        ("data on no stream", frame(0, 0, 0, b"data")),
        ("data on a stream that was never opened", frame(0, 0, 5, b"data")),
        ("settings of a wrong length", frame(4, 0, 0, b"12345")),
        ("settings that are not allowed", frame(4, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])),
        ("a ping of a wrong length", frame(6, 0, 0, b"ping")),
        ("a ping on a stream", frame(6, 0, 1, b"12345678")),
        ("a window that grows by nothing", frame(8, 0, 0, &[0; 4])),
        ("a window that overflows", frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("a continuation of nothing", frame(9, 4, 1, b"x")),
        ("padding longer than its frame", frame(0, 8, 1, &[200, 1, 2])),
    ]
}

#[test]
fn a_caller_that_does_not_speak_http2_loses_its_link() {
    real(async {
        let homes = Homes::start().await;
        let headers_that_nobody_wrote = frame(1, 5, 1, &[0xff; 64]);
        let mut cases = broken_frames();
        cases.push(("headers that cannot be decoded", headers_that_nobody_wrote));
        cases.push(("headers on a stream of the other end", frame(1, 5, 2, &[0x82])));
        cases.push(("a reset of a stream that was never opened", frame(3, 0, 1, &[0; 4])));
        let begun = |bytes: Vec<u8>| [PREFACE, SETTINGS, &bytes].concat();
        let mut whole: Vec<(&str, Vec<u8>)> =
            cases.into_iter().map(|(what, bytes)| (what, begun(bytes))).collect();
        whole.push(("noise", (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()));
        whole.push((
            "HTTP/1.1",
            b"POST /test/echo HTTP/1.1\r\nhost: node\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ));
        for (number, (what, bytes)) in whole.into_iter().enumerate() {
            let before = homes.count_complaints();
            let class = Class::ALL[number % 2];
            let mut link = homes.link(class, Caller::Dialler).await;
            // The victim may have hung up before it has it all.
            let _ = link.stream.write_all(&bytes).await;
            let _ = link.stream.flush().await;
            until_closed(&mut link.stream).await;
            homes.until_complaint(before, what).await;
            homes.assert_served().await;
        }
    });
}

#[test]
fn a_callee_that_does_not_speak_http2_loses_its_link() {
    real(async {
        let homes = Homes::start().await;
        let mut cases: Vec<(&str, Vec<u8>)> =
            broken_frames().into_iter().map(|(what, bytes)| (what, [SETTINGS, &bytes].concat())).collect();
        cases.push(("a push that nobody allowed", [SETTINGS, &frame(5, 4, 1, &[0, 0, 0, 2, 0x82])].concat()));
        cases.push(("headers that cannot be decoded", [SETTINGS, &frame(1, 5, 1, &[0xff; 64])].concat()));
        cases.push(("noise", vec![0xa5; 4096]));
        for (what, bytes) in cases {
            let before = homes.count_complaints();
            let mut link = homes.link(Class::Metadata, Caller::Acceptor).await;
            let _ = link.stream.write_all(&bytes).await;
            let _ = link.stream.flush().await;
            until_closed(&mut link.stream).await;
            homes.until_complaint(before, what).await;
            homes.assert_served().await;
        }
    });
}

#[test]
fn frames_of_later_kinds_are_passed_over() {
    real(async {
        let homes = Homes::start().await;
        let mut link = homes.link(Class::Metadata, Caller::Dialler).await;
        let later =
            [PREFACE, SETTINGS, &frame(0xbe, 0xff, 0, b"of a later version"), &frame(6, 0, 0, b"12345678")];
        link.stream.write_all(&later.concat()).await.unwrap();
        link.stream.flush().await.unwrap();
        // The answer to the ping behind it.
        let (mut heard, answer) = (Vec::new(), frame(6, 1, 0, b"12345678"));
        while !heard.windows(answer.len()).any(|window| window == answer) {
            let more = env::timeout(LIMIT, link.stream.read_buf(&mut heard)).await.unwrap().unwrap();
            assert_ne!(more, 0, "the link has ended");
        }
        assert_eq!(homes.count_complaints(), 0);
    });
}

/// A link that breaks is nobody's fault.
#[test]
fn a_member_whose_line_breaks_is_not_complained_of() {
    real(async {
        let homes = Homes::start().await;
        for bytes in [&[][..], PREFACE, &[PREFACE, SETTINGS].concat(), &[PREFACE, &SETTINGS[..4]].concat()] {
            let mut link = homes.link(Class::Metadata, Caller::Dialler).await;
            link.stream.write_all(bytes).await.unwrap();
            link.stream.flush().await.unwrap();
            drop(link);
        }
        homes.assert_served().await;
        let peer = homes.peer();
        eventually("all its links are gone", || peer.is_idle()).await;
        assert_eq!(homes.count_complaints(), 0);
    });
}
