//! Bucket policies over HTTP: every action opens and closes exactly its operations, a deny wins, anonymous
//! callers come in only where a policy lets them, and nobody goes around it.

use super::access_lists::opened_up;
use super::calls::{HOLD, OWNERSHIP, RETENTION, SITE, Sample, TAGS, form, part_list, thing};
use super::client::{Answer, Req};
use super::home::{Home, Shelf, Who};
use Who::{Creator, Root, Stranger, Writer};
use api::s3::access::Access;
use api::s3::operation::{OPERATIONS, Operation, Target};
use model::admin::BucketChange;
use model::rows::bucket::Quotas;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
async fn variables_stand_for_what_the_request_its_body_and_the_object_say() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let bucket = &shelf.bucket;
    let put_tags = |value: &str| {
        let document = TAGS.replace("sold + gone", value);
        thing("PUT", &shelf).query("tagging", "").body(document.as_bytes())
    };
    let at = |actions: &[&str], principal: &str, place: &str| {
        let all = format!("[\"arn:aws:s3:::{bucket}\", \"arn:aws:s3:::{bucket}/*\"]");
        statement("Allow", principal, actions, &shelf, "")
            .replace(&all, &format!("\"arn:aws:s3:::{bucket}/{place}\""))
    };
    // The tags that the object has.
    set(&home, &shelf, &[at(&["s3:GetObject"], "\"*\"", "${s3:ExistingObjectTag/state}")]).await;
    for (value, status) in [("thing", 200), ("other", 403)] {
        assert_eq!(home.root(&put_tags(value)).await.status, 200);
        assert_eq!(home.send_unsigned(&thing("GET", &shelf)).await.status, status, "{value}");
    }
    // Those that a body gives it.
    let stranger = one(&home, Stranger);
    let tagged = at(&["s3:PutObjectTagging"], &stranger, "${s3:RequestObjectTag/state, 'else'}");
    set(&home, &shelf, &[tagged]).await;
    assert_eq!(home.send_as(Stranger, &put_tags("other")).await.status, 403);
    assert_eq!(home.send_as(Stranger, &put_tags("thing")).await.status, 200);
    // Those that the request gave that began an upload.
    let actions = ["s3:PutObject", "s3:PutObjectTagging"];
    set(&home, &shelf, &[at(&actions, &stranger, "${s3:RequestObjectTag/team}/*")]).await;
    let parts = |method: &str| Req::new(method, &format!("/{bucket}/red/p"));
    let create =
        |team: &str| parts("POST").query("uploads", "").header("x-amz-tagging", format!("team={team}"));
    assert_eq!(home.send_as(Stranger, &create("blue")).await.status, 403);
    let upload = home.send_as(Stranger, &create("red")).await.xml("UploadId");
    let part = parts("PUT").query("partNumber", "1").query("uploadId", &upload).body(b"part");
    assert_eq!(home.send_as(Stranger, &part).await.status, 200);
    // Each caller's folder, and that of those who have no name.
    let own = ", \"Condition\": {\"StringLike\": {\"s3:prefix\": \"${aws:username, 'nobody'}/*\"}}";
    set(&home, &shelf, &[statement("Allow", "\"*\"", &["s3:ListBucket"], &shelf, own)]).await;
    let list = |folder: &str| {
        Req::new("GET", &format!("/{bucket}")).query("list-type", "2").query("prefix", &format!("{folder}/"))
    };
    let name = home.identity(Stranger).id.clone();
    assert_eq!(home.send_as(Stranger, &list(&name)).await.status, 200);
    assert_eq!(home.send_as(Stranger, &list("nobody")).await.status, 403);
    assert_eq!(home.send_unsigned(&list("nobody")).await.status, 200);
    assert_eq!(home.send_unsigned(&list(&name)).await.status, 403);
    // The denial in AWS's documentation, which holds where nobody has tags.
    let team = ", \"Condition\": {\"StringNotEquals\": {\"s3:ExistingObjectTag/state\": \"${aws:PrincipalTag/state}\"}}";
    set(&home, &shelf, &[statement("Deny", "\"*\"", &["s3:GetObject"], &shelf, team)]).await;
    assert_denied("GetObject", &thing("GET", &shelf), &home.root(&thing("GET", &shelf)).await);
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

#[tokio::test(start_paused = true)]
async fn conditions_see_every_grant_that_counts() {
    let home = Home::new().await;
    let shelf = opened_up(&home, home.shelf().await).await;
    let grant = |who| format!("id=\"{}\"", home.identity(who).id);
    let wanted = grant(Creator).replace('"', "\\\"");
    let only = format!(", \"Condition\": {{\"StringNotEquals\": {{\"s3:x-amz-grant-read\": \"{wanted}\"}}}}");
    set(&home, &shelf, &[statement("Deny", "\"*\"", &["s3:PutObject"], &shelf, &only)]).await;
    let put = Req::new("PUT", &format!("/{}/k", shelf.bucket)).body(b"x");
    let one = put.header("x-amz-grant-read", grant(Creator));
    assert_eq!(home.root(&one).await.status, 200);
    let both = one.header("x-amz-grant-read", grant(Stranger));
    assert_eq!(home.root(&both).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn what_the_body_says_decides_when_it_is_read() {
    let home = Home::new().await;
    let shelf = home.locked_shelf().await;
    let when = |condition: &str| format!(", \"Condition\": {condition}");
    let open = TAGS.replace("sold + gone", "open");
    let tags = |text: &str| thing("PUT", &shelf).query("tagging", "").body(text.as_bytes());
    let stranger = one(&home, Stranger);
    let allow =
        |action: &str, condition: &str| statement("Allow", &stranger, &[action], &shelf, &when(condition));
    let deny =
        |action: &str, condition: &str| statement("Deny", "\"*\"", &[action], &shelf, &when(condition));
    set(
        &home,
        &shelf,
        &[
            allow("s3:PutObjectTagging", "{\"StringEquals\": {\"s3:RequestObjectTag/state\": \"open\"}}"),
            allow(
                "s3:PutObjectRetention",
                "{\"NumericLessThan\": {\"s3:object-lock-remaining-retention-days\": 36500}}",
            ),
            allow("s3:PutObjectLegalHold", "{\"StringEquals\": {\"s3:object-lock-legal-hold\": \"ON\"}}"),
            deny("s3:PutObjectTagging", "{\"Null\": {\"s3:RequestObjectTag/state\": true}}"),
            deny("s3:PutObjectRetention", "{\"Null\": {\"s3:object-lock-mode\": true}}"),
        ],
    )
    .await;
    let retention = |text: &str| thing("PUT", &shelf).query("retention", "").body(text.as_bytes());
    let hold = |text: &str| thing("PUT", &shelf).query("legal-hold", "").body(text.as_bytes());
    let cases = [
        (tags(&open), 200, 200),
        (tags(TAGS), 403, 200),
        (tags(&TAGS.replace("state", "other")), 403, 403),
        (retention(RETENTION), 200, 200),
        (retention(&RETENTION.replace("2090", "2190")), 403, 200),
        (hold(HOLD), 200, 200),
        (hold(&HOLD.replace("ON", "OFF")), 403, 200),
    ];
    for (request, of_stranger, of_root) in cases {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let answer = home.send_as(Stranger, &request).await;
        assert_eq!(answer.status, of_stranger, "{body}: {}", answer.text());
        let answer = home.root(&request).await;
        assert_eq!(answer.status, of_root, "{body}: {}", answer.text());
        assert_eq!(home.send_as(Creator, &request).await.status, 403, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_must_not_be_public_becomes_no_site() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let at = |method: &str, query: &str| Req::new(method, &format!("/{}", shelf.bucket)).query(query, "");
    let status = at("GET", "policyStatus");
    assert_eq!(home.root(&status).await.code(), "NoSuchBucketPolicy");
    let site = at("PUT", "website").body(SITE.as_bytes());
    assert_eq!(home.root(&site).await.status, 200);
    assert_eq!(home.root(&status).await.xml("IsPublic"), "true");
    assert_eq!(home.root(&at("DELETE", "website")).await.status, 204);
    let block = "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>";
    assert_eq!(home.root(&at("PUT", "publicAccessBlock").body(block.as_bytes())).await.status, 200);
    assert_denied("PutBucketWebsite", &site, &home.root(&site).await);
    assert_eq!(home.root(&at("GET", "website")).await.code(), "NoSuchWebsiteConfiguration");
    let elsewhere = "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>b.example</HostName>\
        </RedirectAllRequestsTo></WebsiteConfiguration>";
    let redirects = at("PUT", "website").body(elsewhere.as_bytes());
    assert_eq!(home.root(&redirects).await.status, 200, "which shows nothing");
    assert_eq!(home.root(&status).await.code(), "NoSuchBucketPolicy");
}

#[tokio::test(start_paused = true)]
async fn the_tags_of_an_object_do_not_count_where_it_is_replaced() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let tags = thing("PUT", &shelf).query("tagging", "").body(TAGS.as_bytes());
    assert_eq!(home.root(&tags).await.status, 200);
    let sold = ", \"Condition\": {\"StringEquals\": {\"s3:ExistingObjectTag/state\": \"sold + gone\"}}";
    let actions = ["s3:PutObject", "s3:GetObject"];
    set(&home, &shelf, &[statement("Allow", "\"*\"", &actions, &shelf, sold)]).await;
    assert_eq!(home.send_unsigned(&thing("GET", &shelf)).await.status, 200);
    assert_eq!(home.send_unsigned(&thing("PUT", &shelf).body(b"x")).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_full_bucket_takes_no_bytes_by_forms_and_copies() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let (id, _) = home.model.names().resolve(&shelf.bucket, None).unwrap().unwrap();
    let quotas = Some(Quotas { size_bytes: Some(20), objects: None });
    home.model.update_bucket(id, BucketChange { quotas, ..BucketChange::default() }).await.unwrap();
    // The form announces more than ever comes: it is answered before that.
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    let large = form(&shelf, &[("key", "new")], b"x").header("content-length", "1000000");
    let large =
        large.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").signed(&home.identity(Root), now_unix_s);
    let mut stream = home.connect().await;
    stream.write_all(&large.to_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let began = home.env.clock.mono();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = Answer::parse(&answer).unwrap();
    assert_eq!(answer.code(), "QuotaExceeded", "{}", answer.text());
    assert!(home.env.clock.mono().saturating_sub(began) < Duration::from_secs(10));
    let (_, part) = Sample::of("UploadPartCopy").prepare(&home).await;
    let part = Req { path: format!("/{}/parts", shelf.bucket), ..part.without("uploadId") };
    let part = part.query("uploadId", &shelf.upload);
    assert_eq!(home.root(&part).await.code(), "QuotaExceeded");
    let copy = Req::new("PUT", &format!("/{}/copy", shelf.bucket))
        .header("x-amz-copy-source", format!("/{}/book", shelf.library));
    assert_eq!(home.root(&copy).await.code(), "QuotaExceeded");
    let sealed = copy.header("x-amz-server-side-encryption", "AES256");
    assert_eq!(home.root(&sealed).await.code(), "QuotaExceeded");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_says_something_twice_is_refused_and_one_that_is_kept_lets_nobody_in() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let twice = statement("Deny", "\"*\"", &["s3:*"], &shelf, ", \"Effect\": \"Allow\"");
    let answer = try_set(&home, &shelf, std::slice::from_ref(&twice)).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "MalformedPolicy"));
    // As an earlier release kept it.
    let text = format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{twice}]}}");
    let stored = api::s3::policy::StoredPolicy { bucket: shelf.bucket.clone(), text };
    let document = api::s3::settings::document(&stored).unwrap();
    let (id, _) = home.model.names().resolve(&shelf.bucket, None).unwrap().unwrap();
    let settings = vec![(model::rows::bucket::Setting::Policy, Some(document))];
    home.model.update_bucket(id, BucketChange { settings, ..BucketChange::default() }).await.unwrap();
    for who in [Root, Writer, Stranger] {
        assert_eq!(home.send_as(who, &thing("GET", &shelf)).await.status, 403, "{who:?}");
    }
    let repair = Req::new("DELETE", &format!("/{}", shelf.bucket)).query("policy", "");
    assert_eq!(home.root(&repair).await.status, 204);
    assert_eq!(home.root(&thing("GET", &shelf)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn parts_are_judged_by_what_began_their_upload() {
    let home = Home::new().await;
    let shelf = opened_up(&home, home.locked_shelf().await).await;
    let conditions = [
        ("s3:x-amz-acl", "x-amz-acl", "private"),
        ("s3:x-amz-acl", "x-amz-acl", "public-read"),
        ("s3:x-amz-acl", "x-amz-acl", "bucket-owner-full-control"),
        ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption", "AES256"),
        ("s3:x-amz-storage-class", "x-amz-storage-class", "STANDARD"),
        ("s3:RequestObjectTag/team", "x-amz-tagging", "red"),
        ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold", "ON"),
    ];
    let parts = |method: &str| Req::new(method, &format!("/{}/p", shelf.bucket));
    let book = format!("/{}/book", shelf.library);
    for (key, header, value) in conditions {
        let only = format!(", \"Condition\": {{\"StringNotEquals\": {{\"{key}\": \"{value}\"}}}}");
        let none = Req::new("DELETE", &format!("/{}", shelf.bucket)).query("policy", "");
        assert_eq!(home.root(&none).await.status, 204);
        // Begun before there was a policy, by whoever said nothing.
        let bare = home.root(&parts("POST").query("uploads", "")).await.xml("UploadId");
        set(&home, &shelf, &[statement("Deny", "\"*\"", &["s3:PutObject"], &shelf, &only)]).await;
        let create = parts("POST").query("uploads", "");
        assert_eq!(home.root(&create).await.status, 403, "{key}");
        let sent = if header == "x-amz-tagging" { format!("team={value}") } else { value.to_owned() };
        let begun = home.root(&create.header(header, &sent)).await;
        assert_eq!(begun.status, 200, "{key} {value}: {}", begun.text());
        let upload = begun.xml("UploadId");
        let at =
            |method: &str, number: &str| parts(method).query("partNumber", number).query("uploadId", &upload);
        let answer = home.root(&at("PUT", "1").body(b"part").content_md5()).await;
        assert_eq!(answer.status, 200, "{key} {value}: {}", answer.text());
        let copied = home.root(&at("PUT", "2").header("x-amz-copy-source", &book)).await;
        assert_eq!(copied.status, 200, "{key} {value}: {}", copied.text());
        let list =
            part_list(&Shelf { part_etag: answer.header("etag").unwrap().to_owned(), ..shelf.clone() });
        let complete = parts("POST").query("uploadId", &upload).body(list.as_bytes());
        let done = home.root(&complete).await;
        assert_eq!(done.status, 200, "{key} {value}: {}", done.text());
        // What could have been said counts as said.
        let usual = ["private", "bucket-owner-full-control", "STANDARD"].contains(&value);
        let part = parts("PUT").query("partNumber", "1").query("uploadId", &bare).body(b"part").content_md5();
        assert_eq!(home.root(&part).await.status, if usual { 200 } else { 403 }, "{key} {value}");
    }
}

/// The policy that AWS documents to make every write conditional, uploads in parts only when they are completed.
#[tokio::test(start_paused = true)]
async fn a_policy_can_demand_that_nothing_is_overwritten() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let condition = ", \"Condition\": {\"Null\": {\"s3:if-none-match\": \"true\"}, \
        \"Bool\": {\"s3:ObjectCreationOperation\": \"true\"}}";
    set(&home, &shelf, &[statement("Deny", "\"*\"", &["s3:PutObject"], &shelf, condition)]).await;
    let at = |method: &str, key: &str| Req::new(method, &format!("/{}/{key}", shelf.bucket));
    let source = format!("/{}/book", shelf.library);
    let upload = home.root(&at("POST", "parts").query("uploads", "")).await.xml("UploadId");
    let part = at("PUT", "parts").query("partNumber", "1").query("uploadId", &upload).body(b"part");
    let etag = home.root(&part).await.header("etag").unwrap().to_owned();
    let list = part_list(&Shelf { part_etag: etag, ..shelf.clone() });
    let makes = [
        at("PUT", "put").body(b"x"),
        at("PUT", "copy").header("x-amz-copy-source", &source),
        form(&shelf, &[("key", "form")], b"x"),
        at("POST", "parts").query("uploadId", &upload).body(list.as_bytes()),
    ];
    for request in makes {
        assert_denied(&request.path, &request, &home.root(&request).await);
        let answer = home.root(&request.header("if-none-match", "*")).await;
        assert!(answer.status < 300, "{}", answer.text());
    }
}
