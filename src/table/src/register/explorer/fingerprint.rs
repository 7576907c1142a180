//! What a state is remembered by: the same for states that differ only in the numbers of replicas.
//!
//! Replicas are alike, so all that is known about one (what it holds, what it answered to each
//! client) is hashed together, and those hashes are sorted. 64 bits: among a million states two
//! collide once in 30 million searches.

use super::world::{Work, World};
use crate::register::Member;
use crate::register::ballot::Phase;
use std::hash::{DefaultHasher, Hash, Hasher};

pub(super) type Fingerprint = u64;

pub(super) fn of(world: &World) -> Fingerprint {
    let hash = |feed: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        feed(&mut hasher);
        hasher.finish()
    };
    let mut members: Vec<u64> = (0..world.replicas.len())
        .map(|member| {
            hash(&|hasher| {
                world.replicas[member].hash(hasher);
                world.clients.iter().for_each(|client| hash_answers(&client.work, member, hasher));
            })
        })
        .collect();
    members.sort_unstable();
    hash(&|hasher| {
        members.hash(hasher);
        (&world.sent, &world.asked, &world.monitor).hash(hasher);
        for client in &world.clients {
            (client.next, client.last_time, client.attempt, client.doubt).hash(hasher);
            hash_rest(&client.work, hasher);
        }
    })
}

/// What the operation knows about one replica.
fn hash_answers(work: &Work, member: Member, hasher: &mut DefaultHasher) {
    match work {
        Work::Idle | Work::Stopped => {}
        Work::Write(machine, _) => machine.answers.get(&member).hash(hasher),
        Work::Read(machine) | Work::WriteBack(machine, _) => {
            machine.replies.get(&member).hash(hasher);
            machine.back.as_ref().map(|(_, answers)| answers.get(&member)).hash(hasher);
        }
        Work::Prepare(machine, _) | Work::Stabilise(machine, _) | Work::Accept(machine, _) => {
            match &machine.phase {
                Phase::Prepare { promised, refused } => {
                    (promised.get(&member), refused.get(&member)).hash(hasher);
                }
                Phase::Stabilise { answers, .. } | Phase::Accept { answers } => {
                    answers.get(&member).hash(hasher);
                }
                Phase::Evaluate => {}
            }
        }
    }
}

/// What it knows besides.
fn hash_rest(work: &Work, hasher: &mut DefaultHasher) {
    std::mem::discriminant(work).hash(hasher);
    match work {
        Work::Idle | Work::Stopped | Work::Read(_) => {}
        Work::Write(_, version)
        | Work::WriteBack(_, version)
        | Work::Stabilise(_, version)
        | Work::Accept(_, version) => version.hash(hasher),
        Work::Prepare(_, ballot) => ballot.hash(hasher),
    }
}
