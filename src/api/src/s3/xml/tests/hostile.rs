//! Input made to hurt: it must be refused quickly, with a typed error, and never panic.

use proptest::prelude::*;

use crate::s3::xml::reader::{BodyLimits, BodyReader, DEPTH_MAX};
use crate::s3::xml::{
    ACCESS_BODY_MAX_BYTES, ACL_BODY_MAX_BYTES, AccessControlPolicy, BucketLoggingStatus,
    COMPLETE_BODY_MAX_BYTES, CORS_BODY_MAX_BYTES, CREATE_BUCKET_BODY_MAX_BYTES, CompleteMultipartUpload,
    CorsConfiguration, CreateBucketConfiguration, DELETE_BODY_MAX_BYTES, Delete, LIFECYCLE_BODY_MAX_BYTES,
    LOGGING_BODY_MAX_BYTES, LifecycleConfiguration, NOTIFICATION_BODY_MAX_BYTES, NotificationConfiguration,
    PublicAccessBlock, TAGGING_BODY_MAX_BYTES, Tagging, VersioningConfiguration, WEBSITE_BODY_MAX_BYTES,
    WebsiteConfiguration, XmlError, XmlFault, parse_ownership,
};

fn refused(body: &[u8]) {
    assert!(Delete::parse(body).is_err());
    assert!(CompleteMultipartUpload::parse(body).is_err());
    assert!(CreateBucketConfiguration::parse(body).is_err());
    assert!(CorsConfiguration::parse(body).is_err());
    assert!(Tagging::parse(body).is_err());
    assert!(LifecycleConfiguration::parse(body).is_err());
    assert!(NotificationConfiguration::parse(body).is_err());
    assert!(BucketLoggingStatus::parse(body).is_err());
    assert!(PublicAccessBlock::parse(body).is_err());
    assert!(VersioningConfiguration::parse(body).is_err());
    assert!(parse_ownership(body).is_err());
    assert!(AccessControlPolicy::parse(body).is_err());
    assert!(WebsiteConfiguration::parse(body).is_err());
}

#[test]
fn document_types_and_entities_are_refused() {
    let bomb = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;&lol;\">]>\
                <Delete><Object><Key>&lol2;</Key></Object></Delete>";
    assert_eq!(Delete::parse(bomb.as_bytes()), Err(XmlError::Malformed(XmlFault::DocumentType)));
    let external = "<!DOCTYPE Delete SYSTEM \"file:///etc/passwd\"><Delete/>";
    assert_eq!(Delete::parse(external.as_bytes()), Err(XmlError::Malformed(XmlFault::DocumentType)));
    let inside = "<Delete><Object><Key>a<!DOCTYPE x></Key></Object></Delete>";
    assert!(Delete::parse(inside.as_bytes()).is_err());
}

#[test]
fn bodies_over_their_cap_are_refused_unread() {
    let limit_bytes = DELETE_BODY_MAX_BYTES;
    assert_eq!(Delete::parse(&vec![b'<'; limit_bytes + 1]), Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = COMPLETE_BODY_MAX_BYTES;
    let complete = CompleteMultipartUpload::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(complete, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = CREATE_BUCKET_BODY_MAX_BYTES;
    let create = CreateBucketConfiguration::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(create, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = CORS_BODY_MAX_BYTES;
    let cors = CorsConfiguration::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(cors, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = ACCESS_BODY_MAX_BYTES;
    let blocks = PublicAccessBlock::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(blocks, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = ACL_BODY_MAX_BYTES;
    let list = AccessControlPolicy::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(list, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = LIFECYCLE_BODY_MAX_BYTES;
    let lifecycle = LifecycleConfiguration::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(lifecycle, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = WEBSITE_BODY_MAX_BYTES;
    let site = WebsiteConfiguration::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(site, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = NOTIFICATION_BODY_MAX_BYTES;
    let rules = NotificationConfiguration::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(rules, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = LOGGING_BODY_MAX_BYTES;
    let logging = BucketLoggingStatus::parse(&vec![b' '; limit_bytes + 1]);
    assert_eq!(logging, Err(XmlError::TooLarge { limit_bytes }));
    let limit_bytes = TAGGING_BODY_MAX_BYTES;
    assert_eq!(Tagging::parse(&vec![b' '; limit_bytes + 1]), Err(XmlError::TooLarge { limit_bytes }));
}

#[test]
fn nesting_and_floods_are_refused() {
    refused("<a>".repeat(100_000).as_bytes());
    refused(format!("<Delete>{}", "<Object>".repeat(100_000)).as_bytes());
    refused(format!("<Delete>{}</Delete>", "<a/>".repeat(300_000)).as_bytes());
    refused(format!("<CompleteMultipartUpload>{}", "<Part/>".repeat(300_000)).as_bytes());
    refused(format!("<Delete {}>", "a='1' ".repeat(300_000)).as_bytes());
    refused(format!("<AccessControlPolicy><AccessControlList>{}", "<Grant/>".repeat(5_000)).as_bytes());
    refused(format!("<WebsiteConfiguration><RoutingRules>{}", "<RoutingRule/>".repeat(5_000)).as_bytes());
    refused(format!("<CORSConfiguration>{}", "<CORSRule>".repeat(5_000)).as_bytes());
    refused(format!("<LifecycleConfiguration>{}", "<Rule>".repeat(5_000)).as_bytes());
    let rule = "<Rule><Filter/><Status>Enabled</Status></Rule>";
    refused(format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rule.repeat(1001)).as_bytes());
    refused(format!("<Tagging><TagSet>{}", "<Tag><Key>k</Key><Value/></Tag>".repeat(2_000)).as_bytes());
    refused("<!--".repeat(300_000).as_bytes());
    refused("&".repeat(300_000).as_bytes());
    refused("<![CDATA[".repeat(100_000).as_bytes());
}

#[test]
fn the_reader_stops_at_its_own_limits() {
    let limits = BodyLimits { bytes_max: 1 << 20, elements_max: 40 };
    let deep = "<a>".repeat(DEPTH_MAX + 1);
    let mut reader = BodyReader::enter(deep.as_bytes(), limits, "a").unwrap();
    for _ in 1..DEPTH_MAX {
        assert_eq!(reader.next_child(&["a"]), Ok(Some("a")));
    }
    let too_deep = XmlFault::TooDeep { limit: DEPTH_MAX };
    assert_eq!(reader.next_child(&["a"]), Err(XmlError::Malformed(too_deep)));

    let wide = format!("<a>{}</a>", "<b/>".repeat(40));
    let mut reader = BodyReader::enter(wide.as_bytes(), limits, "a").unwrap();
    for _ in 1..40 {
        assert_eq!(reader.next_child(&["b"]), Ok(Some("b")));
        assert_eq!(reader.text(), Ok(String::new()));
    }
    let too_many = XmlFault::TooManyElements { limit: 40 };
    assert_eq!(reader.next_child(&["b"]), Err(XmlError::Malformed(too_many)));
}

#[test]
fn other_encodings_are_refused() {
    let not_utf8 = b"<Delete><Object><Key>\xC3\x28</Key></Object></Delete>";
    assert_eq!(Delete::parse(not_utf8), Err(XmlError::Malformed(XmlFault::NotUtf8)));
    let utf16: Vec<u8> = "\u{FEFF}<Delete/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(Delete::parse(&utf16), Err(XmlError::Malformed(XmlFault::NotUtf8)));
}

/// Pieces of XML, so that random sequences get past the first byte.
const PIECES: [&str; 22] = [
    "<Delete>",
    "</Delete>",
    "<Object>",
    "</Object>",
    "<Key>",
    "</Key>",
    "<Quiet>",
    "</Quiet>",
    "true",
    "k",
    "<CompleteMultipartUpload>",
    "</CompleteMultipartUpload>",
    "<Part>",
    "</Part>",
    "<PartNumber>",
    "</PartNumber>",
    "1",
    "<ETag>",
    "</ETag>",
    "&amp;",
    "<!-- c -->",
    "<x a='1'/>",
];

proptest! {
    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = (Delete::parse(&body), CompleteMultipartUpload::parse(&body), CreateBucketConfiguration::parse(&body));
    }

    #[test]
    fn random_markup_keeps_the_promises(picks in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let body: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        if let Ok(delete) = Delete::parse(body.as_bytes()) {
            prop_assert!(!delete.objects.is_empty());
            prop_assert!(delete.objects.iter().all(|object| !object.key.is_empty()));
        }
        if let Ok(complete) = CompleteMultipartUpload::parse(body.as_bytes()) {
            prop_assert!(complete.parts.iter().all(|part| (1..=10_000).contains(&part.part_number)));
        }
    }

    /// What a listing shows, a bulk delete can name: any key, character by character.
    #[test]
    fn a_written_key_is_read_back(key in "[^\\x00]{1,40}") {
        let mut xml = crate::s3::xml::XmlWriter::new("Delete", 64);
        xml.open("Object");
        xml.text("Key", &key);
        let body = xml.finish();
        let read = Delete::parse(&body).map(|delete| delete.objects[0].key.clone());
        prop_assert_eq!(read, Ok(key));
    }
}
