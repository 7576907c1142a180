//! `garage key`: make, show, change and delete access keys.

use super::bucket::rights;
use super::client::Answer;
use super::confirm::{Yes, confirm};
use super::error::CliError;
use super::render::{self, Page, View};
use super::session::{Report, Secret, Session};
use super::values;
use crate::shell::quoted;
use api::admin::wire::{ImportKey, KeyInfo, KeyPermissions, KeySummary, UpdateKey};
use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Column in which values begin.
const LABELS_WIDTH: usize = 21;
/// Shown where the secret was not asked for.
const SECRET_HIDDEN: &str = "(redacted)";

/// What to do with access keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyCommand {
    /// List all access keys.
    List,
    /// Show one access key, and the buckets it may use.
    Info(InfoArguments),
    /// Make an access key; its secret is printed.
    Create {
        /// A name to recognize it by.
        #[arg(default_value = "Unnamed key", hide_default_value = true, value_parser = values::name)]
        name: String,
        /// It stops working after this time, such as 30d.
        #[arg(long, value_name = "DURATION", value_parser = values::duration)]
        expires_in: Option<u64>,
    },
    /// Give an access key another name.
    Rename {
        /// Its name or id.
        key: String,
        /// The other name.
        #[arg(value_parser = values::name)]
        new_name: String,
    },
    /// Delete an access key.
    Delete {
        /// Its name or id.
        key: String,
        #[command(flatten)]
        yes: Yes,
    },
    /// Take over an access key that was made elsewhere.
    #[command(
        after_long_help = "Example:\n  garage key import -n my-app GK31c2f218a2e44f485b94239e s3cr3t-of-it"
    )]
    Import {
        /// Its id.
        key_id: String,
        /// Its secret.
        secret_key: String,
        /// A name to recognize it by.
        #[arg(short, default_value = "Imported key", hide_default_value = true)]
        name: String,
        /// Accepted for scripts: nothing is asked.
        #[arg(long, hide = true)]
        yes: bool,
    },
    /// Allow an access key to create buckets.
    Allow(RightArguments),
    /// Take from an access key what `allow` gave.
    Deny(RightArguments),
    /// Set when an access key stops working.
    Set(SetArguments),
    /// Delete the access keys that have stopped working.
    DeleteExpired {
        #[command(flatten)]
        yes: Yes,
    },
    /// Print an access key as environment variables, for `eval` in a shell.
    #[command(after_long_help = "Example:\n  eval \"$(garage key export-env my-app)\"")]
    ExportEnv {
        /// Its name or id.
        key: String,
        /// What the variables' names begin with.
        #[arg(long, default_value = "AWS_")]
        prefix: String,
    },
}

/// What to show of a key.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("only").args(["key_id", "secret_key"]))]
pub struct InfoArguments {
    /// Its name or id.
    key: String,
    /// Show the secret.
    #[arg(long)]
    show_secret: bool,
    /// Print the id and nothing else.
    #[arg(long)]
    key_id: bool,
    /// Print the secret and nothing else.
    #[arg(long)]
    secret_key: bool,
}

/// What a key may do apart from buckets.
#[derive(Debug, Clone, Args)]
pub struct RightArguments {
    /// The key's name or id.
    key: String,
    /// Create buckets.
    #[arg(long, required = true)]
    create_bucket: bool,
}

/// When a key stops working.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("end").args(["expires_in", "never_expires"]).required(true))]
pub struct SetArguments {
    /// The key's name or id.
    key: String,
    /// After this time, such as 30d.
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    expires_in: Option<u64>,
    /// Never.
    #[arg(long)]
    never_expires: bool,
}

/// Runs a command about access keys.
pub async fn run(session: &Session, command: KeyCommand) -> Result<Report, CliError> {
    match command {
        KeyCommand::List => list(session).await,
        KeyCommand::Info(arguments) => info(session, arguments).await,
        KeyCommand::Create { name, expires_in } => {
            let expiration = expires_in.map(|duration| end_of(session, duration));
            let body = UpdateKey { name: Some(name), expiration, ..UpdateKey::default() };
            Ok(shown(session, session.client.post("CreateKey", &[], &body).await?))
        }
        KeyCommand::Rename { key, new_name } => {
            update(session, &key, UpdateKey { name: Some(new_name), ..UpdateKey::default() }).await
        }
        KeyCommand::Delete { key, yes } => delete(session, &key, yes).await,
        KeyCommand::Import { key_id, secret_key, name, yes: _ } => {
            let body = ImportKey { access_key_id: key_id, secret_access_key: secret_key, name: Some(name) };
            Ok(shown(session, session.client.post("ImportKey", &[], &body).await?))
        }
        KeyCommand::Allow(RightArguments { key, create_bucket }) => {
            let allow = Some(KeyPermissions { create_bucket });
            update(session, &key, UpdateKey { allow, ..UpdateKey::default() }).await
        }
        KeyCommand::Deny(RightArguments { key, create_bucket }) => {
            let deny = Some(KeyPermissions { create_bucket });
            update(session, &key, UpdateKey { deny, ..UpdateKey::default() }).await
        }
        KeyCommand::Set(SetArguments { key, expires_in, never_expires }) => {
            let expiration = expires_in.map(|duration| end_of(session, duration));
            update(session, &key, UpdateKey { expiration, never_expires, ..UpdateKey::default() }).await
        }
        KeyCommand::DeleteExpired { yes } => delete_expired(session, yes).await,
        KeyCommand::ExportEnv { key, prefix } => export_env(session, &key, &prefix).await,
    }
}

async fn list(session: &Session) -> Result<Report, CliError> {
    let answer = session.client.get::<Vec<KeySummary>>("ListKeys", &[]).await?;
    let rows = answer.value.iter().map(|key| {
        let created = key.created.as_deref().map(|time| session.view.day(time)).unwrap_or_default();
        vec![key.id.clone(), created, key.name.clone(), end_cell(&key.expiration, key.expired, &session.view)]
    });
    let mut page = Page::default();
    page.columns(&["ID", "Created", "Name", "Expiration"], rows.collect());
    Ok(Report::new(answer.json, page))
}

fn end_cell(expiration: &Option<String>, expired: bool, view: &View) -> String {
    match expiration {
        None => "never".to_owned(),
        Some(_) if expired => "expired".to_owned(),
        Some(time) => view.moment(time),
    }
}

async fn info(session: &Session, arguments: InfoArguments) -> Result<Report, CliError> {
    let secret = if arguments.show_secret || arguments.secret_key { Secret::Shown } else { Secret::Hidden };
    let answer = session.key(&arguments.key, secret).await?;
    let only = match (arguments.key_id, arguments.secret_key) {
        (true, _) => answer.value.access_key_id.clone(),
        (false, true) => answer.value.secret_access_key.clone().unwrap_or_default(),
        (false, false) => return Ok(shown(session, answer)),
    };
    Ok(Report::new(answer.json, Page::of_line(only)))
}

fn shown(session: &Session, answer: Answer<KeyInfo>) -> Report {
    Report::new(answer.json, info_page(&answer.value, &session.view))
}

/// Scripts take the id from line 2 and the secret from line 4.
fn info_page(key: &KeyInfo, view: &View) -> Page {
    let mut page = Page::default();
    let moment = |time: &Option<String>| time.as_deref().map(|time| view.moment(time));
    page.heading("ACCESS KEY INFORMATION").fields(
        LABELS_WIDTH,
        [
            ("Key ID", key.access_key_id.clone()),
            ("Key name", key.name.clone()),
            ("Secret key", key.secret_access_key.clone().unwrap_or_else(|| SECRET_HIDDEN.to_owned())),
            ("Created", moment(&key.created).unwrap_or_default()),
            ("Validity", if key.expired { "expired" } else { "valid" }.to_owned()),
            ("Expiration", moment(&key.expiration).unwrap_or_else(|| "never".to_owned())),
        ],
    );
    page.gap().fields(LABELS_WIDTH, [("Can create buckets", key.permissions.create_bucket.to_string())]);
    page.gap().heading("BUCKETS FOR THIS KEY");
    let rows = key.buckets.iter().map(|bucket| {
        vec![
            rights(bucket.permissions),
            render::short_id(&bucket.id),
            bucket.global_aliases.join(","),
            bucket.local_aliases.join(","),
        ]
    });
    page.columns(&["Permissions", "ID", "Global aliases", "Local aliases"], rows.collect());
    page
}

/// The moment that lies this far ahead, in RFC 3339. The last one there is, if it lies beyond.
fn end_of(session: &Session, duration_ms: u64) -> String {
    let end = session.view.now.millis().saturating_add(duration_ms);
    let end = i64::try_from(end).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    end.unwrap_or(Timestamp::MAX).to_string()
}

async fn update(session: &Session, key: &str, body: UpdateKey) -> Result<Report, CliError> {
    let id = session.key(key, Secret::Hidden).await?.value.access_key_id;
    Ok(shown(session, session.client.post("UpdateKey", &[("id", &id)], &body).await?))
}

async fn delete(session: &Session, key: &str, yes: Yes) -> Result<Report, CliError> {
    let key = session.key(key, Secret::Hidden).await?.value;
    let (id, name) = (&key.access_key_id, &key.name);
    let buckets = match key.buckets.len() {
        0 => "no bucket".to_owned(),
        1 => "1 bucket".to_owned(),
        count => format!("{count} buckets"),
    };
    let what = format!("delete the access key {id} (`{name}`), which may use {buckets}, for ever");
    confirm(session.audience, yes, &what)?;
    let answer = session.client.post::<Value>("DeleteKey", &[("id", id)], &json!({})).await?;
    Ok(Report::new(answer.json, Page::of_line(format!("Access key {id} was deleted."))))
}

async fn delete_expired(session: &Session, yes: Yes) -> Result<Report, CliError> {
    let all = session.client.get::<Vec<KeySummary>>("ListKeys", &[]).await?.value;
    let expired: Vec<KeySummary> = all.into_iter().filter(|key| key.expired).collect();
    if !expired.is_empty() {
        let ids: Vec<&str> = expired.iter().map(|key| key.id.as_str()).collect();
        confirm(
            session.audience,
            yes,
            &format!("delete the expired access keys {} for ever", ids.join(", ")),
        )?;
    }
    let mut page = Page::default();
    for key in &expired {
        session.client.post::<Value>("DeleteKey", &[("id", &key.id)], &json!({})).await?;
        page.line(format!("Access key {} was deleted.", key.id));
    }
    page.line(match expired.len() {
        1 => "1 expired access key was deleted.".to_owned(),
        count => format!("{count} expired access keys were deleted."),
    });
    let ids: Vec<&str> = expired.iter().map(|key| key.id.as_str()).collect();
    Ok(Report::new(json!({ "deleted": ids }), page))
}

async fn export_env(session: &Session, key: &str, prefix: &str) -> Result<Report, CliError> {
    let answer = session.key(key, Secret::Shown).await?;
    let secret = answer.value.secret_access_key.clone().unwrap_or_default();
    let mut page = Page::default();
    page.line(format!("export {prefix}ACCESS_KEY_ID={}", quoted(&answer.value.access_key_id)));
    page.line(format!("export {prefix}SECRET_ACCESS_KEY={}", quoted(&secret)));
    Ok(Report::new(answer.json, page))
}
