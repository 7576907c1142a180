//! What the node in the middle of a relayed link sees of it, and what it can do to it: nothing but end it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::handshake::Credentials;
use crate::hello::{Caller, Purpose, Versions};
use crate::tests::support::{ANY_PORT, LIMIT, SECRET, TestNode, World, eventually, id, real, simulated};
use crate::tls::{Identity, SeedIdentity, Tls};
use crate::{Connection, NoCourier};
use env::Env;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What begins a hello, whose proof of the cluster secret follows.
const HELLO: &[u8] = b"garage\0\x01";
/// Shorter ones could occur by chance.
const RECOGNISABLE_BYTES: usize = 16;

/// One direction of all streams that pass through the middle.
#[derive(Default)]
struct Tap {
    seen: Mutex<Vec<u8>>,
    /// Whether a bit of the next piece is to be changed.
    flips: AtomicBool,
}

impl Tap {
    fn pass(&self, chunk: Bytes) -> Bytes {
        self.seen.lock().unwrap().extend_from_slice(&chunk);
        if !self.flips.swap(false, Ordering::SeqCst) {
            return chunk;
        }
        let mut altered = chunk.to_vec();
        let at = altered.len() / 2;
        altered[at] ^= 1;
        altered.into()
    }
}

fn tapped(attachment: Attachment, tap: Arc<Tap>) -> Attachment {
    Attachment::stream(futures_util::stream::unfold((attachment, tap), |(mut bytes, tap)| async move {
        let next = bytes.next().await?.map(|chunk| tap.pass(chunk));
        Some((next, (bytes, tap)))
    }))
}

/// What one node tells another to keep.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Keep(String);

impl Request for Keep {
    type Reply = String;
    const NAME: &'static str = "test/keep";
    const CLASS: Class = Class::Metadata;
}

fn credentials(env: &Env, number: u8) -> Credentials {
    let identity = Arc::new(SeedIdentity::new(&[number; 32]));
    let (node, in_process) = (identity.id(), env.net.stays_in_process());
    let tls = (!in_process).then(|| Tls::new(identity).unwrap());
    Credentials { node, instance: 1, secret: SECRET, versions: Versions::CURRENT, advertised: None, tls }
}

/// A middle that notes what passes, and can alter it. It passes on as every other node does.
async fn middle(env: Env, address: SocketAddr, taps: [Arc<Tap>; 2]) -> (Arc<Shared>, SocketAddr) {
    let listener = env.net.listen(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let credentials = credentials(&env, 1);
    let shared = Arc::new(Shared::new(env, credentials, Arc::new(NoCourier)));
    let weak = Arc::downgrade(&shared);
    shared.handlers.add::<Relay, _, _>(move |call| {
        let (weak, [there, back]) = (Weak::clone(&weak), taps.clone());
        async move {
            let shared = weak.upgrade().unwrap();
            let answer = pass_on(&shared, call.request.target, tapped(call.attachment, there)).await?;
            Ok(Answer { reply: (), attachment: tapped(answer.attachment, back) })
        }
    });
    listening::start(&shared, listener);
    (shared, address)
}

/// Two ends that nobody can dial, and what the second one was told to keep.
struct Ends {
    left: TestNode,
    right: TestNode,
    kept: Arc<Mutex<BTreeSet<String>>>,
}

impl Ends {
    async fn around(left: TestNode, right: TestNode, address: SocketAddr) -> Self {
        let kept = Arc::<Mutex<BTreeSet<String>>>::default();
        let keeper = Arc::clone(&kept);
        right.net.handle::<Keep, _, _>(move |call| {
            keeper.lock().unwrap().insert(call.request.0.clone());
            std::future::ready(Ok(call.request.0.into()))
        });
        for end in [&left, &right] {
            assert_eq!(end.net.connect(address, None).await, Ok(id(1)));
        }
        left.net.add_peer(id(3), &[]).unwrap();
        left.wait_connected(id(3)).await;
        right.wait_connected(id(2)).await;
        assert_eq!(left.net.peer(id(3)).unwrap().connection, Connection::Relayed(id(1)));
        Self { left, right, kept }
    }

    async fn real(taps: &[Arc<Tap>; 2]) -> (Arc<Shared>, Self) {
        let (middle, address) = middle(env::real::env(), ANY_PORT, taps.clone()).await;
        let ends = [TestNode::real(2, false).await, TestNode::real(3, false).await];
        let [left, right] = ends;
        (middle, Self::around(left, right, address).await)
    }
}

/// Text of which each piece is unlike every other.
fn plaintext() -> String {
    (0..512).map(|number: u32| format!("{:08x}", number.wrapping_mul(2_654_435_761))).collect()
}

fn occurs(needle: &[u8], seen: &[u8]) -> bool {
    seen.windows(needle.len()).any(|window| window == needle)
}

/// Which of what only the two ends may know occurs in what the middle saw.
fn leaked(seen: &[u8]) -> Vec<&'static str> {
    let text = plaintext().into_bytes();
    let pieces: BTreeSet<&[u8]> = text.windows(RECOGNISABLE_BYTES).collect();
    let secrets: [(&str, bool); 5] = [
        ("the text", seen.windows(RECOGNISABLE_BYTES).any(|window| pieces.contains(window))),
        ("a hello with its proof", occurs(HELLO, seen)),
        ("the cluster secret", occurs(&SECRET, seen)),
        ("who the first end is", occurs(id(2).as_bytes(), seen)),
        ("who the second end is", occurs(id(3).as_bytes(), seen)),
    ];
    secrets.into_iter().filter(|(_, is_there)| *is_there).map(|(what, _)| what).collect()
}

/// Sends the text from one end to the other and back; what the middle saw.
async fn talk(ends: &Ends, taps: &[Arc<Tap>; 2]) -> [Vec<u8>; 2] {
    let text = plaintext();
    assert_eq!(text.len(), 4096);
    assert_eq!(ends.left.net.call(id(3), &Keep(text.clone()), LIMIT).await, Ok(text.clone()));
    assert_eq!(*ends.kept.lock().unwrap(), BTreeSet::from([text]));
    ends.right.echo(id(2), &plaintext()).await;
    taps.each_ref().map(|tap| tap.seen.lock().unwrap().clone())
}

#[test]
fn the_node_in_the_middle_sees_ciphertext_only() {
    real(async {
        let taps = <[Arc<Tap>; 2]>::default();
        let (_middle, ends) = Ends::real(&taps).await;
        for seen in talk(&ends, &taps).await {
            assert!(seen.len() > 2 * plaintext().len(), "{} bytes passed", seen.len());
            assert_eq!(leaked(&seen), Vec::<&str>::new());
        }
    });
}

/// What shows that the taps would tell: without TLS, which only the simulated world does without, everything is there.
#[test]
fn without_tls_it_would_see_everything_but_the_secret() {
    simulated(async {
        let (world, taps) = (World::new(5), <[Arc<Tap>; 2]>::default());
        let (_middle, address) = middle(world.env(), World::address(1), taps.clone()).await;
        let (left, right) = (world.node(2, false).await, world.node(3, false).await);
        let ends = Ends::around(left, right, address).await;
        let seen = talk(&ends, &taps).await;
        for seen in seen {
            let leaked = leaked(&seen);
            assert!(leaked.starts_with(&["the text", "a hello with its proof"]), "{leaked:?}");
            assert!(!leaked.contains(&"the cluster secret"));
        }
    });
}

/// Waits until something is so, for a second at most.
async fn soon(is_so: impl Fn() -> bool) {
    for _ in 0..100 {
        if is_so() {
            return;
        }
        env::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_byte_that_the_middle_alters_ends_the_link_and_delivers_nothing() {
    real(async {
        let taps = <[Arc<Tap>; 2]>::default();
        let (_middle, ends) = Ends::real(&taps).await;
        // Each end of the other.
        let complaints = || {
            let of = |end: &TestNode, other| end.net.shared().peer(other).map_or(0, |peer| peer.complaints());
            of(&ends.left, id(3)) + of(&ends.right, id(2))
        };
        for tap in &taps {
            let (before, mut sent) = (complaints(), BTreeSet::new());
            // What is altered of a link that is being made ends that attempt, of which nobody complains: then once more.
            while complaints() == before {
                tap.flips.store(true, Ordering::SeqCst);
                // Whatever passes first is altered: this, an answer or a ping.
                while tap.flips.load(Ordering::SeqCst) {
                    let text = format!("message {}", sent.len());
                    let answer = ends.left.net.call(id(3), &Keep(text.clone()), LIMIT).await;
                    sent.insert(text.clone());
                    if let Ok(answer) = answer {
                        assert_eq!(answer, text, "never something else");
                    }
                }
                soon(|| complaints() > before).await;
            }
            assert!(ends.kept.lock().unwrap().is_subset(&sent), "{:?}", ends.kept.lock().unwrap());
            ends.kept.lock().unwrap().clear();
            // A new link takes its place.
            ends.left.wait_connected(id(3)).await;
        }
        let answer = ends.left.net.call(id(3), &Keep("afterwards".to_owned()), LIMIT).await;
        assert_eq!(answer, Ok("afterwards".to_owned()));
    });
}

#[test]
fn the_middle_cannot_pose_as_the_other_end() {
    real(async {
        let env = env::real::env();
        let listener = env.net.listen(ANY_PORT).await.unwrap();
        let address = listener.local_addr().unwrap();
        let liar = Arc::new(credentials(&env, 1));
        let heard = Arc::<Mutex<Vec<ConnectError>>>::default();
        let shared = Arc::new(Shared::new(env, credentials(&env::real::env(), 1), Arc::new(NoCourier)));
        let notes = Arc::clone(&heard);
        shared.handlers.add::<Relay, _, _>(move |call| {
            let (liar, notes) = (Arc::clone(&liar), Arc::clone(&notes));
            async move {
                let (near, far) = tokio::io::duplex(BUFFER_BYTES);
                let (reader, writer) = tokio::io::split(far);
                env::real::env().tasks.spawn(incoming(call.attachment, writer)).detach();
                let accept = async move {
                    // It knows the secret and has a key; it is not the one that is wanted.
                    let outcome = liar.accept(Box::new(near), |_| Ok(())).await;
                    notes.lock().unwrap().extend(outcome.err());
                };
                env::real::env().tasks.spawn(accept).detach();
                Ok(Answer { reply: (), attachment: outgoing(reader) })
            }
        });
        listening::start(&shared, listener);
        let left = TestNode::real(2, false).await;
        left.net.connect(address, None).await.unwrap();
        let stream = open(left.net.shared(), id(1), id(3)).await.unwrap();
        let purpose = Purpose { class: Class::Metadata, caller: Caller::Dialler };
        let dialled = left.net.shared().credentials.dial(stream, purpose, Some(id(3))).await;
        assert_eq!(dialled.err(), Some(ConnectError::WrongNode { expected: id(3), found: id(1) }));
        eventually("the liar was told nothing", || !heard.lock().unwrap().is_empty()).await;
        assert!(!left.net.is_connected(id(3)));
    });
}
