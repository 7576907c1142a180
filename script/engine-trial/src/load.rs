//! Durable PUTs per second, bytes written per PUT, and reads.

use crate::shape::{Timed, bytes, mix, object_key, open_engine, put, store_over};
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::{Batch, Engine, Space};

const BODY_BYTES: usize = 4096;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Prints `puts_per_s` and `bytes_per_put`.
pub fn writes(engine: &str, folder: &Path, writers: u64, seconds: f64) {
    runtime().block_on(async {
        let timed = Arc::new(Timed::new(open_engine(engine, folder).expect("opens")));
        let store = store_over(Arc::clone(&timed) as Arc<dyn Engine>, folder).expect("opens");
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks: Vec<_> = (0..writers)
            .map(|_| {
                let (store, stop, next) = (store.clone(), Arc::clone(&stop), Arc::clone(&next));
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        put(&store, number, BODY_BYTES).await.expect("a PUT");
                    }
                })
            })
            .collect();
        // The first second fills caches and files.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (start, first, written) = (Instant::now(), next.load(Ordering::Relaxed), written_bytes());
        let commits = || (timed.commits.load(Ordering::Relaxed), timed.commit_us.load(Ordering::Relaxed));
        let (before, cpu) = (commits(), cpu_us());
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let puts = next.load(Ordering::Relaxed) - first;
        println!("puts_per_s {:.0}", puts as f64 / start.elapsed().as_secs_f64());
        let after = commits();
        println!("cpu_us_per_put {:.0}", (cpu_us() - cpu) / puts as f64);
        println!("puts_per_commit {:.1}", puts as f64 / (after.0 - before.0) as f64);
        println!("commit_ms {:.3}", (after.1 - before.1) as f64 / 1e3 / (after.0 - before.0) as f64);
        println!("bytes_per_put {:.0}", (written_bytes() - written) as f64 / puts as f64);
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.expect("a writer");
        }
    });
}

/// Processor time of this process so far, all threads. The kernel counts in hundredths of a second.
fn cpu_us() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // After the name in parentheses: user time is the 12th field, system time the 13th.
    let fields: Vec<&str> = text.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().expect("a number")).sum();
    ticks * 1e4
}

/// What this process sent to the disk so far.
fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").expect("Linux");
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.expect("write_bytes").trim().parse().expect("a number")
}

/// Fills the store with `rows` rows of 200 to 800 B, in an order that jumps around.
pub fn fill(engine: &str, folder: &Path, rows: u64) {
    let engine = open_engine(engine, folder).expect("opens");
    let mut number = 0;
    while number < rows {
        let end = rows.min(number + 2000);
        let row = |number: u64| {
            let length = 200 + (mix(number) % 601) as usize;
            ((Space::Object, object_key(number)), Some(bytes(number, length)))
        };
        engine.commit(&(number..end).map(row).collect::<Batch>()).expect("commits");
        number = end;
    }
}

/// Prints `get_us` and `scan_us` over a filled store.
pub fn reads(engine: &str, folder: &Path, rows: u64) {
    let engine = open_engine(engine, folder).expect("opens");
    let snapshot = engine.snapshot().expect("a snapshot");
    let gets = 200_000.min(rows);
    let get = |turn: u64| {
        let key = object_key(mix(turn) % rows);
        assert!(snapshot.get(Space::Object, &key).expect("reads").is_some());
    };
    (0..gets).for_each(get);
    let start = Instant::now();
    (0..gets).for_each(get);
    println!("get_us {:.2}", start.elapsed().as_secs_f64() * 1e6 / gets as f64);
    let mut seen = 0_u64;
    let mut scan = || {
        let mut visit = |_: &[u8], _: &[u8]| {
            seen += 1;
            ControlFlow::Continue(())
        };
        snapshot.scan(Space::Object, Bound::Unbounded, Bound::Unbounded, &mut visit).expect("scans");
    };
    scan();
    let start = Instant::now();
    scan();
    println!("scan_us {:.3}", start.elapsed().as_secs_f64() * 1e6 / rows as f64);
    assert_eq!(seen, 2 * rows);
    println!("disk_mb {:.0}", engine.disk_bytes().expect("a size") as f64 / 1e6);
}

/// Fills the store, says so, and waits to be killed.
pub fn fill_and_wait(engine: &str, folder: &Path, rows: u64) {
    fill(engine, folder, rows);
    let engine = open_engine(engine, folder).expect("opens");
    let value = Some(bytes(0, 40));
    engine.commit(&[((Space::Usage, vec![1]), value)].into_iter().collect::<Batch>()).expect("commits");
    println!("filled 1");
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// Prints how long opening takes until the first row is read.
pub fn open_once(engine: &str, folder: &Path) {
    let start = Instant::now();
    let engine = open_engine(engine, folder).expect("opens");
    let snapshot = engine.snapshot().expect("a snapshot");
    assert!(snapshot.get(Space::Object, &object_key(0)).expect("reads").is_some());
    println!("open_ms {:.0}", start.elapsed().as_secs_f64() * 1e3);
}
