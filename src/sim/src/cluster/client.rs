//! A client of a cluster: one random operation after the other, each through any home.

use super::gathering::Shared;
use super::note::Which;
use super::plan::Kind;
use super::{buckets, copies, locks, note, ops, uploads, versions};
use crate::client::Verdict;
use crate::content::{Content, Piece, Sending};
use crate::history::Register;
use crate::plan::Trouble;
use base::Id;
use base::id::kind;
use env::sim::Generator;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The longest pause between two operations of a client.
const PAUSE_MAX_MS: u64 = 300;
/// After at most this long a client that goes away has gone.
const PATIENCE_MAX_MS: u64 = 400;
/// Bodies up to this size, in one piece, are stored beside their row.
const INLINE_MAX_BYTES: usize = model::INLINE_MAX_BYTES;

/// One client.
pub struct Client {
    /// The homes.
    pub homes: Shared,
    /// The bucket.
    pub bucket: Id<kind::Bucket>,
    /// Its own randomness.
    pub random: Generator,
    number: usize,
}

impl Client {
    /// The `number`-th client.
    pub fn new(homes: &Shared, bucket: Id<kind::Bucket>, number: usize, seed: u64) -> Self {
        Self { homes: Arc::clone(homes), bucket, random: Generator::new(seed), number }
    }

    /// Works until the operations are used up.
    pub async fn run(mut self, left: Arc<AtomicUsize>) {
        let one_less = |left: usize| left.checked_sub(1);
        while self.homes.book().failure.is_none()
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
        {
            let kind = self.pick_kind();
            let verdict = match kind {
                Kind::Put => ops::put(&mut self).await,
                Kind::Get => note::look(&mut self, Which::Current, true).await,
                Kind::GetNull => note::look(&mut self, Which::Null, true).await,
                Kind::Head => note::look(&mut self, Which::Current, false).await,
                Kind::List => ops::list(&mut self).await,
                Kind::Delete => ops::delete(&mut self).await,
                Kind::DeleteMany => ops::delete_many(&mut self).await,
                Kind::Upload => uploads::upload(&mut self).await,
                Kind::DeleteVersion => versions::delete(&mut self).await,
                Kind::GetVersion => versions::get(&mut self).await,
                Kind::Lock => locks::change(&mut self).await,
                Kind::Copy => copies::copy(&mut self).await,
                Kind::Bucket => buckets::play(&mut self).await,
            };
            self.homes.note(&format!("client {}: {kind:?} {verdict:?}", self.number));
            self.homes.book().count(label(kind, verdict));
            self.pause(PAUSE_MAX_MS).await;
        }
    }

    fn pick_kind(&mut self) -> Kind {
        let weights = &self.homes.plan.weights;
        let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut point = self.random.below(total);
        for (kind, weight) in weights {
            match point.checked_sub(*weight) {
                Some(rest) => point = rest,
                None => return *kind,
            }
        }
        Kind::Get
    }

    /// Lets time pass, half of the times.
    pub async fn pause(&mut self, most_ms: u64) {
        if self.random.coin() {
            env::sleep(Duration::from_millis(self.random.below(most_ms.max(1)))).await;
        }
    }

    /// Any home of the cluster.
    pub fn pick_home(&mut self) -> usize {
        let members = self.homes.members();
        members[self.random.below(members.len() as u64) as usize]
    }

    /// How long the client waits, if it goes away in the middle.
    pub fn pick_patience(&mut self) -> Option<Duration> {
        let goes = self.homes.plan.has(Trouble::Cancel) && self.random.below(8) == 0;
        goes.then(|| Duration::from_millis(self.random.below(PATIENCE_MAX_MS)))
    }

    /// One of the keys.
    pub fn pick_key(&mut self) -> &'static str {
        let keys = &self.homes.plan.keys;
        keys[self.random.below(keys.len() as u64) as usize]
    }

    /// Whether something of this chance happens.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// A body: empty, beside its row, of whole blocks, or one large block.
    pub fn pick_body(&mut self) -> Sending {
        let block_bytes = self.homes.plan.block_bytes;
        let (blocks, rest) = match self.random.below(100) {
            0..3 => (0, 0),
            3..50 => (0, 1 + self.random.below(300) as usize),
            50..52 => (0, INLINE_MAX_BYTES + 1 + self.random.below(5000) as usize),
            52..75 => (1 + self.random.below(4) as usize, 0),
            75..98 => (1 + self.random.below(3) as usize, 1 + self.random.below(block_bytes as u64) as usize),
            _ => (17 + self.random.below(3) as usize, 0),
        };
        let mut pieces: Vec<Piece> =
            (0..blocks).map(|_| Piece { fill: self.pick_fill(), length: block_bytes }).collect();
        if rest > 0 {
            pieces.push(Piece { fill: self.pick_fill(), length: rest });
        }
        Sending { content: Content { pieces }, pushed: blocks }
    }

    fn pick_fill(&mut self) -> u64 {
        1 + self.random.below(self.homes.plan.pool)
    }
}

/// What the history calls the null version of a key.
pub fn null_register(key: &str) -> Register {
    Register::Null { key: key.to_owned() }
}

/// What the history calls a key: runs of clusters have one bucket.
pub fn register(key: &str) -> Register {
    Register::Object { bucket: 0, key: key.to_owned() }
}

/// Under what an outcome is counted.
fn label(kind: Kind, verdict: Verdict) -> &'static str {
    match (verdict, kind) {
        (Verdict::Done, Kind::Put) => "put",
        (Verdict::Done, Kind::Get) => "get",
        (Verdict::Done, Kind::Head) => "head",
        (Verdict::Done, Kind::List) => "list",
        (Verdict::Done, Kind::Delete) => "delete",
        (Verdict::Done, Kind::DeleteMany) => "delete many",
        (Verdict::Done, Kind::Upload) => "upload",
        (Verdict::Done, Kind::DeleteVersion) => "delete a version",
        (Verdict::Done, Kind::GetNull) => "get the null version",
        (Verdict::Done, Kind::GetVersion) => "get a version",
        (Verdict::Done, Kind::Lock) => "lock",
        (Verdict::Done, Kind::Copy) => "copy",
        (Verdict::Done, Kind::Bucket) => "other buckets",
        (Verdict::Refused, _) => "refused",
        (Verdict::Failed, _) => "failed or unknown",
        (Verdict::Idle, _) => "idle",
    }
}
