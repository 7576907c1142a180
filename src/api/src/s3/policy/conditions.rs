//! The conditions of a statement: operators on keys.
//!
//! Always holds: operators, keys and values are read when the policy is set, so that evaluating cannot fail.
//! A key that the request has nothing under fulfils no operator but `…IfExists`, `Null`, `ForAllValues`, and the
//! negated ones that are not `ForAnyValue`, as AWS has it. A text with a variable that stands for nothing equals
//! nothing, and is like nothing: negated operators hold against it.

use super::Asked;
use super::keys::Key;
use super::template::Template;
use crate::network::Network;
use crate::s3::error::{S3Code, S3Error};
use serde_json::Value;

/// One operator on one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    key: Key,
    test: Test,
    is_negated: bool,
    if_exists: bool,
    set: Set,
}

/// How several values of a request count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// There is one.
    One,
    All,
    Any,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equal(Vec<Template>),
    EqualAnyCase(Vec<Template>),
    Like(Vec<Template>),
    /// Part by part between the colons.
    Arn(Vec<Template>),
    Number(Compare, Vec<f64>),
    /// In seconds.
    Date(Compare, Vec<f64>),
    Bool(Vec<bool>),
    Network(Vec<Network>),
    /// Whether the key is absent.
    Null(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

fn malformed(message: String) -> S3Error {
    S3Error::with_message(S3Code::MalformedPolicy, message)
}

fn not_there(message: String) -> S3Error {
    S3Error::with_message(S3Code::NotImplemented, message)
}

/// Reads the member `Condition` of a statement; `has_variables` says whether `${…}` stands for something in it.
pub fn parse(value: &Value, has_variables: bool) -> Result<Vec<Condition>, S3Error> {
    let operators = value.as_object().ok_or_else(|| malformed("Condition must be an object".into()))?;
    let mut all = Vec::new();
    for (operator, keys) in operators {
        let keys =
            keys.as_object().ok_or_else(|| malformed(format!("Condition {operator} must be an object")))?;
        for (key, values) in keys {
            all.push(parse_one((operator, key), &texts_of(values)?, has_variables)?);
        }
    }
    Ok(all)
}

/// One value or several, as text: numbers and booleans may stand without quotes.
fn texts_of(value: &Value) -> Result<Vec<String>, S3Error> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(malformed("The values of a condition must be strings".into())),
    };
    let texts: Vec<String> = match value {
        Value::Array(values) => values.iter().map(one).collect::<Result<_, _>>()?,
        value => vec![one(value)?],
    };
    match texts.is_empty() {
        true => Err(malformed("A condition needs a value".into())),
        false => Ok(texts),
    }
}

fn parse_one(
    (operator, key): (&str, &str),
    values: &[String],
    has_variables: bool,
) -> Result<Condition, S3Error> {
    let (set, name) = match operator.split_once(':') {
        None => (Set::One, operator),
        Some(("ForAllValues", name)) => (Set::All, name),
        Some(("ForAnyValue", name)) => (Set::Any, name),
        Some(_) => return Err(malformed(format!("Invalid Condition type : {operator}"))),
    };
    let (name, if_exists) = match name.strip_suffix("IfExists") {
        Some(name) if name != "Null" => (name, true),
        _ => (name, false),
    };
    let bad = |what: &str| {
        malformed(format!("Invalid value in the condition {operator} on {key}: it must be {what}"))
    };
    let numbers = |read: fn(&str) -> Option<f64>, what: &str| {
        values.iter().map(|text| read(text).ok_or_else(|| bad(what))).collect::<Result<Vec<f64>, _>>()
    };
    let number = |compare| numbers(read_number, "a number").map(|wanted| Test::Number(compare, wanted));
    let date = |compare| numbers(read_date, "a date").map(|wanted| Test::Date(compare, wanted));
    let flags = || values.iter().map(|text| read_bool(text).ok_or_else(|| bad("true or false")));
    let networks =
        || values.iter().map(|text| Network::parse(text).ok_or_else(|| bad("an address or a network")));
    let texts = || {
        let templates = values.iter().map(|text| Template::parse(text, has_variables));
        templates.collect::<Result<Vec<_>, _>>()
    };
    let (test, is_negated) = match name {
        "StringEquals" => (Test::Equal(texts()?), false),
        "StringNotEquals" => (Test::Equal(texts()?), true),
        "StringEqualsIgnoreCase" => (Test::EqualAnyCase(texts()?), false),
        "StringNotEqualsIgnoreCase" => (Test::EqualAnyCase(texts()?), true),
        "StringLike" => (Test::Like(texts()?), false),
        "StringNotLike" => (Test::Like(texts()?), true),
        "NumericEquals" => (number(Compare::Equal)?, false),
        "NumericNotEquals" => (number(Compare::Equal)?, true),
        "NumericLessThan" => (number(Compare::Less)?, false),
        "NumericLessThanEquals" => (number(Compare::LessOrEqual)?, false),
        "NumericGreaterThan" => (number(Compare::Greater)?, false),
        "NumericGreaterThanEquals" => (number(Compare::GreaterOrEqual)?, false),
        "DateEquals" => (date(Compare::Equal)?, false),
        "DateNotEquals" => (date(Compare::Equal)?, true),
        "DateLessThan" => (date(Compare::Less)?, false),
        "DateLessThanEquals" => (date(Compare::LessOrEqual)?, false),
        "DateGreaterThan" => (date(Compare::Greater)?, false),
        "DateGreaterThanEquals" => (date(Compare::GreaterOrEqual)?, false),
        "Bool" => (Test::Bool(flags().collect::<Result<_, _>>()?), false),
        "IpAddress" => (Test::Network(networks().collect::<Result<_, _>>()?), false),
        "NotIpAddress" => (Test::Network(networks().collect::<Result<_, _>>()?), true),
        "Null" => match flags().collect::<Result<Vec<bool>, _>>()?.as_slice() {
            [absent] => (Test::Null(*absent), false),
            _ => return Err(bad("one of true and false")),
        },
        "ArnEquals" | "ArnLike" => (Test::Arn(texts()?), false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn(texts()?), true),
        "BinaryEquals" => {
            return Err(not_there(format!("The condition operator {operator} is not supported")));
        }
        _ => return Err(malformed(format!("Invalid Condition type : {operator}"))),
    };
    let key = Key::parse(key)?;
    if set == Set::One && key == Key::RequestTagKeys && !matches!(test, Test::Null(_)) {
        return Err(malformed("s3:RequestObjectTagKeys needs ForAllValues or ForAnyValue".into()));
    }
    Ok(Condition { key, test, is_negated, if_exists, set })
}

impl Condition {
    /// Whether the request fulfils it.
    pub fn holds(&self, asked: &Asked<'_>) -> bool {
        let values = self.key.values(asked);
        if let Test::Null(absent) = self.test {
            return values.is_empty() == absent;
        }
        if values.is_empty() {
            return self.if_exists || self.set == Set::All || (self.is_negated && self.set == Set::One);
        }
        let passes = |value: &String| self.test.passes(value, asked) != self.is_negated;
        match self.set {
            Set::One | Set::Any => values.iter().any(passes),
            Set::All => values.iter().all(passes),
        }
    }

    /// What it asks for, its variables too.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.test.texts().iter().flat_map(Template::keys).chain([&self.key])
    }

    /// Whether it holds only for callers, or places, that are named: what keeps a policy from being public.
    pub fn narrows(&self) -> bool {
        if self.is_negated || self.if_exists || self.set != Set::One {
            return false;
        }
        // Every caller has the name of the caller: only what is fixed names somebody.
        let is_fixed = !self.test.texts().iter().any(Template::has_variables);
        match (&self.key, &self.test) {
            (Key::SourceIp, Test::Network(networks)) => networks.iter().all(Network::is_narrow),
            (Key::UserName, Test::Equal(_)) => is_fixed,
            // It holds for nobody.
            (Key::Absent, test) => is_fixed && !matches!(test, Test::Null(_)),
            _ => false,
        }
    }
}

impl Test {
    /// The texts that it compares with: only these have variables.
    fn texts(&self) -> &[Template] {
        match self {
            Self::Equal(texts) | Self::EqualAnyCase(texts) | Self::Like(texts) | Self::Arn(texts) => texts,
            Self::Number(..) | Self::Date(..) | Self::Bool(_) | Self::Network(_) | Self::Null(_) => &[],
        }
    }

    fn passes(&self, value: &str, asked: &Asked<'_>) -> bool {
        let texts = |wanted: &[Template], equal: &dyn Fn(String) -> bool| {
            wanted.iter().filter_map(|wanted| wanted.text(asked)).any(equal)
        };
        match self {
            Self::Equal(wanted) => texts(wanted, &|wanted| wanted == value),
            Self::EqualAnyCase(wanted) => {
                let value = value.to_lowercase();
                texts(wanted, &|wanted| wanted.to_lowercase() == value)
            }
            Self::Like(wanted) => wanted.iter().any(|wanted| wanted.fits(asked, value)),
            Self::Arn(wanted) => wanted.iter().any(|wanted| wanted.fits_arn(asked, value)),
            Self::Number(compare, wanted) => compare.any(read_number(value), wanted),
            Self::Date(compare, wanted) => compare.any(read_date(value), wanted),
            Self::Bool(wanted) => read_bool(value).is_some_and(|found| wanted.contains(&found)),
            Self::Network(wanted) => {
                let found = value.parse().ok();
                found.is_some_and(|found| wanted.iter().any(|network| network.contains(found)))
            }
            Self::Null(_) => false,
        }
    }
}

impl Compare {
    fn any(self, found: Option<f64>, wanted: &[f64]) -> bool {
        found.is_some_and(|found| wanted.iter().any(|wanted| self.holds(found, *wanted)))
    }

    fn holds(self, found: f64, wanted: f64) -> bool {
        match self {
            Self::Equal => found == wanted,
            Self::Less => found < wanted,
            Self::LessOrEqual => found <= wanted,
            Self::Greater => found > wanted,
            Self::GreaterOrEqual => found >= wanted,
        }
    }
}

fn read_number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// Digits from which on a number is seconds since 1970; with fewer it is a year, or nothing.
const EPOCH_DIGITS_MIN: usize = 5;

/// A time of ISO 8601, from its year alone to its fraction of a second, or seconds since 1970. Without an offset it
/// is UTC.
pub(super) fn read_date(text: &str) -> Option<f64> {
    if let Some(seconds) = read_number(text) {
        let digits = text.trim_start_matches(['+', '-']).bytes().take_while(u8::is_ascii_digit).count();
        return match digits {
            EPOCH_DIGITS_MIN.. => Some(seconds),
            _ if text.len() == 4 && crate::decimal::is_decimal(text) => read_moment(&format!("{text}-01-01")),
            _ => None,
        };
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond() as f64 / 1000.0);
    }
    let is_month = text.len() == "2026-11".len() && text.bytes().filter(|byte| *byte == b'-').count() == 1;
    if is_month { read_moment(&format!("{text}-01")) } else { read_moment(text) }
}

/// A day, or a day and a time of it, of UTC.
fn read_moment(text: &str) -> Option<f64> {
    let time: jiff::civil::DateTime = text.parse().ok()?;
    Some(jiff::tz::Offset::UTC.to_timestamp(time).ok()?.as_second() as f64)
}

fn read_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_years_to_seconds_and_only_long_numbers_are_of_the_epoch() {
        let cases = [
            ("2099", Some(4_070_908_800.0)),
            ("2099-01", Some(4_070_908_800.0)),
            ("2099-01-01", Some(4_070_908_800.0)),
            ("2099-01-01T00:00Z", Some(4_070_908_800.0)),
            ("2099-01-01T00:00:00Z", Some(4_070_908_800.0)),
            ("2099-01-01T01:00:00+01:00", Some(4_070_908_800.0)),
            ("2099-01-01T00:00:01.5Z", Some(4_070_908_801.5)),
            ("2099-01-01T00:00:01", Some(4_070_908_801.0)),
            ("1800000000", Some(1_800_000_000.0)),
            ("10000", Some(10_000.0)),
            ("1800000000.5", Some(1_800_000_000.5)),
            ("999", None),
            ("+2099", None),
            ("2099.5", None),
            ("20-09-9", None),
            ("2099-13", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(read_date(text), wanted, "{text}");
        }
    }
}
