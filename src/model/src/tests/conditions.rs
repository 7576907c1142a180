//! Conditions that name an owner or a moment, by what is under the key.

use crate::ModelError;
use crate::objects::{Condition, ObjectMeta, make_object};
use crate::rows::acl::Acl;
use crate::rows::object::{Body, ETag, ObjectRow, Slot};
use base::{BlockHash, Stamp};

const BEFORE: Stamp = Stamp { time: 10, node: 1 };
const THEN: Stamp = Stamp { time: 20, node: 1 };
const SINCE: Stamp = Stamp { time: 30, node: 1 };

/// An object of this owner.
fn owned(owner: Option<&str>, stamp: Stamp) -> ObjectRow {
    let acl = owner.map(|owner| Acl { owner: Some(owner.to_owned()), ..Acl::default() });
    let meta = ObjectMeta { acl, ..ObjectMeta::default() };
    let body = Body::Inline(BlockHash::of(b"x"));
    let object = make_object(1, ETag { md5: [1; 16], parts: None }, meta, body);
    ObjectRow::new(stamp, Slot::Live(Box::new(object)))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Holds,
    Failed,
    Missing,
    NotOwner,
    Changed,
}
use Answer::{Changed, Failed, Holds, Missing, NotOwner};

#[track_caller]
fn check(condition: Condition, current: Option<&ObjectRow>, expected: Answer) {
    let answer = match condition.check(current) {
        Ok(()) => Holds,
        Err(ModelError::ConditionFailed) => Failed,
        Err(ModelError::ConditionOnMissing) => Missing,
        Err(ModelError::NotOwner) => NotOwner,
        Err(ModelError::ChangedMeanwhile) => Changed,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(answer, expected, "{condition:?} of {current:?}");
}

#[test]
fn who_may_change_only_what_is_its_own() {
    let by =
        |key: Option<&str>, other: Condition| Condition::OwnedBy(key.map(str::to_owned), Box::new(other));
    let (mine, theirs, nobodys) = (owned(Some("me"), THEN), owned(Some("them"), THEN), owned(None, THEN));
    let (marker, gone) = (ObjectRow::new(THEN, Slot::Marker), ObjectRow::new(THEN, Slot::Deleted));
    check(by(Some("me"), Condition::Always), Some(&mine), Holds);
    for row in [&theirs, &nobodys] {
        check(by(Some("me"), Condition::Always), Some(row), NotOwner);
        check(by(Some("me"), Condition::Absent), Some(row), NotOwner);
    }
    // Whoever has no key owns nothing, not even what has no owner.
    for row in [&mine, &theirs, &nobodys] {
        check(by(None, Condition::Always), Some(row), NotOwner);
    }
    for row in [None, Some(&marker), Some(&gone)] {
        for key in [None, Some("me")] {
            check(by(key, Condition::Always), row, Holds);
            check(by(key, Condition::Absent), row, Holds);
            check(by(key, Condition::Present), row, Missing);
        }
    }
    check(by(Some("me"), Condition::Absent), Some(&mine), Failed);
    check(by(Some("me"), Condition::Present), Some(&mine), Holds);
}

#[test]
fn what_was_written_or_deleted_since_a_moment() {
    let since = |moment: Stamp, other: Condition| Condition::UnchangedSince(moment, Box::new(other));
    let object = owned(None, THEN);
    let (marker, gone) = (ObjectRow::new(THEN, Slot::Marker), ObjectRow::new(THEN, Slot::Deleted));
    check(since(BEFORE, Condition::Always), None, Holds);
    for row in [&object, &marker, &gone] {
        check(since(BEFORE, Condition::Always), Some(row), Changed);
        check(since(THEN, Condition::Always), Some(row), Holds);
        check(since(SINCE, Condition::Always), Some(row), Holds);
    }
    // What is said beside the content is no change of it, and neither is an order that a ballot raised.
    let mut tagged = owned(None, SINCE);
    if let Slot::Live(object) = &mut tagged.slot {
        object.rare.modified = Some(BEFORE);
    }
    check(since(THEN, Condition::Always), Some(&tagged), Holds);
    check(since(THEN, Condition::Always), Some(&ObjectRow { order: SINCE, ..object.clone() }), Holds);
    // The other condition speaks first.
    check(since(BEFORE, Condition::Absent), Some(&object), Failed);
    check(since(BEFORE, Condition::Present), Some(&gone), Missing);
    check(since(BEFORE, Condition::Present), Some(&object), Changed);
    check(since(SINCE, Condition::Absent), Some(&object), Failed);
}

#[test]
fn a_deletion_is_judged_by_the_body_of_its_version_and_by_what_is_current() {
    use base::Id;
    let with_body = |number: u8| {
        let body = Body::Rows(Id::from_bytes([number; 32]));
        let object = make_object(1, ETag { md5: [number; 16], parts: None }, ObjectMeta::default(), body);
        ObjectRow::new(THEN, Slot::Live(Box::new(object)))
    };
    let (current, past) = (with_body(1), with_body(2));
    let of_body = |number: u8| Condition::OfBody(Id::from_bytes([number; 32]));
    let judge = |condition: Condition, version: Option<&ObjectRow>| {
        condition.check_deletion(Some(&current), version.map(|row| &row.slot))
    };
    assert!(judge(of_body(2), Some(&past)).is_ok());
    assert!(matches!(judge(of_body(1), Some(&past)), Err(ModelError::ConditionFailed)));
    assert!(matches!(judge(of_body(2), None), Err(ModelError::ConditionOnMissing)));
    let tag = |row: &ObjectRow| Condition::Matches(vec![row.live().unwrap().etag.to_string()]);
    assert!(judge(tag(&current), Some(&past)).is_ok());
    assert!(matches!(judge(tag(&past), Some(&past)), Err(ModelError::ConditionFailed)));
}
