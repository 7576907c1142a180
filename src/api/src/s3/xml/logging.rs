//! Where the requests to a bucket are logged.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;

/// Body of PutBucketLogging.
pub const LOGGING_BODY_MAX_BYTES: usize = 64 << 10;
const LIMITS: BodyLimits = BodyLimits { bytes_max: LOGGING_BODY_MAX_BYTES, elements_max: 1024 };

/// Where requests are logged, if anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketLoggingStatus {
    /// Where.
    pub enabled: Option<LoggingEnabled>,
}

/// Where requests are logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoggingEnabled {
    /// The bucket's name.
    pub bucket: String,
    /// What the names of the logs begin with.
    pub prefix: String,
    /// Whether others are to be given something by lists of the logs.
    pub has_grants: bool,
    /// Whether the logs are to lie in folders by date.
    pub is_partitioned: bool,
}

impl BucketLoggingStatus {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, LIMITS, "BucketLoggingStatus")?;
        let mut enabled = None;
        while let Some(element) = reader.next_child(&["LoggingEnabled"])? {
            if enabled.is_some() {
                return Err(XmlFault::Repeated { element }.into());
            }
            enabled = Some(parse_enabled(&mut reader)?);
        }
        reader.finish()?;
        Ok(Self { enabled })
    }

    /// The body of GetBucketLogging.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("BucketLoggingStatus", 512);
        if let Some(enabled) = &self.enabled {
            xml.open("LoggingEnabled");
            xml.text("TargetBucket", &enabled.bucket);
            xml.text("TargetPrefix", &enabled.prefix);
            xml.close();
        }
        xml.finish()
    }
}

const ENABLED: [&str; 4] = ["TargetBucket", "TargetPrefix", "TargetGrants", "TargetObjectKeyFormat"];

fn parse_enabled(reader: &mut BodyReader<'_>) -> Result<LoggingEnabled, XmlError> {
    let (mut bucket, mut prefix, mut found) = (None, None, LoggingEnabled::default());
    while let Some(element) = reader.next_child(&ENABLED)? {
        match element {
            "TargetBucket" => reader.text_once(element, &mut bucket)?,
            "TargetPrefix" => reader.text_once(element, &mut prefix)?,
            "TargetGrants" => found.has_grants |= parse_grants(reader)?,
            _ => found.is_partitioned |= parse_format(reader)?,
        }
    }
    found.bucket = bucket.ok_or(XmlFault::Missing { element: "TargetBucket" })?;
    found.prefix = prefix.ok_or(XmlFault::Missing { element: "TargetPrefix" })?;
    Ok(found)
}

/// Whether there are any.
fn parse_grants(reader: &mut BodyReader<'_>) -> Result<bool, XmlError> {
    let mut found = false;
    while reader.next_child(&["Grant"])?.is_some() {
        found = true;
        while let Some(element) = reader.next_child(&["Grantee", "Permission"])? {
            if element == "Permission" {
                reader.text()?;
                continue;
            }
            while reader.next_child(&["ID", "URI", "DisplayName", "EmailAddress"])?.is_some() {
                reader.text()?;
            }
        }
    }
    Ok(found)
}

/// Whether the logs are to lie in folders by date.
fn parse_format(reader: &mut BodyReader<'_>) -> Result<bool, XmlError> {
    let mut is_partitioned = false;
    while let Some(element) = reader.next_child(&["SimplePrefix", "PartitionedPrefix"])? {
        is_partitioned |= element == "PartitionedPrefix";
        while reader.next_child(&["PartitionDateSource"])?.is_some() {
            reader.text()?;
        }
    }
    Ok(is_partitioned)
}
