//! The coordinator of a plain write: one round, and what may be concluded from the answers (G2).

use super::{Answers, Member, Quorum, Stored, highest_against, holders, who};
use base::Stamp;

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
    pub(super) answers: Answers,
}

impl PlainWrite {
    /// A write that everybody in `quorum` is now sent.
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, answers: Answers::new() }
    }

    /// Takes a replica's first answer to this order; a repeated one changes nothing.
    pub fn answer(&mut self, from: Member, answer: Stored) -> WriteStep {
        self.answers.entry(from).or_insert(answer);
        self.step()
    }

    /// What the answers so far allow.
    fn step(&self) -> WriteStep {
        if self.quorum.reached(&holders(&self.answers)) {
            return WriteStep::Done;
        }
        let dead = who(&self.answers, |answer| matches!(answer, Stored::Dead { .. }));
        let refused =
            who(&self.answers, |answer| matches!(answer, Stored::Dead { .. } | Stored::Blocked { .. }));
        if self.quorum.excluded(&dead) || self.quorum.complete(&refused) {
            return WriteStep::Again { above: highest_against(&self.answers) };
        }
        let answered = self.answers.keys().copied().collect();
        if self.quorum.complete(&answered) { WriteStep::Unknown } else { WriteStep::Wait }
    }
}
