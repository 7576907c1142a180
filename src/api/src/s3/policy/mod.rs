//! Bucket policies: read strictly, evaluated in one place.
//!
//! A policy is kept as it was sent and read anew for each request; one that is refused when it is set never
//! decides. Always holds: what is not understood – a member, an action, an operator, a key, a variable – is an
//! error when the policy is set, never ignored; a deny outweighs every allow; a policy that cannot be read
//! lets nobody in.

mod actions;
mod conditions;
mod document;
mod keys;
mod pattern;
mod template;
#[cfg(test)]
mod tests;

pub use document::{POLICY_MAX_BYTES, Policy};

use super::acl;
use super::error::{S3Code, S3Error};
use super::head::{Head, header_text};
use super::settings;
use super::tags;
use super::versions;
use super::xml::PublicAccessBlock;
use crate::server::Secured;
use model::Model;
use model::rows::bucket::{BucketRow, Setting};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// A policy as it is kept. The bucket is named in it by one of its names: by this one it is evaluated, whatever
/// name a request uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPolicy {
    /// The bucket's name when the policy was set.
    pub bucket: String,
    /// The document, as sent.
    pub text: String,
}

impl StoredPolicy {
    /// A document as it may be kept: it can be read, the keys that it names are there, and it makes nothing public that
    /// must not be. The bucket is called this way in it.
    pub async fn accept(
        model: &Arc<Model>,
        (bucket, row): (&str, &BucketRow),
        document: &[u8],
    ) -> Result<Self, S3Error> {
        let policy = Policy::parse(document, bucket)?;
        for id in policy.keys() {
            // Made on another node a moment ago?
            if !model.knows_key(id).await? {
                let message = format!("Invalid principal in policy: there is no access key {id}");
                return Err(S3Error::with_message(S3Code::MalformedPolicy, message));
            }
        }
        let blocks: Option<PublicAccessBlock> = settings::read(row, Setting::PublicAccessBlock)?;
        if policy.is_public() && blocks.unwrap_or_default().block_public_policy {
            let message = "Public policies are prevented by the BlockPublicPolicy setting of this bucket.";
            return Err(S3Error::with_message(S3Code::AccessDenied, message));
        }
        let text = String::from_utf8(document.to_vec()).map_err(|_| S3Code::MalformedPolicy)?;
        Ok(Self { bucket: bucket.to_owned(), text })
    }

    /// The policy of a bucket, if it has one.
    pub fn of(bucket: &BucketRow) -> Result<Option<Self>, S3Error> {
        settings::read(bucket, Setting::Policy)
    }

    /// Reads it. It was read before it was kept: only another release can have kept what is refused by this one.
    pub fn parse(&self) -> Result<Policy, S3Error> {
        Policy::parse(self.text.as_bytes(), &self.bucket).map_err(|error| {
            tracing::error!(bucket = self.bucket, message = %error.message, "a bucket policy cannot be read");
            S3Code::AccessDenied.into()
        })
    }
}

/// What a policy says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement denies it.
    Deny,
    /// No statement denies it, one allows it.
    Allow,
    /// Nothing.
    Silent,
}

/// A request as a policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The access key that asks; nobody's, if anonymous.
    pub access_key: Option<&'a str>,
    /// What for, such as `s3:GetObject`.
    pub action: &'a str,
    /// The key, if it is about an object.
    pub key: Option<&'a str>,
    /// Everything that conditions may ask for.
    pub facts: &'a Facts,
}

/// What conditions may ask for.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Headers, names in lower case; those in the query too.
    pub headers: Vec<(String, String)>,
    /// The query.
    pub query: Vec<(String, String)>,
    /// Where it comes from: the other end of the connection, or of that of a proxy that is believed.
    pub source: Option<IpAddr>,
    /// Now, in seconds.
    pub now_unix_s: i64,
    /// Whether it came over TLS, and over which one.
    pub secured: Option<Secured>,
    /// How it is signed, if it is.
    pub signed: Option<Signed>,
    /// Tags that the request gives the object.
    pub request_tags: Vec<(String, String)>,
    /// Tags that the object has.
    pub existing_tags: Vec<(String, String)>,
    /// Whether the request is a step towards an object that a later one makes.
    pub prepares_object: bool,
    /// Whether the body, which has not been read yet, says more that conditions ask for: then nothing is denied, and
    /// everything allowed, that it could still decide.
    pub awaits_body: bool,
}

/// How a request is signed, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Where the signature stands: `REST-HEADER`, `REST-QUERY-STRING` or `POST`.
    pub place: &'static str,
    /// Of which version it is.
    pub version: &'static str,
    /// When it was made, in seconds, as far as it says so.
    pub at_unix_s: Option<i64>,
}

/// Whether conditions on an action may ask for the tags that the object has. One that writes an object is about the
/// new one.
pub fn speaks_of_existing_tags(action: &str) -> bool {
    action != "s3:PutObject"
}

/// Whether an action is about an object.
pub fn is_about_objects(action: &str) -> bool {
    actions::about(action) == Some(actions::About::Object)
}

impl Facts {
    /// The facts of a request.
    pub fn of(head: &Head, signed: Option<Signed>, now_unix_s: i64) -> Self {
        Self {
            headers: head.headers.keys().map(|name| (name.as_str().to_owned(), obeyed(head, name))).collect(),
            query: head.query.clone(),
            source: head.source,
            now_unix_s,
            secured: head.secured,
            signed,
            request_tags: tags::of_object(head).unwrap_or_default(),
            existing_tags: Vec::new(),
            prepares_object: head.has_parameter("uploads") || head.has_parameter("partNumber"),
            awaits_body: false,
        }
    }

    /// What matters also where no policy speaks: which version the request is about.
    pub fn of_version(head: &Head) -> Self {
        let mut facts = Self::default();
        facts.set_version(head.parameter(versions::PARAMETER));
        facts
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The upload that the request is about.
    pub fn upload(&self) -> Option<&str> {
        self.parameter("uploadId")
    }

    /// The version of the object that the request is about.
    pub fn version(&self) -> Option<&str> {
        self.parameter(versions::PARAMETER)
    }

    /// Makes it about a version, or about none.
    pub fn set_version(&mut self, version: Option<&str>) {
        self.query.retain(|(known, _)| known != versions::PARAMETER);
        self.query.extend(version.map(|version| (versions::PARAMETER.to_owned(), version.to_owned())));
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A header as operations obey it: grants that stand in several headers of a name count all, of others the first.
fn obeyed(head: &Head, name: &http::HeaderName) -> String {
    let values = head.headers.get_all(name).iter().map(header_text);
    let counted = if name.as_str().starts_with(acl::GRANT_PREFIX) { usize::MAX } else { 1 };
    values.take(counted).collect::<Vec<_>>().join(",")
}
