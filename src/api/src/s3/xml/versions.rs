//! Answer of ListObjectVersions.
//!
//! Versions and delete markers stand as they follow each other, common prefixes behind them. With
//! `encoding-type=url` keys, prefixes, markers of keys and the delimiter are encoded; ids of versions never need it.

use super::listing::{ObjectEntry, Owner, push_common_prefixes, push_encoding_type, push_object, push_owner};
use super::writer::{KeyEncoding, XmlWriter};

/// A version of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionXml {
    /// Its id.
    pub version_id: String,
    /// Whether it is current.
    pub is_latest: bool,
    /// The object; of a delete marker its key, its time and its owner.
    pub entry: ObjectEntry,
    /// Whether it is a delete marker.
    pub is_marker: bool,
}

/// Answer of ListObjectVersions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListVersions {
    /// Bucket.
    pub name: String,
    /// As asked; empty when not.
    pub prefix: String,
    /// As asked; empty when not.
    pub key_marker: String,
    /// As asked; empty when not.
    pub version_id_marker: String,
    /// Where the next page begins; exactly when truncated.
    pub next_key_marker: Option<String>,
    /// The same, if the page ends with a version.
    pub next_version_id_marker: Option<String>,
    /// As asked, or 1,000.
    pub max_keys: u64,
    /// As asked.
    pub delimiter: Option<String>,
    /// As asked.
    pub encoding: KeyEncoding,
    /// Whether more follows.
    pub is_truncated: bool,
    /// In byte order of keys, the newest first.
    pub versions: Vec<VersionXml>,
    /// Common prefixes, in byte order.
    pub common_prefixes: Vec<String>,
}

impl ListVersions {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let capacity = 1024 + self.versions.len() * 560 + self.common_prefixes.len() * 128;
        let mut xml = XmlWriter::new("ListVersionsResult", capacity);
        xml.text("Name", &self.name);
        xml.key("Prefix", &self.prefix, self.encoding);
        xml.key("KeyMarker", &self.key_marker, self.encoding);
        xml.text("VersionIdMarker", &self.version_id_marker);
        xml.optional_key("NextKeyMarker", self.next_key_marker.as_deref(), self.encoding);
        xml.optional_text("NextVersionIdMarker", self.next_version_id_marker.as_deref());
        xml.number("MaxKeys", self.max_keys);
        xml.optional_key("Delimiter", self.delimiter.as_deref(), self.encoding);
        push_encoding_type(&mut xml, self.encoding);
        xml.flag("IsTruncated", self.is_truncated);
        for version in &self.versions {
            self.push(&mut xml, version);
        }
        push_common_prefixes(&mut xml, &self.common_prefixes, self.encoding);
        xml.finish()
    }

    fn push(&self, xml: &mut XmlWriter, version: &VersionXml) {
        let VersionXml { version_id, is_latest, entry, is_marker } = version;
        xml.open(if *is_marker { "DeleteMarker" } else { "Version" });
        xml.key("Key", &entry.key, self.encoding);
        xml.text("VersionId", version_id);
        xml.flag("IsLatest", *is_latest);
        if *is_marker {
            xml.time_ms("LastModified", entry.last_modified_ms);
            push_owner(xml, "Owner", entry.owner.as_ref().unwrap_or(&Owner::default()));
        } else {
            push_object(xml, entry);
        }
        xml.close();
    }
}
