//! What a seed decides before anything runs: engine, sizes, faults, mix of operations.
//!
//! Each seed switches on its own subset of the faults and its own mix: faults that are always on
//! hide the rare ones.

use crate::ops::Kind;
use env::sim::Generator;
use std::collections::BTreeSet;
use std::fmt;

/// Which engine is under the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// Rows in memory, with the crash rule of the disk.
    Memory,
    /// redb on the simulated disk.
    Redb,
}

/// A kind of fault that a seed may switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Power cuts and kills at some effect of the disk or the committer.
    Crash,
    /// Reads that fail.
    ReadError,
    /// Writes that fail.
    WriteError,
    /// Flushes that fail.
    SyncError,
    /// Writes that find no room, and disks that are full for a while.
    Full,
    /// Reads with a flipped bit (block files only).
    FlippedRead,
    /// Reads from a wrong place (block files only).
    MisdirectedRead,
    /// Damage of block files at rest.
    Rot,
    /// The wall clock jumps in both directions.
    ClockJump,
    /// Requests dropped in the middle.
    Cancel,
    /// A slow line between two homes.
    Delay,
    /// Nothing gets through between two homes.
    Cut,
    /// Nothing gets through in one direction.
    OneWayCut,
    /// A home that is cut off from all others.
    CutOff,
    /// A process that ends and is started again.
    Kill,
    /// All homes lose their power.
    Blackout,
    /// Requests between homes that are executed twice, for as long as clients work.
    Repeat,
    /// Damage of rows at rest.
    DamagedRow,
}

impl Trouble {
    /// What happens to clusters.
    pub const OF_CLUSTERS: [Trouble; 12] = [
        Trouble::Crash,
        Trouble::ReadError,
        Trouble::SyncError,
        Trouble::Full,
        Trouble::ClockJump,
        Trouble::Cancel,
        Trouble::Delay,
        Trouble::Cut,
        Trouble::OneWayCut,
        Trouble::CutOff,
        Trouble::Kill,
        Trouble::Blackout,
    ];

    /// What happens to clusters too; drawn apart, so that all else about a seed stays what it is without.
    pub const OF_CLUSTERS_TOO: [Trouble; 4] =
        [Trouble::WriteError, Trouble::Repeat, Trouble::Rot, Trouble::DamagedRow];

    /// What happens to one node.
    pub const ALL: [Trouble; 10] = [
        Trouble::Crash,
        Trouble::ReadError,
        Trouble::WriteError,
        Trouble::SyncError,
        Trouble::Full,
        Trouble::FlippedRead,
        Trouble::MisdirectedRead,
        Trouble::Rot,
        Trouble::ClockJump,
        Trouble::Cancel,
    ];

    /// The kind of this name, as [`Plan`] prints it.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain(Self::OF_CLUSTERS).chain(Self::OF_CLUSTERS_TOO);
        all.find(|trouble| format!("{trouble:?}").eq_ignore_ascii_case(name))
    }

    /// Whether it strikes a cluster now and then: the others are there all the time, or have moments of their own.
    pub fn strikes(self) -> bool {
        !matches!(self, Trouble::Repeat | Trouble::Rot | Trouble::DamagedRow)
    }

    /// Under what it is counted when it strikes a cluster.
    pub fn label(self) -> &'static str {
        match self {
            Trouble::Crash => "weather: power cut",
            Trouble::ReadError => "weather: read error",
            Trouble::WriteError => "weather: write error",
            Trouble::SyncError => "weather: failed flush",
            Trouble::Full => "weather: full disk",
            Trouble::FlippedRead => "weather: flipped read",
            Trouble::MisdirectedRead => "weather: misdirected read",
            Trouble::Rot => "decay: a block file",
            Trouble::ClockJump => "weather: clock jump",
            Trouble::Cancel => "weather: nothing",
            Trouble::Delay => "weather: slow line",
            Trouble::Cut => "weather: cut between two",
            Trouble::OneWayCut => "weather: cut one way",
            Trouble::CutOff => "weather: home cut off",
            Trouble::Kill => "weather: process ended",
            Trouble::Blackout => "weather: blackout",
            Trouble::Repeat => "weather: requests come twice",
            Trouble::DamagedRow => "decay: a row",
        }
    }
}

/// Everything a seed decides.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Operations in all.
    pub ops: usize,
    /// The engine.
    pub engine: EngineChoice,
    /// Clients at once.
    pub clients: usize,
    /// Keys in use.
    pub keys: Vec<&'static str>,
    /// Bytes of a whole block.
    pub block_bytes: usize,
    /// Different blocks in use.
    pub pool: u64,
    /// Data folders.
    pub folders: usize,
    /// Faults in use.
    pub troubles: BTreeSet<Trouble>,
    /// How often each kind of operation comes.
    pub weights: Vec<(Kind, u64)>,
}

/// Keys whose order, folding and escaping go wrong easily.
pub(crate) const KEYS: [&str; 12] =
    ["a", "a/b", "a/b/c", "a/", "a//b", "a0", "b", "b\u{0}", "b\u{0}/x", "c/d", "é", "z\u{10ffff}"];
/// One in this many seeds runs on the real engine (the issue asks for a tenth at least).
const REDB_EVERY: u64 = 7;

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64, ops: usize) -> Self {
        let mut random = Generator::new(seed ^ 0x706c_616e);
        let engine = if random.below(REDB_EVERY) == 0 { EngineChoice::Redb } else { EngineChoice::Memory };
        let mut troubles = BTreeSet::new();
        for trouble in Trouble::ALL {
            let percent = if trouble == Trouble::Crash { 75 } else { 35 };
            if random.below(100) < percent && (engine == EngineChoice::Memory || fits_redb(trouble)) {
                troubles.insert(trouble);
            }
        }
        let mut keys = KEYS.to_vec();
        let wanted = 2 + random.below(6) as usize;
        while keys.len() > wanted {
            keys.swap_remove(random.below(keys.len() as u64) as usize);
        }
        keys.sort_unstable();
        let weights = Kind::ALL
            .map(|kind| (kind, kind.weight() * [0, 1, 1, 1, 1, 1, 1, 3, 3, 3][random.below(10) as usize]));
        let mut weights = weights.to_vec();
        // Without these nothing else means anything.
        weights.extend([(Kind::Put, 10), (Kind::Get, 8)]);
        Self {
            seed,
            ops,
            engine,
            clients: 1 + random.below(6) as usize,
            keys,
            block_bytes: [64, 200, 1000, 5000][random.below(4) as usize],
            pool: 2 + random.below(8),
            folders: 1 + usize::from(random.below(4) == 0),
            troubles,
            weights,
        }
    }

    /// Whether a kind of fault is on.
    pub fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }
}

/// The disk does not know which file belongs to whom, and what a wrong read of redb's own pages
/// leads to is the subject of the store's tests, not of these checks.
fn fits_redb(trouble: Trouble) -> bool {
    !matches!(trouble, Trouble::FlippedRead | Trouble::MisdirectedRead)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, clients, keys, block_bytes, pool, folders, troubles, .. } = self;
        write!(
            f,
            "{engine:?}, {clients} clients, {} keys, {pool} blocks of {block_bytes} bytes, {folders} folders, faults {troubles:?}",
            keys.len()
        )
    }
}
