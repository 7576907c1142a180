//! Sending events to webhooks: one worker for each webhook that something waits for.
//!
//! Always holds: an event is forgotten only after its webhook answered 2xx, so each arrives at least once; a webhook that
//! fails is tried again after growing pauses for as long as it is registered, and holds up no other one; what is sent
//! together, how long it may take and how much of the answer is read is bounded.

mod address;
mod client;
mod message;

pub use address::{AddressError, WebhookAddress};
pub use client::{Trust, WebhookClient};

use base::limits;
use env::{Task, random_below};
use model::events::{EventKind, Waiting};
use model::rows::webhook::WebhookRow;
use model::{Model, ModelError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;

/// Events in one message.
const BATCH_MAX: usize = 100;
/// Bytes of their records.
const BATCH_MAX_BYTES: usize = 256 << 10;
/// The pause after the first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How soon a webhook that was given another address is tried again.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What is said of the node that sends.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Its region.
    pub region: String,
    /// Its name.
    pub host_id: String,
}

/// Starts sending; it ends when the task is dropped.
pub fn spawn(model: &Arc<Model>, client: WebhookClient, sender: Sender) -> Task<()> {
    let courier = Arc::new(Courier { model: Arc::clone(model), client, sender });
    model.env().tasks.spawn(async move {
        let mut news = courier.model.event_news();
        let mut workers: BTreeMap<String, Task<()>> = BTreeMap::new();
        loop {
            workers.retain(|_, worker| !worker.is_finished());
            courier.start_workers(&mut workers);
            env::timeout(LOOK_INTERVAL, news.changed()).await;
        }
    })
}

struct Courier {
    model: Arc<Model>,
    client: WebhookClient,
    sender: Sender,
}

impl Courier {
    fn start_workers(self: &Arc<Self>, workers: &mut BTreeMap<String, Task<()>>) {
        let backlogs = match self.model.event_backlogs() {
            Ok(backlogs) => backlogs,
            Err(error) => return tracing::warn!(%error, "what is to be sent to webhooks cannot be read"),
        };
        for (webhook, figures) in backlogs {
            // Figures without events are kept for what was lost, as long as the webhook is there.
            let has_work = figures.events > 0 || self.row_of(&webhook).is_none();
            if has_work && !workers.contains_key(&webhook) {
                let (courier, name) = (Arc::clone(self), webhook.clone());
                workers
                    .insert(webhook, self.model.env().tasks.spawn(async move { courier.work(&name).await }));
            }
        }
    }

    fn row_of(&self, webhook: &str) -> Option<Arc<WebhookRow>> {
        self.model.names().webhooks.get(webhook).cloned()
    }

    /// Sends what waits for a webhook, until nothing does.
    async fn work(&self, webhook: &str) {
        loop {
            match self.step(webhook).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(webhook, %error, "what waits for a webhook cannot be read or forgotten");
                    env::sleep(LOOK_INTERVAL).await;
                }
            }
        }
    }

    /// Sends one message; whether there may be more to do.
    async fn step(&self, webhook: &str) -> Result<bool, ModelError> {
        let Some(row) = self.row_of(webhook) else {
            return Ok(self.model.is_webhook_deleted(webhook)? && self.model.drop_backlog(webhook).await?);
        };
        let waiting = match self.model.waiting_events(webhook, BATCH_MAX, BATCH_MAX_BYTES) {
            Ok(waiting) => waiting,
            Err(ModelError::Store(StoreError::Unreadable { key, .. })) => {
                self.model.skip_unreadable(webhook, key).await?;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let together = one_message(&waiting);
        if together.is_empty() {
            return Ok(false);
        }
        let Some(endpoint) = &row.endpoint.value else { return Ok(false) };
        let body = message::render(together, &self.sender);
        match self.client.post(endpoint, body).await {
            Ok(()) => {
                self.model.note_delivery(webhook, Ok(()));
                self.model.delivered(webhook, together).await?;
            }
            Err(error) => {
                let failures = self.model.note_delivery(webhook, Err(error.clone()));
                tracing::warn!(webhook, failures, error, "a webhook did not take its events");
                self.pause(webhook, &row, failures).await;
            }
        }
        Ok(true)
    }

    /// Waits before the next attempt, unless the webhook is changed meanwhile.
    async fn pause(&self, webhook: &str, row: &Arc<WebhookRow>, failures: u32) {
        let mut left = pause_after(failures);
        let half = u64::try_from(left.as_millis() / 2).unwrap_or(u64::MAX);
        left -= Duration::from_millis(random_below(self.model.env().rng.as_ref(), half.max(1)));
        while !left.is_zero() {
            let some = left.min(LOOK_INTERVAL);
            env::sleep(some).await;
            left -= some;
            if self.row_of(webhook).is_none_or(|now| now.endpoint != row.endpoint) {
                return;
            }
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    PAUSE_MIN.saturating_mul(1 << doublings).min(PAUSE_MAX)
}

/// The first of what waits that goes in one message: a test event goes alone.
fn one_message(waiting: &[Waiting]) -> &[Waiting] {
    let is_test = |one: &Waiting| one.row.event.kind == EventKind::Test;
    match waiting.iter().position(is_test) {
        Some(0) => &waiting[..1],
        Some(place) => &waiting[..place],
        None => waiting,
    }
}

/// Whether a webhook may have this name.
pub fn is_webhook_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=limits::WEBHOOK_NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let pauses: Vec<u64> = [1, 2, 3, 9, 10, 1000].map(|failures| pause_after(failures).as_secs()).into();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn names() {
        assert!(is_webhook_name("thumbnails") && is_webhook_name("a.b-c_9"));
        for name in ["", "a b", "a:b", "a/b", "a\0b", &"n".repeat(65)] {
            assert!(!is_webhook_name(name), "{name}");
        }
    }
}
