//! The answer of GetObjectAttributes.

use super::Checksum;
use super::writer::XmlWriter;

/// One part of an object that was uploaded in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePart {
    /// Its number.
    pub number: u16,
    /// Its bytes.
    pub size_bytes: u64,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// One page of the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeParts {
    /// How many the object has.
    pub total: usize,
    /// Where the page begins.
    pub marker: u64,
    /// Where the next one begins.
    pub next_marker: u64,
    /// The size of the page.
    pub max_parts: u64,
    /// Whether there are more.
    pub is_truncated: bool,
    /// The parts; empty when the object has no checksums of its parts, as AWS has it.
    pub parts: Vec<AttributePart>,
}

/// What was asked for, and is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// The tag, without quotes.
    pub etag: Option<String>,
    /// The checksum and its type.
    pub checksum: Option<(Checksum, &'static str)>,
    /// The parts.
    pub parts: Option<AttributeParts>,
    /// The storage class.
    pub storage_class: Option<&'static str>,
    /// Bytes of content.
    pub size_bytes: Option<u64>,
}

impl ObjectAttributes {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("GetObjectAttributesResponse", 512);
        // Of all answers the one in which the tag has no quotes.
        xml.optional_text("ETag", self.etag.as_deref());
        if let Some((checksum, kind)) = &self.checksum {
            xml.open("Checksum");
            xml.checksums(std::slice::from_ref(checksum));
            xml.text("ChecksumType", kind);
            xml.close();
        }
        if let Some(parts) = &self.parts {
            push_parts(&mut xml, parts);
        }
        xml.optional_text("StorageClass", self.storage_class);
        if let Some(size) = self.size_bytes {
            xml.number("ObjectSize", size);
        }
        xml.finish()
    }
}

fn push_parts(xml: &mut XmlWriter, parts: &AttributeParts) {
    xml.open("ObjectParts");
    xml.number("PartsCount", u64::try_from(parts.total).unwrap_or(u64::MAX));
    xml.number("PartNumberMarker", parts.marker);
    xml.number("NextPartNumberMarker", parts.next_marker);
    xml.number("MaxParts", parts.max_parts);
    xml.flag("IsTruncated", parts.is_truncated);
    for part in &parts.parts {
        xml.open("Part");
        xml.number("PartNumber", part.number.into());
        xml.number("Size", part.size_bytes);
        xml.checksums(part.checksum.as_slice());
        xml.close();
    }
    xml.close();
}
