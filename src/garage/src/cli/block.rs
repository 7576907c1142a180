//! `garage block`: blocks that are missing, what needs them, and what is done about it.

use super::confirm::{Yes, confirm};
use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use super::values;
use super::which_nodes::WhichNodes;
use api::admin::wire::{
    BlockBacklink, BlockErrorInfo, BlockInfo, BlockPresence, GetBlockInfo, MultiAnswer, PurgedBlocks,
    RetriedBlocks, RetryBlockResync,
};
use clap::{Args, Subcommand};
use std::collections::BTreeSet;

/// Objects named before they are deleted; of more there is their number.
const NAMED_MAX: usize = 10;

/// Where the values of a block begin.
const FIELD_WIDTH: usize = 12;

/// What to do with blocks.
#[derive(Debug, Clone, Subcommand)]
pub enum BlockCommand {
    /// List blocks that are used and could not be found so far.
    ListErrors {
        #[command(flatten)]
        nodes: WhichNodes,
    },
    /// Show a block: whether its file is there, and which objects need it.
    Info {
        /// Its hash, or how it begins.
        hash: String,
        #[command(flatten)]
        nodes: WhichNodes,
    },
    /// Look for missing blocks at once.
    RetryNow(RetryArguments),
    /// Delete the objects that need blocks which no node has any more.
    #[command(
        after_long_help = "Such objects can be listed and not be read. Purging deletes them, and gives up \
                                 uploads, so that nobody looks for their blocks any more. Nothing is deleted unless \
                                 every storage node answers and none has a file of the block.\n\nExample:\n  garage \
                                 block list-errors -a\n  garage block purge HASH"
    )]
    Purge {
        /// Whole hashes, as `garage block list-errors` shows them.
        #[arg(required = true, value_parser = values::block_hash)]
        hashes: Vec<String>,
        #[command(flatten)]
        yes: Yes,
    },
}

/// Which blocks to look for.
#[derive(Debug, Clone, Args)]
pub struct RetryArguments {
    /// All that are missing.
    #[arg(long, conflicts_with = "hashes")]
    all: bool,
    /// Whole hashes, as `garage block list-errors` shows them.
    #[arg(required_unless_present = "all")]
    hashes: Vec<String>,
    #[command(flatten)]
    nodes: WhichNodes,
}

/// Runs a command about blocks.
pub async fn run(session: &Session, command: BlockCommand) -> Result<Report, CliError> {
    match command {
        BlockCommand::ListErrors { nodes } => list_errors(session, &nodes).await,
        BlockCommand::Info { hash, nodes } => info(session, hash, &nodes).await,
        BlockCommand::RetryNow(arguments) => retry(session, arguments).await,
        BlockCommand::Purge { hashes, yes } => purge(session, &hashes, yes).await,
    }
}

async fn list_errors(session: &Session, nodes: &WhichNodes) -> Result<Report, CliError> {
    let node = nodes.query(session).await?;
    let query = [("node", node.as_str())];
    let answer = session.client.get::<MultiAnswer<Vec<BlockErrorInfo>>>("ListBlockErrors", &query).await?;
    Ok(nodes.report((answer.json, &answer.value), |page, errors| {
        if errors.is_empty() {
            page.line("No block is missing.");
            return;
        }
        let rows = errors.iter().map(|error| {
            vec![
                error.block_hash.clone(),
                error.refcount.to_string(),
                error.error_count.to_string(),
                format!("{} ago", render::span(error.last_try_secs_ago)),
                format!("in {}", render::span(error.next_try_in_secs)),
            ]
        });
        page.columns(&["Hash", "RC", "Errors", "Last error", "Next try"], rows.collect());
    }))
}

async fn info(session: &Session, hash: String, nodes: &WhichNodes) -> Result<Report, CliError> {
    nodes.post(session, ("GetBlockInfo", &GetBlockInfo { block_hash: hash }), show_block).await
}

fn show_block(page: &mut Page, block: &BlockInfo) {
    let presence = match block.presence {
        BlockPresence::Here => "here, and good",
        BlockPresence::Damaged => "here, and damaged",
        BlockPresence::Missing => "missing",
        BlockPresence::Unknown => "not known: a disk is not there or cannot be read",
    };
    page.fields(
        FIELD_WIDTH,
        [
            ("Block hash", block.block_hash.clone()),
            ("Refcount", block.refcount.to_string()),
            ("File", presence.to_owned()),
        ],
    );
    let rows = block.versions.iter().map(|version| {
        let [bucket, key, what] = match &version.backlink {
            Some(BlockBacklink::Object { bucket_id, bucket, key, version, .. }) => {
                let version = version.as_deref().unwrap_or("kept by other nodes");
                [name_or_id(bucket.as_deref(), Some(bucket_id)), key.clone(), version.to_owned()]
            }
            Some(BlockBacklink::Upload { upload_id, bucket_id, bucket, key, .. }) => [
                name_or_id(bucket.as_deref(), bucket_id.as_deref()),
                key.clone().unwrap_or_default(),
                format!("upload {}", render::short_id(upload_id)),
            ],
            None if version.version_deleted => [String::new(), String::new(), "nothing".to_owned()],
            None => [String::new(), String::new(), "kept by other nodes".to_owned()],
        };
        let needs = if version.ref_deleted || version.version_deleted { "no" } else { "yes" };
        vec![render::short_id(&version.version_id), needs.to_owned(), bucket, key, what]
    });
    page.gap().columns(&["Body", "Needs it", "Bucket", "Key", "Version"], rows.collect());
}

fn name_or_id(name: Option<&str>, id: Option<&str>) -> String {
    name.map(str::to_owned).or(id.map(render::short_id)).unwrap_or_default()
}

async fn retry(session: &Session, arguments: RetryArguments) -> Result<Report, CliError> {
    let RetryArguments { all, hashes, nodes } = arguments;
    let body = RetryBlockResync { all, block_hashes: hashes };
    let show = |page: &mut Page, retried: &RetriedBlocks| {
        page.line(match retried.count {
            0 => "No such block waits: each is looked for already, or not missing.".to_owned(),
            1 => "1 block is looked for now.".to_owned(),
            count => format!("{count} blocks are looked for now."),
        });
    };
    nodes.post(session, ("RetryBlockResync", &body), show).await
}

async fn purge(session: &Session, hashes: &[String], yes: Yes) -> Result<Report, CliError> {
    let mut needing = BTreeSet::new();
    for hash in hashes {
        let body = GetBlockInfo { block_hash: hash.clone() };
        let query = [("node", "*")];
        let answer = session.client.post::<MultiAnswer<BlockInfo>>("GetBlockInfo", &query, &body).await?;
        needing.extend(answer.value.success.values().flat_map(|info| &info.versions).filter_map(named));
    }
    confirm(session.audience, yes, &describe_purge(&needing))?;
    let answer =
        session.client.post::<MultiAnswer<PurgedBlocks>>("PurgeBlocks", &[("node", "self")], &hashes).await?;
    let mut page = Page::default();
    for PurgedBlocks { objects_deleted, uploads_deleted, .. } in answer.value.success.values() {
        page.line(format!("Objects deleted: {objects_deleted}, uploads given up: {uploads_deleted}."));
        page.line("Nothing needs these blocks any more.");
    }
    Ok(Report::new(answer.json, page))
}

/// What would go with a block.
fn named(version: &api::admin::wire::BlockVersion) -> Option<String> {
    if version.ref_deleted {
        return None;
    }
    match version.backlink.as_ref()? {
        BlockBacklink::Object { version: None, .. } => None,
        BlockBacklink::Object { bucket_id, bucket, key, version: Some(version), .. } => {
            let place = format!("{}/{key}", name_or_id(bucket.as_deref(), Some(bucket_id)));
            Some(if version == "null" { place } else { format!("{place} (version {version})") })
        }
        BlockBacklink::Upload { upload_id, bucket_id, bucket, key, .. } => {
            let place = name_or_id(bucket.as_deref(), bucket_id.as_deref());
            let key = key.as_deref().unwrap_or_default();
            Some(format!("{place}/{key} (upload {})", render::short_id(upload_id)))
        }
    }
}

fn describe_purge(needing: &BTreeSet<String>) -> String {
    let named: Vec<&str> = needing.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = match needing.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match needing.len() {
        0 => "delete nothing: no object needs these blocks".to_owned(),
        count => format!("delete for ever what needs these blocks ({count}): {}{more}", named.join(", ")),
    }
}
