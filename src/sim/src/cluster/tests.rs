//! The cluster simulator's own promises: the same seed gives the same bytes, and seeds pass.

use super::{ClusterPlan, run};

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..6 {
        let plan = ClusterPlan::new(seed, 40);
        let first = run(&plan, false);
        assert_eq!(first, run(&plan, false), "seed {seed}");
        assert_eq!(first.failure, None, "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(run(&ClusterPlan::new(1, 20), false).hash, run(&ClusterPlan::new(2, 20), false).hash);
}
