//! What policies are refused, and what the others say.

use super::*;
use crate::s3::error::S3Code;

const NOBODY: Option<&str> = None;

fn parse(statement: &str) -> Result<Policy, S3Code> {
    let text = format!("{{\"Version\": \"2012-10-17\", \"Statement\": {statement}}}");
    Policy::parse(text.as_bytes(), "photos").map_err(|error| error.code)
}

fn facts() -> Facts {
    Facts {
        headers: vec![
            ("x-amz-acl".into(), "private".into()),
            ("referer".into(), "https://page.example/a".into()),
        ],
        query: vec![("prefix".into(), "home/".into()), ("max-keys".into(), "10".into())],
        source: Some("192.0.2.7".parse().unwrap()),
        now_unix_s: 1_800_000_000,
        signed: Some(("REST-HEADER", "AWS4-HMAC-SHA256")),
        request_tags: vec![("team".into(), "red".into())],
        existing_tags: vec![("State".into(), "done".into())],
    }
}

fn says(policy: &Policy, access_key: Option<&str>, action: &str, key: Option<&str>) -> Verdict {
    policy.evaluate(&Asked { access_key, action, key, facts: &facts() })
}

fn allow(more: &str) -> String {
    format!(
        "{{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::photos/*\"{more}}}"
    )
}

fn with_condition(condition: &str) -> String {
    allow(&format!(", \"Condition\": {condition}"))
}

#[test]
fn who_what_and_where() {
    let policy = parse(
        "[{\"Sid\": \"a\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": [\"GK1\", \"arn:aws:iam::1:user/GK2\"]},
           \"Action\": [\"s3:Get*\", \"s3:ListBucket\"], \"Resource\": [\"arn:aws:s3:::photos\", \"arn:aws:s3:::photos/open/*\"]},
          {\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \"Resource\": \"arn:aws:s3:::photos/open/not/*\"}]",
    )
    .unwrap();
    let cases = [
        (Some("GK1"), "s3:GetObject", Some("open/a"), Verdict::Allow),
        (Some("GK2"), "s3:GetObjectTagging", Some("open/a"), Verdict::Allow),
        (Some("GK1"), "s3:ListBucket", None, Verdict::Allow),
        (Some("GK1"), "s3:GetObject", Some("other"), Verdict::Silent),
        (Some("GK1"), "s3:PutObject", Some("open/a"), Verdict::Silent),
        (Some("GK3"), "s3:GetObject", Some("open/a"), Verdict::Silent),
        (NOBODY, "s3:GetObject", Some("open/a"), Verdict::Silent),
        (Some("GK1"), "s3:GetObject", Some("open/not/a"), Verdict::Deny),
        (NOBODY, "s3:GetObject", Some("open/not/a"), Verdict::Deny),
    ];
    for (access_key, action, key, wanted) in cases {
        assert_eq!(says(&policy, access_key, action, key), wanted, "{access_key:?} {action} {key:?}");
    }
    assert_eq!(policy.keys().collect::<Vec<_>>(), ["GK1", "GK2"]);
    assert!(policy.may_allow(Some("GK1"), "s3:GetObject") && !policy.may_allow(NOBODY, "s3:GetObject"));
}

#[test]
fn what_is_negated_is_everything_else() {
    let deny = |principal: &str, action: &str, resource: &str| {
        parse(&format!("{{\"Effect\": \"Deny\", {principal}, {action}, {resource}}}")).unwrap()
    };
    let (all, any, here) = ("\"Principal\": \"*\"", "\"Action\": \"s3:*\"", "\"Resource\": \"*\"");
    let policy = deny("\"NotPrincipal\": {\"AWS\": \"GK1\"}", any, here);
    assert_eq!(says(&policy, Some("GK1"), "s3:GetObject", Some("a")), Verdict::Silent);
    assert_eq!(says(&policy, Some("GK2"), "s3:GetObject", Some("a")), Verdict::Deny);
    assert_eq!(says(&policy, NOBODY, "s3:ListBucket", None), Verdict::Deny);
    let policy = deny(all, "\"NotAction\": [\"s3:GetObject\", \"s3:List*\"]", here);
    assert_eq!(says(&policy, NOBODY, "s3:GetObject", Some("a")), Verdict::Silent);
    assert_eq!(says(&policy, NOBODY, "s3:PutObject", Some("a")), Verdict::Deny);
    let policy = deny(all, any, "\"NotResource\": \"arn:aws:s3:::photos/open/*\"");
    assert_eq!(says(&policy, NOBODY, "s3:GetObject", Some("open/a")), Verdict::Silent);
    assert_eq!(says(&policy, NOBODY, "s3:GetObject", Some("a")), Verdict::Deny);
    assert_eq!(says(&policy, NOBODY, "s3:ListBucket", None), Verdict::Deny);
}

#[test]
fn conditions() {
    let cases = [
        ("{\"StringEquals\": {\"s3:x-amz-acl\": [\"public-read\", \"private\"]}}", true),
        ("{\"StringEquals\": {\"s3:x-amz-acl\": \"Private\"}}", false),
        ("{\"StringEqualsIgnoreCase\": {\"S3:X-AMZ-ACL\": \"PRIVATE\"}}", true),
        ("{\"StringNotEquals\": {\"s3:x-amz-acl\": [\"public-read\", \"private\"]}}", false),
        ("{\"StringNotEquals\": {\"s3:x-amz-storage-class\": \"STANDARD\"}}", true),
        ("{\"StringEquals\": {\"s3:x-amz-storage-class\": \"STANDARD\"}}", false),
        ("{\"StringEqualsIfExists\": {\"s3:x-amz-storage-class\": \"STANDARD\"}}", true),
        ("{\"Null\": {\"s3:x-amz-storage-class\": \"true\", \"s3:x-amz-acl\": false}}", true),
        ("{\"Null\": {\"s3:x-amz-storage-class\": \"false\"}}", false),
        ("{\"StringLike\": {\"aws:Referer\": [\"https://*.example/*\"]}}", true),
        ("{\"StringNotLike\": {\"aws:Referer\": [\"https://*.example/*\"]}}", false),
        ("{\"StringLike\": {\"s3:prefix\": \"home/?*\"}}", false),
        ("{\"NumericLessThanEquals\": {\"s3:max-keys\": 10}}", true),
        ("{\"NumericGreaterThan\": {\"s3:max-keys\": \"10\"}}", false),
        ("{\"NumericNotEquals\": {\"s3:max-keys\": [1, 2]}}", true),
        ("{\"IpAddress\": {\"aws:SourceIp\": [\"10.0.0.0/8\", \"192.0.2.0/24\"]}}", true),
        ("{\"IpAddress\": {\"aws:SourceIp\": \"192.0.2.8/32\"}}", false),
        ("{\"IpAddress\": {\"aws:SourceIp\": \"0.0.0.0/0\"}}", true),
        ("{\"IpAddress\": {\"aws:SourceIp\": \"2001:db8::/32\"}}", false),
        ("{\"IpAddress\": {\"aws:SourceIp\": \"::ffff:192.0.2.7\"}}", true),
        ("{\"NotIpAddress\": {\"aws:SourceIp\": \"192.0.2.7\"}}", false),
        ("{\"DateGreaterThan\": {\"aws:CurrentTime\": \"2026-11-29T00:00:00Z\"}}", true),
        ("{\"DateLessThan\": {\"aws:CurrentTime\": \"2026-11-29\"}}", false),
        ("{\"NumericGreaterThan\": {\"aws:EpochTime\": \"1799999999\"}}", true),
        ("{\"StringEquals\": {\"s3:ExistingObjectTag/State\": \"done\"}}", true),
        ("{\"StringEquals\": {\"s3:ExistingObjectTag/state\": \"done\"}}", false),
        ("{\"StringEquals\": {\"s3:RequestObjectTag/team\": \"red\"}}", true),
        ("{\"ForAllValues:StringEquals\": {\"s3:RequestObjectTagKeys\": [\"team\", \"x\"]}}", true),
        ("{\"ForAnyValue:StringEquals\": {\"s3:RequestObjectTagKeys\": \"x\"}}", false),
        ("{\"StringEquals\": {\"aws:username\": \"GK1\", \"s3:authType\": \"REST-HEADER\"}}", true),
        ("{\"StringEquals\": {\"aws:username\": \"GK1\", \"s3:authType\": \"POST\"}}", false),
        ("{\"StringEquals\": {\"aws:PrincipalType\": \"User\"}}", true),
        ("{\"Bool\": {\"aws:UserAgent\": \"true\"}}", false),
        ("{}", true),
    ];
    for (condition, wanted) in cases {
        let policy = parse(&with_condition(condition)).unwrap_or_else(|code| panic!("{condition}: {code:?}"));
        let verdict = if wanted { Verdict::Allow } else { Verdict::Silent };
        assert_eq!(says(&policy, Some("GK1"), "s3:GetObject", Some("a")), verdict, "{condition}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    let statement = |member: &str| allow("").replace("\"Action\": \"s3:GetObject\"", member);
    let malformed = [
        "1".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        allow(", \"Extra\": 1"),
        allow("").replace("Allow", "allow"),
        allow("").replace("\"*\"", "\"GK1\""),
        allow("").replace("\"*\"", "{\"AWS\": \"arn:aws:iam::1:root\"}"),
        allow("").replace("\"*\"", "{\"Robot\": \"*\"}"),
        allow(", \"NotPrincipal\": \"*\""),
        statement("\"Action\": \"s3:DeletObject\""),
        statement("\"Action\": []"),
        statement("\"Action\": 5"),
        statement("\"Action\": \"s3:ListBucket\""),
        statement("\"Sid\": \"no action\""),
        allow("").replace("photos/*", "other/*"),
        allow("").replace("photos/*", "photos2/*"),
        allow("").replace("photos/*", "photos"),
        allow("").replace("arn:aws:s3:::photos/*", "photos/*"),
        with_condition("[]"),
        with_condition("{\"StringSort\": {\"aws:Referer\": \"a\"}}"),
        with_condition("{\"ForSome:StringEquals\": {\"aws:Referer\": \"a\"}}"),
        with_condition("{\"StringEquals\": {\"referer\": \"a\"}}"),
        with_condition("{\"StringEquals\": {\"aws:Referer\": []}}"),
        with_condition("{\"StringEquals\": {\"aws:Referer\": {}}}"),
        with_condition("{\"NumericEquals\": {\"s3:max-keys\": \"ten\"}}"),
        with_condition("{\"IpAddress\": {\"aws:SourceIp\": \"192.0.2.0/33\"}}"),
        with_condition("{\"DateEquals\": {\"aws:CurrentTime\": \"yesterday\"}}"),
        with_condition("{\"Bool\": {\"aws:Referer\": \"maybe\"}}"),
        with_condition("{\"StringEquals\": {\"s3:RequestObjectTagKeys\": \"a\"}}"),
    ];
    for statement in malformed {
        assert_eq!(parse(&statement).map(|_| ()), Err(S3Code::MalformedPolicy), "{statement}");
    }
    let not_there = [
        allow("").replace("\"*\"", "{\"Service\": \"logging.s3.amazonaws.com\"}"),
        allow("").replace("photos/*", "photos/${aws:username}/*"),
        with_condition("{\"StringLike\": {\"s3:prefix\": \"${aws:username}/*\"}}"),
        with_condition("{\"Bool\": {\"aws:SecureTransport\": \"false\"}}"),
        with_condition("{\"StringEquals\": {\"aws:SourceVpc\": \"vpc-1\"}}"),
        with_condition("{\"ArnLike\": {\"aws:SourceArn\": \"arn:*\"}}"),
    ];
    for statement in not_there {
        assert_eq!(parse(&statement).map(|_| ()), Err(S3Code::NotImplemented), "{statement}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(parse(&deep).map(|_| ()), Err(S3Code::MalformedPolicy));
    assert_eq!(parse(&allow(&" ".repeat(20 << 10))).map(|_| ()), Err(S3Code::MalformedPolicy));
    let version = allow("");
    let text = format!("{{\"Version\": \"2020-01-01\", \"Statement\": {version}}}");
    assert!(Policy::parse(text.as_bytes(), "photos").is_err());
}

#[test]
fn public_is_what_lets_strangers_in() {
    let cases = [
        (allow(""), true),
        (allow("").replace("Allow", "Deny"), false),
        (allow("").replace("\"*\"", "{\"AWS\": \"*\"}"), true),
        (allow("").replace("\"*\"", "{\"AWS\": \"GK1\"}"), false),
        (allow("").replace("\"Principal\": \"*\"", "\"NotPrincipal\": {\"AWS\": \"GK1\"}"), true),
        (with_condition("{\"IpAddress\": {\"aws:SourceIp\": \"192.0.2.0/24\"}}"), false),
        (with_condition("{\"IpAddress\": {\"aws:SourceIp\": \"0.0.0.0/0\"}}"), true),
        (with_condition("{\"NotIpAddress\": {\"aws:SourceIp\": \"192.0.2.0/24\"}}"), true),
        (with_condition("{\"StringEquals\": {\"aws:Referer\": \"a\"}}"), true),
    ];
    for (statement, wanted) in cases {
        assert_eq!(parse(&statement).unwrap().is_public(), wanted, "{statement}");
    }
}
