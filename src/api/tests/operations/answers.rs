//! Answers where AWS's documents, or what was recorded of it, say which: conditions, checksums, dates, settings.

use super::access_lists::open_shelf;
use super::calls::{ENCRYPTION, LOCK, TAGS, VERSIONING, bucket, form, logging, object, ok, part_list, thing};
use super::client::{Answer, Req};
use super::home::{CONTENT, Home, Shelf, Who};

async fn told(home: &Home, request: &Req, status: u16, code: &str) -> Answer {
    let answer = home.root(request).await;
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request:?}: {}", answer.text());
    answer
}

/// An upload of one part to `key`, begun with these headers: the request that completes it.
async fn upload(home: &Home, shelf: &Shelf, headers: &[(&str, &str)], number: u16) -> Req {
    let begin = object("POST", shelf, "key").query("uploads", "");
    let begin = headers.iter().fold(begin, |begin, (name, value)| begin.header(name, value));
    let id = ok(home, &begin).await.xml("UploadId");
    let part = object("PUT", shelf, "key").query("partNumber", &number.to_string()).query("uploadId", &id);
    ok(home, &part.body(CONTENT)).await;
    let number = format!("<PartNumber>{number}</PartNumber>");
    let list = part_list(shelf).replace("<PartNumber>1</PartNumber>", &number);
    object("POST", shelf, "key").query("uploadId", &id).body(list.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn a_conditional_completion_fails_if_something_happened_to_the_key_since_the_upload_began() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let put = object("PUT", &shelf, "key").body(CONTENT);
    let delete = object("DELETE", &shelf, "key");
    let tag = ok(&home, &put).await.header("etag").unwrap().to_owned();
    // Written again, with the same content.
    let complete = upload(&home, &shelf, &[], 1).await;
    ok(&home, &put).await;
    let conflict = "ConditionalRequestConflict";
    told(&home, &complete.clone().header("if-match", &tag), 409, conflict).await;
    told(&home, &complete.clone().header("if-none-match", "*"), 412, "PreconditionFailed").await;
    // What is said about it beside its content is no conflict.
    let again = upload(&home, &shelf, &[], 1).await;
    ok(&home, &object("PUT", &shelf, "key").query("tagging", "").body(TAGS.as_bytes())).await;
    ok(&home, &again.header("if-match", &tag)).await;
    // Deleted, where nothing has to be there.
    let absent = upload(&home, &shelf, &[], 1).await.header("if-none-match", "*");
    ok(&home, &delete).await;
    told(&home, &absent, 409, conflict).await;
    // Without a condition nobody asks.
    ok(&home, &complete).await;
    ok(&home, &delete).await;
    ok(&home, &upload(&home, &shelf, &[], 1).await.header("if-none-match", "*")).await;
}

#[tokio::test(start_paused = true)]
async fn a_conditional_completion_is_told_of_what_happened_to_versions() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    ok(&home, &bucket("PUT", &shelf).query("versioning", "").body(VERSIONING.as_bytes())).await;
    let absent = upload(&home, &shelf, &[], 1).await.header("if-none-match", "*");
    ok(&home, &object("PUT", &shelf, "key").body(CONTENT)).await;
    ok(&home, &object("DELETE", &shelf, "key")).await;
    told(&home, &absent, 409, "ConditionalRequestConflict").await;
    ok(&home, &upload(&home, &shelf, &[], 1).await.header("if-none-match", "*")).await;
}

#[tokio::test(start_paused = true)]
async fn parts_with_checksums_have_no_gaps() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let checked = [("x-amz-checksum-algorithm", "CRC32")];
    told(&home, &upload(&home, &shelf, &checked, 2).await, 400, "InvalidPartOrder").await;
    ok(&home, &upload(&home, &shelf, &checked, 1).await).await;
    ok(&home, &upload(&home, &shelf, &[], 7).await).await;
    let other = upload(&home, &shelf, &checked, 1).await.header("x-amz-checksum-type", "FULL_OBJECT");
    assert!(told(&home, &other, 400, "InvalidRequest").await.text().contains("COMPOSITE checksum mode"));
}

#[tokio::test(start_paused = true)]
async fn a_part_is_not_copied_from_behind_its_source() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let copy = object("PUT", &shelf, "parts").query("partNumber", "2").query("uploadId", &shelf.upload);
    let copy = copy.header("x-amz-copy-source", format!("/{}/thing", shelf.bucket));
    let behind = format!("bytes={}-9999", CONTENT.len());
    told(&home, &copy.clone().header("x-amz-copy-source-range", behind), 400, "InvalidRequest").await;
    let range = |last: usize| copy.clone().header("x-amz-copy-source-range", format!("bytes=0-{last}"));
    let refused = told(&home, &range(CONTENT.len()), 400, "InvalidArgument").await;
    assert_eq!(refused.xml("ArgumentName"), "x-amz-copy-source-range");
    ok(&home, &range(CONTENT.len() - 1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_since_a_time_to_come_is_not_asked() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let made = home.root(&thing("GET", &shelf)).await.header("last-modified").unwrap().to_owned();
    let since = |date: &str| thing("GET", &shelf).header("if-modified-since", date);
    assert_eq!(home.root(&since(&made)).await.status, 304);
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    assert_eq!(home.root(&since(future)).await.status, 200);
    let copy = object("PUT", &shelf, "copy").header("x-amz-copy-source", format!("/{}/thing", shelf.bucket));
    let copy = |date: &str| copy.clone().header("x-amz-copy-source-if-modified-since", date);
    told(&home, &copy(&made), 412, "PreconditionFailed").await;
    ok(&home, &copy(future)).await;
}

#[tokio::test(start_paused = true)]
async fn only_deletions_ask_whether_anything_is_there() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let any = |request: Req| request.header("if-match", "*");
    told(&home, &any(thing("PUT", &shelf).body(CONTENT)), 501, "NotImplemented").await;
    let copy = thing("PUT", &shelf).header("x-amz-copy-source", format!("/{}/folder/inner", shelf.bucket));
    told(&home, &any(copy), 501, "NotImplemented").await;
    told(&home, &any(upload(&home, &shelf, &[], 1).await), 501, "NotImplemented").await;
    ok(&home, &any(thing("DELETE", &shelf))).await;
    told(&home, &any(thing("DELETE", &shelf)), 404, "NoSuchKey").await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_marker_has_no_tags() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    ok(&home, &bucket("PUT", &shelf).query("versioning", "").body(VERSIONING.as_bytes())).await;
    ok(&home, &thing("DELETE", &shelf)).await;
    for request in [
        thing("GET", &shelf).query("tagging", ""),
        thing("PUT", &shelf).query("tagging", "").body(TAGS.as_bytes()),
        thing("DELETE", &shelf).query("tagging", ""),
    ] {
        let refused = told(&home, &request, 405, "MethodNotAllowed").await;
        assert_eq!(refused.header("x-amz-delete-marker"), Some("true"), "{request:?}");
        assert_eq!(refused.header("allow"), Some("DELETE"), "{request:?}");
    }
    told(&home, &object("GET", &shelf, "none").query("tagging", ""), 404, "NoSuchKey").await;
}

#[tokio::test(start_paused = true)]
async fn governance_is_bypassed_only_where_there_are_locks() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let bypass = |request: Req, value: &str| request.header("x-amz-bypass-governance-retention", value);
    let many = b"<Delete><Object><Key>thing</Key></Object></Delete>";
    let many = bucket("POST", &shelf).query("delete", "").body(many).content_md5();
    for request in [thing("DELETE", &shelf), many] {
        for value in ["true", "false"] {
            let refused = told(&home, &bypass(request.clone(), value), 400, "InvalidArgument").await;
            assert_eq!(refused.xml("ArgumentName"), "x-amz-bypass-governance-retention");
        }
    }
    assert_eq!(home.root(&thing("GET", &shelf)).await.status, 200, "nothing was deleted");
    ok(&home, &bucket("PUT", &shelf).query("versioning", "").body(VERSIONING.as_bytes())).await;
    ok(&home, &bucket("PUT", &shelf).query("object-lock", "").body(LOCK.as_bytes())).await;
    ok(&home, &bypass(thing("DELETE", &shelf), "true")).await;
}

#[tokio::test(start_paused = true)]
async fn lists_are_shown_as_they_count() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    let stranger = format!("id=\"{}\"", home.identity(Who::Stranger).id);
    let everybody = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    let places = [bucket("PUT", &shelf), thing("PUT", &shelf)];
    for place in &places {
        let set = place.clone().query("acl", "");
        ok(&home, &set.header("x-amz-grant-read", format!("{stranger}, {everybody}"))).await;
    }
    let shown = async |wanted: usize| {
        for place in [bucket("GET", &shelf), thing("GET", &shelf)] {
            let list = ok(&home, &place.query("acl", "")).await;
            assert_eq!(list.text().matches("<Grant>").count(), wanted, "{}", list.text());
        }
    };
    shown(2).await;
    let block = "<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls>\
        </PublicAccessBlockConfiguration>";
    ok(&home, &bucket("PUT", &shelf).query("publicAccessBlock", "").body(block.as_bytes())).await;
    shown(1).await;
    ok(&home, &bucket("DELETE", &shelf).query("publicAccessBlock", "")).await;
    shown(2).await;
}

#[tokio::test(start_paused = true)]
async fn logs_go_to_no_bucket_with_locks_or_named_keys() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let log = bucket("PUT", &shelf).query("logging", "").body(logging(&shelf).as_bytes());
    ok(&home, &log).await;
    let encrypt = bucket("PUT", &shelf).query("encryption", "");
    ok(&home, &encrypt.clone().body(ENCRYPTION.as_bytes())).await;
    ok(&home, &log).await;
    ok(&home, &encrypt.body(ENCRYPTION.replace("AES256", "aws:kms").as_bytes())).await;
    told(&home, &log, 400, "InvalidTargetBucketForLogging").await;
    ok(&home, &bucket("DELETE", &shelf).query("encryption", "")).await;
    ok(&home, &bucket("PUT", &shelf).query("versioning", "").body(VERSIONING.as_bytes())).await;
    ok(&home, &log).await;
    ok(&home, &bucket("PUT", &shelf).query("object-lock", "").body(LOCK.as_bytes())).await;
    told(&home, &log, 400, "InvalidTargetBucketForLogging").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_with_its_details() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    told(&home, &Req::new("PUT", "/amzn-s3-demo-bucket"), 400, "InvalidBucketName").await;
    let unknown = thing("PUT", &shelf).header("x-amz-server-side-encryption", "AES128").body(CONTENT);
    told(&home, &unknown, 400, "InvalidEncryptionAlgorithmError").await;
    let behind = thing("GET", &shelf).header("range", "bytes=9000-");
    let behind = told(&home, &behind, 416, "InvalidRange").await;
    assert_eq!(behind.xml("ActualObjectSize"), CONTENT.len().to_string());
    let wrong = "0".repeat(64);
    let sum = home.root(&thing("PUT", &shelf).header("x-amz-content-sha256", &wrong).body(CONTENT)).await;
    assert_eq!(sum.code(), "XAmzContentSHA256Mismatch");
    assert_eq!(sum.xml("ClientComputedContentSHA256"), wrong);
    assert_eq!(sum.xml("S3ComputedContentSHA256").len(), 64);
    // A preflight that does not say for what.
    let preflight = bucket("OPTIONS", &shelf).header("origin", "https://page.example");
    let refused = home.send_unsigned(&preflight).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "AccessForbidden"));
    let odd = preflight.header("access-control-request-method", "TRACE");
    assert_eq!(home.send_unsigned(&odd).await.code(), "BadRequest");
    // A field that stands twice has both values.
    let twice = [("key", "k"), ("x-amz-meta-who", "me"), ("X-Amz-Meta-Who", "you")];
    ok(&home, &form(&shelf, &twice, CONTENT)).await;
    let found = ok(&home, &object("GET", &shelf, "k")).await;
    assert_eq!(found.header("x-amz-meta-who"), Some("me,you"));
}
