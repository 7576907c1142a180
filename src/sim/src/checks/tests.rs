//! Each check on a history that is right and on the smallest one that is wrong.

use super::{durability, linearizable, listing, stamps};
use crate::history::{Call, History, Needs, Register, State, Version};
use base::Stamp;
use model::listing::{ListEntry, ListPage, ListQuery, Listed, Start};
use model::rows::object::ETag;

fn key() -> Register {
    Register::Object { bucket: 0, key: "k".to_owned() }
}

fn version(value: u64) -> Version {
    Version { value, tag: value }
}

fn put(history: &mut History, value: u64, needs: Needs) -> Call {
    history.call(key(), needs, Some(State::Holds(version(value))))
}

fn done(history: &mut History, value: u64) {
    let call = put(history, value, Needs::Open);
    history.done(call);
}

fn delete(history: &mut History) {
    let call = history.call(key(), Needs::Open, Some(State::Absent));
    history.done(call);
}

fn read(history: &mut History, needs: Needs) {
    let call = history.call(key(), Needs::Anything, None);
    history.observed(call, needs);
}

fn property(result: Result<(), super::Failure>) -> Option<&'static str> {
    result.err().map(|failure| failure.property)
}

#[test]
fn an_acknowledged_write_that_is_lost_is_noticed() {
    let mut history = History::default();
    done(&mut history, 1);
    done(&mut history, 2);
    history.end_life();
    let judge = |state| property(durability::check(&history, &key(), state));
    assert_eq!(judge(State::Holds(version(2))), None);
    assert_eq!(judge(State::Holds(version(1))), Some("I1 acknowledged survives"));
    assert_eq!(judge(State::Absent), Some("I1 acknowledged survives"));
}

#[test]
fn an_unknown_write_may_be_there_or_not() {
    let mut history = History::default();
    done(&mut history, 1);
    put(&mut history, 2, Needs::Open);
    history.end_life();
    assert_eq!(durability::check(&history, &key(), State::Holds(version(1))), Ok(()));
    assert_eq!(durability::check(&history, &key(), State::Holds(version(2))), Ok(()));
    assert!(durability::check(&history, &key(), State::Absent).is_err());
    // A read has seen it: now it must stay, and it cannot come after what came later.
    done(&mut history, 3);
    assert!(durability::check(&history, &key(), State::Holds(version(2))).is_err());
}

#[test]
fn a_deleted_value_that_comes_back_is_noticed() {
    let mut history = History::default();
    done(&mut history, 1);
    delete(&mut history);
    history.end_life();
    assert_eq!(durability::check(&history, &key(), State::Absent), Ok(()));
    let back = durability::check(&history, &key(), State::Holds(version(1)));
    assert_eq!(property(back), Some("I2 deleted stays deleted"));
}

#[test]
fn reads_that_go_back_in_time_are_not_linearizable() {
    let mut history = History::default();
    done(&mut history, 1);
    let slow = put(&mut history, 2, Needs::Open);
    read(&mut history, Needs::Is(version(2)));
    assert_eq!(linearizable::check(&history), Ok(()));
    read(&mut history, Needs::Is(version(1)));
    history.done(slow);
    assert_eq!(property(linearizable::check(&history)), Some("I3 linearizable"));
}

#[test]
fn one_of_two_creators_wins() {
    let mut history = History::default();
    let (first, second) = (put(&mut history, 1, Needs::Absent), put(&mut history, 2, Needs::Absent));
    history.done(first);
    let mut both = History::default();
    both.operations.clone_from(&history.operations);
    both.operations.iter_mut().for_each(|operation| {
        operation.certainty = crate::history::Certainty::Certain;
        operation.ended = 10;
    });
    assert_eq!(property(linearizable::check(&both)), Some("I3 linearizable"));
    history.observed(second, Needs::Present);
    assert_eq!(linearizable::check(&history), Ok(()));
}

#[test]
fn an_unknown_write_takes_effect_before_its_life_ends_or_never() {
    let mut history = History::default();
    done(&mut history, 1);
    put(&mut history, 2, Needs::Open);
    history.end_life();
    read(&mut history, Needs::Is(version(1)));
    assert_eq!(linearizable::check(&history), Ok(()));
    read(&mut history, Needs::Is(version(2)));
    assert!(linearizable::check(&history).is_err(), "nothing was left to write it");
}

#[test]
fn nothing_is_written_to_what_is_closed() {
    let mut history = History::default();
    let close = history.call(key(), Needs::Absent, Some(State::Gone));
    history.done(close);
    read(&mut history, Needs::Unseen);
    assert_eq!(linearizable::check(&history), Ok(()));
    done(&mut history, 1);
    assert!(linearizable::check(&history).is_err());
}

#[test]
fn stamps_that_fall_are_noticed() {
    let stamp = |time| Stamp { time, node: 1 };
    let run = |times: [u64; 2]| {
        let mut history = History::default();
        for (value, time) in (1..).zip(times) {
            let call = put(&mut history, value, Needs::Open);
            history.done(call);
            history.stamped(call, stamp(time));
        }
        stamps::check(&history)
    };
    assert_eq!(run([5, 6]), Ok(()));
    assert_eq!(property(run([6, 5])), Some("stamps rise"));
    assert_eq!(property(run([5, 5])), Some("stamps rise"));
    let mut history = History::default();
    history.saw_stamp(key(), version(1), stamp(1));
    assert_eq!(stamps::check(&history), Ok(()));
    history.saw_stamp(key(), version(1), stamp(2));
    assert!(stamps::check(&history).is_err());
}

fn listed(key: &str) -> ListEntry {
    let etag = ETag { md5: [0; 16], parts: None };
    ListEntry::Object(Listed { key: key.to_owned(), modified: Stamp::ZERO, size: 0, etag, checksum: None })
}

fn page(entries: &[ListEntry], next: Option<&str>) -> ListPage {
    ListPage { entries: entries.to_vec(), next: next.map(str::to_owned) }
}

#[test]
fn pages_are_judged_by_order_form_and_reach() {
    let query =
        |start| ListQuery { delimiter: Some("/".to_owned()), start, limit: 2, ..ListQuery::default() };
    let fold = || ListEntry::Prefix("a/".to_owned());
    let first = query(Start::First);
    let good = page(&[listed("a"), fold()], Some("b"));
    assert_eq!(listing::check_form(&first, &good), Ok(()));
    let bad = [
        page(&[listed("b"), listed("a")], None),
        page(&[listed("a"), listed("a")], None),
        page(&[listed("a/b")], None),
        page(&[listed("a")], Some("b")),
        page(&[listed("a"), listed("b")], Some("b")),
        page(&[listed("a"), listed("b"), listed("c")], None),
    ];
    for bad in bad {
        assert_eq!(property(listing::check_form(&first, &bad)), Some("I4 listing"), "{bad:?}");
    }
    assert!(listing::check_form(&query(Start::After("a".to_owned())), &good).is_err());
    assert_eq!(listing::says_about(&first, &good, "a"), Some(Needs::Tag(0)));
    assert_eq!(listing::says_about(&first, &good, "a!"), Some(Needs::Unseen));
    assert_eq!(listing::says_about(&first, &good, "a/b"), None);
    assert_eq!(listing::says_about(&first, &good, "c"), None, "behind the end of the page");
    let behind = query(Start::After("a".to_owned()));
    assert_eq!(listing::says_about(&behind, &page(&[], None), "a"), None, "before its start");
    assert_eq!(listing::says_about(&behind, &page(&[], None), "a/b"), Some(Needs::Unseen));
}
