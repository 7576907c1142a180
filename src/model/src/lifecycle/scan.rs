//! Which rows of a bucket look due, as this node holds them: no body is read, and nobody is asked.
//!
//! What is found here decides nothing. It is judged anew in the step that removes it (`lifecycle::expire`), since rows,
//! tags and rules may have changed, and this replica may have missed something.

use super::rules::Displaced;
use super::{Day, Rules};
use crate::ModelError;
use crate::rows::object::{self, ObjectRow, Slot};
use crate::rows::past::{self, PastRow, VersionId};
use crate::rows::upload::{UploadRow, UploadState};
use base::id::kind;
use base::{Id, PartitionHash, Stamp, WallTime};
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};
use store::{Read, Record, Space, StoreError, View};
use table::sort_key::after_prefix;

/// Rows looked at in one step.
const ROWS_PER_STEP: usize = 1000;
/// What one step finds at most: each is a decision of its own.
const FOUND_MAX: usize = 256;

/// What a pass looks at, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// What is current.
    #[serde(rename = "c")]
    Current,
    /// Versions that are not.
    #[serde(rename = "p")]
    Past,
    /// Open uploads.
    #[serde(rename = "u")]
    Uploads,
}

impl Stage {
    /// Where a pass begins.
    pub const FIRST: Self = Self::Current;

    /// What comes next.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Current => Some(Self::Past),
            Self::Past => Some(Self::Uploads),
            Self::Uploads => None,
        }
    }
}

/// Something that looks due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub key: String,
    pub due: Due,
}

/// What of a key looks due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// The object that is current.
    Current,
    /// The delete marker that is current and covers nothing.
    Marker(VersionId),
    /// A version that is not current.
    Past(PastDue),
    /// An upload.
    Upload(Id<kind::Upload>),
}

/// A version that is not current, and the one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PastDue {
    pub id: VersionId,
    pub above: VersionId,
    /// Whether the one above it is due too, so that it may have gone a moment ago.
    pub is_above_due: bool,
}

/// Where and by what is looked.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub view: &'a View,
    pub partition: PartitionHash,
    pub rules: &'a Rules,
    pub now: WallTime,
    pub day: Day,
}

/// What a step found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub candidates: Vec<Candidate>,
    /// Rows looked at.
    pub rows: u64,
    /// Rows that cannot be read: they stay.
    pub damaged: u64,
    /// The row key to go on from; none: that was the end.
    pub next: Option<Vec<u8>>,
    /// The key with versions that the step ended in.
    pub inside: Option<Stack>,
}

/// A key whose versions are looked at, from the newest on.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    key: String,
    /// What is current: its past row says nothing. None: this key is passed over.
    current: Option<VersionId>,
    /// The version above the next one.
    above: (VersionId, Stamp),
    /// Whether that is due.
    is_above_due: bool,
    /// Objects among those that were passed.
    newer: u32,
    /// The null version, whose row stands before all others whenever it was made.
    null: Option<PastRow>,
}

/// Looks at some rows of a stage, from a row key on.
pub(crate) fn step(
    look: Look<'_>,
    stage: Stage,
    from: Vec<u8>,
    inside: Option<Stack>,
) -> Result<Found, ModelError> {
    match stage {
        Stage::Current => look.current(from),
        Stage::Past => look.past(from, inside),
        Stage::Uploads => look.uploads(from),
    }
}

/// A row as it was visited: none if it cannot be read.
type Visited<R> = Option<R>;
/// Looks at a row and its key.
type Visitor<'a, R> = dyn FnMut(&[u8], Visited<R>, &mut Found) -> Result<(), ModelError> + 'a;

impl Look<'_> {
    /// The part of the rows that some rules are about, from a row key on: its beginning and its end.
    fn range(&self, prefixes: &[&str], from: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        prefixes.iter().find_map(|prefix| {
            let start = object::prefix_start(self.partition, prefix);
            let end = after_prefix(&start);
            let is_ahead = end.as_deref().is_none_or(|end| from < end);
            is_ahead.then(|| (start.max(from.to_vec()), end))
        })
    }

    /// Visits rows until a limit or until the visitor has enough; where to go on.
    fn visit<R: Record>(
        &self,
        space: Space,
        (from, to): (&[u8], Option<&[u8]>),
        found: &mut Found,
        visit: &mut Visitor<'_, R>,
    ) -> Result<Option<Vec<u8>>, ModelError> {
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut next, mut failure, mut rows) = (None, None, 0);
        self.view.scan(space, Bound::Included(from), end, &mut |row_key, bytes| {
            if rows >= ROWS_PER_STEP || found.candidates.len() >= FOUND_MAX {
                next = Some(row_key.to_vec());
                return ControlFlow::Break(());
            }
            rows += 1;
            found.rows += 1;
            let row = store::decode::<R>(space, row_key, bytes).ok();
            found.damaged += u64::from(row.is_none());
            match visit(row_key, row, found) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failure.map_or(Ok(next), Err)
    }

    fn current(&self, from: Vec<u8>) -> Result<Found, ModelError> {
        let mut found = Found::default();
        let prefixes = self.rules.prefixes(|rule| rule.expiration.is_some());
        let Some((from, to)) = self.range(&prefixes, &from) else { return Ok(found) };
        let next =
            self.visit(Space::Object, (&from, to.as_deref()), &mut found, &mut |row_key, row, found| {
                let (Some(row), Some(key)): (Visited<ObjectRow>, _) = (row, object::key_of(row_key)) else {
                    return Ok(());
                };
                if let Some(due) = self.due_of_current(row_key, &key, &row)? {
                    found.candidates.push(Candidate { key, due });
                }
                Ok(())
            })?;
        found.next = next.or(to);
        Ok(found)
    }

    fn due_of_current(&self, row_key: &[u8], key: &str, row: &ObjectRow) -> Result<Option<Due>, ModelError> {
        let is_due = match &row.slot {
            Slot::Live(object) => {
                let expiry = self.rules.expiry(key, (&**object).into(), row.modified().wall(), self.day);
                return Ok(expiry.filter(|expiry| expiry.at <= self.now).map(|_| Due::Current));
            }
            Slot::Marker => self.rules.drops_marker(key, row.made().wall(), (self.now, self.day)),
            Slot::Deleted => false,
        };
        let id = row.version_id();
        let covers_nothing = is_due && !covers_something(self.view, row_key, id)?;
        Ok(covers_nothing.then_some(Due::Marker(id)))
    }

    fn past(&self, from: Vec<u8>, inside: Option<Stack>) -> Result<Found, ModelError> {
        let mut found = Found::default();
        let prefixes = self.rules.prefixes(|rule| rule.noncurrent.is_some());
        let Some((from, to)) = self.range(&prefixes, &from) else { return Ok(found) };
        let mut stack = inside;
        let next =
            self.visit(Space::Past, (&from, to.as_deref()), &mut found, &mut |row_key, row, found| {
                let Some((key, id)) = past::parse_row_key(row_key) else { return Ok(()) };
                if stack.as_ref().is_none_or(|stack| stack.key != key) {
                    self.end(stack.take(), found);
                    stack = self.open_stack(row_key, key)?;
                }
                match (&mut stack, row) {
                    (Some(stack), Some(row)) => self.take_version(stack, (id, row), found),
                    // What cannot be read is not nothing: the key is passed over.
                    (Some(stack), None) => stack.current = None,
                    (None, _) => {}
                }
                Ok(())
            })?;
        if next.is_none() {
            self.end(stack.take(), &mut found);
        }
        // The oldest first: whether a version is still due is seen by the one above it.
        found.candidates.reverse();
        found.next = next.or(to);
        found.inside = stack;
        Ok(found)
    }

    fn open_stack(&self, row_key: &[u8], key: String) -> Result<Option<Stack>, ModelError> {
        let Some(head_key) = past::head_key(row_key) else { return Ok(None) };
        let head: Option<ObjectRow> =
            self.view.get(Space::Object, &head_key).or_else(|error| match error {
                StoreError::Unreadable { .. } => Ok(None),
                error => Err(error),
            })?;
        let current = head.as_ref().and_then(ObjectRow::current);
        let above = head.map_or((VersionId::Null, Stamp::ZERO), |head| (head.version_id(), head.made()));
        Ok(Some(Stack { key, current, above, is_above_due: false, newer: 0, null: None }))
    }

    /// Takes the next row of a key: named versions come the newest first.
    fn take_version(&self, stack: &mut Stack, (id, row): (VersionId, PastRow), found: &mut Found) {
        if stack.current.is_none() || stack.current == Some(id) || row.slot == Slot::Deleted {
            return;
        }
        if id == VersionId::Null {
            stack.null = Some(row);
            return;
        }
        if let Some(null) = stack.null.take_if(|null| null.made > row.made) {
            self.judge(stack, (VersionId::Null, null), found);
        }
        self.judge(stack, (id, row), found);
    }

    /// Nothing follows of a key.
    fn end(&self, stack: Option<Stack>, found: &mut Found) {
        let Some(mut stack) = stack.filter(|stack| stack.current.is_some()) else { return };
        if let Some(null) = stack.null.take() {
            self.judge(&mut stack, (VersionId::Null, null), found);
        }
    }

    fn judge(&self, stack: &mut Stack, (id, row): (VersionId, PastRow), found: &mut Found) {
        let object = row.slot.live().map(Into::into);
        let (above, made_above) = stack.above;
        let since = made_above.wall();
        let version = Displaced { key: &stack.key, object, since, newer: stack.newer };
        let is_due = self.rules.drops_displaced(&version, (self.now, self.day));
        if is_due {
            let due = Due::Past(PastDue { id, above, is_above_due: stack.is_above_due });
            found.candidates.push(Candidate { key: stack.key.clone(), due });
        }
        stack.is_above_due = is_due;
        stack.newer += u32::from(row.slot.live().is_some());
        stack.above = (id, row.made);
    }

    fn uploads(&self, from: Vec<u8>) -> Result<Found, ModelError> {
        let mut found = Found::default();
        if self.rules.prefixes(|rule| rule.abort_days.is_some()).is_empty() {
            return Ok(found);
        }
        let start = self.partition.as_bytes().to_vec();
        let to = after_prefix(&start);
        let from = start.max(from);
        let next =
            self.visit(Space::Upload, (&from, to.as_deref()), &mut found, &mut |row_key, row, found| {
                let row: Option<UploadRow> = row;
                let row = row.filter(|row| row.state == UploadState::Open);
                let id = <[u8; 32]>::try_from(row_key).ok().map(Id::from_bytes);
                let (Some(row), Some(id)) = (row, id) else { return Ok(()) };
                let abort = self.rules.abort(&row.key, row.initiated.wall(), self.day);
                if abort.is_some_and(|abort| abort.at <= self.now) {
                    found.candidates.push(Candidate { key: row.key, due: Due::Upload(id) });
                }
                Ok(())
            })?;
        found.next = next;
        Ok(found)
    }
}

/// Whether a key has a version that is there besides this one. What cannot be read may be one.
pub(crate) fn covers_something(
    read: &impl Read,
    head_key: &[u8],
    except: VersionId,
) -> Result<bool, StoreError> {
    let (from, to) = past::range_beside(head_key);
    let mut covers = false;
    read.scan(Space::Past, Bound::Included(&from), Bound::Excluded(&to), &mut |row_key, bytes| {
        let id = past::parse_row_key(row_key).map(|(_, id)| id);
        let row = store::decode::<PastRow>(Space::Past, row_key, bytes);
        let is_gone = id == Some(except) || row.is_ok_and(|row| row.slot == Slot::Deleted);
        covers |= !is_gone;
        if covers { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(covers)
}
