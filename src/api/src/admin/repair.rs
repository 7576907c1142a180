//! Checks and repairs that an operator starts. Each is started on this node; `for_nodes` has others asked.
//!
//! Most of what other stores repair by hand cannot go wrong here, or is done all the time: then the answer says so, and by
//! whom, and nothing is started.

use super::{AdminApi, AdminError, Answer, Call, wire};
use block::ScrubCommand;

pub(super) async fn launch(call: Call<'_>) -> Result<Answer, AdminError> {
    let wire::LaunchRepair { repair_type } = call.json()?;
    let message = launch_one(call.api, repair_type).await?.to_owned();
    Ok(Answer::json(&wire::LaunchedRepair { message }))
}

/// What was started, or why nothing was: a sentence.
async fn launch_one(api: &AdminApi, what: wire::RepairType) -> Result<&'static str, AdminError> {
    Ok(match what {
        wire::RepairType::Scrub(command) => scrub(api, command).await?,
        wire::RepairType::Tables => tables(api),
        wire::RepairType::Blocks => {
            api.model.blocks().start_audit().await?;
            "Every block that is used is looked for from now on, and what is missing is fetched; see the worker Block \
             resync."
        }
        wire::RepairType::BlockRc => {
            api.model.start_recount();
            "The references of every block are counted anew from now on; see the worker Reference recount."
        }
        wire::RepairType::Versions if api.model.peers().is_alone() => {
            "Nothing to start: on one home a body and what names it change in one step."
        }
        wire::RepairType::Versions => {
            api.model.look_at_bodies();
            "All bodies are looked at from now on for some that nothing names, which is done once a day anyway."
        }
        wire::RepairType::BlockRefs => {
            "Nothing to start: references go with the rows of their bodies, and what a home missed the worker Table \
             sync brings. `garage repair block-rc` counts them anew."
        }
        wire::RepairType::MultipartUploads => {
            "Nothing to start: uploads end with their bucket, and what is left of a bucket that is gone is looked for \
             all the time. `garage bucket cleanup-incomplete-uploads` gives up old ones."
        }
        wire::RepairType::Aliases => {
            "Nothing to start: a bucket and its names change in one step, and homes compare theirs all the time."
        }
        wire::RepairType::Rebalance if api.model.blocks().start_rebalance().await? => {
            "Blocks are moved to the disks that they belong on by the capacities in data_dir; see the worker Block \
             rebalance."
        }
        wire::RepairType::Rebalance => {
            "Nothing to start: fewer than two data folders of this home take blocks."
        }
        wire::RepairType::ClearResyncQueue => {
            "The queue was not emptied: what is in it is to be fetched or to be removed, and nothing else would \
             remember that. `garage block retry-now --all` has what is missing looked for at once."
        }
    })
}

async fn scrub(api: &AdminApi, command: wire::ScrubCommand) -> Result<&'static str, AdminError> {
    let (command, said) = match command {
        wire::ScrubCommand::Start => {
            (ScrubCommand::Start, "Every file is read and checked from now on; see the worker Block scrub.")
        }
        wire::ScrubCommand::Pause => {
            (ScrubCommand::Pause, "Scrub rests until `garage repair --yes scrub resume`.")
        }
        wire::ScrubCommand::Resume => (ScrubCommand::Resume, "Scrub goes on where it was."),
        wire::ScrubCommand::Cancel => (ScrubCommand::Cancel, "The pass of scrub has ended where it was."),
    };
    api.model.blocks().scrub(command).await?;
    Ok(said)
}

/// Everything that makes rows good again is started here.
fn tables(api: &AdminApi) -> &'static str {
    api.model.start_row_check();
    if api.model.peers().is_alone() {
        return "Every row is looked at from now on; see the worker Row check. No other home has copies to compare with.";
    }
    api.model.compare_with_others();
    "Every row is looked at from now on, and compared with the other homes: what is damaged or was missed is taken from \
     them; see the workers Row check and Table sync."
}
