//! Calls over loopback TCP and TLS.

use super::support::*;
use bytes::Bytes;
use net::{Answer, Attachment, CallError, Class, Cut, NoAnswer, Options, Outgoing, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Two nodes; the second dials the first and cannot be dialled.
async fn pair() -> (TestNode, TestNode) {
    let (home, away) = (TestNode::real(1, true).await, TestNode::real(2, false).await);
    assert_eq!(away.net.connect(home.address(), Some(id(1))).await, Ok(id(1)));
    home.wait_connected(id(2)).await;
    (home, away)
}

#[test]
fn links_opened_by_one_side_serve_calls_of_both() {
    real(async {
        let (home, away) = pair().await;
        away.echo(id(1), "from the one who dialled").await;
        home.echo(id(2), "to the one who dialled").await;
        for (node, other) in [(&home, id(2)), (&away, id(1))] {
            let status = node.net.peer(other).unwrap();
            assert_eq!(status.connection, net::Connection::Direct);
            assert_eq!(status.level.map(|level| level.protocol), Some(1));
            eventually("a ping is measured", || node.net.peer(other).unwrap().latency.is_some()).await;
        }
    });
}

#[test]
fn a_call_to_oneself_goes_through_the_same_handlers() {
    real(async {
        let node = TestNode::real(1, false).await;
        node.echo(id(1), "hello").await;
        let hang = node.net.call(id(1), &Hang, Duration::from_millis(20)).await;
        assert_eq!(hang, Err(CallError::TimedOut(id(1))));
        assert_eq!(node.hanging.load(Ordering::SeqCst), 0, "the handler was dropped");
    });
}

#[test]
fn attachments_travel_whole_as_pieces_and_as_streams() {
    real(async {
        let (home, away) = pair().await;
        for size_bytes in [0, 1, 16 << 10, (16 << 10) + 1, 1 << 20, 2 << 20] {
            for as_stream in [false, true] {
                let attachment = pattern(size_bytes).into();
                let outgoing = Outgoing { request: &Mirror { as_stream }, attachment, limit: LIMIT };
                let answer = home.net.call_with(id(2), outgoing).await.unwrap();
                assert_eq!(answer.reply, Some(size_bytes as u64));
                let back = answer.attachment.read_all(size_bytes).await.unwrap();
                assert!(back == pattern(size_bytes), "{size_bytes} bytes, as a stream: {as_stream}");
            }
        }
        let (chunks, chunk_bytes) = (320, 100_000);
        let attachment = pattern_stream(chunks, chunk_bytes);
        let outgoing = Outgoing { request: &Mirror { as_stream: true }, attachment, limit: LIMIT };
        let mut answer = away.net.call_with(id(1), outgoing).await.unwrap();
        assert_eq!(answer.reply, None);
        let (mut received_bytes, expected) = (0, pattern(chunk_bytes));
        while let Some(chunk) = answer.attachment.next().await {
            for byte in chunk.unwrap() {
                assert_eq!(byte, expected[received_bytes % chunk_bytes]);
                received_bytes += 1;
            }
        }
        assert_eq!(received_bytes, chunks * chunk_bytes);
    });
}

#[test]
fn a_stream_that_breaks_off_is_seen_as_cut() {
    real(async {
        let (home, _away) = pair().await;
        let broken = futures_util::stream::iter([Ok(Bytes::from_static(b"some")), Err(Cut)]);
        let attachment = Attachment::stream(broken);
        let outgoing = Outgoing { request: &Mirror { as_stream: true }, attachment, limit: LIMIT };
        // Either no answer at all, or one whose bytes end with an error; never a good end.
        if let Ok(mut answer) = home.net.call_with(id(2), outgoing).await {
            let mut last = None;
            while let Some(chunk) = answer.attachment.next().await {
                last = Some(chunk);
            }
            assert_eq!(last, Some(Err(Cut)));
        }
    });
}

#[test]
fn a_writer_waits_for_a_slow_reader() {
    real(async {
        let (home, _away) = pair().await;
        let produced = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&produced);
        let chunk = pattern(64 << 10);
        let endless = futures_util::stream::unfold((), move |()| {
            counter.fetch_add(chunk.len(), Ordering::SeqCst);
            let chunk = chunk.clone();
            async move { Some((Ok(chunk), ())) }
        });
        let attachment = Attachment::stream(endless);
        let outgoing = Outgoing { request: &Mirror { as_stream: true }, attachment, limit: LIMIT };
        let mut answer = home.net.call_with(id(2), outgoing).await.unwrap();
        answer.attachment.next().await.unwrap().unwrap();
        // Let everything run until nothing moves any more: what was produced has to stop growing.
        let mut before = 0;
        eventually("the writer waits", || {
            let now = produced.load(Ordering::SeqCst);
            let stands_still = now == before && now > 0;
            before = now;
            stands_still
        })
        .await;
        // Two windows and two send buffers in each direction, and what the sockets hold.
        assert!(before < 64 << 20, "{before} bytes were produced for nobody");
    });
}

#[test]
fn many_calls_at_once_in_both_directions() {
    real(async {
        let (home, away) = pair().await;
        let one = |node: usize, number: usize| {
            let (caller, callee) = if node == 0 { (&home, id(2)) } else { (&away, id(1)) };
            async move { caller.echo(callee, &number.to_string()).await }
        };
        let calls = (0..2).flat_map(|node| (0..3000).map(move |number| (node, number)));
        futures_util::future::join_all(calls.map(|(node, number)| one(node, number))).await;
        assert_eq!(home.net.peer(id(2)).unwrap().calls_in_flight, 0);
    });
}

#[test]
fn dropping_calls_drops_their_handlers_and_keeps_the_link() {
    real(async {
        let (home, away) = pair().await;
        let mut links = home.net.changes();
        links.mark_unchanged();
        for round in 0..3 {
            let calls = (0..500).map(|_| Box::pin(home.net.call(id(2), &Hang, LIMIT)));
            let mut calls = futures_util::future::join_all(calls);
            // Some rounds cancel calls that have begun, the others also those that have not.
            let wanted = if round == 0 { 500 } else { 1 };
            futures_util::future::select(
                &mut calls,
                std::pin::pin!(eventually("they run", || away.hanging.load(Ordering::SeqCst) >= wanted)),
            )
            .await;
            drop(calls);
            eventually("all handlers are gone", || away.hanging.load(Ordering::SeqCst) == 0).await;
        }
        home.echo(id(2), "still there").await;
        assert!(!links.has_changed(), "no link broke");
        let hang = home.net.call(id(2), &Hang, Duration::from_millis(50)).await;
        assert_eq!(hang, Err(CallError::TimedOut(id(2))));
        eventually("it is gone", || away.hanging.load(Ordering::SeqCst) == 0).await;
    });
}

#[test]
fn beyond_the_calls_in_flight_a_call_waits_and_then_says_that_nothing_was_sent() {
    real(async {
        let (home, away) = pair().await;
        let calls = (0..net::limits::CALLS_MAX).map(|_| home.net.call(id(2), &Hang, LIMIT));
        let mut calls = Box::pin(futures_util::future::join_all(calls.map(Box::pin)));
        let all_run = || away.hanging.load(Ordering::SeqCst) == net::limits::CALLS_MAX;
        futures_util::future::select(&mut calls, std::pin::pin!(eventually("all run", all_run))).await;
        let one_more = home.net.call(id(2), &Echo(String::new()), Duration::from_millis(50)).await;
        assert_eq!(one_more, Err(CallError::Busy(id(2))));
        let bulk =
            Outgoing { request: &Mirror { as_stream: false }, attachment: pattern(10).into(), limit: LIMIT };
        assert!(home.net.call_with(id(2), bulk).await.is_ok(), "the other class has limits of its own");
        drop(calls);
        home.echo(id(2), "again").await;
    });
}

/// Nobody handles it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Unheard;

impl Request for Unheard {
    type Reply = ();
    const NAME: &'static str = "test/unheard";
    const CLASS: Class = Class::Metadata;
}

/// Does what it is told: panic, refuse, or answer with this many bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Misbehave {
    Panic,
    PanicLater,
    Refuse,
    Long(usize),
}

impl Request for Misbehave {
    type Reply = String;
    const NAME: &'static str = "test/misbehave";
    const CLASS: Class = Class::Metadata;
}

/// The same name, another form.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Nonsense(String);

impl Request for Nonsense {
    type Reply = String;
    const NAME: &'static str = "test/misbehave";
    const CLASS: Class = Class::Metadata;
}

fn add_misbehaviour(node: &TestNode) {
    node.net.handle::<Misbehave, _, _>(|call| {
        assert!(!matches!(call.request, Misbehave::Panic), "as asked");
        async move {
            match call.request {
                Misbehave::Panic | Misbehave::PanicLater => panic!("as asked"),
                Misbehave::Refuse => Err(Refusal::NotReachable),
                Misbehave::Long(length) => Ok("x".repeat(length).into()),
            }
        }
    });
}

#[test]
fn every_failure_says_what_it_means() {
    real(async {
        let (home, away) = pair().await;
        add_misbehaviour(&away);
        add_misbehaviour(&home);
        let refused = |node, refusal| Err(CallError::Refused { node, refusal });
        let unknown = |node, cause| Err(CallError::Unknown { node, cause });
        // The same here and there.
        for node in [id(1), id(2)] {
            let ask = |request| {
                let net = &home.net;
                async move { net.call(node, &request, LIMIT).await }
            };
            let unheard = home.net.call(node, &Unheard, LIMIT).await;
            assert_eq!(unheard, Err(CallError::Refused { node, refusal: Refusal::UnknownRequest }));
            assert_eq!(ask(Misbehave::Panic).await, unknown(node, NoAnswer::HandlerFailed));
            assert_eq!(ask(Misbehave::PanicLater).await, unknown(node, NoAnswer::HandlerFailed));
            assert_eq!(ask(Misbehave::Refuse).await, refused(node, Refusal::NotReachable));
            assert_eq!(ask(Misbehave::Long(9)).await, Ok("x".repeat(9)));
        }
        let nonsense = home.net.call(id(2), &Nonsense("?".to_owned()), LIMIT).await;
        assert_eq!(nonsense, refused(id(2), Refusal::Malformed));
        let long = home.net.call(id(2), &Misbehave::Long(5 << 20), LIMIT).await;
        assert_eq!(long, unknown(id(2), NoAnswer::HandlerFailed));
        let large = home.net.call(id(2), &Echo("x".repeat(5 << 20)), LIMIT).await;
        assert!(matches!(large, Err(CallError::TooLarge { .. })), "{large:?}");
        let attachment = pattern((2 << 20) + 1).into();
        let outgoing = Outgoing { request: &Mirror { as_stream: false }, attachment, limit: LIMIT };
        let large = home.net.call_with(id(2), outgoing).await;
        assert!(matches!(large, Err(CallError::TooLarge { .. })), "{large:?}");
        let nobody = home.net.call(id(3), &Hang, LIMIT).await;
        assert_eq!(nobody, Err(CallError::NotConnected(id(3))));
        assert!(nobody.unwrap_err().is_surely_not_done());
        home.echo(id(2), "the link has survived all of it").await;
    });
}

/// What a node's clock shows while it serves this.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct TellClock;

impl Request for TellClock {
    type Reply = u64;
    const NAME: &'static str = "test/tell_clock";
    const CLASS: Class = Class::Metadata;
}

/// Two nodes with clocks in the headers of their messages, which show `clocks`.
async fn ticking_pair(clocks: [u64; 2]) -> ([TestNode; 2], [Arc<Ticking>; 2]) {
    let couriers = clocks.map(Ticking::at);
    let with = |number: u8, listen: &[std::net::SocketAddr]| {
        let courier = Arc::clone(&couriers[usize::from(number) - 1]) as Arc<dyn net::Courier>;
        Options { courier, ..options(number, listen) }
    };
    let home = TestNode::start(env::real::env(), with(1, &[ANY_PORT])).await;
    let away = TestNode::start(env::real::env(), with(2, &[])).await;
    for (node, courier) in [&home, &away].into_iter().zip(&couriers) {
        let clock = Arc::clone(courier);
        node.net.handle::<TellClock, _, _>(move |_| std::future::ready(Ok(clock.now().into())));
    }
    away.net.connect(home.address(), None).await.unwrap();
    home.wait_connected(id(2)).await;
    ([home, away], couriers)
}

#[test]
fn a_clock_travels_both_ways_and_is_heard_before_anybody_goes_on() {
    real(async {
        let ([home, away], [clock, _]) = ticking_pair([7, 40]).await;
        let served_at = away.net.call(id(1), &TellClock, LIMIT).await;
        assert_eq!(served_at, Ok(40), "the request's was heard before it was served");
        clock.clock.store(90, Ordering::SeqCst);
        away.echo(id(1), "whatever is asked").await;
        let served_at = home.net.call(id(2), &TellClock, LIMIT).await;
        assert_eq!(served_at, Ok(90));
        let ([_home, away], [_, clock]) = ticking_pair([40, 7]).await;
        away.echo(id(1), "x").await;
        assert_eq!(clock.now(), 40, "the reply's was heard before the caller had it");
        let refused = away.net.call(id(1), &Unheard, LIMIT).await;
        assert_eq!(refused, Err(CallError::Refused { node: id(1), refusal: Refusal::UnknownRequest }));
    });
}

#[test]
fn a_header_that_is_not_accepted_ends_the_call_and_says_so() {
    real(async {
        let ([home, away], [clock, other]) = ticking_pair([7, 40]).await;
        let not_accepted = |node, refusal| CallError::Unknown { node, cause: NoAnswer::NotAccepted(refusal) };
        let garbage = || clock.sends_garbage.store(true, Ordering::SeqCst);
        let absurd = || {
            clock.sends_garbage.store(false, Ordering::SeqCst);
            clock.clock.store(u64::MAX, Ordering::SeqCst);
        };
        let ways: [(&dyn Fn(), Refusal, &str); 2] = [
            (&garbage, Refusal::Malformed, "malformed message"),
            (&absurd, Refusal::ClockAhead, "the sender's clock is too far ahead of the receiver's"),
        ];
        for (begin, refusal, text) in ways {
            begin();
            let refused = home.net.call(id(2), &Hang, LIMIT).await.unwrap_err();
            assert_eq!(refused, CallError::Refused { node: id(2), refusal });
            assert!(refused.to_string().ends_with(&format!("refused: {text}")), "{refused}");
            let refused = away.net.call(id(1), &Echo(String::new()), LIMIT).await.unwrap_err();
            assert_eq!(refused, not_accepted(id(1), refusal));
            assert!(refused.to_string().ends_with(&format!("is not accepted: {text}")), "{refused}");
        }
        assert_eq!(
            (away.hanging.load(Ordering::SeqCst), other.now()),
            (0, 40),
            "nothing was served or heard"
        );
        clock.clock.store(50, Ordering::SeqCst);
        home.echo(id(2), "the link has survived all of it").await;
        assert_eq!(other.now(), 50);
    });
}

#[test]
fn a_reply_may_be_dropped_unread() {
    real(async {
        let (home, _away) = pair().await;
        // More than the budget of bytes under way: it has to come back.
        for _ in 0..70 {
            let attachment = pattern(1 << 20).into();
            let outgoing = Outgoing { request: &Mirror { as_stream: true }, attachment, limit: LIMIT };
            let Answer { reply, attachment } = home.net.call_with(id(2), outgoing).await.unwrap();
            assert_eq!(reply, Some(1 << 20));
            drop(attachment);
        }
        let attachment = pattern(1 << 20).into();
        let outgoing = Outgoing { request: &Mirror { as_stream: false }, attachment, limit: LIMIT };
        let answer = home.net.call_with(id(2), outgoing).await.unwrap();
        assert!(answer.attachment.read_all(1 << 20).await.unwrap() == pattern(1 << 20));
    });
}

#[test]
fn a_small_message_is_at_most_two_writes() {
    // In one thread: where two threads run, the head of a request may leave before its body is there.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new(0);
        let home = TestNode::real(1, true).await;
        let away = TestNode::start(world.real_env(), options(2, &[])).await;
        away.net.connect(home.address(), None).await.unwrap();
        home.wait_connected(id(2)).await;
        away.echo(id(1), "warm").await;
        let before = world.taps.writes();
        for _ in 0..100 {
            away.echo(id(1), "a small message of some bytes").await;
        }
        let requests = world.taps.writes() - before;
        let before = world.taps.writes();
        for _ in 0..100 {
            home.echo(id(2), "a small message of some bytes").await;
        }
        let replies = world.taps.writes() - before;
        // hyper hands over the head of a request and its body one after the other; pings and window
        // updates add a few. More would mean that a message is cut up.
        println!("writes for 100 requests: {requests}, for 100 replies: {replies}");
        assert!((100..=220).contains(&requests), "{requests} writes for 100 requests");
        assert!((100..=220).contains(&replies), "{replies} writes for 100 replies");
    });
}

#[test]
fn giving_up_on_many_uploads_keeps_the_link() {
    real(async {
        let (home, away) = pair().await;
        let mut links = home.net.changes();
        links.mark_unchanged();
        for _ in 0..6 {
            let uploads = (0..100).map(|_| async {
                let attachment = pattern_stream(50, 64 << 10);
                let outgoing = Outgoing { request: &Mirror { as_stream: true }, attachment, limit: LIMIT };
                home.net.call_with(id(2), outgoing).await.map(|answer| answer.reply)
            });
            let mut uploads: futures_util::stream::FuturesUnordered<_> = uploads.collect();
            // The first reply is enough; all the others are dropped wherever they are.
            let first = futures_util::StreamExt::next(&mut uploads).await.unwrap();
            assert_eq!(first, Ok(None));
        }
        home.echo(id(2), "still there").await;
        away.echo(id(1), "on both").await;
        assert!(!links.has_changed(), "no link broke");
    });
}
