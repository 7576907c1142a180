//! Bodies of multipart uploads: start, completion, and the lists of uploads and parts.

use super::listing::{Owner, push_common_prefixes, push_encoding_type, push_owner};
use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::{KeyEncoding, XmlWriter};
use super::{CHECKSUM_ALGORITHMS, Checksum, unquoted_etag};

/// Parts in one list (AWS: 10,000). The same part named twice counts twice.
const PARTS_MAX: usize = base::limits::PART_NUMBER_MAX as usize;
/// Body of CompleteMultipartUpload: 10,000 parts with number, ETag and one checksum are about 200 bytes each;
/// 4 MiB leaves room for several checksums and indentation.
pub const COMPLETE_BODY_MAX_BYTES: usize = 4 << 20;
/// `Part`, its number, its ETag and every checksum, 10,000 times, with the root.
const COMPLETE_LIMITS: BodyLimits = BodyLimits {
    bytes_max: COMPLETE_BODY_MAX_BYTES,
    elements_max: PARTS_MAX * (3 + CHECKSUM_ALGORITHMS.len()) + 1,
};
/// What may stand in a part; the checksums are in the order of [`CHECKSUM_ALGORITHMS`].
const PART_ELEMENTS: [&str; 12] = [
    "PartNumber",
    "ETag",
    "ChecksumCRC32",
    "ChecksumCRC32C",
    "ChecksumCRC64NVME",
    "ChecksumSHA1",
    "ChecksumSHA256",
    "ChecksumSHA512",
    "ChecksumMD5",
    "ChecksumXXHASH64",
    "ChecksumXXHASH3",
    "ChecksumXXHASH128",
];

/// A part as the client lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// From 1 to 10,000.
    pub part_number: u16,
    /// ETag, without quotes.
    pub etag: String,
    /// Checksums, in order of [`CHECKSUM_ALGORITHMS`], no algorithm twice.
    pub checksums: Vec<Checksum>,
}

/// Body of CompleteMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteMultipartUpload {
    /// At least one, in the order sent; whether that order is ascending is not checked here.
    pub parts: Vec<CompletedPart>,
}

impl CompleteMultipartUpload {
    /// Reads the body; an empty list is malformed, as on AWS.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, COMPLETE_LIMITS, "CompleteMultipartUpload")?;
        let mut parts = Vec::new();
        while reader.next_child(&["Part"])?.is_some() {
            if parts.len() == PARTS_MAX {
                return Err(XmlFault::TooManyItems { element: "Part", limit: PARTS_MAX }.into());
            }
            parts.push(parse_part(&mut reader)?);
        }
        reader.finish()?;
        if parts.is_empty() {
            return Err(XmlFault::Missing { element: "Part" }.into());
        }
        Ok(Self { parts })
    }
}

fn parse_part(reader: &mut BodyReader<'_>) -> Result<CompletedPart, XmlError> {
    let (mut number, mut etag) = (None, None);
    let mut values: [Option<String>; CHECKSUM_ALGORITHMS.len()] = Default::default();
    while let Some(element) = reader.next_child(&PART_ELEMENTS)? {
        match element {
            "PartNumber" => reader.text_once(element, &mut number)?,
            "ETag" => reader.text_once(element, &mut etag)?,
            checksum => {
                let named = checksum.strip_prefix("Checksum");
                let index = CHECKSUM_ALGORITHMS.iter().position(|known| Some(*known) == named);
                let slot = index.and_then(|index| values.get_mut(index));
                reader.text_once(checksum, slot.ok_or(XmlFault::BadValue { element: checksum })?)?;
            }
        }
    }
    let number = number.ok_or(XmlFault::Missing { element: "PartNumber" })?;
    let part_number = parse_part_number(number.trim())?;
    let etag = unquoted_etag(&etag.ok_or(XmlFault::Missing { element: "ETag" })?).to_owned();
    let checksums = CHECKSUM_ALGORITHMS
        .into_iter()
        .zip(values)
        .filter_map(|(algorithm, value)| {
            let value_base64 = value?.trim().to_owned();
            (!value_base64.is_empty()).then_some(Checksum { algorithm, value_base64 })
        })
        .collect();
    Ok(CompletedPart { part_number, etag, checksums })
}

/// Digits that are no number from 1 to 10,000 are an argument error, anything else is malformed.
fn parse_part_number(text: &str) -> Result<u16, XmlError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(XmlFault::BadValue { element: "PartNumber" }.into());
    }
    let number = text.parse().ok().filter(|number| (1..=base::limits::PART_NUMBER_MAX).contains(number));
    number.ok_or(XmlError::PartNumberOutOfRange)
}

/// Answer of an upload by a form that asks for one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostResponse {
    /// Where the object is.
    pub location: String,
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// ETag, without quotes.
    pub etag: String,
}

impl PostResponse {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::without_namespace("PostResponse", 512);
        xml.text("Location", &self.location);
        xml.text("Bucket", &self.bucket);
        xml.text("Key", &self.key);
        xml.etag(&self.etag);
        xml.finish()
    }
}

/// Answer of CreateMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InitiateMultipartUploadResult {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// The new upload.
    pub upload_id: String,
}

impl InitiateMultipartUploadResult {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("InitiateMultipartUploadResult", 512);
        xml.text("Bucket", &self.bucket);
        xml.text("Key", &self.key);
        xml.text("UploadId", &self.upload_id);
        xml.finish()
    }
}

/// Answer of CompleteMultipartUpload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompleteMultipartUploadResult {
    /// URL of the object.
    pub location: String,
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// `md5-N`, without quotes.
    pub etag: String,
    /// Checksums of the object.
    pub checksums: Vec<Checksum>,
    /// `COMPOSITE` or `FULL_OBJECT`, when there is a checksum.
    pub checksum_type: Option<String>,
}

impl CompleteMultipartUploadResult {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("CompleteMultipartUploadResult", 768);
        xml.text("Location", &self.location);
        xml.text("Bucket", &self.bucket);
        xml.text("Key", &self.key);
        xml.etag(&self.etag);
        xml.checksums(&self.checksums);
        xml.optional_text("ChecksumType", self.checksum_type.as_deref());
        xml.finish()
    }
}

/// One part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartEntry {
    /// From 1 to 10,000.
    pub part_number: u16,
    /// When it was written.
    pub last_modified_ms: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its checksums.
    pub checksums: Vec<Checksum>,
}

/// Answer of ListParts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListParts {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// Who started it.
    pub initiator: Owner,
    /// Who will own the object.
    pub owner: Owner,
    /// `STANDARD` for all of ours.
    pub storage_class: String,
    /// As asked, or 0.
    pub part_number_marker: u64,
    /// Last part of this page; `None` when there is no part.
    pub next_part_number_marker: Option<u64>,
    /// As asked, or 1,000.
    pub max_parts: u64,
    /// Whether more follows.
    pub is_truncated: bool,
    /// The upload's checksum algorithm.
    pub checksum_algorithm: Option<String>,
    /// `COMPOSITE` or `FULL_OBJECT`.
    pub checksum_type: Option<String>,
    /// Parts, ascending.
    pub parts: Vec<PartEntry>,
}

impl ListParts {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("ListPartsResult", 1024 + self.parts.len() * 320);
        xml.text("Bucket", &self.bucket);
        xml.text("Key", &self.key);
        xml.text("UploadId", &self.upload_id);
        push_owner(&mut xml, "Initiator", &self.initiator);
        push_owner(&mut xml, "Owner", &self.owner);
        xml.text("StorageClass", &self.storage_class);
        xml.number("PartNumberMarker", self.part_number_marker);
        if let Some(next) = self.next_part_number_marker {
            xml.number("NextPartNumberMarker", next);
        }
        xml.number("MaxParts", self.max_parts);
        xml.flag("IsTruncated", self.is_truncated);
        xml.optional_text("ChecksumAlgorithm", self.checksum_algorithm.as_deref());
        xml.optional_text("ChecksumType", self.checksum_type.as_deref());
        for part in &self.parts {
            xml.open("Part");
            xml.number("PartNumber", part.part_number.into());
            xml.time_ms("LastModified", part.last_modified_ms);
            xml.etag(&part.etag);
            xml.number("Size", part.size_bytes);
            xml.checksums(&part.checksums);
            xml.close();
        }
        xml.finish()
    }
}

/// One upload of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadEntry {
    /// Key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// Who started it.
    pub initiator: Owner,
    /// Who will own the object.
    pub owner: Owner,
    /// `STANDARD` for all of ours.
    pub storage_class: String,
    /// When it was started.
    pub initiated_ms: u64,
    /// The upload's checksum algorithm.
    pub checksum_algorithm: Option<String>,
    /// `COMPOSITE` or `FULL_OBJECT`.
    pub checksum_type: Option<String>,
}

/// Answer of ListMultipartUploads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListMultipartUploads {
    /// Bucket.
    pub bucket: String,
    /// As asked; empty when not.
    pub key_marker: String,
    /// As asked; empty when not.
    pub upload_id_marker: String,
    /// Where the next page begins; exactly when truncated.
    pub next_key_marker: Option<String>,
    /// Where the next page begins; exactly when truncated.
    pub next_upload_id_marker: Option<String>,
    /// As asked.
    pub delimiter: Option<String>,
    /// As asked; empty when not.
    pub prefix: String,
    /// As asked.
    pub encoding: KeyEncoding,
    /// As asked, or 1,000.
    pub max_uploads: u64,
    /// Whether more follows.
    pub is_truncated: bool,
    /// Uploads, by key, then by time of start.
    pub uploads: Vec<UploadEntry>,
    /// Common prefixes, in byte order.
    pub common_prefixes: Vec<String>,
}

impl ListMultipartUploads {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let capacity = 1024 + self.uploads.len() * 512 + self.common_prefixes.len() * 128;
        let mut xml = XmlWriter::new("ListMultipartUploadsResult", capacity);
        xml.text("Bucket", &self.bucket);
        xml.key("KeyMarker", &self.key_marker, self.encoding);
        xml.text("UploadIdMarker", &self.upload_id_marker);
        xml.optional_key("NextKeyMarker", self.next_key_marker.as_deref(), self.encoding);
        xml.optional_text("NextUploadIdMarker", self.next_upload_id_marker.as_deref());
        xml.optional_key("Delimiter", self.delimiter.as_deref(), self.encoding);
        xml.key("Prefix", &self.prefix, self.encoding);
        push_encoding_type(&mut xml, self.encoding);
        xml.number("MaxUploads", self.max_uploads);
        xml.flag("IsTruncated", self.is_truncated);
        for upload in &self.uploads {
            xml.open("Upload");
            xml.key("Key", &upload.key, self.encoding);
            xml.text("UploadId", &upload.upload_id);
            push_owner(&mut xml, "Initiator", &upload.initiator);
            push_owner(&mut xml, "Owner", &upload.owner);
            xml.text("StorageClass", &upload.storage_class);
            xml.time_ms("Initiated", upload.initiated_ms);
            xml.optional_text("ChecksumAlgorithm", upload.checksum_algorithm.as_deref());
            xml.optional_text("ChecksumType", upload.checksum_type.as_deref());
            xml.close();
        }
        push_common_prefixes(&mut xml, &self.common_prefixes, self.encoding);
        xml.finish()
    }
}
