//! DeleteObjects: up to 1,000 keys in, one verdict per key out.
//!
//! Always holds: a condition the server cannot check is refused, never ignored, since the client would lose
//! an object it meant to keep.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::unquoted_etag;
use super::writer::XmlWriter;

/// Keys in one request (AWS: 1,000; more is `MalformedXML`).
const OBJECTS_MAX: usize = base::limits::DELETE_OBJECTS_MAX_KEYS;
/// Body of DeleteObjects: 1,000 keys of 1,024 bytes with version ids, ETags and tags around them are about
/// 1.2 MB; 2 MiB leaves room for escapes and indentation.
pub const DELETE_BODY_MAX_BYTES: usize = 2 << 20;
/// `Object` and its five fields, 1,000 times, with the root and `Quiet`.
const DELETE_LIMITS: BodyLimits =
    BodyLimits { bytes_max: DELETE_BODY_MAX_BYTES, elements_max: OBJECTS_MAX * 6 + 2 };

/// One key to delete.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectToDelete {
    /// The key, exactly as sent; not empty, otherwise unchecked.
    pub key: String,
    /// Which version; `None` when absent or empty.
    pub version_id: Option<String>,
    /// Delete only if the object has this ETag (without quotes; may be `*`).
    pub etag: Option<String>,
}

/// Body of DeleteObjects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delete {
    /// Answer with errors only.
    pub quiet: bool,
    /// At least one, at most 1,000.
    pub objects: Vec<ObjectToDelete>,
}

impl Delete {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, DELETE_LIMITS, "Delete")?;
        let mut quiet = None;
        let mut objects = Vec::new();
        while let Some(element) = reader.next_child(&["Object", "Quiet"])? {
            match element {
                "Quiet" => reader.text_once(element, &mut quiet)?,
                _ if objects.len() == OBJECTS_MAX => {
                    return Err(XmlFault::TooManyItems { element: "Object", limit: OBJECTS_MAX }.into());
                }
                _ => objects.push(parse_object(&mut reader)?),
            }
        }
        reader.finish()?;
        if objects.is_empty() {
            return Err(XmlFault::Missing { element: "Object" }.into());
        }
        Ok(Self { quiet: quiet.as_deref().map_or(Ok(false), parse_flag)?, objects })
    }
}

fn parse_object(reader: &mut BodyReader<'_>) -> Result<ObjectToDelete, XmlError> {
    let (mut key, mut version_id, mut etag) = (None, None, None);
    while let Some(element) = reader.next_child(&["Key", "VersionId", "ETag", "LastModifiedTime", "Size"])? {
        match element {
            "Key" => reader.text_once(element, &mut key)?,
            "VersionId" => reader.text_once(element, &mut version_id)?,
            "ETag" => reader.text_once(element, &mut etag)?,
            other => return Err(XmlError::NotImplemented { element: other }),
        }
    }
    let key = key.filter(|key| !key.is_empty()).ok_or(XmlFault::Missing { element: "Key" })?;
    let version_id = version_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
    let etag = etag.map(|etag| unquoted_etag(&etag).to_owned());
    if etag.as_ref().is_some_and(String::is_empty) {
        return Err(XmlFault::BadValue { element: "ETag" }.into());
    }
    Ok(ObjectToDelete { key, version_id, etag })
}

fn parse_flag(text: &str) -> Result<bool, XmlError> {
    match text.trim() {
        "true" | "True" | "TRUE" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "0" | "" => Ok(false),
        _ => Err(XmlFault::BadValue { element: "Quiet" }.into()),
    }
}

/// A key that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// The key.
    pub key: String,
    /// The version that was asked for.
    pub version_id: Option<String>,
    /// Whether a delete marker was made or removed.
    pub delete_marker: Option<bool>,
    /// The delete marker's version.
    pub delete_marker_version_id: Option<String>,
}

/// A key that is not gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteError {
    /// The key.
    pub key: String,
    /// The version that was asked for.
    pub version_id: Option<String>,
    /// S3 error code.
    pub code: String,
    /// Text for people.
    pub message: String,
}

/// Answer of DeleteObjects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteResult {
    /// What is gone; leave empty for a quiet request.
    pub deleted: Vec<Deleted>,
    /// What is not.
    pub errors: Vec<DeleteError>,
}

impl DeleteResult {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let entries = self.deleted.len() + self.errors.len();
        let mut xml = XmlWriter::new("DeleteResult", 256 + entries * 128);
        for deleted in &self.deleted {
            xml.open("Deleted");
            xml.text("Key", &deleted.key);
            xml.optional_text("VersionId", deleted.version_id.as_deref());
            if let Some(delete_marker) = deleted.delete_marker {
                xml.flag("DeleteMarker", delete_marker);
            }
            xml.optional_text("DeleteMarkerVersionId", deleted.delete_marker_version_id.as_deref());
            xml.close();
        }
        for error in &self.errors {
            xml.open("Error");
            xml.text("Key", &error.key);
            xml.optional_text("VersionId", error.version_id.as_deref());
            xml.text("Code", &error.code);
            xml.text("Message", &error.message);
            xml.close();
        }
        xml.finish()
    }
}
