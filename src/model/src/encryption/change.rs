//! Another encryption secret: every key of the ring is wrapped anew, on all homes.
//!
//! First most members hold the new secret, and keep it where they keep the old one; then the claim of the cluster's secret
//! moves to it, by a ballot; then the rows are written. Always holds:
//!
//! - whoever is told of a row that the new secret wraps can ask a member that holds it;
//! - no secret is ever dropped here: a change that ends halfway leaves rows of two generations, which open, and is ended by
//!   asking for it again;
//! - of two changes at once one is refused before it wraps anything.

use super::ring::EncryptionSecret;
use crate::rows::encryption::RingKeyRow;
use crate::{Model, ModelError};
use base::NodeId;
use std::sync::Arc;
use store::{Read, Space};

/// So often the ring is looked at again for keys that were made meanwhile.
const ROUNDS: usize = 2;

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretChanged {
    /// How many keys were wrapped anew.
    pub keys: u64,
    /// What each member that could be asked did with the secret.
    pub members: Vec<(NodeId, Told)>,
}

/// What a member did with a secret that it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has it in its file.
    Kept,
    /// It forgets it when it stops.
    Held,
    /// It could not be asked: it asks when it is back.
    Away,
}

impl Model {
    /// Makes another secret the cluster's.
    pub async fn change_encryption_secret(
        self: &Arc<Self>,
        secret: EncryptionSecret,
    ) -> Result<SecretChanged, ModelError> {
        self.learn_ring().await;
        self.refuse_other_secret()?;
        let (generation, old) = self.wrapping_secret().ok_or(ModelError::NoEncryptionSecret)?;
        let generation = if old == secret { generation } else { generation.saturating_add(1) };
        let members = self.offer_secret(&secret).await?;
        self.move_claim(&old, &secret).await?;
        let mut keys = 0;
        for _ in 0..ROUNDS {
            self.learn_ring().await;
            keys += self.wrap_ring(generation, &secret).await?;
        }
        Ok(SecretChanged { keys, members })
    }

    /// Wraps what an older secret wraps; how many keys these were.
    async fn wrap_ring(
        self: &Arc<Self>,
        generation: u32,
        secret: &EncryptionSecret,
    ) -> Result<u64, ModelError> {
        let rng = self.env.rng.as_ref();
        let mut wrapped = Vec::new();
        for (id, row) in self.names().ring.iter().filter(|(_, row)| row.generation < generation) {
            let key = self.open_ring_key(*id, row).map_err(ModelError::from)?;
            let key = secret.wraps(rng, *id, row, &key);
            wrapped.push((*id, RingKeyRow { key, generation, ..row.as_ref().clone() }));
        }
        let count = u64::try_from(wrapped.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return Ok(0);
        }
        self.change_names(move |txn| {
            for (id, row) in wrapped {
                // Another home may have done it meanwhile.
                let there: Option<RingKeyRow> = txn.get(Space::Ring, id.as_bytes())?;
                if there.is_some_and(|there| there.generation < row.generation) {
                    txn.put(Space::Ring, id.as_bytes().to_vec(), &row);
                }
            }
            Ok(())
        })
        .await?;
        Ok(count)
    }
}
