//! Runs seeds, on all cores, and prints how to replay those that fail.
//!
//! This program stands outside of the simulated world: it may ask the machine for the time and
//! for threads.
#![allow(clippy::disallowed_methods)]

use sim::arguments::{Arguments, parse_number};
use sim::checks::Failure;
use sim::cluster::{self, ClusterPlan};
use sim::plan::Plan;
use sim::run::{self, Report};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Seeds that once failed.
const KNOWN_SEEDS: &str = include_str!("seeds.txt");
/// One in this many seeds runs twice, and both runs must be equal.
const TWICE_EVERY: u64 = 100;

/// A seed and how many operations it runs.
type Wanted = (u64, usize);

/// What all threads add to.
#[derive(Default)]
struct Totals {
    counts: BTreeMap<&'static str, u64>,
    failed: Vec<Wanted>,
    run: u64,
    repeated: u64,
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(filter) = &arguments.log {
        let log =
            tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stdout);
        log.init();
    }
    let wanted: Vec<Wanted> = match arguments.seed {
        Some(seed) => vec![(seed, arguments.ops)],
        None => {
            let end = arguments.first_seed.saturating_add(arguments.seeds);
            known_seeds(arguments.cluster)
                .filter(|_| !arguments.only_new)
                .chain((arguments.first_seed..end).map(|seed| (seed, arguments.ops)))
                .collect()
        }
    };
    let start = Instant::now();
    let totals = run_all(&arguments, &wanted);
    print_totals(&totals, start.elapsed().as_secs_f64());
    if totals.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn known_seeds(of_clusters: bool) -> impl Iterator<Item = Wanted> {
    KNOWN_SEEDS.lines().filter_map(move |line| {
        let line = line.split('#').next()?.trim();
        let of_cluster = line.strip_prefix("cluster ");
        if of_cluster.is_some() != of_clusters {
            return None;
        }
        let mut words = of_cluster.unwrap_or(line).split_whitespace();
        Some((parse_number(words.next()?)?, parse_number(words.next()?)? as usize))
    })
}

fn run_all(arguments: &Arguments, wanted: &[Wanted]) -> Totals {
    let totals = Mutex::new(Totals::default());
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(seed, ops)) = wanted.get(number as usize) else { break };
            let twice = number.is_multiple_of(TWICE_EVERY) && wanted.len() > 1;
            let report = run_seed(arguments, (seed, ops), twice);
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.run += 1;
            totals.repeated += u64::from(twice);
            for (what, count) in &report.counts {
                *totals.counts.entry(what).or_default() += count;
            }
            if let Some(failure) = &report.failure {
                print_failure(arguments, (seed, ops), failure);
                totals.failed.push((seed, ops));
                stop.fetch_or(arguments.stop_at_first, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..arguments.threads {
            scope.spawn(work);
        }
        work();
    });
    totals.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What a seed decides: about a node, or about a cluster.
enum AnyPlan {
    Node(Plan),
    Cluster(ClusterPlan),
}

impl AnyPlan {
    fn of(arguments: &Arguments, (seed, ops): Wanted) -> Self {
        let mut plan = match arguments.cluster {
            true => Self::Cluster(ClusterPlan::new(seed, ops)),
            false => Self::Node(Plan::new(seed, ops)),
        };
        let (Self::Node(Plan { troubles, .. }) | Self::Cluster(ClusterPlan { troubles, .. })) = &mut plan;
        troubles.retain(|trouble| !arguments.without.contains(trouble));
        plan
    }

    fn run(&self, prints: bool) -> Report {
        match self {
            Self::Node(plan) => run::run(plan, prints),
            Self::Cluster(plan) => cluster::run(plan, prints),
        }
    }
}

impl fmt::Display for AnyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(plan) => plan.fmt(f),
            Self::Cluster(plan) => plan.fmt(f),
        }
    }
}

fn run_seed(arguments: &Arguments, wanted: Wanted, twice: bool) -> Report {
    let plan = AnyPlan::of(arguments, wanted);
    let once = |prints| {
        catch_unwind(AssertUnwindSafe(|| plan.run(prints))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let failure = Failure::new("no panics", text.unwrap_or_default());
            Report { failure: Some(failure), hash: 0, counts: BTreeMap::new() }
        })
    };
    let mut report = once(arguments.trace);
    if twice {
        let again = once(false);
        if again.hash != report.hash && report.failure.is_none() {
            let detail = format!("two runs gave {:016x} and {:016x}", report.hash, again.hash);
            report.failure = Some(Failure::new("same seed, same bytes", detail));
        }
    }
    report
}

fn print_failure(arguments: &Arguments, (seed, ops): Wanted, failure: &Failure) {
    println!("FAILED {}: {}", failure.property, failure.detail);
    println!("  {}", AnyPlan::of(arguments, (seed, ops)));
    let cluster = if arguments.cluster { "--cluster " } else { "" };
    println!("  replay: script/sim {cluster}--seed 0x{seed:x} --ops {ops} --trace");
}

fn print_totals(totals: &Totals, seconds: f64) {
    for (what, count) in &totals.counts {
        println!("{count:>10}  {what}");
    }
    println!(
        "{} seeds in {seconds:.1} s, {} of them run twice; {} failed",
        totals.run,
        totals.repeated,
        totals.failed.len()
    );
}
