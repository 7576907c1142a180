//! `garage encryption`: the secret that opens what is encrypted, and the keys of the ring.

use super::error::CliError;
use super::render::Page;
use super::session::{Report, Session};
use crate::secrets;
use api::admin::wire::{
    ChangeEncryptionSecret, EncryptionKey, EncryptionKeys, EncryptionSecretChanged, NamedEncryptionKey,
};
use clap::Subcommand;
use env::Env;
use serde_json::json;
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
    /// Make another secret the cluster's: the keys of the ring are wrapped anew, and objects stay as they are.
    #[command(after_long_help = "Example:\n  garage encryption new-secret /mnt/stick/next\n  \
                                 garage encryption change-secret /mnt/stick/next\n\nEach home puts the new secret before \
                                 the old one in its encryption_secret_file. A change that was interrupted is ended by the same \
                                 command.")]
    ChangeSecret {
        /// The file that holds the new secret.
        file: PathBuf,
    },
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
        EncryptionCommand::ChangeSecret { file } => change_secret(session, &file).await,
        // Asks no node: taken care of before this is called.
        EncryptionCommand::NewSecret { .. } => Ok(Report::new(serde_json::Value::Null, Page::default())),
    }
}

/// Makes a secret; what to say about it.
pub fn new_secret(env: &Env, file: &Path) -> Result<Report, CliError> {
    env::real::keep_files_private();
    secrets::make(env, file).map_err(CliError::Secret)?;
    let shown = file.display();
    let page = Page::of_line(format!(
        "The encryption secret of a cluster is in {shown}. Keep a copy of it elsewhere: what is encrypted is lost with \
         it.\nTo use it:  encryption_secret_file = {:?}  in the configuration of one home, or GARAGE_ENCRYPTION_SECRET_FILE in its\n\
         environment, then start it again",
        file
    ));
    Ok(Report::new(json!({ "file": shown.to_string() }), page))
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
    if !answer.value.keys.is_empty() {
        page.columns(&["ID", "Name", "Created", "Use"], rows.collect());
    }
    if answer.value.has_secret && answer.value.keys.is_empty() {
        page.line("There is no key yet: the first one is made when it is needed.");
    }
    if !answer.value.has_secret {
        page.line("This node has no encryption secret: see `garage encryption new-secret --help`");
    }
    Ok(Report::new(answer.json, page))
}

async fn change_secret(session: &Session, file: &Path) -> Result<Report, CliError> {
    // Over plain HTTP everybody on the way would hear it.
    if session.config.is_none() {
        return Err(CliError::OnlyHere { what: "the encryption secret is changed" });
    }
    let text = session.read_text(file)?;
    let body = ChangeEncryptionSecret { secret: text.trim().to_owned() };
    let answer = session.client.post::<EncryptionSecretChanged>("ChangeEncryptionSecret", &[], &body).await?;
    let mut page = Page::default();
    page.line(format!("Keys of the ring wrapped anew: {}", answer.value.keys));
    let rows = answer.value.nodes.iter().map(|node| {
        let has = match (node.is_held, node.is_kept) {
            (true, true) => "has it in its file",
            (true, false) => "has it until it stops: give it an encryption_secret_file, or the new secret where it gets the old one",
            (false, _) => "away: asks for it when it is back",
        };
        vec![node.id[..16].to_owned(), has.to_owned()]
    });
    page.gap().columns(&["Node", "New secret"], rows.collect());
    Ok(Report::new(answer.json, page))
}

async fn make(session: &Session, endpoint: &str, name: Option<String>) -> Result<Report, CliError> {
    let answer = session.client.post::<EncryptionKey>(endpoint, &[], &NamedEncryptionKey { name }).await?;
    let EncryptionKey { id, name, .. } = &answer.value;
    let page = Page::of_line(format!("Key {} encrypts what is written for {name} from now on.", &id[..16]));
    Ok(Report::new(answer.json, page))
}
