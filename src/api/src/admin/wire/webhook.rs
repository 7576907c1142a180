//! Bodies about webhooks.

use serde::{Deserialize, Serialize};

/// An entry of ListWebhooks: a webhook, and what waits for it on the node that answers.
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
    /// When it took something last, since this node started.
    #[serde(default)]
    pub last_success: Option<String>,
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
