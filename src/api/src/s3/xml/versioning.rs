//! Whether a bucket keeps versions, as it is said and shown.
//!
//! Always holds: what asks for a second factor is refused, since there is none.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;

/// Body of PutBucketVersioning: two short elements.
pub const VERSIONING_BODY_MAX_BYTES: usize = 16 << 10;
const VERSIONING_LIMITS: BodyLimits = BodyLimits { bytes_max: VERSIONING_BODY_MAX_BYTES, elements_max: 8 };

/// Whether versions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersioningStatus {
    /// Every write makes one.
    Enabled,
    /// Writes make none; those there are stay.
    Suspended,
}

/// Body of PutBucketVersioning and GetBucketVersioning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VersioningConfiguration {
    /// `None`: never set, or not said.
    pub status: Option<VersioningStatus>,
}

impl VersioningConfiguration {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, VERSIONING_LIMITS, "VersioningConfiguration")?;
        let (mut status, mut mfa_delete) = (None, None);
        while let Some(element) = reader.next_child(&["Status", "MfaDelete"])? {
            reader.text_once(element, if element == "Status" { &mut status } else { &mut mfa_delete })?;
        }
        reader.finish()?;
        match mfa_delete.as_deref().map(str::trim) {
            None | Some("Disabled") => {}
            Some("Enabled") => return Err(XmlError::NotImplemented { element: "MfaDelete" }),
            Some(_) => return Err(XmlFault::BadValue { element: "MfaDelete" }.into()),
        }
        let status = match status.as_deref().map(str::trim) {
            None => None,
            Some("Enabled") => Some(VersioningStatus::Enabled),
            Some("Suspended") => Some(VersioningStatus::Suspended),
            Some(_) => return Err(XmlFault::BadValue { element: "Status" }.into()),
        };
        Ok(Self { status })
    }

    /// The body of GetBucketVersioning: empty where versions were never kept.
    pub fn render(self) -> Vec<u8> {
        let mut xml = XmlWriter::new("VersioningConfiguration", 256);
        xml.optional_text(
            "Status",
            self.status.map(|status| match status {
                VersioningStatus::Enabled => "Enabled",
                VersioningStatus::Suspended => "Suspended",
            }),
        );
        xml.finish()
    }
}
