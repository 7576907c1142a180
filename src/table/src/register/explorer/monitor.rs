//! The linearizability monitor: every order of the operations that explains the answers so far.

use super::{Answer, NOTHING, Op};
use std::collections::BTreeSet;

/// The operations begun and not answered, by client.
pub(super) type Pending = Vec<Option<Op>>;

/// One explanation: the value now, and what operations not yet answered have already done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Explanation {
    value: u8,
    done: Vec<Option<Answer>>,
}

/// All explanations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Monitor {
    explanations: BTreeSet<Explanation>,
}

impl Monitor {
    pub(super) fn new(clients: usize) -> Self {
        let first = Explanation { value: NOTHING, done: vec![None; clients] };
        Self { explanations: BTreeSet::from([first]) }
    }

    /// The operation of `client`, which is still in `pending`, answers. `false`: nothing explains it.
    pub(super) fn answer(&mut self, client: usize, answer: Answer, pending: &Pending) -> bool {
        let mut open: Vec<Explanation> = self.explanations.iter().cloned().collect();
        let (mut seen, mut left) = (BTreeSet::new(), BTreeSet::new());
        while let Some(explanation) = open.pop() {
            if !seen.insert(explanation.clone()) {
                continue;
            }
            if let Some(done) = explanation.done[client] {
                if done == answer {
                    let mut after = explanation;
                    after.done[client] = None;
                    left.insert(after);
                }
                continue;
            }
            let waiting = (0..pending.len()).filter(|&other| explanation.done[other].is_none());
            open.extend(waiting.filter_map(|other| Some(explanation.apply(other, pending[other]?))));
        }
        self.explanations = left;
        !self.explanations.is_empty()
    }
}

impl Explanation {
    fn apply(&self, client: usize, op: Op) -> Self {
        let (value, answer) = match op {
            Op::Write(value) => (value, Answer::Done),
            Op::Delete => (NOTHING, Answer::Done),
            Op::Read => (self.value, Answer::Value(self.value)),
            Op::Create(value) if self.value == NOTHING => (value, Answer::Done),
            Op::Replace(expected, value) if self.value == expected => (value, Answer::Done),
            Op::Create(_) | Op::Replace(..) => (self.value, Answer::Refused),
        };
        let mut next = Self { value, done: self.done.clone() };
        next.done[client] = Some(answer);
        next
    }
}
