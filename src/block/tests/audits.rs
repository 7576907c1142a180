//! The audit beside itself: one that is started anew while a step of it is under way, and one whose place was lost.
#![allow(clippy::unwrap_used)]

mod support;

use base::BlockHash;
use block::BlockStore;
use block::record::AuditState;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use store::{Intent, Read, Space, StoreError, Txn};
use support::Machine;

/// Where the audit's place is kept, and the place behind its last key.
const AUDIT_KEY: &[u8] = b"block.audit";
const END: &[u8] = b"c";
/// More than one step looks at.
const BLOCKS: u16 = 300;

/// A node that refers to many blocks of which no file is here.
async fn with_absent_blocks() -> (Machine, BlockStore) {
    let (machine, _world) = Machine::simulated(1);
    let blocks = machine.open().await;
    for number in 0..BLOCKS {
        machine.add_alone(&blocks, BlockHash::of(&number.to_be_bytes())).await;
    }
    (machine, blocks)
}

async fn set(machine: &Machine, state: Bytes) {
    let put = move |txn: &mut Txn<'_>| {
        txn.put_bytes(Space::Setting, AUDIT_KEY.to_vec(), state);
        Ok::<_, StoreError>(())
    };
    machine.store.commit(Intent::Free, put).await.unwrap();
}

async fn set_state(machine: &Machine, next: &[u8], is_refill: bool) {
    let state = AuditState { next: next.to_vec(), is_refill };
    set(machine, store::encode(Space::Setting, AUDIT_KEY, &state)).await;
}

fn state(machine: &Machine) -> Option<AuditState> {
    machine.store.view().unwrap().get(Space::Setting, AUDIT_KEY).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_is_started_anew_while_a_step_is_under_way_begins_at_the_beginning() {
    let (machine, blocks) = with_absent_blocks().await;
    blocks.start_audit().await.unwrap();
    let beginning = state(&machine);
    assert!(blocks.audit_step(machine.now()).await.unwrap());
    assert_ne!(state(&machine), beginning, "a second step is to come");
    let mut step = pin!(blocks.audit_step(machine.now()));
    let waits = poll_fn(|context| Poll::Ready(step.as_mut().poll(context).is_pending())).await;
    assert!(waits, "it looks for files");
    let (step, started) = tokio::join!(step, blocks.start_audit());
    started.unwrap();
    assert!(step.unwrap());
    assert_eq!(state(&machine), beginning, "what was asked for last is done from the beginning");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_asked_for_while_a_refill_ends_is_taken() {
    let (machine, _world) = Machine::simulated(2);
    let blocks = machine.open().await;
    set_state(&machine, END, true).await;
    let (more, started) = tokio::join!(blocks.audit_step(machine.now()), blocks.start_audit());
    started.unwrap();
    assert!(!more.unwrap(), "nothing is missing");
    let found = state(&machine).unwrap();
    assert!(!found.is_refill && found.next != END, "{found:?}");
    while blocks.audit_step(machine.now()).await.unwrap() {}
    assert_eq!(state(&machine), None);
}

#[tokio::test(start_paused = true)]
async fn an_audit_whose_place_cannot_be_read_begins_again_as_a_refill() {
    let (machine, blocks) = with_absent_blocks().await;
    set(&machine, Bytes::from_static(b"rot")).await;
    while blocks.audit_step(machine.now()).await.unwrap() {}
    assert_eq!(blocks.blocks_to_refill().unwrap(), Some(u64::from(BLOCKS)));
    assert_eq!(state(&machine).map(|found| (found.next, found.is_refill)), Some((END.to_vec(), true)));
}
