//! Endpoints about access keys.

use super::{AdminApi, AdminError, Answer, Call, wire};
use crate::dates::iso8601_ms;
use base::WallTime;
use model::Names;
use model::admin::KeyChange;
use model::rows::bucket::Grant;
use model::rows::key::{KeyRow, Secret};
use std::collections::BTreeSet;

/// Lengths of an imported id. The least is what S3 servers in use accept; the most is what AWS
/// allows for the id of a user's key.
const ID_BYTES: std::ops::RangeInclusive<usize> = 3..=128;
/// Lengths of an imported secret. The least as above; the most keeps rows small.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=256;
/// Longest name of a key: it is printed in table columns.
const NAME_MAX_BYTES: usize = 256;
/// How many candidates an ambiguous search names.
const MATCHES_SHOWN: usize = 5;

/// The id or secret of an access key cannot be used in signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFormatError {
    /// The id.
    #[error("an access key id has 3 to 128 visible ASCII characters other than `/`, `,` and `=`")]
    Id,
    /// The secret.
    #[error("a secret key has 8 to 256 visible ASCII characters")]
    Secret,
}

/// Checks the id and the secret of a key made elsewhere: `/`, `,` and `=` end an id in the
/// Authorization header.
pub fn check_key_format(id: &str, secret: &str) -> Result<(), KeyFormatError> {
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !ID_BYTES.contains(&id.len()) || !visible(id) || id.contains(['/', ',', '=']) {
        return Err(KeyFormatError::Id);
    }
    if !SECRET_BYTES.contains(&secret.len()) || !visible(secret) {
        return Err(KeyFormatError::Secret);
    }
    Ok(())
}

pub(super) async fn list(call: Call<'_>) -> Result<Answer, AdminError> {
    let now = call.api.model.env().clock.wall();
    let names = call.api.model.names();
    let keys: Vec<_> = names.keys.iter().map(|(id, row)| summary(id, row, now)).collect();
    Ok(Answer::json(&keys))
}

pub(super) async fn info(call: Call<'_>) -> Result<Answer, AdminError> {
    let names = call.api.model.names();
    let id = match (call.parameter("id"), call.parameter("search")) {
        (Some(id), _) if names.key(id)?.is_some() => id.to_owned(),
        (Some(id), _) => return Err(AdminError::NoSuchKey(id.to_owned())),
        (None, Some(pattern)) => search(&names, pattern)?,
        (None, None) => return Err(AdminError::Unnamed("id or search")),
    };
    show(call.api, &id, call.flag("showSecretKey"))
}

pub(super) async fn create(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::UpdateKey = call.json_or_default()?;
    let change = change_of(&body)?;
    let name = change.name.clone().unwrap_or_else(|| "Unnamed key".to_owned());
    let id = call.api.model.create_key(name).await?;
    if change.may_create_buckets.is_some() || change.expires.is_some() {
        call.api.model.update_key(id.clone(), KeyChange { name: None, ..change }).await?;
    }
    show(call.api, &id, true)
}

pub(super) async fn import(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ImportKey = call.json()?;
    check_key_format(&body.access_key_id, &body.secret_access_key)?;
    let name = checked_name(body.name.as_deref().unwrap_or("Imported key"))?;
    let secret = Secret::new(body.secret_access_key);
    call.api.model.import_key(body.access_key_id.clone(), secret, name).await?;
    show(call.api, &body.access_key_id, true)
}

pub(super) async fn update(call: Call<'_>) -> Result<Answer, AdminError> {
    let id = call.required("id")?.to_owned();
    let body: wire::UpdateKey = call.json()?;
    call.api.model.update_key(id.clone(), change_of(&body)?).await.map_err(|error| naming(error, &id))?;
    show(call.api, &id, false)
}

pub(super) async fn delete(call: Call<'_>) -> Result<Answer, AdminError> {
    let id = call.required("id")?.to_owned();
    call.api.model.delete_key(id.clone()).await.map_err(|error| naming(error, &id))?;
    Ok(Answer::done())
}

/// Names the key in the refusal.
fn naming(error: model::ModelError, id: &str) -> AdminError {
    match error {
        model::ModelError::NoSuchAccessKey => AdminError::NoSuchKey(id.to_owned()),
        other => other.into(),
    }
}

fn change_of(body: &wire::UpdateKey) -> Result<KeyChange, AdminError> {
    let asks =
        |permissions: Option<wire::KeyPermissions>| permissions.is_some_and(|asked| asked.create_bucket);
    let may_create_buckets = match (asks(body.allow), asks(body.deny)) {
        (_, true) => Some(false),
        (true, false) => Some(true),
        (false, false) => None,
    };
    let expires = match (&body.expiration, body.never_expires) {
        (Some(text), _) => Some(Some(parse_time(text)?)),
        (None, true) => Some(None),
        (None, false) => None,
    };
    let name = body.name.as_deref().map(checked_name).transpose()?;
    Ok(KeyChange { name, may_create_buckets, expires })
}

fn checked_name(name: &str) -> Result<String, AdminError> {
    if name.len() > NAME_MAX_BYTES || name.chars().any(char::is_control) {
        return Err(AdminError::InvalidValue { name: "key name", value: name.chars().take(64).collect() });
    }
    Ok(name.to_owned())
}

fn parse_time(text: &str) -> Result<WallTime, AdminError> {
    let parsed = text.parse::<jiff::Timestamp>().ok();
    let millis = parsed.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let invalid = || AdminError::InvalidValue { name: "time in RFC 3339", value: text.to_owned() };
    millis.map(WallTime).ok_or_else(invalid)
}

/// The one key that a pattern fits: an id, else a name, else the beginning of either.
fn search(names: &Names, pattern: &str) -> Result<String, AdminError> {
    if names.key(pattern)?.is_some() {
        return Ok(pattern.to_owned());
    }
    let by_name: Vec<&String> =
        names.keys.iter().filter(|(_, row)| row.name.value == pattern).map(|(id, _)| id).collect();
    let lower = pattern.to_lowercase();
    let begins = |text: &str| text.to_lowercase().starts_with(&lower);
    let by_prefix = || {
        let fits = names.keys.iter().filter(|(id, row)| begins(id) || begins(&row.name.value));
        fits.map(|(id, _)| id).collect::<Vec<_>>()
    };
    let found = if by_name.is_empty() && !pattern.is_empty() { by_prefix() } else { by_name };
    match found.as_slice() {
        [] => Err(AdminError::NoSuchKey(pattern.to_owned())),
        [id] => Ok((*id).clone()),
        several => Err(AdminError::Ambiguous {
            pattern: pattern.to_owned(),
            matches: several.iter().take(MATCHES_SHOWN).map(|id| (*id).clone()).collect(),
        }),
    }
}

fn summary(id: &str, row: &KeyRow, now: WallTime) -> wire::KeySummary {
    wire::KeySummary {
        id: id.to_owned(),
        name: row.name.value.clone(),
        created: Some(iso8601_ms(row.created.wall().millis())),
        expiration: row.expires.value.map(|time| iso8601_ms(time.millis())),
        expired: row.expires.value.is_some_and(|end| end <= now),
    }
}

fn show(api: &AdminApi, id: &str, with_secret: bool) -> Result<Answer, AdminError> {
    let names = api.model.names();
    let row = names.keys.get(id).ok_or_else(|| AdminError::NoSuchKey(id.to_owned()))?;
    let wire::KeySummary { id, name, created, expiration, expired } =
        summary(id, row, api.model.env().clock.wall());
    let local = |bucket| {
        let own = row.local_aliases.iter().filter(move |(_, target)| **target == Some(bucket));
        own.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let granted =
        names.buckets.iter().filter(|(_, bucket)| !bucket.grant_of(&id).is_none()).map(|(id, _)| *id);
    let named = row.local_aliases.iter().filter_map(|(_, target)| *target);
    let visible: BTreeSet<_> = granted.chain(named).filter(|id| names.buckets.contains_key(id)).collect();
    let buckets = visible.into_iter().map(|bucket| wire::KeyBucket {
        id: bucket.to_string(),
        global_aliases: names.aliases_of(bucket).map(str::to_owned).collect(),
        local_aliases: local(bucket),
        permissions: names.buckets.get(&bucket).map_or_else(Default::default, |row| row.grant_of(&id).into()),
    });
    let buckets = buckets.collect();
    Ok(Answer::json(&wire::KeyInfo {
        access_key_id: id.clone(),
        created,
        name,
        expiration,
        expired,
        secret_access_key: with_secret.then(|| row.secret.value.reveal().to_owned()),
        permissions: wire::KeyPermissions { create_bucket: row.may_create_buckets.value },
        buckets,
    }))
}

impl From<Grant> for wire::Permissions {
    fn from(grant: Grant) -> Self {
        Self { read: grant.read, write: grant.write, owner: grant.owner }
    }
}
