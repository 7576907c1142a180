//! `garage encryption`: the secret that opens what is encrypted, and the keys of the ring.

use super::error::CliError;
use super::render::Page;
use super::session::{Report, Session};
use crate::secrets;
use api::admin::wire::{EncryptionKey, EncryptionKeys, NamedEncryptionKey};
use clap::Subcommand;
use env::Env;
use std::path::{Path, PathBuf};

/// What to do about encryption.
#[derive(Debug, Clone, Subcommand)]
pub enum EncryptionCommand {
    /// List the keys of the ring.
    List,
    /// Encrypt what is written from now on by a new key; what is there stays readable.
    Rotate {
        /// The key's name [default: the one for requests that name none].
        name: Option<String>,
    },
    /// Named keys, which requests choose by `aws:kms`.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make an encryption secret in a new file, on this machine.
    #[command(after_long_help = "Once for a cluster, where it shall not lie beside the data:\n  \
                                 garage encryption new-secret /etc/garage/encryption_secret\n\nThen set \
                                 encryption_secret_file to it in the configuration, keep a copy of it elsewhere, and \
                                 start the server again. What is encrypted is lost with the secret.")]
    NewSecret {
        /// The file; must not exist.
        file: PathBuf,
    },
}

/// What to do with named keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyCommand {
    /// Make a named key.
    Create {
        /// Its name.
        name: String,
    },
}

/// Runs a command about encryption.
pub async fn run(session: &Session, command: EncryptionCommand) -> Result<Report, CliError> {
    match command {
        EncryptionCommand::List => list(session).await,
        EncryptionCommand::Rotate { name } => make(session, "RotateEncryptionKey", name).await,
        EncryptionCommand::Key(KeyCommand::Create { name }) => {
            make(session, "CreateEncryptionKey", Some(name)).await
        }
        // Asks no node: taken care of before this is called.
        EncryptionCommand::NewSecret { .. } => Ok(Report::new(serde_json::Value::Null, Page::default())),
    }
}

/// Makes a secret; what to say about it.
pub fn new_secret(env: &Env, file: &Path) -> Result<String, CliError> {
    env::real::keep_files_private();
    secrets::make(env, file).map_err(CliError::Secret)?;
    let shown = file.display();
    Ok(format!(
        "The encryption secret of a cluster is in {shown}. Keep a copy of it elsewhere: what is encrypted is lost with \
         it.\nTo use it:  encryption_secret_file = {:?}  in the configuration of one home, or GARAGE_ENCRYPTION_SECRET_FILE in its\n\
         environment, then start it again\n",
        file
    ))
}

async fn list(session: &Session) -> Result<Report, CliError> {
    let answer = session.client.get::<EncryptionKeys>("ListEncryptionKeys", &[]).await?;
    let mut page = Page::default();
    let rows = answer.value.keys.iter().map(|key| {
        let use_of = match (key.is_open, key.is_newest) {
            (false, _) => "not opened by this node's secret",
            (true, true) => "encrypts",
            (true, false) => "decrypts",
        };
        vec![key.id[..16].to_owned(), key.name.clone(), session.view.moment(&key.created), use_of.to_owned()]
    });
    page.columns(&["ID", "Name", "Created", "Use"], rows.collect());
    if !answer.value.has_secret {
        page.line("This node has no encryption secret: see `garage encryption new-secret --help`");
    }
    Ok(Report::new(answer.json, page))
}

async fn make(session: &Session, endpoint: &str, name: Option<String>) -> Result<Report, CliError> {
    let answer = session.client.post::<EncryptionKey>(endpoint, &[], &NamedEncryptionKey { name }).await?;
    let EncryptionKey { id, name, .. } = &answer.value;
    let page = Page::of_line(format!("Key {} encrypts what is written for {name} from now on.", &id[..16]));
    Ok(Report::new(answer.json, page))
}
