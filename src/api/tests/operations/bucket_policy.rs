//! Bucket policies over HTTP: every action opens and closes exactly its operations, a deny wins, anonymous
//! callers come in only where a policy lets them, and nobody goes around it.

use super::calls::{OWNERSHIP, Sample, TAGS, thing};
use super::client::{Answer, Req};
use super::home::{Home, Shelf, Who};
use Who::{Creator, Root, Stranger, Writer};
use api::s3::access::Access;
use api::s3::operation::{OPERATIONS, Operation, Target};

pub fn statement(effect: &str, principal: &str, actions: &[&str], shelf: &Shelf, more: &str) -> String {
    let actions: Vec<String> = actions.iter().map(|action| format!("\"{action}\"")).collect();
    let (actions, bucket) = (actions.join(", "), &shelf.bucket);
    format!(
        "{{\"Effect\": \"{effect}\", \"Principal\": {principal}, \"Action\": [{actions}], \
         \"Resource\": [\"arn:aws:s3:::{bucket}\", \"arn:aws:s3:::{bucket}/*\"]{more}}}"
    )
}

async fn try_set(home: &Home, shelf: &Shelf, statements: &[String]) -> Answer {
    let text = format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{}]}}", statements.join(", "));
    let put = Req::new("PUT", &format!("/{}", shelf.bucket)).query("policy", "");
    home.root(&put.body(text.as_bytes())).await
}

pub async fn set(home: &Home, shelf: &Shelf, statements: &[String]) {
    let answer = try_set(home, shelf, statements).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn one(home: &Home, who: Who) -> String {
    format!("{{\"AWS\": \"{}\"}}", home.identity(who).id)
}

/// The operations that a bucket's policy speaks of.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    let speaks = |operation: &&Operation| {
        operation.route.target != Target::Service && operation.access != Access::CreateBucket
    };
    OPERATIONS.iter().copied().filter(speaks)
}

fn assert_denied(name: &str, request: &Req, answer: &Answer) {
    let denied = answer.is_refusal(&request.method, 403, "AccessDenied");
    assert!(denied, "{name}: {} {}", answer.status, answer.text());
}

#[tokio::test(start_paused = true)]
async fn an_allow_opens_its_operation_to_whom_it_names() {
    let home = Home::new().await;
    for operation in operations() {
        let sample = Sample::of(operation.name);
        let (shelf, request) = sample.prepare(&home).await;
        let allow = statement("Allow", &one(&home, Stranger), operation.actions, &shelf, "");
        set(&home, &shelf, &[allow]).await;
        assert_denied(operation.name, &request, &home.send_as(Creator, &request).await);
        assert_denied(operation.name, &request, &home.send_unsigned(&request).await);
        let answer = home.send_as(Stranger, &request).await;
        if operation.name == "PutBucketLogging" {
            // The logs go to a bucket of the same owner, and that is not for a policy to say.
            assert_eq!(answer.code(), "InvalidTargetBucketForLogging");
            continue;
        }
        assert_eq!(answer.status, sample.status, "{}: {}", operation.name, answer.text());
        if operation.name == "DeleteObjects" {
            assert!(answer.text().contains("<Deleted>"), "{}", answer.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_actions_open_nothing() {
    let home = Home::new().await;
    let all: Vec<&str> = operations().flat_map(|operation| operation.actions.iter().copied()).collect();
    for operation in operations() {
        let (shelf, request) = Sample::of(operation.name).prepare(&home).await;
        let others: Vec<&str> =
            all.iter().copied().filter(|action| !operation.actions.contains(action)).collect();
        set(&home, &shelf, &[statement("Allow", "\"*\"", &others, &shelf, "")]).await;
        assert_denied(operation.name, &request, &home.send_as(Stranger, &request).await);
        assert_denied(operation.name, &request, &home.send_unsigned(&request).await);
    }
}

#[tokio::test(start_paused = true)]
async fn anonymous_callers_come_in_where_everybody_may_and_change_no_setting() {
    let home = Home::new().await;
    for operation in operations() {
        let sample = Sample::of(operation.name);
        let (shelf, request) = sample.prepare(&home).await;
        set(&home, &shelf, &[statement("Allow", "{\"AWS\": \"*\"}", &["s3:*"], &shelf, "")]).await;
        let answer = home.send_unsigned(&request).await;
        // The source of these two is in another bucket.
        let copies = ["CopyObject", "UploadPartCopy"].contains(&operation.name);
        if operation.access == Access::Owner || copies {
            assert_denied(operation.name, &request, &answer);
        } else {
            assert_eq!(answer.status, sample.status, "{}: {}", operation.name, answer.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deny_closes_its_operation_whatever_else_allows_it() {
    let home = Home::new().await;
    for operation in operations() {
        let sample = Sample::of(operation.name);
        let (shelf, request) = sample.prepare(&home).await;
        let allow = statement("Allow", "\"*\"", &["s3:*"], &shelf, "");
        let deny = statement("Deny", &one(&home, Root), operation.actions, &shelf, "");
        set(&home, &shelf, &[allow, deny]).await;
        let answer = home.root(&request).await;
        // Whoever owns the bucket must be able to repair its policy.
        let about_policy =
            ["PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"].contains(&operation.name);
        if about_policy {
            assert_eq!(answer.status, sample.status, "{}: {}", operation.name, answer.text());
        } else if operation.name == "DeleteObjects" {
            assert!(answer.text().contains("<Code>AccessDenied</Code>"), "{}", answer.text());
            assert!(!answer.text().contains("<Deleted>"));
        } else {
            assert_denied(operation.name, &request, &answer);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_name_of_a_bucket_leads_through_its_policy() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let (id, _) = home.model.names().resolve(&shelf.bucket, None).unwrap().unwrap();
    home.model.add_alias(base::BucketName::parse("other-name").unwrap(), id).await.unwrap();
    let deny = statement("Deny", "\"*\"", &["s3:GetObject"], &shelf, "");
    set(&home, &shelf, &[deny]).await;
    for name in [shelf.bucket.clone(), "other-name".to_owned(), id.to_string()] {
        let answer = home.root(&Req::new("GET", &format!("/{name}/thing"))).await;
        assert_eq!(answer.status, 403, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_judged_one_by_one() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let bucket = &shelf.bucket;
    let deny = format!(
        "{{\"Effect\": \"Deny\", \"Principal\": \"*\", \"Action\": \"s3:*\", \"Resource\": \"arn:aws:s3:::{bucket}/folder/*\"}}"
    );
    set(&home, &shelf, &[deny]).await;
    let both = b"<Delete><Object><Key>thing</Key></Object><Object><Key>folder/inner</Key></Object></Delete>";
    let request = Req::new("POST", &format!("/{bucket}")).query("delete", "").body(both).content_md5();
    let answer = home.send_as(Writer, &request).await;
    assert!(answer.text().contains("<Deleted><Key>thing</Key></Deleted>"), "{}", answer.text());
    assert!(answer.text().contains("<Error><Key>folder/inner</Key><Code>AccessDenied</Code>"));
    let copy = Req::new("PUT", &format!("/{bucket}/copy"))
        .header("x-amz-copy-source", format!("{bucket}/folder/inner"));
    assert_eq!(home.root(&copy).await.status, 403, "the source of a copy");
    let form = super::calls::form(&shelf, &[("key", "folder/new")], b"x");
    assert_eq!(home.root(&form).await.status, 403, "the key of a form");
    let form = super::calls::form(&shelf, &[("key", "new")], b"x");
    assert_eq!(home.root(&form).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn conditions_see_the_request_its_tags_and_the_objects() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let when = |condition: &str| format!(", \"Condition\": {condition}");
    let tag = |value: &str| TAGS.replace("sold + gone", value);
    let put_tags = |value: &str| thing("PUT", &shelf).query("tagging", "").body(tag(value).as_bytes());
    let get = thing("GET", &shelf);
    // The tags that the object has.
    let existing = when("{\"StringEquals\": {\"s3:ExistingObjectTag/state\": \"open\"}}");
    set(&home, &shelf, &[statement("Allow", "\"*\"", &["s3:GetObject"], &shelf, &existing)]).await;
    assert_eq!(home.send_unsigned(&get).await.status, 403);
    assert_eq!(home.root(&put_tags("open")).await.status, 200);
    assert_eq!(home.send_unsigned(&get).await.status, 200);
    // The tags in a document, and in a header.
    let asked = when("{\"StringEquals\": {\"s3:RequestObjectTag/state\": \"closed\"}}");
    let actions = ["s3:PutObject", "s3:PutObjectTagging"];
    set(&home, &shelf, &[statement("Deny", "\"*\"", &actions, &shelf, &asked)]).await;
    assert_eq!(home.send_as(Writer, &put_tags("closed")).await.status, 403);
    assert_eq!(home.send_as(Writer, &put_tags("open")).await.status, 200);
    let put = thing("PUT", &shelf).body(b"x");
    assert_eq!(home.send_as(Writer, &put.clone().header("x-amz-tagging", "state=closed")).await.status, 403);
    assert_eq!(home.send_as(Writer, &put.clone().header("x-amz-tagging", "state=open")).await.status, 200);
    // Tags need an allowance of their own.
    set(&home, &shelf, &[statement("Allow", "\"*\"", &["s3:PutObject"], &shelf, "")]).await;
    assert_eq!(home.send_unsigned(&put).await.status, 200);
    assert_eq!(home.send_unsigned(&put.header("x-amz-tagging", "state=open")).await.status, 403);
    // The address at the other end, and the query.
    for (network, status) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 403)] {
        let near = when(&format!("{{\"IpAddress\": {{\"aws:SourceIp\": \"{network}\"}}}}"));
        set(&home, &shelf, &[statement("Allow", "\"*\"", &["s3:GetObject"], &shelf, &near)]).await;
        assert_eq!(home.send_unsigned(&get).await.status, status, "{network}");
    }
    let folder = when("{\"StringEquals\": {\"s3:prefix\": \"folder/\"}}");
    set(&home, &shelf, &[statement("Allow", "\"*\"", &["s3:ListBucket"], &shelf, &folder)]).await;
    let list = Req::new("GET", &format!("/{}", shelf.bucket)).query("list-type", "2");
    assert_eq!(home.send_unsigned(&list).await.status, 403);
    assert_eq!(home.send_unsigned(&list.query("prefix", "folder/")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn public_access_is_blocked_where_it_is_to_be() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let public = statement("Allow", "\"*\"", &["s3:GetObject"], &shelf, "");
    let named = statement("Allow", &one(&home, Stranger), &["s3:GetObject"], &shelf, "");
    let path = format!("/{}", shelf.bucket);
    let block = |name: &str| {
        let document =
            format!("<PublicAccessBlockConfiguration><{name}>true</{name}></PublicAccessBlockConfiguration>");
        let home = &home;
        let put = Req::new("PUT", &path).query("publicAccessBlock", "").body(document.as_bytes());
        async move { assert_eq!(home.root(&put).await.status, 200) }
    };
    set(&home, &shelf, std::slice::from_ref(&public)).await;
    let status = home.root(&Req::new("GET", &path).query("policyStatus", "")).await;
    assert_eq!(status.xml("IsPublic"), "true");
    let get = thing("GET", &shelf);
    assert_eq!(home.send_unsigned(&get).await.status, 200);
    block("RestrictPublicBuckets").await;
    assert_eq!(home.send_unsigned(&get).await.status, 403);
    assert_eq!(home.send_as(Stranger, &get).await.status, 200, "access keys are not the public");
    block("BlockPublicPolicy").await;
    assert_eq!(home.send_unsigned(&get).await.status, 200, "what is set already stays");
    let refused = try_set(&home, &shelf, &[public]).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "AccessDenied"));
    set(&home, &shelf, &[named]).await;
    assert_eq!(home.send_unsigned(&get).await.status, 403);
    let odd = Req::new("PUT", &path).query("publicAccessBlock", "").body(OWNERSHIP.as_bytes());
    assert_eq!(home.root(&odd).await.code(), "MalformedXML");
}

#[tokio::test(start_paused = true)]
async fn policies_that_are_refused_change_nothing() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let allow = |principal: &str| statement("Allow", principal, &["s3:GetObject"], &shelf, "");
    let cases = [
        (allow("{\"AWS\": \"GK00000000\"}"), 400, "MalformedPolicy"),
        (allow("\"*\"").replace(&shelf.bucket, "elsewhere"), 400, "MalformedPolicy"),
        (allow("{\"Service\": \"s3.amazonaws.com\"}"), 501, "NotImplemented"),
        (format!("{}{}", allow("\"*\""), " ".repeat(20 << 10)), 400, "MaxMessageLengthExceeded"),
    ];
    for (statement, status, code) in cases {
        let answer = try_set(&home, &shelf, &[statement]).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
    let kept = home.root(&Req::new("GET", &format!("/{}", shelf.bucket)).query("policy", "")).await;
    assert_eq!(kept.text(), super::calls::policy(&home, &shelf));
    assert_eq!(home.send_unsigned(&thing("GET", &shelf)).await.status, 403);
}
