//! What all tasks of a node's network share, and the way of one call.

use crate::attachment::Attachment;
use crate::calling::SendError;
use crate::error::{CallError, ConnectError, NoAnswer, Refusal};
use crate::guest::Doorkeeper;
use crate::handlers::{AnyValue, Handlers, decode, encode};
use crate::handshake::Credentials;
use crate::hello::Reject;
use crate::limits::{LARGE_MIN_BYTES, PEERS_MAX, RELAYED_STREAMS_MAX, SLOWEST_BYTES_PER_SECOND};
use crate::message::{self, Expected, Kind, MessageBody, MessageError, Parts, Received, TooLarge};
use crate::peer::Peer;
use crate::request::{Answer, Class, Courier, Incoming, Level, Outgoing, Request};
use crate::runtime::{TaskGroup, Timer};
use crate::window::Place;
use base::NodeId;
use bytes::Bytes;
use env::{Changes, Env, Watcher};
use futures_util::future::{Either, select};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

pub(crate) struct Shared {
    pub env: Env,
    pub credentials: Credentials,
    pub courier: Arc<dyn Courier>,
    pub handlers: Handlers,
    pub tasks: TaskGroup,
    pub timer: Timer,
    /// Streams of others that pass through.
    pub relayed: Arc<Semaphore>,
    peers: Mutex<BTreeMap<NodeId, Arc<Peer>>>,
    changes: Changes,
    is_stopped: AtomicBool,
    doorkeeper: OnceLock<Arc<dyn Doorkeeper>>,
}

impl Shared {
    pub fn new(env: Env, credentials: Credentials, courier: Arc<dyn Courier>) -> Self {
        Self {
            tasks: TaskGroup::new(env.tasks.clone()),
            timer: Timer::new(&env),
            env,
            credentials,
            courier,
            handlers: Handlers::default(),
            relayed: Arc::new(Semaphore::new(RELAYED_STREAMS_MAX)),
            peers: Mutex::default(),
            changes: Changes::default(),
            is_stopped: AtomicBool::new(false),
            doorkeeper: OnceLock::new(),
        }
    }

    /// This node.
    pub fn me(&self) -> NodeId {
        self.credentials.node
    }

    /// Who decides about guests; nobody yet while the node starts.
    pub fn doorkeeper(&self) -> Option<&dyn Doorkeeper> {
        self.doorkeeper.get().map(Arc::as_ref)
    }

    /// Sets who decides about guests. Once.
    pub fn set_doorkeeper(&self, doorkeeper: Arc<dyn Doorkeeper>) {
        let first = self.doorkeeper.set(doorkeeper).is_ok();
        debug_assert!(first, "a network has one doorkeeper");
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn peer(&self, id: NodeId) -> Option<Arc<Peer>> {
        self.peers().get(&id).cloned()
    }

    pub fn all_peers(&self) -> Vec<Arc<Peer>> {
        self.peers().values().cloned().collect()
    }

    /// The peer, made if it is new and there is room.
    pub fn peer_or_new(&self, id: NodeId) -> Result<Arc<Peer>, Reject> {
        let mut peers = self.peers();
        if self.is_stopped.load(Ordering::Acquire) {
            return Err(Reject::TooMany);
        }
        if let Some(peer) = peers.get(&id) {
            return Ok(Arc::clone(peer));
        }
        if peers.len() >= PEERS_MAX {
            let idle = peers.values().find(|peer| peer.is_idle()).map(|peer| peer.id);
            peers.remove(&idle.ok_or(Reject::TooMany)?).expect("it was found").end();
        }
        let peer = Arc::new(Peer::new(id));
        peers.insert(id, Arc::clone(&peer));
        Ok(peer)
    }

    pub fn remove_peer(&self, id: NodeId) {
        let removed = self.peers().remove(&id);
        if let Some(peer) = removed {
            peer.end();
            self.note_change();
        }
    }

    /// Tells whoever waits that a link came or went.
    pub fn note_change(&self) {
        self.changes.note();
    }

    pub fn changes(&self) -> Watcher {
        self.changes.watch()
    }

    /// Ends all links and tasks. Nothing begins afterwards.
    pub fn stop(&self) {
        let peers = {
            let mut peers = self.peers();
            self.is_stopped.store(true, Ordering::Release);
            std::mem::take(&mut *peers)
        };
        for peer in peers.values() {
            peer.end();
        }
        self.tasks.stop();
        self.handlers.clear();
        self.note_change();
    }

    pub fn check_running(&self) -> Result<(), ConnectError> {
        if self.is_stopped.load(Ordering::Acquire) { Err(ConnectError::Stopping) } else { Ok(()) }
    }

    /// Makes a call, to another node or to this one.
    pub async fn call<R: Request>(
        &self,
        to: NodeId,
        outgoing: Outgoing<'_, R>,
        unwanted: impl Future<Output = ()> + Send,
    ) -> Result<Answer<R::Reply>, CallError> {
        if to == self.me() {
            return self.call_here(outgoing).await;
        }
        let bad_answer = CallError::Unknown { node: to, cause: NoAnswer::BadAnswer };
        let Outgoing { request, attachment, limit } = outgoing;
        let body = encode(request).expect("a request type can be encoded");
        let call = Call { name: R::NAME, class: R::CLASS, body, attachment, limit };
        let received = self.exchange(to, call, unwanted).await?;
        match received.head.kind {
            Kind::Reply => match decode(&received.body) {
                Ok(reply) => Ok(Answer { reply, attachment: received.attachment }),
                Err(_) => Err(bad_answer),
            },
            Kind::Refusal => match decode(&received.body) {
                Ok(refusal) => Err(refused(to, refusal)),
                Err(_) => Err(bad_answer),
            },
            Kind::Request => Err(bad_answer),
        }
    }

    async fn call_here<R: Request>(&self, outgoing: Outgoing<'_, R>) -> Result<Answer<R::Reply>, CallError> {
        let me = self.me();
        let Outgoing { request, attachment, limit } = outgoing;
        let handler = self.handlers.get(R::NAME).ok_or_else(|| refused(me, Refusal::UnknownRequest))?;
        let versions = self.credentials.versions;
        let call = Incoming {
            from: me,
            request: Box::new(request.clone()) as AnyValue,
            attachment,
            level: Level { protocol: versions.max, feature: versions.feature },
            limit,
        };
        let answer = env::timeout(limit, handler.local(call)).await.ok_or(CallError::TimedOut(me))?;
        let Answer { reply, attachment } = answer.map_err(|refusal| refused(me, refusal))?;
        let reply = reply.downcast::<R::Reply>().expect("a handler's reply has the type of its request");
        Ok(Answer { reply: *reply, attachment })
    }

    /// Sends a message and reads the answer up to its attachment. A large one waits for room in the window of its peer
    /// first, as long as it is wanted, and has the more time the larger it is.
    async fn exchange(
        &self,
        to: NodeId,
        call: Call,
        unwanted: impl Future<Output = ()> + Send,
    ) -> Result<Received, CallError> {
        let not_connected = CallError::NotConnected(to);
        let peer = self.peer(to).ok_or_else(|| not_connected.clone())?;
        let first = peer.link(call.class).ok_or_else(|| not_connected.clone())?;
        let (class, name) = (call.class, call.name);
        let attached = call.attachment.size_bytes();
        let is_stream = attached.is_none();
        let size_bytes = call.body.len() + attached.unwrap_or(0) as usize;
        let limit = call.limit + time_on_the_line(size_bytes);
        let place = match class == Class::Bulk && size_bytes >= LARGE_MIN_BYTES {
            true => Some(self.enter_window(&peer, size_bytes, unwanted).await?),
            false => None,
        };
        let mut message = MessageBody::new(Parts {
            kind: Kind::Request,
            level: first.level,
            limit,
            envelope: self.courier.seal(to),
            body: call.body,
            attachment: call.attachment,
        })?;
        let weight = u32::try_from(message.weight()).expect("a message is below 8 MiB");
        let is_sent = AtomicBool::new(false);
        let work = async {
            // Neither of the two is ever closed.
            let _turn = peer.calls(class).acquire().await.map_err(|_| not_connected.clone())?;
            let streams = Arc::clone(&peer.streams);
            let stream = if is_stream { streams.acquire_owned().await.ok() } else { None };
            let leash = message.leash(stream);
            let _room = peer.sending.acquire_many(weight).await.map_err(|_| not_connected.clone())?;
            let link = if first.wire.is_cut() {
                let newest = peer.link(class).filter(|newest| newest.level == first.level);
                newest.ok_or_else(|| not_connected.clone())?
            } else {
                first
            };
            is_sent.store(true, Ordering::Relaxed);
            let body = link.send(name, message).await.map_err(|error| match error {
                SendError::NotSent => not_connected.clone(),
                SendError::Unknown(cause) => CallError::Unknown { node: to, cause },
            })?;
            let received = message::read(body, &peer.replies, Expected::Answer(leash)).await;
            received.map_err(|error| CallError::Unknown { node: to, cause: no_answer(error) })
        };
        let received = env::timeout(limit, work).await;
        match (place, &received) {
            (Some(place), Some(Ok(_))) => place.answered(self.env.clock.mono()),
            (Some(place), None) => place.failed(self.env.clock.mono()),
            // The line is gone, or nobody asked for its window.
            (Some(_), Some(Err(_))) | (None, _) => {}
        }
        let received = match received {
            Some(result) => result?,
            None if is_sent.load(Ordering::Relaxed) => return Err(CallError::TimedOut(to)),
            None => return Err(CallError::Busy(to)),
        };
        let accepted = self.courier.open(to, &received.envelope);
        accepted.map_err(|refusal| CallError::Unknown { node: to, cause: NoAnswer::NotAccepted(refusal) })?;
        Ok(received)
    }

    /// Waits for room in a peer's window, as long as the request is wanted.
    async fn enter_window<'a>(
        &self,
        peer: &'a Peer,
        size_bytes: usize,
        unwanted: impl Future<Output = ()> + Send,
    ) -> Result<Place<'a>, CallError> {
        let enter = pin!(peer.window.enter(size_bytes, || self.env.clock.mono()));
        match select(enter, pin!(unwanted)).await {
            Either::Left((place, _)) => Ok(place),
            Either::Right(_) => Err(CallError::Busy(peer.id)),
        }
    }
}

/// A call whose types are forgotten.
struct Call {
    name: &'static str,
    class: Class,
    body: Bytes,
    attachment: Attachment,
    limit: Duration,
}

/// How long a message of this size may take to get over, beside what its receiver may take to answer.
fn time_on_the_line(size_bytes: usize) -> Duration {
    Duration::from_secs((size_bytes / SLOWEST_BYTES_PER_SECOND) as u64)
}

fn refused(node: NodeId, refusal: Refusal) -> CallError {
    match refusal {
        Refusal::Failed => CallError::Unknown { node, cause: NoAnswer::HandlerFailed },
        refusal => CallError::Refused { node, refusal },
    }
}

impl From<TooLarge> for CallError {
    fn from(TooLarge { size_bytes, limit_bytes }: TooLarge) -> Self {
        Self::TooLarge { size_bytes, limit_bytes }
    }
}

fn no_answer(error: MessageError) -> NoAnswer {
    match error {
        MessageError::Cut => NoAnswer::LinkLost,
        MessageError::Malformed | MessageError::TooLarge | MessageError::OverBudget => NoAnswer::BadAnswer,
    }
}
