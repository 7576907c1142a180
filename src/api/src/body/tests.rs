//! The published chunked uploads, and what must be refused.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::*;
use crate::signature::hex;
use crate::signature::test_request::{EMPTY_SHA256, TestRequest};

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

/// The published example with a signed trailer.
fn published_trailer() -> (TestRequest, Vec<u8>) {
    let mut request = TestRequest::new(
        "PUT",
        "/examplebucket/chunkObject.txt",
        "",
        &[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ],
    );
    request.add(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=\
         content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class;x-amz-trailer,Signature=\
         106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let body = chunked(&[
        (65_536, Some("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2")),
        (1024, Some("1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7")),
        (0, Some("2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992")),
    ]);
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
                   d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    (request, [body.as_slice(), trailer.as_bytes()].concat())
}

#[test]
fn published_signed_trailer_decodes() {
    let (request, body) = published_trailer();
    let (decoded, trailers) = decode_pieces(plan_of(&request), [body.as_slice()]).unwrap();
    assert_eq!(decoded, vec![b'a'; PUBLISHED_LENGTH]);
    assert_eq!(trailers.iter().collect::<Vec<_>>(), [("x-amz-checksum-crc32c", "sOO8/Q==")]);
}

/// A small signed body in three chunks with a signed trailer, made by the chain of published rules.
fn small_signed() -> (TestRequest, Vec<u8>) {
    let mut request = upload(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        &[("x-amz-decoded-content-length", "11"), ("x-amz-trailer", "x-amz-checksum-crc32")],
    );
    request.sign();
    let (key, scope, mut previous) = request.chain();
    let mut sign = |kind: &str, rest: &str| {
        let to_sign = format!("{kind}\n20130524T000000Z\n{scope}\n{previous}\n{rest}");
        previous = hex(&key.sign(to_sign.as_bytes()));
        previous.clone()
    };
    let mut body = Vec::new();
    for chunk in ["hello", " world", ""] {
        let rest = format!("{EMPTY_SHA256}\n{}", hex(&Sha256::digest(chunk)));
        let signature = sign("AWS4-HMAC-SHA256-PAYLOAD", &rest);
        body.extend_from_slice(
            format!("{:x};chunk-signature={signature}\r\n{chunk}", chunk.len()).as_bytes(),
        );
        body.extend_from_slice(if chunk.is_empty() { b"" } else { b"\r\n" });
    }
    let line = "x-amz-checksum-crc32:DUoRhQ==";
    let signature = sign("AWS4-HMAC-SHA256-TRAILER", &hex(&Sha256::digest(format!("{line}\n"))));
    body.extend_from_slice(format!("{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n").as_bytes());
    (request, body)
}

fn upload(content_sha256: &str, further: &[(&str, &str)]) -> TestRequest {
    let mut request = TestRequest::new(
        "PUT",
        "/bucket/key",
        "",
        &[
            ("host", "s3.example.org"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-content-sha256", content_sha256),
        ],
    );
    for (name, value) in further {
        request.add(name, value);
    }
    request
}

fn signed_plan(content_sha256: &str, further: &[(&str, &str)]) -> BodyPlan {
    let mut request = upload(content_sha256, further);
    request.sign();
    plan_of(&request)
}

fn decode(plan: BodyPlan, body: &[u8]) -> Result<Vec<u8>, BodyError> {
    decode_pieces(plan, [body]).map(|(decoded, _)| decoded)
}

const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const SMALL_TRAILER: [(&str, &str); 2] =
    [("x-amz-decoded-content-length", "11"), ("x-amz-trailer", "x-amz-checksum-crc32")];
const SMALL_UNSIGNED_BODY: &[u8] = b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";

#[test]
fn every_changed_byte_of_a_signed_stream_is_refused() {
    let (request, body) = small_signed();
    assert_eq!(decode(plan_of(&request), &body).unwrap(), b"hello world");
    for index in 0..body.len() {
        for mask in [1, 0x20, 0x80] {
            let mut changed = body.clone();
            changed[index] ^= mask;
            // Names are compared without case: `x-amz-checksum-CRC32` is the same trailer.
            let result = decode(plan_of(&request), &changed);
            let same_meaning = is_trailer_name_case(&body, &changed);
            assert_eq!(result.is_ok(), same_meaning, "byte {index} mask {mask:#x}: {result:?}");
        }
    }
}

/// Whether two bodies differ only in the case of letters of a trailer's name.
fn is_trailer_name_case(body: &[u8], changed: &[u8]) -> bool {
    let start = body.windows(5).position(|window| window == b"x-amz").unwrap();
    let names_lower = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let lines = bytes[start..].split(|byte| *byte == b'\n');
        lines
            .map(|line| {
                let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
                [&line[..colon].to_ascii_lowercase(), &line[colon..]].concat()
            })
            .collect()
    };
    body[..start] == changed[..start] && names_lower(body) == names_lower(changed)
}

#[test]
fn chunks_cannot_be_left_out_repeated_or_exchanged() {
    let (request, body) = small_signed();
    let second = body.windows(2).enumerate().filter(|(_, pair)| pair == b"\r\n").nth(1).unwrap().0 + 2;
    let third = body.windows(2).enumerate().filter(|(_, pair)| pair == b"\r\n").nth(3).unwrap().0 + 2;
    let (one, two, rest) = (&body[..second], &body[second..third], &body[third..]);
    for order in
        [vec![two, one, rest], vec![one, rest], vec![one, two], vec![one, one, two, rest], vec![rest]]
    {
        assert!(decode(plan_of(&request), &order.concat()).is_err(), "{order:?}");
    }
    assert!(decode(plan_of(&request), &[one, two, rest].concat()).is_ok());
}

#[test]
fn any_split_of_the_wire_decodes_to_the_same() {
    let (signed, signed_body) = small_signed();
    let unsigned = signed_plan(UNSIGNED_TRAILER, &SMALL_TRAILER);
    for (plan, body) in [(plan_of(&signed), signed_body.as_slice()), (unsigned, SMALL_UNSIGNED_BODY)] {
        let whole = decode_pieces(plan.clone(), [body]).unwrap();
        for first in 0..=body.len() {
            let (left, right) = body.split_at(first);
            assert_eq!(decode_pieces(plan.clone(), [left, right]).unwrap(), whole, "split at {first}");
        }
        for size in 1..40 {
            assert_eq!(decode_pieces(plan.clone(), body.chunks(size)).unwrap(), whole, "pieces of {size}");
        }
        // Pieces of sizes that follow no pattern, from a small linear generator.
        let mut state: u32 = 1;
        for _ in 0..200 {
            let (mut rest, mut pieces) = (body, Vec::new());
            while !rest.is_empty() {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (piece, after) = rest.split_at(rest.len().min((state >> 24) as usize % 50));
                pieces.push(piece);
                rest = after;
            }
            assert_eq!(decode_pieces(plan.clone(), pieces).unwrap(), whole);
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let (signed, signed_body) = small_signed();
    let unsigned = signed_plan(UNSIGNED_TRAILER, &SMALL_TRAILER);
    for (plan, body) in [(plan_of(&signed), signed_body.as_slice()), (unsigned, SMALL_UNSIGNED_BODY)] {
        // The empty line after the last trailer carries nothing, so its loss is no loss.
        for end in 0..body.len() - 2 {
            assert!(decode(plan.clone(), &body[..end]).is_err(), "cut at {end}");
        }
    }
    let plain = signed_plan("UNSIGNED-PAYLOAD", &[("content-length", "5")]);
    assert_eq!(decode(plain.clone(), b"hell"), Err(BodyError::IncompleteBody));
    assert_eq!(decode(plain.clone(), b"hello!"), Err(BodyError::IncompleteBody));
    assert_eq!(decode(plain, b"hello").unwrap(), b"hello");
}

#[test]
fn a_plain_body_passes_through_untouched() {
    let piece = Bytes::from_static(b"some bytes");
    let mut decoder = signed_plan("UNSIGNED-PAYLOAD", &[]).into_decoder();
    let mut out = Vec::new();
    decoder.push(piece.clone(), &mut out).unwrap();
    assert_eq!(out[0].as_ptr(), piece.as_ptr(), "the bytes were not copied");
    assert_eq!(decoder.decoded_bytes(), 10);
    decoder.finish().unwrap();
}

#[test]
fn a_body_signed_as_a_whole_must_have_the_hash() {
    let hash = hex(&Sha256::digest(b"hello"));
    for hash in [hash.clone(), hash.to_uppercase()] {
        assert_eq!(decode(signed_plan(&hash, &[]), b"hello").unwrap(), b"hello");
        for wrong in [b"hellp".as_slice(), b"hell", b"hello!", b""] {
            let refused = decode(signed_plan(&hash, &[]), wrong);
            assert!(matches!(refused, Err(BodyError::ContentSha256Mismatch { .. })), "{refused:?}");
        }
    }
    assert_eq!(decode(signed_plan(EMPTY_SHA256, &[]), b"").unwrap(), b"");
}

#[test]
fn framing_is_found_by_length_header_or_label() {
    let framed = b"5\r\nhello\r\n0\r\n\r\n".as_slice();
    let label = ("content-encoding", "gzip, AWS-Chunked");
    let length = ("x-amz-decoded-content-length", "5");
    for headers in [vec![label], vec![length], vec![label, length]] {
        assert_eq!(decode(signed_plan("UNSIGNED-PAYLOAD", &headers), framed).unwrap(), b"hello");
    }
    // A plain body signed as a whole may carry the label as mere metadata.
    let hash = hex(&Sha256::digest(b"plain"));
    assert_eq!(decode(signed_plan(&hash, &[label]), b"plain").unwrap(), b"plain");
    let hash = hex(&Sha256::digest(framed));
    assert_eq!(decode(signed_plan(&hash, &[label, length]), framed).unwrap(), b"hello");
}

#[test]
fn malformed_framing_is_refused_each_with_its_error() {
    let plan = signed_plan(UNSIGNED_TRAILER, &[("x-amz-decoded-content-length", "5")]);
    let long_line = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(MAX_CHUNK_HEADER_BYTES));
    let long_trailer = format!("0\r\n{}", "x".repeat(MAX_TRAILER_BYTES + 1));
    for (body, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", None),
        ("5;extension=x\r\nhello\r\n0\r\n\r\n", None),
        ("", Some(BodyError::IncompleteBody)),
        ("5\r\nhello", Some(BodyError::IncompleteBody)),
        ("5\r\nhello\r\n", Some(BodyError::IncompleteBody)),
        ("5\r\nhello\r\n0\r\n", Some(BodyError::IncompleteBody)),
        ("4\r\nhell\r\n0\r\n\r\n", Some(BodyError::IncompleteBody)),
        ("6\r\nhello!\r\n0\r\n\r\n", Some(BodyError::IncompleteBody)),
        ("5\r\nhello!\r\n0\r\n\r\n", Some(BodyError::MalformedChunk)),
        ("5\nhello\r\n0\r\n\r\n", Some(BodyError::MalformedChunk)),
        ("\r\n", Some(BodyError::MalformedChunk)),
        ("-5\r\nhello\r\n0\r\n\r\n", Some(BodyError::MalformedChunk)),
        ("0x5\r\nhello\r\n0\r\n\r\n", Some(BodyError::MalformedChunk)),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", Some(BodyError::MalformedChunk)),
        ("ffffffffffffffff\r\n", Some(BodyError::ChunkTooLarge)),
        ("140000001\r\n", Some(BodyError::ChunkTooLarge)),
        ("140000000\r\n", Some(BodyError::IncompleteBody)),
        (long_line.as_str(), Some(BodyError::MalformedChunk)),
        (long_trailer.as_str(), Some(BodyError::MalformedTrailer)),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", Some(BodyError::MalformedTrailer)),
        ("5\r\nhello\r\n0\r\n\r\n5\r\nhello\r\n", Some(BodyError::MalformedTrailer)),
    ] {
        for size in [1, 7, body.len().max(1)] {
            let result = decode_pieces(plan.clone(), body.as_bytes().chunks(size));
            assert_eq!(result.err(), expected, "{body:.60} in pieces of {size}");
        }
    }
}

#[test]
fn the_trailer_must_be_the_one_announced() {
    let plan = signed_plan(UNSIGNED_TRAILER, &SMALL_TRAILER);
    let start = "b\r\nhello world\r\n0\r\n";
    let many = "x-amz-a:1\r\n".repeat(2) + "\r\n";
    for (trailer, expected) in [
        ("x-amz-checksum-crc32:DUoRhQ==\r\n\r\n", None),
        ("X-Amz-Checksum-CRC32: DUoRhQ==\r\n\r\n", None),
        ("x-amz-checksum-crc32:DUoRhQ==\n\r\n\r\n", None),
        ("\r\n", Some(BodyError::MalformedTrailer)),
        ("", Some(BodyError::IncompleteBody)),
        ("x-amz-checksum-crc32:DUoRhQ==", Some(BodyError::IncompleteBody)),
        ("x-amz-checksum-sha1:AAAA\r\n\r\n", Some(BodyError::MalformedTrailer)),
        ("x-amz-checksum-crc32\r\n\r\n", Some(BodyError::MalformedTrailer)),
        ("x-amz-checksum-crc32:DUoRhQ==\r\nx-amz-b:1\r\n\r\n", Some(BodyError::MalformedTrailer)),
        (many.as_str(), Some(BodyError::MalformedTrailer)),
    ] {
        let body = format!("{start}{trailer}");
        assert_eq!(decode(plan.clone(), body.as_bytes()).err(), expected, "{trailer:?}");
    }
}

#[test]
fn signed_chunks_may_not_drop_their_signatures_or_add_a_trailer() {
    let (request, body) = published_chunked();
    let bare = chunked(&[(65_536, None), (1024, None), (0, None)]);
    let result = decode(plan_of(&request), &[bare.as_slice(), b"\r\n"].concat());
    assert_eq!(result, Err(BodyError::ChunkSignatureMismatch));
    let with_trailer = [&body[..body.len() - 2], b"x-amz-checksum-crc32:DUoRhQ==\r\n\r\n"].concat();
    assert_eq!(decode(plan_of(&request), &with_trailer), Err(BodyError::MalformedTrailer));
    let (request, body) = small_signed();
    let end = body.windows(15).position(|window| window == b"x-amz-trailer-s").unwrap();
    let unsigned_trailer = [&body[..end], b"\r\n"].concat();
    assert_eq!(decode(plan_of(&request), &unsigned_trailer), Err(BodyError::MalformedTrailer));
}

#[test]
fn plans_refuse_what_cannot_be_decoded() {
    let plan = |content_sha256: &str, further: &[(&str, &str)], signed: bool| {
        let mut request = upload(content_sha256, further);
        request.sign();
        let verified = signed.then(|| request.verify().unwrap());
        BodyPlan::from_request(&request.headers, verified.as_ref()).err()
    };
    let length = ("x-amz-decoded-content-length", "5");
    assert_eq!(plan(UNSIGNED_TRAILER, &[], true), Some(BodyError::MissingDecodedLength));
    assert_eq!(plan(UNSIGNED_TRAILER, &[length], false), None, "anonymous uploads may have a trailer");
    let signed_chunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    assert_eq!(plan(signed_chunks, &[length], false), Some(BodyError::SignatureRequired));
    assert_eq!(plan("nonsense", &[], false), Some(BodyError::InvalidContentSha256));
    for bad in ["", "-1", "+5", "5 5", "99999999999999999999"] {
        let length = ("x-amz-decoded-content-length", bad);
        assert_eq!(plan("UNSIGNED-PAYLOAD", &[length], true), Some(BodyError::InvalidLength), "{bad:?}");
    }
    let two = [("content-length", "5"), ("content-length", "6")];
    assert_eq!(plan("UNSIGNED-PAYLOAD", &two, true), Some(BodyError::InvalidLength));
}

#[test]
fn after_an_error_nothing_more_comes_out() {
    let plan = signed_plan(UNSIGNED_TRAILER, &[("x-amz-decoded-content-length", "5")]);
    let mut decoder = plan.into_decoder();
    let mut out = Vec::new();
    decoder.push(Bytes::from_static(b"zz\r\n"), &mut out).unwrap_err();
    let again = decoder.push(Bytes::from_static(b"5\r\nhello\r\n0\r\n\r\n"), &mut out);
    assert_eq!(again, Err(BodyError::MalformedChunk));
    assert!(out.is_empty());
    assert_eq!(decoder.finish(), Err(BodyError::MalformedChunk));
}

#[test]
fn the_framing_label_is_not_stored() {
    for (sent, stored) in [
        (vec!["aws-chunked"], None),
        (vec!["gzip, aws-chunked"], Some("gzip")),
        (vec!["aws-chunked,gzip"], Some("gzip")),
        (vec!["gzip", "AWS-chunked", "br"], Some("gzip, br")),
        (vec!["gzip"], Some("gzip")),
        (vec![], None),
    ] {
        let headers: Vec<(&str, &str)> = sent.iter().map(|value| ("content-encoding", *value)).collect();
        let request = upload("UNSIGNED-PAYLOAD", &headers);
        assert_eq!(stored_content_encoding(&request.headers).as_deref(), stored, "{sent:?}");
    }
}
