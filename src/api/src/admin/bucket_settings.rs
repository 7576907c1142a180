//! What applications set on a bucket, as GetBucketInfo shows it; and what of it UpdateBucket sets.
//!
//! S3 reads and writes the same documents: nothing is kept twice, and what S3 would refuse is refused here. Always
//! holds: a setting of another release that cannot be read is named as unreadable, never shown as if it were not there.

use super::{AdminError, documents, wire};
use crate::s3::cors;
use crate::s3::encryption;
use crate::s3::error::S3Error;
use crate::s3::lifecycle;
use crate::s3::lock;
use crate::s3::logging::Logging;
use crate::s3::policy::StoredPolicy;
use crate::s3::settings;
use crate::s3::website;
use crate::s3::xml::{
    CorsConfiguration, EncryptionConfiguration, LifecycleConfiguration, ObjectLockConfiguration,
    PublicAccessBlock, XmlError,
};
use base::Id;
use base::id::kind;
use model::events::Notifications;
use model::lifecycle::Rules;
use model::rows::bucket::{BucketRow, Document, Setting, Versioning, Website};
use model::rows::lock::{ObjectLock, Period, RetentionMode};
use model::{Model, Names};
use serde_json::{Value, json};
use std::sync::Arc;

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
    let rules = cors.map(|cors| cors.rules).unwrap_or_default();
    info.cors_rule_count = count(rules.len());
    info.cors_rules = rules.into_iter().map(documents::cors_rule).collect();
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
pub(super) async fn wanted(
    model: &Arc<Model>,
    (names, id): (&Names, Id<kind::Bucket>),
    body: &mut wire::UpdateBucket,
) -> Result<Vec<(Setting, Option<Document>)>, AdminError> {
    let row = names.bucket(id)?;
    let mut settings = Vec::new();
    if let Some(word) = body.versioning.take() {
        settings.push((Setting::Versioning, versioning_of(word)?.document()));
    }
    if let Some(rules) = body.lifecycle_rules.take() {
        settings.push((Setting::Lifecycle, lifecycle_of(model, rules)?));
    }
    if let Some(rules) = body.cors_rules.take() {
        settings.push((Setting::Cors, cors_of(rules)?));
    }
    if let Some(policy) = body.policy.take() {
        let bucket_names: Vec<&str> = names.aliases_of(id).collect();
        settings.push((Setting::Policy, policy_of(model, (&bucket_names, &row), policy).await?));
    }
    if let Some(document) = body.encryption.take() {
        settings.push((Setting::Encryption, encryption_of(model, &document).await?));
    }
    if let Some(document) = body.object_lock.take() {
        settings.extend(object_lock_of(&row, &document)?);
    }
    if let Some(document) = body.public_access_block.take() {
        settings.push((Setting::PublicAccessBlock, access_block_of(&document)?));
    }
    Ok(settings)
}

/// What S3 says against a setting, as the admin API says it.
fn told(name: &'static str) -> impl Fn(S3Error) -> AdminError {
    move |error| AdminError::Setting(name, error.message.into_owned())
}

/// A document, read as S3 reads it.
fn read<T>(
    (name, root): (&'static str, &'static str),
    document: &Value,
    parse: impl Fn(&[u8]) -> Result<T, XmlError>,
) -> Result<T, AdminError> {
    let xml = documents::xml_of(root, document).map_err(|fault| AdminError::Setting(name, fault))?;
    parse(&xml).map_err(|error| AdminError::Setting(name, error.to_string()))
}

fn cors_of(rules: Value) -> Result<Option<Document>, AdminError> {
    if documents::is_empty(&rules) {
        return Ok(None);
    }
    let (name, document) = ("CORS configuration", json!({ "CORSRules": rules }));
    let configuration = read((name, "CORSConfiguration"), &document, CorsConfiguration::parse)?;
    cors::check(&configuration).map_err(told(name))?;
    settings::document(&configuration).map(Some).map_err(told(name))
}

/// A policy names its bucket by one of its names: the first one by which it can be read.
async fn policy_of(
    model: &Arc<Model>,
    (bucket_names, row): (&[&str], &BucketRow),
    policy: Value,
) -> Result<Option<Document>, AdminError> {
    if documents::is_empty(&policy) {
        return Ok(None);
    }
    let name = "policy";
    let text = match policy {
        Value::String(text) => text,
        document => document.to_string(),
    };
    let (mut accepted, mut last) = (None, "the bucket has no global name that it could speak of".to_owned());
    for bucket in bucket_names {
        match StoredPolicy::accept(model, (bucket, row), text.as_bytes()).await {
            Ok(policy) => {
                accepted = Some(policy);
                break;
            }
            Err(error) => last = error.message.into_owned(),
        }
    }
    let policy = accepted.ok_or(AdminError::Setting(name, last))?;
    settings::document(&policy).map(Some).map_err(told(name))
}

async fn encryption_of(model: &Arc<Model>, document: &Value) -> Result<Option<Document>, AdminError> {
    if documents::is_empty(document) {
        return Ok(None);
    }
    let (name, root) = ("encryption", "ServerSideEncryptionConfiguration");
    let configuration = read((name, root), document, EncryptionConfiguration::parse)?;
    encryption::check_default(model, &configuration).await.map_err(told(name))?;
    settings::document(&configuration).map(Some).map_err(told(name))
}

/// Locks stay where they are: an empty document takes the default away and no more.
fn object_lock_of(
    row: &BucketRow,
    document: &Value,
) -> Result<Option<(Setting, Option<Document>)>, AdminError> {
    let name = "object lock";
    let lock = match documents::is_empty(document) {
        true if row.object_lock()?.is_none() => return Ok(None),
        true => ObjectLock::default(),
        false => {
            let root = "ObjectLockConfiguration";
            lock::asked(read((name, root), document, ObjectLockConfiguration::parse)?).map_err(told(name))?
        }
    };
    Ok(Some((Setting::ObjectLock, Some(lock::document(lock)))))
}

fn access_block_of(document: &Value) -> Result<Option<Document>, AdminError> {
    if documents::is_empty(document) {
        return Ok(None);
    }
    let name = "public access block";
    let block = read((name, "PublicAccessBlockConfiguration"), document, PublicAccessBlock::parse)?;
    settings::document(&block).map(Some).map_err(told(name))
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
