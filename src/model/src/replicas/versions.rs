//! The coordinator of changes of keys with versions: each is a ballot about the key (doc/decisions/0007).

use super::ballot::{ATTEMPTS_MAX, Ended, Opened, Proposal};
use super::read::KeyPlace;
use super::removal::{Judged, Removal};
use super::renewal::NewBody;
use crate::batch::fits;
use crate::lifecycle::{Due, Moment, PastDue};
use crate::objects::{Condition, Want};
use crate::rows::bucket::Versioning;
use crate::rows::lock::DefaultRetention;
use crate::rows::object::{Aside, Beside, Lineage, ObjectRow, Slot};
use crate::rows::past::{PastRow, VersionId};
use crate::{Bypass, Model, ModelError, lock, versions};
use base::{Stamp, WallTime};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is to be changed about a key with versions.
#[derive(Clone)]
pub(crate) enum Change {
    /// A new version.
    Add(Box<Add>),
    /// Deletes a version for good, if it is not locked to whoever asks.
    Delete(Removal),
    /// Says once more that there is nothing, if there is nothing.
    Bury,
    /// Writes what is said about a version anew, of the current one unless it is named.
    Edit(Option<VersionId>, Edit),
}

/// A change, and whether it is one.
pub(super) enum Wish<'a> {
    /// It is.
    Surely(Change),
    /// What rules say is seen under the ballot.
    IfDue((Moment, Due)),
    /// Deletes several versions, each if nothing forbids it.
    Remove(&'a [Removal]),
    /// Deletes those of several versions that are not current of which rules say so under the ballot.
    RemoveDue(Moment, &'a [PastDue]),
    /// Decides what became of a version, where that is in doubt.
    Decide(VersionId),
}

/// Makes the new entry of an old one, of the time at which that was made and the one by which retentions are judged.
pub(crate) type Edit = Arc<dyn Fn(&Slot, (Stamp, WallTime)) -> Result<Slot, ModelError> + Send + Sync>;

/// A new version.
#[derive(Clone)]
pub(crate) struct Add {
    pub mode: Versioning,
    pub condition: Condition,
    /// What it gets if it brings no retention of its own.
    pub retention: Option<DefaultRetention>,
    pub slot: Slot,
    pub inline: Option<Bytes>,
    /// The body it brings, unless its bytes travel beside it or its rows are here already.
    pub body: Option<NewBody>,
}

impl Add {
    /// A delete marker.
    pub fn marker(mode: Versioning, condition: Condition) -> Self {
        Self { mode, condition, retention: None, slot: Slot::Marker, inline: None, body: None }
    }
}

impl Model {
    /// Changes a key with versions; the row comes back, unless there was nothing to change.
    pub(crate) async fn change_versions(
        self: &Arc<Self>,
        place: &KeyPlace,
        change: Change,
    ) -> Result<Option<ObjectRow>, ModelError> {
        self.change_as(place, &Wish::Surely(change)).await.map(|(row, _)| row)
    }

    /// Removes what lifecycle rules say is due, if they still do once nothing else can change the key; the row comes
    /// back, if something was removed.
    pub(crate) async fn change_if_due(
        self: &Arc<Self>,
        place: &KeyPlace,
        due: (Moment, Due),
    ) -> Result<Option<ObjectRow>, ModelError> {
        self.change_as(place, &Wish::IfDue(due)).await.map(|(row, _)| row)
    }

    /// Changes a key; the row comes back if there was something to change, and what became of each version that was to
    /// be deleted with others.
    pub(super) async fn change_as(
        self: &Arc<Self>,
        place: &KeyPlace,
        wish: &Wish<'_>,
    ) -> Result<(Option<ObjectRow>, Vec<Judged>), ModelError> {
        let _turn = self.turn(place).await;
        // Whether a body that it brings has gone out.
        let mut has_gone_out = false;
        for attempt in 0..ATTEMPTS_MAX {
            let opened = match self.open_ballot(place).await? {
                Ended::Value(opened) => opened,
                Ended::Moved => {
                    self.pause(attempt, true).await;
                    continue;
                }
                Ended::Lost | Ended::Unclear => {
                    self.pause(attempt, false).await;
                    continue;
                }
            };
            let proposed = match self.propose_wish(place, &opened, wish).await {
                // That first; then everything is looked at anew.
                Err(ModelError::InDoubt(id)) => {
                    self.decide_under(place, &opened, id).await?;
                    self.pause(attempt, true).await;
                    continue;
                }
                proposed => proposed,
            };
            let (proposal, judged) = proposed?;
            let Some(mut proposal) = proposal else { return Ok((None, judged)) };
            if has_gone_out {
                self.renew_proposal(&mut proposal).await?;
            }
            let (slot, lineage) = (proposal.slot.clone(), proposal.lineage.clone());
            let (ballot, stamp) = (opened.ballot, opened.ballot.stamp);
            let ended = self
                .accept(place, (ballot, stamp), proposal, versions::predecessors(opened.row.as_ref()))
                .await?;
            has_gone_out |= !matches!(ended, Ended::Moved);
            match ended {
                Ended::Lost => self.pause(attempt, false).await,
                Ended::Moved => self.pause(attempt, true).await,
                Ended::Unclear if !self.is_there(place, stamp).await? => break,
                _ => {
                    let order = stamp.proposal();
                    let row = ObjectRow { order, lineage, ..ObjectRow::new(stamp, slot) };
                    return Ok((Some(row), judged));
                }
            }
        }
        Err(ModelError::Unavailable)
    }

    async fn propose_wish(
        self: &Arc<Self>,
        place: &KeyPlace,
        opened: &Opened,
        wish: &Wish<'_>,
    ) -> Result<(Option<Proposal>, Vec<Judged>), ModelError> {
        let change = match wish {
            Wish::Surely(change) => Some(change.clone()),
            Wish::IfDue(due) => self.judge_due(place, opened.row.as_ref(), due).await?,
            Wish::Remove(removals) => return self.propose_removal(place, opened, removals).await,
            Wish::RemoveDue(moment, dues) => return self.propose_due(place, opened, (*moment, dues)).await,
            Wish::Decide(id) => return Ok((self.propose_told(place, opened, *id).await?, Vec::new())),
        };
        let proposal = match change {
            Some(change) => self.propose(place, opened, change).await?,
            None => None,
        };
        Ok((proposal, Vec::new()))
    }

    /// Decides under a ballot what became of a version, as far as replicas told: its outcome is heard with the next one.
    async fn decide_under(
        self: &Arc<Self>,
        place: &KeyPlace,
        opened: &Opened,
        id: VersionId,
    ) -> Result<(), ModelError> {
        let Some(proposal) = self.propose_told(place, opened, id).await? else { return Ok(()) };
        let (ballot, stamp) = (opened.ballot, opened.ballot.stamp);
        self.accept(place, (ballot, stamp), proposal, versions::predecessors(opened.row.as_ref()))
            .await
            .map(drop)
    }

    /// The past row of a version that is in doubt, put forward as it was told; none if it is not in doubt.
    async fn propose_told(
        self: &Arc<Self>,
        place: &KeyPlace,
        opened: &Opened,
        id: VersionId,
    ) -> Result<Option<Proposal>, ModelError> {
        let current = opened.row.as_ref();
        if current.and_then(ObjectRow::current) == Some(id) {
            return Ok(None);
        }
        let Some((row, inline)) = self.version_in_doubt(place, current, id).await? else { return Ok(None) };
        if !fits(&row.slot, inline.as_ref()) {
            return Err(ModelError::Unavailable);
        }
        let aside = versions::aside(id, row.made, row.slot);
        self.propose_beside(place, current, (aside, inline)).await.map(Some)
    }

    /// What a change makes of what is current, of which a quorum agrees.
    async fn propose(
        self: &Arc<Self>,
        place: &KeyPlace,
        opened: &Opened,
        change: Change,
    ) -> Result<Option<Proposal>, ModelError> {
        let current = opened.row.as_ref();
        let proposal = match change {
            Change::Bury if current.is_some_and(|row| row.current().is_some()) => return Ok(None),
            Change::Bury => made(Slot::Deleted, versions::lineage_beside(current, None), Beside::default()),
            Change::Add(add) => {
                add.condition.check(current)?;
                let Add { mode, mut slot, inline, body, retention, .. } = *add;
                // Only who has not heard yet that the bucket keeps versions for good would replace a locked one.
                if mode != Versioning::Enabled
                    && self.null_version_is_locked(place, current, opened.retention_clock).await?
                {
                    return Err(ModelError::Unavailable);
                }
                lock::retain_by_default(&mut slot, retention, opened.ballot.stamp);
                let lineage = versions::lineage_above(mode, opened.ballot.stamp, current);
                let aside = match &lineage.aside {
                    Some(_) => self.own_bytes(place, current).await?,
                    None => None,
                };
                let beside = Beside { own: inline, aside };
                Proposal { slot, lineage: Some(Box::new(lineage)), beside, body }
            }
            Change::Delete(removal) => {
                let (proposal, mut judged) = self.propose_removal(place, opened, &[removal]).await?;
                return match judged.pop() {
                    Some(Judged::Refused(error)) => Err(error),
                    _ => Ok(proposal),
                };
            }
            Change::Edit(id, edit) => {
                let is_current = |row: &ObjectRow| id.is_none_or(|id| row.current() == Some(id));
                match current.filter(|row| is_current(row)) {
                    Some(row) => {
                        let slot = edit(&row.slot, (row.made(), opened.retention_clock))?;
                        let beside = self.own_bytes(place, current).await?.into();
                        made(slot, versions::lineage_beside(current, None), beside)
                    }
                    None => self.propose_edited(place, opened, (id, &edit)).await?,
                }
            }
        };
        Ok(Some(proposal))
    }

    /// The same entry again, beside a past version of which something new is said.
    async fn propose_edited(
        self: &Arc<Self>,
        place: &KeyPlace,
        opened: &Opened,
        (id, edit): (Option<VersionId>, &Edit),
    ) -> Result<Proposal, ModelError> {
        let id = id.ok_or(ModelError::NoSuchKey)?;
        let found = self.past_version(place, opened.row.as_ref(), (id, Want::Content)).await?;
        let (row, inline) = found.ok_or(ModelError::NoSuchVersion)?;
        let aside = versions::aside(id, row.made, edit(&row.slot, (row.made, opened.retention_clock))?);
        self.propose_beside(place, opened.row.as_ref(), (aside, inline)).await
    }

    /// Whether the null version of a key must stay: that which a write would replace that makes another one. Asked
    /// under a ballot that a quorum promised.
    pub(super) async fn null_version_is_locked(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        now: WallTime,
    ) -> Result<bool, ModelError> {
        let is_locked = |slot: &Slot| lock::check_removal(slot, now, Bypass::Nothing).is_err();
        match current.filter(|row| row.current() == Some(VersionId::Null)) {
            Some(row) => Ok(is_locked(&row.slot)),
            None => {
                let past = self.past_version(place, current, (VersionId::Null, Want::Metadata)).await?;
                Ok(past.is_some_and(|(row, _)| is_locked(&row.slot)))
            }
        }
    }

    /// The same entry again, with a past row that changes beside it.
    pub(super) async fn propose_beside(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        (aside, inline): (Aside, Option<Bytes>),
    ) -> Result<Proposal, ModelError> {
        let slot = current.map_or(Slot::Deleted, |row| row.slot.clone());
        let own = self.own_bytes(place, current).await?;
        Ok(made(slot, versions::lineage_beside(current, Some(aside)), Beside { own, aside: inline }))
    }

    /// What is current once the current version and others are deleted: the newest of those that were before, with the
    /// bytes beside it.
    pub(super) async fn what_follows(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
        gone: &BTreeSet<VersionId>,
    ) -> Result<Option<(VersionId, PastRow, Option<Bytes>)>, ModelError> {
        let Some(next) = self.newest_past(place, current, gone).await? else { return Ok(None) };
        let found = self.past_version(place, current, (next, Want::Content)).await?;
        let (row, inline) = found.ok_or(ModelError::Unavailable)?;
        Ok(Some((next, row, inline)))
    }

    async fn own_bytes(
        self: &Arc<Self>,
        place: &KeyPlace,
        current: Option<&ObjectRow>,
    ) -> Result<Option<Bytes>, ModelError> {
        match current.filter(|row| row.slot.has_bytes()) {
            Some(row) => Ok(self.content_of(place, row).await?.own),
            None => Ok(None),
        }
    }
}

pub(super) fn made(slot: Slot, lineage: Lineage, beside: Beside) -> Proposal {
    Proposal { slot, lineage: Some(Box::new(lineage)), beside, body: None }
}
