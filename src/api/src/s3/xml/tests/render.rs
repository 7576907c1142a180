//! The exact bytes of every answer: a change here is a change that clients see.

use super::{AT_MS, crc32, owner};
use crate::s3::xml::*;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const OWNER: &str = "<Owner><ID>GK31c2</ID><DisplayName>first &amp; best</DisplayName></Owner>";
const INITIATOR: &str = "<Initiator><ID>GK31c2</ID><DisplayName>first &amp; best</DisplayName></Initiator>";

/// Compares with `<Root xmlns="…">inner</Root>`.
fn check(body: Vec<u8>, root: &str, inner: &str) {
    let expected =
        format!("{HEAD}<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{root}>");
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

fn entry(key: &str) -> ObjectEntry {
    ObjectEntry {
        key: key.into(),
        last_modified_ms: AT_MS,
        etag: "d41d8".into(),
        size_bytes: 12,
        storage_class: "STANDARD".into(),
        ..ObjectEntry::default()
    }
}

fn entry_xml(key: &str, owner: &str) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-11-22T23:00:00.000Z</LastModified>\
         <ETag>&quot;d41d8&quot;</ETag><Size>12</Size>{owner}<StorageClass>STANDARD</StorageClass></Contents>"
    )
}

#[test]
fn buckets() {
    let mut list = ListAllMyBuckets {
        owner: owner(),
        buckets: vec![BucketEntry {
            name: "photos".into(),
            created_ms: AT_MS,
            region: Some("garage".into()),
        }],
        continuation_token: Some("t/1".into()),
        prefix: Some("ph".into()),
    };
    let first = format!(
        "{OWNER}<Buckets><Bucket><Name>photos</Name><CreationDate>2026-11-22T23:00:00.000Z</CreationDate>\
         <BucketRegion>garage</BucketRegion></Bucket></Buckets>\
         <ContinuationToken>t/1</ContinuationToken><Prefix>ph</Prefix>"
    );
    check(list.render(), "ListAllMyBucketsResult", &first);
    (list.buckets, list.continuation_token, list.prefix) = (Vec::new(), None, None);
    check(list.render(), "ListAllMyBucketsResult", &format!("{OWNER}<Buckets></Buckets>"));
    check(location_constraint("us-east-1"), "LocationConstraint", "");
    check(location_constraint("eu-west-1"), "LocationConstraint", "eu-west-1");
    check(empty_configuration("BucketLoggingStatus"), "BucketLoggingStatus", "");
    check(RequestPayment.render(), "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>");
}

#[test]
fn access_control() {
    let inner = format!(
        "{OWNER}<AccessControlList><Grant>\
         <Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
         <ID>GK31c2</ID><DisplayName>first &amp; best</DisplayName></Grantee>\
         <Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
    );
    let grant = |grantee, permission: &str| AclGrant { grantee, permission: permission.to_owned() };
    let mut list = AccessControlPolicy {
        owner: owner(),
        grants: vec![grant(AclGrantee::User(owner()), "FULL_CONTROL")],
    };
    check(list.render(), "AccessControlPolicy", &inner);
    list.grants.push(grant(AclGrantee::Group("http://group/a&b".into()), "READ"));
    list.grants.push(grant(AclGrantee::Email("a@b.example".into()), "WRITE_ACP"));
    assert_eq!(AccessControlPolicy::parse(&list.render()), Ok(list));
}

#[test]
fn list_v1_empty_has_a_marker() {
    let list = ListObjectsV1 { name: "b".into(), max_keys: 1000, ..ListObjectsV1::default() };
    let inner = "<Name>b</Name><Prefix></Prefix><Marker></Marker><MaxKeys>1000</MaxKeys>\
                 <IsTruncated>false</IsTruncated>";
    check(list.render(), "ListBucketResult", inner);
}

#[test]
fn list_v1_full() {
    let list = ListObjectsV1 {
        name: "b".into(),
        prefix: "a b/".into(),
        marker: "a b/0+".into(),
        next_marker: Some("a b/é/".into()),
        max_keys: 2,
        delimiter: Some("/".into()),
        encoding: KeyEncoding::Url,
        is_truncated: true,
        contents: vec![ObjectEntry { owner: Some(owner()), ..entry("a b/1+*~") }],
        common_prefixes: vec!["a b/é/".into()],
    };
    let inner = format!(
        "<Name>b</Name><Prefix>a b/</Prefix><Marker>a%20b/0%2B</Marker><NextMarker>a%20b/%C3%A9/</NextMarker>\
         <MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType>\
         <IsTruncated>true</IsTruncated>{}\
         <CommonPrefixes><Prefix>a%20b/%C3%A9/</Prefix></CommonPrefixes>",
        entry_xml("a%20b/1%2B%2A~", OWNER)
    );
    check(list.render(), "ListBucketResult", &inner);
}

#[test]
fn versions() {
    let mut list = ListVersions { name: "b".into(), max_keys: 1000, ..ListVersions::default() };
    let empty = "<Name>b</Name><Prefix></Prefix><KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker>\
                 <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>";
    check(list.render(), "ListVersionsResult", empty);
    let version =
        |id: &str, is_latest, entry| VersionXml { version_id: id.into(), is_latest, entry, is_marker: false };
    let marker = ObjectEntry {
        key: "a b".into(),
        last_modified_ms: AT_MS,
        owner: Some(owner()),
        ..ObjectEntry::default()
    };
    list.versions = vec![
        VersionXml { is_marker: true, ..version("02", true, marker) },
        version("null", false, ObjectEntry { owner: Some(owner()), ..entry("a b") }),
    ];
    (list.prefix, list.key_marker, list.version_id_marker) = ("a ".into(), "a !".into(), "03".into());
    (list.next_key_marker, list.next_version_id_marker) = (Some("a b".into()), Some("null".into()));
    (list.delimiter, list.encoding, list.is_truncated) = (Some("/".into()), KeyEncoding::Url, true);
    list.common_prefixes = vec!["a /".into()];
    let time = "<LastModified>2026-11-22T23:00:00.000Z</LastModified>";
    let full = format!(
        "<Name>b</Name><Prefix>a%20</Prefix><KeyMarker>a%20%21</KeyMarker><VersionIdMarker>03</VersionIdMarker>\
         <NextKeyMarker>a%20b</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker><MaxKeys>1000</MaxKeys>\
         <Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
         <DeleteMarker><Key>a%20b</Key><VersionId>02</VersionId><IsLatest>true</IsLatest>{time}{OWNER}</DeleteMarker>\
         <Version><Key>a%20b</Key><VersionId>null</VersionId><IsLatest>false</IsLatest>{time}\
         <ETag>&quot;d41d8&quot;</ETag><Size>12</Size>{OWNER}<StorageClass>STANDARD</StorageClass></Version>\
         <CommonPrefixes><Prefix>a%20/</Prefix></CommonPrefixes>"
    );
    check(list.render(), "ListVersionsResult", &full);
}

#[test]
fn versioning() {
    let shown = |status| VersioningConfiguration { status }.render();
    check(shown(None), "VersioningConfiguration", "");
    check(shown(Some(VersioningStatus::Enabled)), "VersioningConfiguration", "<Status>Enabled</Status>");
    check(shown(Some(VersioningStatus::Suspended)), "VersioningConfiguration", "<Status>Suspended</Status>");
}

#[test]
fn list_v2_full() {
    let mut list = ListObjectsV2 {
        name: "b".into(),
        prefix: "a b/".into(),
        continuation_token: Some(String::new()),
        next_continuation_token: Some("next==".into()),
        start_after: Some("a b/0".into()),
        max_keys: 3,
        delimiter: Some("\u{1}".into()),
        encoding: KeyEncoding::Url,
        is_truncated: true,
        contents: vec![entry("a b/1"), entry("a b/2")],
        common_prefixes: vec!["a b/c\u{1}".into()],
    };
    let (one, two) = (entry_xml("a%20b/1", ""), entry_xml("a%20b/2", ""));
    let inner = format!(
        "<Name>b</Name><Prefix>a%20b/</Prefix><StartAfter>a%20b/0</StartAfter>\
         <ContinuationToken></ContinuationToken><NextContinuationToken>next==</NextContinuationToken>\
         <KeyCount>3</KeyCount><MaxKeys>3</MaxKeys><Delimiter>%01</Delimiter><EncodingType>url</EncodingType>\
         <IsTruncated>true</IsTruncated>{one}{two}\
         <CommonPrefixes><Prefix>a%20b/c%01</Prefix></CommonPrefixes>"
    );
    check(list.render(), "ListBucketResult", &inner);

    list.encoding = KeyEncoding::Raw;
    (list.contents, list.continuation_token, list.next_continuation_token) = (Vec::new(), None, None);
    (list.start_after, list.is_truncated, list.max_keys) = (None, false, 1000);
    let inner = "<Name>b</Name><Prefix>a b/</Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>\
                 <Delimiter>&#x1;</Delimiter><IsTruncated>false</IsTruncated>\
                 <CommonPrefixes><Prefix>a b/c&#x1;</Prefix></CommonPrefixes>";
    check(list.render(), "ListBucketResult", inner);
}

#[test]
fn keys_that_xml_cannot_carry() {
    let cases = [
        ("\0", "&#x0;"),
        ("a\u{1}b\u{1f}", "a&#x1;b&#x1f;"),
        ("\t\n\r", "\t\n&#xd;"),
        ("<&>\"'", "&lt;&amp;&gt;&quot;'"),
        ("x\u{FFFE}\u{FFFF}\u{FFFD}y", "x&#xfffe;&#xffff;\u{FFFD}y"),
        ("ﬁ\u{EFFF}😀\u{7f}", "ﬁ\u{EFFF}😀\u{7f}"),
    ];
    for (key, written) in cases {
        let mut xml = XmlWriter::new("R", 0);
        xml.key("Key", key, KeyEncoding::Raw);
        check(xml.finish(), "R", &format!("<Key>{written}</Key>"));
    }
}

#[test]
fn checksums_in_a_listing() {
    let listed = ObjectEntry {
        checksum_algorithm: Some("CRC64NVME".into()),
        checksum_type: Some("FULL_OBJECT".into()),
        ..entry("k")
    };
    let list = ListObjectsV2 { contents: vec![listed], ..ListObjectsV2::default() };
    let body = String::from_utf8(list.render()).unwrap();
    let expected = "</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>\
                    <ChecksumType>FULL_OBJECT</ChecksumType><Size>12</Size>";
    assert!(body.contains(expected), "{body}");
}

#[test]
fn delete_result() {
    let result = DeleteResult {
        deleted: vec![
            Deleted { key: "a".into(), ..Deleted::default() },
            Deleted {
                key: "b".into(),
                version_id: Some("v".into()),
                delete_marker: Some(true),
                delete_marker_version_id: Some("m".into()),
            },
        ],
        errors: vec![DeleteError {
            key: "c<".into(),
            version_id: None,
            code: "AccessDenied".into(),
            message: "Access Denied".into(),
        }],
    };
    let inner = "<Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key><VersionId>v</VersionId>\
                 <DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>\
                 <Error><Key>c&lt;</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    check(result.render(), "DeleteResult", inner);
    check(DeleteResult::default().render(), "DeleteResult", "");
}

#[test]
fn copies() {
    let copy = CopyResult {
        etag: "d41d8".into(),
        last_modified_ms: AT_MS,
        checksum_type: Some("COMPOSITE".into()),
        checksums: vec![crc32()],
    };
    let inner = "<LastModified>2026-11-22T23:00:00.000Z</LastModified><ETag>&quot;d41d8&quot;</ETag>\
                 <ChecksumType>COMPOSITE</ChecksumType><ChecksumCRC32>AAAAAA==</ChecksumCRC32>";
    check(copy.render_object(), "CopyObjectResult", inner);
    check(copy.render_part(), "CopyPartResult", inner);
}

#[test]
fn multipart() {
    let initiate =
        InitiateMultipartUploadResult { bucket: "b".into(), key: "k&".into(), upload_id: "u".into() };
    let inner = "<Bucket>b</Bucket><Key>k&amp;</Key><UploadId>u</UploadId>";
    check(initiate.render(), "InitiateMultipartUploadResult", inner);

    let complete = CompleteMultipartUploadResult {
        location: "http://h/b/k".into(),
        bucket: "b".into(),
        key: "k".into(),
        etag: "d41d8-2".into(),
        checksums: vec![crc32()],
        checksum_type: Some("FULL_OBJECT".into()),
    };
    let inner = "<Location>http://h/b/k</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;d41d8-2&quot;</ETag>\
                 <ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>";
    check(complete.render(), "CompleteMultipartUploadResult", inner);
}

#[test]
fn list_parts() {
    let list = ListParts {
        bucket: "b".into(),
        key: "k".into(),
        upload_id: "u".into(),
        initiator: owner(),
        owner: owner(),
        storage_class: "STANDARD".into(),
        part_number_marker: 0,
        next_part_number_marker: Some(2),
        max_parts: 1,
        is_truncated: true,
        checksum_algorithm: Some("CRC32".into()),
        checksum_type: Some("COMPOSITE".into()),
        parts: vec![PartEntry {
            part_number: 2,
            last_modified_ms: AT_MS,
            etag: "e".into(),
            size_bytes: 5_242_880,
            checksums: vec![crc32()],
        }],
    };
    let inner = format!(
        "<Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId>{INITIATOR}{OWNER}\
         <StorageClass>STANDARD</StorageClass><PartNumberMarker>0</PartNumberMarker>\
         <NextPartNumberMarker>2</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>\
         <ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>\
         <Part><PartNumber>2</PartNumber><LastModified>2026-11-22T23:00:00.000Z</LastModified>\
         <ETag>&quot;e&quot;</ETag><Size>5242880</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"
    );
    check(list.render(), "ListPartsResult", &inner);
}

#[test]
fn list_uploads() {
    let list = ListMultipartUploads {
        bucket: "b".into(),
        next_key_marker: Some("k 1".into()),
        next_upload_id_marker: Some("u".into()),
        delimiter: Some("/".into()),
        prefix: "k".into(),
        encoding: KeyEncoding::Url,
        max_uploads: 1,
        is_truncated: true,
        uploads: vec![UploadEntry {
            key: "k 1".into(),
            upload_id: "u".into(),
            initiator: owner(),
            owner: owner(),
            storage_class: "STANDARD".into(),
            initiated_ms: AT_MS,
            checksum_algorithm: None,
            checksum_type: None,
        }],
        common_prefixes: vec!["k/".into()],
        ..ListMultipartUploads::default()
    };
    let inner = format!(
        "<Bucket>b</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker>\
         <NextKeyMarker>k%201</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker><Delimiter>/</Delimiter>\
         <Prefix>k</Prefix><EncodingType>url</EncodingType><MaxUploads>1</MaxUploads>\
         <IsTruncated>true</IsTruncated><Upload><Key>k%201</Key><UploadId>u</UploadId>{INITIATOR}{OWNER}\
         <StorageClass>STANDARD</StorageClass><Initiated>2026-11-22T23:00:00.000Z</Initiated></Upload>\
         <CommonPrefixes><Prefix>k/</Prefix></CommonPrefixes>"
    );
    check(list.render(), "ListMultipartUploadsResult", &inner);
}

#[test]
fn errors_have_no_namespace() {
    let fields = [("BucketName", "b".to_owned())];
    let body = ErrorBody {
        code: "NoSuchBucket",
        message: "The specified bucket does not exist",
        resource: Some("/b/<k>"),
        fields: &fields,
        request_id: "R1",
        host_id: "H1",
    };
    let expected = format!(
        "{HEAD}<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message>\
         <BucketName>b</BucketName><Resource>/b/&lt;k&gt;</Resource><RequestId>R1</RequestId>\
         <HostId>H1</HostId></Error>"
    );
    assert_eq!(String::from_utf8(body.render()).unwrap(), expected);
}

#[test]
fn a_full_page_fits_its_first_buffer() {
    let contents: Vec<_> =
        (0..1000).map(|index| entry(&format!("folder/{index:04}-of-ordinary-length.bin"))).collect();
    let list = ListObjectsV2 { name: "b".into(), contents, ..ListObjectsV2::default() };
    let body = list.render();
    assert!(body.capacity() < 512 + 1000 * 320 + 1, "the buffer grew to {}", body.capacity());
    assert_eq!(String::from_utf8(body).unwrap().matches("<Contents>").count(), 1000);
}
