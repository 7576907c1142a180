//! The encryption secret among several nodes: one for the whole cluster, and every member has it.
//!
//! A member that was not given the secret asks the others, over links that only members have. It takes one only if
//! that opens every key of the ring it knows of. Before the first key of the ring is made the secret is claimed, as a
//! name of a bucket is ([`super::claim`]): of two that were given to two nodes, one becomes the cluster's.

use super::ask::READ_LIMIT;
use super::ballot::Proposal;
use super::claim::{CLAIMS, note_object};
use super::read::KeyPlace;
use super::serve::Serve;
use crate::encryption::ring::EncryptionSecret;
use crate::rows::object::{ObjectRow, Slot};
use crate::{Model, ModelError};
use base::id::encode_hex;
use bytes::Bytes;
use env::Task;
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The key of the claim. No bucket has this name.
const CLAIM: &str = "/encryption secret";
/// The field of a claim that holds the secret's fingerprint.
const FINGERPRINT: &str = "fingerprint";
/// How long a node without a secret waits before it asks again, when no link comes or goes.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How soon after a link came.
const ASK_SOON: Duration = Duration::from_millis(200);

/// Asks a member for the encryption secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskSecret {}

/// The secret, if the member has it. Never printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ToldSecret(#[serde(with = "serde_bytes")] Option<Vec<u8>>);

impl std::fmt::Debug for ToldSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Request for AskSecret {
    type Reply = ToldSecret;
    const NAME: &'static str = "model/ask_secret";
    const CLASS: Class = Class::Metadata;
}

impl Serve for AskSecret {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<ToldSecret>, Refusal> {
        let secret = model.ring.secret().filter(|secret| model.opens_ring(secret));
        Ok(Answer::from(ToldSecret(secret.map(|secret| secret.reveal().to_vec()))))
    }
}

impl Model {
    /// Claims that this secret is the cluster's, before the first key of the ring is made.
    pub(crate) async fn claim_secret(self: &Arc<Self>, secret: &EncryptionSecret) -> Result<(), ModelError> {
        if self.peers.stay_alone().await.is_some() {
            return Ok(());
        }
        let mine = encode_hex(&blake3::derive_key("garage 2026-11 fingerprint of a secret", secret.reveal()));
        let place = KeyPlace::of(CLAIMS, CLAIM.to_owned());
        let decided = self.decide(&place, |current| {
            let claim = current.and_then(ObjectRow::live);
            let claimed = claim.and_then(|claim| claim.headers.iter().find(|(name, _)| name == FINGERPRINT));
            match claimed {
                Some((_, theirs)) if *theirs != mine => Err(ModelError::EncryptionSecretMissing),
                _ => {
                    let (object, nothing) = note_object(FINGERPRINT, mine.clone());
                    Ok(Some(Proposal::plain(Slot::Live(Box::new(object)), Some(nothing))))
                }
            }
        });
        decided.await?.map(|_| ()).ok_or(ModelError::Unavailable)
    }

    /// Asks the other members for the secret until this node has it, and hands it to `keep` then, which says whether
    /// the next start finds it. It ends when the task is dropped.
    pub fn spawn_secret_keeper<F: Future<Output = bool> + Send>(
        self: &Arc<Self>,
        keep: impl Fn(EncryptionSecret) -> F + Send + Sync + 'static,
    ) -> Task<()> {
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            while !model.has_encryption_secret() {
                if let Some(secret) = model.ask_for_secret().await {
                    model.borrow_encryption_secret(secret.clone());
                    if keep(secret).await {
                        model.keep_encryption_secret();
                    }
                    return;
                }
                if model.wait_for_news(ASK_AGAIN).await {
                    env::sleep(ASK_SOON).await;
                }
            }
        })
    }

    async fn ask_for_secret(self: &Arc<Self>) -> Option<EncryptionSecret> {
        for node in self.others() {
            let asked = self.ask_one(node, AskSecret {}, Bytes::new(), READ_LIMIT).await;
            let Ok(Answer { reply: ToldSecret(Some(bytes)), .. }) = asked else { continue };
            let Ok(bytes) = bytes.try_into() else { continue };
            let secret = EncryptionSecret::from_bytes(bytes);
            if self.opens_ring(&secret) {
                return Some(secret);
            }
            tracing::warn!(%node, "another node has an encryption secret that does not open the ring");
        }
        None
    }
}
