//! The first start: a bucket and a key. What is said about them stands in `announce`.
//!
//! A second start changes nothing. There is no default password: the secret is random unless the
//! operator gives one.

use crate::config::Config;
use anyhow::Context;
use base::BucketName;
use model::rows::bucket::Grant;
use model::rows::key::Secret;
use model::{Model, ModelError};
use store::StoreError;

/// Name of the first bucket when none is given.
pub const FIRST_BUCKET: &str = "my-bucket";
/// Name of the first key.
const FIRST_KEY_NAME: &str = "first key";

/// What this start made, or found made.
#[derive(Debug, Default)]
pub struct FirstRunOutcome {
    /// The first key's id, if this start made it.
    pub new_key: Option<String>,
    /// The first bucket's name, if this start made it.
    pub new_bucket: Option<String>,
}

/// Makes the first bucket and key on an empty node, and those that the operator names. What cannot be looked for, since
/// a row is damaged, or cannot be made, since the disk is full, is left for a later start: a node must start there, to
/// serve the rest.
pub async fn prepare(
    model: &std::sync::Arc<Model>,
    config: &Config,
    has_joined: bool,
) -> anyhow::Result<FirstRunOutcome> {
    let made = make(model, config, has_joined).await;
    match made.as_ref().err().and_then(|error| error.downcast_ref::<ModelError>()) {
        Some(error @ ModelError::Store(StoreError::Unreadable { .. } | StoreError::Full)) => {
            tracing::warn!(%error, "the first key and bucket are left for a later start");
            Ok(FirstRunOutcome::default())
        }
        _ => made,
    }
}

async fn make(
    model: &std::sync::Arc<Model>,
    config: &Config,
    has_joined: bool,
) -> anyhow::Result<FirstRunOutcome> {
    if model.peers().placement().members().is_empty() {
        // Buckets and keys belong to the cluster that this node will be a part of.
        return Ok(FirstRunOutcome::default());
    }
    let names = model.names();
    let asked = &config.first_run;
    // One that joined may not have heard yet what its cluster has.
    let is_empty =
        !has_joined && names.keys.is_empty() && names.buckets.is_empty() && !model.has_history()?;
    let key = match &asked.key {
        Some((id, _)) if names.key(id)?.is_some() => None,
        Some((id, secret)) => {
            api::admin::check_key_format(id, secret.reveal())?;
            let secret = Secret::new(secret.reveal().to_owned());
            model.import_key(id.clone(), secret, FIRST_KEY_NAME.to_owned()).await?;
            Some(id.clone())
        }
        None if is_empty && config.config_file.is_none() => {
            Some(model.create_key(FIRST_KEY_NAME.to_owned()).await?)
        }
        None => None,
    };
    if let Some(id) = &key {
        let change = model::admin::KeyChange { may_create_buckets: Some(true), ..Default::default() };
        model.update_key(id.clone(), change).await?;
    }
    let owner = key.clone().or_else(|| asked.key.as_ref().map(|(id, _)| id.clone()));
    let wanted = asked
        .bucket
        .clone()
        .or_else(|| (is_empty && config.config_file.is_none()).then(|| FIRST_BUCKET.to_owned()));
    let new_bucket = match wanted {
        Some(name) => ensure_bucket(model, name, owner).await?,
        None => None,
    };
    Ok(FirstRunOutcome { new_key: key, new_bucket })
}

async fn ensure_bucket(
    model: &std::sync::Arc<Model>,
    name: String,
    owner: Option<String>,
) -> anyhow::Result<Option<String>> {
    let valid =
        BucketName::parse_new(&name).with_context(|| format!("the first bucket cannot be named {name:?}"))?;
    // A later start writes nothing, so that it works on a full disk.
    if model.names().resolve(&name, None)?.is_none() {
        match model.create_bucket(Some(valid), owner.clone()).await {
            Ok(_) => return Ok(Some(name)),
            Err(ModelError::BucketAlreadyYours | ModelError::BucketNameTaken) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let (Some(owner), Some((id, bucket))) = (owner, model.names().resolve(&name, None)?)
        && bucket.grant_of(&owner) != Grant::ALL
    {
        model.change_grant(id, owner, |_| Grant::ALL).await?;
    }
    Ok(None)
}
