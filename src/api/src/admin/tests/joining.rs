//! Invitations and approvals, as far as one node without links goes; real nodes join in
//! `script/clients/joining.py`.

use super::Home;
use serde_json::{Value, json};

#[tokio::test]
async fn an_invitation_says_all_that_the_other_machine_needs() {
    let home = Home::new().await;
    let asked = json!({ "zone": "attic", "addresses": ["home.example:3901", "10.0.0.5:3901"] });
    let invitation = home.ok("CreateNodeInvitation", asked).await;
    assert_eq!((&invitation["zone"], &invitation["holdsForSecs"]), (&json!("attic"), &json!(86400)));
    assert_eq!(invitation["nodeId"], home.cluster.id().to_string());
    assert_eq!(
        (&invitation["addresses"][1], &invitation["localOnly"]),
        (&json!("10.0.0.5:3901"), &json!(false))
    );
    let code: cluster::joining::JoinCode = invitation["code"].as_str().unwrap().parse().unwrap();
    assert!(code.is_from(home.cluster.id()));
    // The zone is one that nobody has, nor is invited into.
    let near = json!({ "addresses": ["nas.local:3901"] });
    let second = home.ok("CreateNodeInvitation", near.clone()).await;
    assert_eq!((&second["zone"], &second["localOnly"]), (&json!("home2"), &json!(true)));
    assert_eq!(home.ok("CreateNodeInvitation", near).await["zone"], "home3");
    let secret = base::id::encode_hex(home.cluster.secret().as_bytes());
    assert!(!second.to_string().contains(&secret));
}

#[tokio::test]
async fn what_cannot_be_in_an_invitation_is_refused() {
    let home = Home::new().await;
    // Without links nobody could dial this node.
    let said = home.refused("CreateNodeInvitation", Value::Null, 400, "InvalidRequest").await;
    assert!(said.contains("rpc_bind_addr"), "{said}");
    for (wrong, word) in [
        (json!({ "addresses": ["home.example"] }), "host:port"),
        (json!({ "addresses": ["a:1", "a:1", "a:1", "a:1", "a:1"] }), "at most 4"),
        (json!({ "addresses": ["a:1"], "zone": "" }), "zone"),
    ] {
        let said = home.refused("CreateNodeInvitation", wrong, 400, "InvalidRequest").await;
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test]
async fn only_a_node_that_waits_can_be_approved() {
    let home = Home::new().await;
    let (own, other) = (home.cluster.id().to_string(), "5f".repeat(32));
    for id in [own.as_str(), &other, "5f5f", ""] {
        let body = json!({ "nodes": [id], "version": 2 });
        for endpoint in ["PreviewNodeApproval", "ApproveNodes"] {
            let said = home.refused(endpoint, body.clone(), 400, "InvalidRequest").await;
            assert!(said.contains("does not wait for approval"), "{said}");
        }
    }
    home.refused("ApproveNodes", json!({ "nodes": [], "version": 2 }), 400, "InvalidRequest").await;
    assert!(home.cluster.layout().staged().is_empty());
}
