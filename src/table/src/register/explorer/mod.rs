//! Plays every order of events over the real register code: three replicas, a few clients with a
//! short script each, one key.
//!
//! Every message may be delivered late, more than once or never; every answer may be lost; a client
//! may stop at any moment; clocks are as slow as they like. What a coordinator once sent may reach
//! any replica for ever after, which also plays repair between replicas. A monitor inside the state
//! holds every order of the operations that could explain the answers so far; when none is left,
//! the history is not linearizable.
//!
//! [`Fault`] leaves out one rule at a time: the search must then find a history that proves it
//! necessary, or it proves nothing by finding none.

mod fingerprint;
mod monitor;
mod search;
mod tests;
mod world;

use base::Stamp;
use monitor::Monitor;

/// Value of the key before the first write.
const NOTHING: u8 = 0;

/// What a version holds: a value, and the ids of those that it followed upon.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Held {
    value: u8,
    before: Vec<Stamp>,
}

/// One operation of a client's script. Values are distinct and not [`NOTHING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Write(u8),
    Delete,
    Read,
    /// `If-None-Match: *`.
    Create(u8),
    /// `If-Match` with the value expected.
    Replace(u8, u8),
}

/// What an operation answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Answer {
    Done,
    Value(u8),
    /// 412.
    Refused,
}

/// A rule left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fault {
    None,
    /// G1: a replica that holds something newer acknowledges a write.
    NewerAcknowledges,
    /// G1: replicas remember nothing but the current version.
    NoMemory,
    /// G1: a promise does not stop plain writes.
    WriteIgnoresPromise,
    /// G2: one refusal is enough to send again.
    OneDeadIsEnough,
    /// G2: a promise in the way counts as dead.
    BlockedIsDead,
    /// G3: the newest of two replies is answered without writing it back.
    NoWriteBack,
    /// G4: holding something newer counts as written back.
    NewerIsWrittenBack,
    /// G6: the condition is evaluated although replicas differ.
    NoStabilise,
    /// G7: a new version of a ballot is stored whatever was promised since.
    AcceptIgnoresPromise,
    /// G11: a promise is forgotten at once.
    PromiseForgotten,
    /// G12: a version whose outcome is unknown is put forward again although something later is current.
    BegunAnew,
    /// G12: what followed upon a version is not asked whether it did.
    SuccessorNotAsked,
}
