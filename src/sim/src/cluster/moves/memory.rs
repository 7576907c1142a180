//! A home loses its memory, or gets an old copy of it back, when three copies are in force.

use super::super::gathering::Shared;
use super::super::plan::Loss;
use super::{BEFORE_MAX_MS, become_sound, become_whole};
use crate::checks::Failure;
use env::sim::{Generator, Keep};
use std::time::Duration;
use store::MemPlatter;

/// How old a copy is at least that is put back: peers have heard of the home since.
const COPY_AGE: Duration = Duration::from_secs(20);

/// Takes a home's memory away.
pub async fn lose(homes: &Shared, random: &mut Generator, loss: Loss) -> Result<(), Failure> {
    let home = random.below(homes.plan.storing as u64) as usize;
    homes.wait(Duration::from_millis(random.below(BEFORE_MAX_MS))).await;
    let copy = match loss {
        Loss::Everything => MemPlatter::default(),
        Loss::Recent => {
            // What is damaged in the copy is nobody's to mend.
            if !become_sound(homes).await? {
                return Ok(());
            }
            let copy = homes.homes[home].copy_rows();
            env::sleep(COPY_AGE).await;
            copy
        }
    };
    // Two that lack something at the same time would wait for each other.
    if !become_whole(homes).await? {
        return Ok(());
    }
    homes.note(&format!("  move: home {home} loses {loss:?}"));
    homes.book().count(loss.label());
    homes.switch_off(home, Keep::Everything).await?;
    homes.homes[home].lose(&copy, loss == Loss::Everything);
    homes.switch_on(home, Keep::Everything).await
}
