//! Endpoints that list, show, make, change and delete buckets.

use super::bucket_names::{check_local_alias, grant};
use super::{AdminApi, AdminError, Answer, Call, bucket_settings, wire};
use crate::dates::iso8601_ms;
use crate::s3::website;
use base::id::kind;
use base::limits::PART_NUMBER_MAX;
use base::{BucketName, Id, PartitionHash};
use model::admin::BucketChange;
use model::listing::{ListQuery, Start};
use model::multipart::UploadName;
use model::rows::bucket::{BucketRow, Quotas, Website};
use model::usage::{self, Usage};
use model::{Model, ModelError, Names};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Open uploads whose parts are counted for GetBucketInfo; the parts of further ones are left out.
const UPLOADS_EXAMINED_MAX: usize = 1000;
/// How many candidates an ambiguous search names.
const MATCHES_SHOWN: usize = 5;

pub(super) async fn list(call: Call<'_>) -> Result<Answer, AdminError> {
    let names = call.api.model.names();
    let buckets: Vec<_> = names.buckets.iter().map(|(id, row)| summary(&names, *id, row)).collect();
    Ok(Answer::json(&buckets))
}

pub(super) async fn info(call: Call<'_>) -> Result<Answer, AdminError> {
    let names = call.api.model.names();
    let (id, alias, pattern) =
        (call.parameter("id"), call.parameter("globalAlias"), call.parameter("search"));
    let id = match (id, alias, pattern) {
        (Some(id), _, _) => find(&names, id)?,
        (None, Some(alias), _) => {
            names.called(alias)?.ok_or_else(|| AdminError::NoSuchBucket(alias.to_owned()))?.0
        }
        (None, None, Some(pattern)) => search(&names, pattern)?,
        (None, None, None) => return Err(AdminError::Unnamed("id, globalAlias or search")),
    };
    show(call.api, id).await
}

pub(super) async fn create(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::CreateBucket = call.json_or_default()?;
    let model = &call.api.model;
    let name = body.global_alias.as_deref().map(BucketName::parse_new).transpose()?;
    // Everything that can be refused is refused before something is made.
    if let Some(local) = &body.local_alias {
        check_local_alias(&model.names(), &local.access_key_id, &local.alias, None)?;
    }
    let id = model.create_bucket(name, None).await?;
    if let Some(local) = body.local_alias {
        let key = local.access_key_id;
        model.set_local_alias(key.clone(), local.alias, Some(id)).await?;
        grant(model, id, key, local.allow, true).await?;
    }
    show(call.api, id).await
}

pub(super) async fn update(call: Call<'_>) -> Result<Answer, AdminError> {
    let names = call.api.model.names();
    let id = find(&names, call.required("id")?)?;
    let mut body: wire::UpdateBucket = call.json()?;
    let settings = bucket_settings::wanted(&call.api.model, (&names, id), &mut body).await?;
    let website = match body.website_access {
        Some(access) => Some(website_of(access, names.buckets.get(&id).map(AsRef::as_ref))?),
        None => None,
    };
    let quotas =
        body.quotas.map(|quotas| Quotas { size_bytes: quotas.max_size, objects: quotas.max_objects });
    call.api.model.update_bucket(id, BucketChange { quotas, website, settings }).await?;
    show(call.api, id).await
}

pub(super) async fn delete(call: Call<'_>) -> Result<Answer, AdminError> {
    let id = find(&call.api.model.names(), call.required("id")?)?;
    call.api.model.delete_bucket(id).await?;
    Ok(Answer::done())
}

/// The site that is asked for. Rules that only S3 can set stay; a site that only redirected serves from now on.
fn website_of(access: wire::WebsiteAccess, row: Option<&BucketRow>) -> Result<Option<Website>, AdminError> {
    if access.routing_rules.is_some() {
        return Err(AdminError::NotImplemented("UpdateBucket with routingRules"));
    }
    match (access.enabled, access.index_document, access.error_document) {
        (true, Some(index_document), error_document) => {
            website::check_documents(&index_document, error_document.as_deref())
                .map_err(|_| AdminError::WebsiteDocuments)?;
            if row.is_some_and(|row| !website::may_be_public(row)) {
                return Err(AdminError::WebsiteIsBlocked);
            }
            let before = row.and_then(|row| row.website.value.as_ref());
            let serves = before.filter(|site| !site.index_document.is_empty());
            let redirects = serves.and_then(|site| site.redirects.clone());
            Ok(Some(Website { index_document, error_document, redirects }))
        }
        (false, None, None) => Ok(None),
        _ => Err(AdminError::WebsiteDocuments),
    }
}

/// The live bucket of this id.
pub(super) fn find(names: &Names, id: &str) -> Result<Id<kind::Bucket>, AdminError> {
    let unknown = || AdminError::NoSuchBucket(id.to_owned());
    let parsed = Id::from_hex(id).ok_or_else(unknown)?;
    match names.bucket(parsed) {
        Err(ModelError::NoSuchBucket) => Err(unknown()),
        found => Ok(found.map(|_| parsed)?),
    }
}

/// The one bucket that a pattern fits: a global name or an id, else the beginning of either.
fn search(names: &Names, pattern: &str) -> Result<Id<kind::Bucket>, AdminError> {
    if let Some((id, _)) = names.resolve(pattern, None)? {
        return Ok(id);
    }
    let lower = pattern.to_ascii_lowercase();
    let by_name = names.aliases.iter().filter(|(name, _)| name.starts_with(pattern)).map(|(_, id)| *id);
    let by_id = names.buckets.keys().filter(|id| id.to_string().starts_with(&lower)).copied();
    let found: BTreeSet<_> = by_name.chain(by_id).filter(|_| !pattern.is_empty()).collect();
    let mut fits = found.iter();
    match (fits.next(), fits.next()) {
        (None, _) => Err(AdminError::NoSuchBucket(pattern.to_owned())),
        (Some(id), None) => Ok(*id),
        (Some(_), Some(_)) => Err(AdminError::Ambiguous {
            pattern: pattern.to_owned(),
            matches: found.iter().take(MATCHES_SHOWN).map(ToString::to_string).collect(),
        }),
    }
}

fn summary(names: &Names, id: Id<kind::Bucket>, row: &BucketRow) -> wire::BucketSummary {
    let local = names.keys.iter().flat_map(|(key, row)| {
        let own = row.local_aliases.iter().filter(|(_, target)| **target == Some(id));
        own.map(|(alias, _)| wire::LocalAlias { access_key_id: key.clone(), alias: alias.clone() })
    });
    wire::BucketSummary {
        id: id.to_string(),
        created: Some(iso8601_ms(row.created.wall().millis())),
        global_aliases: names.aliases_of(id).map(str::to_owned).collect(),
        local_aliases: local.collect(),
    }
}

/// Everything about a bucket, as it is now.
pub(super) async fn show(api: &AdminApi, id: Id<kind::Bucket>) -> Result<Answer, AdminError> {
    let names = api.model.names();
    let row = names.buckets.get(&id).ok_or_else(|| AdminError::NoSuchBucket(id.to_string()))?;
    let usage = usage_of(&api.model, id)?;
    let (parts, part_bytes) = open_parts(&api.model, id).await?;
    let wire::BucketSummary { id: text, created, global_aliases, local_aliases } = summary(&names, id, row);
    let keys = names.keys.iter().filter_map(|(key, key_row)| {
        let own = local_aliases.iter().filter(|alias| alias.access_key_id == *key);
        let bucket_local_aliases: Vec<_> = own.map(|alias| alias.alias.clone()).collect();
        let granted = row.grant_of(key);
        (!granted.is_none() || !bucket_local_aliases.is_empty()).then(|| wire::BucketKey {
            access_key_id: key.clone(),
            name: key_row.name.value.clone(),
            permissions: granted.into(),
            bucket_local_aliases,
        })
    });
    let keys = keys.collect();
    let quotas = row.quotas.value;
    let mut info = wire::BucketInfo {
        id: text,
        created,
        global_aliases,
        keys,
        objects: usage.objects,
        bytes: usage.bytes,
        unfinished_uploads: usage.uploads,
        unfinished_multipart_uploads: usage.uploads,
        unfinished_multipart_upload_parts: parts,
        unfinished_multipart_upload_bytes: part_bytes,
        quotas: wire::Quotas { max_size: quotas.size_bytes, max_objects: quotas.objects },
        ..wire::BucketInfo::default()
    };
    bucket_settings::show(row, &mut info);
    Ok(Answer::json(&info))
}

/// The counters of a bucket.
pub(super) fn usage_of(model: &Arc<Model>, id: Id<kind::Bucket>) -> Result<Usage, AdminError> {
    Ok(usage::of_partition(&model.store().view()?, PartitionHash::of_shard(&id, 0))?)
}

/// Number and bytes of the parts of open uploads.
async fn open_parts(model: &Arc<Model>, bucket: Id<kind::Bucket>) -> Result<(i64, i64), AdminError> {
    let query = ListQuery { start: Start::First, limit: UPLOADS_EXAMINED_MAX, ..ListQuery::default() };
    let page = model.list_uploads(bucket, query, None).await?;
    if page.uploads.is_empty() {
        return Ok((0, 0));
    }
    let (mut parts, mut bytes) = (0, 0);
    for upload in page.uploads {
        let name = UploadName { bucket, key: upload.key, id: upload.id };
        match model.list_parts(&name, 0, usize::from(PART_NUMBER_MAX)).await {
            Ok((_, listed, _)) => {
                parts += i64::try_from(listed.len()).unwrap_or(i64::MAX);
                let sizes = listed.iter().map(|part| i64::try_from(part.row.size).unwrap_or(i64::MAX));
                bytes = sizes.fold(bytes, i64::saturating_add);
            }
            // It was closed since it was listed.
            Err(ModelError::NoSuchUpload) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((parts, bytes))
}
