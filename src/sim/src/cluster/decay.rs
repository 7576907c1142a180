//! What decays at rest while clients work: files of blocks and rows of the metadata, and what operators do about it.
//!
//! A block lies damaged at one home at a time while another owner has it whole, and one row at a time is damaged at all; no
//! home loses anything else meanwhile (`moves`). More than that may be lost by right. What always holds: nobody reads
//! wrong bytes, and when scrub, audit and row check have looked, everything is whole again, at every home that keeps it.

use super::gathering::{Gathering, Shared, failed};
use super::home::Member;
use super::versions::calmly;
use crate::checks::{Failure, counters};
use crate::plan::{EngineChoice, Trouble};
use base::{BlockHash, PartitionHash};
use block::{Presence, ScrubCommand};
use env::sim::{Damage, Generator};
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Read, Space};

/// The longest pause before something decays.
const PAUSE_MAX_MS: u64 = 600;
/// The longest time until an operator looks.
const LOOK_MAX_MS: u64 = 1000;
/// How long one waits for what he asked for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long everything may take to be whole again once somebody looks for it.
const WHOLE_MAX: Duration = Duration::from_secs(600);
/// Between two looks at that.
const WHOLE_LOOK: Duration = Duration::from_secs(2);
/// The tables whose rows are taken from other homes again.
const SPACES: [Space; 9] = [
    Space::Object,
    Space::Inline,
    Space::Past,
    Space::Version,
    Space::BlockRef,
    Space::Upload,
    Space::Part,
    Space::Bucket,
    Space::Alias,
];
/// Between two looks at whether all copies are whole, and how many there are.
const COPIES_LOOK: Duration = Duration::from_secs(20);
const COPIES_LOOKS_MAX: usize = 30;
/// How many failures are told of.
const TOLD_MAX: usize = 3;

/// What decayed at a home, and was not seen whole since.
#[derive(Debug, Clone)]
pub struct Decayed {
    home: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// Of this block; whole, its bytes have this digest.
    File {
        hash: BlockHash,
        path: PathBuf,
        whole: BlockHash,
    },
    Row {
        space: Space,
        key: Vec<u8>,
    },
}

/// Lets things decay until it is calm.
pub async fn gnaw(homes: Shared, seed: u64) {
    let mut random = Generator::new(seed);
    let kinds: Vec<Trouble> =
        [Trouble::Rot, Trouble::DamagedRow].into_iter().filter(|kind| homes.plan.has(*kind)).collect();
    while !kinds.is_empty() && !homes.is_calm.load(Ordering::Relaxed) {
        env::sleep(Duration::from_millis(random.below(PAUSE_MAX_MS))).await;
        let storing = homes.storing();
        if storing.len() < 2 || !is_settled(&homes) {
            continue;
        }
        let home = storing[random.below(storing.len() as u64) as usize];
        let kind = kinds[random.below(kinds.len() as u64) as usize];
        let struck = match kind {
            Trouble::Rot => rot(&homes, home, &mut random),
            _ => damage_row(&homes, home, &mut random),
        };
        if struck {
            homes.book().count(kind.label());
        }
        if struck && random.coin() {
            env::sleep(Duration::from_millis(random.below(LOOK_MAX_MS))).await;
            homes.ask(home, Some(PATIENCE), look).await;
        }
    }
}

/// Whether all homes run, answer for all that they own, and no change of the layout is under way.
fn is_settled(homes: &Gathering) -> bool {
    homes.homes.iter().all(|home| {
        home.node().is_some_and(|node| {
            let view = node.cluster.placement().view();
            let changes = node.cluster.layout().coming().is_some() || view.newest != view.oldest;
            !changes && node.cluster.behind() == 0
        })
    })
}

/// Damages a file of a block that another owner has whole.
fn rot(homes: &Gathering, home: usize, random: &mut Generator) -> bool {
    let rotten: Vec<BlockHash> = homes.decayed().iter().filter_map(Decayed::hash).collect();
    let may = |(hash, _): &(BlockHash, PathBuf)| !rotten.contains(hash) && is_elsewhere(homes, home, hash);
    let files: Vec<_> = homes.homes[home].block_files().into_iter().filter(may).collect();
    if files.is_empty() {
        return false;
    }
    let (hash, path) = files[random.below(files.len() as u64) as usize].clone();
    let disk = &homes.homes[home].world.disk;
    let Some(bytes) = disk.peek(&path) else { return false };
    let offset = random.below(bytes.len().max(1) as u64);
    let damage =
        [Damage::FlipBit, Damage::FlipBit, Damage::CutOff, Damage::Vanished][random.below(4) as usize];
    if bytes.is_empty() || disk.damage(&path, offset, damage).is_err() {
        return false;
    }
    homes.note(&format!("  decay: {damage:?} at {offset} of block {hash} at home {home}"));
    homes.decayed().push(Decayed { home, what: What::File { hash, path, whole: BlockHash::of(&bytes) } });
    true
}

/// Whether a home owns a block, and another owner has a file of it.
fn is_elsewhere(homes: &Gathering, home: usize, hash: &BlockHash) -> bool {
    let Some(node) = homes.homes[home].node() else { return false };
    let placement = node.cluster.placement();
    let owners = placement.sets(PartitionHash::of_uniform(hash.as_bytes())).concat();
    let has_file = |other: &usize| homes.homes[*other].block_files().iter().any(|(held, _)| held == hash);
    let owns = |other: &usize| homes.homes[*other].node().is_some_and(|node| owners.contains(&node.id()));
    let others = homes.storing().into_iter().filter(|other| *other != home);
    owners.contains(&node.id()) && others.filter(owns).any(|other| has_file(&other))
}

/// Damages a row, if no other one is damaged.
fn damage_row(homes: &Gathering, home: usize, random: &mut Generator) -> bool {
    prune(homes);
    if homes.plan.engine != EngineChoice::Memory || homes.decayed().iter().any(Decayed::is_row) {
        return false;
    }
    let rows = &homes.homes[home].rows;
    let filled: Vec<Space> = SPACES.into_iter().filter(|space| !rows.rows(*space).is_empty()).collect();
    if filled.is_empty() {
        return false;
    }
    let space = filled[random.below(filled.len() as u64) as usize];
    let mut of_space = rows.rows(space);
    let (key, value) = of_space.swap_remove(random.below(of_space.len() as u64) as usize);
    let bit = random.below(value.len() as u64 * 8) as usize;
    rows.flip_bit(space, &key, bit);
    homes.note(&format!(
        "  decay: bit {bit} of {} bytes of a row of {} at home {home}",
        value.len(),
        space.name()
    ));
    homes.decayed().push(Decayed { home, what: What::Row { space, key } });
    true
}

impl Decayed {
    fn hash(&self) -> Option<BlockHash> {
        match &self.what {
            What::File { hash, .. } => Some(*hash),
            What::Row { .. } => None,
        }
    }

    /// The block whose file decayed at this home, if that is what it was.
    pub fn block_at(&self, home: usize) -> Option<BlockHash> {
        self.hash().filter(|_| self.home == home)
    }

    fn is_row(&self) -> bool {
        self.hash().is_none()
    }

    /// Whether it is whole again, or nothing calls for it any more.
    fn is_whole(&self, homes: &Gathering) -> bool {
        let home = &homes.homes[self.home];
        match &self.what {
            What::Row { space, key } => {
                home.rows.row(*space, key).is_none_or(|value| store::passes(*space, key, &value))
            }
            What::File { hash, path, whole } => {
                let is_good = |now: Vec<u8>| BlockHash::of(&now) == *whole;
                // One that nothing calls for goes in its own time, and is verified before anything does again.
                let count = || home.node().map(|node| node.blocks.reference_count(hash));
                let is_wanted = || !matches!(count(), Some(Ok(0)));
                home.world.disk.peek(path).is_some_and(is_good) || !is_wanted()
            }
        }
    }
}

/// Forgets what is whole again, and what lies at a home that has left.
fn prune(homes: &Gathering) {
    let members = homes.members();
    homes.decayed().retain(|decayed| members.contains(&decayed.home) && !decayed.is_whole(homes));
}

/// Whether everything that decayed is whole again.
pub fn is_whole(homes: &Gathering) -> bool {
    prune(homes);
    homes.decayed().is_empty()
}

/// An operator has everything looked at.
async fn look(node: Member) -> Result<(), model::ModelError> {
    node.blocks.scrub(ScrubCommand::Start).await?;
    node.blocks.start_audit().await?;
    node.model.start_row_check();
    Ok(())
}

/// When it is calm, everything is looked at through every home, and whole again.
pub async fn end(homes: &Gathering) -> Result<(), Failure> {
    if !homes.plan.has(Trouble::Rot) && !homes.plan.has(Trouble::DamagedRow) {
        return Ok(());
    }
    homes.note("everything is looked at");
    for home in homes.members() {
        calmly(homes, home, "a look at everything", look).await?;
    }
    let becoming_whole = async {
        while !is_whole(homes) || !have_looked(homes) {
            env::sleep(WHOLE_LOOK).await;
        }
    };
    if env::timeout(WHOLE_MAX, becoming_whole).await.is_none() {
        let detail = format!("{:?} stays as it is: {:?}", homes.decayed(), standing(homes));
        return Err(Failure::new("what decayed is whole again", detail));
    }
    for home in homes.members() {
        check_rows(homes, home)?;
    }
    homes.end_decay();
    Ok(())
}

/// Whether every home has looked at everything, and mended what it found.
fn have_looked(homes: &Gathering) -> bool {
    homes.homes.iter().filter_map(|home| home.node()).all(|node| {
        let is_scrubbing = node.blocks.scrub_status().map_or(true, |status| status.running);
        !is_scrubbing && !node.model.row_check_figures().running && node.model.damaged_rows().0 == 0
    })
}

fn standing(homes: &Gathering) -> Vec<String> {
    let nodes = homes.homes.iter().filter_map(|home| Some((home.number, home.node()?)));
    let line = |(number, node): (usize, Member)| {
        let (scrub, rows) = (node.blocks.scrub_status(), node.model.row_check_figures());
        format!("home {number}: {scrub:?}, {rows:?}, {:?}", node.model.damaged_rows())
    };
    nodes.map(line).collect()
}

/// No row of a home is damaged.
fn check_rows(homes: &Gathering, home: usize) -> Result<(), Failure> {
    let view = homes.node(home)?.store.view().map_err(failed)?;
    let mut damaged = Vec::new();
    for space in SPACES {
        let look = &mut |key: &[u8], value: &[u8]| {
            if !store::passes(space, key, value) && damaged.len() < TOLD_MAX {
                damaged.push(format!("{} {key:?}", space.name()));
            }
            ControlFlow::Continue(())
        };
        view.scan(space, Bound::Unbounded, Bound::Unbounded, look).map_err(failed)?;
    }
    if damaged.is_empty() {
        return Ok(());
    }
    Err(Failure::new("what decayed is whole again", format!("rows of home {home}: {damaged:?}")))
}

/// Every home comes to have a whole file of each block that a row of it refers to.
pub async fn check_all_copies(homes: &Gathering) -> Result<(), Failure> {
    let mut lacking = Vec::new();
    for _ in 0..COPIES_LOOKS_MAX {
        lacking.clear();
        for home in homes.storing() {
            let node = homes.node(home)?;
            let view = node.store.view().map_err(failed)?;
            for hash in counters::references(&view).map_err(failed)?.into_keys() {
                let presence = node.blocks.presence(hash).await;
                if presence != Presence::Good {
                    lacking.push(format!("home {home}: block {hash} is {presence:?}"));
                }
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        env::sleep(COPIES_LOOK).await;
        homes.let_clocks_go_on();
    }
    lacking.truncate(TOLD_MAX);
    Err(Failure::new("every copy is whole", format!("{lacking:?}")))
}
