//! The coordinator of a read: one round when a quorum agrees, a write-back when it does not (G3, G4).

use super::{Answers, Member, Quorum, Stored, Version, holders};
use std::collections::{BTreeMap, BTreeSet};

/// What the coordinator of a read does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadStep<V> {
    /// More answers are needed.
    Wait,
    /// This is the value; `None` when the key was never written.
    Answer(Option<Version<V>>),
    /// Replicas differ: this version goes to everybody, and the answer waits for a quorum of it.
    WriteBack(Version<V>),
    /// Something newer came up meanwhile: read again.
    Again,
    /// A promise is in the way: back off, read again, then take over with a ballot of one's own.
    Blocked,
}

/// A read under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlainRead<V> {
    quorum: Quorum,
    pub(super) replies: BTreeMap<Member, Option<Version<V>>>,
    /// The version written back and what came of it.
    pub(super) back: Option<(Version<V>, Answers)>,
}

impl<V: Clone + PartialEq> PlainRead<V> {
    /// A read that everybody in `quorum`, or enough of them, is now asked for.
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, replies: BTreeMap::new(), back: None }
    }

    /// Takes a replica's reply. Once a write-back has begun, late replies change nothing.
    pub fn reply(&mut self, from: Member, reply: Option<Version<V>>) -> ReadStep<V> {
        if self.back.is_some() {
            return ReadStep::Wait;
        }
        self.replies.entry(from).or_insert(reply);
        if !self.quorum.reached(&self.replies.keys().copied().collect()) {
            return ReadStep::Wait;
        }
        let Some(newest) = self.replies.values().flatten().max_by_key(|version| version.order).cloned()
        else {
            return ReadStep::Answer(None);
        };
        let holders: BTreeSet<Member> = self
            .replies
            .iter()
            .filter(|(_, reply)| reply.as_ref().is_some_and(|version| version.order == newest.order))
            .map(|(member, _)| *member)
            .collect();
        if self.quorum.reached(&holders) {
            return ReadStep::Answer(Some(newest));
        }
        self.back = Some((newest.clone(), Answers::new()));
        ReadStep::WriteBack(newest)
    }

    /// Takes a replica's answer to the write-back.
    pub fn written_back(&mut self, from: Member, answer: Stored) -> ReadStep<V> {
        let Some((version, answers)) = &mut self.back else { return ReadStep::Wait };
        answers.entry(from).or_insert(answer);
        let yes = holders(answers);
        if self.quorum.reached(&yes) {
            return ReadStep::Answer(Some(version.clone()));
        }
        let refused = answers.keys().copied().filter(|member| !yes.contains(member)).collect();
        if !self.quorum.excluded(&refused) {
            return ReadStep::Wait;
        }
        if answers.values().any(|answer| matches!(answer, Stored::Blocked { .. })) {
            ReadStep::Blocked
        } else {
            ReadStep::Again
        }
    }
}
