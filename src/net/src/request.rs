//! What is asked and answered: a request type fixes its reply type, its name on the wire and its class.

use crate::attachment::Attachment;
use base::NodeId;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A request that one node sends to another.
pub trait Request: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// What the answer is. A refusal that the caller should tell apart belongs in here.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// The name on the wire: lower-case words and slashes, a literal that never changes.
    const NAME: &'static str;
    /// Which of the two links carries it.
    const CLASS: Class;
}

/// The two links of a pair: a block under way never delays a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Rows, gossip, decisions: small messages that somebody waits for.
    Metadata,
    /// Blocks and everything else that is large.
    Bulk,
}

impl Class {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Metadata, Self::Bulk];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Metadata => 0,
            Self::Bulk => 1,
        }
    }
}

/// What both ends of a link agreed to speak. Every message carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level {
    /// The protocol version.
    pub protocol: u16,
    /// The feature level.
    pub feature: u16,
}

/// A request on its way in, as a handler gets it.
#[derive(Debug)]
pub struct Incoming<T> {
    /// Who asks: proven by the link.
    pub from: NodeId,
    /// What is asked.
    pub request: T,
    /// The bytes that came with it.
    pub attachment: Attachment,
    /// What the link speaks.
    pub level: Level,
    /// How long the caller waits. When it gives up, the handler's future is dropped.
    pub limit: Duration,
}

/// A reply and the bytes that go with it.
#[derive(Debug)]
pub struct Answer<T> {
    /// The reply.
    pub reply: T,
    /// Its bytes.
    pub attachment: Attachment,
}

impl<T> From<T> for Answer<T> {
    fn from(reply: T) -> Self {
        Self { reply, attachment: Attachment::empty() }
    }
}

/// A request on its way out.
#[derive(Debug)]
pub struct Outgoing<'a, R> {
    /// What is asked.
    pub request: &'a R,
    /// The bytes that go with it. They end with the call: when its reply has been read or dropped.
    pub attachment: Attachment,
    /// How long to wait for the reply (not for the end of its attachment). A large request has the time on top that its
    /// bytes may take on a slow line, and what it waits for room there does not count.
    pub limit: Duration,
}

/// Writes and reads the header that the upper layer puts into every message, request and reply: what its sender
/// knows of time and of the layout. This crate carries its bytes and does not look inside.
pub trait Courier: Send + Sync + 'static {
    /// The header of a message to this node, at most [`crate::limits::ENVELOPE_MAX_BYTES`].
    fn seal(&self, to: NodeId) -> Bytes;
    /// Takes note of the header of a message that came, before a request is handled and before a reply is
    /// handed to its caller. A refusal goes back to the sender of a request; on a reply the caller sees it as
    /// [`crate::NoAnswer::NotAccepted`].
    fn open(&self, from: NodeId, envelope: &[u8]) -> Result<(), crate::Refusal>;
    /// Whether a node that knows the secret may be a peer: false for one that was removed from the
    /// cluster. Asked for each new link, whoever dialled.
    fn admits(&self, _node: NodeId) -> bool {
        true
    }
}

/// No header: for tests and tools.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCourier;

impl Courier for NoCourier {
    fn seal(&self, _: NodeId) -> Bytes {
        Bytes::new()
    }

    fn open(&self, _: NodeId, _: &[u8]) -> Result<(), crate::Refusal> {
        Ok(())
    }
}
