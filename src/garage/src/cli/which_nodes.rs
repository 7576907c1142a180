//! `-a` and `--node`: which nodes a command is about, and how what each of them answered is shown.

use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use api::admin::wire::MultiAnswer;
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The exit code when some node did not do what it was asked.
const EXIT_SOME_FAILED: u8 = 1;

/// Which nodes are meant; by default the one that is asked.
#[derive(Debug, Clone, Default, Args)]
pub struct WhichNodes {
    /// Of all nodes of the cluster.
    #[arg(short, long)]
    all_nodes: bool,
    /// Of another node: the beginning of its id.
    #[arg(long, value_name = "NODE", conflicts_with = "all_nodes")]
    node: Option<String>,
}

impl WhichNodes {
    /// What the admin API calls them.
    pub async fn query(&self, session: &Session) -> Result<String, CliError> {
        match &self.node {
            Some(prefix) => session.node_id(prefix).await,
            None if self.all_nodes => Ok("*".to_owned()),
            None => Ok("self".to_owned()),
        }
    }

    /// Has them answer an endpoint that is given something, and shows what they said.
    pub async fn post<T: DeserializeOwned>(
        &self,
        session: &Session,
        (endpoint, body): (&str, &impl Serialize),
        show: impl Fn(&mut Page, &T),
    ) -> Result<Report, CliError> {
        let node = self.query(session).await?;
        let answer =
            session.client.post::<MultiAnswer<T>>(endpoint, &[("node", node.as_str())], body).await?;
        Ok(self.report((answer.json, &answer.value), show))
    }

    /// A page of what the nodes said, each under its name where that is not clear; a failure of one of them is one of the command.
    pub fn report<T>(
        &self,
        (json, answers): (Value, &MultiAnswer<T>),
        show: impl Fn(&mut Page, &T),
    ) -> Report {
        let mut page = Page::default();
        let is_other = self.all_nodes || self.node.is_some();
        for (position, (id, answer)) in answers.success.iter().enumerate() {
            if is_other {
                if position > 0 {
                    page.gap();
                }
                page.heading(&format!("NODE {}", render::short_id(id)));
            }
            show(&mut page, answer);
        }
        if !answers.error.is_empty() && !answers.success.is_empty() {
            page.gap();
        }
        for (id, error) in &answers.error {
            page.line(format!("{}: {error}", render::short_id(id)));
        }
        let exit = if answers.error.is_empty() { 0 } else { EXIT_SOME_FAILED };
        Report { exit, ..Report::new(json, page) }
    }
}
