//! I5: a read returns bytes that somebody wrote as this very value.

use super::Failure;
use crate::content::Content;
use model::ByteRange;

const PROPERTY: &str = "I5 content";

/// Judges the bytes of a range.
pub fn check(what: &str, content: &Content, range: ByteRange, bytes: &[u8]) -> Result<(), Failure> {
    let whole = content.bytes();
    let expected = &whole[range.start as usize..range.end as usize];
    if expected == bytes {
        return Ok(());
    }
    let differs = expected.iter().zip(bytes).position(|(a, b)| a != b);
    Err(Failure::new(
        PROPERTY,
        format!(
            "{what}: {} of {} bytes came, first difference at {differs:?} of {range:?}",
            bytes.len(),
            expected.len()
        ),
    ))
}

/// Judges the size that an object shows.
pub fn check_size(what: &str, content: &Content, size: u64) -> Result<(), Failure> {
    if content.size() == size {
        return Ok(());
    }
    Err(Failure::new(PROPERTY, format!("{what} shows {size} bytes instead of {}", content.size())))
}
