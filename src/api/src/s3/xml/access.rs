//! Settings of a bucket about who may do what: public access, ownership, the status of its policy.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;
use serde::{Deserialize, Serialize};

/// Body of PutPublicAccessBlock and PutBucketOwnershipControls: a few short elements.
pub const ACCESS_BODY_MAX_BYTES: usize = 16 << 10;
const ACCESS_LIMITS: BodyLimits = BodyLimits { bytes_max: ACCESS_BODY_MAX_BYTES, elements_max: 32 };

/// What is refused although a policy or an access control list would make it public.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicAccessBlock {
    /// Setting access control lists that are public.
    pub block_public_acls: bool,
    /// Access by lists that are public.
    pub ignore_public_acls: bool,
    /// Setting a policy that is public.
    pub block_public_policy: bool,
    /// Access by anonymous callers where the policy is public.
    pub restrict_public_buckets: bool,
}

const BLOCKS: [&str; 4] =
    ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];

impl PublicAccessBlock {
    /// Reads the body; what is not said is off.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, ACCESS_LIMITS, "PublicAccessBlockConfiguration")?;
        let mut texts: [Option<String>; 4] = Default::default();
        while let Some(element) = reader.next_child(&BLOCKS)? {
            let slot = BLOCKS.iter().position(|name| *name == element).and_then(|at| texts.get_mut(at));
            reader.text_once(element, slot.ok_or(XmlFault::BadValue { element })?)?;
        }
        reader.finish()?;
        let mut flags = [false; 4];
        for ((flag, text), element) in flags.iter_mut().zip(&texts).zip(BLOCKS) {
            *flag = match text.as_deref().map(str::trim) {
                None => false,
                Some(text) if text.eq_ignore_ascii_case("true") => true,
                Some(text) if text.eq_ignore_ascii_case("false") => false,
                Some(_) => return Err(XmlFault::BadValue { element }.into()),
            };
        }
        let [block_public_acls, ignore_public_acls, block_public_policy, restrict_public_buckets] = flags;
        Ok(Self { block_public_acls, ignore_public_acls, block_public_policy, restrict_public_buckets })
    }

    /// The body of GetPublicAccessBlock.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("PublicAccessBlockConfiguration", 384);
        xml.flag("BlockPublicAcls", self.block_public_acls);
        xml.flag("IgnorePublicAcls", self.ignore_public_acls);
        xml.flag("BlockPublicPolicy", self.block_public_policy);
        xml.flag("RestrictPublicBuckets", self.restrict_public_buckets);
        xml.finish()
    }
}

/// The body of PutBucketOwnershipControls: the one word in it, whatever it is.
pub fn parse_ownership(body: &[u8]) -> Result<String, XmlError> {
    let mut reader = BodyReader::enter(body, ACCESS_LIMITS, "OwnershipControls")?;
    let mut ownership = None;
    let mut rules = 0;
    while reader.next_child(&["Rule"])?.is_some() {
        rules += 1;
        while let Some(element) = reader.next_child(&["ObjectOwnership"])? {
            reader.text_once(element, &mut ownership)?;
        }
    }
    reader.finish()?;
    let ownership = ownership.filter(|_| rules == 1).map(|text| text.trim().to_owned());
    ownership.ok_or_else(|| XmlFault::Missing { element: "ObjectOwnership" }.into())
}

/// The body of GetBucketOwnershipControls.
pub fn render_ownership(ownership: &str) -> Vec<u8> {
    let mut xml = XmlWriter::new("OwnershipControls", 256);
    xml.open("Rule");
    xml.text("ObjectOwnership", ownership);
    xml.finish()
}

/// The body of GetBucketPolicyStatus.
pub fn policy_status(is_public: bool) -> Vec<u8> {
    let mut xml = XmlWriter::new("PolicyStatus", 192);
    xml.flag("IsPublic", is_public);
    xml.finish()
}
