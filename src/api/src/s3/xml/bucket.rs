//! Bodies about buckets: the list of all, the location, creation, and configurations that are not set.
//!
//! Always holds: an unset configuration is answered as AWS answers for a bucket nobody configured.

use super::listing::{Owner, push_owner};
use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;

/// Body of CreateBucket: one short element; 64 KiB is far more than any client sends.
pub const CREATE_BUCKET_BODY_MAX_BYTES: usize = 64 << 10;
const CREATE_BUCKET_LIMITS: BodyLimits =
    BodyLimits { bytes_max: CREATE_BUCKET_BODY_MAX_BYTES, elements_max: 16 };

/// What a client may say when it creates a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateBucketConfiguration {
    /// The region it asks for; `None` when absent or empty, which means us-east-1.
    pub location_constraint: Option<String>,
}

impl CreateBucketConfiguration {
    /// Reads the body; most clients send none. Tags and the directory-bucket elements are refused with
    /// `NotImplemented`, since ignoring them would create another bucket than was asked for.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        if body.len() <= CREATE_BUCKET_BODY_MAX_BYTES && body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let mut reader = BodyReader::enter(body, CREATE_BUCKET_LIMITS, "CreateBucketConfiguration")?;
        let mut constraint = None;
        while let Some(element) = reader.next_child(&["LocationConstraint", "Location", "Bucket", "Tags"])? {
            match element {
                "LocationConstraint" => reader.text_once(element, &mut constraint)?,
                other => return Err(XmlError::NotImplemented { element: other }),
            }
        }
        reader.finish()?;
        let constraint = constraint.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if constraint.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
            return Err(XmlFault::BadValue { element: "LocationConstraint" }.into());
        }
        Ok(Self { location_constraint: constraint })
    }
}

/// One bucket of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEntry {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_ms: u64,
    /// Its region, when the server tells.
    pub region: Option<String>,
}

/// Answer of ListBuckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAllMyBuckets {
    /// Who asks.
    pub owner: Owner,
    /// One page of buckets.
    pub buckets: Vec<BucketEntry>,
    /// Where the next page begins; `None` on the last one.
    pub continuation_token: Option<String>,
    /// The prefix that was asked for.
    pub prefix: Option<String>,
}

impl ListAllMyBuckets {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("ListAllMyBucketsResult", 512 + self.buckets.len() * 192);
        push_owner(&mut xml, "Owner", &self.owner);
        xml.open("Buckets");
        for bucket in &self.buckets {
            xml.open("Bucket");
            xml.text("Name", &bucket.name);
            xml.time_ms("CreationDate", bucket.created_ms);
            xml.optional_text("BucketRegion", bucket.region.as_deref());
            xml.close();
        }
        xml.close();
        xml.optional_text("ContinuationToken", self.continuation_token.as_deref());
        xml.optional_text("Prefix", self.prefix.as_deref());
        xml.finish()
    }
}

/// Answer of GetBucketLocation: empty for us-east-1, as AWS has it.
pub fn location_constraint(region: &str) -> Vec<u8> {
    let mut xml = XmlWriter::new("LocationConstraint", 256);
    if region != "us-east-1" {
        xml.content(region);
    }
    xml.finish()
}

/// An empty configuration under this root, for sub-resources that AWS answers with 200 when nothing is
/// set: `BucketLoggingStatus`, `NotificationConfiguration`, `AccelerateConfiguration`, …
pub fn empty_configuration(root: &'static str) -> Vec<u8> {
    XmlWriter::new(root, 256).finish()
}
