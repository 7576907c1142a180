//! Byte strings inside stored keys, so that stored order is the order of the strings.
//!
//! A string is escaped (`00` becomes `00 ff`) and ended by `00 01`: no string is a prefix of
//! another's encoding, strings sort by their bytes, and all strings that begin with a prefix lie
//! together in `[escape(prefix), after_prefix(prefix))`.

use std::ops::Bound;
use store::engine::Visit;
use store::{Read, Record, Space, Step, StoreError};

const ESCAPED: u8 = 0x00;
const ZERO: u8 = 0xff;
const END: u8 = 0x01;

/// Appends `text`, escaped, without an end mark: the start of every string beginning with it.
pub fn push_prefix(key: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        key.push(byte);
        if byte == ESCAPED {
            key.push(ZERO);
        }
    }
}

/// Appends `text` as a whole string.
pub fn push_string(key: &mut Vec<u8>, text: &[u8]) {
    push_prefix(key, text);
    key.extend([ESCAPED, END]);
}

/// Takes a whole string off the front of `key`: the string and what follows it.
pub fn take_string(key: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::with_capacity(key.len());
    let mut rest = key;
    loop {
        match rest {
            [ESCAPED, ZERO, tail @ ..] => {
                text.push(0);
                rest = tail;
            }
            [ESCAPED, END, tail @ ..] => return Some((text, tail)),
            [ESCAPED, ..] | [] => return None,
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
        }
    }
}

/// The first key above every key that begins with `prefix`; `None` when there is no such key.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// Visits the rows whose keys begin with `prefix`, as [`Read::scan`] does: what cannot be read is shown, too.
pub fn scan_prefix(
    read: &impl Read,
    space: Space,
    prefix: &[u8],
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let end = after_prefix(prefix);
    let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    read.scan(space, Bound::Included(prefix), to, visit)
}

/// Walks the records whose keys begin with `prefix`, as [`Read::walk`] does: one that cannot be read is an error.
pub fn walk_prefix<R: Record>(
    read: &impl Read,
    space: Space,
    prefix: &[u8],
    visit: &mut dyn FnMut(&[u8], R) -> Step,
) -> Result<(), StoreError> {
    read.walk(space, prefix, after_prefix(prefix).as_deref(), visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        push_string(&mut key, text);
        key
    }

    fn samples() -> Vec<Vec<u8>> {
        let bytes = [0x00, 0x01, b'/', b'a', 0xfe, 0xff];
        let mut all = vec![vec![]];
        for &a in &bytes {
            all.push(vec![a]);
            for &b in &bytes {
                all.push(vec![a, b]);
                all.extend(bytes.iter().map(|&c| vec![a, b, c]));
            }
        }
        all
    }

    #[test]
    fn stored_order_is_the_order_of_the_strings() {
        for a in samples() {
            for b in samples() {
                assert_eq!(a.cmp(&b), encoded(&a).cmp(&encoded(&b)), "{a:x?} {b:x?}");
            }
        }
    }

    #[test]
    fn strings_come_back_with_what_follows() {
        for text in samples() {
            let mut key = encoded(&text);
            key.extend([0, 7]);
            assert_eq!(take_string(&key), Some((text, &[0u8, 7][..])));
        }
        for damaged in [&b"abc"[..], b"", b"\0", b"a\0\x02", b"a\0"] {
            assert_eq!(take_string(damaged), None);
        }
    }

    #[test]
    fn a_prefix_bounds_exactly_the_strings_that_begin_with_it() {
        for prefix in samples().into_iter().filter(|prefix| !prefix.is_empty()) {
            let mut low = Vec::new();
            push_prefix(&mut low, &prefix);
            let high = after_prefix(&low);
            for text in samples() {
                let key = encoded(&text);
                let inside = key >= low && high.as_ref().is_none_or(|high| key < *high);
                assert_eq!(inside, text.starts_with(&prefix), "{prefix:x?} {text:x?}");
            }
        }
        assert_eq!(after_prefix(&[0xff, 0xff]), None);
    }
}
