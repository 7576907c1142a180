//! What this home holds for others: events that they have on their way, told by this one should they be lost.
//!
//! What always holds (doc/models/events.rs): what is held goes when its home says that it is done with it – of what was
//! held before it was asked – or in the transaction that makes it this home's own. That is when its home says that it is in
//! another life, or was away for long.

use super::copies::PAGE_MAX;
use super::id::EventId;
use super::messages::{AskDone, AskLacking, Done, HoldEvents, OnItsWay, Owner, at_places, places_where};
use super::{INTENTS_MAX, backlog};
use crate::replicas::{READ_LIMIT, Reply, Serve};
use crate::rows::event::{Delivery, HeldRow, IntentRow};
use crate::{Model, ModelError};
use base::NodeId;
use bytes::Bytes;
use cluster::layout::Count;
use net::{Answer, Attachment, Refusal};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{Intent, Read, Space, StoreError, Txn};

/// Intents that may be open while what is held becomes this home's own; the rest waits.
const ADOPTED_MAX: usize = INTENTS_MAX / 2;

const NODE_BYTES: usize = 32;
const LIFE_BYTES: usize = 4 + 8;

/// Some of what is held for one home and one webhook.
struct Page {
    owner: Owner,
    /// Keys of rows, in their order.
    keys: Vec<Vec<u8>>,
    /// Above all keys of this home and webhook.
    end: Vec<u8>,
}

/// What is to be done about what is held.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Its home is done with these: keys of rows.
    Drop(Vec<Vec<u8>>),
    /// Its home does not know of them any more, or is not there: they are this home's.
    Adopt,
    /// Its home may say more in a moment.
    Wait,
}

impl Page {
    fn names(&self) -> Vec<OnItsWay> {
        let named = self.keys.iter().filter_map(|key| parse_row_key(key));
        named.map(|(_, webhook, id)| OnItsWay::new(webhook, id)).collect()
    }
}

/// What the keys of everything begin with that is held for a home in one life.
fn prefix(owner: Owner) -> Vec<u8> {
    let Count { number, mark } = owner.life;
    [owner.node.as_bytes().as_slice(), &number.to_be_bytes(), &mark.to_be_bytes()].concat()
}

fn row_key(owner: Owner, webhook: &str, id: EventId) -> Vec<u8> {
    [prefix(owner), backlog::row_key(webhook, id)].concat()
}

fn parse_row_key(key: &[u8]) -> Option<(Owner, &str, EventId)> {
    let (node, rest) = key.split_at_checked(NODE_BYTES)?;
    let (life, rest) = rest.split_at_checked(LIFE_BYTES)?;
    let (number, mark) = life.split_at_checked(4)?;
    let number = u32::from_be_bytes(number.try_into().ok()?);
    let life = Count { number, mark: u64::from_be_bytes(mark.try_into().ok()?) };
    let (webhook, id) = backlog::parse_row_key(rest)?;
    Some((Owner { node: NodeId::from_bytes(node.try_into().ok()?), life }, webhook, id))
}

impl Model {
    /// Asks homes what they are done with, and makes what homes left that are gone this home's own.
    pub(super) async fn tend_held(self: &Arc<Self>) -> Result<(), ModelError> {
        let mut from = Vec::new();
        while let Some(page) = self.held_from(&from, PAGE_MAX)? {
            let goes_on = match self.verdict(&page).await {
                Verdict::Adopt if self.events.open.load(Ordering::Relaxed) > ADOPTED_MAX => false,
                Verdict::Adopt => self.adopt(page.keys.clone()).await.map(|()| true)?,
                Verdict::Drop(done) if done.is_empty() => false,
                Verdict::Drop(done) => self.drop_held(done).await.map(|()| true)?,
                Verdict::Wait => false,
            };
            let last = page.keys.last().filter(|_| goes_on && page.keys.len() >= PAGE_MAX);
            from = match last {
                Some(last) => [last.as_slice(), &[0]].concat(),
                None => page.end,
            };
        }
        Ok(())
    }

    async fn verdict(self: &Arc<Self>, page: &Page) -> Verdict {
        if self.is_long_away(page.owner.node) {
            return Verdict::Adopt;
        }
        let question = AskDone { of: page.owner, names: page.names() };
        // Who cannot be asked, or does not answer, is asked again later.
        match self.ask_one(page.owner.node, question, Bytes::new(), READ_LIMIT).await {
            Ok(Answer { reply: Done::These(done), .. }) => Verdict::Drop(at_places(&page.keys, &done)),
            Ok(Answer { reply: Done::OtherLife, .. }) => Verdict::Adopt,
            Ok(Answer { reply: Done::NotYet, .. }) | Err(_) => Verdict::Wait,
        }
    }

    /// The first of what is held from a key on, for one home and one webhook, at most so many.
    fn held_from(&self, from: &[u8], most: usize) -> Result<Option<Page>, ModelError> {
        let mut page: Option<Page> = None;
        let mut strange = Vec::new();
        let view = self.store.view()?;
        view.scan(Space::EventHeld, Bound::Included(from), Bound::Unbounded, &mut |key, _| {
            let Some((owner, webhook, _)) = parse_row_key(key) else {
                strange.push(key.to_vec());
                return ControlFlow::Continue(());
            };
            let page = page.get_or_insert_with(|| {
                let end = [prefix(owner), backlog::end(webhook)].concat();
                Page { owner, keys: Vec::new(), end }
            });
            if key >= page.end.as_slice() || page.keys.len() >= most {
                return ControlFlow::Break(());
            }
            page.keys.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        if !strange.is_empty() {
            tracing::error!(rows = strange.len(), "what is held for another node has keys that mean nothing");
        }
        Ok(page)
    }

    /// The homes that something is held for.
    pub(super) fn owners_held(&self) -> BTreeSet<NodeId> {
        let (mut owners, mut from) = (BTreeSet::new(), Vec::new());
        while let Ok(Some(page)) = self.held_from(&from, 1) {
            owners.insert(page.owner.node);
            from = [page.owner.node.as_bytes().as_slice(), &[u8::MAX; LIFE_BYTES]].concat();
        }
        owners
    }

    async fn drop_held(&self, keys: Vec<Vec<u8>>) -> Result<(), ModelError> {
        let drop_all = move |txn: &mut Txn<'_>| {
            keys.into_iter().for_each(|key| txn.delete(Space::EventHeld, key));
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, drop_all).await
    }

    /// Makes what is held this home's own: queued if it is certain that it happened, else an intent that is in doubt.
    async fn adopt(self: &Arc<Self>, keys: Vec<Vec<u8>>) -> Result<(), ModelError> {
        let news = self.events.news.clone();
        tracing::info!(events = keys.len(), "events of a home that is gone are told by this one");
        let adopt = move |txn: &mut Txn<'_>| {
            let mut in_doubt = Vec::new();
            for key in keys {
                in_doubt.extend(adopt_row(txn, &key)?);
                txn.delete(Space::EventHeld, key);
            }
            txn.after_commit(move || news.note());
            Ok::<_, ModelError>(in_doubt)
        };
        let in_doubt = self.store.commit(Intent::Free, adopt).await?;
        self.events.open.fetch_add(in_doubt.len(), Ordering::Relaxed);
        in_doubt.into_iter().for_each(|id| self.abandon_intent(id, true));
        // It has one copy now.
        self.events.copies.want();
        Ok(())
    }

    fn lacking_events(&self, of: Owner, names: &[OnItsWay]) -> Result<Vec<u32>, ModelError> {
        let view = self.store.view()?;
        places_where(names, |webhook, id| {
            Ok(view.get_bytes(Space::EventHeld, &row_key(of, webhook, id))?.is_none())
        })
    }
}

/// Makes an event this home's own; its name if an intent of it is new.
fn adopt_row(txn: &mut Txn<'_>, key: &[u8]) -> Result<Option<EventId>, StoreError> {
    let Some((_, webhook, id)) = parse_row_key(key) else { return Ok(None) };
    let held: Option<HeldRow> = match txn.get(Space::EventHeld, key) {
        Err(StoreError::Unreadable { .. }) => {
            tracing::error!(webhook, "an event that was held for another node is damaged and cannot be told");
            None
        }
        held => held?,
    };
    let Some(HeldRow { queued, is_settled }) = held else { return Ok(None) };
    if is_settled {
        backlog::push(txn, webhook, id, queued)?;
        return Ok(None);
    }
    let row_key = id.to_bytes().to_vec();
    let delivery = Delivery { webhook: webhook.to_owned(), rule: queued.rule };
    let there: Option<IntentRow> = txn.get(Space::EventIntent, &row_key)?;
    let is_new = there.is_none();
    let mut row = there.unwrap_or(IntentRow { event: queued.event, deliveries: Vec::new() });
    if !row.deliveries.contains(&delivery) {
        row.deliveries.push(delivery);
    }
    txn.put(Space::EventIntent, row_key, &row);
    Ok(is_new.then_some(id))
}

impl Serve for HoldEvents {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        let mut rows = Vec::with_capacity(self.events.len());
        for held in self.events {
            let (webhook, id) = held.name.parse().ok_or(Refusal::Malformed)?;
            rows.push((row_key(self.of, webhook, id), held.row));
        }
        let intent = if self.frees { Intent::Free } else { Intent::Grow };
        let hold = move |txn: &mut Txn<'_>| {
            rows.into_iter().for_each(|(key, row)| txn.put(Space::EventHeld, key, &row));
            Ok::<_, ModelError>(())
        };
        let reply = match model.store.commit(intent, hold).await {
            Ok(()) => Reply::Done(()),
            Err(error) => {
                tracing::debug!(%error, "events of another node cannot be held");
                Reply::Failed
            }
        };
        Ok(Answer::from(reply))
    }
}

impl Serve for AskLacking {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        let lacking = model.lacking_events(self.of, &self.names).map_err(|error| {
            tracing::warn!(%error, "which events of another node are held cannot be told");
            Refusal::Failed
        })?;
        Ok(Answer::from(lacking))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Stamp;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let owner =
            Owner { node: NodeId::from_bytes([7; NODE_BYTES]), life: Count { number: 2, mark: 0xABCD } };
        let id = EventId { written: Stamp { time: 1, node: 2 }, number: 3 };
        let key = row_key(owner, "hook", id);
        assert_eq!(parse_row_key(&key), Some((owner, "hook", id)));
        assert_eq!(parse_row_key(&key[..key.len() - 1]), None);
        assert!(key < [prefix(owner), backlog::end("hook")].concat());
    }
}
