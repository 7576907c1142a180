//! The name of an event: when its intent was written, and which one of those it was.
//!
//! Always holds: an event keeps its name from its intent to its delivery, on every home that has it; so whoever queues it
//! twice queues it once, and a home can say of any event whether it is done with it.

use base::Stamp;

/// Names one event of one change; rows of events are ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId {
    /// When the intent was written, by the home that took the request.
    pub written: Stamp,
    /// Which one of the intents of that moment.
    pub number: u16,
}

impl EventId {
    /// Bytes of [`EventId::to_bytes`].
    pub const LEN: usize = Stamp::LEN + 2;

    /// Big-endian bytes: they sort as the names do.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (written, number) = bytes.split_at_mut(Stamp::LEN);
        written.copy_from_slice(&self.written.to_bytes());
        number.copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// Reads what [`EventId::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (written, number) = bytes.split_at_checked(Stamp::LEN)?;
        let number = u16::from_be_bytes(number.try_into().ok()?);
        Some(Self { written: Stamp::from_bytes(written.try_into().ok()?), number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let id = EventId { written: Stamp { time: 7, node: 2 }, number: 999 };
        assert_eq!(EventId::parse(&id.to_bytes()), Some(id));
        assert_eq!(EventId::parse(&id.to_bytes()[1..]), None);
        assert_eq!(EventId::parse(&id.written.to_bytes()), None);
    }
}
