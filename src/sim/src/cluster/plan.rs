//! What a seed decides about a cluster before anything runs.

use super::keeping::Keeping;
use crate::plan::{EngineChoice, KEYS, Trouble};
use env::sim::Generator;
use model::Timing;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// One in this many seeds runs on the real engine.
const REDB_EVERY: u64 = 10;
/// How far a wall clock may be off, either way: a homes' clocks are set by the network, and completions
/// of uploads are given up when they are off by more.
pub const SKEW_MAX_MS: i64 = 20_000;

/// How often homes look for bodies that nothing names: what only this finds is found before the end.
const AUDIT_EVERY: Duration = Duration::from_secs(600);

/// How often versions are deleted, where they are kept.
const DELETE_VERSION_WEIGHT: u64 = 12;
/// How often versions are read.
const GET_VERSION_WEIGHT: u64 = 8;
/// How often null versions are read, where they lie beside others.
const GET_NULL_WEIGHT: u64 = 10;
/// How often locks are set and lifted, where there are locks.
const LOCK_WEIGHT: u64 = 14;
/// How often more of both happens, where clients lock and delete the same versions.
const RACES_WEIGHT: u64 = 40;
/// So many clients do, on lines as slow as this.
const RACES_CLIENTS: usize = 6;
const RACES_DELAY_MS: u64 = 40;
/// Faults that leave most answers there.
const RACES_TROUBLES: [Trouble; 5] =
    [Trouble::Cancel, Trouble::Delay, Trouble::ClockJump, Trouble::Repeat, Trouble::DamagedRow];
/// How often objects are copied, where they are.
const COPY_WEIGHT: u64 = 10;

/// How often something is done with other buckets, where there are some.
const BUCKET_WEIGHT: u64 = 25;
/// How often a home leaves.
const LEAVING_PERCENT: u64 = 15;
/// Where lines carry little, in percent.
const SLOW_LINES_PERCENT: u64 = 20;
/// Bytes a second there: a block takes up to a tenth of a second, and homes that gossip take a share of it.
const SLOW_LINES: [u64; 3] = [30_000, 100_000, 400_000];

/// So many homes store where one may lose its memory: the others have all that was acknowledged.
pub const STORE_MIN_FOR_LOSS: usize = 3;

/// Which memory a home loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Rows and blocks; it keeps its key and knows the others.
    Everything,
    /// The rows of some time: an old copy was put back.
    Recent,
}

impl Loss {
    /// Under what it is counted.
    pub fn label(self) -> &'static str {
        match self {
            Loss::Everything => "move: a home loses everything",
            Loss::Recent => "move: a home gets an old copy back",
        }
    }
}

/// How a home leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// One of four; the others hold everything then.
    Away,
    /// Another one takes its place in the same change.
    Replaced,
    /// Another one joins in a change that is applied at the same time.
    Twice,
}

impl Leaving {
    /// Under what it is counted.
    pub fn label(self) -> &'static str {
        match self {
            Leaving::Away => "move: a home leaves",
            Leaving::Replaced => "move: a home is replaced",
            Leaving::Twice => "move: a home leaves while another one joins",
        }
    }
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// PUT, plain or with a condition.
    Put,
    /// GET of the whole object.
    Get,
    /// HEAD.
    Head,
    /// Pages of a listing.
    List,
    /// DELETE, plain or with a condition.
    Delete,
    /// DeleteObjects.
    DeleteMany,
    /// A multipart upload from its beginning to its end.
    Upload,
    /// DELETE of a version that is not current, or is locked.
    DeleteVersion,
    /// GET of the null version.
    GetNull,
    /// HEAD of any version.
    GetVersion,
    /// A lock of a version is set or lifted.
    Lock,
    /// CopyObject, of what is current or of a version.
    Copy,
    /// Something with another bucket.
    Bucket,
}

impl Kind {
    const ALL: [(Kind, u64); 7] = [
        (Kind::Put, 30),
        (Kind::Get, 20),
        (Kind::Head, 8),
        (Kind::List, 10),
        (Kind::Delete, 10),
        (Kind::DeleteMany, 4),
        (Kind::Upload, 5),
    ];
}

/// Everything a seed decides about a cluster.
#[derive(Debug, Clone)]
pub struct ClusterPlan {
    /// The seed.
    pub seed: u64,
    /// Operations in all.
    pub ops: usize,
    /// The engine of all homes.
    pub engine: EngineChoice,
    /// Homes that store.
    pub storing: usize,
    /// Homes that only pass on.
    pub gateways: usize,
    /// Clients at once.
    pub clients: usize,
    /// Keys in use.
    pub keys: Vec<&'static str>,
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Different blocks in use.
    pub pool: u64,
    /// Most milliseconds a chunk is under way.
    pub delay_ms: u64,
    /// What goes from a home to another one in a second, in bytes, where that is little.
    pub bytes_per_s: Option<u64>,
    /// By how much each clock is off.
    pub skews_ms: Vec<i64>,
    /// Faults in use.
    pub troubles: BTreeSet<Trouble>,
    /// Whether faults overlap.
    pub is_wild: bool,
    /// How often each kind of operation comes.
    pub weights: Vec<(Kind, u64)>,
    /// Percent of the puts and deletes that have a condition.
    pub conditional: u64,
    /// Homes that store from the beginning; the others join while clients work.
    pub first: usize,
    /// Which memory one of them loses.
    pub loss: Option<Loss>,
    /// Whether homes forget what was deleted as fast as they can: no rule rests on how long it stays.
    pub is_hasty: bool,
    /// What the bucket keeps.
    pub keeping: Keeping,
    /// Whether a home dies and is forgotten; and whether another one loses its memory meanwhile.
    pub forgets: Option<Forgets>,
    /// Whether a home leaves, and how.
    pub leaving: Option<Leaving>,
    /// How many requests are executed twice, where some are.
    pub repeats_percent: u64,
    /// Whether clients lock and delete the same versions of one key at the same time.
    pub races: bool,
}

/// How a home is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgets {
    /// Whether another home loses everything while it is away.
    pub with_loss: bool,
    /// Whether it comes back while clients work, and not only at the end.
    pub returns_early: bool,
}

impl ClusterPlan {
    /// The plan of a seed.
    pub fn new(seed: u64, ops: usize) -> Self {
        let mut random = Generator::new(seed ^ 0x636c_7573);
        let engine = if random.below(REDB_EVERY) == 0 { EngineChoice::Redb } else { EngineChoice::Memory };
        let (storing, gateways) = match random.below(20) {
            0 => (1, 1),
            1 | 2 => (3, 1),
            3 => (5, 0),
            _ => (3, 0),
        };
        let mut troubles = BTreeSet::new();
        for trouble in Trouble::OF_CLUSTERS {
            if random.below(100) < 40 {
                troubles.insert(trouble);
            }
        }
        let mut keys = KEYS.to_vec();
        let wanted = 1 + random.below(5) as usize;
        while keys.len() > wanted {
            keys.swap_remove(random.below(keys.len() as u64) as usize);
        }
        keys.sort_unstable();
        let is_skewed = random.coin();
        let skew = |random: &mut Generator| random.below(2 * SKEW_MAX_MS as u64) as i64 - SKEW_MAX_MS;
        let skews_ms =
            (0..storing + gateways).map(|_| if is_skewed { skew(&mut random) } else { 0 }).collect();
        let weights = Kind::ALL
            .map(|(kind, weight)| (kind, weight * [0, 1, 1, 1, 1, 1, 1, 3, 3, 3][random.below(10) as usize]));
        let mut weights = weights.to_vec();
        // Without these nothing else means anything.
        weights.extend([(Kind::Put, 10), (Kind::Get, 10)]);
        Self {
            seed,
            ops,
            engine,
            storing,
            gateways,
            clients: 2 + random.below(5) as usize,
            keys,
            block_bytes: [64, 500, 3000][random.below(3) as usize],
            pool: 2 + random.below(6),
            delay_ms: [1, 5, 40, 200][random.below(4) as usize],
            bytes_per_s: rate_of(seed),
            skews_ms,
            troubles,
            is_wild: random.below(3) == 0,
            weights,
            conditional: [0, 20, 20, 60][random.below(4) as usize],
            first: storing,
            loss: None,
            is_hasty: Generator::new(seed ^ 0x6861_7374).below(3) > 0,
            keeping: Keeping::of(seed),
            forgets: None,
            leaving: None,
            repeats_percent: 0,
            races: false,
        }
        .with_more_troubles()
        .with_versions()
        .with_moves()
    }

    fn with_more_troubles(mut self) -> Self {
        let mut random = Generator::new(self.seed ^ 0x6d6f_7265);
        for trouble in Trouble::OF_CLUSTERS_TOO {
            if random.below(100) < 40 {
                self.troubles.insert(trouble);
            }
        }
        self.repeats_percent = [2, 10, 40][random.below(3) as usize];
        self
    }

    fn with_versions(mut self) -> Self {
        if self.keeping.has_versions() {
            self.weights.push((Kind::DeleteVersion, DELETE_VERSION_WEIGHT));
            self.weights.push((Kind::GetVersion, GET_VERSION_WEIGHT));
        }
        if self.keeping.has_null_versions() {
            self.weights.push((Kind::GetNull, GET_NULL_WEIGHT));
        }
        if self.keeping.has_locks() {
            self.weights.push((Kind::Lock, LOCK_WEIGHT));
            // Where versions are locked from the beginning: what was there before has no name to lock it by.
            self.races = self.keeping == Keeping::Locks && Generator::new(self.seed ^ 0x7261_6365).coin();
        }
        if self.races {
            self.keys.truncate(1);
            // On lines like these there is time for one between two steps of another one; worse weather would leave no race.
            (self.clients, self.delay_ms) = (RACES_CLIENTS, RACES_DELAY_MS);
            self.troubles.retain(|trouble| RACES_TROUBLES.contains(trouble));
            let more = [Kind::Lock, Kind::DeleteVersion, Kind::GetVersion].map(|kind| (kind, RACES_WEIGHT));
            self.weights.extend(more);
        }
        if Generator::new(self.seed ^ 0x636f_6167).below(3) == 0 {
            self.weights.push((Kind::Copy, COPY_WEIGHT));
        }
        if Generator::new(self.seed ^ 0x6275_636d).below(4) == 0 {
            self.weights.push((Kind::Bucket, BUCKET_WEIGHT));
        }
        self
    }

    /// What people do to the homes; drawn apart, so that all else about a seed stays what it is without.
    fn with_moves(mut self) -> Self {
        let mut random = Generator::new(self.seed ^ 0x6d6f_7665);
        let may_grow = self.storing == 3 && self.gateways == 0;
        if may_grow && random.below(100) < 60 {
            self.first = 1 + random.below(2) as usize;
        }
        // The real engine's files are not put back.
        if self.engine == EngineChoice::Memory && self.storing >= STORE_MIN_FOR_LOSS {
            self.loss = [None, Some(Loss::Everything), Some(Loss::Recent)][random.below(3) as usize];
        }
        let mut random = Generator::new(self.seed ^ 0x666f_7267);
        if may_grow && self.loss.is_none() && self.engine == EngineChoice::Memory && random.below(100) < 70 {
            self.forgets = Some(Forgets { with_loss: random.coin(), returns_early: random.coin() });
        }
        let mut random = Generator::new(self.seed ^ 0x6c65_6b6f);
        if may_grow && random.below(100) < LEAVING_PERCENT {
            let leaving = [Leaving::Away, Leaving::Replaced, Leaving::Twice][random.below(3) as usize];
            (self.loss, self.forgets, self.leaving) = (None, None, Some(leaving));
            self.storing = 4;
            self.first = if leaving == Leaving::Away { 4 } else { 3 };
        }
        self
    }

    /// When homes tidy up.
    pub fn timing(&self) -> Timing {
        let patient = Timing { audit_every: AUDIT_EVERY, swept_again: AUDIT_EVERY, ..Timing::default() };
        if !self.is_hasty {
            return patient;
        }
        Timing {
            // As long as a ballot may take: what it promised is ended by another one else, again and again.
            tombstones_stay_ms: 2000,
            word_rests: Duration::ZERO,
            round_pause: Duration::from_millis(500),
            long_round_pause: Duration::from_secs(2),
            turn_ms: 300,
            silence_reads_ms: 2000,
            again_ms: 2000,
            ..patient
        }
    }

    /// Versions of the layout that come into force.
    pub fn versions(&self) -> u64 {
        if self.first < self.storing { 2 } else { 1 }
    }

    /// The number of the last version that comes into force.
    pub fn last_version(&self) -> u64 {
        match self.leaving {
            None => self.versions(),
            Some(Leaving::Away | Leaving::Replaced) => 2,
            Some(Leaving::Twice) => 3,
        }
    }

    /// All homes.
    pub fn homes(&self) -> usize {
        self.storing + self.gateways
    }

    /// Whether a kind of fault is on.
    pub fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }
}

/// Whether lines are slow; drawn apart, so that all else about a seed stays what it is without.
fn rate_of(seed: u64) -> Option<u64> {
    let mut random = Generator::new(seed ^ 0x7261_7465);
    let is_slow = random.below(100) < SLOW_LINES_PERCENT;
    is_slow.then(|| SLOW_LINES[random.below(SLOW_LINES.len() as u64) as usize])
}

impl fmt::Display for ClusterPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, storing, gateways, clients, keys, delay_ms, skews_ms, troubles, .. } = self;
        let rate = self.bytes_per_s.map_or(String::new(), |rate| format!("{rate} bytes a second, "));
        let grows = if self.first < *storing && self.leaving.is_none() {
            format!("from {} homes, ", self.first)
        } else {
            String::new()
        };
        let loses = self.loss.map_or(String::new(), |loss| format!("one loses {loss:?}, "));
        let forgotten = match self.forgets {
            None => "",
            Some(Forgets { with_loss: false, .. }) => "one is forgotten, ",
            Some(Forgets { with_loss: true, .. }) => "one is forgotten while another one loses everything, ",
        };
        let leaves = self.leaving.map_or(String::new(), |leaving| format!("one leaves: {leaving:?}, "));
        let moves = grows + &loses + forgotten + &leaves;
        let haste = if self.is_hasty { "forgetting in haste, " } else { "" };
        let kept =
            self.keeping.label().to_owned() + if self.races { "locks against deletions, " } else { "" };
        let faults = if self.is_wild { "overlapping faults" } else { "faults one by one" };
        write!(
            f,
            "{engine:?}, {storing} homes and {gateways} gateways, {clients} clients, {} keys, up to {delay_ms} ms, {rate}\
             clocks {skews_ms:?}, {moves}{haste}{kept}{faults} {troubles:?}",
            keys.len()
        )
    }
}
