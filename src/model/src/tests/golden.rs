//! The exact bytes of one stored record of each kind in doc/formats.md, whichever crate owns it.
//!
//! `golden.txt` has a line for each: name, keyspace number, key and value in hexadecimal. A change
//! of a format is a change of that file. Records that other modules keep to themselves are read
//! back from a store on which their owners did their work, in a world in which time stands still.

use super::support::Node;
use super::{bucket_named, run};
use crate::check;
use crate::events::EventKind;
use crate::graves;
use crate::lifecycle::{self, Stage};
use crate::reclaim::{self, Work};
use crate::rows::acl::{Acl, AclGrant, Grantee, Permission};
use crate::rows::bucket::{AliasRow, BucketRow, Document, Grant, Quotas, Website};
use crate::rows::encryption::{Encryption, Keeper, RingKeyRow, Wrapped};
use crate::rows::event::{BacklogRow, Cause, Delivery, Event, HeldRow, IntentRow, QueuedRow, Subject};
use crate::rows::key::{KeyRow, Secret};
use crate::rows::lock::{Lock, Retention, RetentionMode};
use crate::rows::object::{self, BlockPiece, Body, Checksum, ETag, InlineBody, Object};
use crate::rows::object::{Lineage, ObjectRow, Rare, Register, Slot};
use crate::rows::past::{self, PastBody, PastRow, VersionId};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::standing::{STANDING_KEY, Standing};
use crate::rows::upload::{self, PartRow, UploadMark, UploadRow, UploadState};
use crate::rows::version::{self, Contents, Owner, PartPiece, PendingBody, VersionRow};
use crate::rows::webhook::{Endpoint, WebhookRow};
use crate::tables;
use crate::usage::Usage;
use base::id::{encode_hex, kind};
use base::{BlockHash, Id, Lww, LwwMap, NodeId, PartNumber, PartitionHash, Stamp, WallTime};
use cluster::layout::{ArcSet, Count, Life};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use store::{Intent, MARKS_KEY, Marks, Read, Record, Space, StoreError};
use table::digest::{Chunk, DIGEST_KEY, DigestKey, Mark, Progress};

const GOLDEN: &str = include_str!("golden.txt");
const FORMATS: &str = include_str!("../../../../doc/formats.md");

const CANONICAL_OBJECT: &str =
    "9392cf0102030405060708cf111213141516171892cf0102030405060708cf1112131415161718a164";

const STAMP: Stamp = Stamp { time: 0x0102_0304_0506_0708, node: 0x1112_1314_1516_1718 };
const BUCKET: Id<kind::Bucket> = Id::from_bytes([0xb1; 32]);
const BODY: Id<kind::Body> = Id::from_bytes([0xb0; 32]);
const PART: Id<kind::Body> = Id::from_bytes([0xb2; 32]);
const UPLOAD: Id<kind::Upload> = Id::from_bytes([0xc1; 32]);
const RING_KEY: Id<kind::RingKey> = Id::from_bytes([0xd0; 32]);
const HASH: BlockHash = BlockHash::from_bytes([0xa1; 32]);
const DEADLINE: WallTime = WallTime(0x0011_2233_4455);

/// One line of the table.
struct Line {
    name: String,
    space: Space,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (key, value) = (encode_hex(&self.key), encode_hex(&self.value));
        write!(f, "{} {} {key} {value}", self.name, self.space.number())
    }
}

/// The line of a record, after a check that its bytes give the record back.
fn line<R: Record + PartialEq + std::fmt::Debug>(name: &str, space: Space, key: Vec<u8>, record: R) -> Line {
    let value = store::encode(space, &key, &record);
    assert_eq!(store::decode::<R>(space, &key, &value).as_ref(), Ok(&record));
    Line { name: name.into(), space, key, value: value.to_vec() }
}

fn checksum() -> Checksum {
    Checksum { algorithm: 3, composite: true, value: vec![0xca, 0xfe], is_sealed: false }
}

fn pieces() -> Vec<BlockPiece> {
    vec![BlockPiece { hash: HASH, size: 1 << 20 }, BlockPiece { hash: HASH, size: 7 }]
}

fn pairs(name: &str) -> Vec<(String, String)> {
    vec![(name.into(), "é".into())]
}

fn list() -> Acl {
    let mut list = Acl::of_owner(Some("GK1".into()));
    let grants = [
        (Grantee::BucketOwner, Permission::Read),
        (Grantee::AllUsers, Permission::Write),
        (Grantee::AuthenticatedUsers, Permission::ReadAcp),
        (Grantee::LogDelivery, Permission::WriteAcp),
    ];
    list.grants.extend(grants.map(|(grantee, permission)| AclGrant { grantee, permission }));
    list
}

fn encryption(keeper: Keeper) -> Encryption {
    Encryption { keeper, data_key: wrapped() }
}

fn wrapped() -> Wrapped {
    Wrapped { salt: [0x5a; 32], sealed: vec![0x5e; 48] }
}

fn objects() -> Vec<Line> {
    let partition = PartitionHash::of_shard(&BUCKET, 0);
    let row = |name: &str, row: ObjectRow| line(name, Space::Object, object::row_key(partition, "a\0b"), row);
    let live = |body: Body| {
        let etag = ETag { md5: [0xe1; 16], parts: Some(2) };
        let (headers, tags) = (pairs("x-amz-meta-a"), pairs("tag"));
        let object = Object {
            size: 1 << 33,
            etag,
            checksum: Some(checksum()),
            headers,
            body,
            tags,
            rare: Rare::default(),
        };
        ObjectRow::new(STAMP, Slot::Live(Box::new(object)))
    };
    let tagged = {
        let mut row = live(Body::Inline(HASH));
        if let Slot::Live(object) = &mut row.slot {
            object.rare.modified = Some(Stamp::ZERO);
        }
        row
    };
    let public = {
        let mut row = live(Body::Inline(HASH));
        if let Slot::Live(object) = &mut row.slot {
            object.rare.acl = Some(list());
        }
        row
    };
    let locked = |mode| {
        let mut row = live(Body::Inline(HASH));
        if let Slot::Live(object) = &mut row.slot {
            let retention = Some(Retention { mode, until: DEADLINE });
            object.rare.lock = Some(Lock { retention, legal_hold: Some(true) });
        }
        row
    };
    let sealed = {
        let mut row = live(Body::Inline(HASH));
        if let Slot::Live(object) = &mut row.slot {
            object.rare.encryption = Some(encryption(Keeper::Service(RING_KEY)));
        }
        row
    };
    let sealed_checksum = {
        let mut row = sealed.clone();
        if let Slot::Live(object) = &mut row.slot {
            object.checksum = Some(Checksum { is_sealed: true, ..checksum() });
        }
        row
    };
    let register =
        Some(Register { promise: Some(STAMP), history: vec![(STAMP, Stamp::ZERO)], forgot: false });
    let versioned = |is_named| {
        let aside = crate::versions::aside(VersionId::Named(Stamp::ZERO), Stamp::ZERO, Slot::Marker);
        let aside = Some(aside).filter(|_| is_named);
        let lineage = Some(Box::new(Lineage { made: STAMP, is_named, aside }));
        ObjectRow { lineage, ..live(Body::Inline(HASH)) }
    };
    let several_gone = {
        let aside = crate::versions::all_gone(&[
            VersionId::Named(STAMP),
            VersionId::Null,
            VersionId::Named(Stamp::ZERO),
        ]);
        let lineage = Some(Box::new(Lineage { made: STAMP, is_named: true, aside }));
        ObjectRow { lineage, ..live(Body::Inline(HASH)) }
    };
    let past = |name: &str, id: VersionId, slot: Slot| {
        let row = PastRow::decided(STAMP, Stamp::ZERO, slot);
        line(name, Space::Past, past::row_key(partition, "a\0b", id), row)
    };
    let null_row = past::row_key(partition, "a", VersionId::Null);
    vec![
        row("object.deleted", ObjectRow::new(STAMP, Slot::Deleted)),
        row("object.register", ObjectRow { register, ..ObjectRow::new(STAMP, Slot::Deleted) }),
        row("object.inline", live(Body::Inline(HASH))),
        row("object.changed", tagged),
        row("object.listed", public),
        row("object.governed", locked(RetentionMode::Governance)),
        row("object.complying", locked(RetentionMode::Compliance)),
        row("object.sealed", sealed),
        row("object.sealed_checksum", sealed_checksum),
        row("object.blocks", live(Body::Blocks(BODY, pieces()))),
        row("object.rows", live(Body::Rows(BODY))),
        row("object.composite", live(Body::Composite(BODY))),
        line("inline", Space::Inline, object::row_key(partition, "a"), InlineBody(vec![0, 1, 0xff])),
        row("object.version", versioned(true)),
        row("object.null_version", versioned(false)),
        row("object.versions_gone", several_gone),
        row("object.decided", ObjectRow { before: vec![STAMP, Stamp::ZERO], ..live(Body::Inline(HASH)) }),
        past("past.null", VersionId::Null, Slot::Deleted),
        past("past.named", VersionId::Named(STAMP), live(Body::Blocks(BODY, pieces())).slot),
        line("past_body", Space::PastBody, BODY.as_bytes().to_vec(), PastBody(null_row)),
    ]
}

fn versions() -> Vec<Line> {
    let row =
        |owner: Owner, contents: Contents| VersionRow { owner, deadline: DEADLINE, dead: false, contents };
    let of_object = row(Owner::Object(BUCKET, "a".into()), Contents::Blocks(pieces()));
    let of_part = VersionRow { dead: true, ..row(Owner::Part(UPLOAD, 3), Contents::Blocks(Vec::new())) };
    let part = PartPiece { number: 3, body: PART, size: 9, checksum: Some(checksum()) };
    let composite = row(Owner::Object(BUCKET, "a".into()), Contents::Parts(vec![part]));
    let reference = |target, referrer, removed| {
        line("reference", Space::BlockRef, reference::row_key(target, referrer), ReferenceRow { removed })
    };
    vec![
        line("version.blocks", Space::Version, version::row_key(&BODY, 0x0102), of_object),
        line("version.part", Space::Version, version::row_key(&PART, 0), of_part),
        line("version.composite", Space::Version, version::row_key(&BODY, 0), composite),
        reference(Target::Block(HASH), Referrer::Body(BODY), false),
        reference(Target::Body(PART), Referrer::Upload(UPLOAD), true),
        line("pending", Space::Pending, BODY.as_bytes().to_vec(), PendingBody { deadline: DEADLINE }),
    ]
}

fn uploads() -> Vec<Line> {
    let with = |name: &str, state: UploadState, acl: Option<Acl>, encryption: Option<Encryption>| {
        let row = UploadRow {
            initiated: STAMP,
            bucket: BUCKET,
            key: "a".into(),
            headers: pairs("content-type"),
            checksum: Some((3, true)),
            initiator: "GK1".into(),
            state,
            tags: pairs("tag"),
            acl,
            lock: None,
            encryption: encryption.map(Box::new),
        };
        line(name, Space::Upload, upload::row_key(&UPLOAD), row)
    };
    let named = Keeper::Named { key: RING_KEY, name: "photos".into(), bucket_key: true };
    let row = |name: &str, state: UploadState| with(name, state, None, None);
    let etag = ETag { md5: [0xe1; 16], parts: Some(2) };
    let part = PartRow { stamp: STAMP, body: PART, size: 9, md5: [0xe2; 16], checksum: Some(checksum()) };
    let number = PartNumber::new(0x0203).unwrap();
    let index_key = upload::index_key(PartitionHash::of_shard(&BUCKET, 0), "a", &UPLOAD);
    vec![
        row("upload.open", UploadState::Open),
        row("upload.aborted", UploadState::Aborted),
        with("upload.listed", UploadState::Open, Some(list()), None),
        with("upload.customer", UploadState::Open, None, Some(encryption(Keeper::Customer))),
        with("upload.named", UploadState::Open, None, Some(encryption(named))),
        row("upload.completed", UploadState::Completed { stamp: STAMP, version: None, etag, checksum: None }),
        line("part", Space::Part, upload::part_key(&UPLOAD, number, &PART), part),
        line("upload_index", Space::UploadIndex, index_key, UploadMark { initiated: STAMP }),
    ]
}

fn events() -> Vec<Line> {
    let object = Subject { size: Some(3), etag: Some("e1".into()), version: Some(VersionId::Null) };
    let cause = Cause { requester: Some("GK1".into()), source: Some("::1".into()), request_id: "1D".into() };
    let event = Event {
        kind: EventKind::Put,
        bucket: BUCKET,
        bucket_name: "photos".into(),
        owner: Some("75aa".into()),
        key: "a".into(),
        object,
        cause,
        at: STAMP,
    };
    let endpoint = Endpoint { url: "http://hook/".into(), token: Some(Secret::new("t".into())) };
    let webhook = WebhookRow { created: STAMP, endpoint: Lww::new(STAMP, Some(endpoint)) };
    let deliveries = vec![Delivery { webhook: "hook".into(), rule: "r".into() }];
    let intent_key = [STAMP.to_bytes().as_slice(), &[0, 1]].concat();
    let event_key = [b"hook\0".as_slice(), &intent_key].concat();
    let held_key = [super::support::NODE.as_bytes().as_slice(), &[0; 12], &event_key].concat();
    let queued = QueuedRow { event: event.clone(), rule: "r".into() };
    let backlog = BacklogRow { events: 1, bytes: 300, lost: 2, lost_at: Some(STAMP) };
    vec![
        line("webhook", Space::Webhook, b"hook".to_vec(), webhook),
        line("event_intent", Space::EventIntent, intent_key, IntentRow { event, deliveries }),
        line("event_held", Space::EventHeld, held_key, HeldRow { queued: queued.clone(), is_settled: true }),
        line("event", Space::Event, event_key, queued),
        line("event_backlog", Space::EventBacklog, b"hook".to_vec(), backlog),
    ]
}

fn names() -> Vec<Line> {
    let ring_key = |line_name: &str, name, generation| {
        let row = RingKeyRow { created: STAMP, name, key: wrapped(), generation };
        line(line_name, Space::Ring, RING_KEY.as_bytes().to_vec(), row)
    };
    let mut bucket = BucketRow::new(STAMP);
    bucket.grants.set("GK1".into(), STAMP, Grant { read: true, write: false, owner: true });
    bucket.quotas = Lww::new(STAMP, Quotas { size_bytes: Some(1 << 40), objects: Some(3) });
    let site =
        Website { index_document: "index.html".into(), error_document: Some("e".into()), redirects: None };
    bucket.website = Lww::new(STAMP, Some(site.clone()));
    bucket.settings.set("cors".into(), STAMP, Some(Document(b"{}".to_vec())));
    bucket.settings.set("tags".into(), STAMP, None);
    let redirecting = Website { redirects: Some(Document(b"{}".to_vec())), ..site };
    let with_redirects = BucketRow { website: Lww::new(STAMP, Some(redirecting)), ..bucket.clone() };
    let mut key = KeyRow::new(STAMP, "phone".into(), Secret::new("5ec1e7".into()));
    key.expires = Lww::new(STAMP, Some(DEADLINE));
    key.local_aliases = LwwMap::default();
    key.local_aliases.set("here".into(), STAMP, Some(BUCKET));
    let partition = PartitionHash::of_shard(&BUCKET, 0);
    vec![
        line("bucket", Space::Bucket, BUCKET.as_bytes().to_vec(), bucket),
        line("bucket.redirecting", Space::Bucket, BUCKET.as_bytes().to_vec(), with_redirects),
        line("alias", Space::Alias, b"photos".to_vec(), AliasRow { target: Lww::new(STAMP, Some(BUCKET)) }),
        line("alias.free", Space::Alias, b"old".to_vec(), AliasRow { target: Lww::new(STAMP, None) }),
        line("key", Space::Key, b"GK1".to_vec(), key),
        ring_key("ring", None, 0),
        ring_key("ring.named", Some("photos".into()), 0),
        ring_key("ring.wrapped_anew", None, 2),
        line("standing", Space::Meta, STANDING_KEY.to_vec(), standing()),
        line("marks", Space::Meta, MARKS_KEY.to_vec(), marks()),
        line(
            "usage",
            Space::Usage,
            partition.as_bytes().to_vec(),
            Usage { objects: 1, bytes: 1 << 33, uploads: -1 },
        ),
    ]
}

fn marks() -> Marks {
    Marks { of: BTreeMap::from([(NodeId::from_bytes([0xd1; 32]), 0x0102_0304_0506_0708)]) }
}

fn standing() -> Standing {
    let count = |number, mark| Count { number, mark };
    Standing {
        life: Life { life: count(1, 2), start: count(3, u64::MAX) },
        taking_part: ArcSet::of(|arc| arc < 8),
        held: ArcSet::ALL,
        stale: ArcSet::EMPTY,
        filling: Some((4, STAMP)),
        has_returned: false,
    }
}

fn digests() -> Vec<Line> {
    let key = DigestKey::of_cluster("cluster");
    let mark = |name: &str, progress| line(name, Space::Meta, DIGEST_KEY.to_vec(), Mark::new(&key, progress));
    let chunk = Chunk { rows: 200, sum: [0xd1; 16] };
    vec![
        mark("digest.clearing", Progress::Clearing),
        mark("digest.building", Progress::Building(Space::Version.number(), vec![1, 2])),
        mark("digest.complete", Progress::Complete),
        line("chunk", Space::Chunk, [&[Space::Version.number()], BODY.as_bytes().as_slice()].concat(), chunk),
    ]
}

/// What replicas compare of rows: it must be the same in every release.
#[test]
fn canonical_forms_are_these() {
    let object = objects().remove(1);
    let row: ObjectRow = store::decode(Space::Object, &object.key, &object.value).unwrap();
    let form = <tables::Objects as table::Table>::canonical(&row).unwrap();
    assert_eq!(encode_hex(&form), CANONICAL_OBJECT);
    let promise = ObjectRow { order: Stamp::ZERO, ..row };
    assert_eq!(<tables::Objects as table::Table>::canonical(&promise), None);
    // The others are compared as they are stored, behind the ten bytes of the envelope.
    let version = versions().remove(0);
    let row: VersionRow = store::decode(Space::Version, &version.key, &version.value).unwrap();
    let form = <tables::Versions<'_> as table::Table>::canonical(&row).unwrap();
    assert_eq!(form, version.value[10..]);
}

/// Rows of a keyspace as the store holds them.
fn dump(node: &Node, space: Space) -> Vec<Line> {
    let mut lines = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        lines.push(Line {
            name: format!("stored.{}", space.name()),
            space,
            key: key.to_vec(),
            value: value.to_vec(),
        });
        ControlFlow::Continue(())
    };
    node.store.view().unwrap().scan(space, Bound::Unbounded, Bound::Unbounded, visit).unwrap();
    lines
}

/// The records that `store`, `block` and `reclaim` keep to themselves.
async fn work_of_others() -> Vec<Line> {
    let node = Node::new().await;
    let blocks = node.blocks.clone();
    // A tombstone that is collected leaves a fence; then there is one of each queue.
    let bury = |txn: &mut store::Txn<'_>| {
        let dead = VersionRow {
            owner: Owner::Part(UPLOAD, 1),
            deadline: DEADLINE,
            dead: true,
            contents: Contents::Blocks(Vec::new()),
        };
        txn.put(Space::Version, version::row_key(&BODY, 0), &dead);
        graves::enqueue_tombstone(txn, Space::Version, &version::row_key(&BODY, 0));
        Ok::<_, StoreError>(())
    };
    node.store.commit(Intent::Free, bury).await.unwrap();
    node.world.clock.jump(3_600_000);
    node.model.reclaim_step().await.unwrap();
    let work = move |txn: &mut store::Txn<'_>| {
        let place = Some(lifecycle::Place { day: 20_454, stage: Stage::Past, from: vec![1, 2] });
        let progress = lifecycle::Progress { rules: vec![7; 16], done: Some(20_453), place };
        txn.put(Space::Setting, lifecycle::row_key(BUCKET), &progress);
        txn.put(Space::Setting, check::PROGRESS_KEY.to_vec(), &row_check());
        let rebalance = block::record::RebalanceState { moved: 3, moved_bytes: 4, ..Default::default() };
        txn.put(Space::Setting, b"block.rebalance".to_vec(), &rebalance);
        reclaim::enqueue(txn, Work::ReleaseBody(BODY));
        reclaim::enqueue(txn, Work::CloseUpload(UPLOAD));
        graves::enqueue_tombstone(txn, Space::Version, &version::row_key(&BODY, 0));
        blocks.add_reference(txn, &HASH)?;
        blocks.drop_reference(txn, &HASH)
    };
    node.store.commit(Intent::Free, work).await.unwrap();
    node.blocks.scrub(block::ScrubCommand::Start).await.unwrap();
    node.blocks.start_audit().await.unwrap();
    node.blocks.change_pace(|pace| block::Pace { scrub: 10, ..pace }).await.unwrap();
    node.model.limit_copying(Some(5_000_000)).await.unwrap();
    let spaces = [
        Space::Meta,
        Space::RefCount,
        Space::Outbox,
        Space::Resync,
        Space::Tombstone,
        Space::Fence,
        Space::Setting,
    ];
    spaces.into_iter().flat_map(|space| dump(&node, space)).collect()
}

fn row_check() -> check::CheckProgress {
    check::CheckProgress {
        began: Some(WallTime(1)),
        space: Space::BlockRef.number(),
        from: vec![1, 2],
        is_asked: true,
        rows: 3,
        damaged: 4,
        chunks: 5,
        references: 6,
        last: Some(WallTime(7)),
        ended: None,
        doubted_before: vec![(bytes::Bytes::from_static(&[8]), WallTime(9))],
        doubted: Vec::new(),
    }
}

fn actual() -> Vec<Line> {
    let others = run(work_of_others());
    [objects(), versions(), uploads(), names(), events(), digests(), others].into_iter().flatten().collect()
}

#[test]
fn stored_bytes_are_those_of_the_table() {
    let text: String = actual().iter().map(|line| format!("{line}\n")).collect();
    for (expected, actual) in GOLDEN.lines().zip(text.lines()) {
        assert_eq!(expected, actual, "a stored format changed; the whole table:\n{text}");
    }
    assert_eq!(GOLDEN.lines().count(), text.lines().count(), "the whole table:\n{text}");
}

/// The kinds of records that doc/formats.md documents: the third column of its table.
fn documented_kinds() -> Vec<u8> {
    let columns = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let kind = |line| columns(line).get(3).and_then(|cell| cell.parse().ok());
    FORMATS.lines().filter(|line| line.starts_with('|')).filter_map(kind).collect()
}

#[test]
fn every_documented_kind_is_here_and_has_a_number_of_its_own() {
    let documented = documented_kinds();
    let unique: BTreeSet<u8> = documented.iter().copied().collect();
    assert_eq!(documented.len(), unique.len(), "a number stands twice in doc/formats.md");
    // Kinds that share a keyspace and a key's form are told apart by their number alone, so one
    // number in two keyspaces is two kinds.
    let mut spaces: BTreeMap<u8, BTreeSet<Space>> = BTreeMap::new();
    for line in actual() {
        spaces.entry(line.value[0]).or_default().insert(line.space);
    }
    assert!(spaces.values().all(|spaces| spaces.len() == 1), "a number means two kinds: {spaces:?}");
    assert_eq!(spaces.into_keys().collect::<BTreeSet<u8>>(), unique);
}

#[test]
fn bucket_names_are_stored_as_they_are_spelled() {
    run(async {
        let node = Node::new().await;
        node.model.create_bucket(Some(bucket_named("my.bucket-1")), None).await.unwrap();
        let keys: Vec<Vec<u8>> = dump(&node, Space::Alias).into_iter().map(|line| line.key).collect();
        assert_eq!(keys, [b"my.bucket-1".to_vec()]);
    });
}
