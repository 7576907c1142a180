//! How a link ends, and what is said of a member that broke its rules.
//!
//! A link breaks off for many reasons that are nobody's fault, and those are not worth a line. A member that is in
//! possession of its key and the secret and all the same sends what is neither TLS nor HTTP/2, or a message that cannot be
//! read, is damaged, of a strange release, or bad: somebody should look at it. What always holds: what it sends reaches
//! no handler, a broken stream ends its link, a broken message is refused and its link goes on, since other calls are under
//! way on it; and each member has at most one line a minute, which tells how many there would have been.

use crate::limits::COMPLAINT_INTERVAL;
use crate::peer::Peer;
use env::MonoTime;
use std::error::Error;
use std::io;

/// What a member did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What came is not TLS any more, or was altered on its way.
    Stream,
    /// It is not HTTP/2.
    Http,
    /// A message has no proper head, is larger than a message may be, or is not a request of this link.
    Message,
    /// A request cannot be decoded.
    Request,
}

impl Fault {
    /// What broke a connection of hyper; `None`: nobody's fault.
    pub fn of(error: &hyper::Error) -> Option<Self> {
        // A ping without an answer, our own end of the link.
        if error.is_timeout() || error.is_canceled() {
            return None;
        }
        let mut cause = error.source();
        while let Some(source) = cause {
            if let Some(io) = source.downcast_ref::<io::Error>() {
                // TLS says so of what it cannot open. Everything else is a line that broke.
                return (io.kind() == io::ErrorKind::InvalidData).then_some(Self::Stream);
            }
            cause = source.source();
        }
        Some(Self::Http)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Stream => "its stream was altered or is not TLS; the link has ended",
            Self::Http => "it does not keep to HTTP/2; the link has ended",
            Self::Message => "it sent a message that cannot be read, which was refused",
            Self::Request => "it sent a request that cannot be decoded, which was refused",
        }
    }
}

/// What has been said of one member.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    last: Option<MonoTime>,
    /// All there were, and up to which one they were said or counted.
    count: u64,
    told: u64,
}

impl Complaints {
    /// Takes note of one more. How many were not said since the last one that was, if this one is to be said.
    pub fn note(&mut self, now: MonoTime) -> Option<u64> {
        self.count += 1;
        if self.last.is_some_and(|last| now.saturating_sub(last) < COMPLAINT_INTERVAL) {
            return None;
        }
        self.last = Some(now);
        let unsaid = self.count - self.told - 1;
        self.told = self.count;
        Some(unsaid)
    }

    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Says what a member did, unless something was said of it a moment ago.
pub(crate) fn complain(peer: &Peer, now: MonoTime, fault: Fault) {
    if let Some(unsaid) = peer.note_complaint(now) {
        tracing::warn!(peer = %peer.id, unsaid, "a member of the cluster misbehaves: {}", fault.text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_member_has_one_line_in_a_while() {
        let mut complaints = Complaints::default();
        let at = |number: u32| MonoTime::default() + COMPLAINT_INTERVAL * number / 4;
        let said: Vec<Option<u64>> = (1..=9).map(|number| complaints.note(at(number))).collect();
        assert_eq!(said, [Some(0), None, None, None, Some(3), None, None, None, Some(3)]);
        assert!(COMPLAINT_INTERVAL >= Duration::from_secs(1));
    }
}
