//! How far other nodes' stores had come: remembered through power cuts, for the price of no flush of its own.

use super::{Setup, put, run};
use base::NodeId;
use env::sim::Keep;

const A: NodeId = NodeId::from_bytes([0xa0; 32]);
const B: NodeId = NodeId::from_bytes([0xb0; 32]);

/// What a store that starts again knows.
fn remembered(setup: &Setup) -> Vec<(NodeId, u64)> {
    setup.world.disk.crash(Keep::Nothing);
    run(async { setup.store().marks().of.into_iter().collect() })
}

#[test]
fn a_commit_that_happens_anyway_takes_them_along() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        put(&store, b"before", b"").await.unwrap();
        let commits = setup.commits();
        store.note_mark(A, 5);
        store.note_mark(B, 9);
        assert_eq!(setup.commits(), commits);
        put(&store, b"after", b"").await.unwrap();
        assert_eq!(setup.commits(), commits + 1);
        // Heard, and followed by nothing.
        store.note_mark(A, 6);
    });
    assert_eq!(remembered(&setup), [(A, 5), (B, 9)]);
}

#[test]
fn a_node_that_writes_nothing_stores_them_when_it_is_told_to_and_once() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        store.keep_marks().await.unwrap();
        assert_eq!(setup.commits(), 0);
        store.note_mark(A, 5);
        store.keep_marks().await.unwrap();
        store.keep_marks().await.unwrap();
        assert_eq!(setup.commits(), 1);
    });
    assert_eq!(remembered(&setup), [(A, 5)]);
}

#[test]
fn a_mark_never_goes_back() {
    let setup = Setup::new();
    run(async {
        let store = setup.store();
        store.note_mark(A, 5);
        store.keep_marks().await.unwrap();
    });
    setup.world.disk.crash(Keep::Nothing);
    run(async {
        let store = setup.store();
        store.note_mark(A, 4);
        store.note_mark(B, 0);
        store.keep_marks().await.unwrap();
        assert_eq!(setup.commits(), 1);
    });
    assert_eq!(remembered(&setup), [(A, 5)]);
}
