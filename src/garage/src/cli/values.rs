//! Values on the command line that are more than a word: sizes, times, limits.

use crate::config::{duration_ms, size_bytes};
use api::admin::wire::ZoneRedundancy;

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this.
    AtMost(u64),
    /// As much as one likes.
    Unlimited,
}

impl Limit {
    /// As the admin API has it.
    pub const fn as_option(self) -> Option<u64> {
        match self {
            Self::AtMost(limit) => Some(limit),
            Self::Unlimited => None,
        }
    }
}

/// `500G`, `10 MiB`.
pub fn size(text: &str) -> Result<u64, String> {
    size_bytes(text).ok_or_else(|| "write a size such as 500G, 1.5TB or 10GiB".to_owned())
}

/// A size, or `none`.
pub fn size_limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        Ok(Limit::Unlimited)
    } else {
        size(text).map(Limit::AtMost).map_err(|why| format!("{why}, or none"))
    }
}

/// A number, or `none`.
pub fn count_limit(text: &str) -> Result<Limit, String> {
    let number = || text.parse().map_err(|_| "write a number, or none".to_owned());
    if text == "none" { Ok(Limit::Unlimited) } else { number().map(Limit::AtMost) }
}

/// A name to recognize something by.
pub fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("a name is not empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// The whole hash of a block.
pub fn block_hash(text: &str) -> Result<String, String> {
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_owned()),
        false => {
            Err("write a whole hash, 64 hexadecimal digits as `garage block list-errors` shows them"
                .to_owned())
        }
    }
}

/// `30d`, `6h`, `1d 12h`; in milliseconds.
pub fn duration(text: &str) -> Result<u64, String> {
    duration_ms(text).ok_or_else(|| "write a duration such as 30d, 6h or 90min".to_owned())
}

/// `maximum`, or in how many zones at least.
pub fn zone_redundancy(text: &str) -> Result<ZoneRedundancy, String> {
    match text {
        "max" | "maximum" | "none" => Ok(ZoneRedundancy::Maximum),
        number => number
            .parse()
            .map(ZoneRedundancy::AtLeast)
            .map_err(|_| "write a number of zones, or maximum".to_owned()),
    }
}
