//! Targets `xml_delete`, `xml_complete`, `xml_create_bucket`: the three bodies that clients send.
//!
//! What must hold for every input: no panic; memory in proportion to the body; what was accepted is
//! within the limits, and rendered again it is read as the same.

use super::meter;
use api::s3::xml::{
    CHECKSUM_ALGORITHMS, CREATE_BUCKET_BODY_MAX_BYTES, CompleteMultipartUpload, CreateBucketConfiguration,
    DELETE_BODY_MAX_BYTES, Delete, XmlError, XmlWriter,
};
use base::limits::{DELETE_OBJECTS_MAX_KEYS, PART_NUMBER_MAX};

/// The smallest element that is kept takes about 40 bytes of a body and, in a list that grows by
/// doubling, three times about 160 bytes of memory.
const MEMORY_PER_BODY_BYTE: usize = 16;
/// For what does not grow with the body.
const MEMORY_FIXED_BYTES: usize = 16 << 10;

fn memory_limit(body: &[u8]) -> usize {
    MEMORY_FIXED_BYTES + MEMORY_PER_BODY_BYTE * body.len()
}

/// The body of DeleteObjects.
pub fn delete(body: &[u8]) {
    let Ok(delete) = meter::within(memory_limit(body), || judged(Delete::parse(body))) else { return };
    assert!((1..=DELETE_OBJECTS_MAX_KEYS).contains(&delete.objects.len()));
    assert!(body.len() <= DELETE_BODY_MAX_BYTES);
    let mut xml = XmlWriter::new("Delete", 0);
    xml.flag("Quiet", delete.quiet);
    for object in &delete.objects {
        assert!(!object.key.is_empty());
        xml.open("Object");
        xml.text("Key", &object.key);
        xml.optional_text("VersionId", object.version_id.as_deref());
        if let Some(etag) = &object.etag {
            xml.etag(etag);
        }
        xml.close();
    }
    assert_eq!(Delete::parse(&xml.finish()), Ok(delete));
}

/// The body of CompleteMultipartUpload.
pub fn complete(body: &[u8]) {
    let parsed = meter::within(memory_limit(body), || judged(CompleteMultipartUpload::parse(body)));
    let Ok(complete) = parsed else { return };
    assert!((1..=usize::from(PART_NUMBER_MAX)).contains(&complete.parts.len()));
    let mut xml = XmlWriter::new("CompleteMultipartUpload", 0);
    for part in &complete.parts {
        assert!((1..=PART_NUMBER_MAX).contains(&part.part_number));
        assert!(part.checksums.len() <= CHECKSUM_ALGORITHMS.len());
        xml.open("Part");
        xml.number("PartNumber", part.part_number.into());
        xml.etag(&part.etag);
        xml.checksums(&part.checksums);
        xml.close();
    }
    assert_eq!(CompleteMultipartUpload::parse(&xml.finish()), Ok(complete));
}

/// The body of CreateBucket.
pub fn create_bucket(body: &[u8]) {
    let parsed = meter::within(memory_limit(body), || judged(CreateBucketConfiguration::parse(body)));
    let Ok(create) = parsed else { return };
    assert!(body.len() <= CREATE_BUCKET_BODY_MAX_BYTES);
    let mut xml = XmlWriter::new("CreateBucketConfiguration", 0);
    xml.optional_text("LocationConstraint", create.location_constraint.as_deref());
    assert_eq!(CreateBucketConfiguration::parse(&xml.finish()), Ok(create));
}

/// A refusal must be able to say why.
fn judged<T>(parsed: Result<T, XmlError>) -> Result<T, XmlError> {
    if let Err(error) = &parsed {
        assert!(!error.to_string().is_empty());
    }
    parsed
}
