//! After the weather: everything works through every home, what was acknowledged is readable through each
//! and with any one of them off, and what nobody needs goes away without taking anything else along.

use super::client::register;
use super::gathering::{Gathering, failed};
use super::moves::leaving;
use super::note::Which;
use super::note::{self, Looked};
use super::{buckets, decay, emptying, events, locks, ops, settings, versions};
use crate::checks::Failure;
use crate::client::Verdict;
use crate::content::{Content, Piece, Sending};
use crate::plan::Trouble;
use base::PartitionHash;
use base::id::kind;
use base::{BlockHash, Id, Stamp};
use env::sim::{Generator, Keep};
use model::listing::ListQuery;
use model::objects::Condition;
use model::rows::object::{Body, ObjectRow};
use model::rows::past::PastRow;
use model::rows::version::{Owner, VersionRow};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::time::Duration;
use store::{Read, Space, Step};

/// How long replicas may take to hold the same: some rounds of synchronisation.
const ALIKE_MAX: Duration = Duration::from_secs(300);
/// Copies of everything, where there are as many homes.
const COPIES_MAX: usize = 3;
/// How long homes may take to find each other again.
const MEETING_MAX: Duration = Duration::from_secs(300);
/// How long links that a home passed on may take to find another way.
const DETOUR_MAX: Duration = Duration::from_secs(20);
/// How long any operation may take when nothing is wrong, or one home is off.
const CALM_ANSWER_MAX: Duration = Duration::from_secs(30);
/// How often anything may be refused where homes forget in haste.
const HASTY_REFUSALS_MAX: u32 = 15;
/// Longer than a body may be on its way.
const DEADLINE_MS: i64 = 49 * 3600 * 1000;
/// How long everything may take to be tidied up, while clocks go on.
const TIDY_MAX: Duration = Duration::from_secs(3600);
/// Between two looks at that.
const TIDY_STEP: Duration = Duration::from_secs(20);
/// For how long background work runs then.
const WORK_TIME: Duration = Duration::from_secs(20);
/// How often.
const WORK_ROUNDS: usize = 3;

type Bucket = Id<kind::Bucket>;

/// Judges what the weather left.
pub async fn settle(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    for home in homes.homes.iter().filter(|home| !homes.is_needed(home.number)) {
        home.kill(Keep::Everything).await.map_err(failed)?;
    }
    let away = homes.take_away();
    start_again(homes, away).await?;
    if let Some(away) = away {
        work_without(homes, away, bucket).await?;
        homes.note(&format!("home {away} comes back"));
        homes.switch_on(away, Keep::Everything).await?;
    }
    homes.meet(MEETING_MAX).await?;
    homes.note("all homes have met");
    decay::end(homes).await?;
    leaving::let_go(homes).await?;
    settings::settle(homes, bucket).await?;
    for home in homes.members() {
        prove_alive(homes, home, bucket).await?;
    }
    settings::check_suspended(homes, bucket).await?;
    buckets::end(homes).await?;
    events::check(homes).await?;
    read_all(homes, bucket).await?;
    versions::check(homes, bucket).await?;
    locks::check(homes, bucket).await?;
    homes.note("clocks go on");
    for _ in 0..WORK_ROUNDS {
        homes.let_clocks_go_on();
        env::sleep(WORK_TIME).await;
    }
    read_all(homes, bucket).await?;
    check_blocks(homes, bucket).await?;
    homes.note("the deadlines of all bodies are over");
    homes.homes.iter().for_each(|home| home.world.clock.jump(DEADLINE_MS));
    check_nothing_left(homes).await?;
    read_all(homes, bucket).await?;
    versions::check(homes, bucket).await?;
    check_blocks(homes, bucket).await?;
    decay::check_all_copies(homes).await?;
    for off in homes.members() {
        one_off(homes, off, bucket).await?;
    }
    check_replicas(homes).await?;
    events::check(homes).await?;
    if homes.plan.keeping.has_versions() {
        if homes.plan.keeping.has_locks() {
            locks::check(homes, bucket).await?;
            locks::end_retentions(homes).await?;
        }
        homes.note("all versions are deleted");
        emptying::delete_all(homes, bucket).await?;
        check_nothing_left(homes).await?;
        check_replicas(homes).await?;
    }
    homes.stop_on_failure()
}

/// Takes all faults back and starts what does not run, but for one home, which only meets no faults any more.
async fn start_again(homes: &Gathering, but: Option<usize>) -> Result<(), Failure> {
    for home in homes.homes.iter().filter(|home| homes.is_needed(home.number)) {
        let disk = &home.world.disk;
        disk.clear_faults();
        disk.occupy(0);
        if !disk.has_crashed() {
            // Power cuts that are still to come do not.
            disk.crash_at_effect(u64::MAX);
        }
        // It starts later, and meets no more faults then either.
        if Some(home.number) == but {
            continue;
        }
        // After a failed flush nothing is written until a restart, as the log says.
        let must_restart = disk.has_crashed() || homes.plan.has(Trouble::SyncError);
        if must_restart || home.node().is_none_or(|node| node.store.has_failed()) {
            home.kill(Keep::Some).await.map_err(failed)?;
            let started = home.start(Vec::new()).await;
            started.map_err(|error| does_not_start(home.number, &error))?;
        }
    }
    Ok(())
}

/// A home that was given up stays away: the others delete some of what it holds, and forget that they did.
async fn work_without(homes: &Gathering, away: usize, bucket: Bucket) -> Result<(), Failure> {
    homes.meet(MEETING_MAX).await?;
    homes.note(&format!("home {away} stays away"));
    homes.book().count("a forgotten home stays away");
    let others: Vec<usize> = homes.members().into_iter().filter(|home| *home != away).collect();
    for home in &others {
        prove_alive(homes, *home, bucket).await?;
    }
    let mut random = Generator::new(homes.plan.seed ^ 0x6177_6179);
    for key in homes.plan.keys.iter().filter(|_| random.below(3) > 0) {
        let delete = || {
            let condition = (Condition::Always, Some(CALM_ANSWER_MAX));
            ops::delete_key(homes, others[0], (bucket, key), condition)
        };
        must(homes, others[0], "a delete", delete).await?;
    }
    for _ in 0..WORK_ROUNDS {
        homes.let_clocks_go_on();
        env::sleep(WORK_TIME).await;
    }
    Ok(())
}

/// No tombstone, no half of an upload and no queued work stays for ever.
async fn check_nothing_left(homes: &Gathering) -> Result<(), Failure> {
    let mut left = String::new();
    let mut waited = Duration::ZERO;
    while waited < TIDY_MAX {
        left = homes.members().into_iter().map(|home| left_at(homes, home)).collect::<Result<_, _>>()?;
        if left.is_empty() {
            return Ok(());
        }
        env::sleep(TIDY_STEP).await;
        waited += TIDY_STEP;
        homes.let_clocks_go_on();
    }
    Err(Failure::new("nothing is left behind", left))
}

/// What a home still holds that nobody needs.
fn left_at(homes: &Gathering, home: usize) -> Result<String, Failure> {
    let view = homes.node(home)?.store.view().map_err(failed)?;
    let mut left = String::new();
    let of_events = [Space::EventIntent, Space::Event, Space::EventHeld];
    for space in [Space::Pending, Space::Outbox, Space::Tombstone].into_iter().chain(of_events) {
        let mut records = 0_usize;
        let count = &mut |_: &[u8], _: &[u8]| {
            records += 1;
            ControlFlow::Continue(())
        };
        view.scan(space, Bound::Unbounded, Bound::Unbounded, count).map_err(failed)?;
        if records > 0 {
            left.push_str(&format!("home {home}: {records} of {}; ", space.name()));
        }
    }
    let mut named = BTreeSet::new();
    view.walk(Space::Object, &[], None, &mut |_, row: ObjectRow| {
        named.extend(row.live().and_then(|object| object.body.id()));
        Step::Next
    })
    .map_err(failed)?;
    view.walk(Space::Past, &[], None, &mut |_, row: PastRow| {
        named.extend(row.slot.live().and_then(|object| object.body.id()));
        Step::Next
    })
    .map_err(failed)?;
    let mut unnamed = BTreeSet::new();
    view.walk(Space::Version, &[], None, &mut |key, row: VersionRow| {
        let body = key.first_chunk().map(|id| Id::from_bytes(*id));
        // With more homes than copies its entry may lie elsewhere.
        let is_object = matches!(row.owner, Owner::Object(..)) && homes.storing().len() <= COPIES_MAX;
        unnamed.extend(body.filter(|body| row.dead || (is_object && !named.contains(body))));
        Step::Next
    })
    .map_err(failed)?;
    if !unnamed.is_empty() && !homes.has_rest() {
        left.push_str(&format!("home {home}: {} bodies that nothing names; ", unnamed.len()));
    }
    Ok(left)
}

/// Every home that stores comes to hold the same rows: what clients do not read is synchronised too.
async fn check_replicas(homes: &Gathering) -> Result<(), Failure> {
    // With more homes than copies each holds something else.
    let storing = homes.storing();
    // Nor where a bucket is gone that one of them has something of: it stays there.
    if storing.len() > COPIES_MAX || homes.has_rest() {
        return Ok(());
    }
    let alike = async {
        loop {
            let first = rows_of(homes, storing[0])?;
            let mut differing = None;
            for home in &storing[1..] {
                if rows_of(homes, *home)? != first {
                    differing = Some(*home);
                }
            }
            match differing {
                Some(_) => env::sleep(Duration::from_secs(1)).await,
                None => return Ok::<_, Failure>(()),
            }
        }
    };
    match env::timeout(ALIKE_MAX, alike).await {
        Some(outcome) => outcome,
        None => Err(Failure::new("replicas are equal", "the homes never come to hold the same rows")),
    }
}

/// By keyspace and key: what replicas must agree about.
pub type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// The rows of all replicated tables.
pub fn rows_of(homes: &Gathering, home: usize) -> Result<Rows, Failure> {
    let view = homes.node(home)?.store.view().map_err(failed)?;
    let mut rows = BTreeMap::new();
    let walked = view.walk(Space::Object, &[], None, &mut |key, row: ObjectRow| {
        // A mere promise is nothing to agree about.
        if row.order > Stamp::ZERO {
            rows.insert((Space::Object.number(), key.to_vec()), format!("{:?}", row.order).into_bytes());
        }
        Step::Next
    });
    walked.map_err(failed)?;
    for space in [Space::Past, Space::Version, Space::BlockRef, Space::Upload, Space::Part] {
        let scanned = view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
            rows.insert((space.number(), key.to_vec()), value.to_vec());
            ControlFlow::Continue(())
        });
        scanned.map_err(failed)?;
    }
    Ok(rows)
}

fn does_not_start(home: usize, error: &str) -> Failure {
    Failure::new("liveness", format!("home {home} does not start: {error}"))
}

/// With one home off everything goes on, if the others hold a quorum.
async fn one_off(homes: &Gathering, off: usize, bucket: Bucket) -> Result<(), Failure> {
    let storing = homes.storing();
    if storing.contains(&off) && storing.len() < COPIES_MAX {
        return Ok(());
    }
    homes.note(&format!("home {off} is off"));
    homes.switch_off(off, Keep::Everything).await?;
    // Links that went through it take another way.
    homes.meet(DETOUR_MAX).await?;
    read_all(homes, bucket).await?;
    for home in homes.members().into_iter().filter(|home| *home != off) {
        prove_alive(homes, home, bucket).await?;
    }
    homes.switch_on(off, Keep::Everything).await?;
    homes.meet(MEETING_MAX).await
}

/// Reads every key through every home that runs, and lists them.
async fn read_all(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    for home in running(homes) {
        for key in homes.plan.keys.clone() {
            read_key(homes, home, (bucket, key, Which::Current)).await?;
            if homes.plan.keeping.has_null_versions() {
                read_key(homes, home, (bucket, key, Which::Null)).await?;
            }
        }
        list_all(homes, home, bucket).await?;
    }
    homes.stop_on_failure()
}

fn running(homes: &Gathering) -> Vec<usize> {
    homes.members().into_iter().filter(|home| homes.homes[*home].node().is_some()).collect()
}

async fn list_all(homes: &Gathering, home: usize, bucket: Bucket) -> Result<(), Failure> {
    let query = ListQuery { limit: 1000, ..ListQuery::default() };
    let listed = ops::list_page(homes, home, bucket, (query, Some(CALM_ANSWER_MAX))).await;
    listed.map(|_| ()).map_err(|()| no_answer(homes, home, "a listing"))
}

/// Reads all of a key.
async fn read_key(
    homes: &Gathering,
    home: usize,
    (bucket, key, which): (Bucket, &'static str, Which),
) -> Result<Looked, Failure> {
    let read = || note::read(homes, home, (bucket, key, which), (true, Some(CALM_ANSWER_MAX)));
    let mut looked = read().await;
    // In haste a read can meet the ballots under which what was deleted is deleted anew, by one home after the other.
    for _ in 0..refusals_max(homes) {
        if looked.is_ok() {
            break;
        }
        homes.book().count("refused when all was calm");
        looked = read().await;
    }
    let looked = looked.map_err(|error| {
        let why = error.map_or("no answer".to_owned(), |error| error.to_string());
        Failure::new("liveness", format!("after the faults home {home} does not read {key:?}: {why}"))
    })?;
    if let Some((_, Some(Err(error)))) = &looked.found {
        let place = register(key);
        let detail = format!("after the faults home {home} cannot read the content of {place:?}: {error}");
        return Err(Failure::new("I8 no referenced block missing", detail));
    }
    Ok(looked)
}

fn no_answer(homes: &Gathering, home: usize, what: &str) -> Failure {
    let found = homes.stop_on_failure().err();
    found.unwrap_or_else(|| Failure::new("liveness", format!("after the faults home {home} refuses {what}")))
}

/// Puts, reads, lists and deletes through a home, plainly and with conditions.
pub async fn prove_alive(homes: &Gathering, home: usize, bucket: Bucket) -> Result<(), Failure> {
    let key = homes.plan.keys[0];
    let patience = Some(CALM_ANSWER_MAX);
    let piece = |fill, length| Piece { fill, length };
    let blocks = Sending {
        content: Content { pieces: vec![piece(1, homes.plan.block_bytes), piece(2, 7)] },
        pushed: 1,
    };
    let inline = Sending { content: Content { pieces: vec![piece(3, 9)] }, pushed: 0 };
    let put = |sending: &Sending, condition| {
        ops::put_body(homes, home, (bucket, key), (sending.clone(), condition, patience), None)
    };
    let delete = |condition| ops::delete_key(homes, home, (bucket, key), (condition, patience));
    must(homes, home, "a put of blocks", || put(&blocks, Condition::Always)).await?;
    read_key(homes, home, (bucket, key, Which::Current)).await?;
    must(homes, home, "a put on what is there", || put(&inline, Condition::Present)).await?;
    read_key(homes, home, (bucket, key, Which::Current)).await?;
    must(homes, home, "a delete of what is there", || delete(Condition::Present)).await?;
    must(homes, home, "a put on nothing", || put(&blocks, Condition::Absent)).await?;
    must(homes, home, "a delete", || delete(Condition::Always)).await?;
    must(homes, home, "a put", || put(&inline, Condition::Always)).await?;
    list_all(homes, home, bucket).await
}

/// How often anything may be refused when all is calm.
fn refusals_max(homes: &Gathering) -> u32 {
    if homes.plan.is_hasty { HASTY_REFUSALS_MAX } else { 0 }
}

/// Has a write answered. A condition may be refused: a write whose answer never came may still happen.
async fn must<F: Future<Output = Verdict>>(
    homes: &Gathering,
    home: usize,
    what: &str,
    write: impl Fn() -> F,
) -> Result<(), Failure> {
    // In haste a write can meet the fence of what was deleted just before, and nobody knows what became of it.
    for _ in 0..=refusals_max(homes) {
        if matches!(write().await, Verdict::Done | Verdict::Refused) {
            return Ok(());
        }
        homes.book().count("refused when all was calm");
        homes.stop_on_failure()?;
    }
    Err(no_answer(homes, home, what))
}

/// Every block of every object is whole on a quorum of those who hold it.
async fn check_blocks(homes: &Gathering, bucket: Bucket) -> Result<(), Failure> {
    let mut wanted: BTreeSet<BlockHash> = BTreeSet::new();
    for key in homes.plan.keys.clone() {
        let looked = read_key(homes, homes.members()[0], (bucket, key, Which::Current)).await?;
        if let Some((found, _)) = looked.found
            && let Body::Blocks(_, pieces) = &found.object.body
        {
            wanted.extend(pieces.iter().map(|piece| piece.hash));
        }
    }
    let nodes: BTreeMap<_, _> =
        homes.homes.iter().filter_map(|home| home.node()).map(|node| (node.id(), node)).collect();
    let placement = homes.node(homes.members()[0])?.cluster.placement();
    for hash in wanted {
        for set in placement.sets(PartitionHash::of_uniform(hash.as_bytes())) {
            let mut whole = 0;
            for node in set.iter().filter_map(|id| nodes.get(id)) {
                whole += usize::from(node.blocks.get(&hash).await.is_ok());
            }
            if whole <= set.len() / 2 {
                let detail = format!("block {hash} is on {whole} of the {} homes that hold it", set.len());
                return Err(Failure::new("I8 no referenced block missing", detail));
            }
        }
    }
    Ok(())
}
