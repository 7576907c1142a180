//! `garage repair`: checks and repairs, started on one node or on all.

use super::confirm::{Yes, confirm};
use super::error::CliError;
use super::render::Page;
use super::session::{Report, Session};
use super::which_nodes::WhichNodes;
use api::admin::wire::{LaunchRepair, LaunchedRepair, RepairType, ScrubCommand};
use clap::{Args, Subcommand};

/// What to repair, and where.
#[derive(Debug, Clone, Args)]
#[command(
    after_long_help = "Nothing here destroys anything; --yes is asked for because disks are busy afterwards.\n\nExamples:\
                       \n  garage repair -a --yes scrub start\n  garage worker list -a\n  garage repair --yes tables"
)]
pub struct RepairArguments {
    #[command(flatten)]
    nodes: WhichNodes,
    #[command(flatten)]
    yes: Yes,
    #[command(subcommand)]
    what: RepairWhat,
}

/// What to repair.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum RepairWhat {
    /// Compare rows with the other homes, and take over what was missed.
    Tables,
    /// Look for every block that is used, and fetch those that are missing.
    Blocks,
    /// Look for bodies that nothing names.
    Versions,
    /// Uploads of buckets that are gone.
    Mpu,
    /// References of blocks.
    BlockRefs,
    /// Count the references of blocks anew.
    BlockRc,
    /// Names of buckets.
    Aliases,
    /// Move blocks to a disk that was added, by the capacities in data_dir.
    Rebalance,
    /// The queue of blocks to look at.
    ClearResyncQueue,
    /// Read and check every file.
    Scrub {
        /// What scrub does.
        #[command(subcommand)]
        command: ScrubWhat,
    },
}

/// What scrub does.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ScrubWhat {
    /// Begin a pass, unless one is under way.
    Start,
    /// Stop for now.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End the pass without finishing it.
    Cancel,
}

impl From<RepairWhat> for RepairType {
    fn from(what: RepairWhat) -> Self {
        match what {
            RepairWhat::Tables => Self::Tables,
            RepairWhat::Blocks => Self::Blocks,
            RepairWhat::Versions => Self::Versions,
            RepairWhat::Mpu => Self::MultipartUploads,
            RepairWhat::BlockRefs => Self::BlockRefs,
            RepairWhat::BlockRc => Self::BlockRc,
            RepairWhat::Aliases => Self::Aliases,
            RepairWhat::Rebalance => Self::Rebalance,
            RepairWhat::ClearResyncQueue => Self::ClearResyncQueue,
            RepairWhat::Scrub { command: ScrubWhat::Start } => Self::Scrub(ScrubCommand::Start),
            RepairWhat::Scrub { command: ScrubWhat::Pause } => Self::Scrub(ScrubCommand::Pause),
            RepairWhat::Scrub { command: ScrubWhat::Resume } => Self::Scrub(ScrubCommand::Resume),
            RepairWhat::Scrub { command: ScrubWhat::Cancel } => Self::Scrub(ScrubCommand::Cancel),
        }
    }
}

/// Starts a repair.
pub async fn run(session: &Session, arguments: RepairArguments) -> Result<Report, CliError> {
    let RepairArguments { nodes, yes, what } = arguments;
    confirm(session.audience, yes, "start work that keeps disks busy; nothing is destroyed")?;
    let show = |page: &mut Page, launched: &LaunchedRepair| _ = page.line(launched.message.as_str());
    nodes.post(session, ("LaunchRepairOperation", &LaunchRepair { repair_type: what.into() }), show).await
}
