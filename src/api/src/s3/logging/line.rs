//! A line of a bucket's log, in the form of AWS's server access logs.
//!
//! Always holds: a line is one line with as many fields as AWS's, whatever the request holds: what came from outside is
//! escaped where it could end a field.

use super::Logging;
use crate::s3::access::Caller;
use crate::s3::encryption;
use crate::s3::head::Head;
use crate::s3::operation::{NamedBucket, Operation, Target};
use crate::s3::parameters::OWNER_ID;
use base::WallTime;
use http::{HeaderMap, header};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::time::Duration;

/// Bytes that could end a field, or that are no text.
const QUOTED: &AsciiSet = &CONTROLS.add(b'"');
/// The same for a field without quotes.
const PLAIN: &AsciiSet = &QUOTED.add(b' ').add(b'%');
/// Bytes kept of a field that the client chose.
const FIELD_MAX_BYTES: usize = 4096;

/// What a request to a bucket with logging asked, as far as its line shows it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where the line goes.
    pub logging: Logging,
    bucket: String,
    source: Option<String>,
    requester: Option<String>,
    request_id: String,
    operation: String,
    key: Option<String>,
    uri: String,
    referer: Option<String>,
    user_agent: Option<String>,
    version: Option<String>,
    host: Option<String>,
    is_in_query: bool,
    sent_bytes: Option<String>,
}

/// How it was answered.
#[derive(Debug)]
pub struct Answered<'a> {
    /// When it came.
    pub time: WallTime,
    /// The status.
    pub status: u16,
    /// The error's code.
    pub error: Option<&'a str>,
    /// The answer's headers.
    pub headers: &'a HeaderMap,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// How long the answer took to begin.
    pub took: Duration,
    /// The node that answered.
    pub host_id: &'a str,
}

impl Asked {
    /// Notes what a request asks.
    pub fn of(
        logging: Logging,
        (head, caller): (&Head, &Caller),
        operation: &Operation,
        bucket: &NamedBucket,
    ) -> Self {
        let query = encryption::without_keys(&head.raw_query);
        let query = if query.is_empty() { query } else { format!("?{query}") };
        let is_read = matches!(operation.route.method, "GET" | "HEAD");
        let sent = head.header("x-amz-decoded-content-length").or_else(|| head.header("content-length"));
        Self {
            logging,
            bucket: bucket.name.clone(),
            source: head.source.map(|address| address.to_string()),
            requester: caller.access_key().map(str::to_owned),
            request_id: head.request_id.clone(),
            operation: name_of(operation),
            key: head.key.clone(),
            uri: format!("{} {}{query} HTTP/1.1", head.method, head.raw_path),
            referer: head.header("referer"),
            user_agent: head.header("user-agent"),
            version: head.parameter("versionId").map(str::to_owned),
            host: head.header("host"),
            is_in_query: head.has_parameter("X-Amz-Signature"),
            sent_bytes: sent.filter(|_| !is_read && operation.route.target == Target::Object),
        }
    }

    /// The line.
    pub fn line(&self, answered: &Answered<'_>) -> Vec<u8> {
        let text =
            |name: header::HeaderName| answered.headers.get(name).and_then(|value| value.to_str().ok());
        let whole =
            text(header::CONTENT_RANGE).and_then(|range| range.rsplit_once('/')).map(|(_, size)| size);
        let is_object = self.operation.ends_with(".OBJECT") && answered.status < 300;
        let length = text(header::CONTENT_LENGTH).filter(|_| is_object && self.sent_bytes.is_none());
        let size = whole.or(length).or(self.sent_bytes.as_deref());
        let version = answered.headers.get("x-amz-version-id").and_then(|value| value.to_str().ok());
        let took = answered.took.as_millis().to_string();
        let signed = self.requester.is_some();
        let auth = if self.is_in_query { "QueryString" } else { "AuthHeader" };
        let body_bytes = Some(answered.body_bytes).filter(|bytes| *bytes > 0).map(|bytes| bytes.to_string());
        let fields = [
            OWNER_ID.to_owned(),
            plain(Some(&self.bucket)),
            bracketed(answered.time),
            plain(self.source.as_deref()),
            plain(self.requester.as_deref()),
            self.request_id.clone(),
            self.operation.clone(),
            plain(self.key.as_deref()),
            quoted(Some(&self.uri)),
            answered.status.to_string(),
            plain(answered.error),
            plain(body_bytes.as_deref()),
            plain(size),
            took.clone(),
            took,
            quoted(self.referer.as_deref()),
            quoted(self.user_agent.as_deref()),
            plain(version.or(self.version.as_deref())),
            answered.host_id.to_owned(),
            plain(signed.then_some("SigV4")),
            plain(None),
            plain(signed.then_some(auth)),
            plain(self.host.as_deref()),
            plain(None),
            plain(None),
            plain(None),
        ];
        let mut line = fields.join(" ").into_bytes();
        line.push(b'\n');
        line
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(FIELD_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn plain(text: Option<&str>) -> String {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => utf8_percent_encode(shortened(text), PLAIN).to_string(),
        None => "-".to_owned(),
    }
}

fn quoted(text: Option<&str>) -> String {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => format!("\"{}\"", utf8_percent_encode(shortened(text), QUOTED)),
        None => "\"-\"".to_owned(),
    }
}

/// `[06/Feb/2019:00:00:38 +0000]`.
fn bracketed(time: WallTime) -> String {
    let at = i64::try_from(time.millis()).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or(Timestamp::UNIX_EPOCH).strftime("[%d/%b/%Y:%H:%M:%S +0000]").to_string()
}

/// The operation in the words of the logs: `REST.GET.OBJECT`.
fn name_of(operation: &Operation) -> String {
    let (method, name) = (operation.route.method, operation.name);
    let what = match name {
        "CopyObject" => return "REST.COPY.OBJECT".to_owned(),
        "UploadPartCopy" => return "REST.COPY.PART".to_owned(),
        "DeleteObjects" => "MULTI_OBJECT_DELETE",
        "UploadPart" => "PART",
        "CreateMultipartUpload" | "ListMultipartUploads" => "UPLOADS",
        "CompleteMultipartUpload" | "AbortMultipartUpload" | "ListParts" => "UPLOAD",
        "ListObjectVersions" => "BUCKETVERSIONS",
        "GetBucketLocation" => "LOCATION",
        _ => match (operation.route.query.first().copied(), operation.route.target) {
            (Some("policy"), _) => "BUCKETPOLICY",
            (Some("logging"), _) => "LOGGING_STATUS",
            (Some("tagging"), Target::Object) => "OBJECT_TAGGING",
            (Some("acl"), _) => "ACL",
            (Some("list-type"), _) | (None, Target::Bucket) if name != "PostObject" => "BUCKET",
            (Some(resource), _) => return format!("REST.{method}.{}", resource.to_uppercase()),
            (None, _) => "OBJECT",
        },
    };
    format!("REST.{method}.{what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::operation::OPERATIONS;

    fn asked() -> Asked {
        let name = |text: &str| Some(text.to_owned());
        Asked {
            logging: Logging { bucket: String::new(), name: String::new(), prefix: String::new() },
            bucket: "photos".to_owned(),
            source: name("192.0.2.3"),
            requester: name("GK1"),
            request_id: "3E57427F3EXAMPLE".to_owned(),
            operation: "REST.GET.OBJECT".to_owned(),
            key: name("a b\n\"c"),
            uri: "GET /photos/a%20b HTTP/1.1".to_owned(),
            referer: None,
            user_agent: name("evil\" 200 -\nagent"),
            version: None,
            host: name("localhost:3900"),
            is_in_query: false,
            sent_bytes: None,
        }
    }

    #[test]
    fn a_line_is_one_line_of_twenty_six_fields() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, 7.into());
        let answered = Answered {
            time: WallTime(1_549_411_238_000),
            status: 200,
            error: None,
            headers: &headers,
            body_bytes: 7,
            took: Duration::from_millis(41),
            host_id: "host",
        };
        let line = String::from_utf8(asked().line(&answered)).unwrap();
        let wanted = format!(
            "{OWNER_ID} photos [06/Feb/2019:00:00:38 +0000] 192.0.2.3 GK1 3E57427F3EXAMPLE REST.GET.OBJECT \
             a%20b%0A%22c \"GET /photos/a%20b HTTP/1.1\" 200 - 7 7 41 41 \"-\" \"evil%22 200 -%0Aagent\" - host SigV4 \
             - AuthHeader localhost:3900 - - -\n"
        );
        assert_eq!(line, wanted);
    }

    #[test]
    fn operations_are_called_as_on_aws() {
        let called =
            |name: &str| name_of(OPERATIONS.iter().find(|operation| operation.name == name).unwrap());
        for (name, wanted) in [
            ("PutObject", "REST.PUT.OBJECT"),
            ("PostObject", "REST.POST.OBJECT"),
            ("HeadObject", "REST.HEAD.OBJECT"),
            ("CopyObject", "REST.COPY.OBJECT"),
            ("ListObjectsV2", "REST.GET.BUCKET"),
            ("ListObjects", "REST.GET.BUCKET"),
            ("DeleteObjects", "REST.POST.MULTI_OBJECT_DELETE"),
            ("PutBucketPolicy", "REST.PUT.BUCKETPOLICY"),
            ("GetBucketVersioning", "REST.GET.VERSIONING"),
            ("GetBucketLogging", "REST.GET.LOGGING_STATUS"),
            ("CompleteMultipartUpload", "REST.POST.UPLOAD"),
        ] {
            assert_eq!(called(name), wanted, "{name}");
        }
    }
}
