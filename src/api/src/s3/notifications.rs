//! Who is told of which changes of a bucket: what an application asks for, and the rules that become of it.
//!
//! Always holds: a rule aims at a webhook that an operator has registered, never at an address of the application's.

use super::error::{S3Code, S3Error};
use super::xml::{NotificationConfiguration, NotificationRule};
use env::random_array;
use model::Model;
use model::events::{Notifications, Rule, TargetKind, may_be_named};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bytes of what a key is filtered by (AWS: 1024).
const FILTER_MAX_BYTES: usize = 1024;
/// Characters of a rule's name (AWS: 255).
const ID_MAX_BYTES: usize = 255;
/// What the names of targets begin with: ours, and one that other stores' clients know.
const PARTITIONS: [&str; 2] = ["arn:garage:", "arn:minio:"];
/// Services that a target may be called; it makes no difference.
const SERVICES: [&str; 3] = ["sqs", "sns", "lambda"];
const KINDS: [TargetKind; 3] = [TargetKind::Topic, TargetKind::Queue, TargetKind::Function];

/// The webhook that a target's name means: `arn:garage:sqs::NAME:webhook`.
fn webhook_of(arn: &str) -> Option<&str> {
    let rest = PARTITIONS.iter().find_map(|partition| arn.strip_prefix(partition))?;
    let (service, rest) = rest.split_once(':')?;
    let (_region, rest) = rest.split_once(':')?;
    let name = rest.strip_suffix(":webhook")?;
    (SERVICES.contains(&service) && !name.is_empty() && !name.contains(':')).then_some(name)
}

/// The rules that an application asks for, if it may have them.
pub async fn checked(model: &Arc<Model>, asked: NotificationConfiguration) -> Result<Notifications, S3Error> {
    if asked.event_bridge {
        let message = "EventBridge is not there: name a registered webhook as the target of a rule.";
        return Err(S3Error::with_message(S3Code::NotImplemented, message));
    }
    let (mut rules, mut ids) = (Vec::with_capacity(asked.rules.len()), BTreeSet::new());
    for rule in asked.rules {
        let rule = checked_rule(model, rule).await?;
        if !ids.insert(rule.id.clone()) {
            return Err(invalid("Same ID used for multiple configurations. IDs must be unique", &rule.id));
        }
        rules.push(rule);
    }
    let found = Notifications { rules };
    if found.overlap() {
        let message = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.";
        return Err(S3Error::with_message(S3Code::InvalidArgument, message));
    }
    Ok(found)
}

async fn checked_rule(model: &Arc<Model>, rule: NotificationRule) -> Result<Rule, S3Error> {
    let webhook =
        webhook_of(&rule.arn).ok_or_else(|| invalid("The ARN is not well formed", &rule.arn))?.to_owned();
    // Registered on another node a moment ago?
    if !model.knows_webhook(&webhook).await? {
        let message = "Unable to validate the following destination configurations";
        return Err(S3Error::invalid_argument(&rule.arn, "The destination webhook does not exist", message));
    }
    if let Some(event) = rule.events.iter().find(|event| !may_be_named(event)) {
        let message = format!("The event '{event}' is not supported for notifications");
        return Err(S3Error::invalid_argument("Event", event.as_str(), message));
    }
    let (mut prefix, mut suffix) = (None, None);
    for (name, value) in rule.filters {
        let slot = match name.to_ascii_lowercase().as_str() {
            "prefix" => &mut prefix,
            "suffix" => &mut suffix,
            _ => return Err(invalid("filter rule name must be either prefix or suffix", &name)),
        };
        if value.len() > FILTER_MAX_BYTES {
            return Err(invalid(
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
                &name,
            ));
        }
        if slot.replace(value).is_some() {
            return Err(invalid("Cannot specify more than one prefix or suffix rule in a filter.", &name));
        }
    }
    let id = match rule.id.filter(|id| !id.is_empty()) {
        Some(id) if id.len() > ID_MAX_BYTES => {
            return Err(invalid("The ID is longer than 255 characters", &id));
        }
        Some(id) => id,
        None => base::id::encode_hex(&random_array::<16>(model.env().rng.as_ref())),
    };
    let target = KINDS.get(rule.target).copied().unwrap_or(TargetKind::Queue);
    Ok(Rule { id, target, arn: rule.arn, webhook, events: rule.events, prefix, suffix })
}

fn invalid(message: &'static str, value: &str) -> S3Error {
    let shown: String = value.chars().take(256).collect();
    S3Error::invalid_argument("NotificationConfiguration", shown, message)
}

/// The rules as they are shown.
pub fn shown(found: Notifications) -> NotificationConfiguration {
    let rules = found.rules.into_iter().map(|rule| {
        let target = KINDS.iter().position(|kind| *kind == rule.target).unwrap_or_default();
        let filters = [("Prefix", rule.prefix), ("Suffix", rule.suffix)];
        let filters =
            filters.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        NotificationRule { target, id: Some(rule.id), arn: rule.arn, events: rule.events, filters }
    });
    NotificationConfiguration { rules: rules.collect(), event_bridge: false }
}

#[cfg(test)]
mod tests {
    use super::webhook_of;

    #[test]
    fn targets_name_webhooks() {
        for arn in [
            "arn:garage:sqs::hook:webhook",
            "arn:minio:sqs::hook:webhook",
            "arn:garage:lambda:here:hook:webhook",
        ] {
            assert_eq!(webhook_of(arn), Some("hook"), "{arn}");
        }
        for arn in [
            "",
            "hook",
            "http://inside.example/",
            "arn:aws:sqs:us-east-1:1:hook",
            "arn:garage:sqs::hook:queue",
            "arn:garage:sqs:hook:webhook",
            "arn:garage:s3::hook:webhook",
            "arn:garage:sqs:::webhook",
            "arn:garage:sqs::a:b:webhook",
        ] {
            assert_eq!(webhook_of(arn), None, "{arn}");
        }
    }
}
