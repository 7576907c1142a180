//! `garage webhook`: where applications may have events sent.

use super::confirm::{Yes, confirm};
use super::error::CliError;
use super::render::{self, Page};
use super::session::{Report, Session};
use api::admin::wire::{CreateWebhook, WebhookInfo};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Longest file with a token; a wrong path must not be read whole.
const TOKEN_FILE_MAX_BYTES: usize = 64 << 10;

/// What to do with webhooks.
#[derive(Debug, Clone, Subcommand)]
pub enum WebhookCommand {
    /// List all webhooks, with what waits for each on the node that answers.
    List,
    /// Register an address that applications may have events sent to, or change it.
    #[command(
        after_long_help = "Example:\n  garage webhook create thumbnails http://10.0.0.7:8080/events\nThen an application names \
                           arn:garage:sqs::thumbnails:webhook in PutBucketNotificationConfiguration."
    )]
    Create {
        /// The name by which applications aim at it.
        name: String,
        /// Where it is, as http://host:port/path or https://host/path.
        url: String,
        /// A file that holds what it is shown as a bearer token.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Delete a webhook; what waits for it is forgotten.
    Delete {
        /// Its name.
        name: String,
        #[command(flatten)]
        yes: Yes,
    },
}

/// Runs a command about webhooks.
pub async fn run(session: &Session, command: WebhookCommand) -> Result<Report, CliError> {
    match command {
        WebhookCommand::List => list(session).await,
        WebhookCommand::Create { name, url, token_file } => {
            let token = match token_file {
                Some(path) => Some(token_in(session, &path)?),
                None => None,
            };
            let body = CreateWebhook { name, url, token };
            let answer = session.client.post::<WebhookInfo>("CreateWebhook", &[], &body).await?;
            let page = Page::of_line(format!(
                "Webhook {} was registered: applications call it {}",
                answer.value.name, answer.value.arn
            ));
            Ok(Report::new(answer.json, page))
        }
        WebhookCommand::Delete { name, yes } => {
            let what = format!("delete the webhook `{name}` and forget what waits for it");
            confirm(session.audience, yes, &what)?;
            let answer =
                session.client.post::<Value>("DeleteWebhook", &[("name", &name)], &json!({})).await?;
            Ok(Report::new(answer.json, Page::of_line(format!("Webhook {name} was deleted."))))
        }
    }
}

fn token_in(session: &Session, path: &Path) -> Result<String, CliError> {
    let unread = |source| CliError::UnreadableFile { path: path.to_owned(), source };
    let content = env::read_file(session.env.disk.as_ref(), path).map_err(unread)?;
    let content = content.ok_or_else(|| unread(std::io::ErrorKind::NotFound.into()))?;
    let text = String::from_utf8(content).ok().filter(|text| text.len() <= TOKEN_FILE_MAX_BYTES);
    text.map(|text| text.trim().to_owned()).ok_or_else(|| unread(std::io::ErrorKind::InvalidData.into()))
}

async fn list(session: &Session) -> Result<Report, CliError> {
    let answer = session.client.get::<Vec<WebhookInfo>>("ListWebhooks", &[]).await?;
    let moment =
        |time: &Option<String>| time.as_deref().map(|time| session.view.moment(time)).unwrap_or_default();
    let rows = answer.value.iter().map(|webhook| {
        let waiting = match webhook.waiting {
            0 => "0".to_owned(),
            some => format!("{some} ({})", render::size(webhook.waiting_bytes)),
        };
        vec![
            webhook.name.clone(),
            webhook.url.clone(),
            waiting,
            moment(&webhook.oldest),
            webhook.lost.to_string(),
            webhook.last_error.clone().unwrap_or_default(),
        ]
    });
    let mut page = Page::default();
    page.columns(&["Name", "URL", "Waiting", "Oldest", "Lost", "Last error"], rows.collect());
    for node in answer.value.first().into_iter().flat_map(|webhook| &webhook.unheard) {
        page.line(format!(
            "What waits on the node {} is not counted: it does not answer.",
            render::short_id(node)
        ));
    }
    Ok(Report::new(answer.json, page))
}
