//! The coordinator of a decision: a write with a condition, and a reader's take-over (rules G5 to G9).

use super::ask::WRITE_LIMIT;
use super::messages::{Prepare, Promise, Reply};
use super::read::{Asking, KeyPlace};
use super::store::{VIEW_ATTEMPTS_MAX, VIEW_PAUSE};
use crate::batch::{Position, Write};
use crate::replicas::Batch;
use crate::rows::object::{Beside, Content, Lineage, ObjectRow, Slot};
use crate::versions;
use crate::{Model, ModelError};
use base::{Stamp, WallTime};
use env::random_below;
use std::sync::Arc;
use std::time::Duration;
use table::register::{Ballot, BallotStep, Version, WriteStep};

/// Attempts of one decision before its caller is told to come back: with a hundred racers on one key the
/// back-off spreads over some seconds.
pub(super) const ATTEMPTS_MAX: u32 = 12;
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
    /// Rows that go with it.
    pub writes: Vec<Write>,
    /// After this nobody accepts it any more (rule K2).
    pub deadline: Option<WallTime>,
}

impl Proposal {
    /// Of an entry in a bucket without versions.
    pub fn plain(slot: Slot, inline: Option<bytes::Bytes>) -> Self {
        Self { slot, lineage: None, beside: inline.into(), writes: Vec::new(), deadline: None }
    }
}

/// A ballot that a quorum promised, and what is current under it.
pub(crate) struct Opened {
    pub stamp: Stamp,
    pub row: Option<ObjectRow>,
}

/// How a ballot ended.
pub(super) enum Ended<T> {
    Value(T),
    /// Somebody else was ahead, and nothing of ours was sent.
    Lost,
    /// Somebody sees another layout: a ballot is void then.
    Moved,
}

impl Model {
    /// Decides about a key: `decide` gets the live row and says what is written, or why not. The stamp
    /// of what was written comes back; `None` when nothing was to be written.
    pub(crate) async fn decide(
        self: &Arc<Self>,
        place: &KeyPlace,
        mut decide: impl FnMut(Option<&ObjectRow>) -> Result<Option<Proposal>, ModelError> + Send,
    ) -> Result<Option<Stamp>, ModelError> {
        for attempt in 0..ATTEMPTS_MAX {
            match self.ballot(place, &mut decide).await? {
                Ended::Value(written) => return Ok(written),
                Ended::Moved => self.pause(attempt, true).await,
                Ended::Lost => self.pause(attempt, false).await,
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
                Ended::Value(BallotStep::Evaluate(None)) => return Ok(()),
                Ended::Value(BallotStep::Evaluate(Some(held))) => Some(Version { order: stamp, ..held }),
                Ended::Value(BallotStep::Stabilise(version)) => Some(version),
                _ => None,
            };
            if let Some(newest) = newest
                && self.stabilise(place, newest, stamp).await?.is_some()
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

    async fn ballot(
        self: &Arc<Self>,
        place: &KeyPlace,
        decide: &mut (impl FnMut(Option<&ObjectRow>) -> Result<Option<Proposal>, ModelError> + Send),
    ) -> Result<Ended<Option<Stamp>>, ModelError> {
        let Opened { stamp, row } = match self.open_ballot(place).await? {
            Ended::Value(opened) => opened,
            Ended::Moved => return Ok(Ended::Moved),
            Ended::Lost => return Ok(Ended::Lost),
        };
        if row.as_ref().is_some_and(|row| row.lineage.is_some()) {
            // Whoever asked has not heard yet that the bucket keeps versions.
            return Err(ModelError::Unavailable);
        }
        let live = row.as_ref().filter(|row| row.live().is_some());
        let Some(proposal) = decide(live)? else {
            return Ok(Ended::Value(None));
        };
        self.accept(place, stamp, proposal).await
    }

    /// Opens a ballot and makes a quorum agree about what is current.
    pub(super) async fn open_ballot(self: &Arc<Self>, place: &KeyPlace) -> Result<Ended<Opened>, ModelError> {
        let stamp = self.store.stamp().await?;
        let held = match self.prepare(place, stamp).await? {
            Ended::Value(BallotStep::Evaluate(held)) => held,
            Ended::Value(BallotStep::Stabilise(version)) => {
                match self.stabilise(place, version, stamp).await? {
                    Some(version) => Some(version),
                    None => return Ok(Ended::Lost),
                }
            }
            Ended::Moved => return Ok(Ended::Moved),
            _ => return Ok(Ended::Lost),
        };
        Ok(Ended::Value(Opened { stamp, row: held.map(ObjectRow::of_version) }))
    }

    /// Opens a ballot under this stamp: asks everybody for a promise, until it is known what is next.
    async fn prepare(
        self: &Arc<Self>,
        place: &KeyPlace,
        stamp: Stamp,
    ) -> Result<Ended<BallotStep<Content>>, ModelError> {
        let placement = self.peers.placement();
        let mut asking = Asking::new(self, &placement, place.partition)?;
        let mut ballot = Ballot::new(asking.quorum.clone(), stamp);
        let KeyPlace { partition, key } = place.clone();
        let request = Prepare { view: asking.view, partition, key, ballot: stamp };
        let mut newest_with_versions: Option<ObjectRow> = None;
        let mut asked = self.ask_each(&asking.nodes, &request, WRITE_LIMIT);
        while let Some((member, answer)) = asked.next().await {
            let step = match answer.map(|answer| answer.reply) {
                Ok(Reply::Done(Promise::Given(held))) => {
                    let row = held.row.clone().filter(|row| row.lineage.is_some());
                    newest_with_versions =
                        newest_with_versions.into_iter().chain(row).max_by_key(|row| row.order);
                    ballot.prepared(member, Ok(held.row.as_ref().and_then(ObjectRow::version)))
                }
                Ok(Reply::Done(Promise::Refused(against))) => ballot.prepared(member, Err(against)),
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
                    return Ok(Ended::Value(versions::put_above(step, newest_with_versions.as_ref(), stamp)));
                }
            }
        }
        Err(ModelError::Unavailable)
    }

    /// Puts the newest version forward again under the ballot; `None` when somebody else was ahead.
    async fn stabilise(
        self: &Arc<Self>,
        place: &KeyPlace,
        version: Version<Content>,
        ballot: Stamp,
    ) -> Result<Option<Version<Content>>, ModelError> {
        let row = ObjectRow::of_version(version.clone());
        let beside = self.content_of(place, &row).await?;
        let step = self.put_forward(place, (row, ballot), beside).await?;
        Ok((step == WriteStep::Done).then_some(version))
    }

    /// Sends the new version. From here on the outcome is "done" or "unknown", unless it can never happen (G8).
    pub(super) async fn accept(
        self: &Arc<Self>,
        place: &KeyPlace,
        stamp: Stamp,
        proposal: Proposal,
    ) -> Result<Ended<Option<Stamp>>, ModelError> {
        let Proposal { slot, lineage, beside, mut writes, deadline } = proposal;
        // K1: a body never goes out under two stamps.
        let has_body = matches!(&slot, Slot::Live(object) if object.body.id().is_some());
        let row = ObjectRow { stamp, order: stamp.proposal(), slot, lineage, register: None };
        let KeyPlace { partition, key } = place.clone();
        let number = writes.len();
        writes.push(Write::Accept { partition, key, row, beside });
        let position = Position { order: stamp.proposal(), id: stamp };
        let batch = Batch { position, birth: stamp, deadline, writes, block: None };
        let steps = self.store_everywhere(batch).await?;
        match steps.get(&number) {
            Some(WriteStep::Done) => Ok(Ended::Value(Some(stamp))),
            Some(WriteStep::Again { above }) if !has_body => {
                self.store.observe(*above).await?;
                Ok(Ended::Lost)
            }
            _ if self.is_there(place, stamp).await? => Ok(Ended::Value(Some(stamp))),
            _ => Err(ModelError::Unavailable),
        }
    }

    /// Whether a version whose outcome is unknown turns out to have been chosen: whoever was ahead of it found it
    /// on a replica and put it forward. One that is not found may have been, and overwritten since.
    async fn is_there(self: &Arc<Self>, place: &KeyPlace, stamp: Stamp) -> Result<bool, ModelError> {
        let found = self.read_row(place, false).await?;
        Ok(found.is_some_and(|(row, _)| row.stamp == stamp))
    }
}
