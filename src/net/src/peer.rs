//! What a node knows about one other node: its links, its limits, its state for `status`.
//!
//! A link carries calls in one direction, so a pair has four: two classes, two directions. The calling
//! end owns a link. It uses the newest one of a class and lets an older one go when its calls have
//! ended; the serving end serves whatever it is called on.

use crate::calling::CallLink;
use crate::ending::Complaints;
use crate::error::ConnectError;
use crate::hello::Hello;
use crate::limits::{
    ADDRESSES_MAX, CALLS_MAX, IN_FLIGHT_BYTES, REPLIES_BYTES, SERVED_LINKS_MAX, STREAMS_MAX,
};
use crate::request::{Class, Level};
use crate::window::Window;
use crate::wire::Wire;
use base::NodeId;
use env::{MonoTime, Task};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// How a peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Over links of our own.
    Direct,
    /// Through a common peer.
    Relayed(NodeId),
    /// Not at the moment.
    None,
}

/// A peer, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerStatus {
    /// Who.
    pub node: NodeId,
    /// How calls reach it.
    pub connection: Connection,
    /// Where it is dialled.
    pub addresses: Vec<SocketAddr>,
    /// Where it says that it can be dialled.
    pub advertised: Option<SocketAddr>,
    /// Round trip, smoothed over the last pings.
    pub latency: Option<Duration>,
    /// Monotonic time at which it last answered.
    pub last_seen: Option<MonoTime>,
    /// What its links speak.
    pub level: Option<Level>,
    /// Our calls to it that have no answer yet.
    pub calls_in_flight: usize,
    /// Why the last attempt to reach it failed; `None` once one worked.
    pub last_error: Option<ConnectError>,
}

pub(crate) struct Peer {
    pub id: NodeId,
    /// Calls that we may still make, by class.
    calls: [Arc<Semaphore>; 2],
    /// Room for requests to it, for requests from it, and for replies from it; in bytes.
    pub sending: Arc<Semaphore>,
    pub receiving: Arc<Semaphore>,
    pub replies: Arc<Semaphore>,
    /// Room for the large ones among the requests to it, as its line allows.
    pub window: Window,
    /// Requests to it that carry a stream.
    pub streams: Arc<Semaphore>,
    /// A link is gone or an address is new.
    pub wake: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    addresses: Vec<SocketAddr>,
    advertised: Option<SocketAddr>,
    calling: [Option<Arc<CallLink>>; 2],
    serving: [Vec<Wire>; 2],
    instance: Option<u64>,
    latency: Option<Duration>,
    last_seen: Option<MonoTime>,
    last_error: Option<ConnectError>,
    keeper: Option<Task<()>>,
    complaints: Complaints,
    is_gone: bool,
}

/// What is missing between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Nothing,
    /// All links are there, through a relay.
    DirectWay,
    /// A link on which we call.
    Calling(Class),
    /// A link on which it calls.
    Serving(Class),
}

impl Peer {
    pub fn new(id: NodeId) -> Self {
        let room = |permits| Arc::new(Semaphore::new(permits));
        Self {
            id,
            calls: [room(CALLS_MAX), room(CALLS_MAX)],
            sending: room(IN_FLIGHT_BYTES),
            receiving: room(IN_FLIGHT_BYTES),
            replies: room(REPLIES_BYTES),
            window: Window::new(),
            streams: room(STREAMS_MAX),
            wake: Notify::new(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls that may be under way in this class.
    pub fn calls(&self, class: Class) -> &Semaphore {
        &self.calls[class.index()]
    }

    /// The link for calls of this class.
    pub fn link(&self, class: Class) -> Option<Arc<CallLink>> {
        self.state().calling[class.index()].clone()
    }

    /// Whether calls of both classes can be made.
    pub fn is_connected(&self) -> bool {
        self.state().calling.iter().all(Option::is_some)
    }

    /// Which of its processes the links lead to; none once it was forgotten.
    pub fn process(&self) -> Option<u64> {
        let state = self.state();
        state.instance.filter(|_| !state.is_gone)
    }

    pub fn missing(&self) -> Missing {
        let state = self.state();
        let lacks_calling = |class: &Class| state.calling[class.index()].is_none();
        if let Some(class) = Class::ALL.into_iter().find(lacks_calling) {
            return Missing::Calling(class);
        }
        if let Some(class) = Class::ALL.into_iter().find(|class| state.serving[class.index()].is_empty()) {
            return Missing::Serving(class);
        }
        let is_relayed = state.calling.iter().flatten().any(|link| link.relay.is_some());
        if is_relayed { Missing::DirectWay } else { Missing::Nothing }
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.state().addresses.clone()
    }

    /// Adds an address in front, as the newest knowledge; the oldest goes when there are too many.
    pub fn add_address(&self, address: SocketAddr) {
        let mut state = self.state();
        if state.addresses.first() == Some(&address) {
            return;
        }
        state.addresses.retain(|known| *known != address);
        state.addresses.insert(0, address);
        state.addresses.truncate(ADDRESSES_MAX);
        drop(state);
        self.wake.notify_one();
    }

    /// Gives the peer its keeper, unless it has one.
    pub fn set_keeper(&self, start: impl FnOnce() -> Task<()>) {
        let mut state = self.state();
        if state.keeper.is_none() && !state.is_gone {
            state.keeper = Some(start());
        }
    }

    /// Takes note of who this link comes from; links to an earlier process of the peer end now.
    fn greet(state: &mut State, hello: &Hello) {
        if state.instance.is_some_and(|instance| instance != hello.instance) {
            cut_all(state);
        }
        state.instance = Some(hello.instance);
        state.advertised = hello.advertised.or(state.advertised);
        state.last_error = None;
    }

    /// Takes a link on which we call. An earlier one ends when its calls have ended.
    pub fn add_calling(&self, hello: &Hello, link: CallLink) -> Option<Arc<CallLink>> {
        let mut state = self.state();
        if state.is_gone {
            link.wire.cut();
            return None;
        }
        Self::greet(&mut state, hello);
        let slot = hello.purpose.class.index();
        let link = Arc::new(link);
        let earlier = state.calling[slot].replace(Arc::clone(&link));
        drop(state);
        drop(earlier);
        Some(link)
    }

    /// Takes a link on which we are called. Beyond the limit the oldest ends.
    pub fn add_serving(&self, hello: &Hello, wire: &Wire) {
        let mut state = self.state();
        if state.is_gone {
            wire.cut();
            return;
        }
        Self::greet(&mut state, hello);
        let links = &mut state.serving[hello.purpose.class.index()];
        if links.len() == SERVED_LINKS_MAX {
            links.remove(0).cut();
        }
        links.push(wire.clone());
    }

    /// A link has ended, whatever it was for.
    pub fn remove_link(&self, wire: &Wire, now: MonoTime) {
        wire.cut();
        let mut state = self.state();
        let mut ended = Vec::new();
        for slot in &mut state.calling {
            ended.extend(slot.take_if(|link| link.wire.is(wire)));
        }
        for links in &mut state.serving {
            links.retain(|known| !known.is(wire));
        }
        if !ended.is_empty() {
            state.last_seen = state.last_seen.max(Some(now));
        }
        drop(state);
        drop(ended);
        self.wake.notify_one();
    }

    /// A ping was answered.
    pub fn note_ping(&self, now: MonoTime, took: Duration) {
        let mut state = self.state();
        state.last_seen = Some(now);
        // An exponential mean over about eight pings.
        state.latency = Some(state.latency.map_or(took, |mean| (mean * 7 + took) / 8));
    }

    pub fn note_error(&self, error: ConnectError) {
        self.state().last_error = Some(error);
    }

    /// It broke the rules. How many such notes were not said before this one, if this one is to be said.
    pub fn note_complaint(&self, now: MonoTime) -> Option<u64> {
        self.state().complaints.note(now)
    }

    #[cfg(test)]
    pub fn complaints(&self) -> u64 {
        self.state().complaints.count()
    }

    /// Ends everything; no link is taken any more.
    pub fn end(&self) {
        let mut state = self.state();
        state.is_gone = true;
        cut_all(&mut state);
        let ended = (std::mem::take(&mut state.calling), state.keeper.take());
        drop(state);
        drop(ended);
    }

    /// Whether nothing would be lost by forgetting this peer.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.addresses.is_empty()
            && state.calling.iter().all(Option::is_none)
            && state.serving.iter().all(Vec::is_empty)
    }

    pub fn status(&self) -> PeerStatus {
        let state = self.state();
        let links: Vec<&Arc<CallLink>> = state.calling.iter().flatten().collect();
        let connection = match links.as_slice() {
            [first, second] => match first.relay.or(second.relay) {
                Some(relay) => Connection::Relayed(relay),
                None => Connection::Direct,
            },
            _ => Connection::None,
        };
        let free: usize = self.calls.iter().map(|calls| calls.available_permits()).sum();
        PeerStatus {
            node: self.id,
            connection,
            addresses: state.addresses.clone(),
            advertised: state.advertised,
            latency: state.latency,
            last_seen: state.last_seen,
            level: links.first().map(|link| link.level),
            calls_in_flight: 2 * CALLS_MAX - free,
            last_error: state.last_error.clone(),
        }
    }
}

fn cut_all(state: &mut State) {
    for link in state.calling.iter().flatten() {
        link.wire.cut();
    }
    for wire in state.serving.iter().flatten() {
        wire.cut();
    }
}
