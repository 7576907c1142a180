//! Locks of object versions, as requests ask for them and answers show them. What a lock forbids is the store's to say.
//!
//! Always holds: a lock that is asked for is set as a whole or the request is refused before its body is read; nobody
//! is shown a lock who may not ask for it; asking to bypass governance without the permission for it is not asking.

use super::access::{Access, Gate, Wanted};
use super::begun::Headers;
use super::error::{S3Code, S3Error};
use super::head::Head;
use super::operation::{Call, NamedBucket};
use super::reply::Reply;
use super::versions;
use super::xml::{LockMode, LockPeriod, ObjectLockConfiguration, RetentionXml};
use crate::checksum::RequestChecksums;
use crate::dates;
use base::WallTime;
use http::StatusCode;
use http::header::HeaderName;
use model::rows::bucket::{Document, Setting};
use model::rows::lock::{DefaultRetention, Lock, ObjectLock, Period, Retention, RetentionMode};
use model::rows::object::Object;
use model::rows::past::VersionId;
use model::{Bypass, ModelError};

/// The header with which a bucket is created that has locks.
pub const ENABLED: &str = "x-amz-bucket-object-lock-enabled";
/// Headers with the lock of an object.
pub const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
/// Until when it is retained.
pub const UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
/// Whether there is a legal hold.
pub const LEGAL_HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");
const BYPASS: &str = "x-amz-bypass-governance-retention";
/// Longest default retention (AWS: 100 years).
const DAYS_MAX: i64 = 36_500;
const YEARS_MAX: i64 = 100;

/// Further actions that a request must be allowed that gives an object a lock.
pub fn actions(head: &Head) -> impl Iterator<Item = &'static str> {
    let retains = head.headers.contains_key(MODE) || head.headers.contains_key(UNTIL);
    let holds = head.headers.contains_key(LEGAL_HOLD);
    let actions = [retains.then_some("s3:PutObjectRetention"), holds.then_some("s3:PutObjectLegalHold")];
    actions.into_iter().flatten()
}

/// The lock that a request gives the object it writes.
pub fn written(call: &Call) -> Result<Option<Lock>, S3Error> {
    let head = &call.head;
    let text = |name: &HeaderName| head.header(name.as_str());
    let retention = match (text(&MODE), text(&UNTIL)) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let known = LockMode::parse(&mode);
            let unknown = || S3Error::invalid_argument(MODE.as_str(), &*mode, "Unknown wormMode directive.");
            let until = parse_until(call, UNTIL.as_str(), &until)?;
            Some(Retention { mode: stored_mode(known.ok_or_else(unknown)?), until })
        }
        (mode, _) => {
            let name = if mode.is_some() { MODE } else { UNTIL };
            let message =
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            return Err(S3Error::invalid_argument(name.as_str(), "", message));
        }
    };
    let legal_hold = match text(&LEGAL_HOLD).as_deref() {
        None => None,
        Some("ON") => Some(true),
        Some("OFF") => Some(false),
        Some(other) => {
            let message = "Legal Hold must be either of 'ON' or 'OFF'";
            return Err(S3Error::invalid_argument(LEGAL_HOLD.as_str(), other, message));
        }
    };
    let lock = Lock { retention, legal_hold }.stored();
    if lock.is_some() {
        configuration(call.bucket()?)?.ok_or_else(missing)?;
    }
    Ok(lock)
}

/// What is locked must be what was sent: bodies for such a version come with a checksum, as AWS demands.
pub fn check_protected(call: &Call, lock: Option<Lock>, requested: &RequestChecksums) -> Result<(), S3Error> {
    let is_retained = || -> Result<bool, S3Error> {
        Ok(configuration(call.bucket()?)?.is_some_and(|lock| lock.default.is_some()))
    };
    if requested.protects_body() || (lock.is_none() && !is_retained()?) {
        return Ok(());
    }
    let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
    Err(S3Error::with_message(S3Code::InvalidRequest, message))
}

/// How versions of a bucket are locked, if they can be.
pub fn configuration(bucket: &NamedBucket) -> Result<Option<ObjectLock>, S3Error> {
    Ok(bucket.row.object_lock()?)
}

/// The bucket has no locks.
pub fn missing() -> S3Error {
    ModelError::NoObjectLock.into()
}

/// The settings of a bucket that is created with locks.
pub fn created(head: &Head) -> Result<Vec<(Setting, Document)>, S3Error> {
    match head.header(ENABLED) {
        None => Ok(Vec::new()),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Vec::new()),
        Some(text) if text.eq_ignore_ascii_case("true") => {
            let versioning = model::rows::bucket::Versioning::Enabled.document();
            let versioning = versioning.map(|document| (Setting::Versioning, document));
            let lock = (Setting::ObjectLock, document(ObjectLock::default()));
            Ok(versioning.into_iter().chain([lock]).collect())
        }
        Some(text) => Err(S3Error::invalid_argument(ENABLED, text, "It must be true or false")),
    }
}

/// A configuration as it is kept.
pub fn document(lock: ObjectLock) -> Document {
    Document(lock.text().into_bytes())
}

/// The configuration that a document asks for.
pub fn asked(configuration: ObjectLockConfiguration) -> Result<ObjectLock, S3Error> {
    let Some((mode, period)) = configuration.default else { return Ok(ObjectLock::default()) };
    let (number, max) = match period {
        LockPeriod::Days(days) => (days, DAYS_MAX),
        LockPeriod::Years(years) => (years, YEARS_MAX),
    };
    if number < 1 {
        let message = "Default retention period must be a positive integer value";
        return Err(S3Error::with_message(S3Code::InvalidRetentionPeriod, message));
    }
    let number = u32::try_from(number).ok().filter(|_| number <= max).ok_or_else(|| {
        let message = "Default retention period too large";
        S3Error::with_message(S3Code::InvalidRetentionPeriod, message)
    })?;
    let period = match period {
        LockPeriod::Days(_) => Period::Days(number),
        LockPeriod::Years(_) => Period::Years(number),
    };
    Ok(ObjectLock { default: Some(DefaultRetention { mode: stored_mode(mode), period }) })
}

/// A configuration as it is shown.
pub fn shown(lock: ObjectLock) -> ObjectLockConfiguration {
    let default = lock.default.map(|default| {
        let period = match default.period {
            Period::Days(days) => LockPeriod::Days(days.into()),
            Period::Years(years) => LockPeriod::Years(years.into()),
        };
        (shown_mode(default.mode), period)
    });
    ObjectLockConfiguration { default }
}

/// The retention that a document asks for.
pub fn asked_retention(call: &Call, document: &RetentionXml) -> Result<Option<Retention>, S3Error> {
    let Some((mode, until)) = &document.retention else { return Ok(None) };
    let not_a_date = |_| S3Error::new(S3Code::MalformedXML);
    let until_ms = dates::parse_iso8601_ms(until).ok_or(()).map_err(not_a_date)?;
    check_future(call, "RetainUntilDate", until, until_ms)?;
    Ok(Some(Retention { mode: stored_mode(*mode), until: WallTime(until_ms) }))
}

/// A retention as it is shown.
pub fn shown_retention(retention: Retention) -> RetentionXml {
    let until = dates::iso8601_ms(retention.until.millis());
    RetentionXml { retention: Some((shown_mode(retention.mode), until)) }
}

/// The headers by which a request asks for a lock.
pub fn as_headers(lock: &Lock) -> Headers {
    let retention = lock.retention.map(|retention| {
        let until = dates::iso8601_ms(retention.until.millis());
        [(MODE, shown_mode(retention.mode).name().to_owned()), (UNTIL, until)]
    });
    let hold = lock.legal_hold.map(|is_held| (LEGAL_HOLD, if is_held { "ON" } else { "OFF" }.to_owned()));
    let all = retention.into_iter().flatten().chain(hold);
    all.map(|(name, value)| (name.as_str().to_owned(), value)).collect()
}

fn parse_until(call: &Call, name: &str, text: &str) -> Result<WallTime, S3Error> {
    let message = "The retain until date must be provided in ISO 8601 format";
    let until_ms =
        dates::parse_iso8601_ms(text).ok_or_else(|| S3Error::invalid_argument(name, text, message))?;
    check_future(call, name, text, until_ms)?;
    Ok(WallTime(until_ms))
}

fn check_future(call: &Call, name: &str, text: &str, until_ms: u64) -> Result<(), S3Error> {
    if until_ms > call.api.model.env().clock.wall().millis() {
        return Ok(());
    }
    Err(S3Error::invalid_argument(name, text, "The retain until date must be in the future!"))
}

fn stored_mode(mode: LockMode) -> RetentionMode {
    match mode {
        LockMode::Governance => RetentionMode::Governance,
        LockMode::Compliance => RetentionMode::Compliance,
    }
}

fn shown_mode(mode: RetentionMode) -> LockMode {
    match mode {
        RetentionMode::Governance => LockMode::Governance,
        RetentionMode::Compliance => LockMode::Compliance,
    }
}

/// Whether the request asks to do what governance forbids, of a bucket that has locks.
pub fn asks_bypass(call: &Call) -> Result<bool, S3Error> {
    match call.head.header(BYPASS) {
        None => Ok(false),
        Some(text) if configuration(call.bucket()?)?.is_none() => {
            let message =
                "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.";
            Err(S3Error::invalid_argument(BYPASS, text, message))
        }
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(S3Error::invalid_argument(BYPASS, text, "It must be true or false")),
    }
}

/// Whether the request may do what governance forbids: it asks for that, and the caller has the permission.
pub async fn bypass(call: &Call, gate: &mut Gate, key: &str) -> Result<Bypass, S3Error> {
    let actions = &["s3:BypassGovernanceRetention"];
    match asks_bypass(call)?
        && may(call, gate, Wanted { access: Access::Owner, actions, key: Some(key) }).await?
    {
        true => Ok(Bypass::Governance),
        false => Ok(Bypass::Nothing),
    }
}

/// Shows the lock of an object to who may ask for it.
pub async fn show(call: &Call, object: &Object, reply: &mut Reply) -> Result<(), S3Error> {
    let Some(Lock { retention, legal_hold }) = object.rare.lock else { return Ok(()) };
    let mut gate = call.api.gate(&call.caller, &call.head, call.bucket()?);
    let (access, key) = (Access::Read, call.head.key.as_deref());
    if let Some(retention) = retention
        && may(call, &mut gate, Wanted { access, actions: &["s3:GetObjectRetention"], key }).await?
    {
        reply.set(MODE, shown_mode(retention.mode).name());
        reply.set(UNTIL, &dates::iso8601_ms(retention.until.millis()));
    }
    if let Some(is_held) = legal_hold
        && may(call, &mut gate, Wanted { access, actions: &["s3:GetObjectLegalHold"], key }).await?
    {
        reply.set(LEGAL_HOLD, if is_held { "ON" } else { "OFF" });
    }
    Ok(())
}

async fn may(call: &Call, gate: &mut Gate, wanted: Wanted<'_>) -> Result<bool, S3Error> {
    match gate.check(&call.api.model, &wanted).await {
        Ok(()) => Ok(true),
        Err(error) if error.code == S3Code::AccessDenied => Ok(false),
        Err(error) => Err(error),
    }
}

/// The answer to a request that changed the lock of an object.
pub fn changed(call: &Call, outcome: Result<VersionId, ModelError>) -> Result<Reply, S3Error> {
    let version = outcome.map_err(|error| versions::of_change(&call.head, error))?;
    let mut reply = Reply::empty(StatusCode::OK);
    versions::show(&mut reply, versions::shown(&call.bucket()?.row, version));
    Ok(reply)
}
