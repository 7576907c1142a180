//! The coordinator of a plain write: one round, and what may be concluded from the answers (G2).

use super::{Member, Quorum, Stored};
use base::Stamp;
use std::collections::BTreeMap;

/// What the coordinator of a write does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteStep {
    /// More answers are needed. At its deadline the coordinator says that the outcome is unknown:
    /// it neither refuses nor tries again.
    Wait,
    /// The write is done.
    Done,
    /// The write can never happen under its order: it is sent again under a new one, above this,
    /// with the same id.
    Again {
        /// The highest stamp met.
        above: Stamp,
    },
    /// Everybody answered, and whether the write happened cannot be known.
    Unknown,
}

/// A plain write under one order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlainWrite {
    quorum: Quorum,
    pub(super) answers: BTreeMap<Member, Stored>,
}

impl PlainWrite {
    /// A write that everybody in `quorum` is now sent.
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, answers: BTreeMap::new() }
    }

    /// Takes a replica's first answer to this order; a repeated one changes nothing.
    pub fn answer(&mut self, from: Member, answer: Stored) -> WriteStep {
        self.answers.entry(from).or_insert(answer);
        self.step()
    }

    /// What the answers so far allow.
    fn step(&self) -> WriteStep {
        let who = |wanted: fn(&Stored) -> bool| {
            self.answers.iter().filter(|(_, answer)| wanted(answer)).map(|(member, _)| *member).collect()
        };
        if self.quorum.reached(&who(|answer| *answer == Stored::Yes)) {
            return WriteStep::Done;
        }
        let dead = who(|answer| matches!(answer, Stored::Dead { .. }));
        let refused = who(|answer| matches!(answer, Stored::Dead { .. } | Stored::Blocked { .. }));
        if self.quorum.excluded(&dead) || self.quorum.complete(&refused) {
            return WriteStep::Again { above: self.highest() };
        }
        let answered = self.answers.keys().copied().collect();
        if self.quorum.complete(&answered) { WriteStep::Unknown } else { WriteStep::Wait }
    }

    fn highest(&self) -> Stamp {
        let met = self.answers.values().map(|answer| match *answer {
            Stored::Yes => Stamp::ZERO,
            Stored::Dead { newest } | Stored::Unknown { newest } => newest,
            Stored::Blocked { promise } => promise,
        });
        met.max().unwrap_or(Stamp::ZERO)
    }
}
