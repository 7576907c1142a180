//! The CORS configuration of a bucket: which web pages of other origins may do what.
//!
//! Always holds: what was parsed has the shape of AWS's schema; whether its values make sense is `s3::cors`'s
//! to say.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;
use serde::{Deserialize, Serialize};

/// Body of PutBucketCors (AWS: 64 KiB).
pub const CORS_BODY_MAX_BYTES: usize = 64 << 10;
/// Rules in one configuration (AWS: 100).
const RULES_MAX: usize = 100;
/// More elements than this do not fit in the body in any useful way.
const CORS_LIMITS: BodyLimits = BodyLimits { bytes_max: CORS_BODY_MAX_BYTES, elements_max: 4096 };

/// What pages of some origins may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// Its name.
    pub id: Option<String>,
    /// Origins, with at most one `*` in each.
    pub allowed_origins: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Request headers, with at most one `*` in each.
    pub allowed_headers: Vec<String>,
    /// Response headers that the page may see.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer.
    pub max_age_seconds: Option<u32>,
}

/// All rules; the first that fits counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsConfiguration {
    /// The rules, one at least.
    pub rules: Vec<CorsRule>,
}

impl CorsConfiguration {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, CORS_LIMITS, "CORSConfiguration")?;
        let mut rules = Vec::new();
        while reader.next_child(&["CORSRule"])?.is_some() {
            if rules.len() == RULES_MAX {
                return Err(XmlFault::TooManyItems { element: "CORSRule", limit: RULES_MAX }.into());
            }
            rules.push(parse_rule(&mut reader)?);
        }
        reader.finish()?;
        if rules.is_empty() {
            return Err(XmlFault::Missing { element: "CORSRule" }.into());
        }
        Ok(Self { rules })
    }

    /// The body of GetBucketCors.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("CORSConfiguration", 256 + self.rules.len() * 256);
        for rule in &self.rules {
            xml.open("CORSRule");
            xml.optional_text("ID", rule.id.as_deref());
            let lists = [
                ("AllowedMethod", &rule.allowed_methods),
                ("AllowedOrigin", &rule.allowed_origins),
                ("AllowedHeader", &rule.allowed_headers),
                ("ExposeHeader", &rule.expose_headers),
            ];
            for (name, values) in lists {
                values.iter().for_each(|value| xml.text(name, value));
            }
            if let Some(seconds) = rule.max_age_seconds {
                xml.number("MaxAgeSeconds", seconds.into());
            }
            xml.close();
        }
        xml.finish()
    }
}

const RULE_ELEMENTS: [&str; 6] =
    ["ID", "AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds"];

fn parse_rule(reader: &mut BodyReader<'_>) -> Result<CorsRule, XmlError> {
    let (mut rule, mut max_age) = (CorsRule::default(), None);
    while let Some(element) = reader.next_child(&RULE_ELEMENTS)? {
        let list = match element {
            "AllowedOrigin" => &mut rule.allowed_origins,
            "AllowedMethod" => &mut rule.allowed_methods,
            "AllowedHeader" => &mut rule.allowed_headers,
            "ExposeHeader" => &mut rule.expose_headers,
            "ID" => {
                reader.text_once(element, &mut rule.id)?;
                continue;
            }
            _ => {
                reader.text_once(element, &mut max_age)?;
                continue;
            }
        };
        list.push(reader.text()?.trim().to_owned());
    }
    for (element, list) in
        [("AllowedOrigin", &rule.allowed_origins), ("AllowedMethod", &rule.allowed_methods)]
    {
        if list.is_empty() {
            return Err(XmlFault::Missing { element }.into());
        }
    }
    let number =
        |text: String| text.trim().parse().map_err(|_| XmlFault::BadValue { element: "MaxAgeSeconds" });
    rule.max_age_seconds = max_age.map(number).transpose()?;
    Ok(rule)
}
