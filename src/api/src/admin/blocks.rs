//! Endpoints about single blocks. Each answers for this node; `for_nodes` has others asked.

use super::{AdminApi, AdminError, Answer, Call, wire};
use base::BlockHash;
use block::BlockFault;
use model::ModelError;
use std::sync::Arc;

/// Faulty blocks listed at once.
const FAULTS_SHOWN_MAX: usize = 1000;

pub(super) async fn list_errors(call: Call<'_>) -> Result<Answer, AdminError> {
    Ok(Answer::json(&errors(call.api).await?))
}

async fn errors(api: &AdminApi) -> Result<Vec<wire::BlockErrorInfo>, AdminError> {
    let model = Arc::clone(&api.model);
    let now = model.env().clock.wall().seconds();
    let describe = move |fault: BlockFault| {
        Ok::<_, ModelError>(wire::BlockErrorInfo {
            block_hash: fault.hash.to_string(),
            refcount: model.blocks().reference_count(&fault.hash)?,
            error_count: fault.failures.into(),
            last_try_secs_ago: fault.since.map_or(0, |since| now.saturating_sub(since.seconds())),
            next_try_in_secs: fault.next_try.seconds().saturating_sub(now),
        })
    };
    let blocks = api.model.blocks().clone();
    let work = move || blocks.faults(FAULTS_SHOWN_MAX)?.into_iter().map(describe).collect();
    let result: Result<_, ModelError> = api.model.env().tasks.blocking(work).await;
    Ok(result?)
}

pub(super) async fn retry(call: Call<'_>) -> Result<Answer, AdminError> {
    let body: wire::RetryBlockResync = call.json()?;
    let hashes = body.block_hashes.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let (blocks, now) = (call.api.model.blocks(), call.api.model.env().clock.wall());
    let mut count = 0;
    if body.all {
        count = blocks.retry_now(None, now).await?;
    } else {
        for hash in hashes {
            count += blocks.retry_now(Some(hash), now).await?;
        }
    }
    Ok(Answer::json(&wire::RetriedBlocks { count: u64::try_from(count).unwrap_or(u64::MAX) }))
}

fn parse(text: &String) -> Result<BlockHash, AdminError> {
    let invalid = || AdminError::InvalidValue { name: "block hash", value: text.clone() };
    BlockHash::from_hex(text).ok_or_else(invalid)
}
