//! A member that asks for what makes no sense: well-formed requests whose fields were changed, a thousand of them. The
//! replica refuses them or stores rows: it never panics, what it stores can be read, and all that is derived fits to it.

use super::homes::{Homes, id};
use super::mending::{assert_counts, keys_of};
use super::run;
use super::sync::{BUCKET, with_bucket};
use crate::batch::{Position, Write};
use crate::replicas::{KeyPlace, ReadRange, ReadRow, StoreRows};
use crate::rows::object::{self, Beside, ObjectRow};
use crate::rows::reference::{Referrer, Target};
use crate::rows::version::{self, PendingBody, VersionRow};
use base::WallTime;
use bytes::Bytes;
use net::fuzzing::{read, written};
use net::{CallError, NoAnswer};
use std::time::Duration;
use store::{Read, Space};

const LIMIT: Duration = Duration::from_secs(5);
const TRIES: usize = 4000;

/// Numbers by xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    /// The same bytes with one to three of them changed, or a number made as large as it can be.
    fn changed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                _ => {
                    let end = (at + 8).min(bytes.len());
                    bytes[at..end].fill(0xff);
                }
            }
        }
        bytes
    }
}

/// One write of each kind that a coordinator sends, made of what a home holds.
fn writes(homes: &Homes) -> Vec<Write> {
    let view = homes.model(0).store().view().unwrap();
    let partition = KeyPlace::of(BUCKET, String::new()).partition;
    let row: ObjectRow = view.get(Space::Object, &object::row_key(partition, "inline")).unwrap().unwrap();
    let key = keys_of(homes.model(0), Space::Version).remove(0);
    let (body, number) = version::parse_row_key(&key).unwrap();
    let version: VersionRow = view.get(Space::Version, &key).unwrap().unwrap();
    let inline = Some(Bytes::from_static(b"small"));
    let (target, referrer) = (Target::Body(body), Referrer::Body(body));
    vec![
        Write::Object { partition, key: "other".into(), slot: row.slot.clone(), inline: inline.clone() },
        Write::Accept { partition, key: "third".into(), row, beside: Beside::from(inline) },
        Write::Version { body, number, row: version },
        Write::Hold { target, referrer },
        Write::Release { target, referrer },
        Write::Pending { body, mark: PendingBody { deadline: WallTime(u64::MAX) } },
        Write::Settled { body },
    ]
}

fn assert_no_panic<T>(outcome: &Result<T, CallError>, what: &str) {
    let failed = CallError::Unknown { node: id(1), cause: NoAnswer::HandlerFailed };
    assert_ne!(outcome.as_ref().err(), Some(&failed), "{what}");
}

#[test]
fn changed_requests_are_refused_or_stored_whole() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "inline", &[b"small"]).await;
        homes.node(0).put(BUCKET, "blocks", &[&[7; 5000], b"rest"]).await;
        let (view, model) = (homes.model(1).peers().view(), homes.model(0));
        let (mut dice, mut sent) = (Dice(0x2545_f491_4f6c_dd1d), 0);
        for number in 0..TRIES {
            let stamp = model.store().stamp().await.unwrap();
            let position = Position { order: stamp, id: stamp };
            let mut all = writes(&homes);
            let write = all.swap_remove(number % all.len());
            let request = StoreRows { view, position, birth: stamp, deadline: None, writes: vec![write] };
            let changed = dice.changed(&written(&request).unwrap());
            let Some(request) = read::<StoreRows>(&changed) else { continue };
            sent += 1;
            let told = format!("{request:?}");
            assert_no_panic(&model.ask_one(id(1), request, Bytes::new(), LIMIT).await, &told);
        }
        assert!(sent > TRIES / 10, "{sent} requests were well-formed");
        let one = homes.model(1).store().view().unwrap();
        for space in Space::ALL {
            for key in keys_of(homes.model(1), space) {
                let record = one.get_bytes(space, &key).unwrap().unwrap();
                assert!(store::passes(space, &key, &record), "{} {key:?}", space.name());
            }
        }
        drop(one);
        assert_counts(&homes, 1);
        assert_eq!(homes.node(2).content(BUCKET, "inline").await.unwrap(), b"small");
        assert!(homes.node(2).content(BUCKET, "blocks").await.is_some());
        homes.node(1).put(BUCKET, "afterwards", &[b"is stored"]).await;
        assert_eq!(homes.node(0).content(BUCKET, "afterwards").await.unwrap(), b"is stored");
    });
}

#[test]
fn changed_questions_are_refused_or_answered() {
    run(async {
        let homes = Homes::new(3, 3).await;
        with_bucket(&homes).await;
        homes.node(0).put(BUCKET, "inline", &[b"small"]).await;
        let (view, model) = (homes.model(1).peers().view(), homes.model(0));
        let partition = KeyPlace::of(BUCKET, String::new()).partition;
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..TRIES / 4 {
            let birth = model.store().stamp().await.unwrap();
            let (from, to) =
                (partition.as_bytes().to_vec(), [partition.as_bytes().as_slice(), &[9]].concat());
            let range = ReadRange {
                view,
                birth,
                space: Space::Version.number(),
                partition,
                from: to,
                to: from,
                limit: 9,
            };
            let outcome = model.ask_one(id(1), range.clone(), Bytes::new(), LIMIT).await;
            assert_no_panic(&outcome, "a range that ends before it begins");
            if let Some(range) = read::<ReadRange>(&dice.changed(&written(&range).unwrap())) {
                let told = format!("{range:?}");
                assert_no_panic(&model.ask_one(id(1), range, Bytes::new(), LIMIT).await, &told);
            }
            let row = ReadRow {
                view,
                birth,
                partition,
                key: "inline".into(),
                content: true,
                aside: true,
                past: None,
            };
            if let Some(row) = read::<ReadRow>(&dice.changed(&written(&row).unwrap())) {
                let told = format!("{row:?}");
                assert_no_panic(&model.ask_one(id(1), row, Bytes::new(), LIMIT).await, &told);
            }
        }
        assert_eq!(homes.node(1).content(BUCKET, "inline").await.unwrap(), b"small");
    });
}
