//! Bucket logging: a line for each request to a bucket that asks for it, written as objects of another bucket.
//!
//! It is best effort, as on AWS. What always holds: a line is written at most [`DELAY_MAX`] late, and when the node stops
//! in order; what waits is bounded, and what found no room is counted in the node's log; writing logs is no request, so
//! that it is neither logged nor told to anybody; a bucket without logging costs a look at its row in memory.

mod line;

pub use line::{Answered, Asked};

use super::error::S3Error;
use super::operation::NamedBucket;
use super::settings;
use base::id::{encode_hex, kind};
use base::limits::BLOCK_SIZE_BYTES;
use base::{Id, WallTime};
use bytes::Bytes;
use env::{Changes, MonoTime, Task, random_array};
use md5::{Digest, Md5};
use model::objects::{Condition, ObjectMeta, Place};
use model::rows::bucket::{BucketRow, Setting};
use model::rows::object::ETag;
use model::rows::version::Owner;
use model::{BodyWriter, Model, ModelError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How late a line may be written.
pub const DELAY_MAX: Duration = Duration::from_secs(300);
/// Between two looks at what is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes from which on a log is written before its time.
const EARLY_BYTES: usize = BLOCK_SIZE_BYTES / 4;
/// Bytes of one log at most.
const LOG_MAX_BYTES: usize = BLOCK_SIZE_BYTES;
/// Bytes that wait in memory, for all buckets together.
const WAITING_MAX_BYTES: usize = 8 << 20;

/// Where a bucket's requests are logged, as its row keeps it: in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// The bucket.
    pub bucket: String,
    /// What it was called when it was set.
    pub name: String,
    /// What the names of the logs begin with.
    pub prefix: String,
}

impl Logging {
    /// Where the requests to a bucket are logged, if anywhere.
    pub fn of(bucket: &BucketRow) -> Result<Option<Self>, S3Error> {
        settings::read(bucket, Setting::Logging)
    }

    /// To this bucket.
    pub fn to(bucket: &NamedBucket, prefix: String) -> Self {
        Self { bucket: bucket.id.to_string(), name: bucket.name.clone(), prefix }
    }
}

/// Bucket and prefix.
type Target = (Id<kind::Bucket>, String);

/// The lines that wait for a log.
struct Batch {
    lines: Vec<u8>,
    since: MonoTime,
}

#[derive(Default)]
struct Waiting {
    batches: BTreeMap<Target, Batch>,
    bytes: usize,
    /// Lines that found no room since this was last said.
    dropped: u64,
}

/// What waits to be written.
pub struct AccessLog {
    model: Arc<Model>,
    waiting: Mutex<Waiting>,
    early: Changes,
}

impl AccessLog {
    /// Nothing waits yet.
    pub fn new(model: Arc<Model>) -> Self {
        Self { model, waiting: Mutex::default(), early: Changes::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, which ends with a line feed.
    pub fn add(&self, logging: &Logging, line: &[u8]) {
        let Some(bucket) = Id::from_hex(&logging.bucket) else { return };
        let since = self.model.env().clock.mono();
        let is_early = self.waiting().add((bucket, logging.prefix.clone()), line, since);
        if is_early {
            self.early.note();
        }
    }

    /// Writes what is due; it ends when the task is dropped.
    pub fn spawn_writer(self: &Arc<Self>) -> Task<()> {
        let log = Arc::clone(self);
        self.model.env().tasks.spawn(async move {
            let mut early = log.early.watch();
            loop {
                env::timeout(LOOK_INTERVAL, early.changed()).await;
                let now = log.model.env().clock.mono();
                log.write(|batch| {
                    batch.lines.len() >= EARLY_BYTES
                        || now.saturating_sub(batch.since) + LOOK_INTERVAL >= DELAY_MAX
                })
                .await;
            }
        })
    }

    /// Writes all that waits: the node stops.
    pub async fn write_all(&self) {
        self.write(|_| true).await;
    }

    async fn write(&self, is_due: impl Fn(&Batch) -> bool) {
        let (due, dropped) = self.waiting().take(is_due);
        if dropped > 0 {
            tracing::warn!(dropped, "lines of bucket logs found no room and are not written");
        }
        for ((bucket, prefix), batch) in due {
            match write_log(&self.model, (bucket, &prefix), &batch.lines).await {
                Ok(()) => {}
                // It may be there in a moment.
                Err(ModelError::Unavailable) => self.waiting().put_back((bucket, prefix), batch),
                Err(error) => {
                    tracing::warn!(%bucket, %error, "the log of a bucket cannot be written and is dropped")
                }
            }
        }
    }
}

impl Waiting {
    /// Whether something should be written before its time.
    fn add(&mut self, target: Target, line: &[u8], since: MonoTime) -> bool {
        let held = self.batches.get(&target).map_or(0, |batch| batch.lines.len());
        if held + line.len() > LOG_MAX_BYTES || self.bytes + line.len() > WAITING_MAX_BYTES {
            self.dropped += 1;
            return true;
        }
        self.bytes += line.len();
        let batch = self.batches.entry(target).or_insert_with(|| Batch { lines: Vec::new(), since });
        batch.lines.extend_from_slice(line);
        batch.lines.len() >= EARLY_BYTES
    }

    /// What is due, and how many lines were dropped.
    fn take(&mut self, is_due: impl Fn(&Batch) -> bool) -> (Vec<(Target, Batch)>, u64) {
        let due: Vec<(Target, Batch)> = self.batches.extract_if(.., |_, batch| is_due(batch)).collect();
        self.bytes -= due.iter().map(|(_, batch)| batch.lines.len()).sum::<usize>();
        (due, std::mem::take(&mut self.dropped))
    }

    /// Takes back what could not be written, before what came since, as far as there is room.
    fn put_back(&mut self, target: Target, mut batch: Batch) {
        let newer = self.batches.remove(&target).map(|newer| newer.lines).unwrap_or_default();
        self.bytes -= newer.len();
        for line in newer.split_inclusive(|byte| *byte == b'\n') {
            if batch.lines.len() + line.len() > LOG_MAX_BYTES {
                self.dropped += 1;
            } else {
                batch.lines.extend_from_slice(line);
            }
        }
        if self.bytes + batch.lines.len() > WAITING_MAX_BYTES {
            self.dropped += batch.lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            return;
        }
        self.bytes += batch.lines.len();
        self.batches.insert(target, batch);
    }
}

async fn write_log(
    model: &Arc<Model>,
    (bucket, prefix): (Id<kind::Bucket>, &str),
    lines: &[u8],
) -> Result<(), ModelError> {
    let env = model.env();
    let unique = encode_hex(&random_array::<8>(env.rng.as_ref())).to_uppercase();
    let key = format!("{prefix}{}-{unique}", name_of(env.clock.wall()));
    let body = BodyWriter::new(model, Owner::Object(bucket, key.clone()));
    let body = body.finish(Bytes::copy_from_slice(lines)).await?;
    let etag = ETag { md5: Md5::digest(lines).into(), parts: None };
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    let meta = ObjectMeta { headers, ..ObjectMeta::default() };
    let place = Place { bucket, key, condition: Condition::Always };
    model.put_object(place, body, etag, meta).await.map(drop)
}

/// The part of a log's name that says when it was written: `2026-11-22-23-00-00`.
fn name_of(time: WallTime) -> String {
    let text = crate::dates::iso8601_ms(time.millis());
    text.chars().take(19).map(|one| if matches!(one, 'T' | ':') { '-' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(number: u8) -> Target {
        (Id::from_bytes([number; 32]), "logs/".to_owned())
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut waiting = Waiting::default();
        let line = vec![b'x'; 64 << 10];
        for number in 0..20 {
            for _ in 0..20 {
                waiting.add(target(number), &line, Duration::ZERO);
            }
        }
        assert_eq!(waiting.bytes, WAITING_MAX_BYTES);
        assert_eq!(waiting.dropped, 20 * 20 - (WAITING_MAX_BYTES / line.len()) as u64);
        let (due, dropped) = waiting.take(|_| true);
        assert_eq!((due.len(), dropped), (8, 20 * 20 - 128));
        assert!(due.iter().all(|(_, batch)| batch.lines.len() <= LOG_MAX_BYTES));
        assert_eq!((waiting.bytes, waiting.dropped), (0, 0));
    }

    #[test]
    fn what_comes_back_stands_first() {
        let mut waiting = Waiting::default();
        waiting.add(target(1), b"one\n", Duration::ZERO);
        let (mut due, _) = waiting.take(|_| true);
        waiting.add(target(1), b"two\n", Duration::from_secs(1));
        let (target, batch) = due.remove(0);
        waiting.put_back(target.clone(), batch);
        assert_eq!(waiting.batches[&target].lines, b"one\ntwo\n");
        assert_eq!((waiting.batches[&target].since, waiting.bytes), (Duration::ZERO, 8));
    }

    #[test]
    fn logs_are_named_by_their_time() {
        assert_eq!(name_of(WallTime(0)), "1970-01-01-00-00-00");
    }
}
