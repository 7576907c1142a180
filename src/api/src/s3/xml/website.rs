//! The configuration of a bucket's web site: index and error documents, redirects.
//!
//! Always holds: what was parsed has the shape of AWS's schema; whether its values make sense is `s3::website`'s
//! to say.

use super::reader::{BodyLimits, BodyReader, XmlError, XmlFault};
use super::writer::XmlWriter;
use serde::{Deserialize, Serialize};

/// Body of PutBucketWebsite (AWS: 128 KiB).
pub const WEBSITE_BODY_MAX_BYTES: usize = 128 << 10;
/// Routing rules of one site (AWS: 50).
pub const ROUTING_RULES_MAX: usize = 50;
/// Fifty rules of ten elements, and the rest.
const WEBSITE_LIMITS: BodyLimits = BodyLimits { bytes_max: WEBSITE_BODY_MAX_BYTES, elements_max: 1024 };

/// A whole site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebsiteConfiguration {
    /// Served for a folder: the name of the document in it.
    pub index_document: Option<String>,
    /// Served for what is missing: a key.
    pub error_document: Option<String>,
    /// Where it leads instead of serving anything.
    pub redirects: SiteRedirects,
}

/// Where a site leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRedirects {
    /// Every request goes there.
    pub all: Option<HostRedirect>,
    /// What some requests get; the first rule that fits counts.
    pub rules: Vec<RoutingRule>,
}

/// Another host, on which the same path is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRedirect {
    /// Its name.
    pub host_name: String,
    /// `http` or `https`; that of the request if it is not said.
    pub protocol: Option<String>,
}

/// A redirect and when it applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    /// When; always, if nothing is said.
    pub condition: Option<RoutingCondition>,
    /// Where to.
    pub redirect: RoutingRedirect,
}

/// When a rule applies: all that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingCondition {
    /// The answer would have this status.
    pub error_code: Option<String>,
    /// The key begins with this.
    pub key_prefix: Option<String>,
}

/// Where a rule leads; what is not said stays as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRedirect {
    /// The host.
    pub host_name: Option<String>,
    /// The status of the answer; 301 if it is not said.
    pub redirect_code: Option<String>,
    /// `http` or `https`.
    pub protocol: Option<String>,
    /// What stands in place of the condition's prefix.
    pub replace_key_prefix: Option<String>,
    /// What stands in place of the whole key.
    pub replace_key: Option<String>,
}

const PARTS: [&str; 4] = ["RedirectAllRequestsTo", "IndexDocument", "ErrorDocument", "RoutingRules"];

impl WebsiteConfiguration {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, XmlError> {
        let mut reader = BodyReader::enter(body, WEBSITE_LIMITS, "WebsiteConfiguration")?;
        let (mut site, mut seen) = (Self::default(), Vec::new());
        while let Some(part) = reader.next_child(&PARTS)? {
            if seen.contains(&part) {
                return Err(XmlFault::Repeated { element: part }.into());
            }
            seen.push(part);
            match part {
                "IndexDocument" => {
                    let [suffix] = texts(&mut reader, ["Suffix"])?;
                    site.index_document = Some(required("Suffix", suffix)?);
                }
                "ErrorDocument" => {
                    let [key] = texts(&mut reader, ["Key"])?;
                    site.error_document = Some(required("Key", key)?);
                }
                "RoutingRules" => site.redirects.rules = parse_rules(&mut reader)?,
                _ => {
                    let [host, protocol] = texts(&mut reader, ["HostName", "Protocol"])?;
                    let host_name = required("HostName", host)?;
                    site.redirects.all = Some(HostRedirect { host_name, protocol });
                }
            }
        }
        reader.finish()?;
        Ok(site)
    }

    /// The body of GetBucketWebsite.
    pub fn render(&self) -> Vec<u8> {
        let mut xml = XmlWriter::new("WebsiteConfiguration", 512 + self.redirects.rules.len() * 256);
        if let Some(all) = &self.redirects.all {
            xml.open("RedirectAllRequestsTo");
            xml.text("HostName", &all.host_name);
            xml.optional_text("Protocol", all.protocol.as_deref());
            xml.close();
        }
        if let Some(suffix) = &self.index_document {
            xml.open("IndexDocument");
            xml.text("Suffix", suffix);
            xml.close();
        }
        if let Some(key) = &self.error_document {
            xml.open("ErrorDocument");
            xml.text("Key", key);
            xml.close();
        }
        if !self.redirects.rules.is_empty() {
            xml.open("RoutingRules");
            self.redirects.rules.iter().for_each(|rule| render_rule(&mut xml, rule));
            xml.close();
        }
        xml.finish()
    }
}

fn render_rule(xml: &mut XmlWriter, rule: &RoutingRule) {
    xml.open("RoutingRule");
    if let Some(condition) = &rule.condition {
        xml.open("Condition");
        xml.optional_text("HttpErrorCodeReturnedEquals", condition.error_code.as_deref());
        xml.optional_text("KeyPrefixEquals", condition.key_prefix.as_deref());
        xml.close();
    }
    let to = &rule.redirect;
    xml.open("Redirect");
    xml.optional_text("HostName", to.host_name.as_deref());
    xml.optional_text("HttpRedirectCode", to.redirect_code.as_deref());
    xml.optional_text("Protocol", to.protocol.as_deref());
    xml.optional_text("ReplaceKeyPrefixWith", to.replace_key_prefix.as_deref());
    xml.optional_text("ReplaceKeyWith", to.replace_key.as_deref());
    xml.close();
    xml.close();
}

fn parse_rules(reader: &mut BodyReader<'_>) -> Result<Vec<RoutingRule>, XmlError> {
    let mut rules = Vec::new();
    while reader.next_child(&["RoutingRule"])?.is_some() {
        if rules.len() == ROUTING_RULES_MAX {
            let fault = XmlFault::TooManyItems { element: "RoutingRule", limit: ROUTING_RULES_MAX };
            return Err(fault.into());
        }
        rules.push(parse_rule(reader)?);
    }
    Ok(rules)
}

fn parse_rule(reader: &mut BodyReader<'_>) -> Result<RoutingRule, XmlError> {
    let (mut condition, mut redirect) = (None, None);
    while let Some(element) = reader.next_child(&["Condition", "Redirect"])? {
        let is_repeated = if element == "Condition" { condition.is_some() } else { redirect.is_some() };
        if is_repeated {
            return Err(XmlFault::Repeated { element }.into());
        }
        if element == "Condition" {
            let names = ["HttpErrorCodeReturnedEquals", "KeyPrefixEquals"];
            let [error_code, key_prefix] = texts(reader, names)?;
            condition = Some(RoutingCondition { error_code, key_prefix });
        } else {
            redirect = Some(parse_redirect(reader)?);
        }
    }
    let redirect = redirect.ok_or(XmlFault::Missing { element: "Redirect" })?;
    Ok(RoutingRule { condition, redirect })
}

fn parse_redirect(reader: &mut BodyReader<'_>) -> Result<RoutingRedirect, XmlError> {
    let names = ["HostName", "HttpRedirectCode", "Protocol", "ReplaceKeyPrefixWith", "ReplaceKeyWith"];
    let [host_name, redirect_code, protocol, replace_key_prefix, replace_key] = texts(reader, names)?;
    Ok(RoutingRedirect { host_name, redirect_code, protocol, replace_key_prefix, replace_key })
}

/// The texts of an element that holds nothing else, each of them at most once.
fn texts<const N: usize>(
    reader: &mut BodyReader<'_>,
    names: [&'static str; N],
) -> Result<[Option<String>; N], XmlError> {
    let mut found = [const { None }; N];
    while let Some(element) = reader.next_child(&names)? {
        let slot = names.iter().zip(&mut found).find(|(name, _)| **name == element);
        let (_, slot) = slot.ok_or(XmlFault::BadValue { element })?;
        reader.text_once(element, slot)?;
    }
    Ok(found)
}

fn required(element: &'static str, text: Option<String>) -> Result<String, XmlError> {
    text.ok_or_else(|| XmlFault::Missing { element }.into())
}
