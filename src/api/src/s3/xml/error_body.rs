//! The `<Error>` body, which has no namespace.

use super::writer::XmlWriter;

/// An error as a client reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// S3 error code.
    pub code: &'a str,
    /// Text for people.
    pub message: &'a str,
    /// The path that was asked for.
    pub resource: Option<&'a str>,
    /// Further fields, such as `BucketName`, `Key`, `Region`, in this order.
    pub fields: &'a [(&'static str, String)],
    /// Must equal the `x-amz-request-id` header.
    pub request_id: &'a str,
    /// Must equal the `x-amz-id-2` header.
    pub host_id: &'a str,
}

impl ErrorBody<'_> {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::without_namespace("Error", 512);
        xml.text("Code", self.code);
        xml.text("Message", self.message);
        for (name, value) in self.fields {
            xml.text(name, value);
        }
        xml.optional_text("Resource", self.resource);
        xml.text("RequestId", self.request_id);
        xml.text("HostId", self.host_id);
        xml.finish()
    }
}
