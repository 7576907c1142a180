//! A node whose rows of names are damaged in part: what they name is refused with 503, never as if it were not there.

use super::client::Req;
use super::home::{CONTENT, Home, Who};
use super::spoil::spoil;
use store::Space;

#[tokio::test(start_paused = true)]
async fn what_damaged_rows_name_is_refused_and_everything_else_is_served() {
    let home = Home::new().await;
    let (bucket, alias, whole) =
        (home.shelf().await.bucket, home.shelf().await.bucket, home.shelf().await.bucket);
    let id = home.model.names().aliases[&bucket];
    spoil(home.model.store(), Space::Bucket, id.as_bytes().to_vec()).await;
    spoil(home.model.store(), Space::Alias, alias.clone().into_bytes()).await;
    spoil(home.model.store(), Space::Key, home.identity(Who::Reader).id.into_bytes()).await;
    let home = home.restarted().await;
    let refused = [
        Req::new("GET", &format!("/{bucket}/thing")),
        Req::new("HEAD", &format!("/{bucket}")),
        Req::new("PUT", &format!("/{bucket}")),
        Req::new("PUT", &format!("/{bucket}/new")).body(b"content"),
        Req::new("DELETE", &format!("/{bucket}")),
        Req::new("GET", &format!("/{alias}/thing")),
        Req::new("PUT", &format!("/{alias}")),
        // It would not show the bucket.
        Req::new("GET", "/"),
    ];
    for request in refused {
        let answer = home.root(&request).await;
        assert_eq!(answer.status, 503, "{request:?}: {}", answer.text());
    }
    let thing = Req::new("GET", &format!("/{whole}/thing"));
    let answer = home.root(&Req::new("GET", &format!("/{bucket}/thing"))).await;
    assert!(
        answer.text().contains("a record of the table bucket is damaged on this node"),
        "{}",
        answer.text()
    );
    assert_eq!(home.send_as(Who::Reader, &thing).await.status, 503, "not as a key that does not exist");
    assert_eq!(home.root(&thing).await.body, CONTENT);
    assert_eq!(home.root(&Req::new("GET", "/nothing-there/thing")).await.status, 404);
}
