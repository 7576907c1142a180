//! Bodies about webhooks.

use serde::{Deserialize, Serialize};

/// An entry of ListWebhooks: a webhook, and what waits for it on all nodes; of GetNodeWebhooks: on one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookInfo {
    /// Its name.
    pub name: String,
    /// What applications call it.
    pub arn: String,
    /// Where it is.
    pub url: String,
    /// Whether it is shown a token.
    pub has_token: bool,
    /// When it was registered.
    pub created: String,
    /// Events that wait.
    pub waiting: u64,
    /// Bytes of them.
    pub waiting_bytes: u64,
    /// Since when the first one waits.
    #[serde(default)]
    pub oldest: Option<String>,
    /// Events that found no room and were not kept.
    pub lost: u64,
    /// When that happened last.
    #[serde(default)]
    pub last_lost: Option<String>,
    /// Attempts that failed since something was taken.
    pub failures: u32,
    /// Why the last one did.
    #[serde(default)]
    pub last_error: Option<String>,
    /// When it took something last, since the nodes started.
    #[serde(default)]
    pub last_success: Option<String>,
    /// Nodes that do not say what waits there.
    #[serde(default)]
    pub unheard: Vec<String>,
}

impl WebhookInfo {
    /// Adds what another node says of the same webhook.
    pub fn add(&mut self, other: &Self) {
        let earlier = |one: &Option<String>, other: &Option<String>| one.iter().chain(other).min().cloned();
        let later = |one: &Option<String>, other: &Option<String>| one.iter().chain(other).max().cloned();
        self.waiting += other.waiting;
        self.waiting_bytes += other.waiting_bytes;
        self.oldest = earlier(&self.oldest, &other.oldest);
        self.lost += other.lost;
        self.last_lost = later(&self.last_lost, &other.last_lost);
        self.failures = self.failures.saturating_add(other.failures);
        self.last_error = self.last_error.take().or_else(|| other.last_error.clone());
        self.last_success = later(&self.last_success, &other.last_success);
    }
}

/// Body of CreateWebhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateWebhook {
    /// Its name. One that is there gets the other address.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is shown as a bearer token.
    #[serde(default)]
    pub token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_say_is_added_up() {
        let text = |text: &str| Some(text.to_owned());
        let mut here = WebhookInfo {
            name: "hook".into(),
            arn: String::new(),
            url: String::new(),
            has_token: false,
            created: String::new(),
            waiting: 1,
            waiting_bytes: 10,
            oldest: None,
            lost: 0,
            last_lost: None,
            failures: 0,
            last_error: None,
            last_success: text("2026-11-30T12:00:00.000Z"),
            unheard: Vec::new(),
        };
        let there = WebhookInfo {
            waiting: 40,
            waiting_bytes: 400,
            oldest: text("2026-11-30T11:00:00.000Z"),
            lost: 2,
            failures: 3,
            last_error: text("it answered 503"),
            last_success: text("2026-11-30T10:00:00.000Z"),
            ..here.clone()
        };
        here.add(&there);
        assert_eq!((here.waiting, here.waiting_bytes, here.lost, here.failures), (41, 410, 2, 3));
        assert_eq!((&here.oldest, &here.last_error), (&there.oldest, &there.last_error));
        assert_eq!(here.last_success, text("2026-11-30T12:00:00.000Z"));
    }
}
