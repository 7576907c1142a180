//! Access keys from creation to deletion.

use super::Home;
use crate::admin::{KeyFormatError, check_key_format};
use serde_json::{Value, json};

#[tokio::test]
async fn a_key_is_made_shown_changed_and_deleted() {
    let home = Home::new().await;
    let made = home.ok("CreateKey", json!({ "name": "backup" })).await;
    let id = made["accessKeyId"].as_str().unwrap();
    assert!(id.starts_with("GK") && id.len() == 26);
    assert_eq!(made["secretAccessKey"].as_str().unwrap().len(), 64);
    assert_eq!(made["permissions"], json!({ "createBucket": false }));
    assert_eq!((&made["buckets"], &made["expired"]), (&json!([]), &json!(false)));

    let listed = home.ok("ListKeys", Value::Null).await;
    assert_eq!(listed[0]["id"], id);
    assert_eq!((&listed[0]["name"], &listed[0]["expiration"]), (&json!("backup"), &Value::Null));
    assert!(listed[0]["created"].as_str().unwrap().ends_with('Z'));

    let shown = home.ok(&format!("GetKeyInfo?id={id}"), Value::Null).await;
    assert_eq!(shown["secretAccessKey"], Value::Null, "only who asks sees it");
    let shown = home.ok(&format!("GetKeyInfo?id={id}&showSecretKey=true"), Value::Null).await;
    assert_eq!(shown["secretAccessKey"], made["secretAccessKey"]);

    let change =
        json!({ "name": "b2", "allow": { "createBucket": true }, "expiration": "2001-02-03T04:05:06Z" });
    let changed = home.ok(&format!("UpdateKey?id={id}"), change).await;
    assert_eq!((&changed["name"], &changed["expired"]), (&json!("b2"), &json!(true)));
    assert_eq!(changed["permissions"]["createBucket"], true);
    assert_eq!(changed["expiration"], "2001-02-03T04:05:06.000Z");
    let changed = home.ok(&format!("UpdateKey?id={id}"), json!({ "deny": { "createBucket": true } })).await;
    assert_eq!((&changed["name"], &changed["permissions"]["createBucket"]), (&json!("b2"), &json!(false)));
    let changed = home.ok(&format!("UpdateKey?id={id}"), json!({ "neverExpires": true })).await;
    assert_eq!((&changed["expired"], &changed["expiration"]), (&json!(false), &Value::Null));

    home.ok(&format!("DeleteKey?id={id}"), Value::Null).await;
    home.refused(&format!("GetKeyInfo?id={id}"), Value::Null, 404, "NoSuchAccessKey").await;
    home.refused(&format!("DeleteKey?id={id}"), Value::Null, 404, "NoSuchAccessKey").await;
    home.refused(&format!("UpdateKey?id={id}"), json!({}), 404, "NoSuchAccessKey").await;
    assert_eq!(home.ok("ListKeys", Value::Null).await, json!([]));
}

#[tokio::test]
async fn a_new_key_may_be_given_everything_at_once() {
    let home = Home::new().await;
    let wish = json!({ "allow": { "createBucket": true }, "expiration": "2100-01-01T00:00:00+01:00" });
    let made = home.ok("CreateKey", wish).await;
    assert_eq!(made["permissions"]["createBucket"], true);
    assert_eq!((&made["expiration"], &made["expired"]), (&json!("2099-12-31T23:00:00.000Z"), &json!(false)));
    assert!(!home.ok("CreateKey", Value::Null).await["name"].as_str().unwrap().is_empty());
    for bad in [json!({ "expiration": "tomorrow" }), json!({ "expiration": "1960-01-01T00:00:00Z" })] {
        home.refused("CreateKey", bad, 400, "InvalidRequest").await;
    }
    for bad in [json!({ "name": "a\nb" }), json!({ "name": "n".repeat(300) })] {
        home.refused("CreateKey", bad, 400, "InvalidRequest").await;
    }
}

#[tokio::test]
async fn any_key_format_can_be_imported() {
    let home = Home::new().await;
    let import = |id: &str, secret: &str| json!({ "accessKeyId": id, "secretAccessKey": secret });
    let made = home.ok("ImportKey", import("minioadmin", "minioadmin")).await;
    assert_eq!(
        (&made["accessKeyId"], &made["secretAccessKey"]),
        (&json!("minioadmin"), &json!("minioadmin"))
    );
    home.ok("ImportKey", import("abc", "12345678")).await;
    home.refused("ImportKey", import("abc", "87654321"), 409, "KeyAlreadyExists").await;
    for (id, secret) in [("ab", "12345678"), ("abcd", "1234567"), ("a/bc", "12345678"), ("a bc", "12345678")]
    {
        home.refused("ImportKey", import(id, secret), 400, "InvalidRequest").await;
    }
    assert_eq!(home.model.names().keys.len(), 2);
}

#[test]
fn key_formats() {
    assert_eq!(check_key_format("abc", "12345678"), Ok(()));
    assert_eq!(check_key_format(&"a".repeat(128), &"s".repeat(256)), Ok(()));
    assert_eq!(check_key_format("AKIA.-_+~", "wJalr/XUtn+FEMI=K7"), Ok(()));
    for bad in ["", "ab", "a,b", "a=b", "a/b", "a\tb", "\u{e9}abc", &"a".repeat(129)] {
        assert_eq!(check_key_format(bad, "12345678"), Err(KeyFormatError::Id), "{bad}");
    }
    for bad in ["", "1234567", "1234 5678", "12345678\u{e9}", &"s".repeat(257)] {
        assert_eq!(check_key_format("abc", bad), Err(KeyFormatError::Secret), "{bad}");
    }
}

#[tokio::test]
async fn search_finds_one_or_says_which() {
    let home = Home::new().await;
    let import =
        |id: &str, name: &str| json!({ "accessKeyId": id, "secretAccessKey": "12345678", "name": name });
    for (id, name) in [("AAA1", "photos"), ("AAA2", "photos-old"), ("BBB1", "twin"), ("BBB2", "twin")] {
        home.ok("ImportKey", import(id, name)).await;
    }
    let found = async |pattern: &str| {
        home.ok(&format!("GetKeyInfo?search={pattern}"), Value::Null).await["accessKeyId"].clone()
    };
    assert_eq!(found("AAA1").await, "AAA1");
    assert_eq!(found("aaa2").await, "AAA2");
    assert_eq!(found("photos").await, "AAA1", "a whole name beats the beginning of one");
    assert_eq!(found("photos-").await, "AAA2");
    for several in ["AAA", "twin"] {
        home.refused(&format!("GetKeyInfo?search={several}"), Value::Null, 400, "InvalidRequest").await;
    }
    for none in ["zzz", ""] {
        home.refused(&format!("GetKeyInfo?search={none}"), Value::Null, 404, "NoSuchAccessKey").await;
    }
    home.refused("GetKeyInfo", Value::Null, 400, "InvalidRequest").await;
}
