//! Replays the committed inputs of a target as an ordinary test: no libFuzzer, no flags, seconds. With the variable
//! `FUZZ_SECONDS` it goes on with changed inputs for as long, so that a target can be tried without libFuzzer too: it does
//! not see what it covers, so it finds less. An input that breaks a promise is left in the corpus as `crash-…`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the corpus lies in files, and time is real"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest input that is tried, as `script/fuzz/run` has it.
const LENGTH_MAX: usize = 4096;

/// Runs `check` over every input in `corpus/<target>`; names the one that fails.
pub fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs = Vec::new();
    for file in files {
        let path = file.expect("a readable folder").path();
        let input = std::fs::read(&path).expect("a readable file");
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(outcome.is_ok(), "the input {} breaks a promise of {target}", path.display());
        inputs.push(input);
    }
    assert!(!inputs.is_empty(), "{} has no input", folder.display());
    if let Ok(seconds) = std::env::var("FUZZ_SECONDS") {
        let seconds = seconds.parse().expect("FUZZ_SECONDS is a number");
        let tried = try_changed(target, (&inputs, &folder), check, Duration::from_secs(seconds));
        println!("{target}: {tried} changed inputs");
    }
}

/// Tries inputs that are made of others, for some time; how many.
fn try_changed(
    target: &str,
    (inputs, folder): (&[Vec<u8>], &PathBuf),
    check: fn(&[u8]),
    time: Duration,
) -> u64 {
    let (begin, mut tried) = (Instant::now(), 0);
    let mut dice =
        Dice(0x9e37_79b9_7f4a_7c15 ^ begin.elapsed().as_nanos() as u64 ^ u64::from(std::process::id()));
    while begin.elapsed() < time {
        let mut input = inputs[dice.below(inputs.len())].clone();
        for _ in 0..1 + dice.below(4) {
            dice.change(&mut input, &inputs[dice.0 as usize % inputs.len()]);
        }
        input.truncate(LENGTH_MAX);
        if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
            let path = folder.join(format!("crash-{:016x}", dice.next()));
            std::fs::write(&path, &input).expect("the corpus can be written");
            panic!("the input {} breaks a promise of {target}", path.display());
        }
        tried += 1;
    }
    tried
}

/// Numbers by xorshift.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// One change: a bit, a byte, a number, a piece left out, doubled, or taken from another input.
    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len());
        let end = (at + 1 + self.below(16)).min(input.len());
        let telling =
            [0, 1, 0x7f, 0x80, 0xc0, 0xc1, 0xd9, 0xdb, 0xdd, 0xdf, 0xff, b'"', b'{', b'[', b'0', b'-'];
        match self.below(8) {
            _ if input.is_empty() => input.push(self.next() as u8),
            0 => input[at] ^= 1 << self.below(8),
            1 => input[at] = self.next() as u8,
            2 => input[at] = telling[self.below(telling.len())],
            3 => drop(input.drain(at..end)),
            4 => input.insert(at, telling[self.below(telling.len())]),
            5 => {
                let piece = input[at..end].to_vec();
                drop(input.splice(at..at, piece));
            }
            6 => {
                let number = [0, 1, 0xff, u64::MAX, u64::MAX >> 1][self.below(5)].to_be_bytes();
                let width = (1 << self.below(4)).min(input.len() - at);
                input[at..at + width].copy_from_slice(&number[8 - width..]);
            }
            _ => {
                let from = self.below(other.len());
                let until = (from + 1 + self.below(64)).min(other.len());
                drop(input.splice(at..end, other[from..until].iter().copied()));
            }
        }
    }
}
