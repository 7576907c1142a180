//! The texts inside values: sizes, durations, addresses.
//!
//! Units: sizes in bytes (`K`, `KB` = 1,000; `Ki`, `KiB` = 1,024), durations in milliseconds.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bind {
    /// An address and port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Bind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(path) => path.display().fmt(out),
        }
    }
}

/// `[::]:3900`, `127.0.0.1:3900`, `localhost:3900` or `/run/garage.sock`.
pub fn bind(text: &str) -> Option<Bind> {
    if text.starts_with('/') && text.len() > 1 {
        return Some(Bind::Unix(PathBuf::from(text)));
    }
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().ok().map(Bind::Tcp)
}

/// `500G`, `10 MiB`, `1.5TB`, `4096`.
pub fn size_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text.trim())?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "p" | "pb" => 1_000_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        "pi" | "pib" => 1 << 50,
        _ => return None,
    };
    scaled(number, factor)
}

/// `6h`, `10 min`, `1d 12h`, `600s`.
pub fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = None;
    while !rest.is_empty() {
        let number_end = rest.find(|character: char| !is_number(character))?;
        let unit_start = rest[number_end..].trim_start();
        let unit_end =
            unit_start.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(unit_start.len());
        let factor: u64 = match &unit_start[..unit_end] {
            "ms" | "msec" => 1,
            "s" | "sec" | "second" | "seconds" => 1_000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "w" | "week" | "weeks" => 604_800_000,
            _ => return None,
        };
        let part = scaled(&rest[..number_end], factor)?;
        total = Some(total.unwrap_or(0_u64).checked_add(part)?);
        rest = unit_start[unit_end..].trim_start();
    }
    total
}

/// `true`, `1`, `yes`, `on` and their opposites, without regard to case.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" | "" => Some(false),
        _ => None,
    }
}

fn is_number(character: char) -> bool {
    character.is_ascii_digit() || character == '.'
}

fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|character: char| !is_number(character)).unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], text[end..].trim_start()))
}

/// A decimal number times a unit, in whole numbers, rounded down; up to nine decimals.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > 9 {
        return None;
    }
    if number.contains('.') && decimals.is_empty() {
        return None;
    }
    let shift = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    let decimals: u128 = if decimals.is_empty() { 0 } else { decimals.parse().ok()? };
    let units = u128::from(whole.parse::<u64>().ok()?) * shift + decimals;
    let scaled = units.checked_mul(u128::from(factor))?;
    u64::try_from(scaled / shift).ok()
}
