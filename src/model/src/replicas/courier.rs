//! The header of every message between nodes, requests and replies: what the sender's clock shows, and which
//! versions of the layout it sees in force (rules T1 and V1).
//!
//! What always holds: whoever has an answer of a node, or serves a request of it, has heard of every stamp that
//! this node had given or heard of when it wrote the message, so its own stamps lie above all of them. That is so
//! in memory; a replica makes it durable before it answers what rests on it (`Store::settled`). And a newer layout
//! is asked for as soon as anybody who has it says anything.

use super::Peers;
use crate::Model;
use base::{NodeId, Stamp, WallTime};
use bytes::Bytes;
use net::{CallError, Courier, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use store::Store;

/// Bytes of a header.
const HEADER_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// The highest time that the sender gave or heard of.
    clock: u64,
    /// The newest version of the layout that it sees in force.
    newest: u64,
    /// The oldest one.
    oldest: u64,
    /// The clock's mark in the sender's store, which no power cut takes back; 0 while the cluster does not know of the
    /// sender's start. Whoever comes back with a lower one has an old copy of its store (rule M1).
    mark: u64,
}

impl Header {
    fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        for (place, number) in
            bytes.chunks_exact_mut(8).zip([self.clock, self.newest, self.oldest, self.mark])
        {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// What follows it is skipped, as in all messages.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some(Self { clock: number(0)?, newest: number(8)?, oldest: number(16)?, mark: number(24)? })
    }
}

/// A header, written again; `None`: it is refused.
pub(crate) fn rewritten_header(bytes: &[u8]) -> Option<Vec<u8>> {
    Header::decode(bytes).map(|header| header.encode().to_vec())
}

/// Writes and reads the header of each message.
struct HeaderCourier {
    store: Store,
    /// Weak: they hold the network, which holds this.
    peers: Weak<Peers>,
    clocks: Arc<Clocks>,
}

/// Nodes whose clocks and this node's are so far apart that one end does not believe the other.
#[derive(Default)]
pub(crate) struct Clocks(Mutex<Apart>);

#[derive(Default)]
struct Apart {
    /// Whose clock is not believed here, with what it shows.
    ahead: BTreeMap<NodeId, WallTime>,
    /// Who does not believe this node's.
    refusing: BTreeSet<NodeId>,
}

impl Clocks {
    fn open(&self) -> MutexGuard<'_, Apart> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a node answered: nobody who answers does not believe this node's clock.
    pub fn answered<T>(&self, node: NodeId, answer: &Result<T, CallError>) {
        match answer {
            Err(CallError::Refused { refusal: Refusal::ClockAhead, .. }) => self.open().refusing.insert(node),
            Ok(_) => self.open().refusing.remove(&node),
            Err(_) => false,
        };
    }
}

impl Model {
    /// What puts this node's clock and view into its messages, and takes in those of others.
    pub fn courier(&self) -> Arc<dyn Courier> {
        let (store, peers) = (self.store.clone(), Arc::downgrade(&self.peers));
        Arc::new(HeaderCourier { store, peers, clocks: Arc::clone(&self.clocks) })
    }

    /// The nodes whose clocks are not believed here, with what they show.
    pub fn clocks_ahead(&self) -> BTreeMap<NodeId, WallTime> {
        self.clocks.open().ahead.clone()
    }

    /// The nodes that do not believe this node's clock.
    pub fn refused_by(&self) -> BTreeSet<NodeId> {
        self.clocks.open().refusing.clone()
    }
}

impl Courier for HeaderCourier {
    fn seal(&self, _: NodeId) -> Bytes {
        let (mut view, mut mark) = (Default::default(), 0);
        if let Some(peers) = self.peers.upgrade() {
            view = peers.view();
            mark = if peers.is_known() { self.store.stored_mark() } else { 0 };
        }
        let cluster::View { newest, oldest, .. } = view;
        let header = Header { clock: self.store.latest().time, newest, oldest, mark };
        Bytes::copy_from_slice(&header.encode())
    }

    fn open(&self, from: NodeId, envelope: &[u8]) -> Result<(), Refusal> {
        let header = Header::decode(envelope).ok_or(Refusal::Malformed)?;
        let told = Stamp { time: header.clock, node: from.tag() };
        let heard = self.store.hear(told);
        let mut apart = self.clocks.open();
        match heard {
            Ok(()) => apart.ahead.remove(&from),
            Err(error) => {
                if apart.ahead.insert(from, told.wall()).is_none() {
                    tracing::warn!(node = %from, %error, "the messages of a node are refused");
                }
                return Err(Refusal::ClockAhead);
            }
        };
        drop(apart);
        self.compare(from, header);
        Ok(())
    }
}

impl HeaderCourier {
    /// Takes note of how far its store is, and has the layout asked for if the other one sees a newer one in force.
    fn compare(&self, from: NodeId, header: Header) {
        let Some(peers) = self.peers.upgrade() else { return };
        if peers.is_member(from) {
            self.store.note_mark(from, header.mark);
        }
        let mine = peers.view();
        if header.newest <= mine.newest && header.oldest <= mine.oldest {
            return;
        }
        if let Some(membership) = peers.cluster().and_then(|cluster| cluster.membership()) {
            membership.ask_for_layout(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_fixed_form() {
        let header = Header { clock: 0x0102_0304_0506_0708, newest: 9, oldest: 10, mark: 11 };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        (bytes[15], bytes[23], bytes[31]) = (9, 10, 11);
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(&bytes), Some(header));
        assert_eq!(Header::decode(&[bytes.as_slice(), b"later fields"].concat()), Some(header));
        assert_eq!(Header::decode(&bytes[..31]), None);
    }
}
