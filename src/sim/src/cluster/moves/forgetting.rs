//! A home dies and is given up, perhaps while another one loses everything; then it comes back all the same.
//!
//! Memory is lost while a home is dead only when the third one holds all that the loser held: no two are then the quorum
//! of anything that was acknowledged.

use super::super::calm::rows_of;
use super::super::gathering::Shared;
use super::super::home::Member;
use super::super::plan::Forgets;
use super::{BEFORE_MAX_MS, LOOK, become_whole};
use crate::checks::Failure;
use base::NodeId;
use env::sim::{Generator, Keep};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::MemPlatter;

/// How long a home may take to forget another one.
const FORGET_MAX: Duration = Duration::from_secs(60);

/// A home dies. Perhaps another one loses everything. The dead one is forgotten, and comes back later all the same.
pub async fn forget(homes: &Shared, random: &mut Generator, forgets: Forgets) -> Result<(), Failure> {
    homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
    if !become_whole(homes).await? {
        return Ok(());
    }
    let dead = random.below(3) as usize;
    let (loser, third) = ((dead + 1) % 3, (dead + 2) % 3);
    let Some(id) = homes.homes[dead].node().map(|node| node.id()) else { return Ok(()) };
    homes.note(&format!("  move: home {dead} dies"));
    homes.book().count("move: a home dies and is forgotten");
    homes.switch_off(dead, Keep::Everything).await?;
    homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
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
    homes.stay_away(dead);
    if forgets.returns_early {
        homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
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
