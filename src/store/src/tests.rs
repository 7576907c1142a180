//! Tests of the committer, the transactions and the record envelope.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

/// A small seeded generator (SplitMix64), so that a failing case can be repeated.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Between `shortest` and `longest` bytes of `alphabet`.
    pub fn bytes_from(&mut self, alphabet: &[u8], shortest: usize, longest: usize) -> Vec<u8> {
        let length = shortest + self.below(longest - shortest + 1);
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}
