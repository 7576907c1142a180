//! Access control lists over HTTP: they open what they say to whom they say, travel with what they belong to, and
//! are refused where they would not count.

use super::calls::{ACL, Sample, VERSIONING, bucket, form, object, ok, part_list, thing};
use super::client::{Answer, Req};
use super::home::{CONTENT, Home, Shelf, Who};
use super::matrix::is_denial;
use Who::{Creator, Root, Stranger, Writer};
use api::s3::parameters::OWNER_ID;
use model::rows::bucket::Grant;

const CANNED: &str = "x-amz-acl";
const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// A bucket in which lists count and nothing is blocked, with `thing`, an open upload and no policy.
pub async fn open_shelf(home: &Home) -> Shelf {
    opened_up(home, home.shelf().await).await
}

/// The same of a shelf that is there.
pub async fn opened_up(home: &Home, shelf: Shelf) -> Shelf {
    for setting in ["ownershipControls", "publicAccessBlock", "policy"] {
        let answer = home.root(&bucket("DELETE", &shelf).query(setting, "")).await;
        assert_eq!(answer.status, 204, "{setting}");
    }
    shelf
}

fn id(home: &Home, who: Who) -> String {
    format!("id=\"{}\"", home.identity(who).id)
}

async fn refused(home: &Home, request: &Req, status: u16, code: &str) {
    let answer = home.root(request).await;
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request:?}");
}

/// Statuses for root, somebody with another key, and anybody.
async fn statuses(home: &Home, request: &Req) -> [u16; 3] {
    let signed = home.send_as(Stranger, request).await.status;
    [home.root(request).await.status, signed, home.send_unsigned(request).await.status]
}

/// The permission, its header, and the operations it opens: those of a bucket, then of an object.
pub const OPENS: [(&str, &[&str], &[&str]); 4] = [
    (
        "x-amz-grant-read",
        &["HeadBucket", "ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"],
        &["GetObject", "HeadObject"],
    ),
    (
        "x-amz-grant-write",
        // What is there belongs to others: it is not the grantee's to delete.
        &[
            "PutObject",
            "PostObject",
            "CopyObject",
            "CreateMultipartUpload",
            "UploadPart",
            "UploadPartCopy",
            "CompleteMultipartUpload",
        ],
        &[],
    ),
    ("x-amz-grant-read-acp", &["GetBucketAcl"], &["GetObjectAcl"]),
    ("x-amz-grant-write-acp", &["PutBucketAcl"], &["PutObjectAcl"]),
];

#[tokio::test(start_paused = true)]
async fn each_permission_opens_its_operations_to_its_grantee_and_no_others() {
    let home = Home::new().await;
    let samples = || {
        super::calls::SAMPLES
            .iter()
            .filter(|sample| !["ListBuckets", "CreateBucket"].contains(&sample.operation))
    };
    for sample in samples() {
        for (header, of_bucket, of_object) in OPENS {
            for (on_bucket, opened) in [(true, of_bucket), (false, of_object)] {
                let mut shelf = sample.shelf(&home).await;
                if !sample.on_empty {
                    shelf = opened_up(&home, shelf).await;
                }
                if !on_bucket && sample.on_empty {
                    continue;
                }
                let request = (sample.make)(&home, &shelf);
                let place = if on_bucket { bucket("PUT", &shelf) } else { thing("PUT", &shelf) };
                ok(&home, &place.query("acl", "").header(header, id(&home, Stranger))).await;
                let name = format!("{} with {header} on the bucket: {on_bucket}", sample.operation);
                for who in [Creator, Stranger] {
                    let answer = home.send_as(who, &request).await;
                    if who == Stranger && opened.contains(&sample.operation) {
                        assert_eq!(answer.status, sample.status, "{name}: {}", answer.text());
                    } else {
                        assert!(is_denial(&request, &answer), "{name}: {answer:?}");
                    }
                }
                let answer = home.send_unsigned(&request).await;
                assert!(answer.is_refusal(&request.method, 403, "AccessDenied"), "{name}: {answer:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_way_to_write_an_object_gives_it_its_list() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    let canned = |request: Req| request.header(CANNED, "public-read");
    ok(&home, &canned(object("PUT", &shelf, "put").body(CONTENT))).await;
    ok(&home, &form(&shelf, &[("key", "form"), ("acl", "public-read")], CONTENT)).await;
    let source = format!("/{}/put", shelf.bucket);
    ok(&home, &canned(object("PUT", &shelf, "copy").header("x-amz-copy-source", &source))).await;
    let opened = ok(&home, &canned(object("POST", &shelf, "parts").query("uploads", ""))).await;
    let upload = opened.xml("UploadId");
    let part = object("PUT", &shelf, "parts").query("partNumber", "1").query("uploadId", &upload);
    ok(&home, &part.body(CONTENT)).await;
    let complete = object("POST", &shelf, "parts").query("uploadId", &upload);
    ok(&home, &complete.body(part_list(&shelf).as_bytes())).await;
    for key in ["put", "form", "copy", "parts"] {
        let found = home.send_unsigned(&object("GET", &shelf, key)).await;
        assert_eq!((found.status, found.body.as_slice()), (200, CONTENT), "{key}");
        assert_eq!(home.send_unsigned(&object("HEAD", &shelf, key)).await.status, 200, "{key}");
    }
    // A list does not travel with a copy, and goes with what it belongs to.
    ok(&home, &object("PUT", &shelf, "bare").header("x-amz-copy-source", &source)).await;
    assert_eq!(home.send_unsigned(&object("GET", &shelf, "bare")).await.status, 403);
    let readable = object("PUT", &shelf, "x").header("x-amz-copy-source", &source);
    assert_eq!(home.send_as(Writer, &readable).await.status, 200, "the source's list opens it");
    ok(&home, &object("PUT", &shelf, "put").body(CONTENT)).await;
    assert_eq!(home.send_unsigned(&object("GET", &shelf, "put")).await.status, 403);
    assert_eq!(home.send_as(Writer, &readable).await.status, 403);
    // Tags change nothing about it.
    let tags = object("PUT", &shelf, "form").query("tagging", "");
    ok(&home, &tags.body(super::calls::TAGS.as_bytes())).await;
    assert_eq!(home.send_unsigned(&object("GET", &shelf, "form")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_list_of_an_object_is_replaced_and_the_object_stays() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    let get = thing("GET", &shelf);
    let before = home.root(&get).await;
    let set = |value: &str| thing("PUT", &shelf).query("acl", "").header(CANNED, value);
    for (canned, wanted) in [
        ("public-read", [200, 200, 200]),
        ("authenticated-read", [200, 200, 403]),
        ("private", [200, 403, 403]),
        ("public-read-write", [200, 200, 200]),
        ("bucket-owner-full-control", [200, 403, 403]),
    ] {
        ok(&home, &set(canned)).await;
        assert_eq!(statuses(&home, &get).await, wanted, "{canned}");
    }
    // What is shown can be sent back.
    ok(&home, &set("public-read")).await;
    let list = thing("GET", &shelf).query("acl", "");
    let shown = home.root(&list).await;
    assert_eq!(shown.text().matches("<Grant>").count(), 2, "{}", shown.text());
    ok(&home, &set("private")).await;
    ok(&home, &thing("PUT", &shelf).query("acl", "").body(&shown.body)).await;
    assert_eq!(home.root(&list).await.text(), shown.text());
    let after = home.send_unsigned(&get).await;
    for name in ["etag", "last-modified", "content-type"] {
        assert_eq!(before.header(name), after.header(name), "{name}");
    }
    ok(&home, &thing("PUT", &shelf).query("acl", "").body(ACL.as_bytes())).await;
    assert_eq!(statuses(&home, &get).await, [200, 403, 403]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_key_is_hidden_from_who_may_not_list() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    for method in ["GET", "HEAD"] {
        let missing = object(method, &shelf, "missing");
        assert_eq!(statuses(&home, &missing).await, [404, 403, 403]);
    }
    ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "public-read")).await;
    assert_eq!(statuses(&home, &object("GET", &shelf, "missing")).await, [404, 404, 404]);
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 403, 403], "to list is not to read");
    assert_eq!(statuses(&home, &bucket("GET", &shelf)).await, [200, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_link_to_a_public_object_does_not_change_what_it_is() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    ok(&home, &thing("PUT", &shelf).query("acl", "").header(CANNED, "public-read")).await;
    for method in ["GET", "HEAD"] {
        let disguised = thing(method, &shelf).query("response-content-type", "text/html");
        assert_eq!(statuses(&home, &disguised).await, [200, 200, 400]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_outweighs_lists() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    ok(&home, &thing("PUT", &shelf).query("acl", "").header(CANNED, "public-read")).await;
    let deny = format!(
        "{{\"Statement\": {{\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \
         \"Resource\": \"arn:aws:s3:::{}/thing\"}}}}",
        shelf.bucket
    );
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 200, 200]);
    ok(&home, &bucket("PUT", &shelf).query("policy", "").body(deny.as_bytes())).await;
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [403, 403, 403]);
    // Whoever may put by a policy may say who else may read only if the policy says so as well.
    let allow = |actions: &str| {
        format!(
            "{{\"Statement\": {{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": [{actions}], \
             \"Resource\": \"arn:aws:s3:::{}/*\"}}}}",
            shelf.bucket
        )
    };
    let put = object("PUT", &shelf, "new").body(CONTENT);
    let public = put.clone().header(CANNED, "public-read");
    ok(&home, &bucket("PUT", &shelf).query("policy", "").body(allow("\"s3:PutObject\"").as_bytes())).await;
    assert_eq!(statuses(&home, &put).await, [200, 200, 200]);
    assert_eq!(statuses(&home, &public).await, [200, 403, 403]);
    let both = allow("\"s3:PutObject\", \"s3:PutObjectAcl\"");
    ok(&home, &bucket("PUT", &shelf).query("policy", "").body(both.as_bytes())).await;
    assert_eq!(statuses(&home, &public).await, [200, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn public_lists_are_blocked_and_ignored_where_they_are_to_be() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    let public = thing("PUT", &shelf).query("acl", "").header(CANNED, "public-read");
    let named = thing("PUT", &shelf).query("acl", "").header("x-amz-grant-read", id(&home, Stranger));
    let block = |name: &str| {
        let document =
            format!("<PublicAccessBlockConfiguration><{name}>true</{name}></PublicAccessBlockConfiguration>");
        bucket("PUT", &shelf).query("publicAccessBlock", "").body(document.as_bytes())
    };
    ok(&home, &public).await;
    ok(&home, &block("BlockPublicAcls")).await;
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 200, 200], "what is set stays");
    for canned in ["public-read", "public-read-write", "authenticated-read"] {
        refused(&home, &object("PUT", &shelf, "new").header(CANNED, canned), 403, "AccessDenied").await;
        refused(&home, &thing("PUT", &shelf).query("acl", "").header(CANNED, canned), 403, "AccessDenied")
            .await;
        refused(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, canned), 403, "AccessDenied")
            .await;
        let begin = object("POST", &shelf, "new").query("uploads", "").header(CANNED, canned);
        refused(&home, &begin, 403, "AccessDenied").await;
    }
    let group = object("PUT", &shelf, "new").header("x-amz-grant-read", format!("uri={EVERYBODY}"));
    refused(&home, &group, 403, "AccessDenied").await;
    assert_eq!(home.root(&object("GET", &shelf, "new")).await.status, 404);
    ok(&home, &named).await;
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 200, 403]);
    ok(&home, &block("IgnorePublicAcls")).await;
    ok(&home, &public).await;
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 403, 403]);
    ok(&home, &named).await;
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 200, 403]);
}

async fn own(home: &Home, shelf: &Shelf, ownership: &str) -> Answer {
    let document = super::calls::OWNERSHIP.replace("BucketOwnerEnforced", ownership);
    home.root(&bucket("PUT", shelf).query("ownershipControls", "").body(document.as_bytes())).await
}

#[tokio::test(start_paused = true)]
async fn where_the_owner_is_enforced_lists_neither_count_nor_can_be_set() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    ok(&home, &thing("PUT", &shelf).query("acl", "").header(CANNED, "public-read")).await;
    ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "public-read")).await;
    assert_eq!(own(&home, &shelf, "BucketOwnerEnforced").await.code(), "InvalidBucketAclWithObjectOwnership");
    ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "private")).await;
    assert_eq!(own(&home, &shelf, "BucketOwnerEnforced").await.status, 200);
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 403, 403]);
    assert_eq!(ok(&home, &thing("GET", &shelf).query("acl", "")).await.text().matches("<Grant>").count(), 1);
    for place in [object("PUT", &shelf, "new"), thing("PUT", &shelf).query("acl", "")] {
        let owner = format!("id={OWNER_ID}");
        for (header, value) in [
            (CANNED, "private"),
            (CANNED, "bucket-owner-full-control"),
            ("x-amz-grant-full-control", owner.as_str()),
        ] {
            ok(&home, &place.clone().header(header, value)).await;
        }
        for (header, value) in [
            (CANNED, "public-read"),
            (CANNED, "authenticated-read"),
            (CANNED, "log-delivery-write"),
            ("x-amz-grant-read", owner.as_str()),
        ] {
            let request = place.clone().header(header, value);
            refused(&home, &request, 400, "AccessControlListNotSupported").await;
        }
    }
    // What was said before counts again, once lists do.
    assert_eq!(own(&home, &shelf, "ObjectWriter").await.status, 200);
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn objects_belong_to_whom_the_ownership_says() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "public-read-write")).await;
    let stranger = home.identity(Stranger).id;
    let leave = "bucket-owner-full-control";
    let cases = [
        ("ObjectWriter", Some(Stranger), "private", stranger.as_str()),
        ("ObjectWriter", Some(Stranger), leave, stranger.as_str()),
        ("BucketOwnerPreferred", Some(Stranger), "private", stranger.as_str()),
        ("BucketOwnerPreferred", Some(Stranger), leave, OWNER_ID),
        // Keys with a grant act for the owner; nobody owns nothing.
        ("ObjectWriter", Some(Writer), "private", OWNER_ID),
        ("ObjectWriter", Some(Root), "private", OWNER_ID),
        ("ObjectWriter", None, "", OWNER_ID),
    ];
    for (ownership, who, canned, owner) in cases {
        assert_eq!(own(&home, &shelf, ownership).await.status, 200);
        // What belongs to others is nobody's to replace.
        ok(&home, &object("DELETE", &shelf, "owned")).await;
        let put = object("PUT", &shelf, "owned").body(CONTENT);
        let answer = match who {
            Some(who) => home.send_as(who, &put.header(CANNED, canned)).await,
            None => home.send_unsigned(&put).await,
        };
        assert_eq!(answer.status, 200, "{ownership} {who:?}: {}", answer.text());
        let list = home.root(&object("GET", &shelf, "owned").query("acl", "")).await;
        assert_eq!(list.xml("ID"), owner, "{ownership} {who:?} {canned}");
        let mine = owner == stranger;
        let get = object("GET", &shelf, "owned");
        assert_eq!(home.send_as(Stranger, &get).await.status, if mine { 200 } else { 403 });
        assert_eq!(home.send_as(Creator, &get).await.status, 403);
        assert_eq!(home.root(&get).await.status, 200, "keys with a grant can always read");
        let share =
            object("PUT", &shelf, "owned").query("acl", "").header("x-amz-grant-read", id(&home, Creator));
        assert_eq!(home.send_as(Stranger, &share).await.status, if mine { 200 } else { 403 });
        assert_eq!(home.send_as(Creator, &get).await.status, if mine { 200 } else { 403 });
        if mine {
            // The owner has given up reading, but never the list.
            assert_eq!(home.send_as(Stranger, &get).await.status, 403);
            assert_eq!(home.send_as(Stranger, &get.clone().query("acl", "")).await.status, 200);
        }
    }
    let public = object("PUT", &shelf, "anonymous").header(CANNED, "public-read").body(CONTENT);
    assert_eq!(home.send_unsigned(&public).await.status, 403, "nobody says who may");
}

#[tokio::test(start_paused = true)]
async fn buckets_are_created_with_lists_and_ownership() {
    let home = Home::new().await;
    let create = |headers: &[(&str, &str)]| {
        let mut request = Req::new("PUT", &format!("/{}", home.fresh_name()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request
    };
    let open = create(&[(CANNED, "public-read")]);
    ok(&home, &open).await;
    assert_eq!(home.send_unsigned(&Req::new("GET", &open.path)).await.status, 200);
    let enforced = create(&[("x-amz-object-ownership", "BucketOwnerEnforced"), (CANNED, "private")]);
    ok(&home, &enforced).await;
    let controls = home.root(&Req::new("GET", &enforced.path).query("ownershipControls", "")).await;
    assert_eq!(controls.xml("ObjectOwnership"), "BucketOwnerEnforced");
    let both = create(&[("x-amz-object-ownership", "BucketOwnerEnforced"), (CANNED, "public-read")]);
    refused(&home, &both, 400, "InvalidBucketAclWithObjectOwnership").await;
    refused(&home, &create(&[("x-amz-object-ownership", "Nobody")]), 400, "InvalidArgument").await;
    refused(&home, &create(&[("x-amz-grant-read", "id=GK0")]), 400, "InvalidArgument").await;
    assert_eq!(home.root(&Req::new("HEAD", &both.path)).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn lists_that_cannot_be_are_refused_and_change_nothing() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    let unknown = ACL.replace(OWNER_ID, "GK000000000000000000000000");
    let (owner, grants) = unknown.split_at(unknown.find("<AccessControlList>").unwrap());
    let to_unknown = format!("{}{grants}", owner.replace("GK000000000000000000000000", OWNER_ID));
    for place in [bucket("PUT", &shelf), thing("PUT", &shelf)] {
        let set = place.query("acl", "");
        refused(&home, &set, 400, "MissingSecurityHeader").await;
        refused(&home, &set.clone().body(b"<AccessControlPolicy>"), 400, "MalformedACLError").await;
        refused(&home, &set.clone().body(unknown.as_bytes()), 403, "AccessDenied").await;
        refused(&home, &set.clone().body(to_unknown.as_bytes()), 400, "InvalidArgument").await;
        let twice = set.clone().body(ACL.as_bytes()).header(CANNED, "public-read");
        refused(&home, &twice, 400, "UnexpectedContent").await;
        let both = set.clone().header(CANNED, "public-read").header("x-amz-grant-read", "id=GK1");
        refused(&home, &both, 400, "InvalidRequest").await;
        refused(&home, &set.clone().header(CANNED, "open"), 400, "InvalidArgument").await;
        let mail = set.clone().header("x-amz-grant-read", "emailAddress=a@b.example");
        refused(&home, &mail, 405, "MethodNotAllowed").await;
        let other = set.header(CANNED, "public-read").header("x-amz-expected-bucket-owner", "123456789012");
        refused(&home, &other, 403, "AccessDenied").await;
    }
    refused(&home, &object("PUT", &shelf, "n").header(CANNED, "log-delivery-write"), 400, "InvalidArgument")
        .await;
    // A list that another operation would ignore.
    let (_, part) = Sample::of("UploadPart").prepare(&home).await;
    refused(&home, &part.header(CANNED, "public-read"), 501, "NotImplemented").await;
    assert_eq!(statuses(&home, &thing("GET", &shelf)).await, [200, 403, 403]);
}

#[tokio::test(start_paused = true)]
async fn who_may_only_write_cannot_say_who_reads() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    let (get, acl) = (thing("GET", &shelf), thing("PUT", &shelf).query("acl", ""));
    let to = |who| acl.clone().header("x-amz-grant-read", id(&home, who));
    let none = Grant { read: false, write: false, owner: false };
    let (id, _) = home.model.names().resolve(&shelf.bucket, None).unwrap().unwrap();
    let creator = home.identity(Creator).id;
    let cases = [
        (Grant { write: true, ..none }, 403),
        (Grant { read: true, ..none }, 403),
        (Grant { read: true, write: true, ..none }, 200),
        (Grant { owner: true, ..none }, 200),
    ];
    for (grant, status) in cases {
        home.model.change_grant(id, creator.clone(), move |_| grant).await.unwrap();
        let answer = home.send_as(Creator, &to(Stranger)).await;
        assert_eq!(answer.status, status, "{grant:?}: {}", answer.text());
        assert_eq!(home.send_as(Stranger, &get).await.status, status, "{grant:?}");
        ok(&home, &acl.clone().header(CANNED, "private")).await;
    }
    for request in [to(Writer), acl.clone().header(CANNED, "public-read"), acl.clone().body(ACL.as_bytes())] {
        assert_eq!(home.send_as(Writer, &request).await.status, 403);
    }
    assert_eq!(home.send_as(Writer, &get).await.status, 403);
    // What it writes itself it may show.
    let own =
        object("PUT", &shelf, "own").body(CONTENT).header("x-amz-grant-read", self::id(&home, Stranger));
    assert_eq!(home.send_as(Writer, &own).await.status, 200);
    assert_eq!(home.send_as(Stranger, &object("GET", &shelf, "own")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn writing_by_a_list_deletes_no_version() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    ok(&home, &bucket("PUT", &shelf).query("versioning", "").body(VERSIONING.as_bytes())).await;
    ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "public-read-write")).await;
    let version = ok(&home, &object("PUT", &shelf, "kept").body(CONTENT)).await;
    let version = version.header("x-amz-version-id").unwrap().to_owned();
    let kept = object("DELETE", &shelf, "kept");
    for id in [version.as_str(), "null"] {
        let one = kept.clone().query("versionId", id);
        assert_eq!(home.send_unsigned(&one).await.status, 403, "{id}");
        assert_eq!(home.send_as(Stranger, &one).await.status, 403, "{id}");
        let entry = format!("<Delete><Object><Key>kept</Key><VersionId>{id}</VersionId></Object></Delete>");
        let many = bucket("POST", &shelf).query("delete", "").body(entry.as_bytes()).content_md5();
        let answer = home.send_unsigned(&many).await;
        assert!(answer.text().contains("<Code>AccessDenied</Code>"), "{id}: {}", answer.text());
    }
    assert_eq!(home.send_unsigned(&kept).await.status, 403, "nor may it be covered");
    let get = object("GET", &shelf, "kept").query("versionId", &version);
    assert_eq!(home.root(&get).await.body, CONTENT);
}

/// What lies under `key` before a caller writes there by the bucket's list.
#[derive(Debug, Clone, Copy)]
enum Under {
    Nothing,
    OfBucketOwner,
    OfStranger,
    OfNobody,
    DeleteMarker,
}

impl Under {
    async fn lay(self, home: &Home, shelf: &Shelf) {
        let put = object("PUT", shelf, "key").body(b"before");
        let answer = match self {
            Self::Nothing => return,
            Self::OfBucketOwner => home.root(&put).await,
            Self::OfStranger => home.send_as(Stranger, &put).await,
            Self::OfNobody => home.send_unsigned(&put).await,
            Self::DeleteMarker => {
                ok(home, &bucket("PUT", shelf).query("versioning", "").body(VERSIONING.as_bytes())).await;
                ok(home, &put).await;
                ok(home, &object("DELETE", shelf, "key")).await
            }
        };
        assert!(answer.status < 300, "{self:?}: {}", answer.text());
    }
}

/// Every request that writes or deletes what is under `key`.
async fn writes(home: &Home, shelf: &Shelf) -> Vec<(&'static str, Req)> {
    let parts = object("POST", shelf, "key");
    let upload = ok(home, &parts.clone().query("uploads", "")).await.xml("UploadId");
    let part = object("PUT", shelf, "key").query("partNumber", "1").query("uploadId", &upload);
    ok(home, &part.body(CONTENT)).await;
    let delete = b"<Delete><Object><Key>key</Key></Object></Delete>";
    vec![
        ("PutObject", object("PUT", shelf, "key").body(CONTENT)),
        ("PostObject", form(shelf, &[("key", "key")], CONTENT)),
        (
            "CopyObject",
            object("PUT", shelf, "key").header("x-amz-copy-source", format!("/{}/thing", shelf.bucket)),
        ),
        ("CompleteMultipartUpload", parts.query("uploadId", &upload).body(part_list(shelf).as_bytes())),
        ("DeleteObject", object("DELETE", shelf, "key")),
        ("DeleteObjects", bucket("POST", shelf).query("delete", "").body(delete).content_md5()),
    ]
}

#[tokio::test(start_paused = true)]
async fn by_a_list_everybody_creates_and_nobody_touches_what_belongs_to_others() {
    let home = Home::new().await;
    // What is there; whether anybody, somebody with another key, and its writer may write over it or delete it.
    let cases = [
        (Under::Nothing, [true, true, true]),
        (Under::DeleteMarker, [true, true, true]),
        (Under::OfBucketOwner, [false, false, false]),
        (Under::OfStranger, [false, false, true]),
        // It belongs to the bucket's owner.
        (Under::OfNobody, [false, false, false]),
    ];
    let callers = [None, Some(Creator), Some(Stranger)];
    for (under, wanted) in cases {
        for (who, may) in callers.into_iter().zip(wanted) {
            for number in 0..6 {
                let shelf = open_shelf(&home).await;
                ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "public-read-write")).await;
                ok(&home, &thing("PUT", &shelf).query("acl", "").header(CANNED, "public-read")).await;
                under.lay(&home, &shelf).await;
                let (name, request) = writes(&home, &shelf).await.swap_remove(number);
                let get = object("GET", &shelf, "key");
                let before = home.root(&get).await;
                let answer = match who {
                    Some(who) => home.send_as(who, &request).await,
                    None => home.send_unsigned(&request).await,
                };
                let what = format!("{name} by {who:?} over {under:?}: {}", answer.text());
                assert_eq!(!is_denial(&request, &answer), may, "{what}");
                if !may {
                    assert_eq!(home.root(&get).await.body, before.body, "{what}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_a_list_conditions_of_requests_count_as_well() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "public-read-write")).await;
    let put = object("PUT", &shelf, "key").body(CONTENT);
    let absent = put.clone().header("if-none-match", "*");
    assert_eq!(home.send_as(Stranger, &put.clone().header("if-match", "\"x\"")).await.status, 404);
    assert_eq!(home.send_as(Stranger, &absent).await.status, 200);
    assert_eq!(home.send_as(Stranger, &absent).await.status, 412);
    // Who may not is not told what the tag is.
    assert_eq!(home.send_as(Creator, &absent).await.status, 403);
    // A policy lets in for more than a list.
    let deleted = object("DELETE", &shelf, "key");
    assert_eq!(home.send_as(Creator, &deleted).await.status, 403);
    let allow = format!(
        "{{\"Statement\": {{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:DeleteObject\", \
         \"Resource\": \"arn:aws:s3:::{}/*\"}}}}",
        shelf.bucket
    );
    ok(&home, &bucket("PUT", &shelf).query("policy", "").body(allow.as_bytes())).await;
    assert_eq!(home.send_as(Creator, &deleted).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn by_a_list_an_upload_is_given_up_by_who_began_it() {
    let home = Home::new().await;
    let shelf = open_shelf(&home).await;
    ok(&home, &bucket("PUT", &shelf).query("acl", "").header(CANNED, "public-read-write")).await;
    let create = object("POST", &shelf, "theirs").query("uploads", "");
    let begun = [
        (home.root(&create).await, [403, 403, 403]),
        (home.send_as(Stranger, &create).await, [403, 403, 204]),
        (home.send_unsigned(&create).await, [403, 403, 403]),
    ];
    for (upload, [nobody, other, stranger]) in begun {
        let abort = object("DELETE", &shelf, "theirs").query("uploadId", &upload.xml("UploadId"));
        assert_eq!(home.send_unsigned(&abort).await.status, nobody);
        assert_eq!(home.send_as(Creator, &abort).await.status, other);
        assert_eq!(home.send_as(Stranger, &abort).await.status, stranger);
    }
    let unknown =
        object("DELETE", &shelf, "theirs").query("uploadId", &shelf.upload.replace(['0', '1'], "2"));
    assert_eq!(home.send_as(Stranger, &unknown).await.code(), "NoSuchUpload");
}
