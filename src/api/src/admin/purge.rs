//! Deleting what needs a block that no node has any more, so that nobody waits for it for ever.
//!
//! This is destruction, so it takes nothing for granted. What always holds:
//!
//! - nothing is deleted unless *every* storage node has answered, and none has a file of the block, not even a damaged
//!   one, and each of them could read all its disks;
//! - what is deleted is the very version, or body, that was shown to need the block, never what was written since: of a
//!   null version the transaction, or the ballot, that deletes it looks which body it has;
//! - locks of versions stand.

use super::blocks::{describe, parse};
use super::for_nodes::{self, CallEndpoint};
use super::wire::{BlockBacklink, BlockInfo, BlockPresence, MultiAnswer, PurgedBlocks};
use super::{AdminApi, AdminError, Answer, Call, wire};
use base::id::kind;
use base::{BlockHash, Id, NodeId};
use bytes::Bytes;
use futures_util::future::join_all;
use model::Bypass;
use model::multipart::UploadName;
use model::objects::{Condition, Deletion};
use model::rows::past::VersionId;
use std::collections::{BTreeMap, BTreeSet};

/// Something that needs a block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Doomed {
    Object { bucket: Id<kind::Bucket>, key: String, version: VersionId, body: Id<kind::Body> },
    Upload { bucket: Id<kind::Bucket>, key: String, upload: Id<kind::Upload> },
}

/// Deletes what needs these blocks. This node asks the others, so it answers for all of them.
pub(super) async fn purge(call: Call<'_>) -> Result<Answer, AdminError> {
    let hashes: Vec<String> = call.json()?;
    let hashes = hashes.iter().map(|text| parse(text)).collect::<Result<BTreeSet<_>, _>>()?;
    let mut plan = BTreeMap::new();
    for hash in hashes {
        plan.insert(hash, what_needs(call.api, hash).await?);
    }
    let mut purged = PurgedBlocks::default();
    for (hash, all) in plan {
        // Looked at again: it may have been stored anew meanwhile.
        what_needs(call.api, hash).await?;
        for doomed in all {
            delete(call.api, doomed, &mut purged).await?;
        }
        purged.blocks_purged += 1;
    }
    let success = BTreeMap::from([(call.api.cluster.id().to_string(), purged)]);
    Ok(Answer::json(&MultiAnswer { success, error: BTreeMap::new() }))
}

/// What needs a block, if it is surely missing everywhere.
async fn what_needs(api: &AdminApi, hash: BlockHash) -> Result<BTreeSet<Doomed>, AdminError> {
    let members = api.model.peers().placement().members();
    let infos = join_all(members.into_iter().map(|node| ask(api, node, hash))).await;
    let infos = infos.into_iter().collect::<Result<Vec<BlockInfo>, _>>()?;
    let (mut doomed, mut found, mut untold) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for version in infos.into_iter().flat_map(|info| info.versions) {
        match version.backlink {
            Some(_) if version.ref_deleted => {}
            Some(backlink) => {
                found.insert(version.version_id);
                doomed.extend(doomed_by(backlink)?);
            }
            None if version.version_deleted => _ = found.insert(version.version_id),
            None => _ = untold.insert(version.version_id),
        }
    }
    match untold.difference(&found).next() {
        None => Ok(doomed),
        Some(body) => Err(AdminError::NotPurged(format!("no node tells what needs the body {body}"))),
    }
}

/// What a node says of a block; an error unless it surely has no file of it.
async fn ask(api: &AdminApi, node: NodeId, hash: BlockHash) -> Result<BlockInfo, AdminError> {
    let refused = |why: String| AdminError::NotPurged(format!("node {node} {why}"));
    let info = if node == api.cluster.id() {
        describe(api, hash).await?
    } else {
        let body = serde_json::json!({ "blockHash": hash.to_string() }).to_string();
        let request = CallEndpoint { endpoint: "GetBlockInfo".to_owned(), body: Bytes::from(body) };
        let answer = for_nodes::ask(api, node, &request).await;
        let answer =
            answer.map_err(|why| refused(format!("does not say whether it has the block: {why}")))?;
        serde_json::from_slice(&answer)?
    };
    match info.presence {
        BlockPresence::Missing => Ok(info),
        BlockPresence::Here => Err(refused(
            "has the block: the others fetch it from there, at once after `garage block retry-now --all -a`".to_owned(),
        )),
        BlockPresence::Damaged => Err(refused(
            "has a damaged file of it, which a disk may only have misread: after `garage repair --yes scrub start` \
             there it is judged"
                .to_owned(),
        )),
        BlockPresence::Unknown => {
            Err(refused("cannot say whether it has the block: a disk is not there or cannot be read".to_owned()))
        }
    }
}

fn doomed_by(backlink: BlockBacklink) -> Result<Option<Doomed>, AdminError> {
    match backlink {
        // The nodes that keep the key say which version it is.
        BlockBacklink::Object { version: None, .. } => Ok(None),
        BlockBacklink::Object { bucket_id, key, version: Some(version), body, .. } => {
            let bucket = id_of(&bucket_id)?;
            let version = VersionId::parse(&version).ok_or_else(|| unreadable(&version))?;
            Ok(Some(Doomed::Object { bucket, key, version, body: id_of(&body)? }))
        }
        BlockBacklink::Upload { upload_id, bucket_id: Some(bucket), key: Some(key), .. } => {
            Ok(Some(Doomed::Upload { bucket: id_of(&bucket)?, key, upload: id_of(&upload_id)? }))
        }
        BlockBacklink::Upload { .. } => Ok(None),
    }
}

fn id_of<K: base::id::Kind>(text: &str) -> Result<Id<K>, AdminError> {
    Id::from_hex(text).ok_or_else(|| unreadable(text))
}

fn unreadable(text: &str) -> AdminError {
    AdminError::NotPurged(format!("another node answered what cannot be read: {text}"))
}

async fn delete(api: &AdminApi, doomed: Doomed, purged: &mut wire::PurgedBlocks) -> Result<(), AdminError> {
    match doomed {
        Doomed::Object { bucket, key, version, body } => {
            // A named version never becomes another one; what has no name of its own may have been overwritten.
            let condition =
                if version == VersionId::Null { Condition::OfBody(body) } else { Condition::Always };
            let deletion = Deletion { key, version: Some(version), condition, bypass: Bypass::Nothing };
            match api.model.delete_object(bucket, deletion).await {
                Ok(_) => purged.objects_deleted += 1,
                // It was overwritten or deleted meanwhile, and needs the block no more.
                Err(model::ModelError::ConditionFailed | model::ModelError::ConditionOnMissing) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Doomed::Upload { bucket, key, upload } => {
            match api.model.abort_upload(UploadName { bucket, key, id: upload }).await {
                Ok(()) => purged.uploads_deleted += 1,
                Err(model::ModelError::NoSuchUpload) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    purged.versions_deleted += 1;
    Ok(())
}
