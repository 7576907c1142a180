//! libFuzzer over every parser: one program, the target is chosen by the variable `FUZZ_TARGET`.
//!
//! Why one program: the crates under test are built and linked once. `script/fuzz/run` builds and drives it.

#![no_main]

/// The product's own source: the binary has no library to take it from.
#[allow(dead_code, unused_imports, reason = "the server reads more of a configuration than the target")]
#[path = "../../../src/garage/src/config/mod.rs"]
mod config;
mod targets;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

#[global_allocator]
static METER: targets::meter::Meter = targets::meter::Meter;

static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();

fn chosen() -> fn(&[u8]) {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    match targets::TARGETS.iter().find(|(name, _)| *name == wanted) {
        Some((_, check)) => *check,
        None => {
            let names: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            eprintln!("FUZZ_TARGET must be one of: {}", names.join(" "));
            std::process::exit(2);
        }
    }
}

fuzz_target!(|input: &[u8]| CHOSEN.get_or_init(chosen)(input));
