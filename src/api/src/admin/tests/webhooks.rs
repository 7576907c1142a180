//! Webhooks from registration to deletion.

use super::Home;
use serde_json::{Value, json};

#[tokio::test]
async fn a_webhook_is_registered_shown_changed_and_deleted() {
    let home = Home::new().await;
    assert_eq!(home.ok("ListWebhooks", Value::Null).await, json!([]));
    let made =
        home.ok("CreateWebhook", json!({ "name": "thumbs", "url": "http://a:1/", "token": "s3cr3t" })).await;
    assert_eq!((&made["arn"], &made["hasToken"]), (&json!("arn:garage:sqs::thumbs:webhook"), &json!(true)));
    assert!(!made.to_string().contains("s3cr3t"), "a token is never shown");
    home.ok("CreateWebhook", json!({ "name": "thumbs", "url": "https://b/events" })).await;
    let listed = home.ok("ListWebhooks", Value::Null).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["url"], &listed[0]["hasToken"]), (&json!("https://b/events"), &json!(false)));
    assert_eq!(
        (&listed[0]["waiting"], &listed[0]["lost"], &listed[0]["oldest"]),
        (&json!(0), &json!(0), &Value::Null)
    );
    home.ok("DeleteWebhook?name=thumbs", json!({})).await;
    home.refused("DeleteWebhook?name=thumbs", json!({}), 404, "NoSuchWebhook").await;
    assert_eq!(home.ok("ListWebhooks", Value::Null).await, json!([]));
    home.ok("CreateWebhook", json!({ "name": "thumbs", "url": "http://a:1/" })).await;
    assert_eq!(home.ok("ListWebhooks", Value::Null).await[0]["name"], "thumbs", "a name may be used again");
}

#[tokio::test]
async fn what_is_no_webhook_is_refused() {
    let home = Home::new().await;
    for bad in [
        json!({ "name": "a b", "url": "http://a/" }),
        json!({ "name": "", "url": "http://a/" }),
        json!({ "name": "a", "url": "ftp://a/" }),
        json!({ "name": "a", "url": "http://me:password@a/" }),
        json!({ "name": "a", "url": "http://a/", "token": "line\nbreak" }),
    ] {
        home.refused("CreateWebhook", bad, 400, "InvalidRequest").await;
    }
    for number in 0..model::events::WEBHOOKS_MAX {
        home.ok("CreateWebhook", json!({ "name": format!("hook{number}"), "url": "http://a/" })).await;
    }
    home.refused("CreateWebhook", json!({ "name": "more", "url": "http://a/" }), 400, "InvalidRequest").await;
    home.ok("CreateWebhook", json!({ "name": "hook1", "url": "http://b/" })).await;
}
