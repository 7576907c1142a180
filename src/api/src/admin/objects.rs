//! Endpoints that look into a bucket: unfinished uploads, and what is stored under a key.

use super::buckets::find;
use super::{AdminError, Answer, Call, wire};
use crate::dates::iso8601_ms;
use base::Id;
use base::id::{encode_hex, kind};
use model::listing::{ListQuery, Start};
use model::multipart::UploadName;
use model::objects::{Found, Want};
use model::rows::object::{BlockPiece, Body};
use model::rows::version::Contents;
use model::{Model, ModelError};
use std::sync::Arc;

/// Uploads looked at in one page.
const PAGE_UPLOADS: usize = 1000;
/// Blocks shown of one object: 100 GB of it, about 15 MB of JSON.
const BLOCKS_SHOWN_MAX: usize = 100_000;

pub(super) async fn cleanup_uploads(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::CleanupIncompleteUploads = call.json()?;
    let model = &call.api.model;
    let bucket = find(&model.names(), &body.bucket_id)?;
    let age_ms = body.older_than_secs.saturating_mul(1000);
    let newest_ms = model.env().clock.wall().millis().checked_sub(age_ms);
    let mut deleted = 0;
    let mut start = (Start::First, None);
    // Nothing is older than the beginning of time.
    while let Some(newest_ms) = newest_ms {
        let query = ListQuery { start: start.0, limit: PAGE_UPLOADS, ..ListQuery::default() };
        let page = model.list_uploads(bucket, query, start.1).await?;
        let Some(last) = page.uploads.last() else { break };
        start = (Start::After(last.key.clone()), Some(last.id));
        for upload in page.uploads {
            if upload.row.initiated.wall().millis() > newest_ms {
                continue;
            }
            let name = UploadName { bucket, key: upload.key, id: upload.id };
            match model.abort_upload(name).await {
                Ok(()) => deleted += 1,
                // It was completed or aborted since it was listed.
                Err(ModelError::NoSuchUpload) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !page.truncated {
            break;
        }
    }
    Ok(Answer::json(&wire::CleanedUploads { uploads_deleted: deleted }))
}

pub(super) async fn inspect(call: Call<'_>) -> Result<Answer, AdminError> {
    let bucket = find(&call.api.model.names(), call.required("bucketId")?)?;
    let key = call.required("key")?.to_owned();
    let model = Arc::clone(&call.api.model);
    let Some(found) = model.find(bucket, &key, Want::Metadata).await? else {
        return Err(AdminError::Model(ModelError::NoSuchKey));
    };
    let versions = vec![version_of(&model, &found).await?];
    Ok(Answer::json(&wire::InspectedObject { bucket_id: bucket.to_string(), key, versions }))
}

async fn version_of(model: &Arc<Model>, found: &Found) -> Result<wire::InspectedVersion, AdminError> {
    let object = &found.object;
    let uuid = object.body.id().map_or_else(|| encode_hex(&found.stamp.to_bytes()), |id| id.to_string());
    Ok(wire::InspectedVersion {
        uuid,
        timestamp: iso8601_ms(found.modified().wall().millis()),
        encrypted: false,
        uploading: false,
        aborted: false,
        delete_marker: false,
        inline: matches!(object.body, Body::Inline(_)),
        size: Some(object.size),
        etag: Some(object.etag.to_string()),
        headers: object.headers.clone(),
        blocks: blocks_of(model, found).await?,
    })
}

async fn blocks_of(model: &Arc<Model>, found: &Found) -> Result<Vec<wire::InspectedBlock>, AdminError> {
    let mut blocks = Vec::new();
    match &found.object.body {
        Body::Inline(_) => {}
        Body::Blocks(_, pieces) => push_blocks(&mut blocks, 1, &mut 0, pieces),
        Body::Rows(body) => push_rows(model, &mut blocks, 1, *body).await?,
        Body::Composite(_) => {
            for part in model.parts_of(found).await? {
                push_rows(model, &mut blocks, part.number.into(), part.body).await?;
            }
        }
    }
    Ok(blocks)
}

async fn push_rows(
    model: &Arc<Model>,
    blocks: &mut Vec<wire::InspectedBlock>,
    part: u64,
    body: Id<kind::Body>,
) -> Result<(), AdminError> {
    let (mut offset, mut next) = (0, Some(0));
    while let Some(first) = next.filter(|_| blocks.len() < BLOCKS_SHOWN_MAX) {
        let (rows, more) = model.version_rows(body, first, BLOCKS_SHOWN_MAX).await?;
        for (_, row) in rows {
            if let Contents::Blocks(pieces) = row.contents {
                push_blocks(blocks, part, &mut offset, &pieces);
            }
        }
        next = more;
    }
    Ok(())
}

fn push_blocks(blocks: &mut Vec<wire::InspectedBlock>, part: u64, offset: &mut u64, pieces: &[BlockPiece]) {
    let room = BLOCKS_SHOWN_MAX.saturating_sub(blocks.len());
    blocks.extend(pieces.iter().take(room).map(|piece| {
        let at = *offset;
        *offset += u64::from(piece.size);
        wire::InspectedBlock {
            part_number: part,
            offset: at,
            hash: piece.hash.to_string(),
            size: piece.size.into(),
        }
    }));
}
