//! Times of other nodes: heard at once, durable before anything rests on them, and not believed when absurd.

use super::{Setup, run};
use crate::clock::AHEAD_MAX_MS;
use crate::{Intent, Store, StoreError};
use base::{Stamp, WallTime};
use env::Clock;
use env::sim::Keep;
use std::time::Duration;

/// What another node's clock shows that is so far ahead of ours.
fn ahead(setup: &Setup, by_ms: u64) -> Stamp {
    let wall = setup.world.clock.wall().millis() + by_ms;
    Stamp { time: wall << Stamp::COUNTER_BITS, node: 9 }
}

async fn stamp_of_commit(store: &Store) -> Stamp {
    store.commit(Intent::Grow, |txn| Ok::<_, StoreError>(txn.stamp())).await.unwrap()
}

#[test]
fn hearing_a_time_writes_nothing_and_all_later_stamps_lie_above_it() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let heard = ahead(&setup, 60_000);
        store.hear(heard).unwrap();
        assert_eq!((setup.commits(), store.latest().time), (0, heard.time));
        let in_a_commit = stamp_of_commit(&store).await;
        let alone = store.stamp().await.unwrap();
        assert!(heard < in_a_commit && in_a_commit < alone, "{heard:?}, {in_a_commit:?}, {alone:?}");
    });
}

#[test]
fn stamps_and_what_is_settled_stay_above_after_a_power_cut() {
    let ways: [(&str, u64); 3] = [("in a commit", 1), ("alone", 2), ("settled", 3)];
    for (way, number) in ways {
        let setup = Setup::new();
        let heard = ahead(&setup, 60_000 * number);
        let last = run(async {
            let store = setup.store();
            store.hear(heard).unwrap();
            match number {
                1 => stamp_of_commit(&store).await,
                2 => store.stamp().await.unwrap(),
                _ => store.settled().await.unwrap(),
            }
        });
        setup.world.disk.crash(Keep::Nothing);
        let next = run(async { setup.store().stamp().await.unwrap() });
        assert!(next.time > last.time && last.time >= heard.time, "{way}: {heard:?}, {last:?}, {next:?}");
    }
}

#[test]
fn what_is_settled_already_costs_no_flush() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        store.hear(ahead(&setup, 1000)).unwrap();
        store.settled().await.unwrap();
        let commits = setup.commits();
        assert_eq!(commits, 1);
        store.settled().await.unwrap();
        assert_eq!(setup.commits(), commits);
    });
}

#[test]
fn a_time_that_is_absurdly_far_ahead_is_refused_and_leaves_the_clock_alone() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        let before = store.latest();
        let max = Stamp { time: u64::MAX, node: 1 };
        for absurd in [ahead(&setup, AHEAD_MAX_MS + 1), max] {
            let refused = Err(StoreError::AheadOfClock(absurd.wall()));
            assert_eq!((store.hear(absurd), store.observe(absurd).await), (refused.clone(), refused));
        }
        assert_eq!(store.latest(), before);
        store.hear(ahead(&setup, AHEAD_MAX_MS)).unwrap();
        // Step by step nobody gets further: only real time counts.
        let further = ahead(&setup, AHEAD_MAX_MS + 1000);
        assert_eq!(store.hear(further), Err(StoreError::AheadOfClock(further.wall())));
        setup.world.clock.jump(1000);
        store.hear(further).unwrap();
    });
}

#[test]
fn a_node_that_starts_in_1970_goes_on_from_where_it_stopped() {
    let setup = Setup::new();
    let others = ahead(&setup, 0);
    run(async { setup.store().observe(others).await.unwrap() });
    setup.world.clock.jump(-i64::try_from(setup.world.clock.wall().millis()).unwrap());
    assert!(setup.world.clock.wall() < WallTime(1000));
    run(async {
        let store = setup.store();
        let later = |ms: u64| Stamp { time: others.time + (ms << Stamp::COUNTER_BITS), node: 9 };
        store.hear(later(AHEAD_MAX_MS / 2)).unwrap();
        let too_late = later(AHEAD_MAX_MS + 60_000);
        assert!(store.hear(too_late).is_err());
        env::sleep(Duration::from_secs(60)).await;
        store.hear(too_late).unwrap();
    });
}
