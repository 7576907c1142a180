//! The names on a simulated disk: what programs see, what is durable, and the changes in between.
//!
//! A change becomes durable when the folder of the name it makes or removes is synced. A crash
//! keeps some of the others: changes that share a name stay in their order, unrelated ones are
//! independent. A rename is whole or absent.

use crate::sim::rng::Generator;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The number of a file.
pub(super) type Number = u64;

#[derive(Debug, Clone)]
enum Change {
    Create(PathBuf, Number),
    Remove(PathBuf),
    Rename { from: PathBuf, to: PathBuf },
}

impl Change {
    fn paths(&self) -> Vec<&Path> {
        match self {
            Change::Create(path, _) | Change::Remove(path) => vec![path],
            Change::Rename { from, to } => vec![from, to],
        }
    }

    /// The name whose folder must be synced.
    fn decisive(&self) -> &Path {
        match self {
            Change::Create(path, _) | Change::Remove(path) | Change::Rename { to: path, .. } => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Number>) {
        match self {
            Change::Create(path, number) => {
                names.insert(path.clone(), *number);
            }
            Change::Remove(path) => {
                names.remove(path);
            }
            Change::Rename { from, to } => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
        }
    }
}

/// The folder tree. Folders are durable as soon as they are made.
#[derive(Default)]
pub(super) struct Names {
    pub folders: BTreeSet<PathBuf>,
    pub live: BTreeMap<PathBuf, Number>,
    durable: BTreeMap<PathBuf, Number>,
    pending: Vec<Change>,
}

impl Names {
    pub fn new() -> Self {
        Self { folders: [PathBuf::from("/")].into(), ..Self::default() }
    }

    pub fn create(&mut self, path: &Path, number: Number) {
        self.change(Change::Create(path.to_owned(), number));
    }

    pub fn remove(&mut self, path: &Path) {
        self.change(Change::Remove(path.to_owned()));
    }

    /// Takes a name away at rest: it was durable, and is not there after a crash either.
    pub fn vanish(&mut self, path: &Path) {
        self.remove(path);
        self.durable.remove(path);
    }

    pub fn rename(&mut self, from: &Path, to: &Path) {
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned() });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// Makes the names in a folder durable, and what they depend on.
    pub fn sync(&mut self, folder: &Path) {
        let mut wanted: BTreeSet<PathBuf> = BTreeSet::new();
        let mut kept = Vec::new();
        let mut synced = Vec::new();
        for change in std::mem::take(&mut self.pending).into_iter().rev() {
            let depends = change.paths().iter().any(|path| wanted.contains(*path));
            if depends || change.decisive().parent() == Some(folder) {
                wanted.extend(change.paths().into_iter().map(Path::to_owned));
                synced.push(change);
            } else {
                kept.push(change);
            }
        }
        kept.reverse();
        self.pending = kept;
        for change in synced.iter().rev() {
            change.apply(&mut self.durable);
        }
    }

    /// After a power cut: only what was synced is there.
    pub fn lose(&mut self) {
        self.pending.clear();
        self.live = self.durable.clone();
    }

    /// After the death of the process alone: everything is there.
    pub fn keep(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    /// After a power cut: of what was not synced, the generator decides what is there.
    pub fn tear(&mut self, random: &mut Generator) {
        // Names that a lost change touched: later changes to them are lost too.
        let mut lost: BTreeSet<PathBuf> = BTreeSet::new();
        for change in std::mem::take(&mut self.pending) {
            let follows_lost = change.paths().iter().any(|path| lost.contains(*path));
            if follows_lost || random.coin() {
                lost.extend(change.paths().into_iter().map(Path::to_owned));
            } else {
                change.apply(&mut self.durable);
            }
        }
        self.live = self.durable.clone();
    }

    /// Whether any name, now or after a crash, leads to the file.
    pub fn lead_to(&self, number: Number) -> bool {
        let named = |names: &BTreeMap<PathBuf, Number>| names.values().any(|other| *other == number);
        let pending = |change: &Change| matches!(change, Change::Create(_, other) if *other == number);
        named(&self.live) || named(&self.durable) || self.pending.iter().any(pending)
    }

    /// Every file some name leads to after a crash.
    pub fn durable_numbers(&self) -> BTreeSet<Number> {
        self.durable.values().copied().collect()
    }
}
