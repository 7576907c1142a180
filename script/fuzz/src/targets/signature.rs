//! Target `signature`: credentials in the `Authorization` header and in a presigned query.
//!
//! The first byte of the input chooses: the request as it is; the request signed in its header by an
//! independent signer; the same presigned. What must hold: no panic, memory in proportion to the head;
//! what is signed by the rules is accepted; what was accepted is refused as soon as a byte of what was
//! signed changes, or a header is added that had to be signed.

use super::meter;
use super::signer::{self, KEY_ID, NOW, NOW_UNIX_S, SCOPE, SECRET, Signable};
use super::text_request;
use api::signature::{Credentials, Placement, RequestHead, Secret, SignatureError, Verified, VerifyPolicy};
use http::request::Parts;
use http::{HeaderName, HeaderValue};

/// Up to eight canonical forms are built, one at a time, from at most three copies of the head; a refusal
/// keeps one of them twice.
const MEMORY_PER_HEAD_BYTE: usize = 32;
/// For what does not grow with the head.
const MEMORY_FIXED_BYTES: usize = 16 << 10;

/// Headers that the signer sets itself.
const SET_BY_SIGNER: [&str; 4] = ["authorization", "x-amz-date", "x-amz-content-sha256", "host"];
/// Query parameters that mean credentials.
const CREDENTIAL_PARAMETERS: [&str; 9] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Content-Sha256",
    "AWSAccessKeyId",
    "Signature",
];

/// One request.
pub fn check(input: &[u8]) {
    let Some((mode, text)) = input.split_first() else { return };
    let Some(parts) = text_request::parse(text) else { return };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    match mode % 3 {
        0 => as_it_is(&parts, &query),
        1 => signed_in_the_header(parts, &query),
        _ => presigned(parts, &query),
    }
}

fn as_it_is(parts: &Parts, query: &str) {
    let head_bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let head_bytes = head_bytes + parts.uri.path().len() + query.len();
    let limit = MEMORY_FIXED_BYTES + MEMORY_PER_HEAD_BYTE * head_bytes;
    match meter::within(limit, || verify(parts, query)) {
        Some(Ok(verified)) => {
            assert_eq!(verified.access_key_id(), KEY_ID);
            assert!(NOW.starts_with(verified.scope().date()), "the signature is of another day");
            refused_when_changed(parts, query);
        }
        Some(Err(error)) => assert!(error.status().is_client_error() || error.status().is_server_error()),
        None => {}
    }
}

/// `None`: the request carries no credentials.
fn verify(parts: &Parts, raw_query: &str) -> Option<Result<Verified, SignatureError>> {
    let head = RequestHead {
        method: &parts.method,
        raw_path: parts.uri.path(),
        raw_query,
        headers: &parts.headers,
        hosts: &["other.example.org"],
    };
    let lookup = |id: &str| (id == KEY_ID).then(|| Secret::new(SECRET));
    match Credentials::parse(&head, NOW_UNIX_S) {
        Ok(Credentials::Anonymous) => None,
        Ok(Credentials::Header(claim) | Credentials::Presigned(claim)) => {
            Some(claim.verify(&VerifyPolicy::default(), lookup))
        }
        Err(error) => Some(Err(error)),
    }
}

fn is_accepted(parts: &Parts, raw_query: &str) -> bool {
    matches!(verify(parts, raw_query), Some(Ok(_)))
}

fn refused_when_changed(parts: &Parts, query: &str) {
    let mut changed = parts.clone();
    changed.method = http::Method::from_bytes(format!("{}X", parts.method).as_bytes()).expect("a token");
    assert!(!is_accepted(&changed, query), "another method");
    let longer = format!("{query}&a=b");
    assert!(!is_accepted(parts, &longer), "another parameter");
    let mut added = parts.clone();
    added.headers.append("x-amz-added", HeaderValue::from_static("1"));
    assert!(!is_accepted(&added, query), "an unsigned header of the kind that must be signed");
    for name in parts.headers.keys().filter(|name| name.as_str().starts_with("x-amz-")) {
        let mut doubled = parts.clone();
        doubled.headers.append(name, HeaderValue::from_static("changed"));
        assert!(!is_accepted(&doubled, query), "a second value of {name}");
    }
}

/// Takes away what the signer sets itself; `false` when the request cannot be signed by the rules.
fn prepare(parts: &mut Parts, query: &str) -> bool {
    let names = signer::parameters(query);
    if names.iter().any(|(name, _)| CREDENTIAL_PARAMETERS.iter().any(|known| known.as_bytes() == name)) {
        return false;
    }
    let host = parts.headers.get("host").cloned();
    for name in SET_BY_SIGNER {
        parts.headers.remove(name);
    }
    let host = host.filter(|host| host.to_str().is_ok_and(|text| !text.contains([' ', '\t'])));
    parts.headers.insert("host", host.unwrap_or(HeaderValue::from_static("s3.example.org")));
    true
}

fn signed_in_the_header(mut parts: Parts, query: &str) {
    if !prepare(&mut parts, query) {
        return;
    }
    let payload_hash = "UNSIGNED-PAYLOAD";
    parts.headers.insert("x-amz-date", HeaderValue::from_static(NOW));
    parts.headers.insert("x-amz-content-sha256", HeaderValue::from_static(payload_hash));
    let mut signed: Vec<&str> = parts.headers.keys().map(HeaderName::as_str).collect();
    signed.sort_unstable();
    let (method, raw_path) = (&parts.method, parts.uri.path());
    let signable =
        Signable { method, raw_path, raw_query: query, headers: &parts.headers, signed, payload_hash };
    let (signature, list) = (signable.signature(), signable.signed_list());
    let with = |signature: &[u8; 32]| {
        let signature = signer::hex(signature);
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={KEY_ID}/{SCOPE}, SignedHeaders={list}, Signature={signature}"
        );
        let mut parts = parts.clone();
        parts.headers.insert("authorization", HeaderValue::try_from(value).expect("plain characters"));
        parts
    };
    accepted_only_as_signed(&signature, Placement::Header, |signature| (with(signature), query.to_owned()));
}

fn presigned(mut parts: Parts, query: &str) {
    if !prepare(&mut parts, query) {
        return;
    }
    // A presigned request signs what must be signed, and no more.
    let must = |name: &&str| *name == "host" || name.starts_with("x-amz-");
    let mut signed: Vec<&str> = parts.headers.keys().map(HeaderName::as_str).filter(must).collect();
    signed.sort_unstable();
    let list = signer::encode(signed.join(";").as_bytes(), false);
    let credential = signer::encode(format!("{KEY_ID}/{SCOPE}").as_bytes(), false);
    let raw_query = format!(
        "{query}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={NOW}\
         &X-Amz-Expires=600&X-Amz-SignedHeaders={list}"
    );
    let (method, raw_path, payload_hash) = (&parts.method, parts.uri.path(), "UNSIGNED-PAYLOAD");
    let signable =
        Signable { method, raw_path, raw_query: &raw_query, headers: &parts.headers, signed, payload_hash };
    accepted_only_as_signed(&signable.signature(), Placement::Query, |signature| {
        (parts.clone(), format!("{raw_query}&X-Amz-Signature={}", signer::hex(signature)))
    });
}

fn accepted_only_as_signed(
    signature: &[u8; 32],
    placement: Placement,
    request: impl Fn(&[u8; 32]) -> (Parts, String),
) {
    let (parts, query) = request(signature);
    let verified = verify(&parts, &query).expect("a signed request carries credentials");
    assert_eq!(verified.expect("what is signed by the rules is accepted").placement(), placement);
    refused_when_changed(&parts, &query);
    let mut wrong = *signature;
    wrong[31] ^= 1;
    let (parts, query) = request(&wrong);
    assert!(!is_accepted(&parts, &query), "a signature with one bit changed");
}
