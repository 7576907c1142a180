//! Endpoints about single blocks. Each answers for this node; `for_nodes` has others asked.

use super::{AdminApi, AdminError, Answer, Call, wire};
use base::id::kind;
use base::{BlockHash, Id};
use block::{BlockFault, HASH_DIGITS, Presence};
use model::{BodyUser, ModelError, Names};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Faulty blocks listed at once.
const FAULTS_SHOWN_MAX: usize = 1000;
/// Bodies of a block that are shown.
const USES_SHOWN_MAX: usize = 1000;
/// Blocks named where the beginning of a hash fits several.
const FITTING_SHOWN_MAX: usize = 5;

pub(super) async fn list_errors(call: Call<'_>) -> Result<Answer, AdminError> {
    Ok(Answer::json(&errors(call.api).await?))
}

async fn errors(api: &AdminApi) -> Result<Vec<wire::BlockErrorInfo>, AdminError> {
    let model = Arc::clone(&api.model);
    let now = model.env().clock.wall().seconds();
    let describe = move |fault: BlockFault| {
        let ago = |time: base::WallTime| now.saturating_sub(time.seconds());
        Ok::<_, ModelError>(wire::BlockErrorInfo {
            block_hash: fault.hash.to_string(),
            refcount: model.blocks().reference_count(&fault.hash)?,
            error_count: fault.failures.into(),
            last_try_secs_ago: fault.last_try.or(fault.since).map_or(0, ago),
            missing_for_secs: fault.since.map(ago),
            next_try_in_secs: fault.next_try.seconds().saturating_sub(now),
        })
    };
    let blocks = api.model.blocks().clone();
    let work = move || blocks.faults(FAULTS_SHOWN_MAX)?.into_iter().map(describe).collect();
    let result: Result<_, ModelError> = api.model.env().tasks.blocking(work).await;
    Ok(result?)
}

pub(super) async fn info(call: Call<'_>) -> Result<Answer, AdminError> {
    let wire::GetBlockInfo { block_hash } = call.json()?;
    let hash = one_block(call.api, &block_hash)?;
    Ok(Answer::json(&describe(call.api, hash).await?))
}

/// The one block that begins like this. A whole hash need not be known here.
fn one_block(api: &AdminApi, text: &str) -> Result<BlockHash, AdminError> {
    let prefix = text.to_ascii_lowercase();
    let is_hex = prefix.bytes().all(|digit| digit.is_ascii_hexdigit());
    if prefix.is_empty() || prefix.len() > HASH_DIGITS || !is_hex {
        return Err(AdminError::InvalidValue { name: "block hash", value: text.to_owned() });
    }
    if let Some(whole) = BlockHash::from_hex(&prefix) {
        return Ok(whole);
    }
    let fitting = api.model.blocks().blocks_like(&prefix, FITTING_SHOWN_MAX)?;
    match fitting.as_slice() {
        [hash] => Ok(*hash),
        [] => Err(AdminError::NoSuchBlock(text.to_owned())),
        several => Err(AdminError::Ambiguous {
            pattern: text.to_owned(),
            matches: several.iter().map(BlockHash::to_string).collect(),
        }),
    }
}

/// What this node knows of a block.
pub(super) async fn describe(api: &AdminApi, hash: BlockHash) -> Result<wire::BlockInfo, AdminError> {
    let names = api.model.names();
    let uses = api.model.uses_of_block(hash, USES_SHOWN_MAX).await?;
    let mut versions = Vec::new();
    for model::BlockUse { body, is_removed, users } in uses {
        let is_over = is_removed || users.is_empty();
        let of = |backlink| wire::BlockVersion {
            version_id: body.to_string(),
            ref_deleted: is_removed,
            version_deleted: is_over,
            garbage_collected: is_over,
            backlink,
        };
        if users.is_empty() {
            versions.push(of(None));
        }
        versions.extend(users.into_iter().map(|user| of(backlink(&names, user))));
    }
    Ok(wire::BlockInfo {
        block_hash: hash.to_string(),
        refcount: api.model.blocks().reference_count(&hash)?,
        presence: match api.model.blocks().presence(hash).await {
            Presence::Good => wire::BlockPresence::Here,
            Presence::Damaged => wire::BlockPresence::Damaged,
            Presence::Absent => wire::BlockPresence::Missing,
            Presence::Unknown => wire::BlockPresence::Unknown,
        },
        versions,
    })
}

fn backlink(names: &Names, user: BodyUser) -> Option<wire::BlockBacklink> {
    match user {
        BodyUser::Object { bucket, key, body, version } => Some(wire::BlockBacklink::Object {
            bucket_id: bucket.to_string(),
            bucket: name_of(names, bucket),
            key,
            version: version.map(|version| version.to_string()),
            body: body.to_string(),
        }),
        BodyUser::Upload { upload, place } => Some(wire::BlockBacklink::Upload {
            upload_id: upload.to_string(),
            upload_deleted: false,
            upload_garbage_collected: false,
            bucket_id: place.as_ref().map(|(bucket, _)| bucket.to_string()),
            bucket: place.as_ref().and_then(|(bucket, _)| name_of(names, *bucket)),
            key: place.map(|(_, key)| key),
        }),
        BodyUser::Elsewhere => None,
    }
}

fn name_of(names: &Names, bucket: Id<kind::Bucket>) -> Option<String> {
    names.aliases_of(bucket).next().map(str::to_owned)
}

pub(super) async fn retry(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::RetryBlockResync = call.json()?;
    let hashes = body.block_hashes.iter().map(|text| parse(text)).collect::<Result<BTreeSet<_>, _>>()?;
    let now = call.api.model.env().clock.wall();
    let count = call.api.model.blocks().retry_now((!body.all).then_some(&hashes), now).await?;
    Ok(Answer::json(&wire::RetriedBlocks { count: u64::try_from(count).unwrap_or(u64::MAX) }))
}

/// A whole hash.
pub(super) fn parse(text: &str) -> Result<BlockHash, AdminError> {
    let invalid = || AdminError::InvalidValue { name: "block hash", value: text.to_owned() };
    BlockHash::from_hex(text).ok_or_else(invalid)
}
