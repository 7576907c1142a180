//! Bucket policies: read strictly, evaluated in one place.
//!
//! A policy is kept as it was sent and read anew for each request; one that is refused when it is set never
//! decides. Always holds: what is not understood – a member, an action, an operator, a key, a variable – is an
//! error when the policy is set, never ignored; a deny outweighs every allow; a policy that cannot be read
//! lets nobody in.

mod actions;
mod conditions;
mod document;
mod pattern;
#[cfg(test)]
mod tests;

pub use document::{POLICY_MAX_BYTES, Policy};

use super::error::{S3Code, S3Error};
use super::head::{Head, header_text};
use super::settings;
use super::tags;
use super::versions;
use model::rows::bucket::{BucketRow, Setting};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

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
    /// The policy of a bucket, if it has one.
    pub fn of(bucket: &BucketRow) -> Result<Option<Self>, S3Error> {
        settings::read(bucket, Setting::Policy)
    }

    /// Reads it. It was read before it was kept: only a newer release can have written what is not understood.
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
    /// The other end of the connection.
    pub source: Option<IpAddr>,
    /// Now, in seconds.
    pub now_unix_s: i64,
    /// Where the signature stands (`REST-HEADER`, `REST-QUERY-STRING`, `POST`), and its version.
    pub signed: Option<(&'static str, &'static str)>,
    /// Tags that the request gives the object.
    pub request_tags: Vec<(String, String)>,
    /// Tags that the object has.
    pub existing_tags: Vec<(String, String)>,
}

/// Whether an action is about an object.
pub fn is_about_objects(action: &str) -> bool {
    actions::about(action) == Some(actions::About::Object)
}

impl Facts {
    /// The facts of a request.
    pub fn of(head: &Head, signed: Option<(&'static str, &'static str)>, now_unix_s: i64) -> Self {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), header_text(value))
        };
        Self {
            headers: head.headers.iter().map(header).collect(),
            query: head.query.clone(),
            source: head.source,
            now_unix_s,
            signed,
            request_tags: tags::of_object(head).unwrap_or_default(),
            existing_tags: Vec::new(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
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
