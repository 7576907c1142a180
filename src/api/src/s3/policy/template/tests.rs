//! What variables stand for, and what is none.

use super::super::Facts;
use super::*;

fn facts() -> Facts {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Facts {
        headers: pairs(&[("referer", "a*b"), ("user-agent", "${*}?"), ("x-amz-acl", "")]),
        query: pairs(&[("prefix", "home/")]),
        source: Some("2001:db8::7".parse().unwrap()),
        now_unix_s: 1_800_000_000,
        existing_tags: pairs(&[("Team", "red"), ("a/b", "c"), ("empty", "")]),
        request_tags: pairs(&[("Team", "blue")]),
        ..Facts::default()
    }
}

fn asked<'a>(access_key: Option<&'a str>, facts: &'a Facts) -> Asked<'a> {
    Asked { access_key, action: "s3:GetObject", key: Some("a"), facts }
}

fn fits(text: &str, access_key: Option<&str>, subject: &str) -> bool {
    Template::parse(text, true).unwrap().fits(&asked(access_key, &facts()), subject)
}

#[test]
fn variables_stand_for_themselves() {
    let cases = [
        ("home/${aws:username}/*", Some("GK1"), "home/GK1/a", true),
        ("home/${AWS:UserId}/*", Some("GK1"), "home/GK2/a", false),
        ("home/${aws:username}/*", Some("*"), "home/GK1/a", false),
        ("home/${aws:username}/*", None, "home//a", false),
        ("a${*}b", None, "a*b", true),
        ("a${*}b", None, "axb", false),
        ("a${?}b", None, "axb", false),
        ("${$}{a}*", None, "${a}b", true),
        ("$a{b}", None, "$a{b}", true),
        ("${aws:Referer}", None, "a*b", true),
        ("${aws:Referer}", None, "axb", false),
        ("${aws:Referer}*", None, "a*bc", true),
        ("${aws:UserAgent}", None, "${*}?", true),
        ("${aws:UserAgent}", None, "*?", false),
        ("${S3:Prefix}${s3:prefix}*", None, "home/home/x", true),
        ("${s3:ExistingObjectTag/Team}", None, "red", true),
        ("${s3:existingobjecttag/Team}", None, "red", true),
        ("${s3:ExistingObjectTag/team}", None, "red", false),
        ("${s3:ExistingObjectTag/a/b}", None, "c", true),
        ("${s3:RequestObjectTag/Team}", None, "blue", true),
        ("${aws:SourceIp}", None, "2001:db8::7", true),
        ("${aws:SecureTransport}", None, "false", true),
        ("${aws:PrincipalType}", None, "Anonymous", true),
        ("${aws:PrincipalArn}", Some("GK1"), "arn:aws:iam:::user/GK1", true),
        ("${aws:CurrentTime}", None, "2027-01-15T08:00:00Z", true),
        ("${aws:EpochTime}", None, "1800000000", true),
        ("${aws:ViaAWSService}", None, "false", true),
    ];
    for (text, access_key, subject, wanted) in cases {
        assert_eq!(fits(text, access_key, subject), wanted, "{text} {access_key:?} {subject}");
    }
}

#[test]
fn what_is_not_there_fits_nothing_unless_it_has_a_default() {
    let cases = [
        ("*${aws:PrincipalTag/team}*", "", false),
        ("*${s3:x-amz-storage-class}*", "", false),
        ("*${s3:authType}*", "", false),
        // There, and empty.
        ("*${s3:x-amz-acl}*", "", false),
        ("*${s3:ExistingObjectTag/empty}*", "", false),
        ("${s3:x-amz-acl, 'private'}", "private", true),
        ("a-${aws:username, 'nobody'}-*", "a-nobody-x", true),
        ("a-${aws:username,'no body'}", "a-no body", true),
        ("${aws:username,   '$a}{, b'}", "$a}{, b", true),
        ("${aws:username, 'a'}${aws:PrincipalTag/x, 'b'}c", "abc", true),
        ("${s3:prefix, 'else'}", "home/", true),
        ("${s3:prefix, 'else'}", "else", false),
        ("${s3:prefix, 'else'}${aws:username}", "home/", false),
    ];
    for (text, subject, wanted) in cases {
        assert_eq!(fits(text, None, subject), wanted, "{text} {subject}");
        let facts = facts();
        let text_of = Template::parse(text, true).unwrap().text(&asked(None, &facts));
        assert!(!wanted || text.contains('*') || text_of.as_deref() == Some(subject), "{text}");
    }
}

#[test]
fn names_of_aws_are_compared_part_by_part() {
    let cases = [
        ("arn:aws:iam::123456789012:user/GK1", true),
        ("arn:aws:iam::*:user/*", true),
        ("arn:aws:iam::1:user/${aws:username}", true),
        ("arn:aws:iam::1:user/${aws:PrincipalTag/a}", false),
        ("arn:aws:iam::1:user/${aws:PrincipalTag/a, 'GK1'}", true),
        ("${aws:PrincipalArn}", true),
        ("arn:aws:iam::1:user/GK2", false),
        ("*", false),
        ("arn:aws:s3:::user/GK1", false),
    ];
    for (text, wanted) in cases {
        let (template, facts) = (Template::parse(text, true).unwrap(), facts());
        let found = template.fits_arn(&asked(Some("GK1"), &facts), "arn:aws:iam:::user/GK1");
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn what_is_no_variable_is_refused() {
    let malformed = [
        "${aws:username",
        "${aws:username, 'x}",
        "${aws:username, x'}",
        "${aws:username, x}",
        "${aws:username, }",
        "${aws:username, 'x' }",
        "${aws:username, 'x'",
        "${aws:username, 'it''s'}",
        "${aws:username, 'x}/${aws:userid, 'y'}",
        "${aws:username 'x'}",
        "${aws:username , 'x'}",
        "${ aws:username}",
        "${}",
        "${, 'x'}",
        "${*, 'x'}",
        "${username}",
        "${${aws:username}}",
        "${s3:ExistingObjectTag/${aws:username}}",
        "${s3:ExistingObjectTag/a b}",
        "${s3:RequestObjectTagKeys}",
        "${aws:CalledVia}",
        "${aws:PrincipalOrgPaths, 'x'}",
    ];
    let not_there = [
        "${s3:ResourceAccount}",
        "${aws:username, ''}",
        "${aws:username, '*'}",
        "${aws:username, 'a?'}",
        "${aws:username, '${*}'}",
        "${aws:username, '${aws:userid}'}",
    ];
    let code = |text: &str, has| Template::parse(text, has).map(|_| ()).map_err(|error| error.code);
    for text in malformed {
        assert_eq!(code(text, true), Err(S3Code::MalformedPolicy), "{text}");
    }
    for text in not_there {
        assert_eq!(code(text, true), Err(S3Code::NotImplemented), "{text}");
    }
    assert_eq!(code("${aws:username}", false), Err(S3Code::NotImplemented));
}

#[test]
fn nothing_fits_what_is_longer_than_any_text() {
    let long = "x".repeat(HEADERS_MAX_BYTES);
    let facts = Facts { headers: vec![("referer".into(), long)], ..facts() };
    let asked = asked(None, &facts);
    let twice = Template::parse(&"${aws:Referer}".repeat(2), true).unwrap();
    assert_eq!(twice.text(&asked).unwrap().len(), VALUES_MAX_BYTES);
    let often = Template::parse(&"${aws:Referer}".repeat(1000), true).unwrap();
    assert!(often.has_value(&asked) && often.text(&asked).is_none() && !often.fits(&asked, "x"));
}
