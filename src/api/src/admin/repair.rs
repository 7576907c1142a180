//! Checks and repairs that an operator starts. Each is started on this node; `for_nodes` has others asked.

use super::{AdminApi, AdminError, Answer, Call, wire};
use block::ScrubCommand;

pub(super) async fn launch(call: Call<'_>) -> Result<Answer, AdminError> {
    let wire::LaunchRepair { repair_type } = call.json()?;
    Ok(Answer::json(&repair(call.api, repair_type).await?))
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
