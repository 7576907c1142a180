//! The encryption secret among several nodes: one for the whole cluster, and every member has it.
//!
//! A member that was not given the secret, or whose own does not open the ring (any more), asks the others, over links
//! that only members have. It takes what it is told only if every key of the ring it knows of opens then. Before the first
//! key of the ring is made the secret is claimed, as a name of a bucket is ([`super::claim`]): of two that were given to
//! two nodes, one becomes the cluster's. The claim moves when the secret is changed ([`crate::encryption::change`]).

use super::ask::{READ_LIMIT, WRITE_LIMIT};
use super::ballot::Proposal;
use super::claim::{CLAIMS, note_object};
use super::read::KeyPlace;
use super::serve::Serve;
use crate::encryption::change::Told;
use crate::encryption::ring::{EncryptionSecret, KeepSecrets};
use crate::rows::object::{ObjectRow, Slot};
use crate::{Model, ModelError};
use base::NodeId;
use base::id::encode_hex;
use bytes::Bytes;
use env::Task;
use futures_util::future::{Either, select};
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// The key of the claim. No bucket has this name.
const CLAIM: &str = "/encryption secret";
/// The field of a claim that holds the secret's fingerprint.
const FINGERPRINT: &str = "fingerprint";
/// How long a node waits before it looks whether the ring opens, and asks again if not, when no row of the ring is written
/// and no link comes or goes.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// How soon after a link came.
const ASK_SOON: Duration = Duration::from_millis(200);

/// Asks a member for the encryption secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskSecret {}

/// The secrets that the member holds, one after the other, if they open the ring. Never printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ToldSecret(#[serde(with = "serde_bytes")] Option<Vec<u8>>);

impl ToldSecret {
    fn secrets(&self) -> Vec<EncryptionSecret> {
        let (secrets, _) = self.0.as_deref().unwrap_or_default().as_chunks();
        secrets.iter().copied().map(EncryptionSecret::from_bytes).collect()
    }
}

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
        let held = model.ring.held();
        let told = (!held.is_empty() && model.opens_ring())
            .then(|| held.iter().flat_map(|secret| secret.reveal()).copied().collect());
        Ok(Answer::from(ToldSecret(told)))
    }
}

/// Tells a member a secret that is about to become the cluster's. Never printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OfferSecret(#[serde(with = "serde_bytes")] Vec<u8>);

impl std::fmt::Debug for OfferSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Request for OfferSecret {
    /// Whether it is kept beyond the end of the process.
    type Reply = bool;
    const NAME: &'static str = "model/offer_secret";
    const CLASS: Class = Class::Metadata;
}

impl Serve for OfferSecret {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<bool>, Refusal> {
        let bytes = self.0.try_into().map_err(|_| Refusal::Malformed)?;
        Ok(Answer::from(model.ring.hold(EncryptionSecret::from_bytes(bytes)).await))
    }
}

impl Model {
    /// Claims that this secret is the cluster's, before the first key of the ring is made.
    pub(crate) async fn claim_secret(self: &Arc<Self>, secret: &EncryptionSecret) -> Result<(), ModelError> {
        self.move_claim(secret, secret).await
    }

    /// Moves the claim from one secret to another; where nobody claimed one, it is made.
    pub(crate) async fn move_claim(
        self: &Arc<Self>,
        from: &EncryptionSecret,
        to: &EncryptionSecret,
    ) -> Result<(), ModelError> {
        if self.peers.stay_alone().await.is_some() {
            return Ok(());
        }
        let (old, mine) = (fingerprint(from), fingerprint(to));
        let place = KeyPlace::of(CLAIMS, CLAIM.to_owned());
        let decided = self.decide(&place, |current| {
            let claim = current.and_then(ObjectRow::live);
            let claimed = claim.and_then(|claim| claim.headers.iter().find(|(name, _)| name == FINGERPRINT));
            match claimed {
                Some((_, theirs)) if *theirs != mine && *theirs != old => {
                    Err(ModelError::EncryptionSecretMissing)
                }
                _ => {
                    let (object, nothing) = note_object(FINGERPRINT, mine.clone());
                    Ok(Some(Proposal::plain(Slot::Live(Box::new(object)), Some(nothing))))
                }
            }
        });
        decided.await?.map(|_| ()).ok_or(ModelError::Unavailable)
    }

    /// Tells every member that can be asked a secret that is about to become the cluster's, this node first; most of them
    /// hold it when this returns.
    pub(crate) async fn offer_secret(
        self: &Arc<Self>,
        secret: &EncryptionSecret,
    ) -> Result<Vec<(NodeId, Told)>, ModelError> {
        let me = self.peers.me();
        let kept = |is_kept| if is_kept { Told::Kept } else { Told::Held };
        let mut told = vec![(me, kept(self.ring.hold(secret.clone()).await))];
        let members = self.peers.placement().members();
        for node in members.iter().filter(|node| **node != me) {
            let offer = OfferSecret(secret.reveal().to_vec());
            let asked = self.ask_one(*node, offer, Bytes::new(), WRITE_LIMIT).await;
            told.push((*node, asked.map_or(Told::Away, |answer| kept(answer.reply))));
        }
        let hold = told.iter().filter(|(node, told)| *told != Told::Away && members.contains(node)).count();
        if !members.is_empty() && hold <= members.len() / 2 {
            return Err(ModelError::Unavailable);
        }
        Ok(told)
    }

    /// Asks the other members for what opens the ring whenever this node lacks it, and has `keep` keep it. It ends when
    /// the task is dropped.
    pub fn spawn_secret_keeper(self: &Arc<Self>, keep: KeepSecrets) -> Task<()> {
        self.ring.set_keeper(keep);
        let model = Arc::clone(self);
        self.env.tasks.spawn(async move {
            let mut ring = model.directory.watch_ring();
            loop {
                if !(model.has_encryption_secret() && model.opens_ring()) {
                    model.ask_for_secret().await;
                }
                let news = pin!(model.wait_for_news(LOOK_AGAIN));
                // A row that was written since the look above wakes at once.
                if let Either::Right((true, _)) = select(pin!(ring.changed()), news).await {
                    env::sleep(ASK_SOON).await;
                }
            }
        })
    }

    /// Asks one after the other until somebody tells what was asked for.
    async fn ask_for_secret(self: &Arc<Self>) {
        for node in self.others() {
            let asked = self.ask_one(node, AskSecret {}, Bytes::new(), READ_LIMIT).await;
            let Ok(Answer { reply, .. }) = asked else { continue };
            let told = reply.secrets();
            if told.is_empty() {
                continue;
            }
            if !self.opens_ring_with(&told) {
                tracing::warn!(%node, "another node has an encryption secret that does not open the ring");
                continue;
            }
            if self.has_encryption_secret() {
                tracing::warn!(%node, "the encryption secret of this node does not open the ring: another home told what does");
            }
            // Told the newest first, held the newest first.
            for secret in told.into_iter().rev() {
                self.ring.hold(secret).await;
            }
            return;
        }
    }
}

fn fingerprint(secret: &EncryptionSecret) -> String {
    encode_hex(&blake3::derive_key("garage 2026-11 fingerprint of a secret", secret.reveal()))
}
