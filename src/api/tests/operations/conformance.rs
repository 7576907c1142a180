//! What each operation does and answers when all is well: status, essential headers, body, and the
//! effect as seen by the next request.

use super::calls::{Sample, thing};
use super::client::{Answer, Req, hex};
use super::home::{CONTENT, Home, Shelf, Who};
use futures_util::future::BoxFuture;
use md5::{Digest, Md5};

/// The check of one operation.
struct Case {
    operation: &'static str,
    check: for<'a> fn(&'a Home, &'a Shelf, Answer) -> BoxFuture<'a, ()>,
}

macro_rules! cases {
    ($($operation:literal => $check:ident,)+) => {
        static CASES: &[Case] = &[$(
            Case { operation: $operation, check: |home, shelf, answer| Box::pin($check(home, shelf, answer)) },
        )+];
    };
}

cases! {
    "ListBuckets" => list_buckets,
    "CreateBucket" => create_bucket,
    "HeadBucket" => head_bucket,
    "DeleteBucket" => delete_bucket,
    "GetBucketLocation" => get_bucket_location,
    "ListObjects" => list_objects,
    "ListObjectsV2" => list_objects_v2,
    "ListObjectVersions" => list_object_versions,
    "ListMultipartUploads" => list_multipart_uploads,
    "PutBucketVersioning" => put_bucket_versioning,
    "GetBucketVersioning" => get_bucket_versioning,
    "PutObjectLockConfiguration" => put_object_lock_configuration,
    "GetObjectLockConfiguration" => get_object_lock_configuration,
    "PutBucketCors" => put_bucket_cors,
    "GetBucketCors" => get_bucket_cors,
    "DeleteBucketCors" => delete_bucket_cors,
    "PutBucketLifecycleConfiguration" => put_bucket_lifecycle_configuration,
    "GetBucketLifecycleConfiguration" => get_bucket_lifecycle_configuration,
    "DeleteBucketLifecycle" => delete_bucket_lifecycle,
    "PutBucketWebsite" => put_bucket_website,
    "GetBucketWebsite" => get_bucket_website,
    "DeleteBucketWebsite" => delete_bucket_website,
    "PutBucketNotificationConfiguration" => put_bucket_notification_configuration,
    "GetBucketNotificationConfiguration" => get_bucket_notification_configuration,
    "PutBucketLogging" => put_bucket_logging,
    "GetBucketLogging" => get_bucket_logging,
    "PutBucketEncryption" => put_bucket_encryption,
    "GetBucketEncryption" => get_bucket_encryption,
    "DeleteBucketEncryption" => delete_bucket_encryption,
    "PutBucketTagging" => put_bucket_tagging,
    "GetBucketTagging" => get_bucket_tagging,
    "DeleteBucketTagging" => delete_bucket_tagging,
    "PutBucketPolicy" => put_bucket_policy,
    "GetBucketPolicy" => get_bucket_policy,
    "DeleteBucketPolicy" => delete_bucket_policy,
    "GetBucketPolicyStatus" => get_bucket_policy_status,
    "PutPublicAccessBlock" => put_public_access_block,
    "GetPublicAccessBlock" => get_public_access_block,
    "DeletePublicAccessBlock" => delete_public_access_block,
    "PutBucketOwnershipControls" => put_bucket_ownership_controls,
    "GetBucketOwnershipControls" => get_bucket_ownership_controls,
    "DeleteBucketOwnershipControls" => delete_bucket_ownership_controls,
    "PutBucketAcl" => put_bucket_acl,
    "GetBucketAcl" => get_bucket_acl,
    "DeleteObjects" => delete_objects,
    "PutObject" => put_object,
    "PostObject" => post_object,
    "GetObject" => get_object,
    "HeadObject" => head_object,
    "DeleteObject" => delete_object,
    "CopyObject" => copy_object,
    "GetObjectAttributes" => get_object_attributes,
    "PutObjectTagging" => put_object_tagging,
    "GetObjectTagging" => get_object_tagging,
    "DeleteObjectTagging" => delete_object_tagging,
    "PutObjectAcl" => put_object_acl,
    "GetObjectAcl" => get_object_acl,
    "PutObjectRetention" => put_object_retention,
    "GetObjectRetention" => get_object_retention,
    "PutObjectLegalHold" => put_object_legal_hold,
    "GetObjectLegalHold" => get_object_legal_hold,
    "CreateMultipartUpload" => create_multipart_upload,
    "UploadPart" => upload_part,
    "UploadPartCopy" => upload_part_copy,
    "ListParts" => list_parts,
    "CompleteMultipartUpload" => complete_multipart_upload,
    "AbortMultipartUpload" => abort_multipart_upload,
}

#[test]
fn every_operation_has_a_case() {
    super::assert_names_all_operations("CASES", CASES.iter().map(|case| case.operation));
}

#[tokio::test(start_paused = true)]
async fn every_operation_does_what_it_says() {
    let home = Home::new().await;
    for case in CASES {
        let sample = Sample::of(case.operation);
        let (shelf, request) = sample.prepare(&home).await;
        let answer = home.root(&request).await;
        assert_eq!(answer.status, sample.status, "{}: {}", case.operation, answer.text());
        let id = answer.header("x-amz-request-id").unwrap_or_default();
        assert_eq!(id.len(), 16, "{}: a request id", case.operation);
        assert_eq!(answer.header("x-amz-id-2"), Some("node-of-the-test"));
        (case.check)(&home, &shelf, answer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_names_itself_its_resource_and_its_request() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let answer = home.root(&thing("GET", &shelf)).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "NoSuchKey"));
    assert_eq!(answer.header("content-type"), Some("application/xml"));
    assert_eq!(answer.xml("RequestId"), answer.header("x-amz-request-id").unwrap());
    assert_eq!(answer.xml("Resource"), format!("/{}/thing", shelf.bucket));
    let head = home.root(&thing("HEAD", &shelf)).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
    assert!(head.header("x-amz-request-id").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_not_here_is_named_as_a_header_is() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let answer = home.root(&thing("PUT", &shelf).query("torrent", "")).await;
    assert_eq!((answer.status, answer.code().as_str()), (501, "NotImplemented"));
    assert_eq!(answer.xml("QueryParameter"), "torrent");
    assert!(answer.xml("Message").starts_with("A query parameter you provided"), "{}", answer.text());
    assert_eq!(answer.text().matches("<Resource>").count(), 1, "{}", answer.text());
}

#[tokio::test(start_paused = true)]
async fn the_number_of_a_part_is_looked_at_before_its_upload() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    for upload in ["none", &"ab".repeat(16)] {
        let part = thing("PUT", &shelf).query("partNumber", "0").query("uploadId", upload);
        let answer = home.root(&part).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "InvalidArgument"), "{upload}");
        assert_eq!(answer.xml("ArgumentName"), "partNumber");
    }
}

fn quoted_md5(content: &[u8]) -> String {
    format!("\"{}\"", hex(&Md5::digest(content)))
}

async fn content_of(home: &Home, shelf: &Shelf, key: &str) -> Answer {
    home.root(&Req::new("GET", &format!("/{}/{key}", shelf.bucket))).await
}

async fn list_buckets(_home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.header("content-type"), Some("application/xml"));
    assert!(answer.text().contains("<ListAllMyBucketsResult"));
    assert!(answer.text().contains(&format!("<Name>{}</Name>", shelf.bucket)));
    assert!(answer.xml("CreationDate").ends_with('Z'));
}

async fn create_bucket(home: &Home, _shelf: &Shelf, answer: Answer) {
    let location = answer.header("location").unwrap().to_owned();
    assert_eq!(home.root(&Req::new("HEAD", &location)).await.status, 200);
    let again = home.root(&Req::new("PUT", &location)).await;
    assert_eq!((again.status, again.code().as_str()), (409, "BucketAlreadyOwnedByYou"));
}

async fn head_bucket(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.header("x-amz-bucket-region"), Some(super::home::REGION));
    assert!(answer.body.is_empty());
    assert_eq!(home.root(&Req::new("HEAD", "/no-such-bucket")).await.status, 404);
}

async fn delete_bucket(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let gone = home.root(&Req::new("GET", &format!("/{}", shelf.bucket))).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "NoSuchBucket"));
    let full = home.shelf().await;
    let refused = home.root(&Req::new("DELETE", &format!("/{}", full.bucket))).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "BucketNotEmpty"));
}

async fn get_bucket_location(_home: &Home, _shelf: &Shelf, answer: Answer) {
    assert!(answer.text().contains("LocationConstraint"));
    assert!(answer.text().contains(&format!(">{}<", super::home::REGION)));
}

async fn list_objects(_home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("Name"), shelf.bucket);
    assert_eq!(answer.xml("MaxKeys"), "1000");
    assert_eq!(answer.xml("IsTruncated"), "false");
    assert!(answer.text().contains("<Marker/>") || answer.xml("Marker").is_empty());
    assert!(answer.text().contains("<Key>folder/inner</Key>"));
    assert!(answer.text().contains("<Key>thing</Key>"));
    assert_eq!(answer.text().matches("<Contents>").count(), 2, "an open upload is no object");
}

async fn list_objects_v2(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("KeyCount"), "2");
    let page = Req::new("GET", &format!("/{}", shelf.bucket)).query("list-type", "2").query("max-keys", "1");
    let first = home.root(&page).await;
    assert_eq!((first.xml("Key").as_str(), first.xml("IsTruncated").as_str()), ("folder/inner", "true"));
    let token = first.xml("NextContinuationToken");
    let second = home.root(&page.query("continuation-token", &token)).await;
    assert_eq!((second.xml("Key").as_str(), second.xml("IsTruncated").as_str()), ("thing", "false"));
}

async fn list_multipart_uploads(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("Key"), "parts");
    assert_eq!(answer.xml("UploadId"), shelf.upload);
    let key_id = home.identity(Who::Root).id;
    assert!(answer.xml("Initiator").starts_with(&format!("<ID>{key_id}</ID>")), "{}", answer.text());
    let path = format!("/{}/summed", shelf.bucket);
    let opened = Req::new("POST", &path).query("uploads", "").header("x-amz-checksum-algorithm", "SHA256");
    assert_eq!(home.root(&opened).await.status, 200);
    let listed =
        Req::new("GET", &format!("/{}", shelf.bucket)).query("uploads", "").query("prefix", "summed");
    let listed = home.root(&listed).await;
    let sum = (listed.xml("ChecksumAlgorithm"), listed.xml("ChecksumType"));
    assert_eq!(sum, ("SHA256".to_owned(), "COMPOSITE".to_owned()));
}

async fn list_object_versions(_home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!((answer.xml("Name"), answer.xml("MaxKeys")), (shelf.bucket.clone(), "1000".to_owned()));
    let text = answer.text();
    assert_eq!(text.matches("<Version>").count(), 2, "{text}");
    let of_each = text.matches("<VersionId>null</VersionId><IsLatest>true</IsLatest>").count();
    assert_eq!(of_each, 2, "objects of a bucket without versions: {text}");
    assert!(text.contains("<Owner><ID>") && text.contains("<IsTruncated>false</IsTruncated>"), "{text}");
}

async fn put_bucket_versioning(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    assert_eq!(setting(home, shelf, "versioning").await.xml("Status"), "Enabled");
    let put = Req::new("PUT", &format!("/{}/thing", shelf.bucket)).body(b"newer");
    assert!(home.root(&put).await.header("x-amz-version-id").is_some());
}

async fn get_bucket_versioning(_home: &Home, _shelf: &Shelf, answer: Answer) {
    assert!(answer.text().contains("<VersioningConfiguration"), "{}", answer.text());
    assert_eq!(answer.maybe_xml("Status"), None, "it was never set");
}

async fn setting(home: &Home, shelf: &Shelf, name: &str) -> Answer {
    home.root(&Req::new("GET", &format!("/{}", shelf.bucket)).query(name, "")).await
}

async fn put_object_lock_configuration(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let configure = |bucket: &str, document: &str| {
        Req::new("PUT", &format!("/{bucket}")).query("object-lock", "").body(document.as_bytes())
    };
    // Without versions there is nothing to lock.
    let other = home.empty_shelf().await;
    let refused = home.root(&configure(&other.bucket, super::calls::LOCK)).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "InvalidBucketState"));
    let suspend = super::calls::VERSIONING.replace("Enabled", "Suspended");
    let suspend =
        Req::new("PUT", &format!("/{}", shelf.bucket)).query("versioning", "").body(suspend.as_bytes());
    let refused = home.root(&suspend).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "InvalidBucketState"));
    for (period, code) in [
        ("<Days>0</Days>", "InvalidRetentionPeriod"),
        ("<Years>101</Years>", "InvalidRetentionPeriod"),
        ("<Days>36501</Days>", "InvalidRetentionPeriod"),
        ("<Days>1</Days><Years>1</Years>", "MalformedXML"),
        ("", "MalformedXML"),
    ] {
        let rule =
            format!("<Rule><DefaultRetention><Mode>COMPLIANCE</Mode>{period}</DefaultRetention></Rule>");
        let end = "</ObjectLockConfiguration>";
        let document = super::calls::LOCK.replace(end, &(rule + end));
        let refused = home.root(&configure(&shelf.bucket, &document)).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, code), "{document}");
    }
}

async fn get_object_lock_configuration(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("ObjectLockEnabled"), "Enabled");
    let none = setting(home, &home.empty_shelf().await, "object-lock").await;
    assert_eq!((none.status, none.code().as_str()), (404, "ObjectLockConfigurationNotFoundError"));
}

async fn put_object_retention(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty() && answer.header("x-amz-version-id").is_some());
    let put = |method: Req, document: String| method.query("retention", "").body(document.as_bytes());
    let retention = |year: u32| super::calls::RETENTION.replace("2090", &year.to_string());
    for (document, status, code) in [
        (retention(2089), 403, "AccessDenied"),
        (retention(2090).replace("GOVERNANCE", "COMPLIANCE"), 403, "AccessDenied"),
        ("<Retention/>".to_owned(), 403, "AccessDenied"),
        (retention(2001), 400, "InvalidArgument"),
        (retention(2090).replace("GOVERNANCE", "NONE"), 400, "MalformedXML"),
        (retention(2090).replace("T00", " at 00"), 400, "MalformedXML"),
    ] {
        let refused = home.root(&put(thing("PUT", shelf), document)).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
    }
    let unlocked = home.root(&put(thing("PUT", &home.shelf().await), retention(2090))).await;
    assert_eq!((unlocked.status, unlocked.code().as_str()), (400, "InvalidRequest"));
}

async fn get_object_retention(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("Mode"), "GOVERNANCE");
    assert_eq!(answer.xml("RetainUntilDate"), "2090-01-01T00:00:00.000Z");
    let other = format!("/{}/other", shelf.bucket);
    assert_eq!(home.root(&Req::new("PUT", &other).body(CONTENT)).await.status, 200);
    for query in ["retention", "legal-hold"] {
        let none = home.root(&Req::new("GET", &other).query(query, "")).await;
        assert_eq!((none.status, none.code().as_str()), (404, "NoSuchObjectLockConfiguration"));
        let unlocked = home.root(&thing("GET", &home.shelf().await).query(query, "")).await;
        assert_eq!((unlocked.status, unlocked.code().as_str()), (400, "InvalidRequest"));
    }
}

async fn put_object_legal_hold(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty() && answer.header("x-amz-version-id").is_some());
    let put = |request: Req, text: &str| {
        let document = super::calls::HOLD.replace("ON", text);
        request.query("legal-hold", "").body(document.as_bytes())
    };
    let refused = home.root(&put(thing("PUT", shelf), "on")).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "MalformedXML"));
    let unlocked = home.root(&put(thing("PUT", &home.shelf().await), "ON")).await;
    assert_eq!((unlocked.status, unlocked.code().as_str()), (400, "InvalidRequest"));
}

async fn get_object_legal_hold(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("Status"), "ON");
    let version = home.root(&thing("HEAD", shelf)).await.header("x-amz-version-id").unwrap().to_owned();
    let delete = thing("DELETE", shelf).query("versionId", &version);
    let held = home.root(&delete.header("x-amz-bypass-governance-retention", "true")).await;
    assert_eq!((held.status, held.code().as_str()), (403, "AccessDenied"));
}

async fn put_bucket_cors(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    assert_eq!(setting(home, shelf, "cors").await.xml("AllowedOrigin"), "https://page.example");
}

async fn get_bucket_cors(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!((answer.xml("MaxAgeSeconds").as_str(), answer.xml("ExposeHeader").as_str()), ("60", "ETag"));
    let none = home.empty_shelf().await;
    assert_eq!(setting(home, &none, "cors").await.code(), "NoSuchCORSConfiguration");
}

async fn delete_bucket_cors(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let gone = setting(home, shelf, "cors").await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "NoSuchCORSConfiguration"));
    assert_eq!(setting(home, shelf, "tagging").await.status, 200, "each setting stands by itself");
}

async fn put_bucket_lifecycle_configuration(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let kept = setting(home, shelf, "lifecycle").await;
    assert_eq!((kept.xml("Prefix").as_str(), kept.xml("Days").as_str()), ("thing", "30"));
}

async fn get_bucket_lifecycle_configuration(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!((answer.xml("ID").as_str(), answer.xml("Status").as_str()), ("old", "Enabled"));
    let head = home.root(&Req::new("HEAD", &format!("/{}/thing", shelf.bucket))).await;
    let told = head.header("x-amz-expiration").unwrap_or_default();
    assert!(told.starts_with("expiry-date=\"") && told.ends_with("GMT\", rule-id=\"old\""), "{told}");
    let none = home.empty_shelf().await;
    assert_eq!(setting(home, &none, "lifecycle").await.code(), "NoSuchLifecycleConfiguration");
}

async fn delete_bucket_lifecycle(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let gone = setting(home, shelf, "lifecycle").await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "NoSuchLifecycleConfiguration"));
}

async fn put_bucket_website(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    assert_eq!(setting(home, shelf, "website").await.xml("Suffix"), "index.html");
}

async fn get_bucket_website(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(
        (answer.xml("Key").as_str(), answer.xml("ReplaceKeyPrefixWith").as_str()),
        ("error.html", "new/")
    );
    let (_, row) = home.model.names().resolve(&shelf.bucket, None).unwrap().unwrap();
    let site = row.website.value.as_ref().expect("the register that the admin API shows");
    assert_eq!(site.index_document, "index.html");
    let none = home.empty_shelf().await;
    assert_eq!(setting(home, &none, "website").await.code(), "NoSuchWebsiteConfiguration");
}

async fn delete_bucket_website(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let gone = setting(home, shelf, "website").await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "NoSuchWebsiteConfiguration"));
    let (_, row) = home.model.names().resolve(&shelf.bucket, None).unwrap().unwrap();
    assert_eq!(row.website.value, None);
}

async fn put_bucket_notification_configuration(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let put = Req::new("PUT", &format!("/{}/cat.jpg", shelf.bucket)).body(b"cat");
    assert_eq!(home.root(&put).await.status, 200);
    let none = Req::new("PUT", &format!("/{}", shelf.bucket)).query("notification", "");
    assert_eq!(home.root(&none.body(b"<NotificationConfiguration/>")).await.status, 200);
    let shown = setting(home, shelf, "notification").await;
    assert_eq!((shown.status, shown.maybe_xml("Queue")), (200, None));
}

async fn get_bucket_notification_configuration(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("Queue"), "arn:garage:sqs::hook:webhook");
    assert_eq!((answer.xml("Id").as_str(), answer.xml("Value").as_str()), ("rule", ".jpg"));
    let none = setting(home, &home.empty_shelf().await, "notification").await;
    assert!(none.status == 200 && none.text().contains("NotificationConfiguration"), "{}", none.text());
}

async fn put_bucket_logging(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let shown = setting(home, shelf, "logging").await;
    assert_eq!(
        (shown.xml("TargetBucket"), shown.xml("TargetPrefix")),
        (shelf.bucket.clone(), "logs/".to_owned())
    );
    let none = Req::new("PUT", &format!("/{}", shelf.bucket)).query("logging", "");
    assert_eq!(home.root(&none.body(b"<BucketLoggingStatus/>")).await.status, 200);
    assert_eq!(setting(home, shelf, "logging").await.maybe_xml("TargetBucket"), None);
}

async fn get_bucket_logging(_home: &Home, _shelf: &Shelf, answer: Answer) {
    assert!(answer.text().contains("<BucketLoggingStatus"), "{}", answer.text());
    assert_eq!(answer.maybe_xml("TargetBucket"), None, "it was never set");
}

async fn put_bucket_encryption(home: &Home, shelf: &Shelf, _answer: Answer) {
    assert_eq!(setting(home, shelf, "encryption").await.xml("SSEAlgorithm"), "AES256");
    let put = home.root(&thing("PUT", shelf).body(b"sealed")).await;
    assert_eq!(put.header("x-amz-server-side-encryption"), Some("AES256"));
    let got = home.root(&thing("GET", shelf)).await;
    assert_eq!(got.header("x-amz-server-side-encryption"), Some("AES256"));
    assert_eq!(got.body, b"sealed");
}

async fn get_bucket_encryption(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("BucketKeyEnabled"), "false");
    let none = setting(home, &home.empty_shelf().await, "encryption").await;
    let code = "ServerSideEncryptionConfigurationNotFoundError";
    assert_eq!((none.status, none.code().as_str()), (404, code));
}

async fn delete_bucket_encryption(home: &Home, shelf: &Shelf, _answer: Answer) {
    assert_eq!(setting(home, shelf, "encryption").await.status, 404);
}

async fn put_bucket_tagging(home: &Home, shelf: &Shelf, _answer: Answer) {
    assert_eq!(setting(home, shelf, "tagging").await.xml("Value"), "sold + gone");
}

async fn get_bucket_tagging(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("Key"), "state");
    let none = setting(home, &home.empty_shelf().await, "tagging").await;
    assert_eq!((none.status, none.code().as_str()), (404, "NoSuchTagSet"));
}

async fn delete_bucket_tagging(home: &Home, shelf: &Shelf, _answer: Answer) {
    assert_eq!(setting(home, shelf, "tagging").await.code(), "NoSuchTagSet");
}

async fn get_object_attributes(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!((answer.xml("ETag"), answer.xml("ObjectSize")), (hex(&Md5::digest(CONTENT)), "10".to_owned()));
    assert!(answer.maybe_xml("StorageClass").is_none() && answer.header("last-modified").is_some());
    let ask = thing("GET", shelf).query("attributes", "");
    let none = home.root(&ask.clone()).await;
    assert_eq!((none.status, none.code().as_str()), (400, "InvalidArgument"));
    let sum = home.root(&ask.header("x-amz-object-attributes", "Checksum")).await;
    assert_eq!(sum.xml("ChecksumType"), "FULL_OBJECT");
}

async fn put_object_tagging(home: &Home, shelf: &Shelf, _answer: Answer) {
    let head = home.root(&thing("HEAD", shelf)).await;
    assert_eq!(head.header("x-amz-tagging-count"), Some("1"));
    let missing = Req::new("PUT", &format!("/{}/none", shelf.bucket)).query("tagging", "");
    assert_eq!(home.root(&missing.body(super::calls::TAGS.as_bytes())).await.code(), "NoSuchKey");
}

async fn get_object_tagging(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.text().contains("<TagSet></TagSet>"), "{}", answer.text());
    let path = format!("/{}/tagged", shelf.bucket);
    let put = Req::new("PUT", &path).header("x-amz-tagging", "a=1&b=%2B%20+").body(CONTENT);
    assert_eq!(home.root(&put).await.status, 200);
    let tags = home.root(&Req::new("GET", &path).query("tagging", "")).await;
    assert!(tags.text().contains("<Key>b</Key><Value>+  </Value>"), "{}", tags.text());
}

async fn delete_object_tagging(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    assert_eq!(home.root(&thing("HEAD", shelf)).await.header("x-amz-tagging-count"), None);
}

async fn put_bucket_policy(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let stored = setting(home, shelf, "policy").await;
    assert_eq!(stored.text(), super::calls::policy(home, shelf), "as it was sent");
}

async fn get_bucket_policy(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let none = setting(home, &home.empty_shelf().await, "policy").await;
    assert_eq!((none.status, none.code().as_str()), (404, "NoSuchBucketPolicy"));
}

async fn delete_bucket_policy(home: &Home, shelf: &Shelf, _answer: Answer) {
    assert_eq!(setting(home, shelf, "policy").await.code(), "NoSuchBucketPolicy");
    let without_site = home.empty_shelf().await;
    assert_eq!(setting(home, &without_site, "policyStatus").await.code(), "NoSuchBucketPolicy");
}

async fn get_bucket_policy_status(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("IsPublic"), "true", "it is a web site");
    let removed = home.root(&Req::new("DELETE", &format!("/{}", shelf.bucket)).query("website", "")).await;
    assert_eq!(removed.status, 204);
    assert_eq!(setting(home, shelf, "policyStatus").await.xml("IsPublic"), "false");
}

async fn put_public_access_block(home: &Home, shelf: &Shelf, _answer: Answer) {
    let stored = setting(home, shelf, "publicAccessBlock").await;
    let shown = (stored.xml("BlockPublicAcls"), stored.xml("IgnorePublicAcls"));
    assert_eq!(shown, ("true".to_owned(), "false".to_owned()));
}

async fn get_public_access_block(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("RestrictPublicBuckets"), "false");
    let none = setting(home, &home.empty_shelf().await, "publicAccessBlock").await;
    assert_eq!((none.status, none.code().as_str()), (404, "NoSuchPublicAccessBlockConfiguration"));
}

async fn delete_public_access_block(home: &Home, shelf: &Shelf, _answer: Answer) {
    let gone = setting(home, shelf, "publicAccessBlock").await;
    assert_eq!(gone.code(), "NoSuchPublicAccessBlockConfiguration");
}

async fn put_bucket_ownership_controls(home: &Home, shelf: &Shelf, _answer: Answer) {
    for (word, status) in [("ObjectWriter", 200), ("Everybody", 400)] {
        let document = super::calls::OWNERSHIP.replace("BucketOwnerEnforced", word);
        let put = Req::new("PUT", &format!("/{}", shelf.bucket)).query("ownershipControls", "");
        assert_eq!(home.root(&put.body(document.as_bytes())).await.status, status, "{word}");
    }
    assert_eq!(setting(home, shelf, "ownershipControls").await.xml("ObjectOwnership"), "ObjectWriter");
}

async fn get_bucket_ownership_controls(home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("ObjectOwnership"), "BucketOwnerEnforced");
    let none = setting(home, &home.empty_shelf().await, "ownershipControls").await;
    assert_eq!((none.status, none.code().as_str()), (404, "OwnershipControlsNotFoundError"));
}

async fn delete_bucket_ownership_controls(home: &Home, shelf: &Shelf, _answer: Answer) {
    assert_eq!(setting(home, shelf, "ownershipControls").await.code(), "OwnershipControlsNotFoundError");
}

/// Grantees and permissions of a list, in order.
fn grants(answer: &Answer) -> Vec<(String, String)> {
    let text = answer.text();
    let grants = text.split("<Grant>").skip(1).map(|grant| {
        let between = |element: &str| {
            let (_, rest) = grant.split_once(&format!("<{element}>"))?;
            Some(rest.split_once('<')?.0.to_owned())
        };
        (between("ID").or(between("URI")).unwrap(), between("Permission").unwrap())
    });
    grants.collect()
}

const FULL: &str = "FULL_CONTROL";
const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

async fn put_bucket_acl(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    // The shelf's ownership is that no list counts.
    let put = Req::new("PUT", &format!("/{}", shelf.bucket)).query("acl", "");
    let refused = home.root(&put.clone().header("x-amz-acl", "public-read")).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "AccessControlListNotSupported"));
    let open = home.empty_shelf().await;
    let put =
        Req::new("PUT", &format!("/{}", open.bucket)).query("acl", "").header("x-amz-acl", "public-read");
    assert_eq!(home.root(&put).await.status, 200);
    let owner = (api::s3::parameters::OWNER_ID.to_owned(), FULL.to_owned());
    assert_eq!(grants(&setting(home, &open, "acl").await), [owner, (EVERYBODY.into(), "READ".into())]);
}

async fn get_bucket_acl(_home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(grants(&answer), [(api::s3::parameters::OWNER_ID.to_owned(), FULL.to_owned())]);
}

async fn put_object_acl(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let put = thing("PUT", shelf).query("acl", "");
    let refused = home.root(&put.clone().header("x-amz-acl", "public-read")).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "AccessControlListNotSupported"));
    let none = home.root(&put).await;
    assert_eq!((none.status, none.code().as_str()), (400, "MissingSecurityHeader"));
    let missing = Req::new("PUT", &format!("/{}/none", shelf.bucket)).query("acl", "");
    assert_eq!(home.root(&missing.body(super::calls::ACL.as_bytes())).await.code(), "NoSuchKey");
}

async fn get_object_acl(_home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(grants(&answer), [(api::s3::parameters::OWNER_ID.to_owned(), FULL.to_owned())]);
    assert!(answer.text().contains("xsi:type=\"CanonicalUser\""));
}

async fn delete_objects(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("Key"), "thing");
    assert!(answer.text().contains("<Deleted>") && !answer.text().contains("<Error>"));
    assert_eq!(content_of(home, shelf, "thing").await.status, 404);
    assert_eq!(content_of(home, shelf, "folder/inner").await.status, 200);
}

async fn put_object(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.header("etag"), Some(quoted_md5(b"new content").as_str()));
    assert!(answer.header("x-amz-checksum-crc64nvme").is_some());
    let found = content_of(home, shelf, "new").await;
    assert_eq!((found.status, found.body.as_slice()), (200, b"new content".as_slice()));
}

async fn post_object(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.header("etag"), Some(quoted_md5(b"from a form").as_str()));
    assert_eq!(answer.header("location"), Some(format!("/{}/new", shelf.bucket).as_str()));
    assert_eq!(content_of(home, shelf, "new").await.body, b"from a form");
    let no_form = home.root(&Req::new("POST", &format!("/{}", shelf.bucket)).body(b"x")).await;
    assert_eq!((no_form.status, no_form.code().as_str()), (412, "PreconditionFailed"));
}

async fn get_object(_home: &Home, _shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.body, CONTENT);
    assert_eq!(answer.header("content-length"), Some("10"));
    assert_eq!(answer.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(answer.header("etag"), Some(quoted_md5(CONTENT).as_str()));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert!(answer.header("last-modified").is_some_and(|date| date.ends_with("GMT")));
}

async fn head_object(home: &Home, shelf: &Shelf, answer: Answer) {
    let got = content_of(home, shelf, "thing").await;
    assert!(answer.body.is_empty());
    for name in ["content-length", "content-type", "etag", "last-modified", "accept-ranges"] {
        assert!(answer.header(name).is_some(), "{name}");
        assert_eq!(answer.header(name), got.header(name), "{name}");
    }
}

async fn delete_object(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    assert_eq!(content_of(home, shelf, "thing").await.status, 404);
    assert_eq!(home.root(&thing("DELETE", shelf)).await.status, 204, "nothing there is fine");
}

async fn copy_object(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.text().contains("<CopyObjectResult"));
    assert!(answer.xml("ETag").contains(quoted_md5(CONTENT).trim_matches('"')));
    assert_eq!(content_of(home, shelf, "copy").await.body, CONTENT);
}

async fn create_multipart_upload(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!((answer.xml("Bucket"), answer.xml("Key")), (shelf.bucket.clone(), "more".to_owned()));
    let path = format!("/{}/more", shelf.bucket);
    let listed = home.root(&Req::new("GET", &path).query("uploadId", &answer.xml("UploadId"))).await;
    assert_eq!((listed.status, listed.text().matches("<Part>").count()), (200, 0));
    assert_eq!(content_of(home, shelf, "more").await.status, 404, "an upload is no object yet");
}

async fn upload_part(home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.header("etag"), Some(quoted_md5(b"part two").as_str()));
    assert_eq!(part_count(home, shelf).await, 2);
}

async fn upload_part_copy(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.text().contains("<CopyPartResult"));
    assert!(answer.xml("ETag").contains(quoted_md5(CONTENT).trim_matches('"')));
    assert_eq!(part_count(home, shelf).await, 2);
}

async fn part_count(home: &Home, shelf: &Shelf) -> usize {
    let path = format!("/{}/parts", shelf.bucket);
    let listed = home.root(&Req::new("GET", &path).query("uploadId", &shelf.upload)).await;
    listed.text().matches("<Part>").count()
}

async fn list_parts(_home: &Home, shelf: &Shelf, answer: Answer) {
    assert_eq!(answer.xml("UploadId"), shelf.upload);
    assert_eq!((answer.xml("PartNumber").as_str(), answer.xml("Size").as_str()), ("1", "10"));
    assert_eq!(answer.xml("IsTruncated"), "false");
}

async fn complete_multipart_upload(home: &Home, shelf: &Shelf, answer: Answer) {
    let tag = format!("{}-1", hex(&Md5::digest(Md5::digest(CONTENT))));
    assert!(answer.xml("ETag").contains(&tag));
    let found = content_of(home, shelf, "parts").await;
    assert_eq!(found.header("etag"), Some(format!("\"{tag}\"").as_str()));
    assert_eq!(found.body, CONTENT);
    let sample = Sample::of("CompleteMultipartUpload");
    let again = home.root(&(sample.make)(home, shelf)).await;
    assert_eq!((again.status, again.xml("ETag")), (200, answer.xml("ETag")), "twice is fine");
}

async fn abort_multipart_upload(home: &Home, shelf: &Shelf, answer: Answer) {
    assert!(answer.body.is_empty());
    let path = format!("/{}/parts", shelf.bucket);
    let gone = home.root(&Req::new("GET", &path).query("uploadId", &shelf.upload)).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "NoSuchUpload"));
}
