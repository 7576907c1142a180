//! Events of one home that another one holds: until they are told, through silence, returns and losses.

use super::events::{HOOK, draft};
use super::homes::Homes;
use super::run;
use super::sync::{BUCKET, with_bucket};
use crate::events::{Announced, EventKind, Outcome};
use crate::{Model, ModelError};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Space};

/// Longer than a home may be away before others stand in for it.
const LONG: Duration = Duration::from_secs(660);
/// Longer than a few looks of the keeper.
const SOON: Duration = Duration::from_secs(20);

async fn three_homes() -> Homes {
    let homes = Homes::new(3, 3).await;
    with_bucket(&homes).await;
    homes
}

async fn announce(model: &Arc<Model>, key: &str) -> Announced {
    let draft = draft(BUCKET, EventKind::Put, key, b"x");
    model.announce(vec![draft], Intent::Grow).await.unwrap().remove(0)
}

/// Puts an object as a request does, and tells whether it is acknowledged.
async fn put(homes: &Homes, number: usize, key: &str) -> Result<(), ModelError> {
    let announced = announce(homes.model(number), key).await;
    homes.node(number).put(BUCKET, key, &[b"x"]).await;
    announced.happened(Outcome::default()).await
}

/// Keys of which a home has events on their way.
fn waiting(homes: &Homes, number: usize) -> Vec<String> {
    let waiting = homes.model(number).waiting_events(HOOK, 10_000, usize::MAX).unwrap();
    waiting.into_iter().map(|one| one.row.event.key).collect()
}

fn held(homes: &Homes) -> Vec<usize> {
    homes.running().into_iter().map(|number| homes.node(number).records(Space::EventHeld)).collect()
}

async fn tell_all(homes: &Homes, number: usize) {
    let told = homes.model(number).waiting_events(HOOK, 10_000, usize::MAX).unwrap();
    homes.model(number).delivered(HOOK, &told).await.unwrap();
}

async fn keep(homes: &Homes, how_long: Duration) {
    let running = homes.running();
    let keepers: Vec<_> = running.iter().map(|number| homes.model(*number).spawn_event_keeper()).collect();
    env::sleep(how_long).await;
    drop(keepers);
}

#[test]
fn another_home_holds_an_event_until_it_is_told() {
    run(async {
        let homes = three_homes().await;
        put(&homes, 0, "k").await.unwrap();
        assert_eq!(held(&homes).iter().sum::<usize>(), 1, "when it is acknowledged");
        keep(&homes, SOON).await;
        assert_eq!((waiting(&homes, 0), held(&homes).iter().sum()), (vec!["k".to_owned()], 1));
        tell_all(&homes, 0).await;
        keep(&homes, SOON).await;
        assert_eq!(held(&homes), [0, 0, 0]);
        announce(homes.model(0), "refused").await.refused();
        env::sleep(SOON).await;
        keep(&homes, SOON).await;
        assert_eq!(
            (waiting(&homes, 0), held(&homes)),
            (Vec::new(), vec![0, 0, 0]),
            "of a refusal nothing stays"
        );
    });
}

#[test]
fn what_a_home_does_not_tell_for_long_another_one_tells() {
    run(async {
        let mut homes = three_homes().await;
        put(&homes, 0, "settled").await.unwrap();
        // Its home goes before it is settled; nothing was put.
        drop(announce(homes.model(0), "in doubt").await);
        env::sleep(SOON).await;
        homes.stop(0).await;
        keep(&homes, SOON).await;
        assert_eq!((waiting(&homes, 1), waiting(&homes, 2)), (Vec::new(), Vec::new()), "it may come back");
        keep(&homes, LONG).await;
        let told = [waiting(&homes, 1), waiting(&homes, 2)].concat();
        assert_eq!(
            told,
            ["settled", "in doubt"].map(str::to_owned),
            "once each, and nothing says that it did not happen"
        );
        assert_eq!(
            held(&homes).iter().sum::<usize>(),
            2,
            "the one that is left holds them for the one that tells"
        );
    });
}

#[test]
fn events_are_held_by_whoever_is_there() {
    run(async {
        let mut homes = three_homes().await;
        put(&homes, 0, "first").await.unwrap();
        let steady = (1..3).find(|number| homes.node(*number).records(Space::EventHeld) == 1).unwrap();
        let other = 3 - steady;
        homes.stop(steady).await;
        put(&homes, 0, "second").await.unwrap();
        assert_eq!(homes.node(other).records(Space::EventHeld), 1);
        homes.start(steady).await;
        keep(&homes, SOON).await;
        assert_eq!(homes.node(steady).records(Space::EventHeld), 2, "it was sent what it missed");
        homes.stop(steady).await;
        keep(&homes, LONG).await;
        assert_eq!(homes.node(other).records(Space::EventHeld), 2, "one that is away for long is replaced");
        homes.stop(other).await;
        let refused =
            homes.model(0).announce(vec![draft(BUCKET, EventKind::Put, "k", b"x")], Intent::Grow).await;
        assert!(matches!(refused, Err(ModelError::Unavailable)), "nobody would hold it");
    });
}

#[test]
fn many_events_are_held_and_dropped_page_by_page() {
    run(async {
        let homes = three_homes().await;
        for _ in 0..2 {
            let drafts = (0..700).map(|key| draft(BUCKET, EventKind::Put, &key.to_string(), b"x")).collect();
            for announced in homes.model(0).announce(drafts, Intent::Grow).await.unwrap() {
                announced.happened(Outcome::default()).await.unwrap();
            }
        }
        env::sleep(SOON).await;
        assert_eq!((waiting(&homes, 0).len(), held(&homes).iter().sum()), (1400, 1400));
        tell_all(&homes, 0).await;
        keep(&homes, SOON).await;
        assert_eq!(held(&homes), [0, 0, 0]);
    });
}
