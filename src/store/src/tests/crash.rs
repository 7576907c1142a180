//! Power cuts: the store on redb on a simulated disk, cut off at every single effect.
//!
//! After each cut the store must open, and show the changes of all acknowledged transactions and,
//! of those under way, a first part: transactions whole, in the order they were handed in.

use super::{Note, Random, open_store, run};
use crate::engine::{EngineKind, open};
use crate::{Engine, Intent, Read, Space, Store, StoreError, Txn};
use bytes::Bytes;
use env::Env;
use env::sim::{Keep, SimOptions, SimWorld};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

type Model = BTreeMap<(Space, Vec<u8>), Bytes>;

/// The keyspaces that the transactions of this suite change.
const SPACES: [Space; 3] = [Space::Object, Space::Inline, Space::Usage];

/// A row change: `None` deletes.
type Change = (Space, Vec<u8>, Option<Bytes>);

/// What the `number`-th transaction does: some rows of its own, one that all replace, and the
/// removal of an older one.
fn changes(seed: u64, number: u32) -> Vec<Change> {
    let mut random = Random(seed ^ (u64::from(number) << 32));
    let key = |number: u32, part: u8| [&number.to_be_bytes()[..], &[part]].concat();
    let mut changes = Vec::new();
    for part in 0..=random.below(4) as u8 {
        let value = Bytes::from(vec![number as u8 ^ part; random.below(6000)]);
        changes.push((SPACES[random.below(2)], key(number, part), Some(value)));
    }
    changes.push((Space::Usage, b"all".to_vec(), Some(number.to_be_bytes().to_vec().into())));
    if number.is_multiple_of(3) && number > 4 {
        changes.extend(SPACES.map(|space| (space, key(number - 4, 0), None)));
    }
    changes
}

fn apply(txn: &mut Txn<'_>, changes: Vec<Change>) -> Result<(), StoreError> {
    for (space, key, change) in changes {
        match change {
            Some(value) => txn.put_bytes(space, key, value),
            None => txn.delete(space, key),
        }
    }
    Ok(())
}

fn model_after(seed: u64, transactions: u32) -> Model {
    let mut model = Model::new();
    for number in 0..transactions {
        for (space, key, change) in changes(seed, number) {
            match change {
                Some(value) => model.insert((space, key), value),
                None => model.remove(&(space, key)),
            };
        }
    }
    model
}

fn rows(store: &Store) -> Result<Model, StoreError> {
    let view = store.view()?;
    let mut rows = Model::new();
    for space in SPACES {
        view.scan(space, Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
            rows.insert((space, key.to_vec()), Bytes::copy_from_slice(value));
            ControlFlow::Continue(())
        })?;
    }
    Ok(rows)
}

/// How a history goes.
#[derive(Debug, Clone, Copy)]
struct Script {
    seed: u64,
    transactions: u32,
    /// Transactions handed in together.
    at_once: u32,
}

/// A history over several lives of a node.
struct History {
    script: Script,
    world: SimWorld,
    /// One for all lives, since virtual time belongs to the runtime.
    runtime: Option<Runtime>,
    /// Transactions whose success was reported, all of them durable.
    acknowledged: u32,
    /// Transactions handed in.
    started: u32,
}

impl History {
    fn new(script: Script) -> Self {
        let world = SimWorld::new(script.seed, &SimOptions::default());
        Self { script, world, runtime: Some(super::runtime()), acknowledged: 0, started: 0 }
    }

    fn engine(env: &Env) -> Result<Arc<dyn Engine>, StoreError> {
        open(EngineKind::Redb, env, Path::new("/meta")).map_err(|error| StoreError::Read(error.to_string()))
    }

    /// One life: opens the store, checks what is there, and works until the end or a cut.
    fn live(&mut self) {
        let runtime = self.runtime.take().unwrap();
        runtime.block_on(async {
            self.work().await;
            // The committer ends, and drops the engine, when it finds the store gone.
            tokio::task::yield_now().await;
        });
        self.runtime = Some(runtime);
    }

    async fn work(&mut self) {
        let env = self.world.env();
        let store = Self::engine(&env).and_then(|engine| open_store(&env, engine));
        let store = match store {
            Ok(store) => store,
            Err(error) => return self.expect_cut(&error),
        };
        match rows(&store) {
            Ok(rows) => self.check(&rows),
            Err(error) => return self.expect_cut(&error),
        }
        while self.started < self.script.transactions {
            let end = self.script.transactions.min(self.started + self.script.at_once);
            let group = (self.started..end).map(|number| {
                let changes = changes(self.script.seed, number);
                store.commit(Intent::Grow, move |txn| {
                    txn.stamp();
                    apply(txn, changes)
                })
            });
            self.started = end;
            for result in futures_util::future::join_all(group).await {
                match result {
                    Ok(()) => self.acknowledged += 1,
                    Err(error) => return self.expect_cut(&error),
                }
            }
        }
    }

    fn expect_cut(&self, error: &StoreError) {
        assert!(self.world.disk.has_crashed(), "{:?}: {error}", self.script);
    }

    /// Takes what is there as the truth, if it may be.
    fn check(&mut self, rows: &Model) {
        let possible = self.acknowledged..=self.started;
        let found = possible.clone().find(|count| *rows == model_after(self.script.seed, *count));
        let found = found.unwrap_or_else(|| {
            panic!("{:?}: not the state after any of {possible:?} transactions", self.script)
        });
        self.acknowledged = found;
        self.started = found;
    }
}

/// How many effects the script takes without a cut.
fn effects_of(script: Script) -> u64 {
    let mut history = History::new(script);
    history.live();
    assert_eq!(history.acknowledged, script.transactions);
    history.world.disk.effects()
}

#[test]
fn a_cut_at_any_effect_loses_nothing_acknowledged() {
    let script = Script { seed: 11, transactions: 7, at_once: 1 };
    let effects = effects_of(script);
    assert!(effects > 50, "the script is long enough to mean something: {effects}");
    for at in 1..=effects {
        for keep in [Keep::Nothing, Keep::Everything, Keep::Some, Keep::Some] {
            let mut history = History::new(script);
            history.world.disk.crash_at_effect(at);
            history.live();
            history.world.disk.crash(keep);
            history.live();
            assert_eq!(history.acknowledged, script.transactions, "cut at {at}, {keep:?}");
        }
    }
}

#[test]
fn random_histories_with_many_cuts_lose_nothing_acknowledged() {
    for seed in 100..140 {
        let mut random = Random(seed);
        let script = Script { seed, transactions: 60, at_once: 1 + random.below(8) as u32 };
        let mut history = History::new(script);
        for _ in 0..8 {
            let at = history.world.disk.effects() + 1 + random.below(60) as u64;
            history.world.disk.crash_at_effect(at);
            history.live();
            let keep = [Keep::Some, Keep::Some, Keep::Nothing, Keep::Everything][random.below(4)];
            history.world.disk.crash(keep);
        }
        history.live();
        assert_eq!(history.acknowledged, script.transactions);
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let trace = || {
        let mut history = History::new(Script { seed: 5, transactions: 20, at_once: 3 });
        history.world.disk.crash_at_effect(70);
        history.live();
        history.world.disk.crash(Keep::Some);
        let after_cut = history.world.disk.content_digest();
        history.live();
        (after_cut, history.world.disk.content_digest(), history.world.disk.effects())
    };
    assert_eq!(trace(), trace());
}

#[test]
fn the_clock_mark_survives_every_cut() {
    for seed in 0..30 {
        let world = SimWorld::new(seed, &SimOptions::default());
        let mut last = base::Stamp::ZERO;
        for _ in 0..4 {
            let env = world.env();
            run(async {
                let store = open_store(&env, History::engine(&env).unwrap()).unwrap();
                world.disk.crash_at_effect(world.disk.effects() + 30);
                loop {
                    let stamped = store.commit(Intent::Grow, |txn| {
                        let note = Note { text: String::new(), number: 1 };
                        txn.put(Space::Setting, b"n".to_vec(), &note);
                        Ok::<_, StoreError>(txn.stamp())
                    });
                    let Ok(stamp) = stamped.await else { break };
                    assert!(stamp > last);
                    last = stamp;
                }
            });
            world.disk.crash(Keep::Some);
            world.clock.jump(-60_000);
        }
        assert!(last > base::Stamp::ZERO);
    }
}
