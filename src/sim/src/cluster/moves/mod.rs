//! What people do to a cluster while clients work: homes join one that has data, a home loses its memory or gets an old
//! copy of it back, dies and is given up, leaves, or is replaced by another one.
//!
//! Each happens once in a run, with everything else that goes wrong around it. Nothing that was acknowledged may be
//! lost by it.

mod forgetting;
pub mod leaving;
mod memory;

use super::gathering::Shared;
use super::plan::STORE_MIN_FOR_LOSS;
use super::{decay, events};
use crate::checks::Failure;
use crate::plan::Trouble;
use env::sim::{Fault, Generator};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The longest time before each move.
const BEFORE_MAX_MS: u64 = 6000;
/// Reads of a disk until one fails, at most, when others copy from it.
const MISREAD_MAX: u64 = 24;
/// Between two looks at whether a change has ended.
const LOOK: Duration = Duration::from_millis(200);

/// Makes the moves of a run, one after the other.
pub async fn make(homes: Shared, seed: u64) {
    let mut random = Generator::new(seed);
    if let Err(failure) = all(&homes, &mut random).await {
        homes.book().fail(failure);
    }
}

async fn all(homes: &Shared, random: &mut Generator) -> Result<(), Failure> {
    if homes.plan.first < homes.plan.storing && homes.plan.leaving.is_none() {
        homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
        homes.note("  move: the other homes join");
        homes.book().count("move: growth");
        misread(homes, random);
        grow(homes).await?;
        if !has_settled(homes).await {
            // What the first homes hold may be nowhere else yet.
            return Ok(());
        }
    }
    if let Some(forgets) = homes.plan.forgets {
        return forgetting::forget(homes, random, forgets).await;
    }
    if let Some(leaving) = homes.plan.leaving {
        return leaving::leave(homes, random, leaving).await;
    }
    match homes.plan.loss.filter(|_| homes.plan.storing >= STORE_MIN_FOR_LOSS) {
        Some(loss) => memory::lose(homes, random, loss).await,
        None => Ok(()),
    }
}

/// Waits until all homes are whole and nothing decayed lies at any, or the weather is over; whether they are. Two that lack something at the same time
/// would wait for each other.
async fn become_whole(homes: &Shared) -> Result<bool, Failure> {
    wait_until(homes, || are_whole(homes) && decay::is_whole(homes)).await
}

/// Waits until nothing decayed lies anywhere, or the weather is over; whether that is so.
async fn become_sound(homes: &Shared) -> Result<bool, Failure> {
    wait_until(homes, || decay::is_whole(homes)).await
}

/// Waits until something is so, or the weather is over; whether it is.
async fn wait_until(homes: &Shared, is_so: impl Fn() -> bool) -> Result<bool, Failure> {
    while !is_so() {
        if homes.is_calm.load(Ordering::Relaxed) {
            return Ok(false);
        }
        env::sleep(LOOK).await;
        homes.stop_on_failure()?;
    }
    Ok(true)
}

/// Whether all homes run and answer for all that they own.
fn are_whole(homes: &Shared) -> bool {
    let are_filled =
        homes.homes.iter().all(|home| home.node().is_some_and(|node| node.cluster.behind() == 0));
    are_filled && events::are_held(homes)
}

/// Has each disk that is copied from misread something soon, where disks do.
fn misread(homes: &Shared, random: &mut Generator) {
    if homes.plan.has(Trouble::ReadError) {
        for home in &homes.homes[..homes.plan.first] {
            home.world.disk.inject(Fault::ReadError, 1 + random.below(MISREAD_MAX));
        }
    }
}

/// Stages the other homes through any home that runs, and applies it.
async fn grow(homes: &Shared) -> Result<(), Failure> {
    let (first, storing) = (homes.plan.first, homes.plan.storing);
    loop {
        homes.stop_on_failure()?;
        for home in homes.members() {
            let changed = homes.homes[home].node().map(|node| homes.lay_out(&node, first..storing, None));
            if let Some(Ok(())) = changed {
                homes.join(0..homes.plan.homes());
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
