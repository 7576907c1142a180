//! The exchange itself: rounds of gossip, and the layout that is asked for when its mark is new.
//!
//! A round begins every few seconds, and at once when the layout has changed here, so that a change is
//! known everywhere within a few round trips.

use super::gossip::{FetchLayout, Gossip, LayoutMark, LayoutText, NodeStatus, PEERS_TOLD_MAX};
use super::heard;
use super::saved::{self, Peers};
use super::{Inner, JoinError, NodeAddress};
use crate::forgetting::AskHeard;
use crate::vote::AskVote;
use base::{NodeId, WallTime};
use net::{Answer, ConnectError, Connection, Refusal};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two rounds of gossip: a new node is known everywhere a few seconds after one knows it.
const GOSSIP_INTERVAL: Duration = Duration::from_secs(3);
/// How often it is noted when the others were heard: by so much the time shown after a restart may be off.
const HEARD_INTERVAL: Duration = Duration::from_secs(600);
/// Times that differ by less are the same one, worked out again from two clocks.
const SAME_MS: u64 = 1000;
/// How long an answer may take. A node that is slower is asked again in the next round.
const GOSSIP_LIMIT: Duration = Duration::from_secs(10);

/// Dials the first peers until each was reached once, and gossips with everybody.
pub(super) async fn run(inner: Arc<Inner>, mut first_peers: Vec<NodeAddress>) {
    let mut changes = inner.state.layout_changes();
    loop {
        let mut left = Vec::new();
        for address in first_peers {
            if let Err(error) = inner.dial(&address).await {
                tracing::debug!(%address, %error, "a first peer is not reached yet");
                left.push(address);
            }
        }
        first_peers = left;
        let (peers, said) = (inner.net.peers().into_iter(), inner.speak().await);
        let peers = peers.filter(|peer| peer.connection != Connection::None);
        futures_util::future::join_all(peers.map(|peer| inner.gossip_with(peer.node, &said))).await;
        inner.save().await;
        inner.save_heard().await;
        // A change that came during the round is told in the next one, at once.
        let _: Option<()> = env::timeout(GOSSIP_INTERVAL, changes.changed()).await;
    }
}

/// Forgets that a node's copies count as soon as its links are gone, and gossips with it at once when it is back:
/// it may have started anew meanwhile.
pub(super) async fn watch_links(inner: Arc<Inner>) {
    let mut changes = inner.net.changes();
    let mut before = BTreeSet::new();
    loop {
        changes.mark_unchanged();
        let peers = inner.net.peers().into_iter().filter(|peer| peer.connection != Connection::None);
        let connected: BTreeSet<NodeId> = peers.map(|peer| peer.node).collect();
        for (node, status) in inner.heard.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if !connected.contains(node) {
                status.behind = None;
            }
        }
        for node in connected.difference(&before).copied() {
            let asking = Arc::clone(&inner);
            // It ends by itself: a call has a limit.
            let gossip = async move { asking.gossip_with(node, &asking.speak().await).await };
            inner.env.tasks.spawn(gossip).detach();
        }
        before = connected;
        changes.changed().await;
    }
}

/// Adds the handlers.
pub(super) fn answer(inner: &Arc<Inner>) {
    // Weak: the network holds the handlers, and this holds the network.
    let weak = Arc::downgrade(inner);
    inner.net.handle::<Gossip, _, _>(move |incoming| {
        let inner = weak.upgrade();
        async move {
            let inner = inner.ok_or(Refusal::Failed)?;
            let (from, mark) = (incoming.from, incoming.request.layout.clone());
            inner.listen_to(from, incoming.request);
            let asking = Arc::clone(&inner);
            // It ends by itself: a call has a limit.
            inner.env.tasks.spawn(async move { asking.compare_layout(from, &mark).await }).detach();
            Ok(Answer::from(inner.speak().await))
        }
    });
    let weak = Arc::downgrade(inner);
    inner.net.handle::<AskVote, _, _>(move |incoming| {
        let inner = weak.upgrade();
        async move {
            let inner = inner.ok_or(Refusal::Failed)?;
            Ok(Answer::from(inner.state.vote(&inner.env.tasks, incoming.request).await))
        }
    });
    let weak = Arc::downgrade(inner);
    inner.net.handle::<AskHeard, _, _>(move |incoming| {
        let inner = weak.upgrade();
        async move {
            let inner = inner.ok_or(Refusal::Failed)?;
            let heard = |node: &NodeId| inner.net.is_connected(*node) || *node == inner.state.id();
            Ok(Answer::from(incoming.request.nodes.into_iter().filter(heard).collect::<Vec<_>>()))
        }
    });
    let weak = Arc::downgrade(inner);
    inner.net.handle::<FetchLayout, _, _>(move |_| {
        let inner = weak.upgrade();
        async move {
            let inner = inner.ok_or(Refusal::Failed)?;
            Ok(Answer::from(LayoutText { text: inner.state.layout().to_text() }))
        }
    });
}

impl Inner {
    pub(super) fn own_address(&self) -> Option<SocketAddr> {
        let bound = self.net.addresses().iter().copied().find(|address| !address.ip().is_unspecified());
        self.advertised.or(bound)
    }

    pub(super) fn reachable_at(&self) -> Vec<SocketAddr> {
        if let Some(own) = self.own_address() {
            return vec![own];
        }
        let own = self.env.net.own_addresses();
        let listening = self.net.addresses().first();
        let fits = |ip: &IpAddr| listening.is_some_and(|bound| bound.is_ipv6() || ip.is_ipv4());
        let at = |ip| Some(SocketAddr::new(ip, listening?.port()));
        own.into_iter().filter(fits).filter_map(at).collect()
    }

    pub(super) async fn speak(&self) -> Gossip {
        let room = Arc::clone(&self.room);
        let rooms = self.env.tasks.blocking(move || room()).await;
        let layout = self.state.layout();
        let status = NodeStatus {
            hostname: self.state.hostname().to_owned(),
            release: self.release.clone(),
            layout_version: layout.newest().number,
            clock: self.env.clock.wall(),
            data_room: rooms.data,
            metadata_room: rooms.metadata,
            stored_bytes: rooms.stored_bytes,
            waiting: self.state.asks_for(rooms.data.map_or(0, |(free, _)| free)),
            behind: Some(self.state.behind()),
            to_refill: rooms.to_refill,
            blocks: rooms.blocks,
            copying: rooms.copying,
        };
        self.state.set_to_refill(rooms.to_refill);
        self.asked_for.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&status.waiting);
        let peers = self.net.peers().into_iter().filter(|peer| peer.connection != Connection::None);
        let place = |peer: net::PeerStatus| {
            let mut addresses = Vec::from_iter(peer.advertised);
            addresses.extend(peer.addresses.iter().filter(|address| Some(**address) != peer.advertised));
            (peer.node, addresses)
        };
        let layout = LayoutMark::of(&layout);
        // This node as well: whoever it dialled does not know where to dial it, nor do those whom they tell.
        let own = std::iter::once((self.state.id(), self.reachable_at()));
        Gossip { status, peers: own.chain(peers.map(place)).take(PEERS_TOLD_MAX).collect(), layout }
    }

    fn listen_to(&self, from: NodeId, said: Gossip) {
        if !said.is_acceptable() {
            return;
        }
        let is_new =
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(from, said.status.clone());
        if is_new.is_none() {
            tracing::info!(node = %from, hostname = said.status.hostname, "connected to a node");
        }
        for (node, addresses) in said.peers {
            self.learn(node, &addresses);
        }
    }

    /// A node that may be there.
    pub(super) fn learn(&self, node: NodeId, addresses: &[SocketAddr]) {
        if node != self.state.id() {
            // Too many peers, or stopping: the node is met again in a later round.
            let _: Result<(), ConnectError> = self.net.add_peer(node, addresses);
        }
    }

    pub(super) async fn dial(&self, address: &NodeAddress) -> Result<NodeId, JoinError> {
        let found = self.env.net.resolve(&address.host_and_port).await.unwrap_or_default();
        let mut failure = JoinError::NoSuchHost(address.clone());
        for place in found {
            match self.net.connect(place, Some(address.node)).await {
                Ok(node) => return Ok(node),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    pub(super) async fn gossip_with(&self, node: NodeId, said: &Gossip) {
        match self.net.call(node, said, GOSSIP_LIMIT).await {
            Ok(answer) => {
                let mark = answer.layout.clone();
                self.listen_to(node, answer);
                self.compare_layout(node, &mark).await;
            }
            Err(error) => tracing::debug!(%node, %error, "no gossip this time"),
        }
    }

    /// Asks for another node's layout if its mark says that it is not ours.
    async fn compare_layout(&self, node: NodeId, mark: &LayoutMark) {
        let ours = LayoutMark::of(&self.state.layout());
        if mark.is_of_another_cluster(&ours) {
            self.state.note_stranger(node, mark.cluster);
        } else if *mark != ours {
            self.fetch_layout_once(node).await;
        }
    }

    /// Asks for the layout of a node, unless that is under way.
    pub(super) async fn fetch_layout_once(&self, node: NodeId) {
        if self.asked().insert(node) {
            self.fetch_layout(node).await;
            self.asked().remove(&node);
        }
    }

    /// Takes in the layout of a node; whether it answered and the layout, if new, is stored.
    pub(super) async fn fetch_layout(&self, node: NodeId) -> bool {
        let text = match self.net.call(node, &FetchLayout {}, GOSSIP_LIMIT).await {
            Ok(LayoutText { text }) => text,
            Err(error) => {
                tracing::debug!(%node, %error, "no layout this time");
                return false;
            }
        };
        let state = Arc::clone(&self.state);
        let adopted = self.env.tasks.blocking(move || state.adopt_layout(node, &text)).await;
        if let Err(error) = &adopted {
            tracing::warn!(%error, "the layout of the cluster is not stored; it will be tried again");
        }
        adopted.is_ok()
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes when the others were heard, now and then: at once when one went silent, so that the time is right.
    async fn save_heard(&self) {
        let (now, wall) = (self.env.clock.mono(), self.env.clock.wall());
        let mut heard = self.last_heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut has_gone_silent = false;
        for peer in self.net.peers() {
            let Some(seen) = peer.last_seen else { continue };
            let ago = u64::try_from(now.saturating_sub(seen).as_millis()).unwrap_or(u64::MAX);
            let time = WallTime(wall.millis().saturating_sub(ago));
            let noted = heard.insert(peer.node, time).unwrap_or(WallTime(0));
            let is_news = time.millis() > noted.millis().saturating_add(SAME_MS);
            has_gone_silent |= peer.connection == Connection::None && is_news;
        }
        let saved = *self.heard_saved.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = saved.is_none_or(|saved| now.saturating_sub(saved) >= HEARD_INTERVAL);
        if heard.is_empty() || !is_due && !has_gone_silent {
            return;
        }
        let (disk, folder, written) = (self.env.disk.clone(), self.state.folder().to_owned(), heard.clone());
        let written = self.env.tasks.blocking(move || heard::write(disk.as_ref(), &folder, &written)).await;
        if let Err(error) = written {
            tracing::warn!(%error, "when the other nodes were heard is not saved; it will be tried again");
            return;
        }
        *self.last_heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
        *self.heard_saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Notes the peers with known addresses, if they have changed.
    pub(super) async fn save(&self) {
        let now: Peers = self.net.peers().into_iter().map(|peer| (peer.node, peer.addresses)).collect();
        {
            let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
            if *saved == now {
                return;
            }
            saved.clone_from(&now);
        }
        let (disk, folder) = (self.env.disk.clone(), self.state.folder().to_owned());
        let written = self.env.tasks.blocking(move || saved::write(disk.as_ref(), &folder, &now)).await;
        if let Err(error) = written {
            tracing::warn!(%error, "the list of known nodes is not saved; it will be tried again");
            self.saved.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
