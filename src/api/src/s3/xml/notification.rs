//! The notification configuration of a bucket: who is told of which changes.
//!
//! Always holds: what was parsed has the shape of AWS's schema; whether its values make sense is
//! `s3::notifications`'s to say.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;

/// Body of PutBucketNotificationConfiguration: a hundred rules with the longest filters.
pub const NOTIFICATION_BODY_MAX_BYTES: usize = 512 << 10;
/// Rules in one configuration (AWS: 100).
const RULES_MAX: usize = 100;
/// More elements than this do not fit in the body in any useful way.
const LIMITS: BodyLimits = BodyLimits { bytes_max: NOTIFICATION_BODY_MAX_BYTES, elements_max: 8192 };

/// The kinds of targets: the element of a rule, and that of its target in it.
pub const TARGETS: [(&str, &str); 3] = [
    ("TopicConfiguration", "Topic"),
    ("QueueConfiguration", "Queue"),
    ("CloudFunctionConfiguration", "CloudFunction"),
];
const EVENT_BRIDGE: &str = "EventBridgeConfiguration";

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationRule {
    /// Its kind of target: which of [`TARGETS`].
    pub target: usize,
    /// Its name.
    pub id: Option<String>,
    /// The target.
    pub arn: String,
    /// Events.
    pub events: Vec<String>,
    /// Names and values of what the key is filtered by.
    pub filters: Vec<(String, String)>,
}

/// All rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationConfiguration {
    /// The rules.
    pub rules: Vec<NotificationRule>,
    /// Whether an event bus is to be told of everything.
    pub event_bridge: bool,
}

impl NotificationConfiguration {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, LIMITS, "NotificationConfiguration")?;
        let mut found = Self::default();
        let known = [TARGETS[0].0, TARGETS[1].0, TARGETS[2].0, EVENT_BRIDGE];
        while let Some(element) = reader.next_child(&known)? {
            let Some(target) = TARGETS.iter().position(|(name, _)| *name == element) else {
                reader.text()?;
                found.event_bridge = true;
                continue;
            };
            if found.rules.len() == RULES_MAX {
                return Err(XmlFault::TooManyItems { element: TARGETS[target].0, limit: RULES_MAX }.into());
            }
            found.rules.push(parse_rule(&mut reader, target)?);
        }
        reader.finish()?;
        Ok(found)
    }

    /// The body of GetBucketNotificationConfiguration.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("NotificationConfiguration", 256 + self.rules.len() * 256);
        for rule in &self.rules {
            let Some((element, target)) = TARGETS.get(rule.target) else { continue };
            xml.open(element);
            xml.optional_text("Id", rule.id.as_deref());
            xml.text(target, &rule.arn);
            rule.events.iter().for_each(|event| xml.text("Event", event));
            if !rule.filters.is_empty() {
                xml.open("Filter");
                xml.open("S3Key");
                for (name, value) in &rule.filters {
                    xml.open("FilterRule");
                    xml.text("Name", name);
                    xml.text("Value", value);
                    xml.close();
                }
                xml.close();
                xml.close();
            }
            xml.close();
        }
        xml.finish()
    }
}

fn parse_rule(reader: &mut BodyReader<'_>, target: usize) -> Result<NotificationRule, XmlError> {
    let (mut rule, mut arn) = (NotificationRule { target, ..NotificationRule::default() }, None);
    let name = TARGETS[target].1;
    while let Some(element) = reader.next_child(&["Id", "Event", "Filter", name])? {
        match element {
            "Id" => reader.text_once(element, &mut rule.id)?,
            "Event" => rule.events.push(reader.text()?.trim().to_owned()),
            "Filter" => parse_filter(reader, &mut rule.filters)?,
            _ => reader.text_once(element, &mut arn)?,
        }
    }
    rule.arn = arn.ok_or(XmlFault::Missing { element: name })?.trim().to_owned();
    if rule.events.is_empty() {
        return Err(XmlFault::Missing { element: "Event" }.into());
    }
    Ok(rule)
}

fn parse_filter(reader: &mut BodyReader<'_>, filters: &mut Vec<(String, String)>) -> Result<(), XmlError> {
    while reader.next_child(&["S3Key"])?.is_some() {
        while reader.next_child(&["FilterRule"])?.is_some() {
            let (mut name, mut value) = (None, None);
            while let Some(element) = reader.next_child(&["Name", "Value"])? {
                reader.text_once(element, if element == "Name" { &mut name } else { &mut value })?;
            }
            let name = name.ok_or(XmlFault::Missing { element: "Name" })?;
            filters.push((name.trim().to_owned(), value.unwrap_or_default()));
        }
    }
    Ok(())
}
