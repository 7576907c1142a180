//! Tag sets of buckets and objects.
//!
//! Always holds: a parsed set has the shape of AWS's schema; limits and characters are `s3::tags`'s to judge.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;

/// Body of PutBucketTagging and PutObjectTagging: 50 tags of the longest keys and values in UTF-8, escaped, are
/// below 128 KiB.
pub const TAGGING_BODY_MAX_BYTES: usize = 128 << 10;
/// Tags that are read at all; each use has a lower limit of its own, with an answer of its own.
const TAGS_MAX: usize = 200;
const TAGGING_LIMITS: BodyLimits =
    BodyLimits { bytes_max: TAGGING_BODY_MAX_BYTES, elements_max: 3 * TAGS_MAX + 2 };

/// A set of tags, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tagging {
    /// Key and value of each, in order.
    pub tags: Vec<(String, String)>,
}

impl Tagging {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, TAGGING_LIMITS, "Tagging")?;
        let (mut tags, mut found) = (Vec::new(), false);
        while let Some(element) = reader.next_child(&["TagSet"])? {
            if std::mem::replace(&mut found, true) {
                return Err(XmlFault::Repeated { element }.into());
            }
            while reader.next_child(&["Tag"])?.is_some() {
                tags.push(parse_tag(&mut reader)?);
            }
        }
        reader.finish()?;
        if found { Ok(Self { tags }) } else { Err(XmlFault::Missing { element: "TagSet" }.into()) }
    }

    /// The body of GetBucketTagging and GetObjectTagging.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("Tagging", 192 + self.tags.len() * 64);
        xml.open("TagSet");
        for (key, value) in &self.tags {
            xml.open("Tag");
            xml.text("Key", key);
            xml.text("Value", value);
            xml.close();
        }
        xml.finish()
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
