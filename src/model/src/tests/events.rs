//! Events: what is announced, told, dropped or looked into later, across a cut of power.

use super::run;
use super::support::{Bucket, Node, tag};
use crate::ModelError;
use crate::events::{Announced, Draft, EventKind, Outcome};
use crate::rows::event::{Cause, Delivery, Event, Subject};
use crate::rows::past::VersionId;
use crate::rows::webhook::Endpoint;
use base::Stamp;
use std::time::Duration;
use store::{Intent, Space};

pub(super) const HOOK: &str = "hook";

async fn with_hook() -> (Node, Bucket) {
    let node = Node::new().await;
    let endpoint = Endpoint { url: "http://hook/".to_owned(), token: None };
    node.model.set_webhook(HOOK.to_owned(), endpoint).await.unwrap();
    let bucket = node.bucket().await;
    (node, bucket)
}

pub(super) fn draft(bucket: Bucket, kind: EventKind, key: &str, content: &[u8]) -> Draft {
    let object = Subject { etag: Some(tag(&[content]).to_string()), ..Subject::default() };
    let event = Event {
        kind,
        bucket,
        bucket_name: "photos".to_owned(),
        owner: None,
        key: key.to_owned(),
        object,
        cause: Cause::default(),
        at: Stamp::ZERO,
    };
    Draft { event, deliveries: vec![Delivery { webhook: HOOK.to_owned(), rule: "rule".to_owned() }] }
}

async fn announce(node: &Node, draft: Draft) -> Announced {
    node.model.announce(vec![draft], Intent::Grow).await.unwrap().remove(0)
}

/// What waits for the webhook: kind and key.
fn waiting(node: &Node) -> Vec<(EventKind, String)> {
    let waiting = node.model.waiting_events(HOOK, 1000, usize::MAX).unwrap();
    waiting.into_iter().map(|one| (one.row.event.kind, one.row.event.key)).collect()
}

async fn let_the_keeper_look(node: &Node, how_long: Duration) {
    let keeper = node.model.spawn_event_keeper();
    env::sleep(how_long).await;
    drop(keeper);
}

#[test]
fn a_change_is_told_once_it_has_happened() {
    run(async {
        let (node, bucket) = with_hook().await;
        let announced = announce(&node, draft(bucket, EventKind::Put, "k", b"x")).await;
        assert_eq!((node.rows(Space::EventIntent), waiting(&node)), (1, Vec::new()));
        let at = node.put(bucket, "k", &[b"x"]).await;
        announced.happened(Outcome { at: Some(at), version: None }).await.unwrap();
        node.settle().await;
        assert_eq!(
            (node.rows(Space::EventIntent), waiting(&node)),
            (0, vec![(EventKind::Put, "k".to_owned())])
        );
        let told = node.model.waiting_events(HOOK, 1, 1).unwrap();
        assert_eq!(told[0].row.event.at, at);
        node.model.delivered(HOOK, &told).await.unwrap();
        let (_, figures) = node.model.event_backlogs().unwrap().remove(0);
        assert_eq!((figures.events, figures.bytes, node.rows(Space::Event)), (0, 0, 0));
        announce(&node, draft(bucket, EventKind::Put, "k", b"x")).await.refused();
        node.settle().await;
        assert_eq!((node.rows(Space::EventIntent), waiting(&node)), (0, Vec::new()), "a refusal is not told");
    });
}

#[test]
fn after_a_power_cut_what_may_have_been_acknowledged_is_told() {
    run(async {
        let (node, bucket) = with_hook().await;
        node.put(bucket, "old", &[b"old"]).await;
        node.put(bucket, "stays", &[b"stays"]).await;
        for (kind, key) in [
            (EventKind::Put, "old"),
            (EventKind::Put, "new"),
            (EventKind::Put, "overwritten"),
            (EventKind::Delete, "gone"),
            (EventKind::Delete, "stays"),
        ] {
            drop(announce(&node, draft(bucket, kind, key, b"new")).await);
        }
        let at = node.put(bucket, "new", &[b"new"]).await;
        node.put(bucket, "overwritten", &[b"since"]).await;
        let node = node.restart().await;
        assert_eq!(node.rows(Space::EventIntent), 5);
        let_the_keeper_look(&node, Duration::from_secs(10)).await;
        let told = waiting(&node);
        let wanted = [(EventKind::Put, "new"), (EventKind::Put, "overwritten"), (EventKind::Delete, "gone")];
        assert_eq!(
            told,
            wanted.map(|(kind, key)| (kind, key.to_owned())),
            "the others surely did not happen"
        );
        let first = node.model.waiting_events(HOOK, 1, 1).unwrap().remove(0);
        assert_eq!(first.row.event.at, at, "what was found says when");
        assert_eq!(node.rows(Space::EventIntent), 0);
    });
}

#[test]
fn what_nobody_was_told_of_is_told_only_if_it_is_there() {
    run(async {
        let (node, bucket) = with_hook().await;
        for (kind, key) in [(EventKind::Put, "done"), (EventKind::Put, "never"), (EventKind::AclPut, "done")]
        {
            drop(announce(&node, draft(bucket, kind, key, b"x")).await);
        }
        node.put(bucket, "done", &[b"x"]).await;
        let_the_keeper_look(&node, Duration::from_secs(10)).await;
        assert_eq!(waiting(&node), Vec::new(), "a request that was given up may still go on");
        let_the_keeper_look(&node, Duration::from_secs(90)).await;
        assert_eq!(waiting(&node), [(EventKind::Put, "done".to_owned())]);
        assert_eq!(node.rows(Space::EventIntent), 0);
    });
}

#[test]
fn a_deleted_version_is_looked_for() {
    run(async {
        let (node, bucket) = with_hook().await;
        node.put(bucket, "k", &[b"x"]).await;
        for version in [VersionId::Null, VersionId::Named(Stamp { time: 1, node: 2 })] {
            let mut draft = draft(bucket, EventKind::Delete, "k", b"x");
            draft.event.object.version = Some(version);
            drop(announce(&node, draft).await);
        }
        let node = node.restart().await;
        let_the_keeper_look(&node, Duration::from_secs(10)).await;
        let told = node.model.waiting_events(HOOK, 10, usize::MAX).unwrap();
        let versions: Vec<_> = told.iter().map(|one| one.row.event.object.version).collect();
        assert_eq!(
            versions,
            [Some(VersionId::Named(Stamp { time: 1, node: 2 }))],
            "the other one is still there"
        );
    });
}

#[test]
fn what_waits_for_a_deleted_webhook_is_forgotten() {
    run(async {
        let (node, bucket) = with_hook().await;
        for _ in 0..3 {
            node.model.send_event(draft(bucket, EventKind::Put, "k", b"x")).await.unwrap();
        }
        assert_eq!(waiting(&node).len(), 3);
        node.model.delete_webhook(HOOK.to_owned()).await.unwrap();
        assert!(node.model.names().webhooks.is_empty() && node.model.is_webhook_deleted(HOOK).unwrap());
        while node.model.drop_backlog(HOOK).await.unwrap() {}
        assert_eq!((node.rows(Space::Event), node.rows(Space::EventBacklog)), (0, 0));
        node.model.send_event(draft(bucket, EventKind::Put, "k", b"x")).await.unwrap();
        assert_eq!(node.rows(Space::Event), 0, "nothing more comes");
    });
}

#[test]
fn without_room_for_intents_changes_are_refused() {
    run(async {
        let (node, bucket) = with_hook().await;
        let drafts = |number| vec![draft(bucket, EventKind::Put, "k", b"x"); number];
        let held = node.model.announce(drafts(crate::events::INTENTS_MAX), Intent::Grow).await.unwrap();
        let refused = node.model.announce(drafts(1), Intent::Grow).await;
        assert!(matches!(refused, Err(ModelError::Unavailable)));
        held.into_iter().for_each(Announced::refused);
        for _ in 0..1000 {
            env::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(node.rows(Space::EventIntent), 0);
        assert!(node.model.announce(drafts(1), Intent::Grow).await.is_ok());
    });
}
