//! The file of the encryption secret: made once, by a person's word, or written when another node tells the secret.
//!
//! Always holds: a file that is there is never replaced, and one that was made is durable before it is used.

use anyhow::{Context, bail};
use base::id::encode_hex;
use env::{Env, random_array, write_file_durably};
use model::encryption::ring::EncryptionSecret;
use std::path::{Path, PathBuf};
use std::pin::Pin;

/// Makes a secret in a file that must not be there yet. Blocks.
pub fn make(env: &Env, file: &Path) -> anyhow::Result<()> {
    write(env, file, &EncryptionSecret::from_bytes(random_array(env.rng.as_ref())))
}

/// Whether a secret is where the next start finds it, when that is known.
type Kept = Pin<Box<dyn Future<Output = bool> + Send>>;

/// What is done with a secret that another node has told: it is kept where the configuration says.
pub fn keep(env: &Env, file: Option<PathBuf>) -> impl Fn(EncryptionSecret) -> Kept + Send + Sync + 'static {
    let env = env.clone();
    move |secret| {
        let (env, file) = (env.clone(), file.clone());
        Box::pin(async move {
            let Some(file) = file else {
                tracing::warn!(
                    "another home told the encryption secret, which this one forgets when it stops: set \
                     encryption_secret_file, so that it can read what is encrypted when it is alone"
                );
                return false;
            };
            let (shown, tasks) = (file.clone(), env.tasks.clone());
            let written = tasks.blocking(move || write(&env, &file, &secret)).await;
            match &written {
                Ok(()) => {
                    tracing::info!("another home told the encryption secret: kept in {}", shown.display());
                }
                Err(error) => {
                    tracing::error!("the encryption secret is forgotten when this stops: {error:#}");
                }
            }
            written.is_ok()
        })
    }
}

fn write(env: &Env, file: &Path, secret: &EncryptionSecret) -> anyhow::Result<()> {
    let disk = env.disk.as_ref();
    if disk.exists(file).with_context(|| format!("cannot look at {}", file.display()))? {
        bail!("{} is there already and was left as it is", file.display());
    }
    let line = format!("{}\n", encode_hex(secret.reveal()));
    write_file_durably(disk, file, line.as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))
}
