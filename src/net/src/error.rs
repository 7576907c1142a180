//! What a caller can decide on when something does not work. Each variant is one decision.

use crate::hello::Versions;
use base::NodeId;
use serde::{Deserialize, Serialize};
use std::io;

/// Why a call has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no link. Nothing was sent: another node may be asked, or this one later.
    #[error("{0:?} is not connected")]
    NotConnected(NodeId),
    /// All calls that may be under way to this node were, until the limit. Nothing was sent.
    #[error("too many calls are under way to {0:?}")]
    Busy(NodeId),
    /// The message is larger than a message may be. Nothing was sent and nothing ever will be.
    #[error("the message is too large: {size_bytes} bytes, at most {limit_bytes}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// What would pass.
        limit_bytes: usize,
    },
    /// The other end answered that it did not do it.
    #[error("{node:?} refused: {refusal}")]
    Refused {
        /// Who.
        node: NodeId,
        /// Why.
        refusal: Refusal,
    },
    /// The limit passed after the message was sent. It may have been done, or may still be done.
    #[error("{0:?} did not answer in time")]
    TimedOut(NodeId),
    /// It was sent and no proper answer came. It may have been done.
    #[error("no answer from {node:?}: {cause}")]
    Unknown {
        /// Who was asked.
        node: NodeId,
        /// What went wrong.
        cause: NoAnswer,
    },
}

impl CallError {
    /// Whether the other end surely did nothing.
    pub fn is_surely_not_done(&self) -> bool {
        match self {
            Self::NotConnected(_) | Self::Busy(_) | Self::TooLarge { .. } | Self::Refused { .. } => true,
            Self::TimedOut(_) | Self::Unknown { .. } => false,
        }
    }
}

/// Why an answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The link broke.
    #[error("the link broke")]
    LinkLost,
    /// The answer is not a message, or not the reply to this request.
    #[error("the answer cannot be read")]
    BadAnswer,
    /// This node's upper layer does not accept the header of the answer.
    #[error("its answer is not accepted: {0}")]
    NotAccepted(Refusal),
    /// The handler at the other end panicked.
    #[error("the handler failed")]
    HandlerFailed,
}

/// A typed no. Whoever gives it has not done what was asked, except for [`Refusal::Failed`], which
/// callers see as [`CallError::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// No handler for this request: an older release, or not started yet.
    #[error("unknown request")]
    #[serde(rename = "unknown")]
    UnknownRequest,
    /// The message cannot be decoded.
    #[error("malformed message")]
    #[serde(rename = "malformed")]
    Malformed,
    /// The message is larger than the limit.
    #[error("message too large")]
    #[serde(rename = "large")]
    TooLarge,
    /// Too much is under way from this caller.
    #[error("busy")]
    #[serde(rename = "busy")]
    Busy,
    /// The node that was asked to pass something on has no link to the target.
    #[error("the target is not connected")]
    #[serde(rename = "away")]
    NotReachable,
    /// The sender's clock, as its message's header says, is so far ahead that it is not believed.
    #[error("the sender's clock is too far ahead of the receiver's")]
    #[serde(rename = "ahead")]
    ClockAhead,
    /// The handler panicked.
    #[error("the handler failed")]
    #[serde(rename = "failed")]
    Failed,
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers at the address, or the connection broke.
    #[error("cannot be reached: {0}")]
    Unreachable(io::ErrorKind),
    /// Too slow.
    #[error("no handshake within the limit")]
    TimedOut,
    /// What answers does not speak our protocol.
    #[error("what answers is not a node of this system")]
    NotANode,
    /// Another node answers at the address.
    #[error("{found:?} answers where {expected:?} was expected")]
    WrongNode {
        /// Who was dialled.
        expected: NodeId,
        /// Who answered.
        found: NodeId,
    },
    /// The other end does not know our cluster secret.
    #[error("the other node has another cluster secret")]
    WrongSecret,
    /// The releases are too far apart.
    #[error("no common protocol version: ours {ours}, theirs {theirs}")]
    NoCommonVersion {
        /// What we speak.
        ours: Versions,
        /// What they speak.
        theirs: Versions,
    },
    /// One of the two ends has too many peers or links.
    #[error("too many peers or links")]
    TooMany,
    /// One of the two ends does not want the other as a peer: it was removed from the cluster.
    #[error("the node is not admitted")]
    NotAdmitted,
    /// The address is our own.
    #[error("this is the node itself")]
    Myself,
    /// This node is stopping.
    #[error("stopping")]
    Stopping,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.kind())
    }
}
