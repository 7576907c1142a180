//! The merge laws of every replicated row, over domains so small that stamps and values tie.
//!
//! Domains hold the states that can meet under one key. Fields that are written once, under a
//! fresh random id, are the same in all of them: that is the rows' documented precondition.

use crate::rows::bucket::{AliasRow, BucketRow, Document, Grant, Quotas, Website};
use crate::rows::encryption::{RingKeyRow, Wrapped};
use crate::rows::key::{KeyRow, Secret};
use crate::rows::object::{BlockPiece, Body, Checksum, ETag, Object, ObjectRow, Rare, Slot};
use crate::rows::reference::ReferenceRow;
use crate::rows::upload::{PartRow, UploadRow, UploadState};
use crate::rows::version::{Contents, Owner, VersionRow};
use crate::rows::webhook::{Endpoint, WebhookRow};
use base::id::kind;
use base::merge::assert_merge_laws;
use base::{BlockHash, Id, Lww, LwwMap, Merge, Stamp, WallTime};
use store::{Record, Space};

/// Two times on two nodes.
const STAMPS: [Stamp; 4] = [stamp(1, 1), stamp(1, 2), stamp(2, 1), stamp(2, 2)];

const fn stamp(time: u64, node: u64) -> Stamp {
    Stamp { time, node }
}

fn check<R: Record + Merge + Clone + PartialEq + std::fmt::Debug>(space: Space, domain: &[R]) {
    assert!(domain.len() > 1);
    assert_merge_laws(domain, |row| store::encode(space, b"key", row).to_vec());
}

fn registers<T: Ord + Clone>(values: &[T]) -> Vec<Lww<T>> {
    STAMPS.iter().flat_map(|at| values.iter().map(|value| Lww::new(*at, value.clone()))).collect()
}

fn object(body: u8) -> Object {
    let etag = ETag { md5: [body; 16], parts: None };
    let body = Body::Rows(Id::from_bytes([body; 32]));
    Object {
        size: 1,
        etag,
        checksum: None,
        headers: Vec::new(),
        body,
        tags: Vec::new(),
        rare: Rare::default(),
    }
}

#[test]
fn object_row() {
    let mut domain = Vec::new();
    for at in STAMPS {
        for order in STAMPS.into_iter().filter(|order| *order >= at) {
            for slot in [Slot::Deleted, Slot::Live(Box::new(object(1))), Slot::Live(Box::new(object(2)))] {
                domain.push(ObjectRow { order, ..ObjectRow::new(at, slot) });
            }
        }
    }
    check(Space::Object, &domain);
}

#[test]
fn a_merge_leaves_this_replicas_register_alone() {
    use crate::rows::object::Register;
    let mine = Some(Register {
        promise: Some(stamp(9, 9)),
        history: vec![(stamp(1, 1), stamp(1, 1))],
        forgot: false,
    });
    let mut row = ObjectRow { register: mine.clone(), ..ObjectRow::new(stamp(1, 1), Slot::Deleted) };
    row.merge(&ObjectRow::new(stamp(2, 1), Slot::Live(Box::new(object(1)))));
    assert_eq!((row.stamp, row.register), (stamp(2, 1), mine));
}

#[test]
fn version_row() {
    let contents = Contents::Blocks(vec![BlockPiece { hash: BlockHash::of(b"a"), size: 1 }]);
    let live = VersionRow {
        owner: Owner::Object(Id::from_bytes([1; 32]), "key".into()),
        deadline: WallTime(5),
        dead: false,
        contents,
    };
    check(Space::Version, &[VersionRow { dead: true, ..live.clone() }, live]);
}

#[test]
fn reference_row() {
    check(Space::BlockRef, &[ReferenceRow { removed: false }, ReferenceRow { removed: true }]);
}

#[test]
fn upload_row() {
    let open = UploadRow {
        initiated: stamp(1, 1),
        bucket: Id::from_bytes([1; 32]),
        key: "key".into(),
        headers: Vec::new(),
        checksum: None,
        initiator: "GK1".into(),
        state: UploadState::Open,
        tags: Vec::new(),
        acl: None,
        lock: None,
        encryption: None,
    };
    let mut domain = vec![open.clone(), UploadRow { state: UploadState::Aborted, ..open.clone() }];
    for stamp in STAMPS {
        for md5 in [[1; 16], [2; 16]] {
            let value = Checksum { algorithm: 1, composite: true, value: vec![1], is_sealed: false };
            for checksum in [None, Some(value)] {
                let state = UploadState::Completed {
                    stamp,
                    version: None,
                    etag: ETag { md5, parts: Some(1) },
                    checksum,
                };
                domain.push(UploadRow { state, ..open.clone() });
            }
        }
    }
    check(Space::Upload, &domain);
}

#[test]
fn of_two_closings_the_completed_one_wins() {
    let etag = ETag { md5: [0; 16], parts: Some(1) };
    let completed = UploadState::Completed { stamp: Stamp::ZERO, version: None, etag, checksum: None };
    assert!(UploadState::Open < UploadState::Aborted && UploadState::Aborted < completed);
}

#[test]
fn part_row() {
    let mut domain = Vec::new();
    for stamp in STAMPS {
        for md5 in [[1; 16], [2; 16]] {
            for size in [1, 2] {
                domain.push(PartRow { stamp, body: Id::from_bytes([1; 32]), size, md5, checksum: None });
            }
        }
    }
    check(Space::Part, &domain);
}

#[test]
fn bucket_row() {
    let new = BucketRow::new(stamp(1, 1));
    let mut domain = vec![new.clone(), BucketRow { deleted: true, ..new.clone() }];
    domain.push(BucketRow { created: stamp(1, 2), ..new.clone() });
    domain.push(BucketRow { shards: (2, 1), ..new.clone() });
    for quotas in registers(&[Quotas::default(), Quotas { size_bytes: Some(1), objects: None }]) {
        domain.push(BucketRow { quotas, ..new.clone() });
    }
    let site = Website { index_document: "index.html".into(), error_document: None, redirects: None };
    let redirecting = Website { redirects: Some(Document(b"{}".to_vec())), ..site.clone() };
    for website in registers(&[None, Some(site), Some(redirecting)]) {
        domain.push(BucketRow { website, ..new.clone() });
    }
    for at in STAMPS {
        for grant in [Grant::default(), Grant::ALL] {
            let mut grants = LwwMap::default();
            grants.set("GK1".to_owned(), at, grant);
            domain.push(BucketRow { grants: grants.clone(), ..new.clone() });
            grants.set("GK2".to_owned(), at, Grant { read: true, ..Grant::default() });
            domain.push(BucketRow { grants, ..new.clone() });
        }
    }
    for at in STAMPS {
        for document in [None, Some(Document(b"a".to_vec())), Some(Document(b"b".to_vec()))] {
            let mut settings = LwwMap::default();
            settings.set("cors".to_owned(), at, document);
            domain.push(BucketRow { settings: settings.clone(), ..new.clone() });
            settings.set("of-a-newer-release".to_owned(), at, None);
            domain.push(BucketRow { settings, ..new.clone() });
        }
    }
    check(Space::Bucket, &domain);
}

#[test]
fn alias_row() {
    let values: [Option<Id<kind::Bucket>>; 3] =
        [None, Some(Id::from_bytes([1; 32])), Some(Id::from_bytes([2; 32]))];
    let domain: Vec<AliasRow> = registers(&values).into_iter().map(|target| AliasRow { target }).collect();
    check(Space::Alias, &domain);
}

#[test]
fn key_row() {
    let new = KeyRow::new(stamp(1, 1), "a".into(), Secret::new("s".into()));
    let mut domain = vec![new.clone(), KeyRow { deleted: true, ..new.clone() }];
    domain.push(KeyRow { created: stamp(1, 2), ..new.clone() });
    for secret in registers(&[Secret::new("s".into()), Secret::new("t".into())]) {
        domain.push(KeyRow { secret, ..new.clone() });
    }
    for name in registers(&["a".to_owned(), "b".to_owned()]) {
        domain.push(KeyRow { name, ..new.clone() });
    }
    for may_create_buckets in registers(&[false, true]) {
        domain.push(KeyRow { may_create_buckets, ..new.clone() });
    }
    for expires in registers(&[None, Some(WallTime(5))]) {
        domain.push(KeyRow { expires, ..new.clone() });
    }
    for at in STAMPS {
        for target in [None, Some(Id::from_bytes([1; 32]))] {
            let mut local_aliases = LwwMap::default();
            local_aliases.set("here".to_owned(), at, target);
            domain.push(KeyRow { local_aliases, ..new.clone() });
        }
    }
    check(Space::Key, &domain);
}

#[test]
fn webhook_row() {
    let at = |url: &str| Some(Endpoint { url: url.to_owned(), token: None });
    let mut domain = Vec::new();
    for created in [stamp(1, 1), stamp(1, 2)] {
        for endpoint in registers(&[None, at("http://a/"), at("http://b/")]) {
            domain.push(WebhookRow { created, endpoint });
        }
    }
    check(Space::Webhook, &domain);
}

#[test]
fn ring_key_row() {
    let wrapped = |salt: u8| Wrapped { salt: [salt; 32], sealed: vec![salt; 48] };
    let mut domain = Vec::new();
    for generation in 0..3 {
        for salt in 0..3 {
            domain.push(RingKeyRow { created: stamp(1, 1), name: None, key: wrapped(salt), generation });
        }
    }
    check(Space::Ring, &domain);
    let mut row = domain[2].clone();
    row.merge(&domain[3]);
    assert_eq!(row, domain[3], "the later wrapping wins");
}
