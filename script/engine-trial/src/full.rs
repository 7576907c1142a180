//! A disk that fills up: the engine must say so, keep what it acknowledged, and go on once there
//! is room again, without a restart. Runs on a small ext4 image. Needs root.

use crate::power::{child, mounted};
use crate::shape::{bytes, mix, open_engine};
use bytes::Bytes;
use std::path::Path;
use std::process::Stdio;
use store::{Batch, Engine, EngineError, Space};

/// Room that is given back after the disk was full.
const BALLAST_BYTES: usize = 96 << 20;
const ROW_BYTES: usize = 4096;
const BATCH_ROWS: u64 = 64;

fn row(number: u64) -> ((Space, Vec<u8>), Bytes) {
    ((Space::Inline, mix(number).to_be_bytes().to_vec()), bytes(number, ROW_BYTES))
}

fn batch(number: u64) -> Batch {
    (number * BATCH_ROWS..(number + 1) * BATCH_ROWS)
        .map(|number| {
            let (place, value) = row(number);
            (place, Some(value))
        })
        .collect()
}

fn missing(engine: &dyn Engine, batches: u64) -> Result<u64, EngineError> {
    let snapshot = engine.snapshot()?;
    let mut missing = 0;
    for number in 0..batches * BATCH_ROWS {
        let ((space, key), value) = row(number);
        missing += u64::from(snapshot.get(space, &key)? != Some(value));
    }
    Ok(missing)
}

/// The child: prints `full_verdict` and why.
pub fn fill_up(engine: &str, folder: &Path) {
    let verdict = match run(engine, folder) {
        Ok(()) => "passes".to_owned(),
        Err(why) => why.replace('\n', " "),
    };
    println!("verdict {verdict}");
}

fn run(name: &str, folder: &Path) -> Result<(), String> {
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST_BYTES]).map_err(|error| error.to_string())?;
    let folder = folder.join("meta");
    let engine = open_engine(name, &folder).map_err(|error| format!("open: {error}"))?;
    let mut stored = 0;
    let full = loop {
        match engine.commit(&batch(stored)) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    if !matches!(full, EngineError::Full(_)) {
        return Err(format!("a full disk is reported as: {full}"));
    }
    std::fs::remove_file(&ballast).map_err(|error| error.to_string())?;
    engine.commit(&batch(stored)).map_err(|error| format!("no commit with room again: {error}"))?;
    stored += 1;
    check(missing(engine.as_ref(), stored), "before a restart")?;
    drop(engine);
    let engine = open_engine(name, &folder).map_err(|error| format!("open again: {error}"))?;
    check(missing(engine.as_ref(), stored), "after a restart")
}

fn check(missing: Result<u64, EngineError>, when: &str) -> Result<(), String> {
    match missing {
        Ok(0) => Ok(()),
        Ok(missing) => Err(format!("{missing} rows missing {when}")),
        Err(error) => Err(format!("{when}: {error}")),
    }
}

/// What the child found on a small image; `None` if this machine does not let us.
pub fn verdict(engine: &str, folder: &Path) -> Option<String> {
    mounted(folder, "512M", |mount| {
        let output = child("fill-up", engine, mount).stderr(Stdio::null()).output().ok()?;
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = output.lines().find_map(|line| line.strip_prefix("verdict ")).map(str::to_owned);
        Some(said.unwrap_or_else(|| "the process died".to_owned()))
    })
}
