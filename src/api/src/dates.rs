//! Dates as S3 clients read and write them: ISO 8601 inside XML, HTTP dates inside headers.
//!
//! Why: conditions arrive in three spellings that HTTP still allows, and a listing writes a thousand
//! timestamps, so the digits are put straight into the output. Always holds: no clock is read here, bad
//! input is `None`, and a time outside the calendar's range is cut to the range instead of panicking.
//!
//! Units: `*_ms` are milliseconds and `*_s` are seconds since 1970-01-01 UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Longest text worth reading as a date: the longest legal one is RFC 850's
/// `Wednesday, 01-Jan-70 00:00:00 GMT`, 33 bytes; the rest is room for stray blanks.
const DATE_TEXT_MAX_BYTES: usize = 64;

/// Appends `2026-11-22T23:00:00.000Z`.
pub fn push_iso8601_ms(out: &mut Vec<u8>, unix_ms: u64) {
    let at = civil_ms(unix_ms);
    push_digits(out, at.year().unsigned_abs().into(), 4);
    out.push(b'-');
    push_digits(out, at.month().unsigned_abs().into(), 2);
    out.push(b'-');
    push_digits(out, at.day().unsigned_abs().into(), 2);
    out.push(b'T');
    push_clock(out, at);
    out.push(b'.');
    push_digits(out, unix_ms_fraction(at), 3);
    out.push(b'Z');
}

/// `2026-11-22T23:00:00.000Z`.
pub fn iso8601_ms(unix_ms: u64) -> String {
    let mut out = Vec::with_capacity(24);
    push_iso8601_ms(&mut out, unix_ms);
    ascii(out)
}

/// Reads `2026-11-22T23:00:00Z` and other forms of ISO 8601 that name a moment; none before 1970.
pub fn parse_iso8601_ms(text: &str) -> Option<u64> {
    if text.len() > DATE_TEXT_MAX_BYTES {
        return None;
    }
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// The one form that HTTP allows for sending: `Sun, 22 Nov 2026 23:00:00 GMT`, fractions cut off.
pub fn http_date(unix_ms: u64) -> String {
    let at = civil_ms(unix_ms);
    let mut out = Vec::with_capacity(29);
    out.extend_from_slice(
        WEEKDAYS[usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())].as_bytes(),
    );
    out.extend_from_slice(b", ");
    push_digits(&mut out, at.day().unsigned_abs().into(), 2);
    out.push(b' ');
    out.extend_from_slice(MONTHS[usize::from(at.month().unsigned_abs()) - 1].as_bytes());
    out.push(b' ');
    push_digits(&mut out, at.year().unsigned_abs().into(), 4);
    out.push(b' ');
    push_clock(&mut out, at);
    out.extend_from_slice(b" GMT");
    ascii(out)
}

/// Reads any of the three HTTP forms (RFC 9110 §5.6.7) into seconds:
/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
/// A wrong weekday is forgiven; a two-digit year means 1970 to 2069.
pub fn parse_http_date(text: &str) -> Option<i64> {
    if text.len() > DATE_TEXT_MAX_BYTES || !text.is_ascii() {
        return None;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (year, month, day, clock) = match words.as_slice() {
        [weekday, day, month, year, clock, zone] if is_utc(zone) => {
            weekday_of(weekday.strip_suffix(',')?)?;
            (number(year, 4)?, month_of(month)?, number(day, 2)?, *clock)
        }
        [weekday, date, clock, zone] if is_utc(zone) => {
            weekday_of(weekday.strip_suffix(',')?)?;
            let mut fields = date.split('-');
            let day = number(fields.next()?, 2)?;
            let month = month_of(fields.next()?)?;
            let year = full_year(fields.next()?)?;
            if fields.next().is_some() {
                return None;
            }
            (year, month, day, *clock)
        }
        [weekday, month, day, clock, year] => {
            weekday_of(weekday)?;
            (number(year, 4)?, month_of(month)?, number(day, 2)?, *clock)
        }
        _ => return None,
    };
    let (hour, minute, second) = clock_of(clock)?;
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        month,
        i8::try_from(day).ok()?,
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        // A leap second is the last second of its minute here, as in Unix time.
        i8::try_from(second.min(59)).ok()?,
        0,
    )
    .ok()?;
    Offset::UTC.to_timestamp(civil).ok().map(Timestamp::as_second)
}

fn civil_ms(unix_ms: u64) -> DateTime {
    let at = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = at.unwrap_or(Timestamp::MAX);
    Offset::UTC.to_datetime(at)
}

fn unix_ms_fraction(at: DateTime) -> u32 {
    at.millisecond().unsigned_abs().into()
}

fn push_clock(out: &mut Vec<u8>, at: DateTime) {
    push_digits(out, at.hour().unsigned_abs().into(), 2);
    out.push(b':');
    push_digits(out, at.minute().unsigned_abs().into(), 2);
    out.push(b':');
    push_digits(out, at.second().unsigned_abs().into(), 2);
}

/// Appends the last `width` decimal digits of `value`, with leading zeros.
fn push_digits(out: &mut Vec<u8>, value: u32, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_u32.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

fn ascii(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("only ASCII digits and names were written")
}

fn is_utc(zone: &str) -> bool {
    zone.eq_ignore_ascii_case("GMT") || zone.eq_ignore_ascii_case("UTC") || zone == "+0000"
}

/// Accepts the short and the long name (`Sun`, `Sunday`).
fn weekday_of(name: &str) -> Option<()> {
    const LONG: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    WEEKDAYS.iter().chain(&LONG).any(|known| name.eq_ignore_ascii_case(known)).then_some(())
}

fn month_of(name: &str) -> Option<i8> {
    let index = MONTHS.iter().position(|known| name.eq_ignore_ascii_case(known))?;
    i8::try_from(index + 1).ok()
}

/// A decimal number of one to `width_max` digits, nothing else.
fn number(text: &str, width_max: usize) -> Option<u16> {
    let fits = !text.is_empty() && text.len() <= width_max;
    (fits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn full_year(text: &str) -> Option<u16> {
    let year = number(text, 4)?;
    match text.len() {
        2 if year >= 70 => Some(1900 + year),
        2 => Some(2000 + year),
        4 => Some(year),
        _ => None,
    }
}

fn clock_of(text: &str) -> Option<(u16, u16, u16)> {
    let mut fields = text.split(':');
    let clock = (number(fields.next()?, 2)?, number(fields.next()?, 2)?, number(fields.next()?, 2)?);
    (fields.next().is_none() && clock.2 <= 60).then_some(clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T23:00:00.123Z, checked with `date -u -d @1795388400`.
    const AT_MS: u64 = 1_795_388_400_123;

    #[test]
    fn writes_iso_and_http() {
        assert_eq!(iso8601_ms(AT_MS), "2026-11-22T23:00:00.123Z");
        assert_eq!(iso8601_ms(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(http_date(AT_MS), "Sun, 22 Nov 2026 23:00:00 GMT");
        assert_eq!(http_date(951_782_400_000), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn moments_of_iso_8601_are_read() {
        for (text, ms) in [
            ("2026-11-22T23:00:00.123Z", AT_MS),
            ("2026-11-22T23:00:00Z", AT_MS - 123),
            ("2026-11-23T00:00:00.1234567+01:00", AT_MS),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(parse_iso8601_ms(text), Some(ms), "{text}");
        }
        let long = format!("2026-11-22T23:00:00.{}Z", "0".repeat(90));
        for text in ["", "2026-11-22", "2026-11-22T23:00:00", "1969-12-31T23:59:59Z", "tomorrow", &long] {
            assert_eq!(parse_iso8601_ms(text), None, "{text}");
        }
    }

    #[test]
    fn times_out_of_range_are_cut_to_the_calendar() {
        assert!(iso8601_ms(u64::MAX).starts_with("9999-12-30T"));
        assert!(http_date(u64::MAX).ends_with(" GMT"));
    }

    #[test]
    fn reads_the_three_forms() {
        let cases = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Sun, 22 Nov 2026 23:00:00 GMT", 1_795_388_400),
            ("Sun, 22 Nov 2026 23:00:00 UTC", 1_795_388_400),
            ("sun, 22 nov 2026 23:00:00 gmt", 1_795_388_400),
            ("  Mon, 22 Nov 2026 23:00:00 +0000 ", 1_795_388_400),
            ("Sunday, 22-Nov-26 23:00:00 GMT", 1_795_388_400),
            ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
            ("Tuesday, 31-Dec-69 23:59:59 GMT", 3_155_759_999),
            ("Sun, 22-Nov-2026 23:00:00 GMT", 1_795_388_400),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ];
        for (text, unix_s) in cases {
            assert_eq!(parse_http_date(text), Some(unix_s), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_date() {
        let long = "Sun, 06 Nov 1994 08:49:37 GMT".replace(' ', &" ".repeat(40));
        for text in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Feb 2026 00:00:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 19940 08:49:37 GMT",
            "Sun, 06-Nov-1994-1 08:49:37 GMT",
            "Sun, 06-Nov-994 08:49:37 GMT",
            "Day, 06 Nov 1994 08:49:37 GMT",
            "Sün, 06 Nov 1994 08:49:37 GMT",
            "2026-11-22T23:00:00Z",
            long.as_str(),
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for day in 0..40_000_u64 {
            let unix_s = day * 86_400 + day % 86_400;
            assert_eq!(parse_http_date(&http_date(unix_s * 1000)), i64::try_from(unix_s).ok());
        }
    }
}
