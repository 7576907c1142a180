//! A ballot: the two rounds behind a write with a condition, and behind a reader's take-over (G5–G9).
//!
//! First everybody promises; if what they hold differs, the newest version is put forward again
//! under the ballot, keeping its id, so that what is evaluated is what every later reader finds.
//! Then the condition is evaluated, and the new version is sent. Once that has been sent, it may be chosen at
//! any time later: the request is neither refused nor begun anew. What came of it is learnt by another
//! ballot (G12, [`settle`]), under which the same version may be put forward again.

use super::{Answers, Member, Quorum, Stored, Version, highest_against, holders};
use base::Stamp;
use std::collections::BTreeMap;

/// What the coordinator of a ballot does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BallotStep<V> {
    /// More answers are needed. At the deadline nothing has happened yet, unless a new version was
    /// sent: then the outcome is unknown.
    Wait,
    /// This version goes to everybody with [`super::Replica::store`].
    Stabilise(Version<V>),
    /// This is the value now: evaluate, then [`Ballot::propose`] or stop.
    Evaluate(Option<Version<V>>),
    /// Somebody else's ballot or write is ahead, and nothing of ours was sent: another ballot,
    /// above this, may try again after a pause.
    Lost {
        /// The highest stamp met.
        above: Stamp,
    },
    /// The new version is chosen.
    Done,
    /// Everybody answered, and whether the new version happened cannot be known.
    Unknown,
}

/// What a later ballot says of a version that was proposed and whose outcome is unknown (G12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is what is current.
    Chosen,
    /// It was not chosen so far: what it was decided upon is current still. Under this ballot the condition may be
    /// evaluated again, and the version be put forward again with the id and the birth that it has.
    NotYet,
    /// Something later is current. Whether it was chosen before cannot be known.
    Unknown,
}

/// A version that was proposed and whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InDoubt {
    /// Its id.
    pub id: Stamp,
    /// The last ballot under which it was proposed.
    pub since: Stamp,
    /// The id of what was current under that ballot; zero when there was nothing.
    pub upon: Stamp,
}

/// So many of its predecessors a version names in any case.
const PREDECESSORS_MIN: usize = 4;
/// As many as this where they came fast: whoever is in doubt takes a while to look, and on a busy key others decide meanwhile.
const PREDECESSORS_MAX: usize = 16;
/// How fast that is: within this time before the last one.
const RECENT_MS: u64 = 10_000;

/// The predecessors of what is decided upon a version, the last one first: its id, zero where there is nothing, and `before`,
/// those that it names itself. Whoever decides sees what is current, so each followed immediately upon the next.
pub fn predecessors(last: Stamp, before: &[Stamp]) -> Vec<Stamp> {
    let is_recent = |id: &Stamp| id.wall().millis().saturating_add(RECENT_MS) >= last.wall().millis();
    let all = std::iter::once(last).chain(before.iter().copied()).take(PREDECESSORS_MAX).enumerate();
    all.take_while(|(place, id)| *place < PREDECESSORS_MIN || is_recent(id)).map(|(_, id)| id).collect()
}

/// G12: what the current version under a new ballot, with its predecessors, says of one in doubt.
pub fn settle<V>(doubt: InDoubt, current: Option<&Version<V>>, before: &[Stamp]) -> Settled {
    let Some(current) = current.filter(|current| current.order > doubt.since || current.id == doubt.id)
    else {
        return Settled::NotYet;
    };
    if current.id == doubt.id || before.contains(&doubt.id) {
        return Settled::Chosen;
    }
    // Something followed upon what it was to follow. Of nothing at all there may have been more than one.
    match doubt.upon != Stamp::ZERO && before.contains(&doubt.upon) {
        true => Settled::NotYet,
        false => Settled::Unknown,
    }
}

/// A ballot under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ballot<V> {
    quorum: Quorum,
    ballot: Stamp,
    pub(super) phase: Phase<V>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase<V> {
    Prepare { promised: BTreeMap<Member, Option<Version<V>>>, refused: BTreeMap<Member, Stamp> },
    Stabilise { version: Version<V>, answers: Answers },
    Evaluate,
    Accept { answers: Answers },
}

impl<V: Clone + PartialEq> Ballot<V> {
    /// A ballot under a fresh stamp, which everybody is now asked to promise.
    pub fn new(quorum: Quorum, ballot: Stamp) -> Self {
        let phase = Phase::Prepare { promised: BTreeMap::new(), refused: BTreeMap::new() };
        Self { quorum, ballot, phase }
    }

    /// Takes a replica's answer to the prepare.
    pub fn prepared(&mut self, from: Member, answer: Result<Option<Version<V>>, Stamp>) -> BallotStep<V> {
        let Phase::Prepare { promised, refused } = &mut self.phase else { return BallotStep::Wait };
        if promised.contains_key(&from) || refused.contains_key(&from) {
            return BallotStep::Wait;
        }
        match answer {
            Ok(held) => drop(promised.insert(from, held)),
            Err(bound) => drop(refused.insert(from, bound)),
        }
        if self.quorum.excluded(&refused.keys().copied().collect()) {
            let above = refused.values().copied().max().unwrap_or(Stamp::ZERO);
            return BallotStep::Lost { above };
        }
        if !self.quorum.reached(&promised.keys().copied().collect()) {
            return BallotStep::Wait;
        }
        let newest = promised.values().flatten().max_by_key(|version| version.order).cloned();
        let agree = promised.values().all(|held| {
            held.as_ref().map(|version| version.order) == newest.as_ref().map(|version| version.order)
        });
        match newest {
            Some(newest) if !agree => {
                let version = Version { order: self.ballot, ..newest };
                self.phase = Phase::Stabilise { version: version.clone(), answers: Answers::new() };
                BallotStep::Stabilise(version)
            }
            held => {
                self.phase = Phase::Evaluate;
                BallotStep::Evaluate(held)
            }
        }
    }

    /// Takes a replica's answer to the stabilised version.
    pub fn stabilised(&mut self, from: Member, answer: Stored) -> BallotStep<V> {
        let Phase::Stabilise { version, answers } = &mut self.phase else { return BallotStep::Wait };
        answers.entry(from).or_insert(answer);
        let yes = holders(answers);
        if self.quorum.reached(&yes) {
            let version = version.clone();
            self.phase = Phase::Evaluate;
            return BallotStep::Evaluate(Some(version));
        }
        let refused = answers.keys().copied().filter(|member| !yes.contains(member)).collect();
        if self.quorum.excluded(&refused) {
            return BallotStep::Lost { above: highest_against(answers) };
        }
        BallotStep::Wait
    }

    /// The condition holds: the version to send to everybody with [`super::Replica::store`]. Its id
    /// is the ballot under which it was first proposed: this one, or an earlier one of the same operation.
    pub fn propose(&mut self, value: V, first: Option<Stamp>) -> Version<V> {
        self.phase = Phase::Accept { answers: Answers::new() };
        Version { order: self.ballot.proposal(), id: first.unwrap_or(self.ballot), value }
    }

    /// Takes a replica's answer to the new version.
    pub fn accepted(&mut self, from: Member, answer: Stored) -> BallotStep<V> {
        let Phase::Accept { answers } = &mut self.phase else { return BallotStep::Wait };
        answers.entry(from).or_insert(answer);
        if self.quorum.reached(&holders(answers)) {
            return BallotStep::Done;
        }
        let answered = answers.keys().copied().collect();
        if self.quorum.complete(&answered) { BallotStep::Unknown } else { BallotStep::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Stamp {
        Stamp { time: ms << Stamp::COUNTER_BITS, node: 2 }
    }

    fn kept(before: &[u64], last: u64) -> Vec<Stamp> {
        let before: Vec<Stamp> = before.iter().copied().map(at).collect();
        predecessors(at(last), &before)
    }

    #[test]
    fn the_last_predecessors_are_named_and_more_of_them_where_they_came_fast() {
        let slow: Vec<u64> = (1..20).rev().map(|hour| hour * 3_600_000).collect();
        assert_eq!(kept(&slow, 20 * 3_600_000).len(), 4);
        let fast: Vec<u64> = (1..40).rev().map(|step| step * 100).collect();
        let named = kept(&fast, 4000);
        assert_eq!(named.len(), 16);
        assert_eq!(named[..3], [at(4000), at(3900), at(3800)]);
        assert_eq!(predecessors(Stamp::ZERO, &[]), [Stamp::ZERO]);
        // Of those that came fast after a pause only they, and four at least.
        assert_eq!(kept(&[90_000, 89_000, 88_000, 87_000, 86_000, 1000], 91_000).len(), 6);
    }
}
