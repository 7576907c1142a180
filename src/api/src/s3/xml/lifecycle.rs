//! The lifecycle configuration of a bucket: what goes by itself, and when.
//!
//! Always holds: what was parsed has the shape of AWS's schema; whether its values make sense is `s3::lifecycle`'s to
//! say. What asks for another storage class is refused, since there is one.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;
use crate::dates;

/// Body of PutBucketLifecycleConfiguration: a thousand rules of 500 bytes.
pub const LIFECYCLE_BODY_MAX_BYTES: usize = 512 << 10;
/// Rules in one configuration (AWS: 1 000).
const RULES_MAX: usize = 1000;
/// More elements than this do not fit in the body in any useful way.
const LIFECYCLE_LIMITS: BodyLimits = BodyLimits { bytes_max: LIFECYCLE_BODY_MAX_BYTES, elements_max: 40_000 };

/// All rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifecycleConfiguration {
    /// The rules, one at least.
    pub rules: Vec<LifecycleRule>,
}

/// One rule, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    /// Its name.
    pub id: Option<String>,
    /// Whether it is obeyed.
    pub enabled: bool,
    /// The prefix of the first form of the API.
    pub prefix: Option<String>,
    /// The filter of the present one.
    pub filter: Option<LifecycleFilter>,
    /// What becomes of current versions.
    pub expiration: Option<LifecycleExpiration>,
    /// What becomes of versions that are not current.
    pub noncurrent: Option<LifecycleNoncurrent>,
    /// Days after which an upload is given up.
    pub abort_days: Option<i64>,
}

/// What a rule is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LifecycleFilter {
    /// Whether its conditions stand in `And`.
    pub is_and: bool,
    /// Beginning of the key.
    pub prefix: Option<String>,
    /// Key and value of tags.
    pub tags: Vec<(String, String)>,
    /// More bytes than this.
    pub larger_than: Option<i64>,
    /// Fewer bytes than this.
    pub smaller_than: Option<i64>,
}

/// When what is current goes: one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LifecycleExpiration {
    /// At this age.
    pub days: Option<i64>,
    /// From this time on, in milliseconds since 1970.
    pub date_ms: Option<i64>,
    /// Delete markers that cover nothing.
    pub markers: Option<bool>,
}

/// When versions go that are not current.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LifecycleNoncurrent {
    /// So long after they were displaced.
    pub days: i64,
    /// As long as so many newer ones stay.
    pub newer: Option<i64>,
}

impl LifecycleConfiguration {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, LIFECYCLE_LIMITS, "LifecycleConfiguration")?;
        let mut rules = Vec::new();
        while reader.next_child(&["Rule"])?.is_some() {
            if rules.len() == RULES_MAX {
                return Err(XmlFault::TooManyItems { element: "Rule", limit: RULES_MAX }.into());
            }
            rules.push(parse_rule(&mut reader)?);
        }
        reader.finish()?;
        if rules.is_empty() {
            return Err(XmlFault::Missing { element: "Rule" }.into());
        }
        Ok(Self { rules })
    }

    /// The body of GetBucketLifecycleConfiguration.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("LifecycleConfiguration", 256 + self.rules.len() * 256);
        for rule in &self.rules {
            rule.render(&mut xml);
        }
        xml.finish()
    }
}

const RULE_ELEMENTS: [&str; 9] = [
    "ID",
    "Status",
    "Prefix",
    "Filter",
    "Expiration",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
    "Transition",
    "NoncurrentVersionTransition",
];

fn parse_rule(reader: &mut BodyReader<'_>) -> Result<LifecycleRule, XmlError> {
    let (mut rule, mut status) = (LifecycleRule::default(), None);
    while let Some(element) = reader.next_child(&RULE_ELEMENTS)? {
        match element {
            "ID" => reader.text_once(element, &mut rule.id)?,
            "Status" => reader.text_once(element, &mut status)?,
            "Prefix" => reader.text_once(element, &mut rule.prefix)?,
            "Filter" => once(element, &mut rule.filter, parse_filter(reader)?)?,
            "Expiration" => once(element, &mut rule.expiration, parse_expiration(reader)?)?,
            "NoncurrentVersionExpiration" => once(element, &mut rule.noncurrent, parse_noncurrent(reader)?)?,
            "AbortIncompleteMultipartUpload" => once(element, &mut rule.abort_days, parse_abort(reader)?)?,
            _ => return Err(XmlError::NotImplemented { element }),
        }
    }
    rule.enabled = match status.as_deref().map(str::trim) {
        Some("Enabled") => true,
        Some("Disabled") => false,
        Some(_) => return Err(XmlFault::BadValue { element: "Status" }.into()),
        None => return Err(XmlFault::Missing { element: "Status" }.into()),
    };
    // A rule says what it is about, in one way.
    match (&rule.prefix, &rule.filter) {
        (Some(_), Some(_)) => Err(XmlFault::Repeated { element: "Prefix" }.into()),
        (None, None) => Err(XmlFault::Missing { element: "Filter" }.into()),
        _ => Ok(rule),
    }
}

const FILTER_ELEMENTS: [&str; 5] = ["And", "Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"];

fn parse_filter(reader: &mut BodyReader<'_>) -> Result<LifecycleFilter, XmlError> {
    let (mut filter, mut conditions) = (LifecycleFilter::default(), 0);
    while let Some(element) = reader.next_child(&FILTER_ELEMENTS)? {
        conditions += 1;
        if element != "And" {
            parse_condition(reader, element, &mut filter)?;
            continue;
        }
        filter.is_and = true;
        while let Some(element) = reader.next_child(&FILTER_ELEMENTS[1..])? {
            parse_condition(reader, element, &mut filter)?;
        }
        if filter == (LifecycleFilter { is_and: true, ..LifecycleFilter::default() }) {
            return Err(XmlFault::Missing { element: "Prefix" }.into());
        }
    }
    // Several conditions stand in And.
    if conditions > 1 { Err(XmlFault::Repeated { element: "Filter" }.into()) } else { Ok(filter) }
}

fn parse_condition(
    reader: &mut BodyReader<'_>,
    element: &'static str,
    filter: &mut LifecycleFilter,
) -> Result<(), XmlError> {
    match element {
        "Prefix" => reader.text_once(element, &mut filter.prefix),
        "Tag" => {
            filter.tags.push(parse_tag(reader)?);
            Ok(())
        }
        "ObjectSizeGreaterThan" => once(element, &mut filter.larger_than, size(reader, element)?),
        _ => once(element, &mut filter.smaller_than, size(reader, element)?),
    }
}

fn parse_tag(reader: &mut BodyReader<'_>) -> Result<(String, String), XmlError> {
    let (mut key, mut value) = (None, None);
    while let Some(element) = reader.next_child(&["Key", "Value"])? {
        reader.text_once(element, if element == "Key" { &mut key } else { &mut value })?;
    }
    let missing = |element| XmlFault::Missing { element };
    Ok((key.ok_or(missing("Key"))?, value.ok_or(missing("Value"))?))
}

fn parse_expiration(reader: &mut BodyReader<'_>) -> Result<LifecycleExpiration, XmlError> {
    let mut expiration = LifecycleExpiration::default();
    let mut said = 0;
    while let Some(element) = reader.next_child(&["Days", "Date", "ExpiredObjectDeleteMarker"])? {
        said += 1;
        let bad = XmlFault::BadValue { element };
        match element {
            "Days" => expiration.days = Some(days(reader, element)?),
            "Date" => {
                let text = reader.text()?;
                let text = text.trim();
                // A day begins at midnight.
                let date = dates::parse_iso8601_ms(text)
                    .or_else(|| dates::parse_iso8601_ms(&format!("{text}T00:00:00Z")));
                expiration.date_ms = Some(date.and_then(|date| i64::try_from(date).ok()).ok_or(bad)?);
            }
            _ => {
                expiration.markers = Some(match reader.text()?.trim() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(bad.into()),
                });
            }
        }
    }
    match said {
        0 => Err(XmlFault::Missing { element: "Days" }.into()),
        1 => Ok(expiration),
        _ => Err(XmlFault::Repeated { element: "Expiration" }.into()),
    }
}

fn parse_noncurrent(reader: &mut BodyReader<'_>) -> Result<LifecycleNoncurrent, XmlError> {
    let (mut after, mut newer) = (None, None);
    while let Some(element) = reader.next_child(&["NoncurrentDays", "NewerNoncurrentVersions"])? {
        let number = days(reader, element)?;
        once(element, if element == "NoncurrentDays" { &mut after } else { &mut newer }, number)?;
    }
    let days = after.ok_or(XmlFault::Missing { element: "NoncurrentDays" })?;
    Ok(LifecycleNoncurrent { days, newer })
}

fn parse_abort(reader: &mut BodyReader<'_>) -> Result<i64, XmlError> {
    let mut after = None;
    while let Some(element) = reader.next_child(&["DaysAfterInitiation"])? {
        let number = days(reader, element)?;
        once(element, &mut after, number)?;
    }
    Ok(after.ok_or(XmlFault::Missing { element: "DaysAfterInitiation" })?)
}

fn once<T>(element: &'static str, slot: &mut Option<T>, value: T) -> Result<(), XmlError> {
    match slot.replace(value) {
        Some(_) => Err(XmlFault::Repeated { element }.into()),
        None => Ok(()),
    }
}

/// A number of AWS's kind: 32 bits with a sign.
fn days(reader: &mut BodyReader<'_>, element: &'static str) -> Result<i64, XmlError> {
    let number: Result<i32, _> = reader.text()?.trim().parse();
    number.map(i64::from).map_err(|_| XmlFault::BadValue { element }.into())
}

fn size(reader: &mut BodyReader<'_>, element: &'static str) -> Result<i64, XmlError> {
    reader.text()?.trim().parse().map_err(|_| XmlFault::BadValue { element }.into())
}

impl LifecycleRule {
    fn render(&self, xml: &mut XmlWriter) {
        xml.open("Rule");
        xml.optional_text("ID", self.id.as_deref());
        xml.optional_text("Prefix", self.prefix.as_deref());
        if let Some(filter) = &self.filter {
            filter.render(xml);
        }
        xml.text("Status", if self.enabled { "Enabled" } else { "Disabled" });
        if let Some(LifecycleExpiration { days, date_ms, markers }) = self.expiration {
            xml.open("Expiration");
            number(xml, "Days", days);
            if let Some(date) = date_ms.and_then(|date| u64::try_from(date).ok()) {
                xml.time_ms("Date", date);
            }
            if let Some(markers) = markers {
                xml.flag("ExpiredObjectDeleteMarker", markers);
            }
            xml.close();
        }
        if let Some(LifecycleNoncurrent { days, newer }) = self.noncurrent {
            xml.open("NoncurrentVersionExpiration");
            number(xml, "NoncurrentDays", Some(days));
            number(xml, "NewerNoncurrentVersions", newer);
            xml.close();
        }
        if let Some(days) = self.abort_days {
            xml.open("AbortIncompleteMultipartUpload");
            number(xml, "DaysAfterInitiation", Some(days));
            xml.close();
        }
        xml.close();
    }
}

impl LifecycleFilter {
    fn render(&self, xml: &mut XmlWriter) {
        xml.open("Filter");
        if self.is_and {
            xml.open("And");
        }
        xml.optional_text("Prefix", self.prefix.as_deref());
        for (key, value) in &self.tags {
            xml.open("Tag");
            xml.text("Key", key);
            xml.text("Value", value);
            xml.close();
        }
        number(xml, "ObjectSizeGreaterThan", self.larger_than);
        number(xml, "ObjectSizeLessThan", self.smaller_than);
        if self.is_and {
            xml.close();
        }
        xml.close();
    }
}

/// Writes a number as it was read; whether it may be below zero is not asked here.
fn number(xml: &mut XmlWriter, element: &'static str, number: Option<i64>) {
    if let Some(number) = number {
        xml.text(element, &number.to_string());
    }
}
