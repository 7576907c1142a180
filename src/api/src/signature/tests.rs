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
