//! Endpoints about who may use a bucket, and by which names.

use super::buckets::{find, show};
use super::{AdminError, Answer, Call, wire};
use base::id::kind;
use base::{BucketName, Id};
use model::rows::bucket::Grant;
use model::{Model, Names};

pub(super) async fn allow(call: Call<'_>) -> Result<Answer, AdminError> {
    change_key(call, true).await
}

pub(super) async fn deny(call: Call<'_>) -> Result<Answer, AdminError> {
    change_key(call, false).await
}

async fn change_key(call: Call<'_>, value: bool) -> Result<Answer, AdminError> {
    let body: wire::ChangeBucketKey = call.json()?;
    let names = call.api.model.names();
    let id = find(&names, &body.bucket_id)?;
    if names.key(&body.access_key_id)?.is_none() {
        return Err(AdminError::NoSuchKey(body.access_key_id));
    }
    grant(&call.api.model, id, body.access_key_id, body.permissions, value).await?;
    show(call.api, id).await
}

/// Sets the flags that are true in `flags` to `value`; the others stay.
pub(super) async fn grant(
    model: &std::sync::Arc<Model>,
    id: Id<kind::Bucket>,
    key: String,
    flags: wire::Permissions,
    value: bool,
) -> Result<(), AdminError> {
    let pick = move |flag: bool, present: bool| if flag { value } else { present };
    let change = move |present: Grant| Grant {
        read: pick(flags.read, present.read),
        write: pick(flags.write, present.write),
        owner: pick(flags.owner, present.owner),
    };
    Ok(model.change_grant(id, key, change).await?)
}

/// A global name, or a key's own name.
enum Alias {
    Global(String),
    Local { key: String, name: String },
}

fn alias_of(body: wire::ChangeBucketAlias) -> Result<Alias, AdminError> {
    match (body.global_alias, body.local_alias, body.access_key_id) {
        (Some(name), None, None) => Ok(Alias::Global(name)),
        (None, Some(name), Some(key)) => Ok(Alias::Local { key, name }),
        _ => Err(AdminError::AliasKind),
    }
}

pub(super) async fn add_alias(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ChangeBucketAlias = call.json()?;
    let model = &call.api.model;
    let names = model.names();
    let id = find(&names, &body.bucket_id)?;
    match alias_of(body)? {
        Alias::Global(name) => model.add_alias(BucketName::parse_new(&name)?, id).await?,
        Alias::Local { key, name } => {
            check_local_alias(&names, &key, &name, Some(id))?;
            model.set_local_alias(key, name, Some(id)).await?;
        }
    }
    show(call.api, id).await
}

pub(super) async fn remove_alias(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::ChangeBucketAlias = call.json()?;
    let model = &call.api.model;
    let names = model.names();
    let id = find(&names, &body.bucket_id)?;
    let alias = alias_of(body)?;
    let (name, points_here) = match &alias {
        Alias::Global(name) => (name, names.aliases.get(name) == Some(&id)),
        Alias::Local { key, name } => {
            let row = names.key(key)?.ok_or_else(|| AdminError::NoSuchKey(key.clone()))?;
            (name, row.local_aliases.get(name) == Some(&Some(id)))
        }
    };
    if !points_here {
        return Err(AdminError::NotAnAlias(name.clone()));
    }
    if count_names(&names, id) < 2 {
        return Err(AdminError::LastAlias);
    }
    match alias {
        Alias::Global(name) => model.remove_alias(name, id).await?,
        Alias::Local { key, name } => model.set_local_alias(key, name, None).await?,
    }
    show(call.api, id).await
}

fn count_names(names: &Names, id: Id<kind::Bucket>) -> usize {
    let local = names.keys.values().flat_map(|row| row.local_aliases.iter());
    names.aliases_of(id).count() + local.filter(|(_, target)| **target == Some(id)).count()
}

/// Refuses a key's own name that is not valid, or that means another live bucket already.
pub(super) fn check_local_alias(
    names: &Names,
    key: &str,
    name: &str,
    target: Option<Id<kind::Bucket>>,
) -> Result<(), AdminError> {
    BucketName::parse_new(name)?;
    let row = names.key(key)?.ok_or_else(|| AdminError::NoSuchKey(key.to_owned()))?;
    let taken = row.local_aliases.get(&name.to_owned()).copied().flatten();
    match taken.filter(|id| names.buckets.contains_key(id)) {
        Some(other) if Some(other) != target => Err(AdminError::LocalAliasTaken(name.to_owned())),
        _ => Ok(()),
    }
}
