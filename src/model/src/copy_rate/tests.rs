//! Pieces of known sizes, in virtual time.

use super::{CopyRate, PIECE_BYTES, State, measured::Measured};
use crate::tests::{Node, run};
use env::Clock;
use env::sim::SimClock;
use futures_util::future::join_all;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn rate_of(limit: Option<u64>) -> CopyRate {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(0));
    let measured = Measured::new(None);
    let state = State { limit, asked: 0, given: 0, at: Duration::ZERO, measured, filling: None };
    CopyRate { clock, state: Mutex::new(state) }
}

/// Takes so many pieces at once, each of which is on its way for so long; how long it took.
async fn take(rate: &CopyRate, pieces: usize, (bytes, each): (u64, Duration)) -> Duration {
    let begin = rate.clock.mono();
    join_all((0..pieces).map(|_| async {
        let mut room = rate.room().await;
        env::sleep(each).await;
        room.took(bytes);
    }))
    .await;
    rate.clock.mono() - begin
}

const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn without_a_limit_nobody_waits() {
    run(async {
        let rate = rate_of(None);
        assert_eq!(take(&rate, 100, (PIECE_BYTES, AT_ONCE)).await, Duration::ZERO);
    });
}

#[test]
fn with_one_what_comes_is_the_limit_and_one_piece() {
    run(async {
        let rate = rate_of(Some(PIECE_BYTES));
        assert_eq!(take(&rate, 11, (PIECE_BYTES, AT_ONCE)).await.as_secs(), 10);
        // Nobody saves up while nothing is copied: the last piece is paid for, and no more.
        env::sleep(Duration::from_secs(1000)).await;
        assert_eq!(take(&rate, 11, (PIECE_BYTES, AT_ONCE)).await.as_secs(), 10);
    });
}

#[test]
fn small_pieces_give_their_room_back_and_large_ones_pay_for_it() {
    run(async {
        let rate = rate_of(Some(PIECE_BYTES));
        for _ in 0..100 {
            take(&rate, 1, (PIECE_BYTES / 100, AT_ONCE)).await;
        }
        let took = rate.clock.mono().as_millis();
        assert!((900..=1100).contains(&took), "{took}");
        let begin = rate.clock.mono();
        take(&rate, 1, (3 * PIECE_BYTES, AT_ONCE)).await;
        take(&rate, 1, (PIECE_BYTES, AT_ONCE)).await;
        assert!((rate.clock.mono() - begin).as_millis() >= 2900);
    });
}

#[test]
fn who_gives_up_waiting_leaves_its_room_to_others() {
    run(async {
        let rate = rate_of(Some(PIECE_BYTES));
        let crowd = take(&rate, 1000, (PIECE_BYTES, AT_ONCE));
        assert!(env::timeout(Duration::from_secs(2), crowd).await.is_none());
        assert!(take(&rate, 2, (PIECE_BYTES, AT_ONCE)).await.as_secs() <= 2);
    });
}

#[test]
fn a_limit_that_is_raised_is_seen_by_those_who_wait() {
    run(async {
        let rate = rate_of(Some(PIECE_BYTES / 1000));
        let raise = async {
            env::sleep(Duration::from_secs(5)).await;
            rate.now().limit = None;
        };
        let (took, ()) = futures_util::future::join(take(&rate, 3, (PIECE_BYTES, AT_ONCE)), raise).await;
        assert!((5..=6).contains(&took.as_secs()), "{took:?}");
    });
}

#[test]
fn the_rate_that_was_reached_is_that_of_long_stretches() {
    run(async {
        let rate = rate_of(None);
        let reached = || rate.speed().reached;
        // A row now and then, for a day: nothing is known of the line.
        for _ in 0..20_000 {
            take(&rate, 1, (100, Duration::from_millis(50))).await;
            env::sleep(Duration::from_secs(4)).await;
        }
        assert_eq!(reached(), None);
        for _ in 0..20 {
            take(&rate, 4, (PIECE_BYTES, Duration::from_secs(1))).await;
        }
        let is_about = |pieces: u64| {
            let (rate, wanted) = (reached().unwrap(), pieces * PIECE_BYTES);
            assert!((wanted * 95 / 100..=wanted * 105 / 100).contains(&rate), "{rate} of {wanted}");
        };
        is_about(4);
        // The line is slower now: after two minutes nothing of the other time is left in it.
        for _ in 0..130 {
            take(&rate, 1, (PIECE_BYTES, Duration::from_secs(1))).await;
        }
        is_about(1);
        // It is known until something else is.
        env::sleep(Duration::from_secs(3600)).await;
        is_about(1);
    });
}

#[test]
fn what_comes_for_a_layout_version_is_counted() {
    run(async {
        let rate = rate_of(None);
        take(&rate, 1, (100, AT_ONCE)).await;
        assert_eq!(rate.speed().filling, None);
        rate.count_for(2);
        take(&rate, 2, (100, AT_ONCE)).await;
        rate.count_for(2);
        take(&rate, 1, (50, AT_ONCE)).await;
        assert_eq!(rate.speed().filling, Some((2, 250)));
        rate.count_for(3);
        assert_eq!(rate.speed().filling, Some((3, 0)));
    });
}

#[test]
fn limit_and_rate_are_kept_over_a_restart() {
    run(async {
        let node = Node::new().await;
        node.model.limit_copying(Some(1)).await.unwrap();
        assert_eq!(node.model.copy_speed().limit, Some(super::COPY_LIMIT_MIN));
        node.model.limit_copying(Some(5_000_000)).await.unwrap();
        node.model.copy_rate.now().measured = Measured::new(Some(7_000_000));
        node.model.keep_copy_speed().await;
        let again = CopyRate::open(&node.model.env().clock, &node.store).unwrap().speed();
        assert_eq!((again.limit, again.reached), (Some(5_000_000), Some(7_000_000)));
        node.model.limit_copying(None).await.unwrap();
        let again = CopyRate::open(&node.model.env().clock, &node.store).unwrap().speed();
        assert_eq!((again.limit, again.reached), (None, Some(7_000_000)));
    });
}
