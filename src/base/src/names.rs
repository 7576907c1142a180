//! Names that come from outside, validated once at the edge.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A bucket's global or local alias, valid by AWS's naming rules for general purpose buckets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(String);

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a bucket name.
    #[error(
        "a bucket name has 3 to 63 characters: lower-case letters, digits, dots and hyphens, starting and ending with a letter or digit, and is not an IP address"
    )]
    Bucket,
    /// Empty object key.
    #[error("an object key has at least one byte")]
    KeyEmpty,
    /// Object key above [`limits::OBJECT_KEY_MAX_BYTES`].
    #[error("an object key has at most 1024 bytes")]
    KeyTooLong,
    /// Part number outside 1..=10000.
    #[error("a part number lies between 1 and 10000")]
    PartNumber,
}

/// What names of new buckets must not begin or end with.
const RESERVED_PREFIXES: [&str; 2] = ["sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 3] = [".mrap", "--x-s3", "--table-s3"];

impl BucketName {
    /// Checks the naming rules: 3–63 of `[a-z0-9.-]`, starts and ends alphanumeric, no `..`,
    /// not formatted as an IPv4 address, none of the reserved prefixes and suffixes.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let bytes = name.as_bytes();
        let length_ok =
            (limits::BUCKET_NAME_MIN_BYTES..=limits::BUCKET_NAME_MAX_BYTES).contains(&bytes.len());
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ends_ok = bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric);
        let characters_ok = bytes.iter().all(|b| alphanumeric(b) || matches!(b, b'.' | b'-'));
        let address = name.parse::<std::net::Ipv4Addr>().is_ok();
        let reserved = name.starts_with("xn--") || name.ends_with("-s3alias") || name.ends_with("--ol-s3");
        if length_ok && ends_ok && characters_ok && !name.contains("..") && !address && !reserved {
            Ok(Self(name.to_owned()))
        } else {
            Err(NameError::Bucket)
        }
    }

    /// Checks the name of a bucket that is to be created, by those rules and by the prefixes and suffixes that AWS
    /// reserved later: buckets have them from before.
    pub fn parse_new(name: &str) -> Result<Self, NameError> {
        let is_reserved = RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        if is_reserved { Err(NameError::Bucket) } else { Self::parse(name) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BucketName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::parse(&name)
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> String {
        name.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object's key: opaque UTF-8, 1 to 1,024 bytes. `..`, `//` and control characters are plain
/// content; a key never becomes a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks the length; the content is free.
    pub fn parse(key: &str) -> Result<Self, NameError> {
        match key.len() {
            0 => Err(NameError::KeyEmpty),
            length if length > limits::OBJECT_KEY_MAX_BYTES => Err(NameError::KeyTooLong),
            _ => Ok(Self(key.to_owned())),
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = NameError;
    fn try_from(key: String) -> Result<Self, NameError> {
        Self::parse(&key)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> String {
        key.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a part: 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct PartNumber(u16);

impl PartNumber {
    /// Checks the range.
    pub fn new(number: u64) -> Result<Self, NameError> {
        match u16::try_from(number) {
            Ok(number @ 1..=limits::PART_NUMBER_MAX) => Ok(Self(number)),
            _ => Err(NameError::PartNumber),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for PartNumber {
    type Error = NameError;
    fn try_from(number: u16) -> Result<Self, NameError> {
        Self::new(number.into())
    }
}

impl From<PartNumber> for u16 {
    fn from(number: PartNumber) -> u16 {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        for good in ["abc", "a-b.c", "0ab", "1.2.3", "a".repeat(63).as_str()] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "ab",
            "Abc",
            "-ab",
            "ab-",
            ".ab",
            "a..b",
            "a_b",
            "192.168.0.1",
            "xn--abc",
            "a/b",
            "é-bucket",
        ];
        for bad in bad.into_iter().chain(["a".repeat(64).as_str()]) {
            assert_eq!(BucketName::parse(bad), Err(NameError::Bucket), "{bad}");
        }
    }

    #[test]
    fn names_that_were_reserved_later_stay_and_are_not_given_anew() {
        for name in ["sthree-a", "amzn-s3-demo-bucket", "a.mrap", "a--x-s3", "a--table-s3"] {
            assert!(BucketName::parse(name).is_ok(), "{name}");
            assert_eq!(BucketName::parse_new(name), Err(NameError::Bucket), "{name}");
        }
        assert!(BucketName::parse_new("three-mrap").is_ok());
        assert_eq!(BucketName::parse_new("xn--a"), Err(NameError::Bucket));
    }

    #[test]
    fn keys_are_opaque_but_bounded() {
        for good in ["a", "../..", "//", "\u{1}\u{0}", "é", "k".repeat(1024).as_str()] {
            assert_eq!(ObjectKey::parse(good).expect("valid").as_str(), good);
        }
        assert_eq!(ObjectKey::parse(""), Err(NameError::KeyEmpty));
        assert_eq!(ObjectKey::parse(&"k".repeat(1025)), Err(NameError::KeyTooLong));
    }

    #[test]
    fn part_numbers_are_bounded() {
        assert_eq!(PartNumber::new(1).map(PartNumber::get), Ok(1));
        assert_eq!(PartNumber::new(10_000).map(PartNumber::get), Ok(10_000));
        for bad in [0, 10_001, 65_537, u64::MAX] {
            assert_eq!(PartNumber::new(bad), Err(NameError::PartNumber));
        }
    }
}
