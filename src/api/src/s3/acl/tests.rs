//! What lists give to whom, as a table; and how wishes are read.

use super::wish::{Canned, Wish};
use super::*;
use crate::s3::head::Head;
use crate::s3::operation::{OPERATIONS, Target};
use http::Request;
use model::rows::acl::AclGrant;
use model::rows::bucket::Document;

const ME: &str = "GK1";
const OTHER: &str = "GK2";

fn bucket(settings: &[(Setting, &str)]) -> BucketRow {
    let mut row = BucketRow::new(base::Stamp::ZERO);
    for (kind, text) in settings {
        let document = Document(text.as_bytes().to_vec());
        row.settings.set(kind.name().to_owned(), base::Stamp { time: 1, node: 0 }, Some(document));
    }
    row
}

fn list(grantee: Grantee, permission: Permission) -> Acl {
    Acl { owner: None, grants: vec![AclGrant { grantee, permission }] }
}

fn key(id: &str) -> Grantee {
    Grantee::Key(id.to_owned())
}

/// What each permission gives, in the list of a bucket and in that of an object: the whole of it.
const GIVES: [(Permission, &[&str], &[&str]); 5] = [
    (
        Permission::Read,
        &["HeadBucket", "ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"],
        &["GetObject", "HeadObject"],
    ),
    (
        Permission::Write,
        &[
            "DeleteObjects",
            "PutObject",
            "PostObject",
            "DeleteObject",
            "CopyObject",
            "CreateMultipartUpload",
            "UploadPart",
            "UploadPartCopy",
            "CompleteMultipartUpload",
        ],
        &[],
    ),
    (Permission::ReadAcp, &["GetBucketAcl"], &["GetObjectAcl"]),
    (Permission::WriteAcp, &["PutBucketAcl"], &["PutObjectAcl"]),
    (Permission::FullControl, &[], &[]),
];

#[test]
fn each_permission_gives_its_operations_and_no_others() {
    for (granted, of_bucket, of_object) in GIVES {
        let row = bucket(&[(Setting::Acl, &serde_json::to_string(&list(key(ME), granted)).unwrap())]);
        let (mine, others) = (Lists::of(Some(ME), &row), Lists::of(Some(OTHER), &row));
        for operation in OPERATIONS {
            let all = granted == Permission::FullControl;
            let named = |column: usize| {
                let mut rows = GIVES.iter().filter(|row| all || row.0 == granted);
                rows.any(|row| [row.1, row.2][column].contains(&operation.name))
            };
            let by_bucket = operation.actions.iter().all(|action| mine.bucket_allows(action));
            assert_eq!(by_bucket, named(0), "{granted:?} {}", operation.name);
            assert!(!operation.actions.iter().any(|action| others.bucket_allows(action)));
            let object = list(key(ME), granted);
            let by_object = |lists: &Lists| {
                operation.actions.iter().all(|action| match needed(action) {
                    Some(Needed::OfObject(asked)) => lists.object_allows(Some(&object), asked),
                    _ => false,
                })
            };
            assert_eq!(by_object(&mine), named(1), "{granted:?} {}", operation.name);
            assert!(!by_object(&others), "{}", operation.name);
        }
        assert!(all_are_operations(of_bucket) && all_are_operations(of_object));
    }
}

fn all_are_operations(names: &[&str]) -> bool {
    names.iter().all(|name| OPERATIONS.iter().any(|operation| operation.name == *name))
}

#[test]
fn grantees_are_whom_they_name() {
    // Grantee; whether it is me with a key, somebody with another key, and anybody.
    let cases = [
        (key(ME), [true, false, false]),
        (Grantee::AllUsers, [true, true, true]),
        (Grantee::AuthenticatedUsers, [true, true, false]),
        // Which keys act for the owner is what grants of keys say.
        (Grantee::BucketOwner, [false; 3]),
        (Grantee::LogDelivery, [false; 3]),
    ];
    let who = [Some(ME), Some(OTHER), None];
    let open = bucket(&[]);
    let preferred = bucket(&[(Setting::Ownership, "\"BucketOwnerPreferred\"")]);
    let no_groups = bucket(&[(Setting::PublicAccessBlock, "{\"ignore_public_acls\": true}")]);
    let closed = [
        bucket(&[(Setting::Ownership, "\"BucketOwnerEnforced\"")]),
        bucket(&[(Setting::Ownership, "\"SomethingNew\"")]),
        bucket(&[(Setting::Acl, "{\"grants\": 7}")]),
    ];
    let unreadable_block = bucket(&[(Setting::PublicAccessBlock, "7")]);
    for (grantee, wanted) in cases {
        let object = list(grantee.clone(), Permission::Read);
        let allows =
            |row: &BucketRow| who.map(|id| Lists::of(id, row).object_allows(Some(&object), Permission::Read));
        assert_eq!(allows(&open), wanted, "{grantee:?}");
        assert_eq!(allows(&preferred), wanted, "{grantee:?}");
        let named = if grantee.is_public() { [false; 3] } else { wanted };
        assert_eq!(allows(&no_groups), named, "{grantee:?}");
        assert_eq!(allows(&unreadable_block), named, "{grantee:?}");
        for row in &closed {
            assert_eq!(allows(row), [false; 3], "{grantee:?} {row:?}");
        }
    }
    let nothing = |id| Lists::of(id, &open).object_allows(None, Permission::Read);
    assert!(!nothing(Some(ME)) && !nothing(None), "without a list nobody has anything");
}

#[test]
fn an_owner_can_always_see_and_replace_the_list() {
    let row = bucket(&[]);
    let bare = Acl { owner: Some(ME.to_owned()), grants: Vec::new() };
    let allows = |id, permission| Lists::of(id, &row).object_allows(Some(&bare), permission);
    for (permission, owner) in [
        (Permission::Read, false),
        (Permission::ReadAcp, true),
        (Permission::WriteAcp, true),
        (Permission::FullControl, false),
    ] {
        assert_eq!(allows(Some(ME), permission), owner, "{permission:?}");
        assert!(!allows(Some(OTHER), permission) && !allows(None, permission));
    }
    // The bucket's owner is nobody's key, and so is nobody.
    let of_bucket = Acl { owner: None, grants: Vec::new() };
    assert!(!Lists::of(None, &row).object_allows(Some(&of_bucket), Permission::WriteAcp));
}

fn wish(headers: &[(&str, &str)]) -> Result<Wish, S3Code> {
    let mut request = Request::put("/b/k");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let head = Head::parse(request.body(()).unwrap().into_parts().0, &[], String::new()).unwrap();
    assert_eq!(is_asked_for(&head), !headers.is_empty());
    Wish::of_headers(&head).map_err(|error| error.code)
}

fn granted(pairs: &[(Grantee, Permission)]) -> Vec<AclGrant> {
    let grant = |(grantee, permission): &(Grantee, Permission)| AclGrant {
        grantee: grantee.clone(),
        permission: *permission,
    };
    pairs.iter().map(grant).collect()
}

#[test]
fn headers_say_what_is_wished() {
    use Permission::{FullControl, Read, ReadAcp, Write, WriteAcp};
    assert_eq!(wish(&[]), Ok(Wish::Nothing));
    assert_eq!(wish(&[("x-amz-acl", "public-read")]), Ok(Wish::Canned(Canned::PublicRead)));
    let all = wish(&[
        ("x-amz-grant-read", "id=GK1, id=\"GK2\""),
        ("x-amz-grant-write", &format!("uri=\"{ALL_USERS}\"")),
        ("x-amz-grant-read-acp", &format!("uri={AUTHENTICATED_USERS},URI=\"{LOG_DELIVERY}\"")),
        ("x-amz-grant-write-acp", &format!("id = {OWNER_ID}")),
        ("x-amz-grant-full-control", "id=GK1"),
    ]);
    let wanted = granted(&[
        (key("GK1"), Read),
        (key("GK2"), Read),
        (Grantee::AllUsers, Write),
        (Grantee::AuthenticatedUsers, ReadAcp),
        (Grantee::LogDelivery, ReadAcp),
        (Grantee::BucketOwner, WriteAcp),
        (key("GK1"), FullControl),
    ]);
    assert_eq!(all, Ok(Wish::Grants(wanted)));
    let many = |count: usize| vec!["id=GK1"; count].join(",");
    assert!(wish(&[("x-amz-grant-read", &many(100))]).is_ok());
    let refused = [
        (vec![("x-amz-acl", "Public-Read")], S3Code::InvalidArgument),
        (vec![("x-amz-acl", "")], S3Code::InvalidArgument),
        (vec![("x-amz-acl", "private"), ("x-amz-acl", "public-read")], S3Code::InvalidArgument),
        (vec![("x-amz-acl", "private"), ("x-amz-grant-read", "id=GK1")], S3Code::InvalidRequest),
        (vec![("x-amz-grant-read", "")], S3Code::InvalidArgument),
        (vec![("x-amz-grant-read", "GK1")], S3Code::InvalidArgument),
        (vec![("x-amz-grant-read", "id=\"GK1")], S3Code::InvalidArgument),
        (vec![("x-amz-grant-read", "id=GK1,")], S3Code::InvalidArgument),
        (vec![("x-amz-grant-read", "arn=GK1")], S3Code::InvalidArgument),
        (vec![("x-amz-grant-read", "uri=http://example/all")], S3Code::InvalidArgument),
        (vec![("x-amz-grant-read", "emailAddress=\"a@b.example\"")], S3Code::MethodNotAllowed),
    ];
    for (headers, code) in refused {
        assert_eq!(wish(&headers), Err(code), "{headers:?}");
    }
    assert_eq!(wish(&[("x-amz-grant-read", &many(101))]), Err(S3Code::InvalidRequest));
}

#[test]
fn canned_lists_are_those_of_aws() {
    use Permission::{FullControl, Read, ReadAcp, Write};
    let (everybody, keys) = (Grantee::AllUsers, Grantee::AuthenticatedUsers);
    let bucket_owner = (Grantee::BucketOwner, FullControl);
    // Name; what is granted besides the owner's full control on a bucket, on an object of its owner, on an
    // object of a key. `None`: refused.
    type More<'a> = Option<&'a [(Grantee, Permission)]>;
    let public: &[_] = &[(everybody.clone(), Read)];
    let writable: &[_] = &[(everybody.clone(), Read), (everybody, Write)];
    let signed: &[_] = &[(keys, Read)];
    let logs: &[_] = &[(Grantee::LogDelivery, Write), (Grantee::LogDelivery, ReadAcp)];
    let readable: &[_] = &[(Grantee::BucketOwner, Read)];
    let full: &[_] = std::slice::from_ref(&bucket_owner);
    let cases: [(&str, [More<'_>; 3]); 8] = [
        ("private", [Some(&[]); 3]),
        ("public-read", [Some(public); 3]),
        ("public-read-write", [Some(writable); 3]),
        ("authenticated-read", [Some(signed); 3]),
        ("bucket-owner-read", [Some(&[]), Some(&[]), Some(readable)]),
        ("bucket-owner-full-control", [Some(&[]), Some(&[]), Some(full)]),
        ("aws-exec-read", [Some(&[]); 3]),
        ("log-delivery-write", [Some(logs), None, None]),
    ];
    let places = [(Target::Bucket, None), (Target::Object, None), (Target::Object, Some(ME.to_owned()))];
    for (name, wanted) in cases {
        let wish = wish(&[("x-amz-acl", name)]).unwrap();
        for ((target, owner), more) in places.clone().into_iter().zip(wanted) {
            let list = wish.as_list(target, owner.clone()).ok();
            let expected = more.map(|more| {
                let mut list = Acl::of_owner(owner.clone());
                list.grants.extend(granted(more));
                list
            });
            assert_eq!(list, expected, "{name} {target:?} {owner:?}");
        }
        let usual = ["private", "bucket-owner-full-control"].contains(&name);
        assert_eq!(wish.is_usual(), usual, "{name}");
    }
    assert_eq!(Acl::of_owner(None).stored(), None);
    assert!(Acl::of_owner(Some(ME.to_owned())).stored().is_some());
}

fn document(owner: &str, grants: &str) -> Result<Wish, S3Code> {
    let text = format!(
        "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner>\
         <AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    );
    Wish::of_document(text.as_bytes(), None).map_err(|error| error.code)
}

#[test]
fn documents_say_what_is_wished() {
    let grant = |grantee: &str, permission: &str| {
        format!("<Grant><Grantee>{grantee}</Grantee><Permission>{permission}</Permission></Grant>")
    };
    let id = |id: &str| format!("<ID>{id}</ID>");
    assert_eq!(document(OWNER_ID, ""), Ok(Wish::Grants(Vec::new())));
    let full = document(OWNER_ID, &grant(&id(OWNER_ID), "FULL_CONTROL")).unwrap();
    assert!(full.is_usual());
    let both = grant(&id(ME), "READ") + &grant(&format!("<URI>{ALL_USERS}</URI>"), "WRITE_ACP");
    let wanted = granted(&[(key(ME), Permission::Read), (Grantee::AllUsers, Permission::WriteAcp)]);
    assert_eq!(document(OWNER_ID, &both), Ok(Wish::Grants(wanted)));
    assert_eq!(document("somebody", &both), Err(S3Code::AccessDenied));
    assert!(document(OWNER_ID, &grant(&id(ME), "READ").repeat(100)).is_ok());
    let refused = [
        (grant(&id(ME), "READ").repeat(101), S3Code::MalformedACLError),
        (grant(&id(ME), "READ").repeat(201), S3Code::MalformedACLError),
        (grant(&id(ME), "LIST"), S3Code::MalformedACLError),
        (grant(&id(ME), ""), S3Code::MalformedACLError),
        (grant("", "READ"), S3Code::MalformedACLError),
        (grant(&(id(ME) + "<URI>x</URI>"), "READ"), S3Code::MalformedACLError),
        (grant("<Name>x</Name>", "READ"), S3Code::MalformedACLError),
        (grant("<URI>http://example/all</URI>", "READ"), S3Code::InvalidArgument),
        (grant("<EmailAddress>a@b.example</EmailAddress>", "READ"), S3Code::MethodNotAllowed),
        ("<Grant><Permission>READ</Permission></Grant>".to_owned(), S3Code::MalformedACLError),
        (" ".repeat(64 << 10), S3Code::MaxMessageLengthExceeded),
    ];
    for (grants, code) in refused {
        assert_eq!(document(OWNER_ID, &grants), Err(code), "{grants:.80}");
    }
    for text in
        ["", "<AccessControlPolicy/>", "<AccessControlPolicy><AccessControlList/></AccessControlPolicy>"]
    {
        let error = Wish::of_document(text.as_bytes(), None).unwrap_err();
        assert_eq!(error.code, S3Code::MalformedACLError, "{text}");
    }
}
