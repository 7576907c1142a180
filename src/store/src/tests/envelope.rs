//! The stored form of records: golden bytes, damage, older versions.

use super::{Note, Setup, run};
use crate::{Intent, Read, Record, Space, StoreError, Txn, Unreadable, decode, encode};
use serde::{Deserialize, Serialize};

const KEY: &[u8] = b"some key";

fn note() -> Note {
    Note { text: "hi".to_owned(), number: 300 }
}

#[test]
fn the_stored_bytes_are_these() {
    // kind 250, version 3, 7 bytes of body, CRC-32C of [1, 250, 3] + key + body, then MessagePack:
    // an array of two, the string "hi", the number 300.
    let expected = [250, 3, 7, 0, 0, 0, 0xd9, 0xab, 0xaf, 0xb2, 0x92, 0xa2, b'h', b'i', 0xcd, 0x01, 0x2c];
    let bytes = encode(Space::Meta, KEY, &note());
    assert_eq!(bytes[..], expected);
    assert_eq!(decode::<Note>(Space::Meta, KEY, &bytes), Ok(note()));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = encode(Space::Meta, KEY, &note());
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(decode::<Note>(Space::Meta, KEY, &damaged), Err(Unreadable), "bit {bit}");
    }
}

#[test]
fn every_cut_and_every_extra_byte_is_noticed() {
    let bytes = encode(Space::Meta, KEY, &note());
    for length in 0..bytes.len() {
        assert_eq!(decode::<Note>(Space::Meta, KEY, &bytes[..length]), Err(Unreadable), "{length} bytes");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert_eq!(decode::<Note>(Space::Meta, KEY, &longer), Err(Unreadable));
}

#[test]
fn a_record_under_another_key_or_in_another_keyspace_is_noticed() {
    let bytes = encode(Space::Meta, KEY, &note());
    assert_eq!(decode::<Note>(Space::Meta, b"some keys", &bytes), Err(Unreadable));
    assert_eq!(decode::<Note>(Space::Object, KEY, &bytes), Err(Unreadable));
}

/// Another record type, to be mistaken for a note.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Other<const KIND: u8, const VERSION: u8>(String, u64);

impl<const KIND: u8, const VERSION: u8> Record for Other<KIND, VERSION> {
    const KIND: u8 = KIND;
    const VERSION: u8 = VERSION;
}

#[test]
fn another_kind_and_an_unknown_version_are_unreadable() {
    let other = Other::<249, 3>("hi".to_owned(), 300);
    assert_eq!(decode::<Note>(Space::Meta, KEY, &encode(Space::Meta, KEY, &other)), Err(Unreadable));
    let newer = Other::<250, 4>("hi".to_owned(), 300);
    assert_eq!(decode::<Note>(Space::Meta, KEY, &encode(Space::Meta, KEY, &newer)), Err(Unreadable));
}

#[test]
fn an_older_version_is_upgraded() {
    let older = Other::<250, 2>("hi".to_owned(), 300);
    let read = decode::<Note>(Space::Meta, KEY, &encode(Space::Meta, KEY, &older)).unwrap();
    assert_eq!(read.number, 2, "made by `upgrade`");
}

#[test]
fn a_row_that_was_damaged_at_rest_is_unreadable_for_whoever_looks() {
    run(async {
        let setup = Setup::new();
        let store = setup.store();
        let write = || {
            store.commit(Intent::Grow, |txn: &mut Txn<'_>| {
                txn.put(Space::Object, b"key".to_vec(), &note());
                Ok::<_, StoreError>(())
            })
        };
        write().await.unwrap();
        let view = store.view().unwrap();
        let [(key, value)] = &setup.platter.rows(Space::Object)[..] else { panic!("one row") };
        assert_eq!(setup.platter.row(Space::Object, key).as_ref(), Some(value));
        setup.platter.flip_bit(Space::Object, key, 8 * value.len() - 1);
        for view in [view, store.view().unwrap()] {
            let found = view.get::<Note>(Space::Object, b"key");
            assert!(matches!(found, Err(StoreError::Unreadable { .. })), "{found:?}");
        }
        write().await.unwrap();
        assert_eq!(store.view().unwrap().get::<Note>(Space::Object, b"key").unwrap(), Some(note()));
    });
}
