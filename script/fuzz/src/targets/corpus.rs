//! Replays the committed inputs of a target as an ordinary test: no libFuzzer, no flags, seconds.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the corpus lies in files")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs `check` over every input in `corpus/<target>`; names the one that fails.
pub fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut replayed = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        let input = std::fs::read(&path).expect("a readable file");
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(outcome.is_ok(), "the input {} breaks a promise of {target}", path.display());
        replayed += 1;
    }
    assert!(replayed > 0, "{} has no input", folder.display());
}
