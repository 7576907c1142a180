//! The coordinator of a decision: a write with a condition, and a reader's take-over (rules G5 to G9, G12).

use super::ask::WRITE_LIMIT;
use super::messages::{Prepare, Promise, Reply};
use super::read::{Asking, KeyPlace};
use super::renewal::NewBody;
use super::store::{VIEW_ATTEMPTS_MAX, VIEW_PAUSE};
use crate::batch::{Position, Write};
use crate::replicas::Batch;
use crate::rows::object::{Beside, Content, Lineage, ObjectRow, Slot};
use crate::versions;
use crate::{Model, ModelError};
use base::{Stamp, WallTime};
use cluster::View;
use env::random_below;
use std::sync::Arc;
use std::time::Duration;
use table::register::{Ballot, BallotStep, InDoubt, Settled, Version, WriteStep, settle};

/// Attempts of one decision before its caller is told to come back: with a hundred racers on one key the
/// back-off spreads over some seconds.
pub(super) const ATTEMPTS_MAX: u32 = 12;
/// How often a decision in doubt is looked up, and put forward again if it was not chosen.
const LOOKS_MAX: u32 = 6;
/// The first pause after a ballot that was lost; doubled each time, and random.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
/// The longest one.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What is decided to be written.
pub(crate) struct Proposal {
    pub slot: Slot,
    /// Which version it is, where the key has versions.
    pub lineage: Option<Box<Lineage>>,
    pub beside: Beside,
    /// A body that was stored for it, and that nothing named before.
    pub body: Option<NewBody>,
}

impl Proposal {
    /// Of an entry in a bucket without versions.
    pub fn plain(slot: Slot, inline: Option<bytes::Bytes>) -> Self {
        Self { slot, lineage: None, beside: inline.into(), body: None }
    }
}

/// A ballot that a quorum promised, and what is current under it.
pub(crate) struct Opened {
    pub ballot: BallotUnder,
    pub row: Option<ObjectRow>,
    /// The earliest time by which this node, or one that promised, judges retentions.
    pub retention_clock: WallTime,
}

/// A ballot, and the view under which it was promised: under no other does anything of it go out, since whoever promised
/// may not be asked there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BallotUnder {
    pub stamp: Stamp,
    pub view: View,
}

/// What a quorum that promised a ballot told.
struct Promised {
    view: View,
    step: BallotStep<Content>,
    /// What the step puts aside of what it found, with its bytes elsewhere.
    displaced: Option<ObjectRow>,
    retention_clock: WallTime,
}

/// What a decision has proposed so far.
#[derive(Default)]
struct Proposed {
    /// The id of its version: the first ballot under which it was sent. It never has another.
    id: Option<Stamp>,
    /// Whether it may have been chosen.
    doubt: Option<InDoubt>,
}

/// How a ballot ended.
pub(super) enum Ended<T> {
    Value(T),
    /// Somebody else was ahead: nothing of ours was sent, or nobody took it, nor ever will (G8).
    Lost,
    /// Somebody sees another layout: a ballot is void then.
    Moved,
    /// What was proposed may have been chosen, or may be still: another ballot tells (G12).
    Unclear,
}

impl Model {
    /// Decides about a key: `decide` gets the live row and says what is written, or why not. The stamp
    /// of what was written comes back; `None` when nothing was to be written.
    pub(crate) async fn decide(
        self: &Arc<Self>,
        place: &KeyPlace,
        mut decide: impl FnMut(Option<&ObjectRow>) -> Result<Option<Proposal>, ModelError> + Send,
    ) -> Result<Option<Stamp>, ModelError> {
        let _turn = self.turn(place).await;
        let (mut proposed, mut looks) = (Proposed::default(), 0);
        for attempt in 0..ATTEMPTS_MAX {
            match self.ballot(place, &mut proposed, &mut decide).await? {
                Ended::Value(written) => return Ok(written),
                Ended::Moved => self.pause(attempt, true).await,
                Ended::Lost => self.pause(attempt, false).await,
                // At once: what came of it is told by what followed upon it, and that is soon forgotten.
                Ended::Unclear if looks < LOOKS_MAX => looks += 1,
                Ended::Unclear => break,
            }
        }
        Err(ModelError::Unavailable)
    }

    /// Waits before the next attempt at a ballot; whether somebody saw another layout.
    pub(super) async fn pause(&self, attempt: u32, has_moved: bool) {
        let pause =
            if has_moved { VIEW_PAUSE * attempt.min(VIEW_ATTEMPTS_MAX) } else { self.back_off(attempt) };
        env::sleep(pause).await;
    }

    /// G9: makes the replicas of a key agree, whatever promise is in the way. The newest version is put forward
    /// again even if those who were asked first agree: it is another one that a promise keeps from it.
    pub(crate) async fn take_over(self: &Arc<Self>, place: &KeyPlace) -> Result<(), ModelError> {
        for attempt in 0..ATTEMPTS_MAX {
            let stamp = self.store.stamp().await?;
            let newest = match self.prepare(place, stamp).await? {
                Ended::Value(Promised { view, step, displaced, .. }) => match step {
                    BallotStep::Evaluate(None) => return Ok(()),
                    BallotStep::Evaluate(Some(held)) => {
                        Some((view, (Version { order: stamp, ..held }, displaced)))
                    }
                    BallotStep::Stabilise(version) => Some((view, (version, displaced))),
                    _ => None,
                },
                _ => None,
            };
            if let Some((view, newest)) = newest
                && self.stabilise(place, newest, BallotUnder { stamp, view }).await?.is_some()
            {
                return Ok(());
            }
            env::sleep(self.back_off(attempt)).await;
        }
        Err(ModelError::Unavailable)
    }

    fn back_off(&self, attempt: u32) -> Duration {
        let most = BACKOFF_MIN.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX);
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random_below(self.env.rng.as_ref(), micros.max(1)))
    }

    /// One ballot of a decision.
    async fn ballot(
        self: &Arc<Self>,
        place: &KeyPlace,
        proposed: &mut Proposed,
        decide: &mut (impl FnMut(Option<&ObjectRow>) -> Result<Option<Proposal>, ModelError> + Send),
    ) -> Result<Ended<Option<Stamp>>, ModelError> {
        let Opened { ballot, row, .. } = match self.open_ballot(place).await? {
            Ended::Value(opened) => opened,
            Ended::Moved => return Ok(Ended::Moved),
            Ended::Lost | Ended::Unclear => return Ok(Ended::Lost),
        };
        let version = row.as_ref().and_then(ObjectRow::version);
        let before = version.as_ref().map_or(&[][..], |version| &version.value.before);
        if let Some(doubt) = proposed.doubt {
            match settle(doubt, version.as_ref(), before) {
                Settled::Chosen => return Ok(Ended::Value(Some(doubt.id))),
                Settled::Unknown => return Err(ModelError::Unavailable),
                Settled::NotYet => {}
            }
        }
        if row.as_ref().is_some_and(|row| row.lineage.is_some()) {
            // Whoever asked has not heard yet that the bucket keeps versions.
            return Err(ModelError::Unavailable);
        }
        let live = row.as_ref().filter(|row| row.live().is_some());
        let Some(mut proposal) = decide(live)? else {
            return Ok(Ended::Value(None));
        };
        if proposed.id.is_some() {
            self.renew_proposal(&mut proposal).await?;
        }
        let stamp = ballot.stamp;
        let id = proposed.id.unwrap_or(stamp);
        let before = versions::predecessors(row.as_ref());
        let upon = before.first().copied().unwrap_or(Stamp::ZERO);
        let ended = self.accept(place, (ballot, id), proposal, before).await?;
        if !matches!(ended, Ended::Moved) {
            proposed.id = Some(id);
        }
        if matches!(ended, Ended::Unclear) {
            proposed.doubt = Some(InDoubt { id, since: stamp.proposal(), upon });
        }
        Ok(ended)
    }

    /// Opens a ballot and makes a quorum agree about what is current.
    pub(super) async fn open_ballot(self: &Arc<Self>, place: &KeyPlace) -> Result<Ended<Opened>, ModelError> {
        let stamp = self.store.stamp().await?;
        let Promised { view, step, displaced, retention_clock } = match self.prepare(place, stamp).await? {
            Ended::Value(promised) => promised,
            Ended::Moved => return Ok(Ended::Moved),
            Ended::Lost | Ended::Unclear => return Ok(Ended::Lost),
        };
        let ballot = BallotUnder { stamp, view };
        let held = match step {
            BallotStep::Evaluate(held) => held,
            BallotStep::Stabilise(version) => {
                match self.stabilise(place, (version, displaced), ballot).await? {
                    Some(version) => Some(version),
                    None => return Ok(Ended::Lost),
                }
            }
            _ => return Ok(Ended::Lost),
        };
        Ok(Ended::Value(Opened { ballot, row: held.map(ObjectRow::of_version), retention_clock }))
    }

    /// Opens a ballot under this stamp: asks everybody for a promise, until it is known what is next.
    async fn prepare(
        self: &Arc<Self>,
        place: &KeyPlace,
        stamp: Stamp,
    ) -> Result<Ended<Promised>, ModelError> {
        let asking = Asking::new(self, &self.peers.placement(), place.partition)?;
        self.prepare_among(asking, place, stamp).await
    }

    /// M4: has all other replicas of a key promise a new ballot, which is above everything that this node ever saw; the
    /// newest version that they hold, put forward again under it, and what that puts aside.
    pub(super) async fn promised_by_all_others(
        self: &Arc<Self>,
        place: &KeyPlace,
    ) -> Result<(Stamp, Option<(Version<Content>, Option<ObjectRow>)>), ModelError> {
        let placement = self.peers.placement();
        let others = self.all_others(&placement, place.partition)?;
        let stamp = self.store.stamp().await?;
        let asking = Asking::all_of(others, placement.view());
        let Ended::Value(Promised { step, displaced, .. }) = self.prepare_among(asking, place, stamp).await?
        else {
            return Err(ModelError::Unavailable);
        };
        match step {
            BallotStep::Evaluate(None) => Ok((stamp, None)),
            BallotStep::Evaluate(Some(held)) => {
                Ok((stamp, Some((Version { order: stamp, ..held }, displaced))))
            }
            BallotStep::Stabilise(version) => Ok((stamp, Some((version, displaced)))),
            _ => Err(ModelError::Unavailable),
        }
    }

    async fn prepare_among(
        self: &Arc<Self>,
        mut asking: Asking,
        place: &KeyPlace,
        stamp: Stamp,
    ) -> Result<Ended<Promised>, ModelError> {
        let view = asking.view;
        let mut ballot = Ballot::new(asking.quorum.clone(), stamp);
        let KeyPlace { partition, key } = place.clone();
        let request = Prepare { view, partition, key, ballot: stamp };
        let mut newest_with_versions: Option<ObjectRow> = None;
        let mut retention_clock = self.retention_clock();
        let mut asked = self.ask_each(&asking.nodes, &request, WRITE_LIMIT);
        while let Some((member, answer)) = asked.next().await {
            let step = match answer.map(|answer| answer.reply) {
                Ok(Reply::Done(Promise::Given(held))) => {
                    // A replica that does not say what its clock shows ends no retention.
                    retention_clock = retention_clock.min(held.retention_clock.unwrap_or(WallTime(0)));
                    let row = held.row.clone().filter(|row| row.lineage.is_some());
                    newest_with_versions =
                        newest_with_versions.into_iter().chain(row).max_by_key(|row| row.order);
                    ballot.prepared(member, Ok(held.row.as_ref().and_then(ObjectRow::version)))
                }
                Ok(Reply::Done(Promise::Refused(against))) => ballot.prepared(member, Err(against)),
                Ok(Reply::Closed(true)) => {
                    asking.lose_to_gone(member)?;
                    BallotStep::Wait
                }
                Ok(Reply::Old(_)) => return Ok(Ended::Moved),
                Ok(Reply::NotReady) if !asking.lose(member) => return Ok(Ended::Moved),
                _ if asking.lose(member) => BallotStep::Wait,
                _ => return Err(ModelError::Unavailable),
            };
            match step {
                BallotStep::Wait => {}
                BallotStep::Lost { above } => {
                    self.store.observe(above).await?;
                    return Ok(Ended::Lost);
                }
                step => {
                    let displaced = newest_with_versions.filter(|_| versions::is_overtaken(&step));
                    let Some(row) = &displaced else {
                        return Ok(Ended::Value(Promised { view, step, displaced: None, retention_clock }));
                    };
                    // Where that is in doubt the write gets a name: nothing is replaced.
                    let stays = match self.null_version_is_locked(place, Some(row), retention_clock).await {
                        Err(ModelError::InDoubt(_)) => true,
                        stays => stays?,
                    };
                    let step = versions::put_above(step, (row, stays), stamp);
                    return Ok(Ended::Value(Promised { view, step, displaced, retention_clock }));
                }
            }
        }
        Err(ModelError::Unavailable)
    }

    /// Puts the newest version forward again under the ballot; `None` when somebody else was ahead.
    async fn stabilise(
        self: &Arc<Self>,
        place: &KeyPlace,
        (version, displaced): (Version<Content>, Option<ObjectRow>),
        BallotUnder { stamp, view }: BallotUnder,
    ) -> Result<Option<Version<Content>>, ModelError> {
        let row = ObjectRow::of_version(version.clone());
        let beside = self.beside_of(place, &row, displaced.as_ref()).await?;
        let step = self.put_forward(place, (row, stamp), beside, Some(view)).await?;
        Ok((step == WriteStep::Done).then_some(version))
    }

    /// The bytes that travel beside a row that is put forward again, and what it puts aside.
    pub(super) async fn beside_of(
        self: &Arc<Self>,
        place: &KeyPlace,
        row: &ObjectRow,
        displaced: Option<&ObjectRow>,
    ) -> Result<Beside, ModelError> {
        let mut beside = self.content_of(place, row).await?;
        // What the newest row knew nothing of lies where that was.
        if let Some(displaced) = displaced.filter(|_| row.has_bytes_aside() && beside.aside.is_none()) {
            beside.aside = self.content_of(place, displaced).await?.own;
        }
        Ok(beside)
    }

    /// Sends the new version under a ballot, with the id that its first one gave it. From here on it may be chosen
    /// at any time, so whoever does not hear that it was must not begin anew. `Moved`: nothing was sent.
    pub(super) async fn accept(
        self: &Arc<Self>,
        place: &KeyPlace,
        (BallotUnder { stamp: ballot, view }, id): (BallotUnder, Stamp),
        proposal: Proposal,
        before: Vec<Stamp>,
    ) -> Result<Ended<Option<Stamp>>, ModelError> {
        if view != self.peers.view() {
            return Ok(Ended::Moved);
        }
        let Proposal { slot, lineage, beside, body } = proposal;
        let (mut writes, deadline) = (NewBody::settled(body), body.map(|body| body.deadline));
        let row = ObjectRow { order: ballot.proposal(), lineage, before, ..ObjectRow::new(id, slot) };
        let KeyPlace { partition, key } = place.clone();
        let (number, position) = (writes.len(), Position { order: row.order, id });
        writes.push(Write::Accept { partition, key, row, beside });
        // Its birth stays: what was deleted since, and forgotten, does not come back (T1).
        let batch = Batch { position, birth: id, deadline, writes, block: None, under: Some(view) };
        match self.store_everywhere(batch).await.map(|steps| steps.get(&number).copied()) {
            Ok(Some(WriteStep::Done)) => Ok(Ended::Value(Some(id))),
            Ok(Some(WriteStep::Again { above })) => {
                self.store.observe(above).await?;
                Ok(Ended::Lost)
            }
            // Its birth was too early: another ballot gives it a new one, and nothing of this one is anywhere.
            Err(ModelError::Fenced) => Ok(Ended::Moved),
            Ok(_) | Err(ModelError::Unavailable) => Ok(Ended::Unclear),
            Err(error) => Err(error),
        }
    }

    /// Whether a version whose outcome is unknown turns out to have been chosen: whoever was ahead of it found it
    /// on a replica and put it forward. One that is not found may have been, and overwritten since.
    pub(super) async fn is_there(
        self: &Arc<Self>,
        place: &KeyPlace,
        stamp: Stamp,
    ) -> Result<bool, ModelError> {
        let found = self.read_row(place, false).await?;
        Ok(found.is_some_and(|(row, _)| row.stamp == stamp))
    }
}
