//! The file of the encryption secret: made once, by a person's word; written when another node tells a secret.
//!
//! One secret stands in a line: the cluster's in the first, and those of before below it. Always holds: a file loses no
//! secret that stands in it, and what was written is durable before it is used.

use anyhow::{Context, bail};
use base::id::encode_hex;
use env::{Env, random_array, read_file, write_file_durably};
use model::encryption::ring::{EncryptionSecret, InvalidEncryptionSecret, KeepSecrets};
use std::path::{Path, PathBuf};

/// Makes a secret in a file that must not be there yet. Blocks.
pub fn make(env: &Env, file: &Path) -> anyhow::Result<()> {
    if env.disk.exists(file).with_context(|| format!("cannot look at {}", file.display()))? {
        bail!("{} is there already and was left as it is", file.display());
    }
    write(env, file, &[EncryptionSecret::from_bytes(random_array(env.rng.as_ref()))])
}

/// Reads the secrets of a text, the newest first.
pub fn parse(text: &str) -> Result<Vec<EncryptionSecret>, InvalidEncryptionSecret> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<_> = lines.map(EncryptionSecret::parse).collect::<Result<_, _>>()?;
    if secrets.is_empty() { Err(InvalidEncryptionSecret) } else { Ok(secrets) }
}

/// What is done with secrets that another node has told: they are kept where the configuration says.
pub fn keep(env: &Env, file: Option<PathBuf>) -> KeepSecrets {
    let env = env.clone();
    Box::new(move |secrets| {
        let (env, file) = (env.clone(), file.clone());
        Box::pin(async move {
            let Some(file) = file else {
                tracing::warn!(
                    "another home told the encryption secret, which this one forgets when it stops: set \
                     encryption_secret_file, so that it can read what is encrypted when it is alone"
                );
                return false;
            };
            let (inner, shown) = (env.clone(), file.clone());
            match env.tasks.clone().blocking(move || add(&inner, &file, secrets)).await {
                Ok(()) => {
                    tracing::info!("the encryption secret is kept in {}", shown.display());
                    true
                }
                Err(error) => {
                    tracing::error!("the encryption secret is forgotten when this stops: {error:#}");
                    false
                }
            }
        })
    })
}

/// Puts secrets before those that a file has.
fn add(env: &Env, file: &Path, mut secrets: Vec<EncryptionSecret>) -> anyhow::Result<()> {
    let unread = || format!("cannot read {}", file.display());
    if let Some(content) = read_file(env.disk.as_ref(), file).with_context(unread)? {
        // What is no secret was put there by a person, who is not asked here.
        let there = parse(&String::from_utf8(content).with_context(unread)?).with_context(unread)?;
        let new = there.into_iter().filter(|secret| !secrets.contains(secret)).collect::<Vec<_>>();
        secrets.extend(new);
    }
    write(env, file, &secrets)
}

fn write(env: &Env, file: &Path, secrets: &[EncryptionSecret]) -> anyhow::Result<()> {
    let lines: String = secrets.iter().map(|secret| format!("{}\n", encode_hex(secret.reveal()))).collect();
    write_file_durably(env.disk.as_ref(), file, lines.as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::sim::{SimOptions, SimWorld};

    const OLD: EncryptionSecret = EncryptionSecret::from_bytes([1; 32]);
    const NEW: EncryptionSecret = EncryptionSecret::from_bytes([2; 32]);

    fn content(env: &Env, file: &Path) -> Vec<EncryptionSecret> {
        let content = read_file(env.disk.as_ref(), file).unwrap().unwrap();
        parse(std::str::from_utf8(&content).unwrap()).unwrap()
    }

    #[test]
    fn a_file_loses_no_secret() {
        let world = SimWorld::new(1, &SimOptions::default());
        let (env, file) = (world.env(), PathBuf::from("/secret"));
        make(&env, &file).unwrap();
        let made = content(&env, &file);
        assert!(make(&env, &file).is_err());
        add(&env, &file, vec![NEW, OLD]).unwrap();
        let held = [NEW, OLD, made[0].clone()];
        assert!(content(&env, &file) == held);
        add(&env, &file, vec![OLD]).unwrap();
        assert!(content(&env, &file) == [OLD, NEW, made[0].clone()]);
    }

    #[test]
    fn what_is_no_secret_stays() {
        let world = SimWorld::new(1, &SimOptions::default());
        let (env, file) = (world.env(), PathBuf::from("/secret"));
        write_file_durably(env.disk.as_ref(), &file, b"a note\n").unwrap();
        assert!(add(&env, &file, vec![NEW]).is_err());
        assert_eq!(read_file(env.disk.as_ref(), &file).unwrap().unwrap(), b"a note\n");
        assert!(parse("").is_err() && parse("\n\n").is_err() && parse("0102").is_err());
    }
}
