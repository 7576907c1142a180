//! Forgetting, as far as one node without links goes; real nodes do it in `script/clients/forgetting.py`.

use super::Home;
use serde_json::json;

#[tokio::test]
async fn only_another_storage_node_can_be_forgotten() {
    let home = Home::new().await;
    let own = home.cluster.id().to_string();
    for (id, word) in [("5f".repeat(32), "stores nothing"), (own, "itself"), ("5f5f".to_owned(), "node id")] {
        for endpoint in ["PreviewNodeForgetting", "ForgetNodes"] {
            let said = home.refused(endpoint, json!({ "nodes": [id] }), 400, "InvalidRequest").await;
            assert!(said.contains(word), "{said}");
        }
    }
    home.refused("ForgetNodes", json!({ "nodes": [] }), 400, "InvalidRequest").await;
}
