//! Lifecycle rules as requests set and show them: what AWS refuses is refused, with its words, and answers say when an
//! object goes and by which rule.

use super::error::{S3Code, S3Error};
use super::operation::{Call, NamedBucket};
use super::reply::Reply;
use super::tags;
use super::xml::{
    LifecycleConfiguration, LifecycleExpiration, LifecycleFilter, LifecycleNoncurrent, LifecycleRule,
};
use crate::dates;
use base::WallTime;
use base::id::encode_hex;
use env::random_array;
use http::header::HeaderName;
use model::Model;
use model::lifecycle::{Expiration, Expiry, Filter, FilterForm, Noncurrent, Rule, Rules, Traits};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Longest name of a rule, in characters (AWS: 255).
const ID_MAX: usize = 255;
/// The most newer versions that a rule can keep (AWS: 100).
const NEWER_MAX: i64 = 100;
/// A day of people, in which dates are given whatever a test makes of days.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

const EXPIRATION: HeaderName = HeaderName::from_static("x-amz-expiration");
const ABORT_DATE: HeaderName = HeaderName::from_static("x-amz-abort-date");
const ABORT_RULE: HeaderName = HeaderName::from_static("x-amz-abort-rule-id");
/// How a rule's name stands in a header: everything but the unreserved characters of URLs is encoded.
const IN_HEADER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The rules of a configuration. A rule without a name is given one.
pub fn rules_of(model: &Model, configuration: LifecycleConfiguration) -> Result<Rules, S3Error> {
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(configuration.rules.len());
    for sent in configuration.rules {
        let rule = rule_of(model, sent)?;
        if !names.insert(rule.id.clone()) {
            let message = "Rule ID must be unique. Found same ID for more than one rule";
            return Err(S3Error::invalid_argument("ID", rule.id, message));
        }
        rules.push(rule);
    }
    Ok(Rules { rules })
}

/// The configuration that rules were set by.
pub fn configuration_of(rules: &Rules) -> LifecycleConfiguration {
    LifecycleConfiguration { rules: rules.rules.iter().map(sent_rule).collect() }
}

fn rule_of(model: &Model, sent: LifecycleRule) -> Result<Rule, S3Error> {
    let made_up = || encode_hex(&random_array::<24>(model.env().rng.as_ref()));
    let id = sent.id.filter(|id| !id.is_empty()).unwrap_or_else(made_up);
    if id.chars().count() > ID_MAX {
        let message = "ID length should not exceed allowed limit of 255";
        return Err(S3Error::invalid_argument("ID", id, message));
    }
    let is_old = sent.filter.is_none();
    let filter =
        filter_of(sent.filter.unwrap_or(LifecycleFilter { prefix: sent.prefix, ..Default::default() }))?;
    let filter = Filter { form: if is_old { FilterForm::Prefix } else { filter.form }, ..filter };
    let expiration = sent.expiration.map(expiration_of).transpose()?;
    let noncurrent = sent.noncurrent.map(|sent| noncurrent_of(sent, is_old)).transpose()?;
    let named = |days| positive(days, "DaysAfterInitiation", "AbortIncompleteMultipartUpload");
    let abort_days = sent.abort_days.map(named).transpose()?;
    if expiration.is_none() && noncurrent.is_none() && abort_days.is_none() {
        return Err(invalid("At least one action needs to be specified in a rule"));
    }
    if filter.asks_of_objects() {
        // What has no tags and no size would never fit.
        let asked = if filter.tags.is_empty() { "Object Size" } else { "Tags" };
        let action = match (abort_days, expiration) {
            (Some(_), _) => Some("AbortIncompleteMultipartUpload"),
            (None, Some(Expiration::Markers(_))) => Some("ExpiredObjectDeleteMarker"),
            _ => None,
        };
        if let Some(action) = action {
            return Err(invalid(format!("{action} cannot be specified with {asked}.")));
        }
    }
    Ok(Rule { id, enabled: sent.enabled, filter, expiration, noncurrent, abort_days })
}

fn filter_of(sent: LifecycleFilter) -> Result<Filter, S3Error> {
    let LifecycleFilter { is_and, prefix, tags, larger_than, smaller_than } = sent;
    if tags.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len() < tags.len() {
        return Err(invalid("Duplicate Tag Keys are not allowed."));
    }
    tags::check_filter(&tags)?;
    let bytes = |name: &'static str, bytes: i64, least: i64| {
        let message = format!("'{name}' must be a number of bytes of at least {least}");
        let number = u64::try_from(bytes).ok().filter(|_| bytes >= least);
        number.ok_or_else(|| S3Error::invalid_argument(name, bytes.to_string(), message))
    };
    let larger_than = larger_than.map(|sent| bytes("ObjectSizeGreaterThan", sent, 0)).transpose()?;
    let smaller_than = smaller_than.map(|sent| bytes("ObjectSizeLessThan", sent, 1)).transpose()?;
    if larger_than.zip(smaller_than).is_some_and(|(larger, smaller)| larger >= smaller) {
        return Err(invalid("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."));
    }
    let form = if is_and { FilterForm::And } else { FilterForm::One };
    Ok(Filter { form, prefix, tags, larger_than, smaller_than })
}

fn expiration_of(sent: LifecycleExpiration) -> Result<Expiration, S3Error> {
    match sent {
        LifecycleExpiration { days: Some(days), .. } => {
            positive(days, "Days", "Expiration").map(Expiration::Days)
        }
        LifecycleExpiration { date_ms: Some(date), .. } => {
            let message = "'Date' must be at midnight GMT";
            let midnight = u64::try_from(date).ok().filter(|_| date % DAY_MS == 0);
            let midnight =
                midnight.ok_or_else(|| S3Error::invalid_argument("Date", date.to_string(), message))?;
            Ok(Expiration::Date(WallTime(midnight)))
        }
        LifecycleExpiration { markers, .. } => Ok(Expiration::Markers(markers.unwrap_or(false))),
    }
}

fn noncurrent_of(sent: LifecycleNoncurrent, is_old: bool) -> Result<Noncurrent, S3Error> {
    let action = "NoncurrentVersionExpiration";
    let days = positive(sent.days, "NoncurrentDays", action)?;
    let newer = sent.newer.map(|newer| positive(newer, "NewerNoncurrentVersions", action)).transpose()?;
    if sent.newer.is_some_and(|newer| newer > NEWER_MAX) {
        let message = format!("'NewerNoncurrentVersions' for {action} action must be at most {NEWER_MAX}");
        return Err(S3Error::invalid_argument(
            "NewerNoncurrentVersions",
            sent.newer.unwrap_or_default().to_string(),
            message,
        ));
    }
    if newer.is_some() && is_old {
        return Err(invalid("NewerNoncurrentVersions can only be specified in a rule with a Filter."));
    }
    Ok(Noncurrent { days, newer })
}

fn positive(number: i64, name: &'static str, action: &str) -> Result<u32, S3Error> {
    let message = format!("'{name}' for {action} action must be a positive integer");
    let positive = u32::try_from(number).ok().filter(|number| *number > 0);
    positive.ok_or_else(|| S3Error::invalid_argument(name, number.to_string(), message))
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::with_message(S3Code::InvalidRequest, message)
}

fn sent_rule(rule: &Rule) -> LifecycleRule {
    let Filter { form, prefix, tags, larger_than, smaller_than } = rule.filter.clone();
    let bytes = |bytes: Option<u64>| bytes.and_then(|bytes| i64::try_from(bytes).ok());
    let (prefix, filter) = match form {
        FilterForm::Prefix => (Some(prefix.unwrap_or_default()), None),
        FilterForm::One | FilterForm::And => {
            let is_and = form == FilterForm::And;
            let (larger_than, smaller_than) = (bytes(larger_than), bytes(smaller_than));
            (None, Some(LifecycleFilter { is_and, prefix, tags, larger_than, smaller_than }))
        }
    };
    let none = LifecycleExpiration::default();
    LifecycleRule {
        id: Some(rule.id.clone()),
        enabled: rule.enabled,
        prefix,
        filter,
        expiration: rule.expiration.map(|expiration| match expiration {
            Expiration::Days(days) => LifecycleExpiration { days: Some(days.into()), ..none },
            Expiration::Date(date) => {
                LifecycleExpiration { date_ms: i64::try_from(date.millis()).ok(), ..none }
            }
            Expiration::Markers(asked) => LifecycleExpiration { markers: Some(asked), ..none },
        }),
        noncurrent: rule.noncurrent.map(|noncurrent| LifecycleNoncurrent {
            days: noncurrent.days.into(),
            newer: noncurrent.newer.map(Into::into),
        }),
        abort_days: rule.abort_days.map(Into::into),
    }
}

/// The rules of a bucket. Those that cannot be read show nothing: they are obeyed by nobody either.
fn known_rules(call: &Call, bucket: &NamedBucket) -> Option<Arc<Rules>> {
    call.api.model.lifecycle_rules(bucket.id, &bucket.row).unwrap_or_default()
}

/// Shows when an object goes, if it does.
pub fn show_expiration(
    reply: &mut Reply,
    call: &Call,
    (key, object): (&str, Traits<'_>),
    modified: WallTime,
) -> Result<(), S3Error> {
    let Some(rules) = known_rules(call, call.bucket()?) else { return Ok(()) };
    if let Some(Expiry { at, rule }) = rules.expiry(key, object, modified, call.api.model.day()) {
        let (date, rule) = (dates::http_date(at.millis()), utf8_percent_encode(rule, IN_HEADER));
        reply.set(EXPIRATION, &format!("expiry-date=\"{date}\", rule-id=\"{rule}\""));
    }
    Ok(())
}

/// Shows when an upload is given up, if it is.
pub fn show_abort(reply: &mut Reply, call: &Call, key: &str, initiated: WallTime) -> Result<(), S3Error> {
    let Some(rules) = known_rules(call, call.bucket()?) else { return Ok(()) };
    if let Some(Expiry { at, rule }) = rules.abort(key, initiated, call.api.model.day()) {
        reply.set(ABORT_DATE, &dates::http_date(at.millis()));
        let is_plain = rule.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let encoded = || utf8_percent_encode(rule, IN_HEADER).to_string();
        reply.set(ABORT_RULE, &if is_plain { rule.to_owned() } else { encoded() });
    }
    Ok(())
}
