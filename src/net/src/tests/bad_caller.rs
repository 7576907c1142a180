//! A member that speaks HTTP/2 and sends messages that are none, or too much of them.
#![allow(clippy::unwrap_used)]

use super::bad_member::{BAD, Homes};
use super::support::{Echo, LIMIT, eventually, id, real};
use crate::attachment::Cut;
use crate::error::Refusal;
use crate::handlers::{decode, encode};
use crate::hello::Caller;
use crate::limits::{
    BODY_MAX_BYTES, ENVELOPE_MAX_BYTES, IN_FLIGHT_BYTES, PIECE_MAX_BYTES, SERVED_STREAMS_MAX,
};
use crate::request::Class;
use crate::runtime::TaskGroup;
use crate::wire::Wire;
use base::NodeId;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, FuturesUnordered, Stream, StreamExt};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The bytes of a message, whatever they are, as they are to come.
pub(super) struct Script(BoxStream<'static, Bytes>);

impl Script {
    /// All at once.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(futures_util::stream::iter((!bytes.is_empty()).then_some(bytes)).boxed())
    }

    /// These, and then nothing for ever.
    pub fn endless(bytes: impl Into<Bytes>) -> Self {
        Self(Self::whole(bytes).0.chain(futures_util::stream::pending()).boxed())
    }

    /// One byte after the other.
    fn dripping(bytes: Vec<u8>) -> Self {
        let drops = futures_util::stream::iter(bytes).then(|byte| async move {
            env::sleep(Duration::from_millis(20)).await;
            Bytes::from(vec![byte])
        });
        Self(drops.boxed())
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Pin::new(&mut self.0).poll_next(context).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A head, with whatever it says.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub kind: u8,
    pub protocol: u16,
    pub limit_ms: u32,
    pub envelope: u16,
    pub body: u32,
    pub attachment: u32,
}

impl Said {
    pub fn request() -> Self {
        Self { kind: 1, protocol: 1, limit_ms: 30_000, envelope: 0, body: 0, attachment: 0 }
    }

    pub fn bytes(self) -> Vec<u8> {
        let Self { kind, protocol, limit_ms, envelope, body, attachment } = self;
        let mut bytes = vec![kind];
        bytes.extend([protocol, 1].iter().flat_map(|number| number.to_be_bytes()));
        bytes.extend(limit_ms.to_be_bytes());
        bytes.extend(envelope.to_be_bytes());
        bytes.extend([body, attachment].iter().flat_map(|number| number.to_be_bytes()));
        bytes
    }

    /// With a body behind it, whose length it says.
    pub fn with(self, body: &[u8]) -> Vec<u8> {
        [&Self { body: body.len() as u32, ..self }.bytes(), body].concat()
    }
}

fn echo(text: &str) -> Vec<u8> {
    Said::request().with(&encode(&Echo(text.to_owned())).unwrap())
}

/// What the bad member calls the victim with.
struct Calls {
    sender: SendRequest<Script>,
    wire: Wire,
    tasks: TaskGroup,
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.wire.cut();
        self.tasks.stop();
    }
}

impl Calls {
    async fn over(homes: &Homes, class: Class) -> Self {
        let link = homes.link(class, Caller::Dialler).await;
        let tasks = TaskGroup::new(env::real::env().tasks);
        let (sender, connection) =
            Builder::new(tasks.clone()).handshake(TokioIo::new(link.stream)).await.unwrap();
        tasks.spawn(async move { drop(connection.await) });
        Self { sender, wire: link.wire, tasks }
    }

    fn post(&self, name: &str, script: Script) -> impl Future<Output = Option<Bytes>> + use<> {
        let request = http::Request::post(["http://node/", name].concat()).body(script).unwrap();
        let mut sender = self.sender.clone();
        async move {
            sender.ready().await.ok()?;
            let response = sender.send_request(request).await.ok()?;
            assert_eq!(response.status(), http::StatusCode::OK);
            collect(response.into_body()).await
        }
    }

    /// What a request is answered with: the kind of the message, and its body.
    async fn answer(&self, name: &str, script: Script) -> (u8, Bytes) {
        let mut answer = env::timeout(LIMIT, self.post(name, script)).await.unwrap().unwrap();
        let head = answer.split_to(19);
        (head[0], answer)
    }

    async fn refusal(&self, name: &str, script: Script) -> Refusal {
        let (kind, body) = self.answer(name, script).await;
        assert_eq!(kind, 3);
        decode(&body).unwrap()
    }

    async fn assert_echo(&self, script: Script) {
        let (kind, body) = self.answer("test/echo", script).await;
        let reply: (NodeId, String) = decode(&body).unwrap();
        assert_eq!((kind, reply), (2, (id(BAD), "text".to_owned())));
    }
}

async fn collect(mut body: Incoming) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes.extend_from_slice(&frame.ok()?.into_data().unwrap_or_default());
    }
    Some(bytes.freeze())
}

#[test]
fn messages_that_cannot_be_read_are_refused_and_said() {
    real(async {
        let homes = Homes::start().await;
        let calls = Calls::over(&homes, Class::Metadata).await;
        let head = Said::request();
        let with = |change: fn(&mut Said)| {
            let mut said = Said::request();
            change(&mut said);
            said.bytes()
        };
        let refused = [
            ("no kind", with(|head| head.kind = 0), Refusal::Malformed),
            ("a reply that nobody asked for", with(|head| head.kind = 2), Refusal::Malformed),
            ("an unknown kind", with(|head| head.kind = 200), Refusal::Malformed),
            ("another version", with(|head| head.protocol = 2), Refusal::Malformed),
            ("a large header", with(|head| head.envelope = ENVELOPE_MAX_BYTES as u16 + 1), Refusal::TooLarge),
            ("a large body", with(|head| head.body = BODY_MAX_BYTES as u32 + 1), Refusal::TooLarge),
            ("an immense body", with(|head| head.body = u32::MAX), Refusal::TooLarge),
            ("a large piece", with(|head| head.attachment = PIECE_MAX_BYTES as u32 + 1), Refusal::TooLarge),
            ("an immense piece", with(|head| head.attachment = u32::MAX - 1), Refusal::TooLarge),
            ("no request at all", head.with(&[]), Refusal::Malformed),
            ("no MessagePack", head.with(&[0xc1; 4]), Refusal::Malformed),
            ("another type", head.with(&[0x2a]), Refusal::Malformed),
            ("a text of 4 GiB", head.with(&[0xdb, 0xff, 0xff, 0xff, 0xff, b'x']), Refusal::Malformed),
            ("a list of 4 Gi elements", head.with(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Refusal::Malformed),
            ("lists inside lists", head.with(&[0x91; 100_000]), Refusal::Malformed),
        ];
        for (what, bytes, refusal) in refused {
            let before = homes.count_complaints();
            assert_eq!(calls.refusal("test/echo", Script::whole(bytes)).await, refusal, "{what}");
            assert_eq!(homes.count_complaints(), before + 1, "{what}");
        }
        // These may happen to anybody: who gives up, or speaks of what only later releases know.
        let before = homes.count_complaints();
        let cut = Said { body: 100, ..head }.bytes();
        for bytes in [vec![], head.bytes()[..7].to_vec(), [cut, vec![1; 10]].concat()] {
            assert_eq!(calls.refusal("test/echo", Script::whole(bytes)).await, Refusal::Malformed);
        }
        for name in ["test/later", "", "..//test/echo", "%00"] {
            assert_eq!(
                calls.refusal(name, Script::whole(echo("text"))).await,
                Refusal::UnknownRequest,
                "{name}"
            );
        }
        // Its link has survived all of it, and what follows a message is not looked at.
        calls.assert_echo(Script::whole([echo("text"), vec![7; 100]].concat())).await;
        assert_eq!(homes.count_complaints(), before);
        homes.assert_served().await;
    });
}

#[test]
fn bodies_that_never_end_take_the_room_of_their_sender_only() {
    real(async {
        let homes = Homes::start().await;
        let calls = Calls::over(&homes, Class::Bulk).await;
        let peer = homes.peer();
        let head = Said { limit_ms: u32::MAX, body: BODY_MAX_BYTES as u32, ..Said::request() }.bytes();
        let mut answers: FuturesUnordered<_> =
            (0..1000).map(|_| calls.post("test/mirror", Script::endless(head.clone()))).collect();
        let under_way = IN_FLIGHT_BYTES / (BODY_MAX_BYTES + head.len());
        for _ in under_way..1000 {
            let answer = env::timeout(LIMIT, answers.next()).await.unwrap().unwrap().unwrap();
            assert_eq!(decode::<Refusal>(&answer[19..]).unwrap(), Refusal::Busy);
        }
        let free = IN_FLIGHT_BYTES - under_way * (BODY_MAX_BYTES + head.len());
        assert_eq!(peer.receiving.available_permits(), free);
        homes.assert_served().await;
        // Small ones still find room, on the other link too.
        calls.assert_echo(Script::whole(echo("text"))).await;
        Calls::over(&homes, Class::Metadata).await.assert_echo(Script::whole(echo("text"))).await;
        drop((answers, calls));
        eventually("the room is given back", || peer.receiving.available_permits() == IN_FLIGHT_BYTES).await;
    });
}

#[test]
fn a_request_that_comes_too_slowly_takes_no_room_any_more() {
    real(async {
        let homes = Homes::start().await;
        let calls = Calls::over(&homes, Class::Bulk).await;
        let head = Said { limit_ms: 200, body: BODY_MAX_BYTES as u32, ..Said::request() }.bytes();
        assert_eq!(calls.refusal("test/mirror", Script::endless(head)).await, Refusal::Malformed);
        assert_eq!(homes.peer().receiving.available_permits(), IN_FLIGHT_BYTES);
        // One that drips and comes to its end in time is served; nobody waits for it.
        let dripping = calls.assert_echo(Script::dripping(echo("text")));
        let others = async {
            for _ in 0..20 {
                homes.assert_served().await;
            }
        };
        futures_util::join!(dripping, others);
    });
}

#[test]
fn streams_without_end_are_bounded_and_end_with_their_link() {
    real(async {
        let homes = Homes::start().await;
        let tasks = homes.victim.net.task_count();
        let hang =
            Said { limit_ms: u32::MAX, ..Said::request() }.with(&encode(&super::support::Hang).unwrap());
        let calls = Calls::over(&homes, Class::Metadata).await;
        let (count, spawner) = (SERVED_STREAMS_MAX + 500, env::real::env().tasks);
        let answers: Vec<_> = (0..count)
            .map(|_| spawner.spawn(calls.post("test/hang", Script::endless(hang.clone()))))
            .collect();
        let hanging = || homes.victim.hanging.load(std::sync::atomic::Ordering::SeqCst);
        eventually("as many run as may", || hanging() >= SERVED_STREAMS_MAX - 1).await;
        for _ in 0..10 {
            homes.assert_served().await;
            assert!(hanging() <= SERVED_STREAMS_MAX);
        }
        drop(calls);
        for answer in answers {
            assert_eq!(answer.join().await, Some(None));
        }
        eventually("nothing of it is left", || hanging() == 0 && homes.victim.net.task_count() <= tasks)
            .await;
    });
}
