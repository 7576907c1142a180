//! The task: when a pass begins, how fast it goes, what follows from what it finds.

use super::CheckFigures;
use super::look::{Looked, STAGES, look};
use super::progress::{CheckProgress, PROGRESS_KEY};
use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use base::WallTime;
use env::{MonoTime, Task};
use std::sync::Arc;
use std::time::Duration;
use store::{Intent, Read, Space, StoreError, Txn};
use table::digest::mend_chunk;

/// The first look after a start: nobody waits for it, and other work has more to do then.
const FIRST_LOOK: Duration = Duration::from_secs(60);
/// How often it is looked whether a pass is due.
const IDLE: Duration = Duration::from_secs(60);
/// After what could not be done.
const AGAIN: Duration = Duration::from_secs(60);
/// How often a pass writes down where it is.
const SAVED_EVERY: Duration = Duration::from_secs(60);

/// How long a pass rests after a step.
struct Pace {
    /// In times as long as the step took.
    factor: u32,
    min: Duration,
    max: Duration,
}

/// Ten million rows take half an hour of work; so they take about a day.
const SLOW: Pace = Pace { factor: 20, min: Duration::from_millis(100), max: Duration::from_secs(5) };
/// Somebody waits: half of the time is left to others.
const FAST: Pace = Pace { factor: 1, min: Duration::from_millis(1), max: Duration::from_secs(1) };

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    Worked,
}

/// Goes through the rows.
pub(crate) struct Worker {
    model: Arc<Model>,
    progress: CheckProgress,
    saved: MonoTime,
}

impl Model {
    /// Starts the row check; it ends when the task is dropped.
    pub fn spawn_row_check(self: &Arc<Self>) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            let mut asked = model.check.watch();
            let _: Option<()> = env::timeout(FIRST_LOOK, asked.changed()).await;
            let mut worker = loop {
                match Worker::open(&model) {
                    Ok(worker) => break worker,
                    Err(error) => model.fail_check(&error),
                }
                env::sleep(AGAIN).await;
            };
            loop {
                let started = model.env.clock.mono();
                match worker.step().await {
                    Ok(Step::Worked) => {
                        let Pace { factor, min, max } = if worker.progress.is_asked { FAST } else { SLOW };
                        let took = model.env.clock.mono().saturating_sub(started);
                        env::sleep((took * factor).clamp(min, max)).await;
                    }
                    Ok(Step::Idle) => _ = env::timeout(IDLE, asked.changed()).await,
                    Err(error) => {
                        model.fail_check(&error);
                        env::sleep(AGAIN).await;
                    }
                }
            }
        })
    }

    /// Has the row check begin a pass now and go faster, or go faster in the one that is under way.
    pub fn start_row_check(&self) {
        self.check.ask();
    }

    /// What the row check did.
    pub fn row_check_figures(&self) -> CheckFigures {
        self.check.figures()
    }

    fn fail_check(&self, error: &ModelError) {
        tracing::warn!(%error, "the look at all rows goes on later");
        self.check.fail(error.to_string(), self.env.clock.wall());
    }
}

impl Worker {
    /// Goes on from where the last process was.
    pub fn open(model: &Arc<Model>) -> Result<Self, ModelError> {
        let progress = match model.store.view()?.get(Space::Setting, PROGRESS_KEY) {
            Err(StoreError::Unreadable { .. }) => CheckProgress::default(),
            found => found?.unwrap_or_default(),
        };
        model.check.show(&progress);
        Ok(Self { model: Arc::clone(model), progress, saved: model.env.clock.mono() })
    }

    /// Does a step, if a pass is under way, due or asked for.
    async fn step(&mut self) -> Result<Step, ModelError> {
        let (model, now) = (Arc::clone(&self.model), self.model.env.clock.wall());
        let is_asked = model.check.take_wish();
        self.progress.is_asked |= is_asked;
        if self.progress.began.is_none() {
            if !is_asked && !self.is_due(now) {
                return Ok(Step::Idle);
            }
            self.progress.begin(now, STAGES[0].number(), is_asked);
        }
        let stage = STAGES.iter().position(|space| space.number() == self.progress.space).unwrap_or(0);
        let (view, space, from) = (model.store.view()?, STAGES[stage], self.progress.from.clone());
        let Looked { checked, held } = model.env.tasks.blocking(move || look(&view, space, &from)).await?;
        for row_key in &checked.damaged {
            model.damaged.note(space, row_key);
        }
        self.mend_chunks(space, checked.wrong).await?;
        self.progress.rows += checked.rows;
        self.progress.damaged += u64::try_from(checked.damaged.len()).unwrap_or(0);
        model.look_at_references(held, &mut self.progress).await?;
        match (checked.next, STAGES.get(stage + 1)) {
            (Some(next), _) => self.progress.from = next,
            (None, Some(space)) => (self.progress.space, self.progress.from) = (space.number(), Vec::new()),
            (None, None) => return self.end(now).await,
        }
        if model.env.clock.mono().saturating_sub(self.saved) >= SAVED_EVERY {
            self.save().await?;
        }
        model.check.show(&self.progress);
        Ok(Step::Worked)
    }

    fn is_due(&self, now: WallTime) -> bool {
        let every = u64::try_from(self.model.timing.check_every.as_millis()).unwrap_or(u64::MAX);
        // A clock that was set back does not put it off for longer.
        self.progress.last.is_none_or(|last| now.millis().abs_diff(last.millis()) >= every)
    }

    async fn mend_chunks(&mut self, space: Space, wrong: Vec<Vec<u8>>) -> Result<(), ModelError> {
        let Some(table) = DIGESTED.into_iter().find(|table| table.space() == space) else { return Ok(()) };
        for first in wrong {
            tracing::warn!(table = space.name(), "a digest did not fit its rows; it is made again");
            let mend = move |txn: &mut Txn<'_>| Ok::<_, ModelError>(mend_chunk(txn, table, &first)?);
            self.model.store.commit(Intent::Grow, mend).await?;
            self.progress.chunks += 1;
        }
        Ok(())
    }

    async fn end(&mut self, now: WallTime) -> Result<Step, ModelError> {
        self.progress.end(now);
        self.save().await?;
        let CheckProgress { rows, damaged, chunks, references, .. } = self.progress;
        tracing::info!(rows, damaged, chunks, references, "looked at all rows");
        self.model.check.show(&self.progress);
        Ok(Step::Worked)
    }

    async fn save(&mut self) -> Result<(), ModelError> {
        let progress = self.progress.clone();
        let save = move |txn: &mut Txn<'_>| {
            txn.put(Space::Setting, PROGRESS_KEY.to_vec(), &progress);
            Ok::<_, ModelError>(())
        };
        self.model.store.commit(Intent::Free, save).await?;
        self.saved = self.model.env.clock.mono();
        Ok(())
    }

    /// A whole pass, without rests.
    #[cfg(test)]
    pub async fn pass(&mut self) {
        self.model.start_row_check();
        while self.step().await.unwrap() == Step::Worked && self.progress.began.is_some() {}
    }

    /// So many steps of one, the last of which is written down.
    #[cfg(test)]
    pub async fn some_steps(&mut self, steps: usize) {
        self.model.start_row_check();
        for _ in 0..steps {
            assert_eq!(self.step().await.unwrap(), Step::Worked);
        }
        self.save().await.unwrap();
    }
}
