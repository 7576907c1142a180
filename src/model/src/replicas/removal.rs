//! Several versions of one key deleted by one ballot: by whoever asks for it, or since they are due by lifecycle rules.
//!
//! Each version is judged by itself under the ballot – its lock, its condition – and goes or stays by itself. All that go
//! are named beside the one entry that the ballot proposes: what is current, once more, or what follows it
//! (doc/decisions/0007, V9; doc/models/versions.rs, rules "together", "successor-stays" and "judge-each"). What always
//! holds: the outcome is what deleting them one after the other, in their order, would have had.

use super::ballot::{Opened, Proposal};
use super::messages::Which;
use super::read::KeyPlace;
use super::versions::{Wish, made};
use crate::lifecycle::{Beside as Due, Moment, PastDue, made_above};
use crate::lock;
use crate::objects::{Condition, Deleted, Want};
use crate::rows::object::{Beside, Lineage, ObjectRow, Slot};
use crate::rows::past::{PastRow, VersionId};
use crate::{Bypass, Model, ModelError, versions};
use base::Stamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Versions that one ballot deletes at most. The row of the key names them until it changes again, at some 22 bytes each,
/// and they travel with every read of it until then.
pub(crate) const REMOVED_TOGETHER: usize = 256;

/// A version that is to go for good, unless its lock or a condition forbids it.
#[derive(Debug, Clone)]
pub(crate) struct Removal {
    pub id: VersionId,
    /// What a lock does not forbid to whoever asks.
    pub bypass: Bypass,
    pub condition: Condition,
}

impl Removal {
    /// Whatever else is true.
    pub fn of(id: VersionId) -> Self {
        Self { id, bypass: Bypass::Nothing, condition: Condition::Always }
    }
}

/// What a ballot makes of a version that is to go.
#[derive(Debug)]
pub(crate) enum Judged {
    /// It goes; whether it is a delete marker.
    Goes { is_marker: bool },
    /// It is not there.
    Absent,
    /// It stays.
    Refused(ModelError),
}

impl Judged {
    fn of(outcome: Result<Option<&Slot>, ModelError>) -> Self {
        match outcome {
            Ok(Some(slot)) => Self::Goes { is_marker: *slot == Slot::Marker },
            Ok(None) => Self::Absent,
            Err(error) => Self::Refused(error),
        }
    }
}

impl Model {
    /// Deletes versions of a key, each with an outcome of its own.
    pub(super) async fn remove_versions(
        self: &Arc<Self>,
        place: &KeyPlace,
        removals: &[Removal],
    ) -> Vec<Result<Deleted, ModelError>> {
        let mut outcomes = Vec::with_capacity(removals.len());
        while let Some(left) = removals.get(outcomes.len()..).filter(|left| !left.is_empty()) {
            let together = &left[..left.len().min(REMOVED_TOGETHER)];
            match self.change_as(place, &Wish::Remove(together)).await {
                Ok((row, judged)) => {
                    let order = row.map(|row| row.order);
                    outcomes.extend(
                        judged.into_iter().zip(together).map(|(one, removal)| told(one, removal.id, order)),
                    );
                }
                // What one ballot could not do the next one could not either.
                Err(error) => {
                    let others = left.iter().skip(1).map(|_| Err(ModelError::Unavailable));
                    outcomes.extend(std::iter::once(Err(error)).chain(others));
                }
            }
        }
        outcomes
    }

    /// Removes those of some versions that are still due by lifecycle rules; what became of each.
    pub(crate) async fn remove_due(
        self: &Arc<Self>,
        place: &KeyPlace,
        moment: Moment,
        dues: &[PastDue],
    ) -> Result<Vec<Judged>, ModelError> {
        let mut outcomes = Vec::with_capacity(dues.len());
        for together in dues.chunks(REMOVED_TOGETHER) {
            let (_, judged) = self.change_as(place, &Wish::RemoveDue(moment, together)).await?;
            outcomes.extend(judged);
        }
        Ok(outcomes)
    }

    /// What is proposed about versions that are to go, and what becomes of each. Those behind the last one that is
    /// judged depend on what is current once that has gone: they are for the next ballot.
    pub(super) async fn propose_removal(
        self: &Arc<Self>,
        place: &KeyPlace,
        opened: &Opened,
        removals: &[Removal],
    ) -> Result<(Option<Proposal>, Vec<Judged>), ModelError> {
        let (current, clock) = (opened.row.as_ref(), opened.retention_clock);
        let past = self.past_versions(place, current, removals.iter().map(|removal| removal.id)).await?;
        let current_id = current.and_then(ObjectRow::current);
        let (mut going, mut judged) = (Vec::new(), Vec::with_capacity(removals.len()));
        let mut gone: BTreeSet<VersionId> = BTreeSet::new();
        for Removal { id, bypass, condition } in removals {
            if condition.is_about_current() && current_id.is_some_and(|current| gone.contains(&current)) {
                break;
            }
            let slot = match current.filter(|_| current_id == Some(*id)) {
                Some(row) => Some(&row.slot),
                None => past.get(id).map(|row| &row.slot).filter(|slot| **slot != Slot::Deleted),
            };
            let slot = slot.filter(|_| !gone.contains(id));
            let outcome = condition.check_deletion(current, slot).and_then(|()| match slot {
                Some(slot) => lock::check_removal(slot, clock, *bypass).map(|()| Some(slot)),
                None => Ok(None),
            });
            if matches!(outcome, Ok(Some(_))) {
                going.push(*id);
                gone.insert(*id);
            }
            judged.push(Judged::of(outcome));
        }
        let Some(aside) = versions::all_gone(&going) else { return Ok((None, judged)) };
        let proposal = match current_id.filter(|current| gone.contains(current)) {
            Some(_) => {
                let follows = self.what_follows(place, current, &gone).await?;
                let beside = versions::lineage_beside(current, Some(aside));
                let lineage = match &follows {
                    Some((id, row, _)) => {
                        Lineage { made: row.made, is_named: *id != VersionId::Null, ..beside }
                    }
                    None => beside,
                };
                let (slot, beside) = match follows {
                    Some((_, row, inline)) => (row.slot, inline.into()),
                    None => (Slot::Deleted, Beside::default()),
                };
                made(slot, lineage, beside)
            }
            None => self.propose_beside(place, current, (aside, None)).await?,
        };
        Ok((Some(proposal), judged))
    }

    /// The same about versions that looked due: those that are not stay as if they were not there.
    pub(super) async fn propose_due(
        self: &Arc<Self>,
        place: &KeyPlace,
        opened: &Opened,
        (moment, dues): (Moment, &[PastDue]),
    ) -> Result<(Option<Proposal>, Vec<Judged>), ModelError> {
        let are_due = self.judge_past(place, opened.row.as_ref(), (moment, dues)).await?;
        let due = dues.iter().zip(&are_due).filter(|(_, is_due)| **is_due);
        let removals: Vec<Removal> = due.map(|(due, _)| Removal::of(due.id)).collect();
        if removals.is_empty() {
            return Ok((None, dues.iter().map(|_| Judged::Absent).collect()));
        }
        let (proposal, judged) = self.propose_removal(place, opened, &removals).await?;
        let mut judged = judged.into_iter();
        let mut judge = |is_due| if is_due { judged.next() } else { None }.unwrap_or(Judged::Absent);
        Ok((proposal, are_due.into_iter().map(&mut judge).collect()))
    }

    /// Which of some versions that are not current are due under a ballot.
    async fn judge_past(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        (moment, dues): (Moment, &[PastDue]),
    ) -> Result<Vec<bool>, ModelError> {
        let rules = self.rules_at(moment)?;
        let Some(head) = current.filter(|row| row.current().is_some()) else {
            return Ok(vec![false; dues.len()]);
        };
        let rows =
            self.past_versions(place, current, dues.iter().flat_map(|due| [due.id, due.above])).await?;
        let newest = match rules.newer_wanted() {
            0 => Vec::new(),
            wanted => self.newest_objects(place, head, wanted).await?,
        };
        let is_due = |due: &PastDue| {
            let row = rows.get(&due.id).filter(|_| head.current() != Some(due.id))?;
            let above = made_above(head, due, rows.get(&due.above))?;
            let newer = newest.iter().filter(|made| **made > row.made).count();
            let newer = u32::try_from(newer).unwrap_or(u32::MAX);
            Some(Due { row: row.clone(), above, newer }.is_over(&place.key, &rules, moment))
        };
        Ok(dues.iter().map(|due| is_due(due).unwrap_or(false)).collect())
    }

    /// Rows of past versions as a quorum holds them, those that are gone too.
    async fn past_versions(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        ids: impl Iterator<Item = VersionId>,
    ) -> Result<BTreeMap<VersionId, PastRow>, ModelError> {
        let ids: BTreeSet<VersionId> = ids.collect();
        let which = Which::Versions(ids.into_iter().collect());
        let rows = self.settled(place, current, (which, Want::Metadata)).await?;
        Ok(rows.into_iter().map(|(id, (row, _))| (id, row)).collect())
    }
}

fn told(judged: Judged, id: VersionId, order: Option<Stamp>) -> Result<Deleted, ModelError> {
    match judged {
        Judged::Goes { is_marker } => Ok(Deleted { version: Some(id), is_marker, order }),
        Judged::Absent => Ok(Deleted { version: Some(id), ..Deleted::default() }),
        Judged::Refused(error) => Err(error),
    }
}
