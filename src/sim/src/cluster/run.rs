//! One seed of a cluster: clients and weather together, then calm.

use super::calm;
use super::client::Client;
use super::gathering::{Gathering, Shared};
use super::plan::ClusterPlan;
use super::{ballast, completion, decay, events, moves, settings, weather};
use crate::checks::{self, Failure};
use crate::run::Report;
use env::sim::{Fault, Generator};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Virtual time after which clients count as waiting for ever.
const CLIENTS_MAX: Duration = Duration::from_secs(6 * 3600);

/// Faults of disks that are planned, and met only if a call of their kind comes in time.
const MET: [(Fault, &str); 3] = [
    (Fault::ReadError, "met: read error"),
    (Fault::WriteError, "met: write error"),
    (Fault::SyncError, "met: failed flush"),
];

/// Runs a seed.
pub fn run(plan: &ClusterPlan, prints: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing from the machine");
    let homes: Shared = Arc::new(Gathering::new(plan));
    homes.book().trace.prints = prints;
    let outcome = runtime.block_on(async {
        let outcome = all(&homes).await;
        // Whatever was being waited for, the processes end inside of the runtime.
        for home in &homes.homes {
            let _: Result<(), String> = home.kill(env::sim::Keep::Everything).await;
        }
        outcome
    });
    if let Err(failure) = outcome {
        homes.book().fail(failure);
    }
    let mut book = homes.book();
    for home in &homes.homes {
        let disk = &home.world.disk;
        let line =
            format!("end: home {}, {} effects, {}", home.number, disk.effects(), disk.content_digest());
        book.trace.note(&line);
        for (fault, label) in MET {
            book.add(label, disk.struck(fault));
        }
    }
    Report { failure: book.failure.clone(), hash: book.trace.hash(), counts: book.counts.clone() }
}

async fn all(homes: &Shared) -> Result<(), Failure> {
    let bucket = homes.found().await?;
    let ballast = ballast::lay(homes).await?;
    let mut random = Generator::new(homes.plan.seed ^ 0x7275_6e00);
    let tasks = env::Tasks::inline();
    let left = Arc::new(AtomicUsize::new(homes.plan.ops));
    let clients: Vec<_> = (0..homes.plan.clients)
        .map(|number| {
            let client = Client::new(homes, bucket, number, random.next_u64());
            tasks.spawn(client.run(Arc::clone(&left)))
        })
        .collect();
    let weather = tasks.spawn(weather::blow(Arc::clone(homes), random.next_u64()));
    let decay = tasks.spawn(decay::gnaw(Arc::clone(homes), homes.plan.seed ^ 0x6465_6361));
    let moves = tasks.spawn(moves::make(Arc::clone(homes), random.next_u64()));
    let settings = tasks.spawn(settings::change(Arc::clone(homes), bucket, homes.plan.seed ^ 0x7365_7474));
    let completion = tasks.spawn(completion::watch(Arc::clone(homes)));
    let webhook = tasks.spawn(events::listen(Arc::clone(homes), homes.plan.seed ^ 0x686f_6f6b));
    let watch = tasks.spawn(weather::watch(Arc::clone(homes)));
    let working = async {
        for client in clients {
            client.join().await;
        }
    };
    let ended = env::timeout(CLIENTS_MAX, working).await;
    homes.is_calm.store(true, Ordering::Relaxed);
    if ended.is_none() {
        return Err(Failure::new("liveness", "clients wait for ever"));
    }
    weather.join().await;
    moves.join().await;
    decay.join().await;
    settings.join().await;
    drop(watch);
    homes.stop_on_failure()?;
    homes.note("the weather is over");
    checks::linearizable::check(&homes.book().history)?;
    calm::settle(homes, bucket).await?;
    ballast::check(homes, ballast).await?;
    drop((completion, webhook));
    let book = homes.book();
    checks::linearizable::check(&book.history)?;
    checks::stamps::check(&book.history)
}
