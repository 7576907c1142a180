//! The simulator's own promises: the same seed gives the same bytes, and quiet seeds pass.

use crate::plan::{EngineChoice, Plan};
use crate::run::run;

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let mut engines = [0, 0];
    for seed in 0..24 {
        let plan = Plan::new(seed, 60);
        engines[usize::from(plan.engine == EngineChoice::Redb)] += 1;
        let first = run(&plan, false);
        assert_eq!(first, run(&plan, false), "seed {seed}");
        assert_eq!(first.failure, None, "seed {seed}");
    }
    assert!(engines.into_iter().all(|count| count > 0), "both engines: {engines:?}");
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(run(&Plan::new(1, 30), false).hash, run(&Plan::new(2, 30), false).hash);
}

#[test]
fn arguments_are_read_or_refused() {
    use crate::arguments::Arguments;
    let parse = |text: &str| Arguments::parse(text.split_whitespace().map(str::to_owned));
    let arguments = parse("--seed 0x71e --ops 7 --trace --without crash").expect("valid");
    assert_eq!((arguments.seed, arguments.ops, arguments.trace), (Some(0x71e), 7, true));
    assert_eq!(arguments.without, [crate::plan::Trouble::Crash]);
    for bad in ["--seeds", "--seeds x", "--without rain", "seeds"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
