//! What waits for each webhook: a queue on this node's disk, in the order in which the changes were begun.
//!
//! Always holds: the figures of a queue are those of its rows, changed in the same transaction; a queue that is full takes
//! nothing more until something was delivered, and counts what it did not take.

use super::id::EventId;
use super::{BACKLOG_MAX_BYTES, BACKLOG_MAX_EVENTS};
use crate::rows::event::{BacklogRow, Delivery, Event, QueuedRow};
use crate::rows::webhook::WebhookRow;
use crate::{Model, ModelError};
use base::Stamp;
use std::ops::{Bound, ControlFlow};
use store::{Intent, Read, Space, Step, StoreError, Txn};

/// Rows of a deleted webhook's queue that go in one transaction.
const DROPPED_AT_ONCE: usize = 1000;

/// An event that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Where it stands in the queue.
    pub(crate) row_key: Vec<u8>,
    /// The event.
    pub row: QueuedRow,
}

/// Puts an event on its way to everybody who is to be told.
pub(super) fn push_all(
    txn: &mut Txn<'_>,
    id: EventId,
    event: &Event,
    deliveries: &[Delivery],
) -> Result<(), StoreError> {
    for delivery in deliveries {
        push(txn, &delivery.webhook, id, QueuedRow { event: event.clone(), rule: delivery.rule.clone() })?;
    }
    Ok(())
}

/// Puts an event on its way to one webhook; once, however often.
pub(super) fn push(txn: &mut Txn<'_>, webhook: &str, id: EventId, row: QueuedRow) -> Result<(), StoreError> {
    let registered: Option<WebhookRow> = match txn.get(Space::Webhook, webhook.as_bytes()) {
        // It may be there.
        Err(StoreError::Unreadable { .. }) => None,
        found => found?,
    };
    if registered.is_some_and(|row| row.endpoint.value.is_none()) {
        return Ok(());
    }
    let row_key = row_key(webhook, id);
    if txn.get_bytes(Space::Event, &row_key)?.is_some() {
        return Ok(());
    }
    let record = store::encode(Space::Event, &row_key, &row);
    let mut figures = figures_of(txn, webhook)?;
    if is_full(&figures, record.len()) {
        figures.lost += 1;
        figures.lost_at = Some(txn.stamp());
    } else {
        figures.events += 1;
        figures.bytes += record.len() as u64;
        txn.put_bytes(Space::Event, row_key, record);
    }
    txn.put(Space::EventBacklog, webhook.as_bytes().to_vec(), &figures);
    Ok(())
}

fn is_full(figures: &BacklogRow, more: usize) -> bool {
    figures.events >= BACKLOG_MAX_EVENTS || figures.bytes + more as u64 > BACKLOG_MAX_BYTES
}

fn figures_of(read: &impl Read, webhook: &str) -> Result<BacklogRow, StoreError> {
    Ok(read.get(Space::EventBacklog, webhook.as_bytes())?.unwrap_or_default())
}

/// What the keys of a webhook's queue begin with; names hold no zero byte.
fn prefix(webhook: &str) -> Vec<u8> {
    [webhook.as_bytes(), &[0]].concat()
}

/// Above all keys of a webhook's queue.
pub(super) fn end(webhook: &str) -> Vec<u8> {
    [webhook.as_bytes(), &[1]].concat()
}

/// Where an event stands in a webhook's queue.
pub(super) fn row_key(webhook: &str, id: EventId) -> Vec<u8> {
    [&prefix(webhook)[..], &id.to_bytes()].concat()
}

/// What [`row_key`] makes a key of.
pub(super) fn parse_row_key(key: &[u8]) -> Option<(&str, EventId)> {
    let (webhook, id) = key.split_at_checked(key.len().checked_sub(EventId::LEN)?)?;
    let webhook = std::str::from_utf8(webhook.strip_suffix(&[0])?).ok()?;
    Some((webhook, EventId::parse(id)?))
}

impl Model {
    /// Every webhook that something waits for on this node, or found no room, with its figures.
    pub fn event_backlogs(&self) -> Result<Vec<(String, BacklogRow)>, ModelError> {
        let mut found = Vec::new();
        self.store.view()?.walk(Space::EventBacklog, &[], None, &mut |key, row: BacklogRow| {
            found.extend(String::from_utf8(key.to_vec()).ok().map(|name| (name, row)));
            Step::Next
        })?;
        Ok(found)
    }

    /// The first events that wait for a webhook: as many as a limit of number and one of bytes allow, one at least.
    pub fn waiting_events(
        &self,
        webhook: &str,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Waiting>, ModelError> {
        let (from, to) = (prefix(webhook), end(webhook));
        let (mut found, mut bytes, mut failure) = (Vec::new(), 0, None);
        let view = self.store.view()?;
        view.scan(Space::Event, Bound::Included(&from), Bound::Excluded(&to), &mut |key, record| {
            bytes += record.len();
            if found.len() >= max || (bytes > max_bytes && !found.is_empty()) {
                return ControlFlow::Break(());
            }
            match store::decode(Space::Event, key, record) {
                Ok(row) => found.push(Waiting { row_key: key.to_vec(), row }),
                Err(_) => {
                    failure = Some(key.to_vec());
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        match failure {
            Some(key) if found.is_empty() => {
                Err(StoreError::Unreadable { space: Space::Event.name(), key }.into())
            }
            _ => Ok(found),
        }
    }

    /// Forgets events that were delivered.
    pub async fn delivered(&self, webhook: &str, events: &[Waiting]) -> Result<(), ModelError> {
        self.forget_events(webhook, events.iter().map(|waiting| waiting.row_key.clone()).collect()).await
    }

    /// Forgets a record at the head of a queue that cannot be read, which would hold up all behind it.
    pub async fn skip_unreadable(&self, webhook: &str, row_key: Vec<u8>) -> Result<(), ModelError> {
        tracing::error!(webhook, "an event on disk is damaged and cannot be delivered");
        self.forget_events(webhook, vec![row_key]).await
    }

    /// Forgets some of what waits for a webhook that was deleted; whether there may be more.
    pub async fn drop_backlog(&self, webhook: &str) -> Result<bool, ModelError> {
        let (from, to) = (prefix(webhook), end(webhook));
        let mut keys = Vec::new();
        let view = self.store.view()?;
        view.scan(Space::Event, Bound::Included(&from), Bound::Excluded(&to), &mut |key, _| {
            keys.push(key.to_vec());
            if keys.len() < DROPPED_AT_ONCE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if !keys.is_empty() {
            self.forget_events(webhook, keys).await?;
            return Ok(true);
        }
        let name = webhook.as_bytes().to_vec();
        let remove = move |txn: &mut Txn<'_>| {
            let webhook = std::str::from_utf8(&name).unwrap_or_default();
            // Something may have come since the look.
            if figures_of(txn, webhook)?.events == 0 {
                txn.delete(Space::EventBacklog, name);
            }
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, remove).await?;
        Ok(false)
    }

    async fn forget_events(&self, webhook: &str, keys: Vec<Vec<u8>>) -> Result<(), ModelError> {
        let webhook = webhook.to_owned();
        let forget = move |txn: &mut Txn<'_>| {
            let mut figures = figures_of(txn, &webhook)?;
            for key in keys {
                if let Some(record) = txn.get_bytes(Space::Event, &key)? {
                    figures.events = figures.events.saturating_sub(1);
                    figures.bytes = figures.bytes.saturating_sub(record.len() as u64);
                    txn.delete(Space::Event, key);
                }
            }
            txn.put(Space::EventBacklog, webhook.into_bytes(), &figures);
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, forget).await
    }

    /// When the change was begun that the first event tells of that waits for a webhook.
    pub fn oldest_event(&self, webhook: &str) -> Result<Option<Stamp>, ModelError> {
        let (from, to) = (prefix(webhook), end(webhook));
        let mut oldest = None;
        let view = self.store.view()?;
        view.scan(Space::Event, Bound::Included(&from), Bound::Excluded(&to), &mut |key, _| {
            oldest = parse_row_key(key).map(|(_, id)| id.written);
            ControlFlow::Break(())
        })?;
        Ok(oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_is_full_by_number_or_by_bytes() {
        let figures = |events, bytes| BacklogRow { events, bytes, ..BacklogRow::default() };
        assert!(!is_full(&figures(BACKLOG_MAX_EVENTS - 1, 0), 1));
        assert!(is_full(&figures(BACKLOG_MAX_EVENTS, 0), 1));
        assert!(!is_full(&figures(1, BACKLOG_MAX_BYTES - 10), 10));
        assert!(is_full(&figures(1, BACKLOG_MAX_BYTES - 10), 11));
    }
}
