//! The simulated network: listeners and byte streams in memory, each chunk with a seeded delay.
//!
//! A chunk is what one write hands over. Chunks arrive whole and in order; a stream holds a
//! limited number of bytes, so a writer waits for a slow reader as it would on a socket.
//!
//! Machines have numbers, and each direction between two of them is a [`Way`] that can be cut: then
//! nothing arrives and nobody is told, and what was sent arrives when the way is whole again.
//!
//! A stream never doubles bytes, so what comes twice is whole requests: whoever serves them asks
//! [`Net::repeats_after`].

use super::rng::Generator;
use super::way::Way;
use crate::net::{BoxStream, Listener, Net};
use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

/// Bytes under way in one direction before the writer waits: a usual socket buffer.
const WINDOW_BYTES: usize = 256 << 10;
/// Streams that wait for `accept`.
const BACKLOG: usize = 128;
/// Before the answer is on its way, more often than not.
const REPEATED_SOON: Duration = Duration::from_millis(20);
/// The first port given out when port 0 is asked for, and the first of dialling ends.
const FIRST_PORT: u16 = 20_000;

type Accepted = (BoxStream, Option<SocketAddr>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The network that the nodes of one world share, as one machine sees it. Cheap to clone.
#[derive(Clone)]
pub struct SimNet {
    network: Arc<Mutex<Network>>,
    machine: usize,
}

struct Network {
    /// With the machine that listens, or did.
    listeners: BTreeMap<Place, (usize, mpsc::Sender<Accepted>)>,
    ways: BTreeMap<(usize, usize), Arc<Way>>,
    random: Generator,
    delay_max: Duration,
    /// Bytes a second from any machine to any other one; `None`: any number.
    rate: Option<u64>,
    next_port: u16,
    repeats: Repeats,
}

/// Which requests are executed twice.
#[derive(Default)]
struct Repeats {
    percent: u64,
    late_max: Duration,
    count: u64,
}

impl SimNet {
    /// A network in which each chunk takes up to `delay_max`, as machine 0 sees it.
    pub fn new(seed: u64, delay_max: Duration) -> Self {
        let network = Network {
            listeners: BTreeMap::new(),
            ways: BTreeMap::new(),
            random: Generator::new(seed),
            delay_max,
            rate: None,
            next_port: FIRST_PORT,
            repeats: Repeats::default(),
        };
        Self { network: Arc::new(Mutex::new(network)), machine: 0 }
    }

    /// Lets no more than so many bytes a second go from a machine to another one. To be said before anybody dials.
    #[must_use]
    pub fn with_rate(self, bytes_per_s: Option<u64>) -> Self {
        self.network().rate = bytes_per_s;
        self
    }

    /// The same network as another machine sees it.
    pub fn of_machine(&self, machine: usize) -> Self {
        Self { network: Arc::clone(&self.network), machine }
    }

    /// Lets nothing arrive any more. Cuts count: a way is whole when each was healed.
    pub fn cut(&self, from: usize, to: usize) {
        self.network().way(from, to).cut();
    }

    /// Takes one cut back.
    pub fn heal(&self, from: usize, to: usize) {
        self.network().way(from, to).heal();
    }

    /// Changes how long a chunk may take from now on; `None`: as at first.
    pub fn slow_down(&self, from: usize, to: usize, delay_max: Option<Duration>) {
        let mut network = self.network();
        let delay_max = delay_max.unwrap_or(network.delay_max);
        network.way(from, to).slow_down(delay_max);
    }

    /// Has so many percent of all requests executed twice: half of them soon, the others up to `late_max` later.
    pub fn repeat_requests(&self, percent: u64, late_max: Duration) {
        let mut network = self.network();
        (network.repeats.percent, network.repeats.late_max) = (percent, late_max);
    }

    /// How many were so far.
    pub fn repeated_requests(&self) -> u64 {
        self.network().repeats.count
    }

    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bind(&self, place: Place) -> io::Result<Box<dyn Listener>> {
        let (sender, inbox) = mpsc::channel(BACKLOG);
        let mut network = self.network();
        let is_taken = network.listeners.get(&place).is_some_and(|(_, other)| !other.is_closed());
        // A stale socket file is replaced; a port in use is not.
        if is_taken && matches!(place, Place::Tcp(_)) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        network.listeners.insert(place.clone(), (self.machine, sender));
        Ok(Box::new(SimListener { place, inbox: tokio::sync::Mutex::new(inbox) }))
    }

    async fn dial(&self, place: Place) -> io::Result<BoxStream> {
        let (there, back) = {
            let mut network = self.network();
            let (machine, _) = network.listeners.get(&place).ok_or(io::ErrorKind::ConnectionRefused)?;
            let machine = *machine;
            (network.way(self.machine, machine), network.way(machine, self.machine))
        };
        // Somebody who does not answer is waited for: how long is for the caller to say.
        std::future::poll_fn(|context| match there.is_cut(context) || back.is_cut(context) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
        let (sender, ours, theirs, from) = {
            let mut network = self.network();
            let listener = network.listeners.get(&place).cloned();
            let (_, sender) = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
            let port = network.port();
            let (ours, theirs) = network.stream_pair(there, back);
            let from = matches!(place, Place::Tcp(_)).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            (sender, ours, theirs, from)
        };
        let accepted: Accepted = (Box::new(theirs), from);
        sender.send(accepted).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(ours))
    }
}

impl Network {
    fn port(&mut self) -> u16 {
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        self.next_port
    }

    fn repeats_after(&mut self) -> Option<Duration> {
        // Nothing is drawn where nothing comes twice.
        if self.repeats.percent == 0 || self.random.below(100) >= self.repeats.percent {
            return None;
        }
        self.repeats.count += 1;
        let late_max = if self.random.coin() { REPEATED_SOON } else { self.repeats.late_max };
        let most_us = u64::try_from(late_max.as_micros()).unwrap_or(u64::MAX);
        Some(Duration::from_micros(self.random.below(most_us.saturating_add(1))))
    }

    fn way(&mut self, from: usize, to: usize) -> Arc<Way> {
        let delay_max = self.delay_max;
        // Within a machine nothing is slow.
        let rate = self.rate.filter(|_| from != to);
        Arc::clone(self.ways.entry((from, to)).or_insert_with(|| Arc::new(Way::new(delay_max, rate))))
    }

    fn stream_pair(&mut self, there: Arc<Way>, back: Arc<Way>) -> (SimStream, SimStream) {
        let mut pipe = |way| {
            let random = Generator::new(self.random.next_u64());
            Arc::new(Mutex::new(Pipe::new(random, way)))
        };
        let (there, back) = (pipe(there), pipe(back));
        let ours = SimStream { incoming: Arc::clone(&back), outgoing: Arc::clone(&there), timer: None };
        (ours, SimStream { incoming: there, outgoing: back, timer: None })
    }
}

impl Net for SimNet {
    fn listen<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        async move {
            let mut address = address;
            if address.port() == 0 {
                address.set_port(self.network().port());
            }
            self.bind(Place::Tcp(address))
        }
        .boxed()
    }

    fn listen_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        async move { self.bind(Place::Unix(path.to_owned())) }.boxed()
    }

    fn connect<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<BoxStream>> {
        self.dial(Place::Tcp(address)).boxed()
    }

    fn connect_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<BoxStream>> {
        self.dial(Place::Unix(path.to_owned())).boxed()
    }

    fn stays_in_process(&self) -> bool {
        true
    }

    fn repeats_after(&self) -> Option<Duration> {
        self.network().repeats_after()
    }
}

struct SimListener {
    place: Place,
    inbox: tokio::sync::Mutex<mpsc::Receiver<Accepted>>,
}

impl Listener for SimListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<Accepted>> {
        async move {
            let next = self.inbox.lock().await.recv().await;
            next.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))
        }
        .boxed()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Tcp(address) => Some(address),
            Place::Unix(_) => None,
        }
    }
}

/// One direction of a stream.
struct Pipe {
    chunks: VecDeque<(Instant, Bytes)>,
    held_bytes: usize,
    last_arrival: Option<Instant>,
    writer_gone: bool,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    random: Generator,
    way: Arc<Way>,
}

impl Pipe {
    fn new(random: Generator, way: Arc<Way>) -> Self {
        Self {
            chunks: VecDeque::new(),
            held_bytes: 0,
            last_arrival: None,
            writer_gone: false,
            reader_gone: false,
            reader: None,
            writer: None,
            random,
            way,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let longest_us = u64::try_from(self.way.delay_max().as_micros()).unwrap_or(u64::MAX);
        let delay = Duration::from_micros(self.random.below(longest_us.saturating_add(1)));
        let arrival = self.way.send(bytes.len()) + delay;
        let arrival = self.last_arrival.map_or(arrival, |last| last.max(arrival));
        self.last_arrival = Some(arrival);
        self.held_bytes += bytes.len();
        self.chunks.push_back((arrival, Bytes::copy_from_slice(bytes)));
        wake(&mut self.reader);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

struct SimStream {
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut incoming = lock(&self.incoming);
        incoming.reader_gone = true;
        wake(&mut incoming.writer);
        drop(incoming);
        let mut outgoing = lock(&self.outgoing);
        outgoing.writer_gone = true;
        wake(&mut outgoing.reader);
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let mut pipe = lock(&this.incoming);
            if pipe.way.is_cut(context) {
                return Poll::Pending;
            }
            let Some((arrival, _)) = pipe.chunks.front() else {
                if pipe.writer_gone {
                    return Poll::Ready(Ok(()));
                }
                pipe.reader = Some(context.waker().clone());
                return Poll::Pending;
            };
            let arrival = *arrival;
            if arrival <= Instant::now() {
                this.timer = None;
                take(&mut pipe, buffer);
                return Poll::Ready(Ok(()));
            }
            drop(pipe);
            let timer = this.timer.insert(Box::pin(tokio::time::sleep_until(arrival)));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

fn take(pipe: &mut Pipe, buffer: &mut ReadBuf<'_>) {
    let Some((_, chunk)) = pipe.chunks.front_mut() else { return };
    let taken = chunk.len().min(buffer.remaining());
    buffer.put_slice(&chunk[..taken]);
    chunk.advance(taken);
    if chunk.is_empty() {
        pipe.chunks.pop_front();
    }
    pipe.held_bytes -= taken;
    wake(&mut pipe.writer);
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let deaf = lock(&self.incoming).way.is_cut(context);
        let mut pipe = lock(&self.outgoing);
        // That nobody reads any more has to come back first.
        if (pipe.reader_gone && !deaf) || pipe.writer_gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW_BYTES.saturating_sub(pipe.held_bytes).min(bytes.len());
        if room == 0 && !bytes.is_empty() {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        if room > 0 {
            pipe.send(&bytes[..room]);
        }
        Poll::Ready(Ok(room))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.outgoing);
        pipe.writer_gone = true;
        wake(&mut pipe.reader);
        Poll::Ready(Ok(()))
    }
}
