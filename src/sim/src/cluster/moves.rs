//! What people do to a cluster while clients work: homes join one that has data, and a home loses its memory or gets
//! an old copy of it back.
//!
//! Each happens once in a run, with everything else that goes wrong around it. Nothing that was acknowledged may be
//! lost by it: memory is lost only when three copies are in force, and while a home is dead only when the third one holds
//! all that the loser held, so that no two are the quorum of anything.

use super::calm::rows_of;
use super::gathering::Shared;
use super::home::Member;
use super::plan::{Forgets, Loss, STORE_MIN_FOR_LOSS};
use crate::checks::Failure;
use base::NodeId;
use env::sim::{Generator, Keep};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::MemPlatter;

/// The longest time before each move.
const BEFORE_MAX_MS: u64 = 6000;
/// Between two looks at whether a change has ended.
const LOOK: Duration = Duration::from_millis(200);
/// How long a home may take to forget another one.
const FORGET_MAX: Duration = Duration::from_secs(60);
/// How old a copy is at least that is put back: peers have heard of the home since.
const COPY_AGE: Duration = Duration::from_secs(20);

/// Makes the moves of a run, one after the other.
pub async fn make(homes: Shared, seed: u64) {
    let mut random = Generator::new(seed);
    if let Err(failure) = all(&homes, &mut random).await {
        homes.book().fail(failure);
    }
}

async fn all(homes: &Shared, random: &mut Generator) -> Result<(), Failure> {
    if homes.plan.first < homes.plan.storing {
        wait(homes, Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
        homes.note("  move: the other homes join");
        homes.book().count("move: growth");
        grow(homes).await?;
        if !has_settled(homes).await {
            // What the first homes hold may be nowhere else yet.
            return Ok(());
        }
    }
    if let Some(forgets) = homes.plan.forgets {
        return forget(homes, random, forgets).await;
    }
    let Some(loss) = homes.plan.loss.filter(|_| homes.plan.storing >= STORE_MIN_FOR_LOSS) else {
        return Ok(());
    };
    let home = random.below(homes.plan.storing as u64) as usize;
    wait(homes, Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
    let copy = match loss {
        Loss::Everything => MemPlatter::default(),
        Loss::Recent => {
            let copy = homes.homes[home].copy_rows();
            env::sleep(COPY_AGE).await;
            copy
        }
    };
    // Two that lack something at the same time would wait for each other.
    while !are_whole(homes) {
        if homes.is_calm.load(Ordering::Relaxed) {
            return Ok(());
        }
        env::sleep(LOOK).await;
        homes.stop_on_failure()?;
    }
    homes.note(&format!("  move: home {home} loses {loss:?}"));
    homes.book().count(loss.label());
    homes.switch_off(home, Keep::Everything).await?;
    homes.homes[home].lose(&copy, loss == Loss::Everything);
    homes.switch_on(home, Keep::Everything).await
}

/// A home dies. Perhaps another one loses everything. The dead one is forgotten, and comes back later all the same.
async fn forget(homes: &Shared, random: &mut Generator, forgets: Forgets) -> Result<(), Failure> {
    wait(homes, Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
    while !are_whole(homes) {
        if homes.is_calm.load(Ordering::Relaxed) {
            return Ok(());
        }
        env::sleep(LOOK).await;
        homes.stop_on_failure()?;
    }
    let dead = random.below(3) as usize;
    let (loser, third) = ((dead + 1) % 3, (dead + 2) % 3);
    let Some(id) = homes.homes[dead].node().map(|node| node.id()) else { return Ok(()) };
    homes.note(&format!("  move: home {dead} dies"));
    homes.book().count("move: a home dies and is forgotten");
    homes.switch_off(dead, Keep::Everything).await?;
    wait(homes, Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
    if forgets.with_loss && third_holds_all(homes, (loser, third)).await? {
        homes.note(&format!("  move: home {loser} loses everything"));
        homes.book().count("move: another home loses everything meanwhile");
        homes.switch_off(loser, Keep::Everything).await?;
        homes.homes[loser].lose(&MemPlatter::default(), true);
        homes.switch_on(loser, Keep::Everything).await?;
    }
    while !try_to_forget(homes, third, id).await {
        if homes.is_calm.load(Ordering::Relaxed) {
            return Ok(());
        }
        env::sleep(LOOK).await;
        homes.stop_on_failure()?;
    }
    homes.note(&format!("  move: home {dead} is forgotten"));
    homes.book().count("move: a home is forgotten");
    if forgets.returns_early {
        wait(homes, Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
        if !homes.is_calm.load(Ordering::Relaxed) && !homes.homes[dead].has_process() {
            homes.note(&format!("  move: home {dead} comes back"));
            return homes.switch_on(dead, Keep::Everything).await;
        }
    }
    Ok(())
}

/// Whether the one home that remains came to hold all that the other one holds, before the weather was over.
async fn third_holds_all(homes: &Shared, (loser, third): (usize, usize)) -> Result<bool, Failure> {
    loop {
        let run = |home: usize| homes.homes[home].node().is_some();
        if run(loser) && run(third) && rows_of(homes, loser)? == rows_of(homes, third)? {
            return Ok(true);
        }
        if homes.is_calm.load(Ordering::Relaxed) {
            return Ok(false);
        }
        env::sleep(Duration::from_millis(50)).await;
        homes.stop_on_failure()?;
    }
}

/// Forgets a home through another one, if it may be now.
async fn try_to_forget(homes: &Shared, through: usize, id: NodeId) -> bool {
    let forget = move |node: Member| async move {
        let nodes = BTreeSet::from([id]);
        node.cluster.forget(&node.env.tasks, nodes).await.map_err(|error| error.to_string())
    };
    match homes.ask(through, Some(FORGET_MAX), forget).await {
        Some(Ok(_)) => true,
        Some(Err(error)) => {
            homes.note(&format!("  not forgotten yet: {error}"));
            false
        }
        None => false,
    }
}

/// Whether all homes run and answer for all that they own.
fn are_whole(homes: &Shared) -> bool {
    homes.homes.iter().all(|home| home.node().is_some_and(|node| node.cluster.behind() == 0))
}

/// Lets time pass, less when the weather is over.
async fn wait(homes: &Shared, time: Duration) {
    let mut waited = Duration::ZERO;
    while waited < time && !homes.is_calm.load(Ordering::Relaxed) {
        env::sleep(LOOK).await;
        waited += LOOK;
    }
}

/// Stages the other homes through any home that runs, and applies it.
async fn grow(homes: &Shared) -> Result<(), Failure> {
    let first = homes.plan.first;
    loop {
        homes.stop_on_failure()?;
        for home in homes.members() {
            let changed =
                homes.homes[home].node().map(|node| homes.lay_out(&node, first..homes.plan.storing));
            if let Some(Ok(())) = changed {
                homes.set_members(homes.plan.homes());
                return Ok(());
            }
        }
        env::sleep(LOOK).await;
    }
}

/// Waits until the change is over, or the weather is; whether the change is.
async fn has_settled(homes: &Shared) -> bool {
    let is_over = || {
        let mut nodes = homes.homes.iter().filter_map(|home| home.node());
        nodes.any(|node| {
            let layout = node.cluster.layout();
            layout.coming().is_none() && layout.current().number > 1
        })
    };
    while !is_over() && !homes.is_calm.load(Ordering::Relaxed) {
        env::sleep(LOOK).await;
    }
    is_over()
}
