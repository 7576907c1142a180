//! Answers of CopyObject and UploadPartCopy: the same fields under two roots.

use super::Checksum;
use super::writer::XmlWriter;

/// What a copy produced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyResult {
    /// ETag of the new object or part, without quotes.
    pub etag: String,
    /// When it was written.
    pub last_modified_ms: u64,
    /// `COMPOSITE` or `FULL_OBJECT`, when there is a checksum.
    pub checksum_type: Option<String>,
    /// Its checksums.
    pub checksums: Vec<Checksum>,
}

impl CopyResult {
    /// Body of CopyObject.
    pub fn render_object(&self) -> Vec<u8> {
        self.render("CopyObjectResult")
    }

    /// Body of UploadPartCopy.
    pub fn render_part(&self) -> Vec<u8> {
        self.render("CopyPartResult")
    }

    fn render(&self, root: &'static str) -> Vec<u8> {
        let mut xml = XmlWriter::new(root, 512);
        xml.time_ms("LastModified", self.last_modified_ms);
        xml.etag(&self.etag);
        xml.optional_text("ChecksumType", self.checksum_type.as_deref());
        xml.checksums(&self.checksums);
        xml.finish()
    }
}
