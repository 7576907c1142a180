//! What a condition asks for, and what a request has there.

use super::conditions::read_date;
use super::{Asked, Facts};
use crate::s3::acl;
use crate::s3::begun::STORAGE_CLASS;
use crate::s3::error::{S3Code, S3Error};

/// What a condition asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    SourceIp,
    SecureTransport,
    CurrentTime,
    EpochTime,
    UserName,
    PrincipalArn,
    PrincipalType,
    AuthType,
    SignatureAge,
    SignatureVersion,
    TlsVersion,
    Header(&'static str),
    Parameter(&'static str),
    ExistingTag(String),
    RequestTag(String),
    RequestTagKeys,
    RemainingRetentionDays,
    /// Whether the operation makes an object, or only prepares one.
    ObjectCreation,
    /// Whether a service of AWS asks, or by its hands.
    OfService,
    /// What no request here ever has: temporary keys, networks and organisations of AWS.
    Absent,
}

/// The header that says until when an object is retained.
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const DAY_S: f64 = 86_400.0;

/// Keys that stand for a header of the request: AWS's name, the header's.
const HEADERS: [(&str, &str); 20] = [
    ("s3:object-lock-mode", "x-amz-object-lock-mode"),
    ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold"),
    ("s3:object-lock-retain-until-date", UNTIL),
    ("aws:referer", "referer"),
    ("aws:useragent", "user-agent"),
    ("s3:if-match", "if-match"),
    ("s3:if-none-match", "if-none-match"),
    ("s3:x-amz-acl", "x-amz-acl"),
    ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
    ("s3:x-amz-copy-source", "x-amz-copy-source"),
    ("s3:x-amz-grant-full-control", "x-amz-grant-full-control"),
    ("s3:x-amz-grant-read", "x-amz-grant-read"),
    ("s3:x-amz-grant-read-acp", "x-amz-grant-read-acp"),
    ("s3:x-amz-grant-write", "x-amz-grant-write"),
    ("s3:x-amz-grant-write-acp", "x-amz-grant-write-acp"),
    ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
    ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
    ("s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id"),
    ("s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm"),
    ("s3:x-amz-storage-class", STORAGE_CLASS),
];
/// Keys that stand for a parameter of the query.
const PARAMETERS: [(&str, &str); 4] = [
    ("s3:prefix", "prefix"),
    ("s3:delimiter", "delimiter"),
    ("s3:max-keys", "max-keys"),
    ("s3:versionid", "versionId"),
];
/// Keys that may have several values: no variable stands for one of them.
const MULTIVALUED: [&str; 3] = ["aws:calledvia", "aws:principalorgpaths", "s3:requestobjecttagkeys"];
/// Keys that AWS leaves out of requests like those here.
const ABSENT: [&str; 28] = [
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:federatedprovider",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceidentity",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:tokenissuetime",
    "aws:vpcsourceip",
    "s3:accessgrantsinstancearn",
    "s3:accesspointnetworkorigin",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:destinationregion",
    "s3:existingjoboperation",
    "s3:existingjobpriority",
    "s3:isreplicationpauserequest",
    "s3:jobsuspendedcause",
    "s3:locationconstraint",
    "s3:requestjoboperation",
    "s3:requestjobpriority",
];

impl Key {
    /// Reads a key.
    pub fn parse(key: &str) -> Result<Self, S3Error> {
        let lower = key.to_ascii_lowercase();
        let find = |list: &[(&'static str, &'static str)]| {
            list.iter().find(|(name, _)| *name == lower).map(|(_, stands_for)| *stands_for)
        };
        if let Some(header) = find(&HEADERS) {
            return Ok(Self::Header(header));
        }
        if let Some(parameter) = find(&PARAMETERS) {
            return Ok(Self::Parameter(parameter));
        }
        // The tag's own name keeps its case.
        if let Some((_, tag)) = key.split_once('/') {
            match lower.split_once('/').map(|(family, _)| family) {
                Some("s3:existingobjecttag") => return Ok(Self::ExistingTag(tag.to_owned())),
                Some("s3:requestobjecttag") => return Ok(Self::RequestTag(tag.to_owned())),
                _ => {}
            }
        }
        match lower.as_str() {
            "aws:sourceip" => Ok(Self::SourceIp),
            "aws:securetransport" => Ok(Self::SecureTransport),
            "aws:currenttime" => Ok(Self::CurrentTime),
            "aws:epochtime" => Ok(Self::EpochTime),
            "aws:username" | "aws:userid" => Ok(Self::UserName),
            "aws:principalarn" => Ok(Self::PrincipalArn),
            "aws:principaltype" => Ok(Self::PrincipalType),
            "s3:authtype" => Ok(Self::AuthType),
            "s3:signatureage" => Ok(Self::SignatureAge),
            "s3:signatureversion" => Ok(Self::SignatureVersion),
            "s3:tlsversion" => Ok(Self::TlsVersion),
            "s3:requestobjecttagkeys" => Ok(Self::RequestTagKeys),
            "s3:object-lock-remaining-retention-days" => Ok(Self::RemainingRetentionDays),
            "s3:objectcreationoperation" => Ok(Self::ObjectCreation),
            "aws:principalisawsservice" | "aws:viaawsservice" => Ok(Self::OfService),
            other if ABSENT.contains(&other) || other.starts_with("aws:principaltag/") => Ok(Self::Absent),
            other if other.starts_with("aws:") || other.starts_with("s3:") => {
                let message = format!("The condition key {key} is not supported");
                Err(S3Error::with_message(S3Code::NotImplemented, message))
            }
            _ => {
                let message = format!("Policy has an invalid condition key: {key}");
                Err(S3Error::with_message(S3Code::MalformedPolicy, message))
            }
        }
    }

    /// Reads the key that a variable is called after.
    pub fn of_variable(name: &str) -> Result<Self, S3Error> {
        if MULTIVALUED.contains(&name.to_ascii_lowercase().as_str()) {
            let message = format!("The key {name} may have several values and cannot be a policy variable");
            return Err(S3Error::with_message(S3Code::MalformedPolicy, message));
        }
        Self::parse(name)
    }

    /// Whether PutObjectTagging and the like say it in the body of the request.
    pub fn is_in_body(&self) -> bool {
        match self {
            Self::RequestTag(_) | Self::RequestTagKeys | Self::RemainingRetentionDays => true,
            Self::Header(name) => name.starts_with("x-amz-object-lock-"),
            _ => false,
        }
    }

    /// Whether it is about the object as the request says it that begins an upload of it; requests about its parts do
    /// not.
    pub fn is_of_creation(&self) -> bool {
        let of_object = ["x-amz-acl", STORAGE_CLASS];
        match self {
            Self::Header(name) => {
                let families = [acl::GRANT_PREFIX, "x-amz-server-side-encryption", "x-amz-object-lock-"];
                of_object.contains(name) || families.iter().any(|family| name.starts_with(family))
            }
            Self::RequestTag(_) | Self::RequestTagKeys | Self::RemainingRetentionDays => true,
            _ => false,
        }
    }

    /// What a request has there; nothing, where the key is absent.
    pub fn values(&self, asked: &Asked<'_>) -> Vec<String> {
        let facts: &Facts = asked.facts;
        let tag = |tags: &[(String, String)], wanted: &str| {
            tags.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone())
        };
        let one = match self {
            Self::SourceIp => facts.source.map(|address| address.to_string()),
            Self::SecureTransport => Some(facts.secured.is_some().to_string()),
            Self::TlsVersion => {
                facts.secured.and_then(|secured| secured.0).map(|version| version.number().to_owned())
            }
            Self::CurrentTime | Self::EpochTime => Some(facts.now_unix_s.to_string()),
            Self::UserName => asked.access_key.map(str::to_owned),
            // There are no numbers of accounts here.
            Self::PrincipalArn => asked.access_key.map(|key| format!("arn:aws:iam:::user/{key}")),
            Self::PrincipalType => {
                Some(if asked.access_key.is_some() { "User" } else { "Anonymous" }.to_owned())
            }
            Self::AuthType => facts.signed.map(|signed| signed.place.to_owned()),
            Self::SignatureVersion => facts.signed.map(|signed| signed.version.to_owned()),
            Self::SignatureAge => {
                let at = facts.signed.and_then(|signed| signed.at_unix_s);
                at.map(|at| (facts.now_unix_s.saturating_sub(at).max(0).saturating_mul(1000)).to_string())
            }
            Self::Header(name) => facts.header(name).map(str::to_owned),
            Self::Parameter(name) => facts.parameter(name).map(str::to_owned),
            Self::ExistingTag(_) if !super::speaks_of_existing_tags(asked.action) => None,
            Self::ExistingTag(name) => tag(&facts.existing_tags, name),
            Self::RequestTag(name) => tag(&facts.request_tags, name),
            Self::RemainingRetentionDays => {
                let seconds =
                    facts.header(UNTIL).and_then(read_date).map(|until| until - facts.now_unix_s as f64);
                seconds.map(|seconds| format!("{:.0}", (seconds / DAY_S).ceil()))
            }
            Self::ObjectCreation => {
                let creates = asked.action == "s3:PutObject";
                creates.then(|| (!facts.prepares_object).to_string())
            }
            Self::RequestTagKeys => return facts.request_tags.iter().map(|(key, _)| key.clone()).collect(),
            Self::OfService => Some(false.to_string()),
            Self::Absent => None,
        };
        one.into_iter().collect()
    }

    /// What a variable that is called after it stands for; nothing, where the request has nothing there or only says
    /// that there is nothing.
    pub fn variable(&self, asked: &Asked<'_>) -> Option<String> {
        let value = match self {
            // AWS writes it so; conditions compare seconds.
            Self::CurrentTime => jiff::Timestamp::from_second(asked.facts.now_unix_s).ok()?.to_string(),
            _ => self.values(asked).pop()?,
        };
        Some(value).filter(|value| !value.is_empty())
    }
}
