//! What a bucket encrypts with by itself.
//!
//! Always holds: what was parsed has the shape of AWS's schema; whether it can be obeyed is `s3::encryption`'s to say.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;
use serde::{Deserialize, Serialize};

/// Body of PutBucketEncryption: one rule of a few elements.
pub const ENCRYPTION_BODY_MAX_BYTES: usize = 16 << 10;
const ENCRYPTION_LIMITS: BodyLimits = BodyLimits { bytes_max: ENCRYPTION_BODY_MAX_BYTES, elements_max: 16 };

const ROOT: &str = "ServerSideEncryptionConfiguration";
const RULE: &str = "Rule";
const DEFAULT: &str = "ApplyServerSideEncryptionByDefault";
const ALGORITHM: &str = "SSEAlgorithm";
const KEY: &str = "KMSMasterKeyID";
const BUCKET_KEY: &str = "BucketKeyEnabled";
const BLOCKED: &str = "BlockedEncryptionTypes";
const TYPE: &str = "EncryptionType";

/// Body of PutBucketEncryption and GetBucketEncryption.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionConfiguration {
    /// What is done where a request asks for nothing; none: nothing.
    pub algorithm: Option<String>,
    /// Which key, where there is a choice.
    pub key: Option<String>,
    /// Whether a bucket key is wanted.
    #[serde(default)]
    pub bucket_key: bool,
    /// Whether objects must not be encrypted by keys of customers.
    #[serde(default)]
    pub blocks_customer_keys: bool,
}

impl EncryptionConfiguration {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, ENCRYPTION_LIMITS, ROOT)?;
        let mut rule = None;
        while reader.next_child(&[RULE])?.is_some() {
            if rule.is_some() {
                return Err(XmlFault::TooManyItems { element: RULE, limit: 1 }.into());
            }
            rule = Some(parse_rule(&mut reader)?);
        }
        reader.finish()?;
        rule.ok_or_else(|| XmlFault::Missing { element: RULE }.into())
    }

    /// The body of GetBucketEncryption.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new(ROOT, 512);
        xml.open(RULE);
        if let Some(algorithm) = &self.algorithm {
            xml.open(DEFAULT);
            xml.text(ALGORITHM, algorithm);
            xml.optional_text(KEY, self.key.as_deref());
            xml.close();
        }
        xml.text(BUCKET_KEY, if self.bucket_key { "true" } else { "false" });
        if self.blocks_customer_keys {
            xml.open(BLOCKED);
            xml.text(TYPE, "SSE-C");
            xml.close();
        }
        xml.close();
        xml.finish()
    }
}

fn parse_rule(reader: &mut BodyReader<'_>) -> Result<EncryptionConfiguration, XmlError> {
    let mut rule = EncryptionConfiguration::default();
    let (mut has_default, mut has_blocked, mut bucket_key) = (false, false, None);
    while let Some(element) = reader.next_child(&[DEFAULT, BUCKET_KEY, BLOCKED])? {
        match element {
            BUCKET_KEY => reader.text_once(BUCKET_KEY, &mut bucket_key)?,
            DEFAULT => {
                once(&mut has_default, DEFAULT)?;
                (rule.algorithm, rule.key) = parse_default(reader)?;
            }
            _ => {
                once(&mut has_blocked, BLOCKED)?;
                rule.blocks_customer_keys = parse_blocked(reader)?;
            }
        }
    }
    rule.bucket_key = match bucket_key.as_deref().map(str::trim) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(XmlFault::BadValue { element: BUCKET_KEY }.into()),
    };
    if !has_default && !has_blocked {
        return Err(XmlFault::Missing { element: DEFAULT }.into());
    }
    Ok(rule)
}

fn once(seen: &mut bool, element: &'static str) -> Result<(), XmlError> {
    if std::mem::replace(seen, true) { Err(XmlFault::Repeated { element }.into()) } else { Ok(()) }
}

fn parse_default(reader: &mut BodyReader<'_>) -> Result<(Option<String>, Option<String>), XmlError> {
    let (mut algorithm, mut key) = (None, None);
    while let Some(element) = reader.next_child(&[ALGORITHM, KEY])? {
        reader.text_once(element, if element == ALGORITHM { &mut algorithm } else { &mut key })?;
    }
    let known = ["AES256", "aws:kms", "aws:kms:dsse", "aws:fsx", "aws:backup"];
    match algorithm.as_deref() {
        None => Err(XmlFault::Missing { element: ALGORITHM }.into()),
        Some(name) if known.contains(&name) => Ok((algorithm, key)),
        Some(_) => Err(XmlFault::BadValue { element: ALGORITHM }.into()),
    }
}

/// Whether customers' keys are among what is blocked.
fn parse_blocked(reader: &mut BodyReader<'_>) -> Result<bool, XmlError> {
    let mut blocks = false;
    while reader.next_child(&[TYPE])?.is_some() {
        match reader.text()?.as_str() {
            "NONE" => {}
            "SSE-C" => blocks = true,
            _ => return Err(XmlFault::BadValue { element: TYPE }.into()),
        }
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rules: &str) -> Result<EncryptionConfiguration, XmlError> {
        EncryptionConfiguration::parse(format!("<{ROOT}>{rules}</{ROOT}>").as_bytes())
    }

    #[test]
    fn what_is_shown_is_what_was_set() {
        let full = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>a</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>";
        let parsed = parse(full).unwrap();
        assert_eq!((parsed.algorithm.as_deref(), parsed.key.as_deref()), (Some("aws:kms"), Some("a")));
        assert!(parsed.bucket_key && parsed.blocks_customer_keys);
        assert_eq!(EncryptionConfiguration::parse(&parsed.render()).unwrap(), parsed);
        let plain = parse("<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>").unwrap();
        assert_eq!(EncryptionConfiguration::parse(&plain.render()).unwrap(), plain);
        let blocked = "<Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>";
        assert_eq!(parse(blocked).unwrap().algorithm, None);
    }

    #[test]
    fn what_is_not_a_configuration_is_refused() {
        let default = |inner: &str| format!("<Rule><{DEFAULT}>{inner}</{DEFAULT}></Rule>");
        let good = default("<SSEAlgorithm>AES256</SSEAlgorithm>");
        for bad in [
            String::new(),
            "<Rule/>".to_owned(),
            "<Rule><BucketKeyEnabled>true</BucketKeyEnabled></Rule>".to_owned(),
            default(""),
            default("<SSEAlgorithm>DES</SSEAlgorithm>"),
            default("<SSEAlgorithm>AES256</SSEAlgorithm><SSEAlgorithm>AES256</SSEAlgorithm>"),
            format!("{good}{good}"),
            good.replace("</Rule>", "<BucketKeyEnabled>maybe</BucketKeyEnabled></Rule>"),
            good.replace("</Rule>", "<BlockedEncryptionTypes><EncryptionType>ROT13</EncryptionType></BlockedEncryptionTypes></Rule>"),
        ] {
            assert!(matches!(parse(&bad), Err(XmlError::Malformed(_))), "{bad}");
        }
    }
}
