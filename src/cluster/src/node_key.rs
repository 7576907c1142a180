//! The node's ed25519 key. Its public half is the node's id.
//!
//! Made once, at the first start. Blocks and metadata are bound to the node id, so a key that
//! cannot be read is never replaced: the node stops and says what to restore.

use crate::state_file::{self, StateFileError, StateKind};
use base::NodeId;
use base::id::{decode_hex, encode_hex};
use env::{Env, random_array};
use net::{Identity, SeedIdentity};
use std::fmt;
use std::path::Path;

/// A node's key pair.
pub struct NodeKey {
    pair: SeedIdentity,
    id: NodeId,
}

impl NodeKey {
    /// The key of the node whose metadata is in `folder`; made if there is none. Blocks.
    pub fn open(env: &Env, folder: &Path) -> Result<Self, StateFileError> {
        let disk = env.disk.as_ref();
        if let Some(body) = state_file::read(disk, folder, StateKind::NodeKey)? {
            return Self::parse(&body).ok_or_else(|| state_file::damaged(folder, StateKind::NodeKey));
        }
        let seed: [u8; 32] = random_array(env.rng.as_ref());
        let key = Self::from_seed(&seed);
        let body = format!("{}\n{}\n", encode_hex(&seed), key.id);
        state_file::write(disk, folder, StateKind::NodeKey, &body)?;
        Ok(key)
    }

    /// The key that a seed gives.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = SeedIdentity::new(seed);
        Self { id: pair.id(), pair }
    }

    /// The public key.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message)
    }

    /// Two lines: the seed and the node id it gives.
    pub(crate) fn parse(body: &str) -> Option<Self> {
        let (seed, id) = body.strip_suffix('\n')?.split_once('\n')?;
        let key = Self::from_seed(&decode_hex(seed)?.try_into().ok()?);
        (key.id == NodeId::from_hex(id)?).then_some(key)
    }
}

impl Identity for NodeKey {
    fn id(&self) -> NodeId {
        self.id
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key of {:?}", self.id)
    }
}
