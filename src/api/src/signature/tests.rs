//! The published examples, and a table for each rule of the door.

use super::test_request::{EMPTY_SHA256, KEY_ID, NOW, SECRET, TestRequest};
use super::*;

const HOST: &str = "examplebucket.s3.amazonaws.com";
const AUTHORIZATION_START: &str =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

fn published(method: &str, target: (&str, &str), extra: &[(&str, &str)], signature: &str) -> TestRequest {
    let mut request = TestRequest::new(method, target.0, target.1, &[("host", HOST)]);
    for (name, value) in extra {
        request.add(name, value);
    }
    request.add("x-amz-date", "20130524T000000Z");
    if !request.headers.contains_key("x-amz-content-sha256") {
        request.add("x-amz-content-sha256", EMPTY_SHA256);
    }
    let mut names: Vec<String> = request.headers.keys().map(|name| name.to_string()).collect();
    names.sort();
    let list = names.join(";");
    request
        .add("authorization", &format!("{AUTHORIZATION_START},SignedHeaders={list},Signature={signature}"));
    request
}

fn get_example() -> TestRequest {
    published(
        "GET",
        ("/test.txt", ""),
        &[("range", "bytes=0-9")],
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    )
}

const PRESIGNED_QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524\
    %2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
    &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

fn presigned_example() -> TestRequest {
    TestRequest::new("GET", "/test.txt", PRESIGNED_QUERY, &[("host", HOST)])
}

#[test]
fn published_examples_verify() {
    let put = published(
        "PUT",
        ("/test%24file.text", ""),
        &[
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
        ],
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    let lifecycle = published(
        "GET",
        ("/", "lifecycle"),
        &[],
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    );
    let list = published(
        "GET",
        ("/", "max-keys=2&prefix=J"),
        &[],
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
    for request in [get_example(), put, lifecycle, list, presigned_example()] {
        let verified = request.verify().unwrap_or_else(|error| panic!("{}: {error:?}", request.path));
        assert_eq!(verified.access_key_id(), KEY_ID);
        assert_eq!(verified.scope().region(), "us-east-1");
    }
}

fn code_of(result: Result<Verified, SignatureError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "verified")
}

/// A request signed by the tests, with what is easy to tamper with: an escaped path, a query, headers.
fn signed_request() -> TestRequest {
    let mut request = TestRequest::new(
        "PUT",
        "/bucket/a%20b/c",
        "acl=&k=1&k=2",
        &[
            ("host", "s3.example.org:3900"),
            ("content-type", "text/plain"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-meta-colour", "blue"),
        ],
    );
    request.sign();
    request
}

/// Each byte of `text` changed in turn, by its lowest bit and by the bit that is letter case.
fn mutations(text: &[u8]) -> Vec<Vec<u8>> {
    let mut mutated = Vec::new();
    for index in 0..text.len() {
        for mask in [1, 0x20] {
            let mut copy = text.to_vec();
            copy[index] ^= mask;
            mutated.push(copy);
        }
    }
    mutated
}

#[test]
fn any_changed_byte_of_the_signed_head_is_refused() {
    let original = signed_request();
    original.verify().unwrap();
    let mut tried = 0;
    let mut refuse = |request: &TestRequest| {
        assert_ne!(code_of(request.verify()), "verified", "{request:?}");
        tried += 1;
    };
    for method in ["GET", "POST", "DELETE", "HEAD", "put"] {
        refuse(&TestRequest { method: method.parse().unwrap(), ..original.clone() });
    }
    for path in
        mutations(original.path.as_bytes()).into_iter().filter_map(|path| String::from_utf8(path).ok())
    {
        refuse(&TestRequest { path, ..original.clone() });
    }
    for query in
        mutations(original.query.as_bytes()).into_iter().filter_map(|query| String::from_utf8(query).ok())
    {
        refuse(&TestRequest { query, ..original.clone() });
    }
    for (name, value) in &original.headers {
        for value in mutations(value.as_bytes()) {
            let Ok(value) = http::HeaderValue::from_bytes(&value) else { continue };
            let mut changed = original.clone();
            changed.headers.insert(name, value);
            refuse(&changed);
        }
        let mut without = original.clone();
        without.headers.remove(name);
        if name != "authorization" {
            refuse(&without);
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn any_changed_byte_of_a_presigned_request_is_refused() {
    let original = presigned_example();
    for query in mutations(original.query.as_bytes()) {
        let Ok(query) = String::from_utf8(query) else { continue };
        // The two spellings of an escape mean the same byte.
        let same_meaning = query.replace("%2f", "%2F") == original.query;
        let request = TestRequest { query, ..original.clone() };
        assert_eq!(code_of(request.verify()) == "verified", same_meaning, "{request:?}");
    }
}

#[test]
fn headers_that_were_not_signed_may_change() {
    let mut request = signed_request();
    request.add("accept-encoding", "gzip");
    request.add("user-agent", "a proxy's own");
    request.verify().unwrap();
}

#[test]
fn a_signed_header_of_the_connection_may_be_taken_by_a_proxy() {
    for (name, value, expected) in [
        ("expect", "100-continue", "verified"),
        ("transfer-encoding", "chunked", "verified"),
        ("expect", "200-ok", "SignatureDoesNotMatch"),
        ("accept-encoding", "", "SignatureDoesNotMatch"),
        ("x-amz-meta-empty", "", "SignatureDoesNotMatch"),
    ] {
        let mut request = signed_request();
        request.headers.remove("authorization");
        request.add(name, value);
        request.sign();
        request.verify().unwrap();
        request.headers.remove(name);
        assert_eq!(code_of(request.verify()), expected, "{name}: {value}");
    }
}

#[test]
fn an_amz_header_or_host_left_unsigned_is_refused() {
    let mut added = signed_request();
    added.add("x-amz-acl", "public-read");
    let expected = SignatureError::HeadersNotSigned(vec!["x-amz-acl".to_owned()]);
    assert_eq!(added.verify().unwrap_err(), expected);
    let mut presigned = presigned_example();
    presigned.add("x-amz-acl", "public-read");
    assert_eq!(presigned.verify().unwrap_err(), expected);
    let mut no_host = get_example();
    let value = no_host.headers["authorization"].to_str().unwrap().replace("host;", "");
    no_host.headers.insert("authorization", value.parse().unwrap());
    assert_eq!(no_host.verify().unwrap_err(), SignatureError::HeadersNotSigned(vec!["host".to_owned()]));
}

#[test]
fn the_clock_may_be_off_by_a_quarter_of_an_hour() {
    let request = get_example();
    for (minutes, expected) in [
        (-16, "RequestTimeTooSkewed"),
        (-15, "verified"),
        (-14, "verified"),
        (0, "verified"),
        (14, "verified"),
        (15, "verified"),
        (16, "RequestTimeTooSkewed"),
    ] {
        assert_eq!(code_of(request.verify_at(NOW + minutes * 60)), expected, "{minutes} minutes");
    }
    assert_eq!(code_of(request.verify_at(NOW + 901)), "RequestTimeTooSkewed");
    assert_eq!(code_of(request.verify_at(i64::MIN)), "RequestTimeTooSkewed");
    assert_eq!(code_of(request.verify_at(i64::MAX)), "RequestTimeTooSkewed");
}

#[test]
fn a_presigned_request_lives_as_long_as_it_says() {
    let request = presigned_example();
    let expired =
        SignatureError::PresignedExpired { expires_unix_s: NOW + 86_400, server_unix_s: NOW + 86_401 };
    assert_eq!(request.verify_at(NOW + 86_401).unwrap_err(), expired);
    for (offset_s, expected) in [(-901, "AccessDenied"), (-900, "verified"), (86_400, "verified")] {
        assert_eq!(code_of(request.verify_at(NOW + offset_s)), expected, "{offset_s} s");
    }
    for lifetime in ["0", "604801", "-1", "+5", "1e3", "", "99999999999999999999"] {
        let query = PRESIGNED_QUERY.replace("86400", lifetime);
        let error = TestRequest { query, ..presigned_example() }.verify().unwrap_err();
        assert_eq!(error, SignatureError::PresignedLifetimeOutOfRange, "{lifetime:?}");
        assert_eq!((error.code(), error.status().as_u16()), ("AuthorizationQueryParametersError", 400));
    }
    for lifetime in ["1", "604800"] {
        let query = PRESIGNED_QUERY.replace("86400", lifetime);
        let error = TestRequest { query, ..presigned_example() }.verify().unwrap_err();
        assert_eq!(error.code(), "SignatureDoesNotMatch", "{lifetime} is allowed, only not what was signed");
    }
}

#[test]
fn the_date_header_stands_in_for_the_missing_amz_date() {
    for (date, expected) in [
        ("Fri, 24 May 2013 00:00:00 GMT", "SignatureDoesNotMatch"),
        ("20130524T000000Z", "SignatureDoesNotMatch"),
        ("Fri, 24 May 2013 00:20:00 GMT", "RequestTimeTooSkewed"),
        ("yesterday", "AccessDenied"),
        ("", "AccessDenied"),
    ] {
        // The signed list is without date, so a good date gets as far as the signature.
        let mut request = get_example();
        request.headers.remove("x-amz-date");
        request.add("date", date);
        assert_eq!(code_of(request.verify()), expected, "{date}");
    }
    let text = |text| Timestamp::parse_date_header(text).map(|date| date.text().to_owned());
    assert_eq!(text("Fri, 24 May 2013 00:00:00 GMT").as_deref(), Some("20130524T000000Z"));
    for bad in
        ["20130524T000000", "20131324T000000Z", "20130524T240000Z", "2013O524T000000Z", "20130524 000000Z"]
    {
        assert_eq!(Timestamp::parse_iso8601_basic(bad), None, "{bad}");
    }
}

#[test]
fn a_request_signed_with_its_date_header_verifies() {
    let mut request = TestRequest::new(
        "GET",
        "/",
        "",
        &[("host", HOST), ("x-amz-date", "20130524T000000Z"), ("x-amz-content-sha256", EMPTY_SHA256)],
    );
    request.headers.remove("x-amz-date");
    request.add("date", "Fri, 24 May 2013 00:00:00 GMT");
    request.sign_at("20130524T000000Z");
    request.verify().unwrap();
}

#[test]
fn unusable_authorization_headers_are_refused_each_with_its_code() {
    let end = "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=00";
    let credential = |scope: &str| format!("AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope},{end}");
    for (authorization, expected) in [
        ("AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=".to_owned(), "InvalidRequest"),
        (
            format!("AWS4-ECDSA-P256-SHA256 Credential={KEY_ID}/20130524/s3/aws4_request,{end}"),
            "InvalidRequest",
        ),
        ("Basic dXNlcjpwYXNz".to_owned(), "InvalidArgument"),
        (String::new(), "InvalidArgument"),
        ("AWS4-HMAC-SHA256".to_owned(), "AuthorizationHeaderMalformed"),
        (format!("AWS4-HMAC-SHA256 {end}"), "AuthorizationHeaderMalformed"),
        (
            format!("{},Signature=00", credential("20130524/r/s3/aws4_request")),
            "AuthorizationHeaderMalformed",
        ),
        (format!("{},Extra=1", credential("20130524/r/s3/aws4_request")), "AuthorizationHeaderMalformed"),
        (credential("20130524/r/s3/aws4_request"), "SignatureDoesNotMatch"),
        (credential("20130523/r/s3/aws4_request"), "AuthorizationHeaderMalformed"),
        (credential("20130524/r/ec2/aws4_request"), "AuthorizationHeaderMalformed"),
        (credential("20130524/r/s3/aws3_request"), "AuthorizationHeaderMalformed"),
        (credential("20130524//s3/aws4_request"), "AuthorizationHeaderMalformed"),
        (credential("aws4_request"), "AuthorizationHeaderMalformed"),
        (credential("20130524/r/s3/aws4_request").replace(KEY_ID, "AKIANOBODY"), "InvalidAccessKeyId"),
        (credential("20130524/r/s3/aws4_request").replace("host;", "host;;"), "AuthorizationHeaderMalformed"),
        (
            credential("20130524/r/s3/aws4_request").replace("host;", "host;host;"),
            "AuthorizationHeaderMalformed",
        ),
    ] {
        let mut request =
            TestRequest::new("GET", "/", "", &[("host", HOST), ("authorization", &authorization)]);
        request.add("x-amz-date", "20130524T000000Z");
        request.add("x-amz-content-sha256", EMPTY_SHA256);
        assert_eq!(code_of(request.verify()), expected, "{authorization}");
    }
}

#[test]
fn unusable_query_credentials_are_refused_each_with_its_code() {
    let refused = "AuthorizationQueryParametersError";
    for (from, to, expected) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", refused),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "InvalidRequest"),
        ("X-Amz-Date=20130524T000000Z&", "", refused),
        ("X-Amz-Expires=86400&", "", refused),
        ("X-Amz-Expires=86400&", "X-Amz-Expires=86400&X-Amz-Expires=86400&", refused),
        ("X-Amz-SignedHeaders=host&", "", refused),
        ("X-Amz-SignedHeaders=host&", "X-Amz-SignedHeaders=date&", "AccessDenied"),
        ("&X-Amz-Signature=", "&X-Amz-Sig=", refused),
        ("%2Fs3%2F", "%2Fsts%2F", refused),
        ("20130524%2F", "20130525%2F", refused),
        ("us-east-1", "eu-west-1", "SignatureDoesNotMatch"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIANOBODY", "InvalidAccessKeyId"),
    ] {
        let query = PRESIGNED_QUERY.replace(from, to);
        assert_ne!(query, PRESIGNED_QUERY, "{from}");
        let request = TestRequest { query, ..presigned_example() };
        assert_eq!(code_of(request.verify()), expected, "{from} -> {to}");
    }
    for version_2 in ["AWSAccessKeyId=AKIA&Expires=1&Signature=x", "Signature=x"] {
        let request = TestRequest { query: version_2.to_owned(), ..presigned_example() };
        assert_eq!(request.verify().unwrap_err(), SignatureError::MechanismNotSupported);
    }
}

#[test]
fn credentials_in_two_places_are_refused() {
    let mut header_and_query = get_example();
    header_and_query.query = PRESIGNED_QUERY.to_owned();
    let mut two_headers = get_example();
    let value = two_headers.headers["authorization"].to_str().unwrap().to_owned();
    two_headers.add("authorization", &value);
    for request in [header_and_query, two_headers] {
        assert_eq!(request.verify().unwrap_err(), SignatureError::SeveralMechanisms);
    }
}

#[test]
fn a_request_without_credentials_is_anonymous() {
    let request = TestRequest::new("GET", "/bucket/key", "versionId=1&X-Amz-Expires=1", &[("host", HOST)]);
    let parsed = Credentials::parse(&request.head(&[]), NOW).unwrap();
    assert!(matches!(parsed, Credentials::Anonymous), "{parsed:?}");
}

#[test]
fn the_content_hash_header_must_be_there_once_and_readable() {
    let mut absent = get_example();
    absent.headers.remove("x-amz-content-sha256");
    assert_eq!(absent.verify().unwrap_err(), SignatureError::MissingContentSha256);
    for bad in ["", "UNSIGNED", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", &EMPTY_SHA256[1..]] {
        let mut request = get_example();
        request.headers.insert("x-amz-content-sha256", bad.parse().unwrap());
        assert_eq!(request.verify().unwrap_err(), SignatureError::InvalidContentSha256, "{bad}");
    }
    let mut twice = get_example();
    twice.add("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    assert_eq!(twice.verify().unwrap_err(), SignatureError::InvalidContentSha256);
}

#[test]
fn a_required_region_is_named_in_the_refusal() {
    let policy = VerifyPolicy { required_region: Some("garage"), key_cache: None };
    for request in [get_example(), presigned_example()] {
        let error = request.verify_with(NOW, &policy, &[]).unwrap_err();
        assert_eq!(error.expected_region(), Some("garage"));
    }
    let policy = VerifyPolicy { required_region: Some("us-east-1"), key_cache: None };
    get_example().verify_with(NOW, &policy, &[]).unwrap();
}

#[test]
fn the_mismatch_shows_what_was_signed_and_hides_the_secret() {
    let mut request = get_example();
    request.path = "/other.txt".to_owned();
    let error = request.verify().unwrap_err();
    let SignatureError::SignatureDoesNotMatch(mismatch) = &error else { panic!("{error:?}") };
    assert!(mismatch.canonical_request.starts_with("GET\n/other.txt\n\nhost:examplebucket"));
    assert!(
        mismatch.string_to_sign.starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/")
    );
    assert_eq!(mismatch.access_key_id, KEY_ID);
    let verified = get_example().verify().unwrap();
    assert!(!format!("{error:?} {verified:?} {:?}", Secret::new(SECRET)).contains(SECRET));
    assert_eq!(format!("{:?}", Secret::new(SECRET)), "***");
}

#[test]
fn paths_and_queries_signed_as_sent_verify_too() {
    // The test's signer signs path and query as they are; these are not in canonical form.
    for (path, query) in [
        ("/b/a+b", ""),
        ("/b/a@b;c=d", ""),
        ("/b/%e4%bd%a0", ""),
        ("/b/100%", ""),
        ("//b//../x", ""),
        ("/b", "prefix=a+b"),
        ("/b", "delimiter=/&prefix=a;b"),
    ] {
        let mut request = TestRequest::new(
            "GET",
            path,
            query,
            &[("host", HOST), ("x-amz-date", "20130524T000000Z"), ("x-amz-content-sha256", EMPTY_SHA256)],
        );
        request.sign();
        request.verify().unwrap_or_else(|error| panic!("{path} {query}: {error:?}"));
    }
}

#[test]
fn repeated_headers_and_inner_spaces_have_one_canonical_form() {
    let mut request = signed_request();
    request.headers.remove("authorization");
    request.add("x-amz-meta-list", "one two");
    request.add("x-amz-meta-list", "three");
    request.sign();
    request.verify().unwrap();
    request.headers.remove("x-amz-meta-list");
    request.add("x-amz-meta-list", "  one    two ");
    request.add("x-amz-meta-list", "three");
    request.verify().unwrap();
    request.headers.remove("x-amz-meta-list");
    request.add("x-amz-meta-list", "onetwo");
    request.add("x-amz-meta-list", "three");
    assert_eq!(code_of(request.verify()), "SignatureDoesNotMatch");
}

#[test]
fn the_cache_serves_good_keys_only_and_stays_bounded() {
    let cache = SigningKeyCache::new();
    let policy = VerifyPolicy { required_region: None, key_cache: Some(&cache) };
    let mut forged = get_example();
    forged.path = "/other".to_owned();
    assert_eq!(code_of(forged.verify_with(NOW, &policy, &[])), "SignatureDoesNotMatch");
    assert!(cache.is_empty(), "a stranger's request leaves nothing behind");
    for _ in 0..3 {
        get_example().verify_with(NOW, &policy, &[]).unwrap();
        assert_eq!(cache.len(), 1);
    }
    let new_secret = |_: &str| Some(Secret::new("replaced"));
    let request = get_example();
    let Ok(Credentials::Header(claim)) = Credentials::parse(&request.head(&[]), NOW) else { panic!() };
    assert_eq!(code_of(claim.verify(&policy, new_secret)), "SignatureDoesNotMatch");
    for region in 0..3 * GENERATION_CAPACITY {
        let credential = format!("K/20130524/region-{region}/s3/aws4_request");
        let (_, scope) = Scope::parse_credential(&credential).unwrap();
        let secret = Secret::new("s");
        cache.remember(&secret, &scope, &SigningKey::derive(&secret, &scope));
        assert!(cache.find(&secret, &scope).is_some());
    }
    assert!(cache.len() <= 2 * GENERATION_CAPACITY, "{}", cache.len());
}

#[test]
fn parsers_take_any_bytes() {
    // Every pair of bytes around the separators each parser knows, and each prefix of a good input.
    let seeds = [
        PRESIGNED_QUERY,
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=a;b,Signature=c",
        "%%%&=&=&%zz+",
    ];
    for seed in seeds {
        for end in 0..=seed.len() {
            let text = &seed[..end];
            let request = TestRequest::new("GET", text, text, &[("host", HOST)]);
            let _ = Credentials::parse(&request.head(&[]), NOW);
            let _ = AuthorizationHeader::parse(text);
            let _ = SignedHeaders::parse(text);
            let _ = Scope::parse_credential(text);
            assert!(Timestamp::parse_iso8601_basic(text).is_none());
        }
    }
}
