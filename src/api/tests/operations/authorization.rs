//! Who may call what: for every operation, every kind of stranger is turned away with the right code,
//! and each single grant opens exactly what it should.

use super::calls::{SAMPLES, Sample};
use super::client::{Identity, Req};
use super::home::{Home, Who};
use Who::{Creator, Owner, Reader, Root, Stranger, Writer};

/// Which keys may call an operation; all others get AccessDenied.
pub struct Row {
    pub operation: &'static str,
    pub allowed: &'static [Who],
}

const fn row(operation: &'static str, allowed: &'static [Who]) -> Row {
    Row { operation, allowed }
}

const EVERYBODY: &[Who] = &[Root, Reader, Writer, Owner, Stranger, Creator];
const ANY_GRANT: &[Who] = &[Root, Reader, Writer, Owner];
const OWNER: &[Who] = &[Root, Owner];
const READ: &[Who] = &[Root, Reader];
const WRITE: &[Who] = &[Root, Writer];

pub static ROWS: &[Row] = &[
    row("ListBuckets", EVERYBODY),
    row("CreateBucket", &[Root, Creator]),
    row("HeadBucket", ANY_GRANT),
    row("DeleteBucket", OWNER),
    row("GetBucketLocation", ANY_GRANT),
    row("ListObjects", READ),
    row("ListObjectsV2", READ),
    row("ListObjectVersions", READ),
    row("ListMultipartUploads", READ),
    row("PutBucketVersioning", OWNER),
    row("GetBucketVersioning", ANY_GRANT),
    row("PutObjectLockConfiguration", OWNER),
    row("GetObjectLockConfiguration", ANY_GRANT),
    row("PutBucketCors", OWNER),
    row("GetBucketCors", OWNER),
    row("DeleteBucketCors", OWNER),
    row("PutBucketLifecycleConfiguration", OWNER),
    row("GetBucketLifecycleConfiguration", OWNER),
    row("DeleteBucketLifecycle", OWNER),
    row("PutBucketWebsite", OWNER),
    row("GetBucketWebsite", OWNER),
    row("DeleteBucketWebsite", OWNER),
    row("PutBucketNotificationConfiguration", OWNER),
    row("GetBucketNotificationConfiguration", OWNER),
    row("PutBucketLogging", OWNER),
    row("GetBucketLogging", OWNER),
    row("PutBucketEncryption", OWNER),
    row("GetBucketEncryption", OWNER),
    row("DeleteBucketEncryption", OWNER),
    row("PutBucketTagging", OWNER),
    row("GetBucketTagging", OWNER),
    row("DeleteBucketTagging", OWNER),
    row("PutBucketPolicy", OWNER),
    row("GetBucketPolicy", OWNER),
    row("DeleteBucketPolicy", OWNER),
    row("GetBucketPolicyStatus", OWNER),
    row("PutPublicAccessBlock", OWNER),
    row("GetPublicAccessBlock", OWNER),
    row("DeletePublicAccessBlock", OWNER),
    row("PutBucketOwnershipControls", OWNER),
    row("GetBucketOwnershipControls", OWNER),
    row("DeleteBucketOwnershipControls", OWNER),
    row("PutBucketAcl", OWNER),
    row("GetBucketAcl", ANY_GRANT),
    row("DeleteObjects", WRITE),
    row("PutObject", WRITE),
    row("PostObject", WRITE),
    row("GetObject", READ),
    row("HeadObject", READ),
    row("DeleteObject", WRITE),
    row("CopyObject", WRITE),
    row("GetObjectAttributes", READ),
    row("PutObjectTagging", WRITE),
    row("GetObjectTagging", READ),
    row("DeleteObjectTagging", WRITE),
    row("PutObjectAcl", OWNER),
    row("GetObjectAcl", READ),
    row("PutObjectRetention", WRITE),
    row("GetObjectRetention", READ),
    row("PutObjectLegalHold", WRITE),
    row("GetObjectLegalHold", READ),
    row("CreateMultipartUpload", WRITE),
    row("UploadPart", WRITE),
    row("UploadPartCopy", WRITE),
    row("ListParts", READ),
    row("CompleteMultipartUpload", WRITE),
    row("AbortMultipartUpload", WRITE),
];

#[test]
fn every_operation_has_a_row() {
    super::assert_names_all_operations("ROWS", ROWS.iter().map(|row| row.operation));
}

#[tokio::test(start_paused = true)]
async fn each_grant_opens_what_it_should_and_nothing_else() {
    let home = Home::new().await;
    for row in ROWS {
        let sample = Sample::of(row.operation);
        for who in EVERYBODY.iter().copied() {
            let (_, request) = sample.prepare(&home).await;
            let answer = home.send_as(who, &request).await;
            let name = row.operation;
            if row.allowed.contains(&who) {
                assert_eq!(answer.status, sample.status, "{name} as {who:?}: {}", answer.text());
            } else {
                let denied = answer.is_refusal(&request.method, 403, "AccessDenied");
                assert!(denied, "{name} as {who:?}: {} {}", answer.status, answer.text());
                // Without a body, the header alone tells the region, which clients ask HEAD for.
                let region = answer.header("x-amz-bucket-region");
                assert_eq!(region.is_some(), request.method == "HEAD", "{name} as {who:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_signature_nothing_opens() {
    let home = Home::new().await;
    let root = home.identity(Root);
    let wrong_secret = Identity { secret: "0".repeat(64), ..root.clone() };
    let unknown = Identity { id: "GK000000000000000000000000".to_owned(), ..root };
    for sample in SAMPLES {
        let (shelf, request) = sample.prepare(&home).await;
        let (name, method) = (sample.operation, request.method.as_str());
        let answer = home.send_unsigned(&request).await;
        assert!(answer.is_refusal(method, 403, "AccessDenied"), "{name} unsigned: {answer:?}");
        let answer = home.send(&wrong_secret, &request).await;
        assert!(answer.is_refusal(method, 403, "SignatureDoesNotMatch"), "{name}: {}", answer.text());
        let answer = home.send(&unknown, &request).await;
        assert!(answer.is_refusal(method, 403, "InvalidAccessKeyId"), "{name}: {}", answer.text());
        // None of the three had an effect: the same request succeeds now.
        let answer = home.root(&request).await;
        assert_eq!(answer.status, sample.status, "{name} on {}: {}", shelf.bucket, answer.text());
    }
}

/// A signature is for one request: whatever is changed afterwards, it is void.
#[tokio::test(start_paused = true)]
async fn a_signed_request_cannot_be_changed() {
    let home = Home::new().await;
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    for sample in SAMPLES {
        let (_, request) = sample.prepare(&home).await;
        let signed = request.signed(&home.identity(Root), now_unix_s);
        let mut changed_path = signed.clone();
        changed_path.path.push('x');
        let changes = [
            ("the path", changed_path),
            ("the query", signed.clone().query("prefix", "other")),
            ("an unsigned header", signed.clone().header("x-amz-meta-added", "later")),
        ];
        for (what, changed) in changes {
            let answer = home.send_unsigned(&changed).await;
            let name = sample.operation;
            assert_eq!(answer.status, 403, "{name} with {what} changed: {}", answer.text());
        }
        let mut old = request.signed(&home.identity(Root), now_unix_s - 16 * 60);
        let answer = home.send_unsigned(&old).await;
        assert!(answer.is_refusal(&old.method, 403, "RequestTimeTooSkewed"), "{}", answer.text());
        old.headers.retain(|(name, _)| name != "authorization");
        let answer = home.send_unsigned(&old).await;
        assert_eq!(answer.status, 403, "{}: {}", sample.operation, answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_from_who_may_not() {
    let home = Home::new().await;
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    // Who sends a form stands in the form.
    for row in ROWS.iter().filter(|row| !row.allowed.contains(&Stranger) && row.operation != "PostObject") {
        let (_, request) = Sample::of(row.operation).prepare(&home).await;
        // A client that waits for leave to send is told no, not to go on.
        let request = request.body(b"").header("content-length", "1000").header("expect", "100-continue");
        let request = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        let bytes = request.signed(&home.identity(Stranger), now_unix_s).to_bytes();
        let answer = home.send_bytes(&bytes).await;
        let status = answer.get(9..12).unwrap_or_default();
        assert_eq!(status, b"403", "{}: {}", row.operation, String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_other_than_the_signed_one_is_not_stored() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let path = format!("/{}/new", shelf.bucket);
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    let mut signed = Req::new("PUT", &path).body(b"signed").signed(&home.identity(Root), now_unix_s);
    signed.body = b"forged".to_vec();
    let answer = home.send_unsigned(&signed).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "XAmzContentSHA256Mismatch"));
    assert_eq!(home.root(&Req::new("GET", &path)).await.code(), "NoSuchKey");
}

#[tokio::test(start_paused = true)]
async fn a_copy_needs_read_on_its_source() {
    let home = Home::new().await;
    for operation in ["CopyObject", "UploadPartCopy"] {
        let sample = Sample::of(operation);
        let (shelf, request) = sample.prepare(&home).await;
        let source = |bucket: &str, key: &str| {
            request
                .clone()
                .without("x-amz-copy-source")
                .header("x-amz-copy-source", format!("/{bucket}/{key}"))
        };
        let readable = source(&shelf.library, "book");
        assert_eq!(home.send_as(Writer, &readable).await.status, 200, "{operation}");
        // The bucket is hidden, whether or not the key is there.
        for key in ["secret", "missing"] {
            let answer = home.send_as(Writer, &source(&shelf.vault, key)).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "AccessDenied"), "{operation}");
        }
        // Write on a bucket is not read on it.
        let own = home.send_as(Writer, &source(&shelf.bucket, "thing")).await;
        assert_eq!((own.status, own.code().as_str()), (403, "AccessDenied"), "{operation}");
        assert_eq!(home.root(&source(&shelf.vault, "secret")).await.status, 200, "{operation}");
    }
}
