//! What goes wrong while clients work: each fault strikes, lasts a while and is taken back.

use super::gathering::Shared;
use super::plan::SKEW_MAX_MS;

use crate::node::DISK_BYTES;
use crate::plan::{EngineChoice, Trouble};
use env::sim::{Fault, Generator, Keep};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The longest pause between two faults.
const PAUSE_MAX_MS: u64 = 2500;
/// The longest time a fault lasts: beyond what links and requests wait for.
const LASTS_MAX_MS: u64 = 14_000;
/// How late a request may come again: beyond all that its sender waits for.
const REPEATED_LATE_MAX: Duration = Duration::from_secs(30);
/// Calls until a planned fault of a disk strikes, at most.
const FAULT_DELAY_MAX: u64 = 20;
/// Effects until the power goes off, at most.
const EFFECTS_MAX: u64 = 30;
/// Between two looks at whether a node has to be restarted.
const WATCH_MS: u64 = 300;

/// Lets faults strike until it is calm, then waits until all are taken back.
pub async fn blow(homes: Shared, seed: u64) {
    let mut random = Generator::new(seed);
    let tasks = env::Tasks::inline();
    let mut under_way = Vec::new();
    let troubles: Vec<Trouble> =
        homes.plan.troubles.iter().copied().filter(|trouble| trouble.strikes()).collect();
    if homes.plan.has(Trouble::Repeat) {
        homes.net.repeat_requests(homes.plan.repeats_percent, REPEATED_LATE_MAX);
    }
    while !homes.is_calm.load(Ordering::Relaxed) && !troubles.is_empty() {
        env::sleep(Duration::from_millis(random.below(PAUSE_MAX_MS))).await;
        let trouble = troubles[random.below(troubles.len() as u64) as usize];
        let task = tasks.spawn(strike(Arc::clone(&homes), trouble, random.next_u64()));
        if homes.plan.is_wild {
            under_way.push(task);
        } else {
            task.join().await;
        }
    }
    for task in under_way {
        task.join().await;
    }
    // What was to come again still does.
    homes.net.repeat_requests(0, Duration::ZERO);
    homes.book().add(Trouble::Repeat.label(), homes.net.repeated_requests());
}

/// Restarts nodes whose store takes no more writes, as their operator, or systemd, would.
pub async fn watch(homes: Shared) {
    loop {
        env::sleep(Duration::from_millis(WATCH_MS)).await;
        for home in 0..homes.homes.len() {
            // A power cut that was planned may strike when nobody waits for it any more.
            let is_dark = homes.homes[home].world.disk.has_crashed();
            let has_failed = homes.homes[home].node().is_some_and(|node| is_dark || node.store.has_failed());
            if has_failed {
                homes.note(&format!("  home {home} restarts: its store has failed"));
                // What the system takes for clean after a failed flush may not be on the disk.
                restart(&homes, home, Keep::Some, 0).await;
            }
        }
    }
}

/// Ends a home's process and starts it again; one that starts or has ended already is left alone.
async fn restart(homes: &Shared, home: usize, keep: Keep, pause_ms: u64) {
    if !homes.homes[home].has_process() {
        return;
    }
    let again = async {
        homes.switch_off(home, keep).await?;
        env::sleep(Duration::from_millis(pause_ms)).await;
        homes.switch_on(home, keep).await
    };
    if let Err(failure) = again.await {
        homes.book().fail(failure);
    }
}

async fn strike(homes: Shared, trouble: Trouble, seed: u64) {
    let mut random = Generator::new(seed);
    let count = homes.homes.len() as u64;
    let home = random.below(count) as usize;
    let other = (home + 1 + random.below(count - 1) as usize) % homes.homes.len();
    let lasts_ms = random.below(LASTS_MAX_MS);
    let lasts = Duration::from_millis(lasts_ms);
    let nth = 1 + random.below(FAULT_DELAY_MAX);
    let disk = &homes.homes[home].world.disk;
    homes.note(&format!("  weather: {trouble:?} at home {home}, {lasts_ms} ms"));
    homes.book().count(trouble.label());
    match trouble {
        Trouble::Delay => {
            let longest = Duration::from_millis(random.below(3000));
            homes.net.slow_down(home, other, Some(longest));
            homes.net.slow_down(other, home, Some(longest));
            env::sleep(lasts).await;
            homes.net.slow_down(home, other, None);
            homes.net.slow_down(other, home, None);
        }
        Trouble::CutOff => {
            homes.isolate(home);
            env::sleep(lasts).await;
            homes.rejoin(home);
        }
        Trouble::Cut | Trouble::OneWayCut => {
            homes.net.cut(home, other);
            if trouble == Trouble::Cut {
                homes.net.cut(other, home);
            }
            env::sleep(lasts).await;
            homes.net.heal(home, other);
            if trouble == Trouble::Cut {
                homes.net.heal(other, home);
            }
        }
        Trouble::Kill => restart(&homes, home, Keep::Everything, lasts_ms).await,
        Trouble::Crash => {
            disk.crash_at_effect(disk.effects() + 1 + random.below(EFFECTS_MAX));
            env::sleep(Duration::from_millis(random.below(2000))).await;
            let keep = if random.coin() { Keep::Some } else { Keep::Nothing };
            restart(&homes, home, keep, lasts_ms).await;
        }
        Trouble::Blackout => blackout(&homes, &mut random).await,
        Trouble::ReadError => disk.inject(Fault::ReadError, nth),
        Trouble::WriteError => disk.inject(Fault::WriteError, nth),
        Trouble::SyncError => disk.inject(Fault::SyncError, nth),
        Trouble::Full => {
            let room = if homes.plan.engine == EngineChoice::Memory { 0 } else { random.below(1 << 20) };
            disk.occupy(DISK_BYTES - disk.used_bytes() - room);
            env::sleep(lasts).await;
            disk.occupy(0);
        }
        Trouble::ClockJump => jump(&homes, home, &mut random),
        // Clients go away by themselves, and these have moments of their own; the others are of single nodes.
        Trouble::Cancel
        | Trouble::Repeat
        | Trouble::DamagedRow
        | Trouble::FlippedRead
        | Trouble::MisdirectedRead
        | Trouble::Rot => {}
    }
}

/// All homes lose their power at once, and get it back in any order.
async fn blackout(homes: &Shared, random: &mut Generator) {
    let mut dark: Vec<(usize, Keep)> = Vec::new();
    for home in 0..homes.homes.len() {
        if homes.homes[home].has_process() {
            dark.push((home, if random.coin() { Keep::Some } else { Keep::Nothing }));
        }
    }
    for (home, keep) in &dark {
        if let Err(failure) = homes.switch_off(*home, *keep).await {
            homes.book().fail(failure);
        }
    }
    while !dark.is_empty() {
        let (home, keep) = dark.swap_remove(random.below(dark.len() as u64) as usize);
        env::sleep(Duration::from_millis(random.below(3000))).await;
        if let Err(failure) = homes.switch_on(home, keep).await {
            homes.book().fail(failure);
        }
    }
}

/// Sets a clock, to anywhere a clock may be.
fn jump(homes: &Shared, home: usize, random: &mut Generator) {
    let range = 2 * SKEW_MAX_MS as u64;
    let to_ms = random.below(range) as i64 - SKEW_MAX_MS;
    let clock = &homes.homes[home].world.clock;
    clock.jump(to_ms - clock.skew_ms());
}
