//! Mends what is noted: at once, and again while another replica is away.

use crate::{Model, ModelError};
use env::Task;
use std::sync::Arc;
use std::time::Duration;

/// After what could not be mended, unless something is noted before.
const RETRY: Duration = Duration::from_secs(10);

impl Model {
    /// Mends damaged rows; it ends when the task is dropped.
    pub fn spawn_mending(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            let mut noted = model.damaged.watch();
            loop {
                if model.mend_all().await {
                    noted.changed().await;
                } else {
                    let _: Option<()> = env::timeout(RETRY, noted.changed()).await;
                }
            }
        })
    }

    /// Tries to mend everything that is noted; whether nothing is left.
    pub(crate) async fn mend_all(self: &Arc<Self>) -> bool {
        let left = self.damaged.left();
        if self.peers.is_alone() {
            // Nobody has another copy: they stay as they are.
            return left.is_empty();
        }
        let mut is_whole = true;
        for (space, row_key) in left {
            match self.mend(space, &row_key).await {
                Ok(()) => {
                    self.damaged.set_mended(space, &row_key);
                    tracing::info!(table = space.name(), "a damaged row is whole again");
                }
                Err(error) => {
                    // What stands in the way may be another one.
                    self.note_damage(&error);
                    is_whole = false;
                    self.say_why(&error);
                }
            }
        }
        is_whole
    }

    fn say_why(&self, error: &ModelError) {
        match error {
            ModelError::Unavailable => tracing::debug!("a damaged row waits until all other replicas answer"),
            error => tracing::warn!(%error, "a damaged row cannot be mended now; it will be tried again"),
        }
    }
}
