//! Tables of bodies that clients send, right and wrong.

use crate::s3::xml::{
    Checksum, CompleteMultipartUpload, CreateBucketConfiguration, Delete, LifecycleConfiguration,
    ObjectToDelete, VersioningConfiguration, VersioningStatus, XmlError, XmlFault,
};

const XMLNS: &str = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

fn object(key: &str) -> ObjectToDelete {
    ObjectToDelete { key: key.into(), ..ObjectToDelete::default() }
}

fn delete(inner: &str) -> Result<Delete, XmlError> {
    let bare = Delete::parse(format!("<Delete>{inner}</Delete>").as_bytes());
    let with_namespace = Delete::parse(
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete{XMLNS}>{inner}</Delete>\n").as_bytes(),
    );
    if bare.is_ok() {
        assert_eq!(bare, with_namespace, "the namespace must make no difference");
    }
    with_namespace
}

fn fault<T>(result: Result<T, XmlError>) -> Option<XmlFault> {
    match result {
        Err(XmlError::Malformed(fault)) => Some(fault),
        _ => None,
    }
}

#[test]
fn delete_reads_what_clients_send() {
    let full = ObjectToDelete { key: "a".into(), version_id: Some("v1".into()), etag: Some("abc".into()) };
    let cases = [
        ("<Object><Key>a</Key></Object>", false, vec![object("a")]),
        ("<Quiet>true</Quiet><Object><Key>a</Key></Object>", true, vec![object("a")]),
        ("<Object><Key>a</Key></Object><Quiet> false </Quiet>", false, vec![object("a")]),
        (
            "<Object><VersionId>v1</VersionId><ETag>\"abc\"</ETag><Key>a</Key></Object>",
            false,
            vec![full.clone()],
        ),
        ("<Object><Key>a</Key><VersionId>v1</VersionId><ETag>abc</ETag></Object>", false, vec![full]),
        ("<Object><Key>a</Key><VersionId/></Object>", false, vec![object("a")]),
        ("<Object><Key>a</Key></Object><Object><Key>a</Key></Object>", false, vec![object("a"), object("a")]),
        ("<Object><Key> a  b </Key></Object>", false, vec![object(" a  b ")]),
        ("<Object><Key>&lt;&amp;&gt;&quot;&apos;</Key></Object>", false, vec![object("<&>\"'")]),
        ("<Object><Key><![CDATA[<&amp;>]]></Key></Object>", false, vec![object("<&amp;>")]),
        ("<Object><Key>a<!-- no -->b</Key></Object>", false, vec![object("ab")]),
        ("<Object><Key>x&#x1;&#13;&#xA;y</Key></Object>", false, vec![object("x\u{1}\r\ny")]),
        ("<Object><Key>x\r\ny\u{2}</Key></Object>", false, vec![object("x\ny\u{2}")]),
        ("<Object><Key>//../ü/😀</Key></Object>", false, vec![object("//../ü/😀")]),
        ("\r\n\t<Object>\n <Key>a</Key>\n</Object>\n", false, vec![object("a")]),
    ];
    for (inner, quiet, objects) in cases {
        assert_eq!(delete(inner), Ok(Delete { quiet, objects }), "{inner}");
    }
    let prefixed = b"<s:Delete xmlns:s=\"urn:x\"><s:Object><s:Key>a</s:Key></s:Object></s:Delete>";
    assert_eq!(Delete::parse(prefixed), Ok(Delete { quiet: false, objects: vec![object("a")] }));
    let with_mark = b"\xEF\xBB\xBF<Delete><Object><Key>a</Key></Object></Delete>";
    assert_eq!(Delete::parse(with_mark), Ok(Delete { quiet: false, objects: vec![object("a")] }));
}

#[test]
fn delete_says_what_is_wrong() {
    let cases = [
        ("", XmlFault::Missing { element: "Object" }),
        ("<Quiet>true</Quiet>", XmlFault::Missing { element: "Object" }),
        ("<Object/>", XmlFault::Missing { element: "Key" }),
        ("<Object><Key/></Object>", XmlFault::Missing { element: "Key" }),
        ("<Object><Key>a</Key><Key>b</Key></Object>", XmlFault::Repeated { element: "Key" }),
        (
            "<Quiet>true</Quiet><Quiet>true</Quiet><Object><Key>a</Key></Object>",
            XmlFault::Repeated { element: "Quiet" },
        ),
        ("<Object><Key>a</Key></Object><Quiet>yes</Quiet>", XmlFault::BadValue { element: "Quiet" }),
        ("<Object><Key>a</Key><ETag>\"\"</ETag></Object>", XmlFault::BadValue { element: "ETag" }),
        ("<Object><Key>&eacute;</Key></Object>", XmlFault::UnknownReference),
        ("<Object><Key>&#0;</Key></Object>", XmlFault::UnknownReference),
        ("<Object><Key>&#xD800;</Key></Object>", XmlFault::UnknownReference),
        ("<Object><Key>&#x110000;</Key></Object>", XmlFault::UnknownReference),
        ("<Object><Key>a\0b</Key></Object>", XmlFault::ZeroByte),
    ];
    for (inner, expected) in cases {
        assert_eq!(fault(delete(inner)), Some(expected), "{inner}");
    }
    for inner in [
        "<Object><Key>a<b/></Key></Object>",
        "<Object><Keys>a</Keys></Object>",
        "<Object><key>a</key></Object>",
    ] {
        assert!(matches!(fault(delete(inner)), Some(XmlFault::UnexpectedElement { .. })), "{inner}");
    }
    for inner in
        ["text<Object><Key>a</Key></Object>", "<Object>a</Object>", "<Object>&amp;<Key>a</Key></Object>"]
    {
        assert!(matches!(fault(delete(inner)), Some(XmlFault::UnexpectedText { .. })), "{inner}");
    }
}

#[test]
fn conditions_that_are_not_checked_are_refused() {
    for element in ["LastModifiedTime", "Size"] {
        let inner = format!("<Object><Key>a</Key><{element}>1</{element}></Object>");
        assert_eq!(delete(&inner), Err(XmlError::NotImplemented { element }));
    }
}

#[test]
fn delete_takes_a_thousand_keys_and_no_more() {
    let thousand = "<Object><Key>k</Key></Object>".repeat(1000);
    assert_eq!(delete(&thousand).map(|delete| delete.objects.len()), Ok(1000));
    let one_more = "<Object><Key>k</Key></Object>".repeat(1001);
    assert_eq!(fault(delete(&one_more)), Some(XmlFault::TooManyItems { element: "Object", limit: 1000 }));
}

#[test]
fn bodies_that_are_no_document_are_refused() {
    for body in [
        "",
        "  ",
        "Delete",
        "<Delete>",
        "<Delete><Object><Key>a</Key></Object>",
        "<Delete><Object><Key>a</Object></Key></Delete>",
        "<Delete><Object><Key>a</Key></Object></Delete><Delete/>",
        "<Delete><Object><Key>a</Key></Object></Delete>tail",
        "<Delete><Object><Key>a</Key></Object></Delete></Delete>",
        "<Tagging><Object><Key>a</Key></Object></Tagging>",
        "<Delete a=><Object><Key>a</Key></Object></Delete>",
        "<Delete a='1><Object><Key>a</Key></Object></Delete>",
        "<Delete><?xml version=\"1.0\"?><Object><Key>a</Key></Object></Delete>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Delete><Object><Key>a</Key></Object></Delete>",
        "<Delete><Object><Key>a & b</Key></Object></Delete>",
        "{\"Delete\":{}}",
        "\u{FEFF}",
    ] {
        let result = Delete::parse(body.as_bytes());
        assert!(matches!(result, Err(XmlError::Malformed(_))), "{body}: {result:?}");
    }
    let root = Delete::parse(b"<Deleted/>");
    assert_eq!(fault(root), Some(XmlFault::WrongRoot { expected: "Delete" }));
}

#[test]
fn complete_reads_what_clients_send() {
    let body = format!(
        "<CompleteMultipartUpload{XMLNS}>\
         <Part><PartNumber>1</PartNumber><ETag>&quot;aa&quot;</ETag></Part>\
         <Part><ETag>bb</ETag><PartNumber> 2 </PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>\
         <Part><ChecksumSHA256>c2hh</ChecksumSHA256><ETag>&#34;cc&#34;</ETag><PartNumber>10000</PartNumber>\
         <ChecksumCRC64NVME/><ChecksumCRC32C>Y3JjMzJj</ChecksumCRC32C></Part>\
         </CompleteMultipartUpload>"
    );
    let complete = CompleteMultipartUpload::parse(body.as_bytes()).unwrap();
    let seen: Vec<_> = complete.parts.iter().map(|part| (part.part_number, part.etag.as_str())).collect();
    assert_eq!(seen, [(1, "aa"), (2, "bb"), (10_000, "cc")]);
    assert_eq!(complete.parts[0].checksums, []);
    assert_eq!(complete.parts[1].checksums, [super::crc32()]);
    let both = [("CRC32C", "Y3JjMzJj"), ("SHA256", "c2hh")]
        .map(|(algorithm, value)| Checksum { algorithm, value_base64: value.into() });
    assert_eq!(complete.parts[2].checksums, both);
}

#[test]
fn every_checksum_algorithm_has_its_element() {
    for algorithm in crate::s3::xml::CHECKSUM_ALGORITHMS {
        let body = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag>\
             <Checksum{algorithm}>dmFsdWU=</Checksum{algorithm}></Part></CompleteMultipartUpload>"
        );
        let parts = CompleteMultipartUpload::parse(body.as_bytes()).unwrap().parts;
        assert_eq!(parts[0].checksums, [Checksum { algorithm, value_base64: "dmFsdWU=".into() }]);
    }
}

#[test]
fn complete_says_what_is_wrong() {
    let part = |inner: &str| {
        CompleteMultipartUpload::parse(
            format!("<CompleteMultipartUpload><Part>{inner}</Part></CompleteMultipartUpload>").as_bytes(),
        )
    };
    let cases = [
        ("<ETag>a</ETag>", XmlFault::Missing { element: "PartNumber" }),
        ("<PartNumber>1</PartNumber>", XmlFault::Missing { element: "ETag" }),
        ("<PartNumber>one</PartNumber><ETag>a</ETag>", XmlFault::BadValue { element: "PartNumber" }),
        ("<PartNumber/><ETag>a</ETag>", XmlFault::BadValue { element: "PartNumber" }),
        ("<PartNumber>+1</PartNumber><ETag>a</ETag>", XmlFault::BadValue { element: "PartNumber" }),
        (
            "<PartNumber>1</PartNumber><PartNumber>1</PartNumber>",
            XmlFault::Repeated { element: "PartNumber" },
        ),
    ];
    for (inner, expected) in cases {
        assert_eq!(fault(part(inner)), Some(expected), "{inner}");
    }
    for number in ["0", "-1", "10001", "65537", "99999999999999999999999"] {
        let result = part(&format!("<PartNumber>{number}</PartNumber><ETag>a</ETag>"));
        assert_eq!(result, Err(XmlError::PartNumberOutOfRange), "{number}");
    }
    let empty = CompleteMultipartUpload::parse(b"<CompleteMultipartUpload/>");
    assert_eq!(fault(empty), Some(XmlFault::Missing { element: "Part" }));
}

#[test]
fn complete_takes_ten_thousand_parts_and_no_more() {
    let body = |count: u32| {
        let parts: String = (0..count)
            .map(|index| {
                format!("<Part><PartNumber>{}</PartNumber><ETag>e</ETag></Part>", index % 10_000 + 1)
            })
            .collect();
        CompleteMultipartUpload::parse(
            format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").as_bytes(),
        )
    };
    assert_eq!(body(10_000).map(|complete| complete.parts.len()), Ok(10_000));
    assert_eq!(fault(body(10_001)), Some(XmlFault::TooManyItems { element: "Part", limit: 10_000 }));
}

#[test]
fn create_bucket_reads_what_clients_send() {
    let cases = [
        (String::new(), None),
        ("\n ".into(), None),
        (format!("<CreateBucketConfiguration{XMLNS}/>"), None),
        (
            format!("<CreateBucketConfiguration{XMLNS}><LocationConstraint/></CreateBucketConfiguration>"),
            None,
        ),
        (
            "<CreateBucketConfiguration><LocationConstraint> eu-west-1\n</LocationConstraint>\
             </CreateBucketConfiguration>"
                .into(),
            Some("eu-west-1"),
        ),
    ];
    for (body, region) in cases {
        let parsed =
            CreateBucketConfiguration::parse(body.as_bytes()).map(|parsed| parsed.location_constraint);
        assert_eq!(parsed, Ok(region.map(str::to_owned)), "{body}");
    }
    for element in ["Location", "Bucket", "Tags"] {
        let body = format!("<CreateBucketConfiguration><{element}/></CreateBucketConfiguration>");
        let result = CreateBucketConfiguration::parse(body.as_bytes());
        assert_eq!(result, Err(XmlError::NotImplemented { element }));
    }
    let control = "<CreateBucketConfiguration><LocationConstraint>a&#1;b</LocationConstraint>\
                   </CreateBucketConfiguration>";
    let expected = XmlFault::BadValue { element: "LocationConstraint" };
    assert_eq!(fault(CreateBucketConfiguration::parse(control.as_bytes())), Some(expected));
}

fn versioning(inner: &str) -> Result<VersioningConfiguration, XmlError> {
    let body = format!("<VersioningConfiguration{XMLNS}>{inner}</VersioningConfiguration>");
    VersioningConfiguration::parse(body.as_bytes())
}

#[test]
fn versioning_reads_what_clients_send() {
    let (enabled, suspended) = (Some(VersioningStatus::Enabled), Some(VersioningStatus::Suspended));
    let cases = [
        ("<Status>Enabled</Status>", enabled),
        ("<Status> Suspended\n</Status>", suspended),
        ("<MfaDelete>Disabled</MfaDelete><Status>Enabled</Status>", enabled),
        ("", None),
    ];
    for (inner, status) in cases {
        assert_eq!(versioning(inner), Ok(VersioningConfiguration { status }), "{inner}");
    }
}

#[test]
fn versioning_says_what_is_wrong() {
    for word in ["enabled", "Disabled", ""] {
        let found = fault(versioning(&format!("<Status>{word}</Status>")));
        assert_eq!(found, Some(XmlFault::BadValue { element: "Status" }), "{word}");
    }
    let twice = "<Status>Enabled</Status><Status>Suspended</Status>";
    assert_eq!(fault(versioning(twice)), Some(XmlFault::Repeated { element: "Status" }));
    assert!(fault(versioning("<Colour>red</Colour>")).is_some());
    let mfa = "<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>";
    assert_eq!(versioning(mfa), Err(XmlError::NotImplemented { element: "MfaDelete" }));
    assert!(fault(versioning(&mfa.replace("lete>Enabled", "lete>On"))).is_some());
}

fn lifecycle(inner: &str) -> Result<LifecycleConfiguration, XmlError> {
    let body = format!("<LifecycleConfiguration{XMLNS}>{inner}</LifecycleConfiguration>");
    LifecycleConfiguration::parse(body.as_bytes())
}

#[test]
fn lifecycle_rules_come_back_as_they_were_sent() {
    let one =
        "<ID>a &amp; b</ID><Filter><Tag><Key>k</Key><Value></Value></Tag></Filter><Status>Enabled</Status>";
    let expiration = "<Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration>";
    let and = "<And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>l</Key><Value>w</Value></Tag>\
               <ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>7</ObjectSizeLessThan></And>";
    let rules = format!(
        "<Rule>{one}{expiration}</Rule>\
         <Rule><Prefix></Prefix><Status>Disabled</Status><Expiration><Days>3</Days></Expiration>\
         <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
         <Rule><Filter>{and}</Filter><Status>Enabled</Status><NoncurrentVersionExpiration>\
         <NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions>\
         </NoncurrentVersionExpiration></Rule>\
         <Rule><Filter></Filter><Status>Enabled</Status><Expiration>\
         <ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>"
    );
    let parsed = lifecycle(&rules).unwrap();
    let rendered = String::from_utf8(parsed.render()).unwrap();
    assert!(rendered.contains(&rules), "{rendered}");
    assert_eq!(LifecycleConfiguration::parse(rendered.as_bytes()), Ok(parsed));
}

#[test]
fn lifecycle_rules_that_mean_nothing_or_too_much() {
    let rule = |inner: &str| lifecycle(&format!("<Rule>{inner}</Rule>"));
    let status = "<Status>Enabled</Status>";
    let days = "<Expiration><Days>1</Days></Expiration>";
    assert!(rule(&format!("<Filter/>{status}{days}")).is_ok());
    for inner in [
        format!("{status}{days}"),
        format!("<Filter/>{days}"),
        format!("<Filter/><Prefix/>{status}{days}"),
        format!("<Filter/><Filter/>{status}{days}"),
        format!("<Filter><Prefix/><Prefix/></Filter>{status}{days}"),
        format!("<Filter><Prefix/><ObjectSizeLessThan>1</ObjectSizeLessThan></Filter>{status}{days}"),
        format!("<Filter><And/></Filter>{status}{days}"),
        format!("<Filter><And><And><Prefix/></And></And></Filter>{status}{days}"),
        format!("<Filter/>{status}{days}{days}"),
        format!("<Filter/>{status}<Expiration/>"),
        format!("<Filter/>{status}<Expiration><Days>1.5</Days></Expiration>"),
        format!("<Filter/>{status}<Expiration><Days>2147483648</Days></Expiration>"),
        format!("<Filter/>{status}<Expiration><Date>soon</Date></Expiration>"),
        format!(
            "<Filter/>{status}<Expiration><ExpiredObjectDeleteMarker>yes</ExpiredObjectDeleteMarker></Expiration>"
        ),
        format!("<Filter/>{status}<Expires><Days>1</Days></Expires>"),
    ] {
        assert!(fault(rule(&inner)).is_some(), "{inner}");
    }
    for element in ["Transition", "NoncurrentVersionTransition"] {
        let cold = format!("<{element}><Days>1</Days><StorageClass>GLACIER</StorageClass></{element}>");
        let outcome = rule(&format!("<Filter/>{status}{days}{cold}"));
        assert_eq!(outcome, Err(XmlError::NotImplemented { element }));
    }
}
