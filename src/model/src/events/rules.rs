//! Who is told of which changes of a bucket: the rules that an application has set.
//!
//! Always holds: no two rules of one bucket apply to the same event of the same key.

use super::kind::{self, EventKind};
use crate::ModelError;
use crate::rows::bucket::{BucketRow, Setting};
use crate::rows::event::Delivery;
use serde::{Deserialize, Serialize};

/// Rules of one bucket, as its row keeps them: in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifications {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// Who is told of some changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// The kind of target that the application takes the webhook for.
    pub target: TargetKind,
    /// The target's name, as the application wrote it.
    pub arn: String,
    /// The webhook that it means.
    pub webhook: String,
    /// Events and families of events, with `s3:`.
    pub events: Vec<String>,
    /// What the key begins with.
    pub prefix: Option<String>,
    /// What the key ends with.
    pub suffix: Option<String>,
}

/// What an application takes a webhook for; it makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetKind {
    /// A topic.
    #[serde(rename = "topic")]
    Topic,
    /// A queue.
    #[serde(rename = "queue")]
    Queue,
    /// A function.
    #[serde(rename = "function")]
    Function,
}

impl Notifications {
    /// The rules of a bucket. Rules that cannot be read are an error, never none.
    pub fn of(bucket: &BucketRow) -> Result<Self, ModelError> {
        let Some(document) = bucket.setting(Setting::Notification) else { return Ok(Self::default()) };
        serde_json::from_slice(&document.0).map_err(|error| {
            tracing::error!(%error, "who is to be told of changes of a bucket cannot be read");
            ModelError::Damaged
        })
    }

    /// Who is told of an event.
    pub fn deliveries(&self, event: EventKind, key: &str) -> Vec<Delivery> {
        let told = self.rules.iter().filter(|rule| rule.applies(event, key));
        told.map(|rule| Delivery { webhook: rule.webhook.clone(), rule: rule.id.clone() }).collect()
    }

    /// Whether two rules could apply to the same event of the same key.
    pub fn overlap(&self) -> bool {
        let mut rest = self.rules.as_slice();
        while let [first, others @ ..] = rest {
            if others.iter().any(|other| first.overlaps(other)) {
                return true;
            }
            rest = others;
        }
        false
    }
}

impl Rule {
    fn applies(&self, event: EventKind, key: &str) -> bool {
        self.events.iter().any(|named| kind::covers(named, event.name()))
            && self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
            && self.suffix.as_ref().is_none_or(|suffix| key.ends_with(suffix))
    }

    fn overlaps(&self, other: &Self) -> bool {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (prefix, suffix) = (text(&self.prefix), text(&self.suffix));
        let (their_prefix, their_suffix) = (text(&other.prefix), text(&other.suffix));
        (prefix.starts_with(&their_prefix) || their_prefix.starts_with(&prefix))
            && (suffix.ends_with(&their_suffix) || their_suffix.ends_with(&suffix))
            && self.events.iter().any(|event| other.events.iter().any(|named| kind::meet(event, named)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(events: &[&str], prefix: &str, suffix: &str) -> Rule {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Rule {
            id: "id".to_owned(),
            target: TargetKind::Queue,
            arn: String::new(),
            webhook: "hook".to_owned(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            prefix: text(prefix),
            suffix: text(suffix),
        }
    }

    #[test]
    fn a_rule_applies_by_event_beginning_and_end() {
        let rules = Notifications { rules: vec![rule(&["s3:ObjectCreated:*"], "photos/", ".jpg")] };
        let told = |event, key| !rules.deliveries(event, key).is_empty();
        assert!(told(EventKind::Put, "photos/a.jpg") && told(EventKind::Copy, "photos/.jpg"));
        assert!(!told(EventKind::Put, "photos/a.png") && !told(EventKind::Put, "a.jpg"));
        assert!(!told(EventKind::Delete, "photos/a.jpg"));
    }

    #[test]
    fn rules_that_could_both_apply() {
        let overlap = |one: Rule, other: Rule| Notifications { rules: vec![one, other] }.overlap();
        let put = ["s3:ObjectCreated:Put"];
        assert!(overlap(rule(&put, "", ""), rule(&["s3:ObjectCreated:*"], "a", "b")));
        assert!(overlap(rule(&put, "a", ".jpg"), rule(&put, "ab", "jpg")));
        assert!(!overlap(rule(&put, "a", ""), rule(&put, "b", "")));
        assert!(!overlap(rule(&put, "", ".jpg"), rule(&put, "", ".png")));
        assert!(!overlap(rule(&put, "", ""), rule(&["s3:ObjectCreated:Copy"], "", "")));
    }
}
