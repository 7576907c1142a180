//! The time and the credential scope of a signed request.
//!
//! Always holds: a `Timestamp`'s text and its seconds name the same instant, and the text has the form
//! `YYYYMMDDTHHMMSSZ`; a `Scope`'s date is eight digits.
//!
//! Units: seconds since 1970-01-01 UTC.

use super::error::Malformed;

/// The last component of every credential scope.
pub(super) const TERMINATOR: &str = "aws4_request";
/// The service this endpoint belongs to.
pub(super) const SERVICE: &str = "s3";

/// When a request was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    text: String,
    unix_s: i64,
}

impl Timestamp {
    /// Reads `YYYYMMDDTHHMMSSZ`.
    pub fn parse_iso8601_basic(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| -> Option<i16> {
            let digits = &bytes[from..to];
            if !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            Some(digits.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
        };
        let small = |from: usize, to: usize| number(from, to).and_then(|value| i8::try_from(value).ok());
        let date = jiff::civil::Date::new(number(0, 4)?, small(4, 6)?, small(6, 8)?).ok()?;
        let time = jiff::civil::Time::new(small(9, 11)?, small(11, 13)?, small(13, 15)?, 0).ok()?;
        let instant = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?;
        Some(Self { text: text.to_owned(), unix_s: instant.as_second() })
    }

    /// Reads the value of a `Date` header: `Fri, 24 May 2013 00:00:00 GMT`, or the form above.
    pub fn parse_date_header(text: &str) -> Option<Self> {
        if let Some(timestamp) = Self::parse_iso8601_basic(text) {
            return Some(timestamp);
        }
        let instant = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Self::parse_iso8601_basic(&instant.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    /// `YYYYMMDDTHHMMSSZ`, the form that is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The instant in seconds.
    pub fn unix_s(&self) -> i64 {
        self.unix_s
    }

    /// `YYYYMMDD`.
    pub fn date(&self) -> &str {
        &self.text[..8]
    }
}

/// Day, region and service a signature is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    date: String,
    region: String,
}

impl Scope {
    /// Reads `key-id/YYYYMMDD/region/s3/aws4_request`. A key id may itself hold slashes.
    pub fn parse_credential(credential: &str) -> Result<(String, Self), Malformed> {
        let mut parts = credential.rsplitn(5, '/');
        let mut next = || parts.next().ok_or(Malformed::Credential);
        let (terminator, service, region, date, access_key_id) =
            (next()?, next()?, next()?, next()?, next()?);
        if terminator != TERMINATOR || access_key_id.is_empty() || region.is_empty() {
            return Err(Malformed::Credential);
        }
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Malformed::Credential);
        }
        if service != SERVICE {
            return Err(Malformed::Service);
        }
        Ok((access_key_id.to_owned(), Self { date: date.to_owned(), region: region.to_owned() }))
    }

    /// `YYYYMMDD`.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// The region named by the client; any is accepted unless the verifier demands one.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Always `s3`.
    pub fn service(&self) -> &'static str {
        SERVICE
    }

    /// `YYYYMMDD/region/s3/aws4_request`.
    pub fn text(&self) -> String {
        format!("{}/{}/{SERVICE}/{TERMINATOR}", self.date, self.region)
    }
}
