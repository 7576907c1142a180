//! One good request for each operation, on a shelf of its own.

use super::client::{Answer, Req};
use super::home::{Home, Shelf, Who};

/// How to call one operation.
pub struct Sample {
    pub operation: &'static str,
    /// The shelf must be empty.
    pub on_empty: bool,
    /// The shelf must be one with locks.
    pub on_locked: bool,
    pub make: fn(&Home, &Shelf) -> Req,
    /// The status of a success.
    pub status: u16,
}

const fn sample(operation: &'static str, status: u16, make: fn(&Home, &Shelf) -> Req) -> Sample {
    Sample { operation, on_empty: false, on_locked: false, make, status }
}

const fn on_locked(operation: &'static str, make: fn(&Home, &Shelf) -> Req) -> Sample {
    Sample { on_locked: true, ..sample(operation, 200, make) }
}

/// A request about the shelf's bucket.
pub fn bucket(method: &str, shelf: &Shelf) -> Req {
    Req::new(method, &format!("/{}", shelf.bucket))
}

/// A request about a key of it.
pub fn object(method: &str, shelf: &Shelf, key: &str) -> Req {
    Req::new(method, &format!("/{}/{key}", shelf.bucket))
}

/// What the owner is answered to a request that must succeed.
pub async fn ok(home: &Home, request: &Req) -> Answer {
    let answer = home.root(request).await;
    assert!(answer.status < 300, "{} {}: {}", request.method, request.path, answer.text());
    answer
}

pub fn thing(method: &str, shelf: &Shelf) -> Req {
    Req::new(method, &format!("/{}/thing", shelf.bucket))
}

fn parts(method: &str, shelf: &Shelf) -> Req {
    Req::new(method, &format!("/{}/parts", shelf.bucket)).query("uploadId", &shelf.upload)
}

fn book(shelf: &Shelf) -> String {
    format!("/{}/book", shelf.library)
}

/// The document of CompleteMultipartUpload for the shelf's one part.
pub fn part_list(shelf: &Shelf) -> String {
    let etag = shelf.part_etag.trim_matches('"');
    format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    )
}

/// An upload form with these fields.
pub fn form(shelf: &Shelf, fields: &[(&str, &str)], file: &[u8]) -> Req {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--form\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = "--form\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.jpg\"\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--form--\r\n");
    bucket("POST", shelf).header("content-type", "multipart/form-data; boundary=form").body(&body)
}

/// One lifecycle rule.
pub const LIFECYCLE: &str = "<LifecycleConfiguration><Rule><ID>old</ID><Filter><Prefix>thing</Prefix></Filter>\
    <Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>";

/// Rules for one origin.
pub const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>https://page.example</AllowedOrigin>\
    <AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader>\
    <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>";

/// A site with a document for errors, and one redirect.
pub const SITE: &str = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>\
    <ErrorDocument><Key>error.html</Key></ErrorDocument><RoutingRules><RoutingRule><Condition>\
    <KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith>\
    </Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>";

/// A webhook that there is is told of some objects that are made.
pub const NOTIFICATION: &str = "<NotificationConfiguration><QueueConfiguration><Id>rule</Id>\
    <Queue>arn:garage:sqs::hook:webhook</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule>\
    <Name>suffix</Name><Value>.jpg</Value></FilterRule></S3Key></Filter></QueueConfiguration></NotificationConfiguration>";

/// Requests to a bucket are logged in itself.
pub fn logging(shelf: &Shelf) -> String {
    format!(
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>{}</TargetBucket><TargetPrefix>logs/</TargetPrefix>\
         </LoggingEnabled></BucketLoggingStatus>",
        shelf.bucket
    )
}

/// Versions are kept.
pub const VERSIONING: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

/// Versions can be locked.
pub const LOCK: &str =
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";

/// As long as the lock that is there.
pub const RETENTION: &str = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2090-01-01T00:00:00Z\
    </RetainUntilDate></Retention>";

/// As is.
pub const HOLD: &str = "<LegalHold><Status>ON</Status></LegalHold>";

/// One tag.
/// What a bucket that encrypts says of it.
pub const ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
    <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
/// A setting that asks for nothing.
pub const ENCRYPTION_OFF: &str = "<ServerSideEncryptionConfiguration><Rule><BlockedEncryptionTypes>\
    <EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>";
pub const TAGS: &str =
    "<Tagging><TagSet><Tag><Key>state</Key><Value>sold + gone</Value></Tag></TagSet></Tagging>";

/// Nothing is blocked that there is.
pub const BLOCK: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>TRUE</BlockPublicAcls>\
    <BlockPublicPolicy>false</BlockPublicPolicy></PublicAccessBlockConfiguration>";

/// Objects belong to the bucket's owner, and lists do not count.
pub const OWNERSHIP: &str = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>\
    </OwnershipControls>";

/// A list that grants the owner everything, and nobody else anything.
pub const ACL: &str = "<AccessControlPolicy><Owner>\
    <ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner><AccessControlList><Grant>\
    <Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
    <ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Grantee>\
    <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>";

/// A policy that allows nobody anything that the grants do not allow.
pub fn policy(home: &Home, shelf: &Shelf) -> String {
    let root = home.identity(Who::Root).id;
    format!(
        "{{\"Statement\": {{\"Effect\": \"Allow\", \"Principal\": {{\"AWS\": \"{root}\"}}, \
         \"Action\": \"s3:ListBucket\", \"Resource\": \"arn:aws:s3:::{}\"}}}}",
        shelf.bucket
    )
}

pub static SAMPLES: &[Sample] = &[
    sample("ListBuckets", 200, |_, _| Req::new("GET", "/")),
    sample("CreateBucket", 200, |home, _| Req::new("PUT", &format!("/{}", home.fresh_name()))),
    sample("HeadBucket", 200, |_, shelf| bucket("HEAD", shelf)),
    Sample {
        operation: "DeleteBucket",
        on_empty: true,
        on_locked: false,
        make: |_, shelf| bucket("DELETE", shelf),
        status: 204,
    },
    sample("GetBucketLocation", 200, |_, shelf| bucket("GET", shelf).query("location", "")),
    sample("ListObjects", 200, |_, shelf| bucket("GET", shelf)),
    sample("ListObjectsV2", 200, |_, shelf| bucket("GET", shelf).query("list-type", "2")),
    sample("ListObjectVersions", 200, |_, shelf| bucket("GET", shelf).query("versions", "")),
    sample("ListMultipartUploads", 200, |_, shelf| bucket("GET", shelf).query("uploads", "")),
    sample("PutBucketVersioning", 200, |_, shelf| {
        bucket("PUT", shelf).query("versioning", "").body(VERSIONING.as_bytes())
    }),
    sample("GetBucketVersioning", 200, |_, shelf| bucket("GET", shelf).query("versioning", "")),
    on_locked("PutObjectLockConfiguration", |_, shelf| {
        bucket("PUT", shelf).query("object-lock", "").body(LOCK.as_bytes())
    }),
    on_locked("GetObjectLockConfiguration", |_, shelf| bucket("GET", shelf).query("object-lock", "")),
    sample("PutBucketCors", 200, |_, shelf| bucket("PUT", shelf).query("cors", "").body(CORS.as_bytes())),
    sample("GetBucketCors", 200, |_, shelf| bucket("GET", shelf).query("cors", "")),
    sample("DeleteBucketCors", 204, |_, shelf| bucket("DELETE", shelf).query("cors", "")),
    sample("PutBucketLifecycleConfiguration", 200, |_, shelf| {
        bucket("PUT", shelf).query("lifecycle", "").body(LIFECYCLE.as_bytes())
    }),
    sample("GetBucketLifecycleConfiguration", 200, |_, shelf| bucket("GET", shelf).query("lifecycle", "")),
    sample("DeleteBucketLifecycle", 204, |_, shelf| bucket("DELETE", shelf).query("lifecycle", "")),
    sample("PutBucketWebsite", 200, |_, shelf| {
        bucket("PUT", shelf).query("website", "").body(SITE.as_bytes())
    }),
    sample("GetBucketWebsite", 200, |_, shelf| bucket("GET", shelf).query("website", "")),
    sample("DeleteBucketWebsite", 204, |_, shelf| bucket("DELETE", shelf).query("website", "")),
    sample("PutBucketNotificationConfiguration", 200, |_, shelf| {
        bucket("PUT", shelf).query("notification", "").body(NOTIFICATION.as_bytes())
    }),
    sample("GetBucketNotificationConfiguration", 200, |_, shelf| {
        bucket("GET", shelf).query("notification", "")
    }),
    sample("PutBucketLogging", 200, |_, shelf| {
        bucket("PUT", shelf).query("logging", "").body(logging(shelf).as_bytes())
    }),
    sample("GetBucketLogging", 200, |_, shelf| bucket("GET", shelf).query("logging", "")),
    sample("PutBucketEncryption", 200, |_, shelf| {
        bucket("PUT", shelf).query("encryption", "").body(ENCRYPTION.as_bytes())
    }),
    sample("GetBucketEncryption", 200, |_, shelf| bucket("GET", shelf).query("encryption", "")),
    sample("DeleteBucketEncryption", 204, |_, shelf| bucket("DELETE", shelf).query("encryption", "")),
    sample("PutBucketTagging", 204, |_, shelf| {
        bucket("PUT", shelf).query("tagging", "").body(TAGS.as_bytes())
    }),
    sample("GetBucketTagging", 200, |_, shelf| bucket("GET", shelf).query("tagging", "")),
    sample("DeleteBucketTagging", 204, |_, shelf| bucket("DELETE", shelf).query("tagging", "")),
    sample("PutBucketPolicy", 204, |home, shelf| {
        bucket("PUT", shelf).query("policy", "").body(policy(home, shelf).as_bytes())
    }),
    sample("GetBucketPolicy", 200, |_, shelf| bucket("GET", shelf).query("policy", "")),
    sample("DeleteBucketPolicy", 204, |_, shelf| bucket("DELETE", shelf).query("policy", "")),
    sample("GetBucketPolicyStatus", 200, |_, shelf| bucket("GET", shelf).query("policyStatus", "")),
    sample("PutPublicAccessBlock", 200, |_, shelf| {
        bucket("PUT", shelf).query("publicAccessBlock", "").body(BLOCK.as_bytes())
    }),
    sample("GetPublicAccessBlock", 200, |_, shelf| bucket("GET", shelf).query("publicAccessBlock", "")),
    sample("DeletePublicAccessBlock", 204, |_, shelf| bucket("DELETE", shelf).query("publicAccessBlock", "")),
    sample("PutBucketOwnershipControls", 200, |_, shelf| {
        bucket("PUT", shelf).query("ownershipControls", "").body(OWNERSHIP.as_bytes())
    }),
    sample("GetBucketOwnershipControls", 200, |_, shelf| bucket("GET", shelf).query("ownershipControls", "")),
    sample("DeleteBucketOwnershipControls", 204, |_, shelf| {
        bucket("DELETE", shelf).query("ownershipControls", "")
    }),
    sample("PutBucketAcl", 200, |_, shelf| bucket("PUT", shelf).query("acl", "").body(ACL.as_bytes())),
    sample("GetBucketAcl", 200, |_, shelf| bucket("GET", shelf).query("acl", "")),
    sample("DeleteObjects", 200, |_, shelf| {
        let body = b"<Delete><Object><Key>thing</Key></Object></Delete>";
        bucket("POST", shelf).query("delete", "").body(body).content_md5()
    }),
    sample("PutObject", 200, |_, shelf| {
        Req::new("PUT", &format!("/{}/new", shelf.bucket)).body(b"new content")
    }),
    sample("PostObject", 204, |_, shelf| form(shelf, &[("key", "new")], b"from a form")),
    sample("GetObject", 200, |_, shelf| thing("GET", shelf)),
    sample("HeadObject", 200, |_, shelf| thing("HEAD", shelf)),
    sample("DeleteObject", 204, |_, shelf| thing("DELETE", shelf)),
    sample("CopyObject", 200, |_, shelf| {
        Req::new("PUT", &format!("/{}/copy", shelf.bucket)).header("x-amz-copy-source", book(shelf))
    }),
    sample("GetObjectAttributes", 200, |_, shelf| {
        thing("GET", shelf).query("attributes", "").header("x-amz-object-attributes", "ETag,ObjectSize")
    }),
    sample("PutObjectTagging", 200, |_, shelf| {
        thing("PUT", shelf).query("tagging", "").body(TAGS.as_bytes())
    }),
    sample("GetObjectTagging", 200, |_, shelf| thing("GET", shelf).query("tagging", "")),
    sample("DeleteObjectTagging", 204, |_, shelf| thing("DELETE", shelf).query("tagging", "")),
    sample("PutObjectAcl", 200, |_, shelf| thing("PUT", shelf).query("acl", "").body(ACL.as_bytes())),
    sample("GetObjectAcl", 200, |_, shelf| thing("GET", shelf).query("acl", "")),
    on_locked("PutObjectRetention", |_, shelf| {
        thing("PUT", shelf).query("retention", "").body(RETENTION.as_bytes())
    }),
    on_locked("GetObjectRetention", |_, shelf| thing("GET", shelf).query("retention", "")),
    on_locked("PutObjectLegalHold", |_, shelf| {
        thing("PUT", shelf).query("legal-hold", "").body(HOLD.as_bytes())
    }),
    on_locked("GetObjectLegalHold", |_, shelf| thing("GET", shelf).query("legal-hold", "")),
    sample("CreateMultipartUpload", 200, |_, shelf| {
        Req::new("POST", &format!("/{}/more", shelf.bucket)).query("uploads", "")
    }),
    sample("UploadPart", 200, |_, shelf| parts("PUT", shelf).query("partNumber", "2").body(b"part two")),
    sample("UploadPartCopy", 200, |_, shelf| {
        parts("PUT", shelf).query("partNumber", "2").header("x-amz-copy-source", book(shelf))
    }),
    sample("ListParts", 200, |_, shelf| parts("GET", shelf)),
    sample("CompleteMultipartUpload", 200, |_, shelf| parts("POST", shelf).body(part_list(shelf).as_bytes())),
    sample("AbortMultipartUpload", 204, |_, shelf| parts("DELETE", shelf)),
];

impl Sample {
    pub fn of(operation: &str) -> &'static Sample {
        let found = SAMPLES.iter().find(|sample| sample.operation == operation);
        found.unwrap_or_else(|| panic!("no sample of {operation}"))
    }

    /// A fresh shelf.
    pub async fn shelf(&self, home: &Home) -> Shelf {
        match (self.on_empty, self.on_locked) {
            (true, _) => home.empty_shelf().await,
            (false, true) => home.locked_shelf().await,
            (false, false) => home.shelf().await,
        }
    }

    /// A fresh shelf and a request to it.
    pub async fn prepare(&self, home: &Home) -> (Shelf, Req) {
        let shelf = self.shelf(home).await;
        let request = (self.make)(home, &shelf);
        (shelf, request)
    }
}

#[test]
fn every_operation_has_a_sample() {
    super::assert_names_all_operations("SAMPLES", SAMPLES.iter().map(|sample| sample.operation));
}
