//! The power goes at every effect of a first start and of a layout change.

use super::{options, role};
use crate::layout::Moment;
use crate::{ChangeError, ClusterState, Layout, LayoutError};
use env::sim::{Keep, SimOptions, SimWorld};
use std::path::Path;
use std::sync::Arc;

/// What each cut leaves of the changes that were not flushed; `Some` is drawn from the seed.
const KEEPS: [Keep; 3] = [Keep::Nothing, Keep::Everything, Keep::Some];
/// Seeds for the draws of `Keep::Some`.
const SEEDS: u64 = 4;

fn world(seed: u64) -> SimWorld {
    let world = SimWorld::new(seed, &SimOptions::default());
    world.env().disk.create_dir_all(Path::new("/meta")).unwrap();
    world
}

fn open(world: &SimWorld) -> Result<Arc<ClusterState>, crate::ClusterError> {
    ClusterState::open(&world.env(), options(Path::new("/meta")))
}

fn opened(world: &SimWorld, when: &str) -> Arc<ClusterState> {
    open(world).unwrap_or_else(|error| panic!("{when}: {error}"))
}

fn rename(layout: &Layout, moment: &Moment) -> Result<Layout, LayoutError> {
    let node = *layout.current().roles.keys().next().expect("one node");
    layout.assign(node, role("cellar"), moment)?.apply(2, moment)
}

#[test]
fn a_first_start_cut_anywhere_can_be_started_again() {
    let whole = world(0);
    let begin = whole.disk.effects();
    opened(&whole, "whole");
    let end = whole.disk.effects();
    assert!(end - begin > 12, "three files are written: {begin} to {end}");
    for (seed, keep) in (0..SEEDS).flat_map(|seed| KEEPS.map(|keep| (seed, keep))) {
        for cut in begin + 1..=end {
            let when = format!("seed {seed} {keep:?} effect {cut}");
            let world = world(seed);
            world.disk.crash_at_effect(cut);
            assert!(open(&world).is_err(), "{when}");
            world.disk.crash(keep);
            let state = opened(&world, &when);
            world.disk.crash(Keep::Nothing);
            let again = opened(&world, &when);
            assert_eq!(again.id(), state.id(), "{when}");
            assert_eq!(again.secret(), state.secret(), "{when}");
            assert_eq!(again.layout(), state.layout(), "{when}");
        }
    }
}

#[test]
fn a_layout_change_cut_anywhere_leaves_the_old_or_the_new() {
    let whole = world(0);
    let state = opened(&whole, "whole");
    let begin = whole.disk.effects();
    state.change_layout(rename).unwrap();
    let end = whole.disk.effects();
    assert!(end - begin > 8, "two files are replaced: {begin} to {end}");
    let (mut old_seen, mut new_seen) = (0, 0);
    for (seed, keep) in (0..SEEDS).flat_map(|seed| KEEPS.map(|keep| (seed, keep))) {
        for cut in begin + 1..=end {
            let when = format!("seed {seed} {keep:?} effect {cut}");
            let world = world(seed);
            let state = opened(&world, &when);
            let old = state.layout();
            world.disk.crash_at_effect(cut);
            assert!(matches!(state.change_layout(rename), Err(ChangeError::NotStored(_))), "{when}");
            assert_eq!(state.layout(), old, "{when}: an unstored layout is never in force");
            world.disk.crash(keep);
            let found = opened(&world, &when).layout();
            let is_new = found.current().number == 2 && found.staged().is_empty();
            assert!(found == old || is_new, "{when}");
            old_seen += usize::from(found == old);
            new_seen += usize::from(is_new);
        }
    }
    assert!(old_seen > 0 && new_seen > 0, "both outcomes happen: {old_seen} {new_seen}");
}

#[test]
fn an_answered_layout_change_survives() {
    for seed in 0..SEEDS {
        let world = world(seed);
        let new = opened(&world, "first").change_layout(rename).unwrap();
        world.disk.crash(Keep::Nothing);
        assert_eq!(opened(&world, "second").layout(), new);
    }
}
