//! What policies are refused, and what the others say.

use super::*;
use crate::s3::error::S3Code;
use crate::s3::parameters::OWNER_ID;
use crate::tls::TlsVersion;

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
        secured: Some(Secured(Some(TlsVersion::V1_2))),
        signed: Some(Signed {
            place: "REST-HEADER",
            version: "AWS4-HMAC-SHA256",
            at_unix_s: Some(1_799_999_990),
        }),
        request_tags: vec![("team".into(), "red".into())],
        existing_tags: vec![("State".into(), "done".into())],
        ..Facts::default()
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
        ("{\"DateGreaterThan\": {\"aws:CurrentTime\": \"2099\"}}", false),
        ("{\"DateGreaterThan\": {\"aws:CurrentTime\": \"2026\"}}", true),
        ("{\"DateLessThan\": {\"aws:CurrentTime\": \"2099-01\"}}", true),
        ("{\"DateLessThan\": {\"aws:EpochTime\": 1800000001}}", true),
        ("{\"Bool\": {\"aws:SecureTransport\": \"true\"}}", true),
        ("{\"Bool\": {\"aws:SecureTransport\": \"false\"}}", false),
        ("{\"NumericLessThan\": {\"s3:TlsVersion\": 1.2}}", false),
        ("{\"NumericLessThan\": {\"s3:TlsVersion\": [\"1.3\"]}}", true),
        ("{\"NumericGreaterThan\": {\"s3:signatureAge\": 9999}}", true),
        ("{\"NumericGreaterThan\": {\"s3:signatureAge\": 10000}}", false),
        ("{\"StringEquals\": {\"aws:SourceVpc\": \"vpc-1\"}}", false),
        ("{\"StringNotEquals\": {\"aws:SourceVpc\": \"vpc-1\"}}", true),
        ("{\"Null\": {\"aws:MultiFactorAuthAge\": \"true\"}}", true),
        ("{\"Bool\": {\"aws:ViaAWSService\": \"false\"}}", true),
        ("{\"StringEquals\": {\"aws:PrincipalTag/team\": \"red\"}}", false),
        ("{\"ArnLike\": {\"aws:PrincipalArn\": \"arn:aws:iam::123456789012:user/GK*\"}}", true),
        ("{\"ArnEquals\": {\"aws:PrincipalArn\": \"arn:aws:iam::123456789012:user/GK2\"}}", false),
        ("{\"ArnNotEquals\": {\"aws:PrincipalArn\": \"arn:aws:iam::123456789012:user/GK2\"}}", true),
        ("{\"StringEquals\": {\"aws:username\": \"${aws:userid}\"}}", true),
        ("{\"StringLike\": {\"s3:prefix\": \"${aws:username}/*\"}}", false),
        ("{\"StringLike\": {\"s3:prefix\": \"home${*}\"}}", false),
        ("{\"StringEquals\": {\"s3:ExistingObjectTag/State\": \"${s3:RequestObjectTag/team}\"}}", false),
        ("{\"StringEquals\": {\"s3:ExistingObjectTag/State\": \"${s3:RequestObjectTag/x, 'done'}\"}}", true),
        ("{\"StringLike\": {\"aws:Referer\": \"*://page.example/${s3:x-amz-storage-class, 'a'}\"}}", true),
        ("{\"ArnEquals\": {\"aws:PrincipalArn\": \"arn:aws:iam::1:user/${aws:userid}\"}}", true),
        ("{\"Null\": {\"s3:ObjectCreationOperation\": \"true\"}}", true),
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
        allow("").replace("\"Principal\"", "\"NotPrincipal\""),
        allow("").replace("\"Principal\": \"*\"", "\"NotPrincipal\": {\"AWS\": [\"GK1\", \"*\"]}"),
        allow(", \"Effect\": \"Allow\""),
        allow(", \"Action\": \"s3:GetObject\""),
        with_condition(
            "{\"StringEquals\": {\"aws:Referer\": \"a\"}, \"StringEquals\": {\"aws:Referer\": \"b\"}}",
        ),
        with_condition("{\"DateEquals\": {\"aws:CurrentTime\": \"999\"}}"),
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
        // Where no variables can be.
        allow("").replace("\"*\"", "{\"AWS\": \"${aws:username}\"}"),
        allow("").replace("\"*\"", "{\"AWS\": \"arn:aws:iam::1:user/${aws:username}\"}"),
        statement("\"Action\": \"s3:${s3:prefix}\""),
        allow("").replace("photos/*", "${s3:prefix}/*"),
        allow("").replace("photos/*", "photos${s3:prefix}/*"),
        with_condition("{\"NumericEquals\": {\"s3:max-keys\": \"${s3:max-keys}\"}}"),
        with_condition("{\"DateLessThan\": {\"aws:CurrentTime\": \"${aws:CurrentTime}\"}}"),
        with_condition("{\"Bool\": {\"aws:SecureTransport\": \"${aws:SecureTransport}\"}}"),
        with_condition("{\"IpAddress\": {\"aws:SourceIp\": \"${aws:SourceIp}\"}}"),
        with_condition("{\"Null\": {\"aws:Referer\": \"${aws:SecureTransport}\"}}"),
        with_condition("{\"StringEquals\": {\"aws:Referer\": \"${aws:username, 'x}\"}}"),
        with_condition("{\"StringEquals\": {\"aws:Referer\": \"${s3:RequestObjectTagKeys}\"}}"),
    ];
    for statement in malformed {
        assert_eq!(parse(&statement).map(|_| ()), Err(S3Code::MalformedPolicy), "{statement}");
    }
    let not_there = [
        allow("").replace("\"*\"", "{\"Service\": \"logging.s3.amazonaws.com\"}"),
        allow("").replace("\"*\"", &format!("{{\"CanonicalUser\": \"{OWNER_ID}\"}}")),
        allow("").replace("photos/*", "photos/${aws:ResourceTag/team}/*"),
        with_condition("{\"StringLike\": {\"s3:prefix\": \"${s3:ResourceAccount}/*\"}}"),
        with_condition("{\"StringEquals\": {\"s3:ResourceAccount\": \"arn:a\"}}"),
        with_condition("{\"BinaryEquals\": {\"aws:Referer\": \"YQ==\"}}"),
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
        (with_condition("{\"IpAddress\": {\"aws:SourceIp\": [\"0.0.0.0/1\", \"128.0.0.0/1\"]}}"), true),
        (with_condition("{\"IpAddress\": {\"aws:SourceIp\": \"::ffff:0:0/96\"}}"), true),
        (with_condition("{\"IpAddress\": {\"aws:SourceIp\": [\"10.0.0.0/8\", \"2001:db8::/32\"]}}"), false),
        (with_condition("{\"IpAddress\": {\"aws:SourceIp\": [\"10.0.0.0/8\", \"2001::/31\"]}}"), true),
        (with_condition("{\"StringEquals\": {\"aws:username\": \"GK1\"}}"), false),
        (with_condition("{\"StringEquals\": {\"aws:username\": \"${aws:username}\"}}"), true),
        (with_condition("{\"StringEquals\": {\"aws:username\": \"${aws:PrincipalTag/a, 'GK1'}\"}}"), true),
        (with_condition("{\"StringEquals\": {\"aws:username\": [\"GK1\", \"${s3:prefix}\"]}}"), true),
        (with_condition("{\"StringEquals\": {\"aws:username\": \"a${*}\"}}"), false),
        (with_condition("{\"StringEquals\": {\"aws:SourceVpc\": \"vpc-1\"}}"), false),
        (with_condition("{\"StringEquals\": {\"aws:SourceVpc\": \"${aws:SourceVpc}\"}}"), true),
        (with_condition("{\"StringEquals\": {\"aws:Referer\": \"a\"}}"), true),
    ];
    for (statement, wanted) in cases {
        assert_eq!(parse(&statement).unwrap().is_public(), wanted, "{statement}");
    }
}

/// Every way to count values, plain and negated, with and without `IfExists`, on a key that the request has not.
#[test]
fn keys_of_what_there_is_none_of_are_taken() {
    for key in ["s3:DataAccessPointArn", "s3:destinationRegion", "aws:PrincipalTag/team", "aws:SourceVpc"] {
        let condition = format!("{{\"StringEquals\": {{\"{key}\": \"a\"}}}}");
        assert!(parse(&with_condition(&condition)).is_ok(), "{key}");
    }
}

#[test]
fn what_an_absent_key_fulfils() {
    let cases = [
        ("", "StringEquals", false),
        ("", "StringNotEquals", true),
        ("", "StringEqualsIfExists", true),
        ("", "StringNotEqualsIfExists", true),
        ("ForAllValues:", "StringEquals", true),
        ("ForAllValues:", "StringNotEquals", true),
        ("ForAllValues:", "StringEqualsIfExists", true),
        ("ForAllValues:", "StringNotEqualsIfExists", true),
        ("ForAnyValue:", "StringEquals", false),
        ("ForAnyValue:", "StringNotEquals", false),
        ("ForAnyValue:", "StringEqualsIfExists", true),
        ("ForAnyValue:", "StringNotEqualsIfExists", true),
    ];
    for (set, operator, wanted) in cases {
        let condition = format!("{{\"{set}{operator}\": {{\"s3:x-amz-storage-class\": \"STANDARD\"}}}}");
        let policy = parse(&with_condition(&condition)).unwrap();
        let verdict = if wanted { Verdict::Allow } else { Verdict::Silent };
        assert_eq!(says(&policy, Some("GK1"), "s3:GetObject", Some("a")), verdict, "{set}{operator}");
    }
}

#[test]
fn variables_open_to_each_caller_what_bears_the_name() {
    let homes = allow("").replace("photos/*", "photos/home/${aws:username}/*");
    let policy = parse(&format!("[{homes}]")).unwrap();
    let get = |access_key, key| says(&policy, access_key, "s3:GetObject", Some(key));
    assert_eq!(get(Some("GK1"), "home/GK1/a"), Verdict::Allow);
    assert_eq!(get(Some("GK1"), "home/GK2/a"), Verdict::Silent);
    assert_eq!(get(NOBODY, "home//a"), Verdict::Silent);
    assert!(policy.is_public());
    // Whoever has no name is allowed nothing by it, and denied what is not the name's.
    let others = homes.replace("Resource", "NotResource");
    let policy = parse(&format!("[{others}]")).unwrap();
    assert_eq!(says(&policy, NOBODY, "s3:GetObject", Some("a")), Verdict::Silent);
    assert_eq!(says(&policy, Some("GK1"), "s3:GetObject", Some("a")), Verdict::Allow);
    let policy = parse(&format!("[{}]", others.replace("Allow", "Deny"))).unwrap();
    assert_eq!(says(&policy, NOBODY, "s3:GetObject", Some("home//a")), Verdict::Deny);
    // Policies of the older version have none.
    let text = format!("{{\"Version\": \"2008-10-17\", \"Statement\": {homes}}}");
    assert_eq!(Policy::parse(text.as_bytes(), "photos").unwrap_err().code, S3Code::NotImplemented);
}

/// No request has tags of a caller. What an allowing and a denying statement then say to one for `home/a`, whose
/// prefix is `home/`.
#[test]
fn what_a_variable_that_stands_for_nothing_does() {
    use Verdict::{Allow, Deny, Silent};
    let resources = [
        ("\"Resource\": \"arn:aws:s3:::photos/${aws:PrincipalTag/t}*\"", Silent, Silent),
        ("\"Resource\": [\"arn:aws:s3:::photos/${aws:PrincipalTag/t}*\", \"*\"]", Allow, Deny),
        ("\"Resource\": \"arn:aws:s3:::photos/${aws:PrincipalTag/t, 'home'}/*\"", Allow, Deny),
        ("\"Resource\": \"arn:aws:s3:::photos/${aws:PrincipalTag/t, 'else'}/*\"", Silent, Silent),
        // Nothing is not listed: all else is, and only that is denied.
        ("\"NotResource\": \"arn:aws:s3:::photos/${aws:PrincipalTag/t}*\"", Silent, Deny),
        (
            "\"NotResource\": [\"arn:aws:s3:::photos/${aws:PrincipalTag/t}*\", \"arn:aws:s3:::photos/h*\"]",
            Silent,
            Silent,
        ),
        ("\"NotResource\": \"arn:aws:s3:::photos/${aws:PrincipalTag/t, 'else'}/*\"", Allow, Deny),
    ];
    let nothing = "\"${aws:PrincipalTag/t}\"";
    let or_home = "[\"${aws:PrincipalTag/t}\", \"home/\"]";
    let operators = [
        ("StringEquals", nothing, Silent, Silent),
        ("StringEquals", or_home, Allow, Deny),
        ("StringEquals", "\"${aws:PrincipalTag/t, 'home/'}\"", Allow, Deny),
        ("StringNotEquals", nothing, Allow, Deny),
        ("StringNotEquals", or_home, Silent, Silent),
        ("StringNotEquals", "\"${aws:PrincipalTag/t, 'home/'}\"", Silent, Silent),
        ("StringEqualsIgnoreCase", nothing, Silent, Silent),
        ("StringNotEqualsIgnoreCase", nothing, Allow, Deny),
        ("StringLike", "\"*${aws:PrincipalTag/t}*\"", Silent, Silent),
        ("StringNotLike", "\"*${aws:PrincipalTag/t}*\"", Allow, Deny),
        ("ArnLike", "\"*${aws:PrincipalTag/t}*\"", Silent, Silent),
        ("ArnNotLike", "\"*${aws:PrincipalTag/t}*\"", Allow, Deny),
        ("StringEqualsIfExists", nothing, Silent, Silent),
        ("StringNotEqualsIfExists", nothing, Allow, Deny),
        ("ForAnyValue:StringEquals", nothing, Silent, Silent),
        ("ForAnyValue:StringNotEquals", nothing, Allow, Deny),
        ("ForAllValues:StringEquals", nothing, Silent, Silent),
        ("ForAllValues:StringNotEquals", nothing, Allow, Deny),
    ];
    let mut cases: Vec<(String, Verdict, Verdict)> = Vec::new();
    for (resource, allows, denies) in resources {
        cases.push((allow("").replace("\"Resource\": \"arn:aws:s3:::photos/*\"", resource), allows, denies));
    }
    for (operator, values, allows, denies) in operators {
        let condition = format!("{{\"{operator}\": {{\"s3:prefix\": {values}}}}}");
        cases.push((with_condition(&condition), allows, denies));
        // Two that are not there are not equal.
        let absent = condition.replace("s3:prefix", "s3:x-amz-storage-class");
        if operator == "StringEquals" || operator == "StringNotEquals" {
            let (allows, denies) = if operator == "StringEquals" { (Silent, Silent) } else { (Allow, Deny) };
            cases.push((with_condition(&absent), allows, denies));
        }
    }
    for (statement, allows, denies) in cases {
        for (statement, wanted) in
            [(statement.clone(), allows), (statement.replace("\"Allow\"", "\"Deny\""), denies)]
        {
            let policy = parse(&statement).unwrap_or_else(|code| panic!("{statement}: {code:?}"));
            for access_key in [NOBODY, Some("GK1")] {
                assert_eq!(
                    says(&policy, access_key, "s3:GetObject", Some("home/a")),
                    wanted,
                    "{access_key:?} {statement}"
                );
            }
        }
    }
}

#[test]
fn what_variables_ask_for_is_looked_up() {
    let resource = |variable: &str| allow("").replace("photos/*", &format!("photos/{variable}"));
    let condition =
        |variable: &str| with_condition(&format!("{{\"StringLike\": {{\"aws:Referer\": \"{variable}\"}}}}"));
    let cases = [
        ("${s3:ExistingObjectTag/a}", true, false),
        ("${s3:ExistingObjectTag/a, 'x'}", true, false),
        ("${s3:RequestObjectTag/a}", false, true),
        ("${s3:x-amz-acl}", false, true),
        ("${s3:prefix}", false, false),
    ];
    for (variable, tags, upload) in cases {
        for statement in [resource(variable), condition(variable)] {
            let policy = parse(&statement).unwrap();
            assert_eq!((policy.needs_existing_tags(), policy.needs_upload()), (tags, upload), "{statement}");
        }
    }
}

#[test]
fn what_the_body_says_is_left_open_until_it_is_read() {
    let tagging = |text: String| text.replace("s3:GetObject", "s3:PutObjectTagging");
    let says = |policy: &Policy, awaits_body| {
        let facts = Facts { awaits_body, request_tags: Vec::new(), ..facts() };
        let action = "s3:PutObjectTagging";
        policy.evaluate(&Asked { access_key: NOBODY, action, key: Some("a"), facts: &facts })
    };
    let red = "{\"StringEquals\": {\"s3:RequestObjectTag/team\": \"red\"}}";
    let allowed = parse(&tagging(with_condition(red))).unwrap();
    assert_eq!((says(&allowed, true), says(&allowed, false)), (Verdict::Allow, Verdict::Silent));
    let absent = "{\"Null\": {\"s3:RequestObjectTag/team\": true}}";
    let denied = parse(&tagging(with_condition(absent).replace("Allow", "Deny"))).unwrap();
    assert_eq!((says(&denied, true), says(&denied, false)), (Verdict::Silent, Verdict::Deny));
    let elsewhere =
        "{\"Null\": {\"s3:RequestObjectTag/team\": true}, \"IpAddress\": {\"aws:SourceIp\": \"10.0.0.0/8\"}}";
    let elsewhere = parse(&tagging(with_condition(elsewhere))).unwrap();
    assert_eq!(says(&elsewhere, true), Verdict::Silent, "what is known already still counts");
    let variable = "${s3:RequestObjectTag/team, 'b'}";
    let like = format!("{{\"StringLike\": {{\"aws:Referer\": \"{variable}\"}}}}");
    let at = |resource: &str| allow("").replace("\"Resource\": \"arn:aws:s3:::photos/*\"", resource);
    for (text, allows) in [
        (with_condition(&like), (Verdict::Allow, Verdict::Silent)),
        (at(&format!("\"Resource\": \"arn:aws:s3:::photos/{variable}\"")), (Verdict::Allow, Verdict::Silent)),
        (
            at(&format!("\"NotResource\": \"arn:aws:s3:::photos/{variable}\"")),
            (Verdict::Allow, Verdict::Allow),
        ),
        (
            at(&format!("\"NotResource\": [\"arn:aws:s3:::photos/{variable}\", \"arn:aws:s3:::photos/a\"]")),
            (Verdict::Silent, Verdict::Silent),
        ),
    ] {
        let policy = parse(&tagging(text.clone())).unwrap();
        assert_eq!((says(&policy, true), says(&policy, false)), allows, "{text}");
    }
    let all_but =
        at(&format!("\"NotResource\": \"arn:aws:s3:::photos/{variable}\"")).replace("Allow", "Deny");
    let denied = parse(&tagging(all_but)).unwrap();
    assert_eq!((says(&denied, true), says(&denied, false)), (Verdict::Silent, Verdict::Deny));
    let all_and =
        at(&format!("\"Resource\": [\"arn:aws:s3:::photos/{variable}\", \"*\"]")).replace("Allow", "Deny");
    let denied = parse(&tagging(all_and)).unwrap();
    assert_eq!(says(&denied, true), Verdict::Deny, "which the body does not change");
}

#[test]
fn the_tags_of_what_is_replaced_say_nothing_about_what_replaces_it() {
    let state = with_condition("{\"StringEquals\": {\"s3:ExistingObjectTag/State\": \"done\"}}");
    let policy = parse(&state.replace("s3:GetObject", "s3:*Object")).unwrap();
    assert_eq!(says(&policy, NOBODY, "s3:GetObject", Some("a")), Verdict::Allow);
    assert_eq!(says(&policy, NOBODY, "s3:PutObject", Some("a")), Verdict::Silent);
}

#[test]
fn a_canonical_user_is_an_access_key() {
    let policy = parse(&allow("").replace("\"*\"", "{\"CanonicalUser\": \"GK1\"}")).unwrap();
    assert_eq!(policy.keys().collect::<Vec<_>>(), ["GK1"]);
    assert_eq!(says(&policy, Some("GK1"), "s3:GetObject", Some("a")), Verdict::Allow);
}

#[test]
fn making_an_object_is_told_from_preparing_one() {
    let condition = "{\"Bool\": {\"s3:ObjectCreationOperation\": \"true\"}}";
    let policy = parse(&with_condition(condition).replace("s3:GetObject", "s3:PutObject")).unwrap();
    for (prepares_object, wanted) in [(false, Verdict::Allow), (true, Verdict::Silent)] {
        let facts = Facts { prepares_object, ..facts() };
        let asked = Asked { access_key: NOBODY, action: "s3:PutObject", key: Some("a"), facts: &facts };
        assert_eq!(policy.evaluate(&asked), wanted);
    }
}
