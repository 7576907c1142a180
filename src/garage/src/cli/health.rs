//! `garage health`: whether requests are served, for people, containers and monitors.

use super::error::CliError;
use super::layout::say_coming;
use super::render::Page;
use super::session::{Report, Session};
use super::zones;
use api::admin::wire::ClusterHealth;
use clap::Args;

/// Column in which values begin.
const LABELS_WIDTH: usize = 22;

/// How to show health.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Exit codes: 0 healthy, 1 degraded, 2 unavailable or no server.\n\nExample:\n  \
                             HEALTHCHECK CMD [\"/garage\", \"health\", \"-q\"]")]
pub struct HealthArguments {
    /// Print nothing: the exit code says it.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Shows health.
pub async fn run(session: &Session, arguments: HealthArguments) -> Result<Report, CliError> {
    let answer = session.client.get::<ClusterHealth>("GetClusterHealth", &[]).await?;
    let exit = match answer.value.status.as_str() {
        "healthy" => 0,
        "degraded" => 1,
        _ => super::EXIT_UNAVAILABLE,
    };
    if arguments.quiet {
        return Ok(Report { json: answer.json, page: Page::default(), exit });
    }
    Ok(Report { json: answer.json, page: page(&answer.value), exit })
}

fn page(health: &ClusterHealth) -> Page {
    let mut page = Page::default();
    page.heading("CLUSTER HEALTH").fields(
        LABELS_WIDTH,
        [
            ("Status", health.status.clone()),
            ("Connected nodes", format!("{} of {}", health.connected_nodes, health.known_nodes)),
            ("Storage nodes up", format!("{} of {}", health.storage_nodes_up, health.storage_nodes)),
            ("Partitions served", format!("{} of {}", health.partitions_quorum, health.partitions)),
            ("Partitions complete", format!("{} of {}", health.partitions_all_ok, health.partitions)),
        ],
    );
    if !health.reasons.is_empty() {
        page.gap().heading("REASONS");
        for reason in &health.reasons {
            page.line(format!("- {reason}"));
        }
    }
    if !health.zones.is_empty() {
        page.gap();
        zones::say(&mut page, &health.zones);
    }
    if let Some(coming) = &health.coming {
        page.gap();
        say_coming(&mut page, coming);
    }
    if !health.webhooks.is_empty() {
        page.gap().heading("WEBHOOKS");
        for webhook in &health.webhooks {
            page.line(format!("- {webhook}"));
        }
    }
    if !health.safety.is_empty() {
        page.gap();
        for sentence in &health.safety {
            page.line(sentence.as_str());
        }
    }
    page
}
