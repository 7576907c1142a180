//! The published chunked uploads, and what must be refused.

use bytes::Bytes;

use super::*;
use crate::signature::test_request::TestRequest;

const PUBLISHED_LENGTH: usize = 66_560;

/// The published example of a body in signed chunks: 66 560 letters `a`, chunks of 64 KiB.
fn published_chunked() -> (TestRequest, Vec<u8>) {
    let mut request = TestRequest::new(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        &[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
        ],
    );
    request.add(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=\
         content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    let body = chunked(&[
        (65_536, Some("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648")),
        (1024, Some("0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497")),
        (0, Some("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")),
    ]);
    (request, [body.as_slice(), b"\r\n"].concat())
}

/// Chunks of the letter `a`; the last one ends with its line.
fn chunked(chunks: &[(usize, Option<&str>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (size, signature) in chunks {
        let extension = signature.map(|text| format!(";chunk-signature={text}")).unwrap_or_default();
        body.extend_from_slice(format!("{size:x}{extension}\r\n").as_bytes());
        if *size > 0 {
            body.extend_from_slice(&vec![b'a'; *size]);
            body.extend_from_slice(b"\r\n");
        }
    }
    body
}

fn decode_pieces<'p>(
    plan: BodyPlan,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Result<(Vec<u8>, Trailers), BodyError> {
    let mut decoder = plan.into_decoder();
    let mut out = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece), &mut out)?;
    }
    let trailers = decoder.finish()?;
    Ok((out.concat(), trailers))
}

fn plan_of(request: &TestRequest) -> BodyPlan {
    let verified = request.verify().unwrap();
    BodyPlan::from_request(&request.headers, Some(&verified)).unwrap()
}

#[test]
fn published_signed_chunks_decode() {
    let (request, body) = published_chunked();
    assert_eq!(body.len(), 66_824, "the published length of the framed body");
    let (decoded, trailers) = decode_pieces(plan_of(&request), [body.as_slice()]).unwrap();
    assert_eq!(decoded, vec![b'a'; PUBLISHED_LENGTH]);
    assert!(trailers.is_empty());
}
