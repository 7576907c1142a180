//! Proofs of a secret that both ends of a session know, made over what they say to each other.
//!
//! Why inside the session: a proof is bound to a key that only its two ends have, so it is worth nothing in another
//! session; and to the end that made it, so it cannot be sent back. Always holds: each kind of secret has a
//! context of its own, so a proof of one is never one of the other.

/// What cluster secrets are stretched with.
const OF_CLUSTER: &str = "garage node link 2026: proof of the cluster secret";
/// What tokens of invitations are stretched with.
const OF_INVITATION: &str = "garage guest 2026: proof of an invitation's token";

/// Which end made a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dialler,
    Acceptor,
}

/// Makes and checks the proofs of one session.
pub(crate) struct Prover {
    key: [u8; 32],
    session: [u8; 32],
}

impl Prover {
    /// For a cluster secret and a key that only the two ends of this session have.
    pub fn of_cluster(secret: &[u8; 32], session: [u8; 32]) -> Self {
        Self { key: blake3::derive_key(OF_CLUSTER, secret), session }
    }

    /// For the token of an invitation and a key that only the two ends of this session have.
    pub fn of_invitation(token: &[u8; 16], session: [u8; 32]) -> Self {
        Self { key: blake3::derive_key(OF_INVITATION, token), session }
    }

    /// What one end shows for what it says. Compared in constant time, as `blake3::Hash` does.
    pub fn proof(&self, side: Side, fields: &[u8]) -> blake3::Hash {
        let side = match side {
            Side::Dialler => b'd',
            Side::Acceptor => b'a',
        };
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[side]);
        hasher.update(&self.session);
        hasher.update(fields);
        hasher.finalize()
    }
}
