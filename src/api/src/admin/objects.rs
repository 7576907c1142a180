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
use model::rows::version::{self, Contents, VersionRow};
use model::{Model, ModelError};
use std::sync::Arc;
use store::{Read, Space, Step};

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
    let work = move || {
        let Some(found) = model.find(bucket, &key, Want::Metadata)? else {
            return Err(AdminError::Model(ModelError::NoSuchKey));
        };
        let version = version_of(&model, &found)?;
        Ok(wire::InspectedObject { bucket_id: bucket.to_string(), key, versions: vec![version] })
    };
    Ok(Answer::json(&call.api.model.env().tasks.blocking(work).await?))
}

fn version_of(model: &Model, found: &Found) -> Result<wire::InspectedVersion, AdminError> {
    let object = &found.object;
    let uuid = object.body.id().map_or_else(|| encode_hex(&found.stamp.to_bytes()), |id| id.to_string());
    Ok(wire::InspectedVersion {
        uuid,
        timestamp: iso8601_ms(found.stamp.wall().millis()),
        encrypted: false,
        uploading: false,
        aborted: false,
        delete_marker: false,
        inline: matches!(object.body, Body::Inline(_)),
        size: Some(object.size),
        etag: Some(object.etag.to_string()),
        headers: object.headers.clone(),
        blocks: blocks_of(model, found)?,
    })
}

fn blocks_of(model: &Model, found: &Found) -> Result<Vec<wire::InspectedBlock>, AdminError> {
    let mut blocks = Vec::new();
    match &found.object.body {
        Body::Inline(_) => {}
        Body::Blocks(_, pieces) => push_blocks(&mut blocks, 1, &mut 0, pieces),
        Body::Rows(body) => push_rows(model, &mut blocks, 1, *body)?,
        Body::Composite(_) => {
            for part in model.parts_of(found)? {
                push_rows(model, &mut blocks, part.number.into(), part.body)?;
            }
        }
    }
    Ok(blocks)
}

fn push_rows(
    model: &Model,
    blocks: &mut Vec<wire::InspectedBlock>,
    part: u64,
    body: Id<kind::Body>,
) -> Result<(), AdminError> {
    let mut offset = 0;
    let end = table::sort_key::after_prefix(body.as_bytes());
    let start = version::row_key(&body, 0);
    model.store().view()?.walk(Space::Version, &start, end.as_deref(), &mut |_, row: VersionRow| {
        if let Contents::Blocks(pieces) = row.contents {
            push_blocks(blocks, part, &mut offset, &pieces);
        }
        if blocks.len() < BLOCKS_SHOWN_MAX { Step::Next } else { Step::Stop }
    })?;
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
