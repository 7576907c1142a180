//! The conditions of a statement: operators, keys, and what a request has under a key.
//!
//! Always holds: operators, keys and values are read when the policy is set, so that evaluating cannot fail.
//! A key that the request has nothing under fulfils no operator but the negated ones, `…IfExists`, `Null` and
//! `ForAllValues`, as AWS has it.

use super::pattern::fits;
use super::{Asked, Facts};
use crate::s3::error::{S3Code, S3Error};
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};

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
    Equal(Vec<String>),
    EqualAnyCase(Vec<String>),
    Like(Vec<String>),
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

/// What a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    SourceIp,
    CurrentTime,
    EpochTime,
    UserName,
    PrincipalType,
    AuthType,
    SignatureVersion,
    Header(String),
    Parameter(&'static str),
    ExistingTag(String),
    RequestTag(String),
    RequestTagKeys,
    RemainingRetentionDays,
}

const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const DAY_S: f64 = 86_400.0;

/// Keys that stand for a header of the request: AWS's name, the header's.
const HEADERS: [(&str, &str); 20] = [
    ("s3:object-lock-mode", "x-amz-object-lock-mode"),
    ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold"),
    ("s3:object-lock-retain-until-date", UNTIL),
    ("aws:referer", "referer"),
    ("aws:useragent", "user-agent"),
    ("s3:if-match", "if-match"),
    ("s3:if-none-match", "if-none-match"),
    ("s3:x-amz-acl", "x-amz-acl"),
    ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
    ("s3:x-amz-copy-source", "x-amz-copy-source"),
    ("s3:x-amz-grant-full-control", "x-amz-grant-full-control"),
    ("s3:x-amz-grant-read", "x-amz-grant-read"),
    ("s3:x-amz-grant-read-acp", "x-amz-grant-read-acp"),
    ("s3:x-amz-grant-write", "x-amz-grant-write"),
    ("s3:x-amz-grant-write-acp", "x-amz-grant-write-acp"),
    ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
    ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
    ("s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id"),
    ("s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm"),
    ("s3:x-amz-storage-class", "x-amz-storage-class"),
];
/// Keys that stand for a parameter of the query.
const PARAMETERS: [(&str, &str); 4] = [
    ("s3:prefix", "prefix"),
    ("s3:delimiter", "delimiter"),
    ("s3:max-keys", "max-keys"),
    ("s3:versionid", "versionId"),
];

fn malformed(message: String) -> S3Error {
    S3Error::with_message(S3Code::MalformedPolicy, message)
}

fn not_there(message: String) -> S3Error {
    S3Error::with_message(S3Code::NotImplemented, message)
}

/// Reads the member `Condition` of a statement.
pub fn parse(value: &Value) -> Result<Vec<Condition>, S3Error> {
    let operators = value.as_object().ok_or_else(|| malformed("Condition must be an object".into()))?;
    let mut all = Vec::new();
    for (operator, keys) in operators {
        let keys =
            keys.as_object().ok_or_else(|| malformed(format!("Condition {operator} must be an object")))?;
        for (key, values) in keys {
            all.push(parse_one(operator, key, &texts_of(values)?)?);
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
    match texts.iter().find(|text| text.contains("${")) {
        _ if texts.is_empty() => Err(malformed("A condition needs a value".into())),
        Some(text) => Err(not_there(format!("Policy variables are not supported: {text}"))),
        None => Ok(texts),
    }
}

fn parse_one(operator: &str, key: &str, values: &[String]) -> Result<Condition, S3Error> {
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
    let texts = || values.to_vec();
    let (test, is_negated) = match name {
        "StringEquals" => (Test::Equal(texts()), false),
        "StringNotEquals" => (Test::Equal(texts()), true),
        "StringEqualsIgnoreCase" => (Test::EqualAnyCase(texts()), false),
        "StringNotEqualsIgnoreCase" => (Test::EqualAnyCase(texts()), true),
        "StringLike" => (Test::Like(texts()), false),
        "StringNotLike" => (Test::Like(texts()), true),
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
        "BinaryEquals" | "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => {
            return Err(not_there(format!("The condition operator {operator} is not supported")));
        }
        _ => return Err(malformed(format!("Invalid Condition type : {operator}"))),
    };
    let key = parse_key(key)?;
    if set == Set::One && key == Key::RequestTagKeys && !matches!(test, Test::Null(_)) {
        return Err(malformed("s3:RequestObjectTagKeys needs ForAllValues or ForAnyValue".into()));
    }
    Ok(Condition { key, test, is_negated, if_exists, set })
}

fn parse_key(key: &str) -> Result<Key, S3Error> {
    let lower = key.to_ascii_lowercase();
    let find = |list: &[(&'static str, &'static str)]| {
        list.iter().find(|(name, _)| *name == lower).map(|(_, stands_for)| *stands_for)
    };
    if let Some(header) = find(&HEADERS) {
        return Ok(Key::Header(header.to_owned()));
    }
    if let Some(parameter) = find(&PARAMETERS) {
        return Ok(Key::Parameter(parameter));
    }
    // The tag's own name keeps its case.
    if let Some((_, tag)) = key.split_once('/') {
        match lower.split_once('/').map(|(family, _)| family) {
            Some("s3:existingobjecttag") => return Ok(Key::ExistingTag(tag.to_owned())),
            Some("s3:requestobjecttag") => return Ok(Key::RequestTag(tag.to_owned())),
            _ => {}
        }
    }
    match lower.as_str() {
        "aws:sourceip" => Ok(Key::SourceIp),
        "aws:currenttime" => Ok(Key::CurrentTime),
        "aws:epochtime" => Ok(Key::EpochTime),
        "aws:username" | "aws:userid" => Ok(Key::UserName),
        "aws:principaltype" => Ok(Key::PrincipalType),
        "s3:authtype" => Ok(Key::AuthType),
        "s3:signatureversion" => Ok(Key::SignatureVersion),
        "s3:requestobjecttagkeys" => Ok(Key::RequestTagKeys),
        "s3:object-lock-remaining-retention-days" => Ok(Key::RemainingRetentionDays),
        "aws:securetransport" | "s3:tlsversion" => Err(not_there(format!(
            "The condition key {key} is not supported: the server speaks plain HTTP and does not know of TLS in front of it"
        ))),
        other if other.starts_with("aws:") || other.starts_with("s3:") => {
            Err(not_there(format!("The condition key {key} is not supported")))
        }
        _ => Err(malformed(format!("Policy has an invalid condition key: {key}"))),
    }
}

impl Condition {
    /// Whether the request fulfils it.
    pub fn holds(&self, asked: &Asked<'_>) -> bool {
        let values = self.key.values(asked);
        if let Test::Null(absent) = self.test {
            return values.is_empty() == absent;
        }
        if values.is_empty() {
            return self.if_exists || self.is_negated || self.set == Set::All;
        }
        let passes = |value: &String| self.test.passes(value) != self.is_negated;
        match self.set {
            Set::One | Set::Any => values.iter().any(passes),
            Set::All => values.iter().all(passes),
        }
    }

    /// Whether evaluating it needs the tags of the object.
    pub fn needs_existing_tags(&self) -> bool {
        matches!(self.key, Key::ExistingTag(_))
    }

    /// Whether it holds only for callers, or places, that are named: what keeps a policy from being public.
    pub fn narrows(&self) -> bool {
        if self.is_negated || self.if_exists || self.set != Set::One {
            return false;
        }
        match (&self.key, &self.test) {
            (Key::SourceIp, Test::Network(networks)) => networks.iter().all(|network| network.prefix > 0),
            (Key::UserName, Test::Equal(_)) => true,
            _ => false,
        }
    }
}

impl Test {
    fn passes(&self, value: &str) -> bool {
        match self {
            Self::Equal(wanted) => wanted.iter().any(|wanted| wanted == value),
            Self::EqualAnyCase(wanted) => {
                let value = value.to_lowercase();
                wanted.iter().any(|wanted| wanted.to_lowercase() == value)
            }
            Self::Like(wanted) => wanted.iter().any(|wanted| fits(wanted, value)),
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

impl Key {
    fn values(&self, asked: &Asked<'_>) -> Vec<String> {
        let facts: &Facts = asked.facts;
        let tag = |tags: &[(String, String)], wanted: &str| {
            tags.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone())
        };
        let one = match self {
            Self::SourceIp => facts.source.map(|address| address.to_string()),
            Self::CurrentTime | Self::EpochTime => Some(facts.now_unix_s.to_string()),
            Self::UserName => asked.access_key.map(str::to_owned),
            Self::PrincipalType => {
                Some(if asked.access_key.is_some() { "User" } else { "Anonymous" }.to_owned())
            }
            Self::AuthType => facts.signed.map(|(place, _)| place.to_owned()),
            Self::SignatureVersion => facts.signed.map(|(_, version)| version.to_owned()),
            Self::Header(name) => facts.header(name).map(str::to_owned),
            Self::Parameter(name) => facts.parameter(name).map(str::to_owned),
            Self::ExistingTag(name) => tag(&facts.existing_tags, name),
            Self::RequestTag(name) => tag(&facts.request_tags, name),
            Self::RemainingRetentionDays => {
                let seconds =
                    facts.header(UNTIL).and_then(read_date).map(|until| until - facts.now_unix_s as f64);
                seconds.map(|seconds| format!("{:.0}", (seconds / DAY_S).ceil()))
            }
            Self::RequestTagKeys => return facts.request_tags.iter().map(|(key, _)| key.clone()).collect(),
        };
        one.into_iter().collect()
    }
}

fn read_number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// A time of ISO 8601, or seconds since 1970.
fn read_date(text: &str) -> Option<f64> {
    if let Some(seconds) = read_number(text) {
        return Some(seconds);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond() as f64 / 1000.0);
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let time = jiff::tz::Offset::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(time.as_second() as f64)
}

fn read_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A network, all addresses as version 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    base: u128,
    prefix: u32,
}

/// Bits in front of an address of version 4 that is written as one of version 6.
const MAPPED_BITS: u32 = 96;

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(text) if crate::decimal::is_decimal(text) => {
                text.parse().ok().filter(|length| *length <= most)?
            }
            Some(_) => return None,
            None => most,
        };
        // All of version 4 is not all there is, but nobody is kept out by it either.
        let prefix = if address.is_ipv4() && length > 0 { MAPPED_BITS + length } else { length };
        Some(Self { base: bits(address) & mask(prefix), prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        bits(address) & mask(self.prefix) == self.base
    }
}

fn mask(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

fn bits(address: IpAddr) -> u128 {
    let address: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    address.to_bits()
}
