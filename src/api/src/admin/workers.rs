//! Endpoints about the background work of a node. Each answers for this node; `for_nodes` has others asked.

use super::cluster_state::local_figures;
use super::{AdminApi, AdminError, Answer, Call, wire};
use crate::sizes::size;
use base::WallTime;
use block::record::RebalanceState;
use block::{RebalanceStatus, ScrubStatus};
use model::lifecycle::{Counts, LifecycleFigures};
use model::{CheckFigures, RecountFigures, SyncFigures};

pub(super) async fn list(call: Call<'_>) -> Result<Answer, AdminError> {
    let filter: wire::ListWorkers = call.json_or_default()?;
    let mut workers = workers(call.api).await?;
    workers.retain(|worker| !filter.busy_only || worker.state == wire::WorkerState::Busy);
    workers.retain(|worker| !filter.error_only || worker.persistent_errors.is_some_and(|errors| errors > 0));
    Ok(Answer::json(&workers))
}

pub(super) async fn info(call: Call<'_>) -> Result<Answer, AdminError> {
    let wire::GetWorkerInfo { id } = call.json()?;
    let found = workers(call.api).await?.into_iter().find(|worker| worker.id == id);
    Ok(Answer::json(&found.ok_or(AdminError::NoSuchWorker(id))?))
}

/// The background work that keeps figures.
async fn workers(api: &AdminApi) -> Result<Vec<wire::WorkerInfo>, AdminError> {
    let blocks = local_figures(api).await?.blocks;
    let (scrub, pace) = (api.model.blocks().scrub_status()?, api.model.blocks().pace()?);
    let idle_or = |busy: bool| if busy { wire::WorkerState::Busy } else { wire::WorkerState::Idle };
    let now = api.model.env().clock.wall();
    let error = |message: &String, at: WallTime| wire::WorkerError {
        message: message.clone(),
        secs_ago: now.seconds().saturating_sub(at.seconds()),
    };
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
        tranquility: Some(pace.resync),
        persistent_errors: Some(blocks.resync_faults),
        ..worker(1, "Block resync", blocks.resync_queue > 0)
    };
    let scrubbing = wire::WorkerInfo {
        progress: scrub.running.then(|| percent(scrub.done_permille)),
        persistent_errors: Some(scrub.damaged),
        tranquility: Some(pace.scrub),
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
        last_error: lifecycle.last_failure.as_ref().map(|(message, at)| error(message, *at)),
        freeform: describe_lifecycle(&lifecycle),
        ..worker(4, "Lifecycle", lifecycle.under_way.is_some())
    };
    let recount = api.model.recount_figures();
    let recounting = wire::WorkerInfo {
        persistent_errors: Some(recount.corrected),
        last_error: recount.failure.as_ref().map(|message| error(message, recount.ended.unwrap_or(now))),
        freeform: describe_recount(&recount),
        ..worker(5, "Reference recount", recount.is_running)
    };
    let check = api.model.row_check_figures();
    let checking = wire::WorkerInfo {
        progress: check.running.then(|| percent(check.done_permille)),
        errors: check.failures,
        last_error: check.last_failure.as_ref().map(|(message, at)| error(message, *at)),
        persistent_errors: Some(api.model.damaged_rows().0),
        freeform: describe_check(&check),
        ..worker(6, "Row check", check.running)
    };
    let moving = api.model.blocks().rebalance_status()?;
    let rebalancing = wire::WorkerInfo {
        progress: moving.running.then(|| percent(moving.done_permille)),
        tranquility: Some(pace.resync),
        freeform: describe_rebalance(&moving),
        ..worker(7, "Block rebalance", moving.running)
    };
    Ok(vec![resync, scrubbing, syncing, expiring, recounting, checking, rebalancing])
}

fn describe_rebalance(moving: &RebalanceStatus) -> Vec<String> {
    let state = match (moving.running, moving.state.completed) {
        (true, _) => "moving blocks to the disks that they belong on".to_owned(),
        (false, None) => "waits for `garage repair rebalance`".to_owned(),
        (false, completed) => last_pass(completed),
    };
    let RebalanceState { files, moved, moved_bytes, left, .. } = &moving.state;
    let found = format!(
        "{files} files looked at, {moved} blocks ({}) moved, {left} left where they were",
        size(*moved_bytes)
    );
    vec![state, found]
}

fn describe_recount(recount: &RecountFigures) -> Vec<String> {
    let state = match (recount.is_running, recount.ended) {
        (true, _) => "counting the references of every block".to_owned(),
        (false, None) => "waits for `garage repair block-rc`".to_owned(),
        (false, Some(at)) => format!("last run ended {}", crate::dates::iso8601_ms(at.millis())),
    };
    let found = format!("{} blocks counted, {} of them had another count", recount.blocks, recount.corrected);
    vec![state, found]
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
    lines.push(last_pass(check.ended));
    lines
}

fn describe_scrub(scrub: &ScrubStatus) -> Vec<String> {
    let state = match (scrub.running, scrub.paused) {
        (false, false) if !scrub.by_itself => "begins only when it is started: disable_scrub is set",
        (false, false) => "waiting for the next pass",
        (true, false) => "checking every file",
        (_, true) => "paused",
    };
    let found = format!("{} files checked, {} damaged, {} unused", scrub.files, scrub.damaged, scrub.orphans);
    vec![state.to_owned(), found, last_pass(scrub.completed)]
}

fn percent(permille: impl Into<u64>) -> String {
    let permille = permille.into();
    format!("{}.{}%", permille / 10, permille % 10)
}

fn last_pass(ended: Option<WallTime>) -> String {
    ended.map_or_else(
        || "no pass has ended yet".to_owned(),
        |time| format!("last pass ended {}", crate::dates::iso8601_ms(time.millis())),
    )
}
