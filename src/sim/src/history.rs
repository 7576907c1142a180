//! What was asked and what was answered, per register, on one line of logical time.
//!
//! An operation is a transition of one register: what the register must hold for the answer that came,
//! and what it holds afterwards. The checks read this; scenarios only write it. An operation whose
//! answer never came, or says that the outcome is unknown, may have happened at any time until the
//! end of that life of the node, or not at all.

use base::Stamp;
use std::collections::BTreeMap;

/// Something that holds one value at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Register {
    /// A key of a bucket (the number of the bucket in the run).
    Object {
        /// The bucket.
        bucket: usize,
        /// The key.
        key: String,
    },
    /// The null version of a key, in a bucket where other versions lie beside it.
    Null {
        /// The key.
        key: String,
    },
    /// A part of an upload (the number of the upload in the run).
    Part {
        /// The upload.
        upload: usize,
        /// The part.
        number: u16,
    },
}

/// A value, unique per write, and the tag of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Which write (copies of one upload's completion share it).
    pub value: u64,
    /// The first half of its entity tag's digest.
    pub tag: u64,
}

/// What a register holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its bucket or upload is closed for ever.
    Gone,
    /// Nothing.
    Absent,
    /// A version.
    Holds(Version),
}

/// What an answer says about the register at that instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing at all.
    Anything,
    /// The bucket or upload is open.
    Open,
    /// It is closed.
    Gone,
    /// Open, and nothing there.
    Absent,
    /// Nothing to be seen, open or closed.
    Unseen,
    /// Something there.
    Present,
    /// This version.
    Is(Version),
    /// A version with this tag.
    Tag(u64),
    /// Something there, but without this tag.
    OtherTag(u64),
}

impl Needs {
    /// Whether a register in this state could give the answer.
    pub fn met_by(self, state: State) -> bool {
        match (self, state) {
            (Needs::Anything, _) => true,
            (Needs::Open, state) => state != State::Gone,
            (Needs::Gone, state) => state == State::Gone,
            (Needs::Absent, state) => state == State::Absent,
            (Needs::Unseen, state) => !matches!(state, State::Holds(_)),
            (Needs::Present, state) => matches!(state, State::Holds(_)),
            (Needs::Is(version), state) => state == State::Holds(version),
            (Needs::Tag(tag), State::Holds(version)) => version.tag == tag,
            (Needs::OtherTag(tag), State::Holds(version)) => version.tag != tag,
            (Needs::Tag(_) | Needs::OtherTag(_), _) => false,
        }
    }
}

/// Whether an operation happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It was answered.
    Certain,
    /// It may have happened, or not.
    Unknown,
    /// It has not happened.
    Never,
}

/// One transition of a register.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Where.
    pub register: Register,
    /// What it rests on.
    pub needs: Needs,
    /// What it leaves; `None` changes nothing.
    pub leaves: Option<State>,
    /// When it was asked.
    pub called: u64,
    /// When it was answered, or its life ended; `u64::MAX` while it runs.
    pub ended: u64,
    /// Whether it happened.
    pub certainty: Certainty,
}

/// Names an operation of a [`History`].
#[derive(Debug, Clone, Copy)]
pub struct Call(usize);

/// A stamp that was answered: asked, answered, stamp.
#[derive(Debug, Clone, Copy)]
pub struct Stamped {
    /// When it was asked for.
    pub called: u64,
    /// When the answer came.
    pub ended: u64,
    /// The stamp.
    pub stamp: Stamp,
}

/// Everything that was asked and answered.
#[derive(Debug, Default)]
pub struct History {
    /// In the order of the calls.
    pub operations: Vec<Operation>,
    /// Stamps of answered writes.
    pub stamps: Vec<Stamped>,
    /// Commit stamps that reads and writes showed, per version.
    pub stamps_seen: BTreeMap<(Register, Version), Vec<Stamp>>,
    now: u64,
}

impl History {
    /// The next instant.
    pub fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// Begins an operation.
    pub fn call(&mut self, register: Register, needs: Needs, leaves: Option<State>) -> Call {
        let called = self.tick();
        let certainty = Certainty::Unknown;
        self.operations.push(Operation { register, needs, leaves, called, ended: u64::MAX, certainty });
        Call(self.operations.len() - 1)
    }

    /// Registers that may be closed together with one that something has been closing since
    /// `called`: whether it closes them as well depends on which came first.
    pub fn may_share_the_end(
        &mut self,
        with: &Register,
        called: u64,
        others: impl Iterator<Item = Register>,
    ) {
        let closing = |operation: &&Operation| {
            operation.register == *with
                && operation.leaves == Some(State::Gone)
                && operation.ended > called
                && operation.certainty != Certainty::Never
        };
        let closings: Vec<Operation> = self.operations.iter().filter(closing).cloned().collect();
        for register in others {
            for closing in &closings {
                let (needs, certainty) = (Needs::Anything, Certainty::Unknown);
                self.operations.push(Operation {
                    register: register.clone(),
                    needs,
                    certainty,
                    ended: u64::MAX,
                    ..closing.clone()
                });
            }
        }
    }

    /// The answer: it happened as intended.
    pub fn done(&mut self, call: Call) {
        let now = self.tick();
        let operation = &mut self.operations[call.0];
        (operation.ended, operation.certainty) = (now, Certainty::Certain);
    }

    /// The answer: it happened, and the register held this.
    pub fn observed(&mut self, call: Call, needs: Needs) {
        self.operations[call.0].needs = needs;
        self.operations[call.0].leaves = None;
        self.done(call);
    }

    /// The answer: it has not happened.
    pub fn never(&mut self, call: Call) {
        let now = self.tick();
        let operation = &mut self.operations[call.0];
        (operation.ended, operation.certainty) = (now, Certainty::Never);
    }

    /// Notes the stamp of a write that was answered.
    pub fn stamped(&mut self, call: Call, stamp: Stamp) {
        let operation = &self.operations[call.0];
        self.stamps.push(Stamped { called: operation.called, ended: operation.ended, stamp });
        if let Some(State::Holds(version)) = operation.leaves {
            self.saw_stamp(operation.register.clone(), version, stamp);
        }
    }

    /// Notes the stamp that a version was shown with.
    pub fn saw_stamp(&mut self, register: Register, version: Version, stamp: Stamp) {
        let seen = self.stamps_seen.entry((register, version)).or_default();
        if !seen.contains(&stamp) {
            seen.push(stamp);
        }
    }

    /// The node is dead: what was not answered by now has happened already, or never will.
    pub fn end_life(&mut self) {
        let now = self.tick();
        for operation in self.operations.iter_mut().rev() {
            operation.ended = operation.ended.min(now);
        }
    }

    /// What was written to a register, as far as anybody can know, by the last call or before.
    pub fn versions_of(&self, register: &Register) -> Vec<Version> {
        let written = self.operations.iter().filter(|operation| operation.register == *register);
        written
            .filter_map(|operation| match operation.leaves {
                Some(State::Holds(version)) => Some(version),
                _ => None,
            })
            .collect()
    }
}
