//! A set of the ring's arcs, one bit each.

use super::{PARTITIONS, arcs};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const WORDS: usize = PARTITIONS / u64::BITS as usize;

/// Some of the ring's arcs. As text: 256 hexadecimal digits, the first of them arcs 0 to 3.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ArcSet([u64; WORDS]);

impl ArcSet {
    /// None of them.
    pub const EMPTY: Self = Self([0; WORDS]);
    /// All of them.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// Those of the arcs for which `is_in` says so.
    pub fn of(is_in: impl Fn(u16) -> bool) -> Self {
        let mut set = Self::EMPTY;
        arcs().filter(|arc| is_in(*arc)).for_each(|arc| set.insert(arc));
        set
    }

    /// Whether an arc is in it.
    pub fn contains(&self, arc: u16) -> bool {
        let (word, bit) = place(arc);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Adds an arc; one that the ring does not have is passed over.
    pub fn insert(&mut self, arc: u16) {
        let (word, bit) = place(arc);
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// What is in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        arcs().filter(|arc| self.contains(*arc))
    }
}

/// The word that an arc's bit is in, the highest bit first, and that bit.
fn place(arc: u16) -> (usize, u64) {
    let (word, bit) = (usize::from(arc) / u64::BITS as usize, u32::from(arc) % u64::BITS);
    (word, 1 << (u64::BITS - 1 - bit))
}

impl Default for ArcSet {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl std::fmt::Debug for ArcSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} arcs", self.len())
    }
}

impl Serialize for ArcSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|bits| format!("{bits:016x}")).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for ArcSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let invalid = || serde::de::Error::custom("a set of arcs has 256 hexadecimal digits");
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != PARTITIONS / 4 || !is_hex {
            return Err(invalid());
        }
        let mut set = Self::EMPTY;
        for (bits, digits) in set.0.iter_mut().zip(text.as_bytes().chunks(16)) {
            let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
            *bits = u64::from_str_radix(digits, 16).map_err(|_| invalid())?;
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcs_go_in_and_come_out_in_order() {
        let set = ArcSet::of(|arc| arc % 7 == 3);
        assert_eq!(set.iter().collect::<Vec<_>>(), (0..1024).filter(|arc| arc % 7 == 3).collect::<Vec<_>>());
        assert_eq!(set.len(), 146);
        let rest = ArcSet::ALL.without(&set);
        assert_eq!((rest.len(), rest.union(&set)), (1024 - 146, ArcSet::ALL));
        let mut none = ArcSet::EMPTY;
        none.insert(1024);
        assert!(none.is_empty() && !none.contains(1024));
    }

    #[test]
    fn the_text_is_read_back_and_nothing_else_is() {
        let mut set = ArcSet::EMPTY;
        [0, 5, 1023].into_iter().for_each(|arc| set.insert(arc));
        let text = serde_json::to_string(&set).unwrap();
        assert!(text.starts_with("\"840") && text.ends_with("01\""), "{text}");
        assert_eq!(serde_json::from_str::<ArcSet>(&text).unwrap(), set);
        for wrong in [
            "\"\"".to_owned(),
            text.replacen('8', "g", 1),
            text.replacen('8', "+", 1),
            text.replacen('8', "", 1),
        ] {
            assert!(serde_json::from_str::<ArcSet>(&wrong).is_err(), "{wrong}");
        }
    }
}
