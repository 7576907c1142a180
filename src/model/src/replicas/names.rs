//! Buckets, names, access keys and webhooks: every member of the cluster keeps a copy and reads it alone.
//!
//! A change is made here, told to all members at once, and acknowledged when most of them have it. Who
//! missed it gets it when it next compares its copy with another member's, which happens soon after they
//! meet and then every minute; a node that is asked about a name it does not know asks the others first.
//!
//! A copy that cannot be read takes nothing, says nothing and counts nowhere until it is mended (`mend/names`).

use super::ask::{Asked, READ_LIMIT, WRITE_LIMIT};
use super::messages::Reply;
use super::serve::Serve;
use crate::rows::bucket::{AliasRow, BucketRow};
use crate::rows::encryption::RingKeyRow;
use crate::rows::key::KeyRow;
use crate::rows::webhook::WebhookRow;
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, Merge, NodeId};
use bytes::Bytes;
use env::{Task, random_below};
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Read, Record, Space, StoreError, Txn, View};

/// The keyspaces that every member has whole.
pub(crate) const NAME_SPACES: [Space; 5] =
    [Space::Bucket, Space::Alias, Space::Key, Space::Webhook, Space::Ring];

/// Between two comparisons with everybody.
const COMPARE_INTERVAL: Duration = Duration::from_secs(60);
/// How soon after a node was met it is compared with.
const COMPARE_SOON: Duration = Duration::from_millis(300);
/// How long a change waits for the members beyond most of them.
const STRAGGLERS_LIMIT: Duration = Duration::from_millis(500);
/// Bytes of rows in one message.
const PAGE_MAX_BYTES: usize = 1 << 20;

/// Rows to take over: keyspace number, key, record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NameRows {
    pub rows: Vec<(u8, Bytes, Bytes)>,
}

impl Request for NameRows {
    type Reply = Reply<()>;
    const NAME: &'static str = "model/names";
    const CLASS: Class = Class::Metadata;
}

/// Asks for the rows behind a key of a keyspace, unless all of them are as here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CompareNames {
    pub space: u8,
    /// Of all rows of the keyspace here.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    pub after: Option<Bytes>,
    /// Only this row.
    pub only: bool,
}

impl Request for CompareNames {
    /// The rows, and whether there are more.
    type Reply = (NameRows, bool);
    const NAME: &'static str = "model/compare_names";
    const CLASS: Class = Class::Metadata;
}

impl CompareNames {
    /// Asks for one row.
    pub fn of_row(space: Space, row_key: &[u8]) -> Self {
        let after = Some(Bytes::copy_from_slice(row_key));
        Self { space: space.number(), digest: Vec::new(), after, only: true }
    }
}

fn space_of(number: u8) -> Option<Space> {
    NAME_SPACES.into_iter().find(|space| space.number() == number)
}

impl Model {
    /// Tells every member of rows that changed here; most of them have them when this returns.
    pub(crate) async fn tell_names(
        self: &Arc<Self>,
        rows: Vec<(Space, Vec<u8>, Bytes)>,
    ) -> Result<(), ModelError> {
        let members: Vec<NodeId> = self.peers.placement().members().into_iter().collect();
        if members.is_empty() || rows.is_empty() {
            return Ok(());
        }
        let of_row = |(space, key, value): &(Space, Vec<u8>, Bytes)| {
            (space.number(), Bytes::copy_from_slice(key), value.clone())
        };
        let request = NameRows { rows: rows.iter().map(of_row).collect() };
        let mut asked = Asked::new(members.len());
        let mut have = usize::from(members.contains(&self.peers.me()));
        for (member, node) in members.iter().enumerate().filter(|(_, node)| **node != self.peers.me()) {
            self.ask(&mut asked, (member, *node), (request.clone(), Bytes::new()), WRITE_LIMIT);
        }
        let most = members.len() / 2 + 1;
        loop {
            let next = asked.next();
            let told =
                if have < most { next.await } else { env::timeout(STRAGGLERS_LIMIT, next).await.flatten() };
            match told {
                Some((_, Ok(Answer { reply: Reply::Done(()), .. }))) => have += 1,
                Some(_) => {}
                None if have >= most => break,
                None => return Err(ModelError::Unavailable),
            }
        }
        // A copy that was damaged meanwhile may have been mended from members that had not heard of this yet.
        let view = self.store.view()?;
        let is_still_here = |(space, key, value): &(Space, Vec<u8>, Bytes)| says(&view, *space, key, value);
        if rows.iter().all(is_still_here) { Ok(()) } else { Err(ModelError::Unavailable) }
    }

    /// Asks the other members for an access key that is not known here; whether one knew it.
    async fn learn_key(self: &Arc<Self>, id: &str) -> bool {
        self.learn_name(Space::Key, id.as_bytes()).await
    }

    /// Whether there is an access key of this id, here or on a member that is asked. An error: its row here cannot be read.
    pub async fn knows_key(self: &Arc<Self>, id: &str) -> Result<bool, ModelError> {
        Ok(self.names().key(id)?.is_some() || self.learn_key(id).await)
    }

    /// The same for a key of the ring.
    pub(crate) async fn learn_ring_key(self: &Arc<Self>, id: Id<kind::RingKey>) -> bool {
        self.learn_name(Space::Ring, id.as_bytes()).await
    }

    /// Hears of all keys of the ring that members know who can be asked now.
    pub(crate) async fn learn_ring(self: &Arc<Self>) {
        if self.peers.is_alone() {
            return;
        }
        for node in self.others() {
            if let Err(error) = self.compare_space(node, Space::Ring).await {
                tracing::debug!(%node, %error, "the ring is compared with another node later");
            }
        }
    }

    /// The same for a name of a bucket.
    pub async fn learn_bucket(self: &Arc<Self>, name: &str) -> bool {
        if !self.learn_name(Space::Alias, name.as_bytes()).await {
            return false;
        }
        // The bucket behind the name may be as new.
        let target = |read: &View| read.get::<AliasRow>(Space::Alias, name.as_bytes()).ok().flatten();
        let id = self.store.view().ok().as_ref().and_then(target).and_then(|row| row.target.value);
        match id {
            Some(id) if !self.names().buckets.contains_key(&id) => {
                self.learn_name(Space::Bucket, id.as_bytes()).await
            }
            _ => true,
        }
    }

    /// The same for a webhook.
    async fn learn_webhook(self: &Arc<Self>, name: &str) -> bool {
        self.learn_name(Space::Webhook, name.as_bytes()).await && self.names().webhooks.contains_key(name)
    }

    /// Whether there is a webhook of this name, as [`Model::knows_key`].
    pub async fn knows_webhook(self: &Arc<Self>, name: &str) -> Result<bool, ModelError> {
        self.names().check(Space::Webhook, name.as_bytes())?;
        Ok(self.names().webhooks.contains_key(name) || self.learn_webhook(name).await)
    }

    async fn learn_name(self: &Arc<Self>, space: Space, key: &[u8]) -> bool {
        if self.peers.is_alone() || key.len() > base::limits::OBJECT_KEY_MAX_BYTES {
            return false;
        }
        let request = CompareNames::of_row(space, key);
        for node in self.others() {
            let asked = self.ask_one(node, request.clone(), Bytes::new(), READ_LIMIT).await;
            if let Ok(Answer { reply: (rows, _), .. }) = asked
                && !rows.rows.is_empty()
            {
                return self.take_names(rows).await.is_ok();
            }
        }
        false
    }

    /// Takes over what most members know of a bucket, so that a change of it that was acknowledged is known here. An
    /// error: fewer can be asked.
    pub(crate) async fn hear_bucket(self: &Arc<Self>, id: Id<kind::Bucket>) -> Result<(), ModelError> {
        let members: Vec<NodeId> = self.peers.placement().members().iter().copied().collect();
        let (key, most) = (id.as_bytes(), members.len() / 2 + 1);
        let _: Option<BucketRow> = self.store.view()?.get(Space::Bucket, key)?;
        let mut heard = usize::from(members.contains(&self.peers.me()));
        let request = CompareNames::of_row(Space::Bucket, key);
        let mut asked = Asked::new(members.len());
        for (member, node) in members.iter().enumerate().filter(|(_, node)| **node != self.peers.me()) {
            self.ask(&mut asked, (member, *node), (request.clone(), Bytes::new()), READ_LIMIT);
        }
        while heard < most {
            match asked.next().await {
                Some((_, Ok(Answer { reply: (mut told, _), .. }))) => {
                    let mine = self.store.view()?.get_bytes(Space::Bucket, key)?;
                    told.rows.retain(|(_, at, value)| *at == key[..] && Some(value) != mine.as_ref());
                    self.take_names(told).await?;
                    heard += 1;
                }
                Some(_) => {}
                None => return Err(ModelError::Unavailable),
            }
        }
        Ok(())
    }

    /// The other members that can be asked now.
    pub(super) fn others(&self) -> Vec<NodeId> {
        self.peers.others_up()
    }

    /// Keeps this node's copy of the small tables like the others'; it ends when the task is dropped.
    pub fn spawn_name_keeper(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            let mut met = BTreeSet::new();
            loop {
                let others: BTreeSet<NodeId> = model.others().into_iter().collect();
                for node in others.difference(&met) {
                    if let Err(error) = model.compare_names(*node).await {
                        tracing::debug!(%node, %error, "the small tables are compared with another node later");
                    }
                }
                met = others;
                let half = u64::try_from(COMPARE_INTERVAL.as_millis() / 2).unwrap_or(u64::MAX);
                let jitter = random_below(model.env.rng.as_ref(), half);
                if model.wait_for_news(COMPARE_INTERVAL - Duration::from_millis(jitter)).await {
                    env::sleep(COMPARE_SOON).await;
                } else {
                    met.clear();
                }
            }
        })
    }

    /// Waits until a link came or went; false when nothing happened for that long.
    pub(super) async fn wait_for_news(&self, limit: Duration) -> bool {
        let Some(net) = self.peers.net() else {
            env::sleep(COMPARE_SOON).await;
            return false;
        };
        let mut changes = net.changes();
        let members = self.peers.placement().members().len();
        let news = async {
            // The layout may change without any link doing so.
            while self.peers.placement().members().len() == members {
                if env::timeout(Duration::from_secs(2), changes.changed()).await.is_some() {
                    return;
                }
            }
        };
        env::timeout(limit, news).await.is_some()
    }

    /// Makes the small tables here and there the same.
    pub(crate) async fn compare_names(self: &Arc<Self>, node: NodeId) -> Result<(), ModelError> {
        for space in NAME_SPACES {
            self.compare_space(node, space).await?;
        }
        Ok(())
    }

    pub(crate) async fn compare_space(
        self: &Arc<Self>,
        node: NodeId,
        space: Space,
    ) -> Result<(), ModelError> {
        let digest = digest_of(&self.store.view()?, space)?;
        let (mut after, mut differs) = (None, false);
        loop {
            let request = CompareNames { space: space.number(), digest: digest.clone(), after, only: false };
            let asked = self.ask_one(node, request, Bytes::new(), READ_LIMIT).await;
            let (page, more) = asked.map_err(|_| ModelError::Unavailable)?.reply;
            after = page.rows.last().map(|(_, key, _)| key.clone());
            differs |= !page.rows.is_empty();
            match self.take_names(page).await {
                Ok(()) | Err(ModelError::Store(StoreError::Unreadable { .. })) => {}
                Err(error) => return Err(error),
            }
            if !more {
                break;
            }
        }
        if differs || digest != digest_of(&self.store.view()?, space)? {
            self.push_space(node, space).await?;
        }
        Ok(())
    }

    async fn push_space(self: &Arc<Self>, node: NodeId, space: Space) -> Result<(), ModelError> {
        let mut after = None;
        loop {
            let (page, more) = page_of(&self.store.view()?, space, after.as_ref(), false)?;
            after = page.rows.last().map(|(_, key, _)| key.clone());
            let asked = self.ask_one(node, page, Bytes::new(), WRITE_LIMIT).await;
            asked.map_err(|_| ModelError::Unavailable)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Merges rows that another member told. Those whose copy here cannot be read are not taken: an error, once all
    /// others are.
    async fn take_names(&self, rows: NameRows) -> Result<(), ModelError> {
        if rows.rows.is_empty() {
            return Ok(());
        }
        let directory = Arc::clone(&self.directory);
        let merge = move |txn: &mut Txn<'_>| {
            let mut unread = Vec::new();
            for (number, key, value) in rows.rows {
                let Some(space) = space_of(number) else { continue };
                if merge_told(txn, space, &key, &value)? == Taken::Unread {
                    unread.push(StoreError::Unreadable { space: space.name(), key: key.to_vec() });
                }
            }
            directory.follow(txn);
            Ok::<_, ModelError>(unread)
        };
        let unread = self.store.commit(Intent::Free, merge).await?;
        let unread: Vec<ModelError> = unread.into_iter().map(ModelError::from).collect();
        unread.iter().for_each(|error| self.note_damage(error));
        unread.into_iter().next().map_or(Ok(()), Err)
    }

    /// Puts what others told in the place of a row that cannot be read. One that can be is left as it is.
    pub(super) fn replace_name(
        &self,
        txn: &mut Txn<'_>,
        (space, row_key): (Space, Vec<u8>),
        told: &[Bytes],
    ) -> Result<(), StoreError> {
        let mine = txn.get_bytes(space, &row_key)?;
        if mine.is_none_or(|record| is_row(space, &row_key, &record)) {
            return Ok(());
        }
        txn.delete(space, row_key.clone());
        for record in told {
            merge_told(txn, space, &row_key, record)?;
        }
        self.directory.follow_rows(txn, vec![(space, row_key)]);
        Ok(())
    }
}

/// What became of a row that another member told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// What it says is here.
    Yes,
    /// What is here cannot be read.
    Unread,
}

/// Calls a function for the type of row that a table of names has; the last value is for other tables.
macro_rules! by_table {
    ($space:ident, $function:ident($($argument:expr),*), $other:expr) => {
        match $space {
            Space::Bucket => $function::<BucketRow>($($argument),*),
            Space::Alias => $function::<AliasRow>($($argument),*),
            Space::Key => $function::<KeyRow>($($argument),*),
            Space::Webhook => $function::<WebhookRow>($($argument),*),
            Space::Ring => $function::<RingKeyRow>($($argument),*),
            _ => $other,
        }
    };
}

/// Whether a record of a table of names can be read.
pub(crate) fn is_row(space: Space, key: &[u8], record: &[u8]) -> bool {
    by_table!(space, is_record(space, key, record), false)
}

fn is_record<R: Record>(space: Space, key: &[u8], record: &[u8]) -> bool {
    store::decode::<R>(space, key, record).is_ok()
}

/// Whether the row here says all that a record says.
fn says(read: &View, space: Space, key: &[u8], record: &[u8]) -> bool {
    by_table!(space, says_row(read, space, key, record), true)
}

fn says_row<R: Record + Merge>(read: &View, space: Space, key: &[u8], record: &[u8]) -> bool {
    merged::<R>(read, space, key, record).is_ok_and(|more| more.is_none())
}

fn merge_told(txn: &mut Txn<'_>, space: Space, key: &[u8], record: &[u8]) -> Result<Taken, StoreError> {
    by_table!(space, merge_row(txn, space, key, record), Ok(Taken::Yes))
}

/// A row that says nothing new is not written; one that is damaged is not taken.
fn merge_row<R: Record + Merge>(
    txn: &mut Txn<'_>,
    space: Space,
    key: &[u8],
    told: &[u8],
) -> Result<Taken, StoreError> {
    match merged::<R>(txn, space, key, told) {
        Ok(None) => Ok(Taken::Yes),
        Ok(Some(row)) => {
            txn.put(space, key.to_vec(), &row);
            Ok(Taken::Yes)
        }
        Err(StoreError::Unreadable { .. }) => Ok(Taken::Unread),
        Err(error) => Err(error),
    }
}

/// The row here with what a record says; none if that is nothing new.
fn merged<R: Record + Merge>(
    read: &impl Read,
    space: Space,
    key: &[u8],
    told: &[u8],
) -> Result<Option<R>, StoreError> {
    let Ok(told) = store::decode::<R>(space, key, told) else { return Ok(None) };
    let Some(mut row) = read.get::<R>(space, key)? else { return Ok(Some(told)) };
    let before = store::encode(space, key, &row);
    row.merge(&told);
    Ok((store::encode(space, key, &row) != before).then_some(row))
}

fn digest_of(read: &impl Read, space: Space) -> Result<Vec<u8>, StoreError> {
    let mut hasher = blake3::Hasher::new();
    read.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
        for bytes in [key, value] {
            hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(bytes);
        }
        ControlFlow::Continue(())
    })?;
    Ok(hasher.finalize().as_bytes().to_vec())
}

/// Rows behind a key, or only that one; whether there are more. Those that cannot be read are left out; an error where
/// it is the one that is asked for.
fn page_of(
    read: &impl Read,
    space: Space,
    after: Option<&Bytes>,
    only: bool,
) -> Result<(NameRows, bool), StoreError> {
    let (mut page, mut bytes, mut more) = (NameRows::default(), 0, false);
    let from = match after {
        Some(key) if only => Bound::Included(&key[..]),
        Some(key) => Bound::Excluded(&key[..]),
        None => Bound::Unbounded,
    };
    let to = if only { from } else { Bound::Unbounded };
    let mut unread = None;
    read.scan(space, from, to, &mut |key, value| {
        if !is_row(space, key, value) {
            unread = Some(StoreError::Unreadable { space: space.name(), key: key.to_vec() });
            return ControlFlow::Continue(());
        }
        if bytes > PAGE_MAX_BYTES {
            more = true;
            return ControlFlow::Break(());
        }
        bytes += key.len() + value.len();
        page.rows.push((space.number(), Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        ControlFlow::Continue(())
    })?;
    match unread {
        Some(error) if only => Err(error),
        _ => Ok((page, more)),
    }
}

impl Serve for NameRows {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Reply<()>>, Refusal> {
        Ok(Answer::from(match model.take_names(self).await {
            Ok(()) => Reply::Done(()),
            Err(ModelError::Store(StoreError::Full)) => Reply::Full,
            Err(_) => Reply::Failed,
        }))
    }
}

impl Serve for CompareNames {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        let space = space_of(self.space).ok_or(Refusal::Malformed)?;
        let view = model.store.view().map_err(|_| Refusal::Failed)?;
        let is_first = self.after.is_none();
        let page = || -> Result<_, StoreError> {
            if is_first && digest_of(&view, space)? == self.digest {
                return Ok((NameRows::default(), false));
            }
            page_of(&view, space, self.after.as_ref(), self.only)
        };
        page().map(Answer::from).map_err(|error| {
            model.note_damage(&error.into());
            Refusal::Failed
        })
    }
}
