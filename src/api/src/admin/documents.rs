//! Settings of a bucket in the JSON of AWS's tools: files made for `aws s3api put-bucket-…` can be set here.
//!
//! Why through XML: the one that says what such a document may hold is the parser of the S3 operation, which reads XML.
//! JSON is turned into that and read by it, so that nothing is taken here that S3 refuses. Always holds: a member that
//! is not known is an error, never ignored.

use crate::s3::xml::{CorsRule, XmlWriter};
use serde_json::{Map, Value, json};

/// What members are called in JSON and as elements: lists have names of their own there.
const MEMBERS: [(&str, &str); 24] = [
    ("CORSRules", "CORSRule"),
    ("ID", "ID"),
    ("AllowedOrigins", "AllowedOrigin"),
    ("AllowedMethods", "AllowedMethod"),
    ("AllowedHeaders", "AllowedHeader"),
    ("ExposeHeaders", "ExposeHeader"),
    ("MaxAgeSeconds", "MaxAgeSeconds"),
    ("Rules", "Rule"),
    ("ApplyServerSideEncryptionByDefault", "ApplyServerSideEncryptionByDefault"),
    ("SSEAlgorithm", "SSEAlgorithm"),
    ("KMSMasterKeyID", "KMSMasterKeyID"),
    ("BucketKeyEnabled", "BucketKeyEnabled"),
    ("BlockedEncryptionTypes", "BlockedEncryptionTypes"),
    ("EncryptionType", "EncryptionType"),
    ("ObjectLockEnabled", "ObjectLockEnabled"),
    ("Rule", "Rule"),
    ("DefaultRetention", "DefaultRetention"),
    ("Mode", "Mode"),
    ("Days", "Days"),
    ("Years", "Years"),
    ("BlockPublicAcls", "BlockPublicAcls"),
    ("IgnorePublicAcls", "IgnorePublicAcls"),
    ("BlockPublicPolicy", "BlockPublicPolicy"),
    ("RestrictPublicBuckets", "RestrictPublicBuckets"),
];

/// The XML of a document with this root.
pub(super) fn xml_of(root: &'static str, document: &Value) -> Result<Vec<u8>, String> {
    let members = document.as_object().ok_or_else(|| "it must be an object of JSON".to_owned())?;
    let mut xml = XmlWriter::new(root, 512);
    fill(&mut xml, members)?;
    Ok(xml.finish())
}

/// Whether a value stands for nothing: what is set is removed by it.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A CORS rule as AWS's tools show it.
pub(super) fn cors_rule(rule: CorsRule) -> Value {
    let mut shown = Map::new();
    shown.extend(rule.id.map(|id| ("ID".to_owned(), json!(id))));
    let lists = [
        ("AllowedOrigins", rule.allowed_origins),
        ("AllowedMethods", rule.allowed_methods),
        ("AllowedHeaders", rule.allowed_headers),
        ("ExposeHeaders", rule.expose_headers),
    ];
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
    shown.extend(lists.map(|(name, values)| (name.to_owned(), json!(values))));
    shown.extend(rule.max_age_seconds.map(|seconds| ("MaxAgeSeconds".to_owned(), json!(seconds))));
    Value::Object(shown)
}

fn fill(xml: &mut XmlWriter, members: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in members {
        let known = MEMBERS.iter().find(|(known, _)| known == name);
        let (_, element) = known.ok_or_else(|| format!("`{name}` is not known"))?;
        write(xml, element, value)?;
    }
    Ok(())
}

fn write(xml: &mut XmlWriter, element: &'static str, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().try_for_each(|item| write(xml, element, item))?,
        Value::Object(members) => {
            xml.open(element);
            fill(xml, members)?;
            xml.close();
        }
        Value::String(text) => xml.text(element, text),
        Value::Bool(_) | Value::Number(_) => xml.text(element, &value.to_string()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::xml::{
        CorsConfiguration, EncryptionConfiguration, LockMode, LockPeriod, ObjectLockConfiguration,
        PublicAccessBlock,
    };

    #[test]
    fn documents_of_aws_s_tools_are_those_of_s3() {
        let rule = json!({ "ID": "a<b", "AllowedOrigins": ["https://*.example"], "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60 });
        let xml = xml_of("CORSConfiguration", &json!({ "CORSRules": [rule] })).unwrap();
        let parsed = CorsConfiguration::parse(&xml).unwrap();
        assert_eq!(parsed.rules.iter().cloned().map(cors_rule).collect::<Vec<_>>(), [rule]);
        let default = json!({ "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k" });
        let encryption = json!({ "Rules": [{ "ApplyServerSideEncryptionByDefault": default,
            "BucketKeyEnabled": true, "BlockedEncryptionTypes": { "EncryptionType": ["SSE-C"] } }] });
        let xml = xml_of("ServerSideEncryptionConfiguration", &encryption).unwrap();
        let parsed = EncryptionConfiguration::parse(&xml).unwrap();
        assert!(parsed.key.as_deref() == Some("k") && parsed.bucket_key && parsed.blocks_customer_keys);
        let lock = json!({ "ObjectLockEnabled": "Enabled",
            "Rule": { "DefaultRetention": { "Mode": "GOVERNANCE", "Days": 3 } } });
        let parsed =
            ObjectLockConfiguration::parse(&xml_of("ObjectLockConfiguration", &lock).unwrap()).unwrap();
        assert_eq!(parsed.default, Some((LockMode::Governance, LockPeriod::Days(3))));
        let block = json!({ "BlockPublicAcls": true, "RestrictPublicBuckets": false });
        let xml = xml_of("PublicAccessBlockConfiguration", &block).unwrap();
        let parsed = PublicAccessBlock::parse(&xml).unwrap();
        assert!(parsed.block_public_acls && !parsed.restrict_public_buckets);
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for (document, word) in [
            (json!({ "CORSRules": [{ "AllowedOrigin": ["*"] }] }), "`AllowedOrigin`"),
            (json!({ "<x/>": 1 }), "`<x/>`"),
            (json!([]), "an object"),
            (json!("text"), "an object"),
        ] {
            assert!(xml_of("CORSConfiguration", &document).unwrap_err().contains(word), "{document}");
        }
        // Known elsewhere: the parser says so.
        let foreign = xml_of("CORSConfiguration", &json!({ "Rules": [{}] })).unwrap();
        assert!(CorsConfiguration::parse(&foreign).is_err());
    }
}
