//! Looking for the files of what passes have copied: few looks, each for all arcs that are ready.
//!
//! Why: a look goes through the whole queue of blocks, which has a million entries after a large delete, and there are as
//! many passes as groups of arcs. What always holds: an arc is looked at after its pass has ended, once, and looks take at
//! most a tenth of the time, but for the last one.

use cluster::layout::ArcSet;
use env::{Changes, Clock};
use futures_util::{Stream, StreamExt};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many times as long as a look took passes gather arcs for the next one.
const GATHER_FACTOR: u32 = 9;
/// But no longer than this: a look that fetched what was missing takes long, and how far the copying is stands still meanwhile.
const GATHER_MAX: Duration = Duration::from_secs(30);

/// What the passes have copied since the last look, and whether all of them have ended.
#[derive(Default)]
struct Gathered {
    arcs: ArcSet,
    is_all: bool,
}

impl Gathered {
    fn take(&mut self) -> (ArcSet, bool) {
        (std::mem::replace(&mut self.arcs, ArcSet::EMPTY), self.is_all)
    }
}

/// Has `look` judge what the passes copy, and tells what it found good.
pub(super) async fn look_together<F: Future<Output = ArcSet>>(
    clock: &dyn Clock,
    passes: impl Stream<Item = ArcSet>,
    look: impl Fn(ArcSet) -> F,
    mut found: impl FnMut(ArcSet),
) {
    let (gathered, news) = (Mutex::new(Gathered::default()), Changes::default());
    let mut watcher = news.watch();
    let open = || gathered.lock().unwrap_or_else(PoisonError::into_inner);
    let gather = async {
        let mut passes = pin!(passes);
        while let Some(copied) = passes.next().await {
            let arcs = open().arcs.union(&copied);
            open().arcs = arcs;
            news.note();
        }
        open().is_all = true;
        news.note();
    };
    let looks = async {
        loop {
            let (arcs, is_all) = open().take();
            if arcs.is_empty() && is_all {
                return;
            }
            if arcs.is_empty() {
                watcher.changed().await;
                continue;
            }
            let begin = clock.mono();
            found(look(arcs).await);
            let rest = (clock.mono().saturating_sub(begin) * GATHER_FACTOR).min(GATHER_MAX);
            let all_ended = async {
                while !open().is_all {
                    watcher.changed().await;
                }
            };
            let _ = env::timeout(rest, all_ended).await;
        }
    };
    futures_util::future::join(gather, looks).await;
}

#[cfg(test)]
mod tests {
    use super::look_together;
    use crate::tests::run;
    use cluster::layout::ArcSet;
    use env::Clock;
    use env::sim::SimClock;
    use futures_util::stream;
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    /// Passes over two arcs each, one of which ends every so often; how many looks of a second each they cost.
    async fn looks(passes: u16, every: Duration) -> u32 {
        let clock = SimClock::new(0);
        let (ended, count) = (RefCell::new(ArcSet::EMPTY), Cell::new(0));
        let passes_end = stream::unfold(0, |pass| async move {
            env::sleep(every).await;
            (pass < passes).then(|| (ArcSet::of(|arc| arc / 2 == pass), pass + 1))
        });
        let passes_end = futures_util::StreamExt::inspect(passes_end, |arcs| {
            let both = ended.borrow().union(arcs);
            ended.replace(both);
        });
        let look = |arcs: ArcSet| {
            assert!(arcs.without(&ended.borrow()).is_empty(), "looked at before it was copied");
            count.set(count.get() + 1);
            async move {
                env::sleep(Duration::from_secs(1)).await;
                // One arc lacks something.
                ArcSet::of(|arc| arcs.contains(arc) && arc != 3)
            }
        };
        let mut good = ArcSet::EMPTY;
        let begin = clock.mono();
        look_together(&clock, passes_end, look, |arcs| {
            assert_eq!(good.without(&arcs), good, "twice");
            good = good.union(&arcs);
        })
        .await;
        assert_eq!(good, ArcSet::of(|arc| arc < 2 * passes && arc != 3));
        let took = clock.mono() - begin;
        assert!(took <= every * u32::from(passes + 1) + Duration::from_secs(2), "{took:?}");
        count.get()
    }

    #[test]
    fn a_slow_look_is_for_many_passes_and_holds_none_of_them_up() {
        run(async {
            assert!(looks(64, Duration::from_millis(100)).await <= 3);
            assert!(looks(400, Duration::from_millis(100)).await <= 6);
            assert_eq!(looks(4, Duration::from_secs(60)).await, 4, "what is ready is not held back");
            assert_eq!(looks(0, Duration::from_secs(1)).await, 0);
        });
    }
}
