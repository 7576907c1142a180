//! Endpoints about single nodes: what they run, what they hold, what they do in the background.
//!
//! The query parameter `node` says which: an id, `self`, or `*` for all. Answers come by node id.

use super::cluster_state::{LocalFigures, local_figures, total_usage};
use super::{AdminApi, AdminError, Answer, Call, wire};
use base::{BlockHash, NodeId, WallTime};
use block::{BlockFault, ScrubCommand, ScrubStatus};
use model::lifecycle::{Counts, LifecycleFigures};
use model::{CheckFigures, ModelError, SyncFigures};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// The release this is.
pub(super) const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The compiler this is written for.
pub(super) const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");
/// Faulty blocks listed at once.
const FAULTS_SHOWN_MAX: usize = 1000;
/// Why another node did not answer.
const NOT_CONNECTED: &str = "only that node itself answers this: ask it there";

/// Whether the request is for this node, and the answers of the others.
struct Targets {
    own: bool,
    errors: BTreeMap<String, String>,
}

fn targets(call: &Call<'_>) -> Result<Targets, AdminError> {
    let cluster = &call.api.cluster;
    let wanted = call.required("node")?;
    let others = |ids: Vec<NodeId>| {
        let others = ids.into_iter().filter(|id| *id != cluster.id());
        others.map(|id| (id.to_string(), NOT_CONNECTED.to_owned())).collect()
    };
    match wanted {
        "self" => Ok(Targets { own: true, errors: BTreeMap::new() }),
        "*" => {
            Ok(Targets { own: true, errors: others(cluster.nodes().iter().map(|node| node.id).collect()) })
        }
        id => {
            let id = NodeId::from_hex(id).ok_or_else(|| AdminError::InvalidValue {
                name: "node: an id, `self` or `*`",
                value: id.to_owned(),
            })?;
            Ok(Targets { own: id == cluster.id(), errors: others(vec![id]) })
        }
    }
}

fn multi<T: Serialize>(api: &AdminApi, targets: Targets, own: Option<Result<T, AdminError>>) -> Answer {
    let id = api.cluster.id().to_string();
    let mut answer = wire::MultiAnswer { success: BTreeMap::new(), error: targets.errors };
    match own {
        Some(Ok(body)) => _ = answer.success.insert(id, body),
        Some(Err(error)) => _ = answer.error.insert(id, error.to_string()),
        None => {}
    }
    Answer::json(&answer)
}

pub(super) async fn info(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, targets) = (call.api, targets(&call)?);
    let id = api.cluster.id();
    let node = api.cluster.nodes().into_iter().find(|node| node.id == id);
    let info = wire::NodeInfo {
        node_id: id.to_string(),
        hostname: node.as_ref().and_then(|node| node.hostname.clone()),
        addr: node.and_then(|node| node.address).map(|address| address.to_string()),
        listens: api.cluster.membership().map(|membership| !membership.addresses().is_empty()),
        garage_version: RELEASE.to_owned(),
        garage_features: Some(Vec::new()),
        rust_version: RUST_VERSION.to_owned(),
        db_engine: api.model.store().engine().describe(),
    };
    let own = targets.own.then_some(Ok(info));
    Ok(multi(api, targets, own))
}

pub(super) async fn statistics(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, targets) = (call.api, targets(&call)?);
    let own = match targets.own {
        true => Some(node_statistics(api).await),
        false => None,
    };
    Ok(multi(api, targets, own))
}

async fn node_statistics(api: &AdminApi) -> Result<wire::NodeStatistics, AdminError> {
    let LocalFigures { blocks, metadata_bytes, .. } = local_figures(api).await?;
    let (names, usage) = (api.model.names(), total_usage(api)?);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(text, "{name:<26} {value}").expect("writing to a string cannot fail");
    };
    line("release", RELEASE.to_owned());
    line("metadata engine", api.model.store().engine().describe());
    line("metadata on disk", format!("{metadata_bytes} bytes"));
    line("buckets", names.buckets.len().to_string());
    line("global names", names.aliases.len().to_string());
    line("access keys", names.keys.len().to_string());
    line("objects", usage.objects.to_string());
    line("unfinished uploads", usage.uploads.to_string());
    line("blocks", format!("{} ({} bytes)", blocks.blocks, blocks.stored_bytes));
    line("blocks to look at", format!("{} ({} faulty)", blocks.resync_queue, blocks.resync_faults));
    line("damaged files found", blocks.damaged.to_string());
    line("missing blocks met", blocks.missing.to_string());
    line("disk errors", blocks.disk_errors.to_string());
    for disk in &blocks.disks {
        let room = disk.space.map_or_else(
            || "unreadable".to_owned(),
            |space| format!("{} of {} bytes free", space.available_bytes, space.total_bytes),
        );
        line("data folder", format!("{} {:?}, {room}", disk.path.display(), disk.state));
    }
    Ok(wire::NodeStatistics { freeform: text })
}

pub(super) async fn list_workers(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, targets) = (call.api, targets(&call)?);
    let filter: wire::ListWorkers = call.json_or_default()?;
    let own = match targets.own {
        true => Some(workers(api).await.map(|mut workers| {
            workers.retain(|worker| !filter.busy_only || worker.state == wire::WorkerState::Busy);
            workers.retain(|worker| {
                !filter.error_only || worker.persistent_errors.is_some_and(|errors| errors > 0)
            });
            workers
        })),
        false => None,
    };
    Ok(multi(api, targets, own))
}

pub(super) async fn worker_info(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, targets) = (call.api, targets(&call)?);
    let wire::GetWorkerInfo { id } = call.json()?;
    let own = match targets.own {
        true => {
            let found = workers(api).await?.into_iter().find(|worker| worker.id == id);
            Some(found.ok_or(AdminError::NoSuchWorker(id)))
        }
        false => None,
    };
    Ok(multi(api, targets, own))
}

/// The background work that keeps figures.
async fn workers(api: &AdminApi) -> Result<Vec<wire::WorkerInfo>, AdminError> {
    let blocks = local_figures(api).await?.blocks;
    let scrub = api.model.blocks().scrub_status()?;
    let idle_or = |busy: bool| if busy { wire::WorkerState::Busy } else { wire::WorkerState::Idle };
    let worker = |id, name: &str, busy| wire::WorkerInfo {
        id,
        name: name.to_owned(),
        state: idle_or(busy),
        errors: 0,
        consecutive_errors: 0,
        last_error: None,
        tranquility: None,
        progress: None,
        queue_length: None,
        persistent_errors: None,
        freeform: Vec::new(),
    };
    let resync = wire::WorkerInfo {
        queue_length: Some(blocks.resync_queue),
        persistent_errors: Some(blocks.resync_faults),
        ..worker(1, "Block resync", blocks.resync_queue > 0)
    };
    let scrubbing = wire::WorkerInfo {
        progress: scrub
            .running
            .then(|| format!("{}.{}%", scrub.done_permille / 10, scrub.done_permille % 10)),
        persistent_errors: Some(scrub.damaged),
        freeform: describe_scrub(&scrub),
        ..worker(2, "Block scrub", scrub.running && !scrub.paused)
    };
    let sync = api.model.sync_figures();
    let syncing = wire::WorkerInfo {
        queue_length: Some(sync.arcs_left),
        errors: sync.failures,
        freeform: describe_sync(&sync),
        ..worker(3, "Table sync", sync.arcs_left > 0)
    };
    let lifecycle = api.model.lifecycle_figures();
    let expiring = wire::WorkerInfo {
        errors: lifecycle.failures,
        last_error: lifecycle.last_failure.as_ref().map(|(message, at)| wire::WorkerError {
            message: message.clone(),
            secs_ago: api.model.env().clock.wall().seconds().saturating_sub(at.seconds()),
        }),
        freeform: describe_lifecycle(&lifecycle),
        ..worker(4, "Lifecycle", lifecycle.under_way.is_some())
    };
    let check = api.model.row_check_figures();
    let checking = wire::WorkerInfo {
        progress: check
            .running
            .then(|| format!("{}.{}%", check.done_permille / 10, check.done_permille % 10)),
        errors: check.failures,
        last_error: check.last_failure.as_ref().map(|(message, at)| wire::WorkerError {
            message: message.clone(),
            secs_ago: api.model.env().clock.wall().seconds().saturating_sub(at.seconds()),
        }),
        persistent_errors: Some(api.model.damaged_rows().0),
        freeform: describe_check(&check),
        ..worker(5, "Row check", check.running)
    };
    Ok(vec![resync, scrubbing, syncing, expiring, checking])
}

fn describe_lifecycle(figures: &LifecycleFigures) -> Vec<String> {
    let time = |time: WallTime| crate::dates::iso8601_ms(time.millis());
    let Counts { objects, versions, markers, uploads, skipped, failed } = figures.done;
    let mut lines = vec![
        format!("{objects} objects expired, {versions} old versions and {markers} delete markers removed"),
        format!("{uploads} uploads given up"),
        format!(
            "{skipped} found due and left, since they had changed or are locked; {failed} to be tried again"
        ),
        format!("{} rows looked at", figures.rows),
    ];
    lines.extend(figures.doubt.as_ref().map(|doubt| format!("nothing is deleted now: {doubt}")));
    lines.extend(figures.under_way.map(|bucket| format!("looking at bucket {bucket}")));
    lines.push(figures.last_pass.map_or_else(
        || "no pass has ended since the start".to_owned(),
        |at| format!("last pass ended {}", time(at)),
    ));
    lines.extend(figures.next_pass.map(|at| format!("next pass begins {}", time(at))));
    lines
}

fn describe_sync(sync: &SyncFigures) -> Vec<String> {
    let taken = format!("{} rows, {} blocks and {} bytes taken over", sync.rows, sync.blocks, sync.bytes);
    let complete = sync.complete.iter().map(|(node, time)| {
        let time = crate::dates::iso8601_ms(time.millis());
        format!("has everything that {node} had at {time}")
    });
    let damaged = (sync.damaged > 0)
        .then(|| format!("{} damaged rows wait until all other nodes that keep them answer", sync.damaged));
    std::iter::once(taken).chain(damaged).chain(complete).collect()
}

fn describe_check(check: &CheckFigures) -> Vec<String> {
    let CheckFigures { rows, damaged, chunks, references, .. } = check;
    let mut lines = vec![
        if check.running { "looking at every row" } else { "waiting for the next pass" }.to_owned(),
        format!("{rows} rows looked at, {damaged} of them damaged"),
        format!("{chunks} digests made again, {references} references without a body let go"),
    ];
    lines.push(check.ended.map_or_else(
        || "no pass has ended yet".to_owned(),
        |time| format!("last pass ended {}", crate::dates::iso8601_ms(time.millis())),
    ));
    lines
}

fn describe_scrub(scrub: &ScrubStatus) -> Vec<String> {
    let state = match (scrub.running, scrub.paused) {
        (false, false) => "waiting for the next pass",
        (true, false) => "checking every file",
        (_, true) => "paused",
    };
    let completed = scrub.completed.map_or_else(
        || "no pass has ended yet".to_owned(),
        |time| format!("last pass ended {}", crate::dates::iso8601_ms(time.millis())),
    );
    let found = format!("{} files checked, {} damaged, {} unused", scrub.files, scrub.damaged, scrub.orphans);
    vec![state.to_owned(), found, completed]
}

pub(super) async fn launch_repair(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, targets) = (call.api, targets(&call)?);
    let wire::LaunchRepair { repair_type } = call.json()?;
    let own = match targets.own {
        true => Some(repair(api, repair_type).await),
        false => None,
    };
    // What no node can do is not an answer of one node.
    match own {
        Some(Err(error @ AdminError::NotImplemented(_))) => Err(error),
        own => Ok(multi(api, targets, own)),
    }
}

async fn repair(api: &AdminApi, what: wire::RepairType) -> Result<(), AdminError> {
    let blocks = api.model.blocks();
    match what {
        wire::RepairType::Blocks => blocks.start_audit().await?,
        wire::RepairType::Scrub(command) => {
            blocks
                .scrub(match command {
                    wire::ScrubCommand::Start => ScrubCommand::Start,
                    wire::ScrubCommand::Pause => ScrubCommand::Pause,
                    wire::ScrubCommand::Resume => ScrubCommand::Resume,
                    wire::ScrubCommand::Cancel => ScrubCommand::Cancel,
                })
                .await?;
        }
        // With one node and hooks inside transactions there is nothing these could find.
        wire::RepairType::Tables
        | wire::RepairType::Versions
        | wire::RepairType::MultipartUploads
        | wire::RepairType::BlockRefs
        | wire::RepairType::BlockRc
        | wire::RepairType::Rebalance
        | wire::RepairType::Aliases
        | wire::RepairType::ClearResyncQueue => return Err(AdminError::NotImplemented("this repair")),
    }
    Ok(())
}

pub(super) async fn list_block_errors(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, targets) = (call.api, targets(&call)?);
    let own = match targets.own {
        true => Some(block_errors(api).await),
        false => None,
    };
    Ok(multi(api, targets, own))
}

async fn block_errors(api: &AdminApi) -> Result<Vec<wire::BlockErrorInfo>, AdminError> {
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

pub(super) async fn retry_resync(call: Call<'_>) -> Result<Answer, AdminError> {
    let (api, targets) = (call.api, targets(&call)?);
    let body: wire::RetryBlockResync = call.json()?;
    let parse = |text: &String| {
        let invalid = || AdminError::InvalidValue { name: "block hash", value: text.clone() };
        BlockHash::from_hex(text).ok_or_else(invalid)
    };
    let hashes = body.block_hashes.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let own = match targets.own {
        true => Some(retry(api, body.all, hashes).await),
        false => None,
    };
    Ok(multi(api, targets, own))
}

async fn retry(api: &AdminApi, all: bool, hashes: Vec<BlockHash>) -> Result<wire::RetriedBlocks, AdminError> {
    let (blocks, now) = (api.model.blocks(), api.model.env().clock.wall());
    let mut count = 0;
    if all {
        count = blocks.retry_now(None, now).await?;
    } else {
        for hash in hashes {
            count += blocks.retry_now(Some(hash), now).await?;
        }
    }
    Ok(wire::RetriedBlocks { count: u64::try_from(count).unwrap_or(u64::MAX) })
}
