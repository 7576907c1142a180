//! The engine trial: sled, redb and fjall through the product's own committer, side by side.
//!
//! `cargo run --release --manifest-path script/engine-trial/Cargo.toml -- [--folder DIR]
//! [--rows N] [--seconds S] [--cuts N] [--engines NAME,NAME] [--parts rates,filled,cuts]` prints a markdown
//! table: rates of PUTs, a store of so many rows after a kill, power cuts. Each figure comes from a process
//! of its own. Flushes are slowed down by strace, which delays the return of fsync, fdatasync and
//! sync_file_range and leaves other calls alone. Whatever the machine does not allow says SKIP.

mod full;
mod load;
mod power;
mod shape;
mod sled_engine;

use shape::ENGINES;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PARTS: [&str; 3] = ["rates", "filled", "cuts"];

struct Options {
    folder: PathBuf,
    rows: u64,
    seconds: f64,
    cuts: u64,
    engines: Vec<String>,
    parts: Vec<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["child", mode, engine, folder, rest @ ..] => {
            child(
                mode,
                engine,
                Path::new(folder),
                rest.first().copied().unwrap_or("0"),
                rest.get(1).copied(),
            );
        }
        _ => trial(&options(&words)),
    }
}

fn options(words: &[&str]) -> Options {
    let mut options = Options {
        folder: std::env::temp_dir().join("engine-trial"),
        rows: 1_000_000,
        seconds: 5.0,
        cuts: 20,
        engines: ENGINES.map(str::to_owned).to_vec(),
        parts: PARTS.map(str::to_owned).to_vec(),
    };
    for pair in words.chunks(2) {
        match pair {
            ["--folder", value] => options.folder = value.into(),
            ["--rows", value] => options.rows = value.parse().expect("--rows takes a number"),
            ["--seconds", value] => options.seconds = value.parse().expect("--seconds takes a number"),
            ["--cuts", value] => options.cuts = value.parse().expect("--cuts takes a number"),
            ["--engines", names] => options.engines = chosen(names, &ENGINES),
            ["--parts", names] => options.parts = chosen(names, &PARTS),
            _ => panic!("unknown argument: {pair:?}"),
        }
    }
    options
}

/// Names between commas, each of which must be `known`.
fn chosen(names: &str, known: &[&str]) -> Vec<String> {
    let names: Vec<String> = names.split(',').map(str::to_owned).collect();
    assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}: known are {known:?}");
    names
}

fn child(mode: &str, engine: &str, folder: &Path, number: &str, seconds: Option<&str>) {
    let count = || number.parse().expect("a number");
    match mode {
        "writes" => {
            let seconds = seconds.and_then(|value| value.parse().ok()).unwrap_or(5.0);
            load::writes(engine, folder, count(), seconds);
        }
        "fill" => load::fill(engine, folder, count()),
        "reads" => load::reads(engine, folder, count()),
        "fill-and-wait" => load::fill_and_wait(engine, folder, count()),
        "open" => load::open_once(engine, folder),
        "fill-up" => full::fill_up(engine, folder),
        "write-and-tell" => power::write_and_tell(engine, folder),
        "check" => power::check(engine, folder),
        _ => panic!("unknown mode: {mode}"),
    }
}

/// The value after `name` in a child's output.
fn figure(output: &str, name: &str) -> Option<f64> {
    output.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Runs a child, under the program given if any.
fn figures(under: &[&str], arguments: &[&str], folder: &Path) -> Option<String> {
    let own = std::env::current_exe().expect("own path");
    let (mut words, own) = (under.to_vec(), own.to_str().expect("a path in UTF-8"));
    words.push(own);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["child", arguments[0], arguments[1]]).arg(folder).args(&arguments[2..]);
    let output = command.stderr(Stdio::inherit()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn fresh(options: &Options) -> PathBuf {
    let folder = options.folder.join("store");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn trial(options: &Options) {
    std::fs::create_dir_all(&options.folder).expect("a folder");
    let mut table: Vec<(String, Vec<String>)> = Vec::new();
    for engine in &options.engines {
        eprintln!("{engine}");
        let mut column = Vec::new();
        for part in &options.parts {
            match part.as_str() {
                "rates" => put_rates(options, engine, &mut column),
                "filled" => filled_store(options, engine, &mut column),
                _ => power_cuts(options, engine, &mut column),
            }
        }
        for (row, (name, value)) in column.into_iter().enumerate() {
            if table.len() == row {
                table.push((name, Vec::new()));
            }
            table[row].1.push(value);
        }
    }
    println!("| | {} |\n|---|{}", options.engines.join(" | "), "---|".repeat(options.engines.len()));
    for (name, values) in table {
        println!("| {name} | {} |", values.join(" | "));
    }
    let _ = std::fs::remove_dir_all(&options.folder);
}

type Column = Vec<(String, String)>;

fn add(column: &mut Column, name: &str, value: Option<String>) {
    let value = value.unwrap_or_else(|| "SKIP".to_owned());
    eprintln!("  {name}: {value}");
    column.push((name.to_owned(), value));
}

fn put_rates(options: &Options, engine: &str, column: &mut Column) {
    let seconds = options.seconds.to_string();
    let slow = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync,sync_file_range",
        "-e",
        "inject=fsync,fdatasync,sync_file_range:delay_exit=5000",
    ];
    for (under, label) in [(&[][..], ""), (&slow[..], ", each flush 5 ms slower")] {
        for writers in ["1", "16", "64"] {
            let output = figures(under, &["writes", engine, writers, &seconds], &fresh(options));
            let value = |name: &str| output.as_deref().and_then(|output| figure(output, name));
            add(
                column,
                &format!("PUT 4 KiB/s, {writers} writers{label}"),
                value("puts_per_s").map(|v| format!("{v:.0}")),
            );
            if under.is_empty() {
                let more = |column: &mut Column, label: &str, name: &str, scale: f64| {
                    let text = value(name).map(|figure| format!("{:.1}", figure * scale));
                    add(column, &format!("{label}, {writers} writers"), text);
                };
                more(column, "kB written per PUT", "bytes_per_put", 1e-3);
                more(column, "PUTs per commit", "puts_per_commit", 1.0);
                more(column, "ms per commit", "commit_ms", 1.0);
                more(column, "processor time per PUT, µs", "cpu_us_per_put", 1.0);
            }
        }
    }
}

fn filled_store(options: &Options, engine: &str, column: &mut Column) {
    let (folder, rows) = (fresh(options), options.rows.to_string());
    let is_filled = kill_after_filling(engine, &folder, &rows).is_some();
    let has_cold_cache = is_filled && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    let open = || figures(&[], &["open", engine], &folder).and_then(|output| figure(&output, "open_ms"));
    let cold = if has_cold_cache { open() } else { None };
    add(
        column,
        &format!("open after kill -9, {rows} rows, cold cache, ms"),
        cold.map(|ms| format!("{ms:.0}")),
    );
    let reads = figures(&[], &["reads", engine, &rows], &folder);
    let value = |name: &str| reads.as_deref().and_then(|output| figure(output, name));
    add(column, "warm point read, µs", value("get_us").map(|us| format!("{us:.2}")));
    add(column, "scan, µs per row", value("scan_us").map(|us| format!("{us:.3}")));
    add(column, "on disk, MB", value("disk_mb").map(|mb| format!("{mb:.0}")));
    add(column, "open after a clean end, ms", open().map(|ms| format!("{ms:.0}")));
}

fn kill_after_filling(engine: &str, folder: &Path, rows: &str) -> Option<()> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.args(["child", "fill-and-wait", engine]).arg(folder).arg(rows).stdout(Stdio::piped());
    let mut filler = command.spawn().ok()?;
    let first = BufReader::new(filler.stdout.take()?).lines().next()?.ok()?;
    let _ = filler.kill();
    let _ = filler.wait();
    (first == "filled 1").then_some(())
}

fn power_cuts(options: &Options, engine: &str, column: &mut Column) {
    add(column, "full disk, then room again", full::verdict(engine, &options.folder));
    let losses = power::cuts(engine, &options.folder, options.cuts);
    let value = |text: fn(&power::Losses) -> String| losses.as_ref().map(text);
    add(
        column,
        "power cuts / PUTs acknowledged before them",
        value(|l| format!("{} / {}", l.rounds, l.acknowledged)),
    );
    add(column, "acknowledged PUTs lost", value(|l| l.lost.to_string()));
    add(column, "PUTs half there", value(|l| l.torn.to_string()));
    add(column, "stores that do not open", value(|l| l.refused.to_string()));
}
