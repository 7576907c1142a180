//! The second copy of what this home has on its way: another home holds it, and tells it should this one be lost.
//!
//! What always holds (doc/models/events.rs):
//!
//! - another home is asked to hold an event once its intent is durable here, and a change is acknowledged once one does;
//! - of an event that is neither an intent nor queued here, in one view of the store, this home says that it is done; it
//!   says so for the life that it is in, once the cluster knows of its start.
//!
//! One home at a time, the steady holder, is to hold everything. Where another one took something in its place, where it
//! lost its memory, or where it was away for long and there is another one, what it lacks is sent to it.

use super::id::EventId;
use super::messages::{
    AskDone, AskLacking, Done, Held, HoldEvents, OnItsWay, Owner, at_places, places_where,
};
use super::{backlog, locked};
use crate::replicas::{Asked, READ_LIMIT, Reply, Serve, WRITE_LIMIT};
use crate::rows::event::{HeldRow, IntentRow, QueuedRow};
use crate::{Model, ModelError};
use base::NodeId;
use bytes::Bytes;
use cluster::layout::Count;
use env::{Changes, MonoTime};
use net::{Answer, Attachment, Refusal};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use store::{Read, Space};

/// How long one home is waited for before another one is asked too: longer than a round trip on any line.
const HEDGE_AFTER: Duration = Duration::from_secs(1);
/// How long a home may be away before others stand in for it: longer than a restart of the machine. A home that was
/// only cut off tells its events as well; so they come twice.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at whether the cluster knows of this start.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Events in one message.
pub(super) const PAGE_MAX: usize = 500;

/// What this process knows of second copies.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The home that holds everything, and in which of its lives.
    whole: Mutex<Option<(NodeId, Count)>>,
    /// How often something came to lack a second copy there, and how often of these it has been sent since.
    wanted: AtomicU64,
    sent: AtomicU64,
    /// Since when homes cannot be reached.
    away: Mutex<BTreeMap<NodeId, MonoTime>>,
}

/// Whether another home holds something, once that is known.
#[derive(Debug, Default)]
pub(super) struct Holding {
    is_held: OnceLock<bool>,
    news: Changes,
}

impl Holding {
    /// Waits until it is known.
    pub async fn is_held(&self) -> bool {
        let mut news = self.news.watch();
        loop {
            if let Some(is_held) = self.is_held.get() {
                return *is_held;
            }
            news.changed().await;
        }
    }

    fn tell(&self, is_held: bool) {
        // Told once.
        _ = self.is_held.set(is_held);
        self.news.note();
    }
}

/// Where a walk over everything that is on its way goes on.
struct Place {
    space: Space,
    from: Vec<u8>,
}

impl Copies {
    /// Says that something may lack a second copy.
    pub fn want(&self) {
        self.wanted.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether something may lack one.
    fn is_due(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > self.sent.load(Ordering::Acquire)
    }

    /// Takes note of who can be reached.
    fn look(&self, now: MonoTime, nodes: &[NodeId], is_up: impl Fn(NodeId) -> bool) {
        let mut away = locked(&self.away);
        away.retain(|node, _| nodes.contains(node));
        for node in nodes {
            if is_up(*node) {
                away.remove(node);
            } else {
                away.entry(*node).or_insert(now);
            }
        }
    }

    fn is_long_away(&self, now: MonoTime, node: NodeId) -> bool {
        locked(&self.away).get(&node).is_some_and(|since| now.saturating_sub(*since) >= PATIENCE)
    }
}

impl Model {
    /// Whether what this node has on its way has to be held by another one too.
    pub(super) fn needs_holder(&self) -> bool {
        self.peers.placement().has_copies()
    }

    /// Whether any other home can be asked to hold events now.
    pub(super) fn has_holder(&self) -> bool {
        !self.peers.others_up().is_empty()
    }

    fn as_owner(&self) -> Option<Owner> {
        self.known_life().map(|life| Owner { node: self.peers.me(), life })
    }

    /// The other members that store, whoever is asked first at the head: those in another zone. Each member has an order of
    /// its own, so that they hold about as much as they have held. Of one that stores nothing nobody would notice that it
    /// lost its memory.
    fn holders(&self) -> Vec<NodeId> {
        let me = self.peers.me();
        let layout = self.peers.cluster().map(|cluster| cluster.layout());
        let role = |node: NodeId| layout.as_ref().and_then(|layout| layout.newest().roles.get(&node));
        let zone = |node: NodeId| role(node).map(|role| role.zone.as_str());
        let stores = |node: NodeId| role(node).is_none_or(|role| role.capacity_bytes.is_some());
        let is_near = |node: NodeId| zone(node).is_some() && zone(node) == zone(me);
        let others = self.peers.placement().members().into_iter().filter(|node| *node != me);
        let mut others: Vec<NodeId> = others.filter(|node| stores(*node)).collect();
        others.sort_by_key(|node| (is_near(*node), node.tag() ^ me.tag()));
        others
    }

    /// Has another home hold events of this one. Goes on to its end whether or not anybody waits.
    pub(super) fn hold_elsewhere(self: &Arc<Self>, events: Vec<Held>, frees: bool) -> Arc<Holding> {
        let (model, holding) = (Arc::clone(self), Arc::<Holding>::default());
        let told = Arc::clone(&holding);
        let hold = async move {
            let is_held = model.find_holder(events, frees).await;
            if !is_held {
                tracing::warn!("no other home could be found that holds an event");
                model.events.copies.want();
            }
            told.tell(is_held);
        };
        self.env.tasks.spawn(hold).detach();
        holding
    }

    /// Asks one after the other, the next one where one is silent or refuses; whether one holds them. Where another one
    /// had to help out last the second one is asked at once.
    async fn find_holder(self: &Arc<Self>, events: Vec<Held>, frees: bool) -> bool {
        let holders: Vec<NodeId> =
            self.holders().into_iter().filter(|node| self.peers.is_up(*node)).collect();
        let Some(of) = env::timeout(WRITE_LIMIT, self.wait_for_life()).await else { return false };
        let request = HoldEvents { of, frees, events };
        let mut asked = Asked::new(holders.len());
        let patience = if self.events.copies.is_due() { Duration::ZERO } else { HEDGE_AFTER };
        let mut rest = holders.iter().enumerate();
        loop {
            let next = rest.next();
            if let Some((member, node)) = next {
                self.ask(&mut asked, (member, *node), (request.clone(), Bytes::new()), WRITE_LIMIT);
            }
            let limit = if next.is_some() { patience } else { WRITE_LIMIT };
            match env::timeout(limit, asked.next()).await {
                Some(Some((member, Ok(Answer { reply: Reply::Done(()), .. })))) => {
                    // Before there is a steady one it is going to be the first.
                    let helps_out = locked(&self.events.copies.whole)
                        .map_or(member > 0, |(steady, _)| holders.get(member) != Some(&steady));
                    if helps_out {
                        self.events.copies.want();
                    }
                    return true;
                }
                Some(None) if next.is_none() => return false,
                _ => {}
            }
        }
    }

    /// Right after a start the cluster has to hear of it first.
    async fn wait_for_life(&self) -> Owner {
        loop {
            if let Some(of) = self.as_owner() {
                return of;
            }
            env::sleep(LOOK_AGAIN).await;
        }
    }

    /// Sends the steady holder what it lacks, if it may lack anything.
    pub(super) async fn complete_copies(self: &Arc<Self>) -> Result<(), ModelError> {
        self.look_at_homes();
        let copies = &self.events.copies;
        let Some(holder) = self.steady_holder().filter(|_| self.needs_holder()) else { return Ok(()) };
        let holder = (holder, self.life_of(holder));
        let is_whole = *locked(&copies.whole) == Some(holder);
        if is_whole && !copies.is_due() {
            return Ok(());
        }
        let wanted = copies.wanted.load(Ordering::Acquire);
        let of = self.as_owner().ok_or(ModelError::Unavailable)?;
        self.send_lacking(of, holder.0).await?;
        copies.sent.store(wanted, Ordering::Release);
        *locked(&copies.whole) = Some(holder);
        Ok(())
    }

    /// Whether another node holds all that this one has on its way, or none has to. Of changes that are not acknowledged yet
    /// nothing is said.
    pub fn has_second_copies(&self) -> bool {
        let copies = &self.events.copies;
        let holds =
            |(holder, life): (NodeId, Count)| self.life_of(holder) == life && self.peers.is_member(holder);
        let is_whole = locked(&copies.whole).is_some_and(holds) && !copies.is_due();
        is_whole || !self.needs_holder()
    }

    fn look_at_homes(&self) {
        let nodes: Vec<NodeId> = self.holders().into_iter().chain(self.owners_held()).collect();
        self.events.copies.look(self.env.clock.mono(), &nodes, |node| self.peers.is_up(node));
    }

    /// The first home that is not away for long, if it can be reached.
    fn steady_holder(&self) -> Option<NodeId> {
        let now = self.env.clock.mono();
        let steady = self.holders().into_iter().find(|node| !self.events.copies.is_long_away(now, *node));
        steady.filter(|node| self.peers.is_up(*node))
    }

    pub(super) fn is_long_away(&self, node: NodeId) -> bool {
        self.events.copies.is_long_away(self.env.clock.mono(), node)
    }

    /// In which life a home is, as far as is known here.
    fn life_of(&self, node: NodeId) -> Count {
        let known = self.peers.cluster().and_then(|cluster| cluster.layout().lives().of(node));
        known.unwrap_or_default().life
    }

    async fn send_lacking(self: &Arc<Self>, of: Owner, holder: NodeId) -> Result<(), ModelError> {
        // An intent that becomes a queued event meanwhile was met as the one, or is met as the other.
        let mut place = Some(Place { space: Space::EventIntent, from: Vec::new() });
        while let Some(from) = place {
            let (page, next) = self.on_its_way(from)?;
            place = next;
            let names: Vec<OnItsWay> = page.iter().map(|held| held.name.clone()).collect();
            if names.is_empty() {
                continue;
            }
            let question = AskLacking { of, names };
            let lacking = self.ask_one(holder, question, Bytes::new(), READ_LIMIT).await;
            let lacking = lacking.map_err(|_| ModelError::Unavailable)?.reply;
            let events = at_places(&page, &lacking);
            if events.is_empty() {
                continue;
            }
            let request = HoldEvents { of, frees: false, events };
            match self.ask_one(holder, request, Bytes::new(), WRITE_LIMIT).await {
                Ok(Answer { reply: Reply::Done(()), .. }) => {}
                _ => return Err(ModelError::Unavailable),
            }
        }
        Ok(())
    }

    /// Some of what this home has on its way, from a place on, and the next place.
    fn on_its_way(&self, place: Place) -> Result<(Vec<Held>, Option<Place>), ModelError> {
        let Place { space, from } = place;
        let (mut page, mut last) = (Vec::new(), None);
        self.store.view()?.scan(space, Bound::Included(&from), Bound::Unbounded, &mut |key, record| {
            match space {
                Space::EventIntent => page.extend(held_intents(key, record)),
                _ => page.extend(held_queued(key, record)),
            }
            last = Some(key.to_vec());
            if page.len() < PAGE_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let next = match last.filter(|_| page.len() >= PAGE_MAX) {
            Some(last) => Some(Place { space, from: [last.as_slice(), &[0]].concat() }),
            None if space == Space::EventIntent => Some(Place { space: Space::Event, from: Vec::new() }),
            None => None,
        };
        Ok((page, next))
    }

    /// Which of these events of this home are done.
    fn done_events(&self, names: &[OnItsWay]) -> Result<Vec<u32>, ModelError> {
        let view = self.store.view()?;
        places_where(names, |webhook, id| {
            Ok(view.get_bytes(Space::EventIntent, &id.to_bytes())?.is_none()
                && view.get_bytes(Space::Event, &backlog::row_key(webhook, id))?.is_none())
        })
    }
}

/// What is held of an intent: an event for each webhook. Of one that cannot be read nothing is.
pub(super) fn held_intents(key: &[u8], record: &[u8]) -> Vec<Held> {
    let row: Result<IntentRow, _> = store::decode(Space::EventIntent, key, record);
    let Some((id, row)) = EventId::parse(key).zip(row.ok()) else { return Vec::new() };
    of_intent(id, &row)
}

/// The same of an intent.
pub(super) fn of_intent(id: EventId, row: &IntentRow) -> Vec<Held> {
    let held = row.deliveries.iter().map(|delivery| {
        let name = OnItsWay::new(&delivery.webhook, id);
        let queued = QueuedRow { event: row.event.clone(), rule: delivery.rule.clone() };
        Held { name, row: HeldRow { queued, is_settled: false } }
    });
    held.collect()
}

fn held_queued(key: &[u8], record: &[u8]) -> Option<Held> {
    let (webhook, id) = backlog::parse_row_key(key)?;
    let name = OnItsWay::new(webhook, id);
    let queued = store::decode(Space::Event, key, record).ok()?;
    Some(Held { name, row: HeldRow { queued, is_settled: true } })
}

impl Serve for AskDone {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        match model.as_owner() {
            None => return Ok(Answer::from(Done::NotYet)),
            Some(owner) if owner != self.of => return Ok(Answer::from(Done::OtherLife)),
            Some(_) => {}
        }
        let done = model.done_events(&self.names).map_err(|error| {
            tracing::warn!(%error, "which events are done with cannot be told");
            Refusal::Failed
        })?;
        Ok(Answer::from(Done::These(done)))
    }
}
