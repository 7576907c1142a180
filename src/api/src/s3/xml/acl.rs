//! The answers that every private bucket or object gives about access and payment.

use super::listing::Owner;
use super::writer::XmlWriter;

/// Answer of GetBucketAcl and GetObjectAcl: the owner may do everything, nobody else anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessControlPolicy {
    /// The owner, who is also the one grantee.
    pub owner: Owner,
}

impl AccessControlPolicy {
    /// The body. Written by hand here since its grantee is the one S3 element with attributes.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("AccessControlPolicy", 640);
        super::listing::push_owner(&mut xml, "Owner", &self.owner);
        xml.open("AccessControlList");
        xml.open("Grant");
        xml.open_with_attributes(
            "Grantee",
            " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"",
        );
        xml.text("ID", &self.owner.id);
        xml.text("DisplayName", &self.owner.display_name);
        xml.close();
        xml.text("Permission", "FULL_CONTROL");
        xml.finish()
    }
}

/// Answer of GetBucketRequestPayment: the owner pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestPayment;

impl RequestPayment {
    /// The body.
    pub fn render(self) -> Vec<u8> {
        let mut xml = XmlWriter::new("RequestPaymentConfiguration", 256);
        xml.text("Payer", "BucketOwner");
        xml.finish()
    }
}
