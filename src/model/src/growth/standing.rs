//! This node's standing, in memory and in its store, in step.

use super::is_concerned;
use crate::rows::standing::{STANDING_KEY, Standing};
use crate::{Model, ModelError};
use cluster::layout::Count;
use env::{Env, MonoTime};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Intent, Read, Space, Txn};

/// What the task that follows the layout knows.
pub(crate) struct Growth {
    /// When this process opened the store.
    pub(super) opened: MonoTime,
    /// Names this process.
    process: Count,
    standing: Mutex<Arc<Standing>>,
}

impl Growth {
    /// Of a process that opens its store now.
    pub(crate) fn new(env: &Env) -> Self {
        let process = Count { number: 0, mark: env::random_u64(env.rng.as_ref()) };
        Self { opened: env.clock.mono(), process, standing: Mutex::default() }
    }
}

impl Model {
    /// Which life this node is in; none before the cluster knows of its start. Who stores nothing is in none that the cluster
    /// knows: each of its processes counts as one.
    pub(crate) fn known_life(&self) -> Option<Count> {
        let Some(cluster) = self.peers.cluster() else { return Some(Count::default()) };
        let layout = cluster.layout();
        if !is_concerned(&layout, self.peers.me()) {
            return Some(self.growth.process);
        }
        self.has_begun(&layout).then(|| self.standing().life.life)
    }

    pub(super) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.growth.standing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the store says, if anything.
    pub(super) fn stored_standing(&self) -> Result<Option<Standing>, ModelError> {
        Ok(self.store.view()?.get(Space::Meta, STANDING_KEY)?)
    }

    /// Makes a standing durable, with what else belongs to it, before anybody acts on it.
    pub(super) async fn stand(
        &self,
        standing: Standing,
        with: impl FnOnce(&mut Txn<'_>) -> Result<(), ModelError> + Send + 'static,
    ) -> Result<(), ModelError> {
        let stored = standing.clone();
        let store = move |txn: &mut Txn<'_>| {
            with(txn)?;
            txn.put(Space::Meta, STANDING_KEY.to_vec(), &stored);
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, store).await?;
        self.peers.set_known();
        self.peers.set_taking_part(standing.taking_part);
        *self.growth.standing.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
        Ok(())
    }
}
