//! Requests recorded from botocore (both its signers) must verify, and their bodies decode to the object
//! with the checksum announced. The recording is made by script/fixtures/sign_requests.py.

#![allow(clippy::unwrap_used, reason = "a test may panic; clippy spares only functions marked as tests")]

use api::body::{BodyPlan, PayloadMode, stored_content_encoding};
use api::checksum::{BodyChecksums, RequestChecksums, RequestedChecksum};
use api::signature::{Credentials, Placement, RequestHead, Secret, SignatureError, Verified, VerifyPolicy};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

struct Recording {
    now_unix_s: i64,
    key_id: String,
    secret: String,
    object: Vec<u8>,
    requests: Vec<Recorded>,
}

struct Recorded {
    name: String,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn recording() -> Recording {
    let root: Value = serde_json::from_str(include_str!("fixtures/botocore_requests.json")).unwrap();
    let requests: Vec<Recorded> = root["requests"].as_array().unwrap().iter().map(recorded).collect();
    assert!(requests.len() > 150, "the recording holds the whole list");
    Recording {
        now_unix_s: root["now_unix_s"].as_i64().unwrap(),
        key_id: text(&root["key_id"]),
        secret: text(&root["secret"]),
        object: STANDARD.decode(text(&root["object_base64"])).unwrap(),
        requests,
    }
}

fn recorded(request: &Value) -> Recorded {
    let mut headers = HeaderMap::new();
    for pair in request["headers"].as_array().unwrap() {
        let name: HeaderName = text(&pair[0]).parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(text(&pair[1]).as_bytes()).unwrap());
    }
    Recorded {
        name: text(&request["name"]),
        method: text(&request["method"]).parse().unwrap(),
        path: text(&request["path"]),
        query: text(&request["query"]),
        headers,
        body: STANDARD.decode(text(&request["body"])).unwrap(),
    }
}

impl Recording {
    fn verify(&self, request: &Recorded, hosts: &[&str]) -> Result<Verified, SignatureError> {
        let head = RequestHead {
            method: &request.method,
            raw_path: &request.path,
            raw_query: &request.query,
            headers: &request.headers,
            hosts,
        };
        let lookup = |id: &str| (id == self.key_id).then(|| Secret::new(self.secret.as_str()));
        match Credentials::parse(&head, self.now_unix_s)? {
            Credentials::Anonymous => panic!("{}: no credentials", request.name),
            Credentials::Header(claim) | Credentials::Presigned(claim) => {
                claim.verify(&VerifyPolicy::default(), lookup)
            }
        }
    }
}

#[test]
fn every_recorded_request_verifies() {
    let recording = recording();
    for request in &recording.requests {
        let verified = recording
            .verify(request, &[])
            .unwrap_or_else(|error| panic!("{} {}: {error:?}", request.name, request.path));
        assert_eq!(verified.scope().region(), "garage");
        let presigned = request.name.contains("presigned");
        assert_eq!(verified.placement() == Placement::Query, presigned, "{}", request.name);
    }
}

#[test]
fn a_host_changed_by_a_proxy_verifies_only_with_the_right_alternative() {
    let mut recording = recording();
    for request in &mut recording.requests {
        request.headers.insert("host", HeaderValue::from_static("10.0.0.1:8080"));
    }
    for request in &recording.requests {
        let alternatives = ["s3.example.org", "127.0.0.1:3900", "bucket.s3.example.org"];
        recording
            .verify(request, &alternatives)
            .unwrap_or_else(|error| panic!("{}: {error:?}", request.name));
        let wrong = recording.verify(request, &["elsewhere.example.org"]).unwrap_err();
        assert_eq!(wrong.code(), "SignatureDoesNotMatch", "{}", request.name);
    }
}

#[test]
fn every_recorded_body_decodes_to_the_object_with_its_checksum() {
    let recording = recording();
    let (mut trailers_seen, mut headers_seen) = (0, 0);
    for request in recording.requests.iter().filter(|request| request.method == Method::PUT) {
        let name = &request.name;
        let verified = recording.verify(request, &[]).unwrap();
        let plan = BodyPlan::from_request(&request.headers, Some(&verified)).unwrap();
        let requested = RequestChecksums::from_headers(&request.headers).unwrap();
        match requested.checksum {
            RequestedChecksum::Trailer(_) => trailers_seen += 1,
            RequestedChecksum::Value(_) => headers_seen += 1,
            RequestedChecksum::None => assert_eq!(*verified.payload(), PayloadMode::Unsigned, "{name}"),
        }
        let mut checksums = BodyChecksums::new(requested, &[]);
        let mut decoder = plan.into_decoder();
        let mut pieces = Vec::new();
        decoder.push(Bytes::copy_from_slice(&request.body), &mut pieces).unwrap();
        let trailers = decoder.finish().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let decoded = pieces.concat();
        checksums.update(&decoded);
        checksums.finish(&trailers).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let expected = if name.ends_with("empty") { &[] } else { recording.object.as_slice() };
        assert_eq!(decoded, expected, "{name}");
        let encoding = stored_content_encoding(&request.headers);
        assert_eq!(encoding.as_deref(), name.ends_with("gzip").then_some("gzip"), "{name}");
    }
    assert!(trailers_seen >= 20 && headers_seen >= 20, "{trailers_seen} {headers_seen}");
}
