//! Known values of each algorithm, the joining of parts, and the rules for a request's headers.

use http::{HeaderMap, HeaderName};

use super::*;
use crate::body::Trailers;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

fn hex_of(value: ChecksumValue) -> String {
    value.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn known_values_of_each_algorithm() {
    // The published check values for the input "123456789"; for the hashes those of "abc" or nothing.
    for (algorithm, input, expected) in [
        (ChecksumAlgorithm::Crc32, "123456789", "cbf43926"),
        (ChecksumAlgorithm::Crc32c, "123456789", "e3069283"),
        (ChecksumAlgorithm::Crc64Nvme, "123456789", "ae8b14860a799888"),
        (ChecksumAlgorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (ChecksumAlgorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
        (
            ChecksumAlgorithm::Sha256,
            "abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            ChecksumAlgorithm::Sha512,
            "abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (ChecksumAlgorithm::XxHash64, "", "ef46db3751d8e999"),
        (ChecksumAlgorithm::XxHash3, "", "2d06800538d394c2"),
        (ChecksumAlgorithm::XxHash128, "", "99aa06d3014798d86001c324468d497f"),
    ] {
        assert_eq!(hex_of(Hasher::compute(algorithm, input.as_bytes())), expected, "{algorithm:?}");
    }
}

#[test]
fn pieces_give_the_value_of_the_whole() {
    let bytes: Vec<u8> = (0..10_000_u32).map(|number| (number * 7 % 251) as u8).collect();
    for algorithm in ChecksumAlgorithm::ALL {
        let whole = Hasher::compute(algorithm, &bytes);
        for size in [1, 63, 64, 1000, 9999] {
            let mut hasher = Hasher::new(algorithm);
            bytes.chunks(size).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), whole, "{algorithm:?} in pieces of {size}");
        }
    }
}

#[test]
fn numbers_and_names_are_stable_and_go_both_ways() {
    let codes: Vec<u8> = ChecksumAlgorithm::ALL.iter().map(|algorithm| algorithm.code()).collect();
    assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "stored with objects");
    assert_eq!([ChecksumType::Composite.code(), ChecksumType::FullObject.code()], [1, 2]);
    for algorithm in ChecksumAlgorithm::ALL {
        assert_eq!(ChecksumAlgorithm::from_code(algorithm.code()), Some(algorithm));
        assert_eq!(ChecksumAlgorithm::from_name(&algorithm.name().to_lowercase()), Some(algorithm));
        let header = algorithm.header_name();
        assert_eq!(ChecksumAlgorithm::from_header_name(&header.to_uppercase()), Some(algorithm));
        assert_eq!(header, format!("x-amz-checksum-{}", algorithm.name().to_lowercase()));
        assert!(algorithm.supports(algorithm.default_type()));
        let value = Hasher::compute(algorithm, b"x");
        assert_eq!(value.as_bytes().len(), algorithm.size_bytes());
        assert_eq!(ChecksumValue::parse_base64(algorithm, &value.to_base64()), Some(value));
        assert_eq!(ChecksumValue::from_bytes(algorithm, &[0; 65]), None);
    }
    assert_eq!((ChecksumAlgorithm::from_code(0), ChecksumAlgorithm::from_code(11)), (None, None));
    for bad in ["", "AAAA", "AAAAA", "!!!!!!==", "AAAAAAAA"] {
        assert_eq!(ChecksumValue::parse_base64(ChecksumAlgorithm::Crc32, bad), None, "{bad}");
    }
}

#[test]
fn crcs_of_parts_join_to_the_crc_of_the_whole() {
    let bytes: Vec<u8> = (0..70_000_u32).map(|number| (number * 31 % 253) as u8).collect();
    let crcs = [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme];
    for algorithm in crcs {
        let whole = ObjectChecksum::FullObject(Hasher::compute(algorithm, &bytes));
        for size in [70_000, 69_999, 12_345, 64] {
            let parts = bytes.chunks(size).map(|part| (Hasher::compute(algorithm, part), part.len() as u64));
            assert_eq!(ObjectChecksum::full_object(algorithm, parts).unwrap(), whole, "{algorithm:?} {size}");
        }
        let value = Hasher::compute(algorithm, &bytes);
        let with_empty = [(value, 70_000), (Hasher::compute(algorithm, b""), 0)];
        assert_eq!(ObjectChecksum::full_object(algorithm, with_empty).unwrap(), whole, "an empty last part");
        let none: [(ChecksumValue, u64); 0] = [];
        assert!(ObjectChecksum::full_object(algorithm, none).is_err());
    }
    let sha = Hasher::compute(ChecksumAlgorithm::Sha1, b"x");
    let refused = ObjectChecksum::full_object(ChecksumAlgorithm::Sha1, [(sha, 1)]).unwrap_err();
    assert_eq!(refused, ChecksumError::TypeNotSupported(ChecksumAlgorithm::Sha1, ChecksumType::FullObject));
    assert!(ObjectChecksum::full_object(ChecksumAlgorithm::Crc32, [(sha, 1)]).is_err(), "mixed algorithms");
}

#[test]
fn a_composite_is_the_checksum_of_checksums_and_a_count() {
    let parts = ["one", "two"].map(|part| Hasher::compute(ChecksumAlgorithm::Sha256, part.as_bytes()));
    let composite = ObjectChecksum::composite(ChecksumAlgorithm::Sha256, parts).unwrap();
    let joined = [parts[0].as_bytes(), parts[1].as_bytes()].concat();
    let expected = Hasher::compute(ChecksumAlgorithm::Sha256, &joined);
    assert_eq!(composite.to_string(), format!("{}-2", expected.to_base64()));
    assert_eq!(ObjectChecksum::parse(ChecksumAlgorithm::Sha256, &composite.to_string()), Some(composite));
    assert_eq!(composite.kind(), ChecksumType::Composite);
    for bad in ["-2", "x-2", &format!("{}-0", expected.to_base64()), &format!("{}-+1", expected.to_base64())]
    {
        assert_eq!(ObjectChecksum::parse(ChecksumAlgorithm::Sha256, bad), None, "{bad}");
    }
    let crc64 = Hasher::compute(ChecksumAlgorithm::Crc64Nvme, b"x");
    assert!(ObjectChecksum::composite(ChecksumAlgorithm::Crc64Nvme, [crc64]).is_err());
    assert!(ObjectChecksum::composite(ChecksumAlgorithm::Sha256, []).is_err());
    assert!(ObjectChecksum::composite(ChecksumAlgorithm::Sha1, parts).is_err());
    let named = headers(&[("x-amz-checksum-sha256", &composite.to_string())]);
    assert_eq!(ObjectChecksum::from_headers(&named), Ok(Some(composite)));
}

#[test]
fn request_headers_are_read_or_refused() {
    let crc = ("x-amz-checksum-crc32", "NhCmhg==");
    let crc_value = ChecksumValue::parse_base64(ChecksumAlgorithm::Crc32, "NhCmhg==").unwrap();
    let sdk = |name| ("x-amz-sdk-checksum-algorithm", name);
    let trailer = |names| ("x-amz-trailer", names);
    let in_trailer = RequestedChecksum::Trailer(ChecksumAlgorithm::Crc32);
    for (pairs, expected) in [
        (vec![], Ok(RequestedChecksum::None)),
        (vec![crc], Ok(RequestedChecksum::Value(crc_value))),
        (vec![crc, sdk("crc32")], Ok(RequestedChecksum::Value(crc_value))),
        (vec![trailer("X-Amz-Checksum-Crc32"), sdk("CRC32")], Ok(in_trailer)),
        (vec![("x-amz-checksum-mode", "ENABLED")], Ok(RequestedChecksum::None)),
        (vec![crc, crc], Err(ChecksumError::SeveralValues)),
        (
            vec![crc, ("x-amz-checksum-sha1", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=")],
            Err(ChecksumError::SeveralValues),
        ),
        (vec![crc, trailer("x-amz-checksum-sha1")], Err(ChecksumError::SeveralValues)),
        (vec![crc, sdk("SHA1")], Err(ChecksumError::AnnouncedOther)),
        (vec![crc, sdk("SHA3")], Err(ChecksumError::UnknownAlgorithm)),
        (vec![sdk("CRC32")], Err(ChecksumError::AnnouncedButAbsent)),
        (vec![("x-amz-checksum-crc33", "NhCmhg==")], Err(ChecksumError::UnknownAlgorithm)),
        (
            vec![("x-amz-checksum-crc32", "NhCmhg")],
            Err(ChecksumError::InvalidValue(ChecksumAlgorithm::Crc32)),
        ),
        (vec![trailer("x-amz-meta-a")], Err(ChecksumError::UnsupportedTrailer)),
        (vec![trailer("x-amz-checksum-crc32,x-amz-checksum-sha1")], Err(ChecksumError::UnsupportedTrailer)),
        (vec![("content-md5", "bm90IG1kNQ==")], Err(ChecksumError::InvalidContentMd5)),
        (vec![("x-amz-checksum-type", "PARTIAL")], Err(ChecksumError::UnknownType)),
        (vec![("x-amz-checksum-algorithm", "CRC")], Err(ChecksumError::UnknownAlgorithm)),
    ] {
        let read = RequestChecksums::from_headers(&headers(&pairs));
        assert_eq!(read.map(|read| read.checksum), expected, "{pairs:?}");
    }
    let wanted = headers(&[("x-amz-checksum-algorithm", "sha256"), ("x-amz-checksum-type", "composite")]);
    let wanted = RequestChecksums::from_headers(&wanted).unwrap();
    assert_eq!(wanted.wanted_algorithm, Some(ChecksumAlgorithm::Sha256));
    assert_eq!((wanted.wanted_type, wanted.protects_body()), (Some(ChecksumType::Composite), false));
}

#[test]
fn a_body_is_compared_with_all_the_client_sent() {
    let check = |pairs: &[(&str, &str)], body: &[u8]| {
        let requested = RequestChecksums::from_headers(&headers(pairs)).unwrap();
        let mut checksums = BodyChecksums::new(requested, &[ChecksumAlgorithm::Md5]);
        body.chunks(2).for_each(|piece| checksums.update(piece));
        checksums.finish(&Trailers::default())
    };
    let md5 = ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==");
    let crc = ("x-amz-checksum-crc32", "NhCmhg==");
    assert_eq!(check(&[md5, crc], b"hello").unwrap().len(), 2, "MD5 is computed once");
    assert_eq!(check(&[], b"hello").unwrap()[0].to_base64(), md5.1);
    assert_eq!(check(&[md5], b"hellp"), Err(ChecksumError::ContentMd5Mismatch));
    assert_eq!(check(&[crc], b"hellp"), Err(ChecksumError::Mismatch(ChecksumAlgorithm::Crc32)));
    assert_eq!(ChecksumError::Mismatch(ChecksumAlgorithm::Crc32).code(), "BadDigest");
    let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
    assert_eq!(check(&[trailer], b"hello"), Err(ChecksumError::AnnouncedButAbsent));
}
