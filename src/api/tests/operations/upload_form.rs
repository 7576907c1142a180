//! Uploads by a form: the policy decides, the fields are the object's, and nothing is ignored.

use super::access_lists::opened_up;
use super::calls::form;
use super::client::{Answer, Identity, Req, hex};
use super::home::{Home, REGION, Shelf, Who};
use api::s3::parameters::table::{Place, TABLE, Verdict};
use api::signature::{Scope, Secret, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The fields with which an identity signs a policy of these conditions; fields the policy names already.
fn signed(identity: &Identity, conditions: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let (date, day) = ("20261122T000000Z", "20261122");
    let credential = format!("{}/{day}/{REGION}/s3/aws4_request", identity.id);
    let policy = format!(
        "{{\"expiration\": \"2027-01-01T00:00:00Z\", \"conditions\": [{conditions}, {{\"x-amz-date\": \"{date}\"}}, \
         {{\"x-amz-credential\": \"{credential}\"}}, {{\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"}}]}}"
    );
    let policy = STANDARD.encode(policy);
    let (_, scope) = Scope::parse_credential(&credential).unwrap();
    let key = SigningKey::derive(&Secret::new(identity.secret.as_str()), &scope);
    let signature = hex(&key.sign(policy.as_bytes()));
    let mut all: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let more = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", date),
        ("policy", &policy),
        ("x-amz-signature", &signature),
    ];
    all.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    all
}

fn request(shelf: &Shelf, fields: &[(String, String)], file: &[u8]) -> Req {
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form(shelf, &fields, file)
}

const ANY_KEY: &str = "[\"starts-with\", \"$key\", \"\"]";

/// Sends a form whose policy allows any key and has these further conditions.
async fn post(home: &Home, shelf: &Shelf, conditions: &str, fields: &[(&str, &str)], file: &[u8]) -> Answer {
    let conditions =
        if conditions.is_empty() { ANY_KEY.to_owned() } else { format!("{ANY_KEY}, {conditions}") };
    let fields = signed(&home.identity(Who::Writer), &conditions, fields);
    home.send_unsigned(&request(shelf, &fields, file)).await
}

async fn get(home: &Home, shelf: &Shelf, key: &str) -> Answer {
    home.root(&Req::new("GET", &format!("/{}/{key}", shelf.bucket))).await
}

#[tokio::test(start_paused = true)]
async fn fields_become_the_object() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>";
    let conditions = "[\"starts-with\", \"$Content-Type\", \"image/\"], {\"x-amz-meta-who\": \"me\"}, \
         [\"starts-with\", \"$tagging\", \"\"], {\"acl\": \"private\"}, {\"success_action_status\": \"201\"}, \
         [\"content-length-range\", 3, 10]";
    let fields = [
        ("key", "user/${filename}"),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-who", "me"),
        ("tagging", tags),
        ("acl", "private"),
        ("success_action_status", "201"),
    ];
    let answer = post(&home, &shelf, conditions, &fields, b"0123456789").await;
    assert_eq!((answer.status, answer.xml("Key").as_str()), (201, "user/cat.jpg"), "{}", answer.text());
    assert_eq!(answer.xml("Location"), format!("/{}/user/cat.jpg", shelf.bucket));
    let found = get(&home, &shelf, "user/cat.jpg").await;
    assert_eq!((found.status, found.body.as_slice()), (200, b"0123456789".as_slice()));
    let shown = [("content-type", "image/jpeg"), ("x-amz-meta-who", "me"), ("x-amz-tagging-count", "1")];
    for (name, value) in shown {
        assert_eq!(found.header(name), Some(value), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_what_the_form_asks_for() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    for (asked, status) in [("200", 200), ("201", 201), ("204", 204), ("500", 204)] {
        let condition = format!("{{\"success_action_status\": \"{asked}\"}}");
        let fields = [("key", "k"), ("success_action_status", asked)];
        assert_eq!(post(&home, &shelf, &condition, &fields, b"x").await.status, status, "{asked}");
    }
    for (url, wanted) in [
        ("https://page.example/done", "https://page.example/done?bucket="),
        ("http://p?a=b", "http://p?a=b&bucket="),
    ] {
        let condition = format!("{{\"success_action_redirect\": \"{url}\"}}");
        let answer =
            post(&home, &shelf, &condition, &[("key", "a b"), ("success_action_redirect", url)], b"x").await;
        let location = answer.header("location").unwrap();
        assert_eq!(answer.status, 303);
        assert!(location.starts_with(wanted) && location.contains("&key=a%20b&etag=%22"), "{location}");
    }
    let condition = "{\"success_action_redirect\": \"javascript:alert(1)\"}";
    let fields = [("key", "k"), ("success_action_redirect", "javascript:alert(1)")];
    assert_eq!(post(&home, &shelf, condition, &fields, b"x").await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_does_not_allow_is_not_stored() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let range = "[\"content-length-range\", 2, 4]";
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);
    let cases: [Case<'_>; 9] = [
        ("{\"key\": \"other\"}", &[("key", "k")], b"x", 403, "AccessDenied"),
        ("{\"bucket\": \"other\"}", &[("key", "k")], b"x", 403, "AccessDenied"),
        ("", &[("key", "k"), ("x-amz-meta-a", "b")], b"x", 403, "AccessDenied"),
        (range, &[("key", "k")], b"x", 400, "EntityTooSmall"),
        (range, &[("key", "k")], b"12345", 400, "EntityTooLarge"),
        ("", &[], b"x", 400, "InvalidArgument"),
        ("[\"like\", \"$key\", \"k\"]", &[("key", "k")], b"x", 400, "InvalidPolicyDocument"),
        (
            "{\"x-amz-storage-class\": \"GLACIER\"}",
            &[("key", "k"), ("x-amz-storage-class", "GLACIER")],
            b"x",
            501,
            "NotImplemented",
        ),
        // Both values count, and the policy is asked of them together.
        ("{\"key\": \"k\"}", &[("key", "k"), ("Key", "k")], b"x", 403, "AccessDenied"),
    ];
    for (conditions, fields, file, status, code) in cases {
        let answer = post(&home, &shelf, conditions, fields, file).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{conditions} {fields:?}");
        assert_eq!(get(&home, &shelf, "k").await.status, 404, "{conditions} {fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_signature_by_who_may_write_opens_the_bucket() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let good = signed(&home.identity(Who::Writer), ANY_KEY, &[("key", "k")]);
    let send = |fields: Vec<(String, String)>| {
        let request = request(&shelf, &fields, b"x");
        let home = &home;
        async move { home.send_unsigned(&request).await }
    };
    let without = |name: &str| good.iter().filter(|(known, _)| known != name).cloned().collect::<Vec<_>>();
    let with = |name: &str, value: &str| {
        let replace = |(known, old): &(String, String)| {
            (known.clone(), if known == name { value.to_owned() } else { old.clone() })
        };
        good.iter().map(replace).collect::<Vec<_>>()
    };
    let reader = signed(&home.identity(Who::Reader), ANY_KEY, &[("key", "k")]);
    let other_policy = STANDARD.encode("{\"expiration\": \"2027-01-01T00:00:00Z\", \"conditions\": []}");
    let unknown = Identity { id: "GK000000000000000000000000".into(), ..home.identity(Who::Writer) };
    let cases = [
        (reader, 403, "AccessDenied"),
        (signed(&unknown, ANY_KEY, &[("key", "k")]), 403, "InvalidAccessKeyId"),
        (with("x-amz-signature", &"0".repeat(64)), 403, "SignatureDoesNotMatch"),
        (with("policy", &other_policy), 403, "SignatureDoesNotMatch"),
        (without("policy"), 400, "InvalidArgument"),
        (without("x-amz-signature"), 400, "InvalidArgument"),
        (without("x-amz-credential"), 400, "InvalidArgument"),
        (vec![("key".into(), "k".into())], 403, "AccessDenied"),
        (vec![("key".into(), "k".into()), ("policy".into(), other_policy.clone())], 403, "AccessDenied"),
    ];
    for (fields, status, code) in cases {
        let answer = send(fields.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{fields:?}");
    }
    assert_eq!(get(&home, &shelf, "k").await.status, 404);
    assert_eq!(send(good.clone()).await.status, 204);
    let twice = request(&shelf, &good, b"x");
    assert_eq!(home.root(&twice).await.code(), "InvalidArgument", "one signature, not two");
}

#[tokio::test(start_paused = true)]
async fn a_form_of_version_2_works_too() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let writer = home.identity(Who::Writer);
    let policy =
        STANDARD.encode(format!("{{\"expiration\": \"2027-01-01T00:00:00Z\", \"conditions\": [{ANY_KEY}]}}"));
    let mut mac = Hmac::<Sha1>::new_from_slice(writer.secret.as_bytes()).unwrap();
    mac.update(policy.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let fields =
        [("key", "old"), ("AWSAccessKeyId", &writer.id), ("policy", &policy), ("signature", &signature)];
    assert_eq!(home.send_unsigned(&form(&shelf, &fields, b"x")).await.status, 204);
    let forged = [("key", "new"), ("AWSAccessKeyId", &writer.id), ("policy", &policy), ("signature", "AAAA")];
    assert_eq!(home.send_unsigned(&form(&shelf, &forged, b"x")).await.code(), "SignatureDoesNotMatch");
}

#[tokio::test(start_paused = true)]
async fn a_large_file_streams_and_a_cut_one_is_not_stored() {
    let home = Home::new().await;
    let shelf = home.empty_shelf().await;
    let file: Vec<u8> = (0..3_500_000_u32).map(|number| (number % 251) as u8).collect();
    assert_eq!(post(&home, &shelf, "", &[("key", "large")], &file).await.status, 204);
    assert_eq!(get(&home, &shelf, "large").await.body, file);
    let fields = signed(&home.identity(Who::Writer), ANY_KEY, &[("key", "cut")]);
    let mut cut = request(&shelf, &fields, &file);
    cut.body.truncate(cut.body.len() - 20);
    let answer = home.send_unsigned(&cut).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "MalformedPOSTRequest"));
    let mut endless = request(&shelf, &fields, b"x");
    endless.body = b"--form\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n".to_vec();
    endless.body.extend(vec![b'k'; 100_000]);
    assert_eq!(home.send_unsigned(&endless).await.code(), "MaxPostPreDataLengthExceededError");
    assert_eq!(get(&home, &shelf, "cut").await.status, 404);
}

/// A header of that row, and a value that would have an effect.
fn telling(row: &str) -> (String, &'static str) {
    let everybody = "uri=http://acs.amazonaws.com/groups/global/AllUsers";
    let until = "2090-01-01T00:00:00Z";
    let (name, value) = match row {
        "x-amz-meta-" => ("x-amz-meta-a", "b"),
        "x-amz-grant-" => ("x-amz-grant-read", everybody),
        "x-amz-checksum-" => ("x-amz-checksum-crc32", "AAAAAA=="),
        "x-amz-server-side-encryption-customer-" => {
            ("x-amz-server-side-encryption-customer-algorithm", "AES256")
        }
        "x-amz-acl" => (row, "public-read"),
        "x-amz-tagging" => (row, "a=b"),
        "x-amz-website-redirect-location" => (row, "https://elsewhere.example/"),
        "x-amz-object-lock-mode" => (row, "COMPLIANCE"),
        "x-amz-object-lock-retain-until-date" => (row, until),
        "x-amz-object-lock-legal-hold" => (row, "ON"),
        "x-amz-server-side-encryption" => (row, "AES256"),
        "x-amz-sdk-checksum-algorithm" => (row, "SHA256"),
        "content-md5" => (row, "1B2M2Y8AsgTpgAmY7PhCfg=="),
        "if-match" => (row, "\"other\""),
        "if-none-match" => (row, "*"),
        "x-amz-expected-bucket-owner" => (row, "123456789012"),
        _ => (row, "something"),
    };
    (name.to_owned(), value)
}

/// What the request itself may say: what it is to fail by. Each of these values makes it fail.
const FAILS_BY: [&str; 4] = ["content-md5", "if-match", "if-none-match", "x-amz-expected-bucket-owner"];

/// What an object is, to its owner and to everybody.
async fn appearance(home: &Home, shelf: &Shelf) -> (Vec<(String, String)>, String, u16) {
    let own = ["date", "last-modified", "x-amz-request-id", "x-amz-version-id"];
    let mut headers = get(home, shelf, "k").await.headers;
    headers.retain(|(name, _)| !own.contains(&name.as_str()));
    let path = format!("/{}/k", shelf.bucket);
    let list = home.root(&Req::new("GET", &path).query("acl", "")).await.text();
    (headers, list, home.send_unsigned(&Req::new("GET", &path)).await.status)
}

#[tokio::test(start_paused = true)]
async fn what_stands_beside_a_form_gives_its_object_nothing() {
    let home = Home::new().await;
    let shelf = opened_up(&home, home.locked_shelf().await).await;
    let plain = request(&shelf, &signed(&home.identity(Who::Writer), ANY_KEY, &[("key", "k")]), b"x");
    assert_eq!(home.send_unsigned(&plain).await.status, 204);
    let wanted = appearance(&home, &shelf).await;
    assert_eq!(wanted.2, 403, "the bucket is not public");
    let obeyed = |verdict| matches!(verdict, Verdict::Obeyed | Verdict::ObeyedOnly);
    let rows =
        TABLE.iter().filter(|row| row.place == Place::Header && row.operations.contains(&"PostObject"));
    let rows: Vec<_> = rows.filter(|row| obeyed(row.verdict)).map(|row| row.name).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let (name, value) = telling(row);
        let beside = plain.clone().without(&name).header(&name, value);
        // The form's own type is what makes it a form.
        let with_header = if name == "content-type" { plain.clone() } else { beside };
        for (place, request) in [("header", with_header), ("query", plain.clone().query(&name, value))] {
            let answer = home.send_unsigned(&request).await;
            if place == "header" && FAILS_BY.contains(&name.as_str()) {
                assert!(answer.status >= 400, "{name} is obeyed");
                continue;
            }
            assert_eq!(answer.status, 204, "{name} in the {place}: {}", answer.text());
            assert_eq!(appearance(&home, &shelf).await, wanted, "{name} in the {place}");
        }
    }
    // Whoever signs the whole request says what stands in it.
    let own = form(&shelf, &[("key", "k")], b"x").header("x-amz-acl", "public-read");
    assert_eq!(home.root(&own).await.status, 204);
    assert_eq!(appearance(&home, &shelf).await.2, 200);
}
