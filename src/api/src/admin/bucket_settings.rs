//! What applications set on a bucket, as GetBucketInfo shows it; and what of it UpdateBucket sets.
//!
//! S3 reads and writes the same documents: nothing is kept twice, and what S3 would refuse is refused here. Always
//! holds: a setting of another release that cannot be read is named as unreadable, never shown as if it were not there.

use super::{AdminError, wire};
use crate::s3::encryption;
use crate::s3::error::S3Error;
use crate::s3::lifecycle;
use crate::s3::logging::Logging;
use crate::s3::policy::StoredPolicy;
use crate::s3::settings;
use crate::s3::website;
use crate::s3::xml::{CorsConfiguration, LifecycleConfiguration, PublicAccessBlock};
use model::Model;
use model::events::Notifications;
use model::lifecycle::Rules;
use model::rows::bucket::{BucketRow, Document, Setting, Versioning, Website};
use model::rows::lock::{ObjectLock, Period, RetentionMode};

/// Rules of one bucket, as in S3.
const RULES_MAX: usize = 1000;

/// Adds what is set to what is known of a bucket.
pub(super) fn show(row: &BucketRow, info: &mut wire::BucketInfo) {
    let mut unreadable = Vec::new();
    info.website_access = row.website.value.is_some();
    info.website_config = row.website.value.clone().map(website_config);
    info.versioning = versioning_word(row.versioning()).to_owned();
    show_lifecycle(row, info, &mut unreadable);
    let mut of = Reading(&mut unreadable);
    info.object_lock = of.read(Setting::ObjectLock, row.object_lock()).map(object_lock);
    info.encryption =
        of.read(Setting::Encryption, encryption::of_bucket(row)).map(|set| wire::BucketEncryption {
            algorithm: set.algorithm,
            key: set.key,
            blocks_customer_keys: set.blocks_customer_keys,
        });
    info.policy = of.read(Setting::Policy, StoredPolicy::of(row).and_then(obeyed));
    let block = settings::read::<PublicAccessBlock>(row, Setting::PublicAccessBlock);
    info.public_access_block = of.read(Setting::PublicAccessBlock, block).map(access_block);
    let cors = of.read(Setting::Cors, settings::read::<CorsConfiguration>(row, Setting::Cors));
    info.cors_rule_count = cors.map_or(0, |cors| count(cors.rules.len()));
    let logging = of.read(Setting::Logging, Logging::of(row));
    info.logging = logging.map(|logging| format!("{}/{}", logging.name, logging.prefix));
    let rules = of.read(Setting::Notification, Notifications::of(row).map(Some)).unwrap_or_default();
    info.notifications = notifications(rules);
    info.unreadable_settings = unreadable;
}

/// A policy that is obeyed, as JSON. One that is refused now lets nobody in.
fn obeyed(policy: Option<StoredPolicy>) -> Result<Option<serde_json::Value>, S3Error> {
    let Some(policy) = policy else { return Ok(None) };
    policy.parse()?;
    Ok(serde_json::from_str(&policy.text).ok())
}

/// Reads settings, and notes which cannot be read.
struct Reading<'a>(&'a mut Vec<String>);

impl Reading<'_> {
    fn read<T, E>(&mut self, kind: Setting, found: Result<Option<T>, E>) -> Option<T> {
        found.unwrap_or_else(|_| {
            self.0.push(kind.name().to_owned());
            None
        })
    }
}

fn show_lifecycle(row: &BucketRow, info: &mut wire::BucketInfo, unreadable: &mut Vec<String>) {
    let Ok(rules) = Rules::of(row).map(Option::unwrap_or_default) else {
        info.lifecycle_rule_count = None;
        unreadable.push(Setting::Lifecycle.name().to_owned());
        return;
    };
    info.lifecycle_rule_count = Some(count(rules.rules.len()));
    info.lifecycle_rules_enabled = count(rules.rules.iter().filter(|rule| rule.enabled).count());
    let sent = lifecycle::configuration_of(&rules).rules;
    info.lifecycle_rules = sent.into_iter().map(Into::into).collect();
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn versioning_word(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::Never => "disabled",
        Versioning::Enabled => "enabled",
        Versioning::Suspended => "suspended",
    }
}

fn object_lock(lock: ObjectLock) -> wire::BucketObjectLock {
    let period = lock.default.map(|default| default.period);
    wire::BucketObjectLock {
        default_mode: lock.default.map(|default| match default.mode {
            RetentionMode::Governance => "governance".to_owned(),
            RetentionMode::Compliance => "compliance".to_owned(),
        }),
        default_days: period
            .and_then(|period| if let Period::Days(days) = period { Some(days) } else { None }),
        default_years: period
            .and_then(|period| if let Period::Years(years) = period { Some(years) } else { None }),
    }
}

fn access_block(block: PublicAccessBlock) -> wire::BucketAccessBlock {
    wire::BucketAccessBlock {
        block_public_acls: block.block_public_acls,
        ignore_public_acls: block.ignore_public_acls,
        block_public_policy: block.block_public_policy,
        restrict_public_buckets: block.restrict_public_buckets,
    }
}

fn website_config(site: Website) -> wire::WebsiteConfig {
    // What a newer release has set is not shown; S3 says that it cannot be read.
    let redirects = website::configuration(&site).map(|shown| shown.redirects).unwrap_or_default();
    wire::WebsiteConfig {
        index_document: site.index_document,
        error_document: site.error_document,
        redirect_all_requests_to: redirects.all.map(Into::into),
        routing_rules: redirects.rules.into_iter().map(Into::into).collect(),
    }
}

fn notifications(notifications: Notifications) -> Vec<wire::BucketNotification> {
    let rules = notifications.rules.into_iter().map(|rule| wire::BucketNotification {
        id: rule.id,
        webhook: rule.webhook,
        events: rule.events,
        prefix: rule.prefix,
        suffix: rule.suffix,
    });
    rules.collect()
}

/// The settings that UpdateBucket is asked for, as they are kept.
pub(super) fn wanted(
    model: &Model,
    body: &mut wire::UpdateBucket,
) -> Result<Vec<(Setting, Option<Document>)>, AdminError> {
    let mut settings = Vec::new();
    if let Some(word) = body.versioning.take() {
        settings.push((Setting::Versioning, versioning_of(word)?.document()));
    }
    if let Some(rules) = body.lifecycle_rules.take() {
        settings.push((Setting::Lifecycle, lifecycle_of(model, rules)?));
    }
    Ok(settings)
}

/// Versions that were kept once are at most suspended.
fn versioning_of(word: String) -> Result<Versioning, AdminError> {
    match word.as_str() {
        "enabled" => Ok(Versioning::Enabled),
        "suspended" => Ok(Versioning::Suspended),
        _ => Err(AdminError::InvalidValue { name: "versioning (enabled, suspended)", value: word }),
    }
}

fn lifecycle_of(model: &Model, rules: Vec<wire::LifecycleRule>) -> Result<Option<Document>, AdminError> {
    if rules.is_empty() {
        return Ok(None);
    }
    if rules.len() > RULES_MAX {
        return Err(AdminError::LifecycleRules(format!("there may be {RULES_MAX} at most")));
    }
    let sent = rules.into_iter().map(TryInto::try_into).collect::<Result<_, _>>();
    let rules =
        sent.map_err(|fault: wire::lifecycle::Fault| AdminError::LifecycleRules(fault.message().to_owned()))?;
    let rules = lifecycle::rules_of(model, LifecycleConfiguration { rules })
        .map_err(|error| AdminError::LifecycleRules(error.message.into_owned()))?;
    Ok(Some(rules.document()))
}
