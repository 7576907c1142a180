//! A home leaves: its role is taken away while clients work, perhaps in the same change in which an empty home gets one,
//! or in a change that is applied through another home at the same time.
//!
//! Until the change is over the leaver works on. Then clients forget it, and it is switched off for good: nothing may
//! need it any more.

use super::super::gathering::{Gathering, Shared};
use super::super::plan::Leaving;
use super::{BEFORE_MAX_MS, LOOK, become_whole, has_settled};
use crate::checks::Failure;
use base::NodeId;
use env::sim::{Generator, Keep};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Has a home leave.
pub async fn leave(homes: &Shared, random: &mut Generator, leaving: Leaving) -> Result<(), Failure> {
    homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
    if leaving != Leaving::Twice && !become_whole(homes).await? {
        return Ok(());
    }
    let leaver = random.below(homes.plan.first as u64) as usize;
    homes.note(&format!("  move: home {leaver} leaves, {leaving:?}"));
    homes.book().count(leaving.label());
    homes.will_leave(leaver);
    let joiner = homes.plan.first..homes.plan.storing;
    match leaving {
        Leaving::Away | Leaving::Replaced => apply(homes, random, joiner, Some(leaver)).await?,
        Leaving::Twice => {
            // Both changes at once, each through any home: one wins, and the other one is made after it.
            let (mut other, joiner) = (Generator::new(random.next_u64()), joiner.clone());
            let away = apply(homes, random, 0..0, Some(leaver));
            let joins = apply(homes, &mut other, joiner, None);
            let (away, joins) = futures_util::future::join(away, joins).await;
            away.and(joins)?;
        }
    }
    if has_settled(homes).await && !homes.is_calm.load(Ordering::Relaxed) {
        homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
        let_go(homes).await?;
    }
    Ok(())
}

/// Makes a change through any home that runs, until it is in force.
async fn apply(
    homes: &Shared,
    random: &mut Generator,
    joiner: Range<usize>,
    leaver: Option<usize>,
) -> Result<(), Failure> {
    while !is_in_force(homes, joiner.clone(), leaver) {
        homes.stop_on_failure()?;
        let members = homes.members();
        let home = members[random.below(members.len() as u64) as usize];
        let changed = homes.homes[home].node().map(|node| homes.lay_out(&node, joiner.clone(), leaver));
        if let Some(Ok(())) = changed {
            homes.note(&format!("  move: a change is applied through home {home}"));
            homes.join(joiner.clone());
        }
        env::sleep(LOOK).await;
    }
    Ok(())
}

/// Whether some home knows a version in force in which these have a role and the leaver has none.
fn is_in_force(homes: &Shared, joiner: Range<usize>, leaver: Option<usize>) -> bool {
    let (Some(joining), Some(leaving)) = (ids_of(homes, joiner), ids_of(homes, leaver)) else { return false };
    homes.homes.iter().filter_map(|home| home.node()).any(|node| {
        let layout = node.cluster.layout();
        let roles = &layout.newest().roles;
        let has_joined = joining.iter().all(|id| roles.contains_key(id));
        has_joined && !leaving.iter().any(|id| roles.contains_key(id))
    })
}

/// The ids of homes, if all of them run.
fn ids_of(homes: &Shared, numbers: impl IntoIterator<Item = usize>) -> Option<Vec<NodeId>> {
    numbers.into_iter().map(|home| homes.homes[home].node().map(|node| node.id())).collect()
}

/// Switches the leaver off for good, when nothing needs it any more.
pub async fn let_go(homes: &Gathering) -> Result<(), Failure> {
    let Some(leaver) = homes.take_leaver() else { return Ok(()) };
    homes.note(&format!("  move: home {leaver} is off for good"));
    homes.book().count("move: who left is off for good");
    homes.switch_off(leaver, Keep::Everything).await
}
