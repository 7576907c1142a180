//! Nodes for tests: in the real world over loopback, in the simulated one over a network that can be
//! frozen and that keeps a digest of all bytes.

use base::NodeId;
use bytes::Bytes;
use env::sim::{SimNet, SimOptions, SimWorld};
use env::{BoxStream, Env, Listener};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use net::{
    Answer, Attachment, Class, Courier, Identity, Net, NoCourier, Options, Refusal, Request, SeedIdentity,
    Versions,
};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub const SECRET: [u8; 32] = [42; 32];
/// Long enough for a busy machine; tests that wait for it fail.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Gives back its text, and who asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Echo(pub String);

impl Request for Echo {
    type Reply = (NodeId, String);
    const NAME: &'static str = "test/echo";
    const CLASS: Class = Class::Metadata;
}

/// Gives back its attachment, as one piece or as a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mirror {
    pub as_stream: bool,
}

impl Request for Mirror {
    type Reply = Option<u64>;
    const NAME: &'static str = "test/mirror";
    const CLASS: Class = Class::Bulk;
}

/// Never answers; counts how many are waiting.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hang;

impl Request for Hang {
    type Reply = ();
    const NAME: &'static str = "test/hang";
    const CLASS: Class = Class::Metadata;
}

/// A node with the usual handlers.
pub struct TestNode {
    pub net: Net,
    /// Handlers of [`Hang`] that run.
    pub hanging: Arc<AtomicUsize>,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The usual options of node `number`.
pub fn options(number: u8, listen: &[SocketAddr]) -> Options {
    Options {
        identity: Arc::new(SeedIdentity::new(&[number; 32])),
        secret: SECRET,
        listen: listen.to_vec(),
        advertised: None,
        versions: Versions::CURRENT,
        courier: Arc::new(NoCourier),
    }
}

pub fn id(number: u8) -> NodeId {
    SeedIdentity::new(&[number; 32]).id()
}

pub const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

impl TestNode {
    pub async fn start(env: Env, options: Options) -> Self {
        let net = Net::start(env, options).await.unwrap();
        let hanging = Arc::new(AtomicUsize::new(0));
        net.handle::<Echo, _, _>(|call| async move { Ok((call.from, call.request.0).into()) });
        net.handle::<Mirror, _, _>(|call| async move {
            let known = call.attachment.size_bytes();
            let attachment = if call.request.as_stream {
                call.attachment
            } else {
                call.attachment.read_all(2 << 20).await.unwrap_or_default().into()
            };
            Ok(Answer { reply: known, attachment })
        });
        let counter = Arc::clone(&hanging);
        net.handle::<Hang, _, _>(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let waiting = Waiting(Arc::clone(&counter));
            async move {
                std::future::pending::<()>().await;
                drop(waiting);
                Ok(().into())
            }
        });
        Self { net, hanging }
    }

    /// On loopback. `listens`: whether others can dial it.
    pub async fn real(number: u8, listens: bool) -> Self {
        let listen = if listens { &[ANY_PORT][..] } else { &[] };
        Self::start(env::real::env(), options(number, listen)).await
    }

    pub fn address(&self) -> SocketAddr {
        self.net.addresses()[0]
    }

    pub async fn echo(&self, to: NodeId, text: &str) {
        let reply = self.net.call(to, &Echo(text.to_owned()), LIMIT).await.unwrap();
        assert_eq!(reply, (self.net.id(), text.to_owned()));
    }

    pub async fn wait_connected(&self, to: NodeId) {
        assert!(self.net.wait_connected(to, LIMIT).await, "no link to {to:?}: {:?}", self.net.peer(to));
    }
}

/// Waits until something is so; looks again after short pauses and never gives up before [`LIMIT`].
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..LIMIT.as_millis() / 10 {
        if is_so() {
            return;
        }
        env::sleep(Duration::from_millis(10)).await;
    }
    panic!("never so: {what}");
}

/// Carries a clock of its own; sends and refuses what it is told to.
pub struct Ticking {
    pub clock: AtomicU64,
    pub sends_garbage: AtomicBool,
    /// The latest clock that it believes.
    pub latest: u64,
}

impl Ticking {
    pub fn at(clock: u64) -> Arc<Self> {
        Arc::new(Self { clock: clock.into(), sends_garbage: false.into(), latest: 1000 })
    }

    pub fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }
}

impl Courier for Ticking {
    fn seal(&self, _: NodeId) -> Bytes {
        let header = self.now().to_be_bytes();
        let length = if self.sends_garbage.load(Ordering::SeqCst) { 5 } else { header.len() };
        Bytes::copy_from_slice(&header[..length])
    }

    fn open(&self, _: NodeId, envelope: &[u8]) -> Result<(), Refusal> {
        let header = envelope.try_into().map_err(|_| Refusal::Malformed)?;
        let told = u64::from_be_bytes(header);
        if told > self.latest {
            return Err(Refusal::ClockAhead);
        }
        self.clock.fetch_max(told, Ordering::SeqCst);
        Ok(())
    }
}

/// Runs a test in the real world.
pub fn real(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// Runs a test in virtual time.
pub fn simulated<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// Nodes in one thread on one network.
pub struct World {
    pub network: SimNet,
    seed: u64,
    starts: AtomicUsize,
    pub taps: Arc<Taps>,
}

/// What a test does to all streams.
pub struct Taps {
    is_frozen: AtomicBool,
    sleepers: Mutex<Vec<Waker>>,
    digest: Mutex<blake3::Hasher>,
    writes: AtomicUsize,
}

impl Taps {
    /// From now on nothing moves, and nobody is told.
    pub fn freeze(&self) {
        self.is_frozen.store(true, Ordering::SeqCst);
    }

    /// New streams move again, and so do the old ones.
    pub fn thaw(&self) {
        self.is_frozen.store(false, Ordering::SeqCst);
        for sleeper in self.sleepers.lock().unwrap().drain(..) {
            sleeper.wake();
        }
    }

    /// How many writes there were.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// A digest of all bytes written so far, in their order.
    pub fn digest(&self) -> String {
        self.digest.lock().unwrap().finalize().to_string()
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let options = SimOptions { delay_max: Duration::from_millis(10), ..SimOptions::default() };
        let taps = Taps {
            is_frozen: AtomicBool::new(false),
            sleepers: Mutex::default(),
            digest: Mutex::new(blake3::Hasher::new()),
            writes: AtomicUsize::new(0),
        };
        let network = SimWorld::new(seed, &options).net.clone();
        Self { network, seed, starts: AtomicUsize::new(0), taps: Arc::new(taps) }
    }

    pub fn env(&self) -> Env {
        let start = self.starts.fetch_add(1, Ordering::SeqCst) as u64;
        let mut env = env::sim::env(self.seed.wrapping_mul(1000).wrapping_add(start));
        env.net = Arc::new(Tapped { net: Arc::new(self.network.clone()), taps: Arc::clone(&self.taps) });
        env
    }

    /// The doors of this machine, with the taps on what is dialled.
    pub fn real_env(&self) -> Env {
        let mut env = env::real::env();
        env.net = Arc::new(Tapped { net: Arc::clone(&env.net), taps: Arc::clone(&self.taps) });
        env
    }

    /// A node at a port of its own: its number; or one that nobody can dial.
    pub async fn node(&self, number: u8, listens: bool) -> TestNode {
        let address = World::address(number);
        let listen = if listens { &[address][..] } else { &[] };
        TestNode::start(self.env(), options(number, listen)).await
    }

    pub fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1000 + u16::from(number)))
    }
}

struct Tapped {
    net: Arc<dyn env::Net>,
    taps: Arc<Taps>,
}

impl env::Net for Tapped {
    fn listen<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        self.net.listen(address)
    }

    fn listen_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        self.net.listen_unix(path)
    }

    fn connect<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<BoxStream>> {
        async move {
            let stream = self.net.connect(address).await?;
            Ok(Box::new(TappedStream { stream, taps: Arc::clone(&self.taps) }) as BoxStream)
        }
        .boxed()
    }

    fn connect_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<BoxStream>> {
        self.net.connect_unix(path)
    }

    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.net.resolve(name)
    }

    fn stays_in_process(&self) -> bool {
        self.net.stays_in_process()
    }

    fn repeats_after(&self) -> Option<Duration> {
        self.net.repeats_after()
    }
}

/// The dialling end of a stream: freezing it stops both directions.
struct TappedStream {
    stream: BoxStream,
    taps: Arc<Taps>,
}

impl TappedStream {
    fn is_frozen(&self, context: &Context<'_>) -> bool {
        let is_frozen = self.taps.is_frozen.load(Ordering::SeqCst);
        if is_frozen {
            self.taps.sleepers.lock().unwrap().push(context.waker().clone());
        }
        is_frozen
    }
}

impl AsyncRead for TappedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_frozen(context) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TappedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_frozen(context) {
            return Poll::Pending;
        }
        self.taps.digest.lock().unwrap().update(bytes);
        self.taps.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_frozen(context) {
            return Poll::Pending;
        }
        self.taps.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Bytes that show when they are mixed up.
pub fn pattern(size_bytes: usize) -> Bytes {
    (0..size_bytes).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}

/// The pattern as a stream of chunks.
pub fn pattern_stream(chunks: usize, chunk_bytes: usize) -> Attachment {
    let chunk = pattern(chunk_bytes);
    let next = move |number| {
        let chunk = chunk.clone();
        async move { (number < chunks).then(|| (Ok(chunk), number + 1)) }
    };
    Attachment::stream(futures_util::stream::unfold(0, next))
}
