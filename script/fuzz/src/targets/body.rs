//! Target `chunked_body`: bodies plain and in `aws-chunked` framing, from the bytes sent to the object's.
//!
//! The first byte chooses: the bytes as a body of some payload mode; a body framed and signed by an
//! independent signer; the same with one byte changed. What must hold: no panic; memory bounded beyond
//! the body itself; the outcome does not depend on how the body is cut into pieces; nothing comes out
//! that was not sent; what was framed by the rules is read back; what was signed and then changed is
//! refused, unless it still says the same.

use super::meter;
use super::signer::{self, Chain, KEY_ID, NOW, NOW_UNIX_S, SCOPE, SECRET, Signable};
use api::body::{
    BodyError, BodyPlan, ChunkHeader, MAX_CHUNK_HEADER_BYTES, MAX_CHUNK_SIZE_BYTES, MAX_TRAILER_BYTES,
    MAX_TRAILERS, TrailerBlock,
};
use api::signature::{Credentials, RequestHead, Secret, Verified, VerifyPolicy};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const TRAILER: &str = "x-amz-checksum-crc32";

/// The line before a chunk and the trailer may be held back, and grow by doubling; each trailer line
/// becomes two strings of its own.
const MEMORY_LIMIT_BYTES: usize = 4 * (MAX_CHUNK_HEADER_BYTES + MAX_TRAILER_BYTES) + MAX_TRAILERS * 256;
/// One slice per piece and chunk; a chunk of one byte takes six on the wire and a list grows by doubling.
const MEMORY_PER_BODY_BYTE: usize = 32;

/// What came of a body: its bytes and its trailers, or why it was refused.
type Outcome = Result<(Vec<u8>, Vec<(String, String)>), BodyError>;

/// One body.
pub fn check(input: &[u8]) {
    let Some((setting, body)) = input.split_first_chunk::<3>() else { return };
    let [mode, length, seed] = *setting;
    match mode % 8 {
        0 => plain(UNSIGNED, body, length, seed),
        1 => plain(&signer::sha256_hex(body), body, length, seed),
        2 => as_sent(UNSIGNED, body, length, seed),
        3 => as_sent(UNSIGNED_TRAILER, body, length, seed),
        4 => as_sent(SIGNED, body, length, seed),
        5 => as_sent(SIGNED_TRAILER, body, length, seed),
        6 => framed(body, length, seed, None),
        _ => framed(body, length, seed, body.first().copied()),
    }
    lines(body);
}

/// A request for a body: signed, so that its chunks can be.
fn request(payload: &str, further: &[(&str, String)]) -> (HeaderMap, Verified) {
    let mut headers = HeaderMap::new();
    let fixed = [("host", "s3.example.org"), ("x-amz-date", NOW), ("x-amz-content-sha256", payload)];
    let further = further.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in fixed.into_iter().chain(further) {
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    let (method, raw_path) = (Method::PUT, "/bucket/key");
    let mut signed: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    signed.sort_unstable();
    let signable = Signable {
        method: &method,
        raw_path,
        raw_query: "",
        headers: &headers,
        signed,
        payload_hash: payload,
    };
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/{SCOPE}, SignedHeaders={}, Signature={}",
        signable.signed_list(),
        signer::hex(&signable.signature())
    );
    headers.insert("authorization", HeaderValue::try_from(value).expect("plain characters"));
    let head = RequestHead { method: &method, raw_path, raw_query: "", headers: &headers, hosts: &[] };
    let Ok(Credentials::Header(claim)) = Credentials::parse(&head, NOW_UNIX_S) else {
        panic!("the request is signed in its header");
    };
    let verified = claim.verify(&VerifyPolicy::default(), |_| Some(Secret::new(SECRET)));
    let verified = verified.expect("the request is signed by the rules");
    (headers, verified)
}

/// The plan of a request, and its signature.
fn plan(payload: &str, further: &[(&str, String)]) -> (BodyPlan, [u8; 32]) {
    let (headers, verified) = request(payload, further);
    let authorization = headers["authorization"].to_str().expect("plain characters");
    let digits = authorization.rsplit('=').next().unwrap_or_default();
    let signature = base::id::decode_hex(digits).and_then(|bytes| bytes.try_into().ok());
    let plan = BodyPlan::from_request(&headers, Some(&verified)).expect("the headers fit together");
    (plan, signature.expect("64 digits"))
}

fn plain(payload: &str, body: &[u8], length: u8, seed: u8) {
    let announced = (body.len() + usize::from(length % 2)).to_string();
    let (plan, _) = plan(payload, &[("content-length", announced)]);
    let outcome = decode_every_way(&plan, body, seed);
    let expected =
        if length.is_multiple_of(2) { Ok((body.to_vec(), vec![])) } else { Err(BodyError::IncompleteBody) };
    assert_eq!(outcome, expected);
}

fn as_sent(payload: &str, body: &[u8], length: u8, seed: u8) {
    let mut headers = vec![("content-encoding", "aws-chunked".to_owned())];
    // Announced lengths from 0 to 127, or none where that is allowed.
    let announces = payload != UNSIGNED || length < 128;
    if announces {
        headers.push(("x-amz-decoded-content-length", (length & 127).to_string()));
    }
    if seed.is_multiple_of(2) {
        headers.push(("x-amz-trailer", TRAILER.to_owned()));
    }
    let (plan, _) = plan(payload, &headers);
    if let Ok((object, trailers)) = decode_every_way(&plan, body, seed) {
        assert!(object.len() < body.len(), "the framing takes bytes of its own");
        assert!(!announces || object.len() == usize::from(length & 127), "the announced length");
        assert!(trailers.len() <= 1, "only the announced trailer");
        if payload == SIGNED || payload == SIGNED_TRAILER {
            // Chunks without a signature, or with one that was not made with the key.
            assert!(object.is_empty(), "unsigned bytes came out of a signed body");
        }
    }
}

/// A body framed by the rules; `change` is a byte to be changed on the way.
fn framed(content: &[u8], length: u8, seed: u8, change: Option<u8>) {
    let payload = [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER][usize::from(length % 3)];
    let mut headers = vec![("x-amz-decoded-content-length", content.len().to_string())];
    if payload != SIGNED {
        headers.push(("x-amz-trailer", TRAILER.to_owned()));
    }
    let (plan, signature) = plan(payload, &headers);
    let mut wire = Vec::new();
    let mut chain = Chain::new(&signature);
    let size = usize::from(length) / 3 + 1;
    for chunk in content.chunks(size).chain([&b""[..]]) {
        let mark = if payload == UNSIGNED_TRAILER {
            String::new()
        } else {
            format!(";chunk-signature={}", chain.chunk(chunk))
        };
        wire.extend_from_slice(format!("{:x}{mark}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(if chunk.is_empty() { b"" } else { b"\r\n" });
    }
    let value = format!("{seed:04}");
    let mut trailers = vec![];
    if payload != SIGNED {
        wire.extend_from_slice(format!("{TRAILER}:{value}\r\n").as_bytes());
        trailers.push((TRAILER.to_owned(), value.clone()));
    }
    if payload == SIGNED_TRAILER {
        let signature = chain.trailer(format!("{TRAILER}:{value}\n").as_bytes());
        wire.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    let expected = (content.to_vec(), trailers);
    let Some(change) = change else {
        assert_eq!(decode_every_way(&plan, &wire, seed), Ok(expected));
        return;
    };
    let at = (usize::from(change) * 257 + usize::from(seed)) % wire.len();
    wire[at] ^= change.max(1);
    let outcome = decode_every_way(&plan, &wire, seed);
    if payload != UNSIGNED_TRAILER {
        assert!(outcome.is_err() || outcome == Ok(expected), "byte {at} was changed unnoticed");
    }
}

/// Decodes whole and in pieces; the outcome must be the same.
fn decode_every_way(plan: &BodyPlan, body: &[u8], seed: u8) -> Outcome {
    let limit = MEMORY_LIMIT_BYTES + MEMORY_PER_BODY_BYTE * body.len();
    let whole = meter::within(limit, || decode(plan, body, |_| body.len().max(1)));
    let mut state = u32::from(seed) + 1;
    let irregular = decode(plan, body, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + (state >> 24) as usize % (1 + usize::from(seed))
    });
    assert_eq!(irregular, whole, "the outcome depends on the pieces");
    whole
}

fn decode(plan: &BodyPlan, body: &[u8], mut size: impl FnMut(usize) -> usize) -> Outcome {
    let mut decoder = plan.clone().into_decoder();
    let (mut out, mut rest) = (Vec::new(), Bytes::copy_from_slice(body));
    let mut pieces = 0;
    while !rest.is_empty() {
        let piece = rest.split_to(size(pieces).min(rest.len()));
        decoder.push(piece, &mut out)?;
        pieces += 1;
    }
    assert_eq!(decoder.decoded_bytes(), out.iter().map(|piece| piece.len() as u64).sum::<u64>());
    let trailers = decoder.finish()?;
    let trailers = trailers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok((out.concat(), trailers))
}

/// The two kinds of lines by themselves.
fn lines(bytes: &[u8]) {
    if let Ok(header) = ChunkHeader::parse(bytes) {
        assert!(header.size_bytes <= MAX_CHUNK_SIZE_BYTES);
        let mark = header.signature.map(|signature| format!(";chunk-signature={}", signer::hex(&signature)));
        let again = format!("{:x}{}", header.size_bytes, mark.unwrap_or_default());
        assert_eq!(ChunkHeader::parse(again.as_bytes()), Ok(header));
    }
    // Longer ones are refused before they are read.
    let _ = TrailerBlock::parse(&bytes[..bytes.len().min(MAX_TRAILER_BYTES)]);
}
