//! Endpoints of single nodes, asked on another node: two homes with links over a simulated network.

use super::super::for_nodes::CallEndpoint;
use super::{Home, default_config};
use ::cluster::FirstLayout;
use ::cluster::layout::Role;
use ::cluster::membership::{Membership, MembershipOptions, Rooms};
use bytes::Bytes;
use env::sim::{SimOptions, SimWorld};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Longer than links and a few rounds of gossip take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A home with links, and whether it answers for others.
struct Linked {
    home: Home,
    membership: Arc<Membership>,
}

impl Linked {
    async fn new(world: &Arc<SimWorld>, number: u16, first_layout: FirstLayout) -> Self {
        let home = Home::in_world(world, &format!("/{number}"), first_layout, default_config()).await;
        let options = MembershipOptions {
            listen: vec![([127, 0, 0, 1], 3900 + number).into()],
            advertised: None,
            first_peers: Vec::new(),
            release: "1.2.3".to_owned(),
            room: Arc::new(Rooms::default),
            courier: Arc::new(net::NoCourier),
        };
        let membership = Membership::start(&world.env(), &home.cluster, options).await.unwrap();
        Self { home, membership }
    }

    fn id(&self) -> String {
        self.home.cluster.id().to_string()
    }

    async fn connect(&self, other: &Self) {
        let address = format!("{}@{}", other.id(), other.membership.addresses()[0]);
        // One of another cluster is connected, too, and then said to be one.
        let _ = self.membership.connect(&address).await;
    }

    async fn until(&self, true_now: impl Fn(&Home) -> bool) {
        let until = async {
            while !true_now(&self.home) {
                env::sleep(Duration::from_millis(100)).await;
            }
        };
        assert!(env::timeout(PATIENCE, until).await.is_some(), "it never became true");
    }
}

fn world() -> Arc<SimWorld> {
    Arc::new(SimWorld::new(7, &SimOptions::default()))
}

fn home_role() -> FirstLayout {
    let role = Role { zone: "home".to_owned(), capacity_bytes: Some(1 << 30), tags: Vec::new() };
    FirstLayout::OneNode(role)
}

#[tokio::test(start_paused = true)]
async fn each_node_answers_for_itself_whoever_is_asked() {
    let world = world();
    let (first, second) =
        (Linked::new(&world, 1, home_role()).await, Linked::new(&world, 2, FirstLayout::Empty).await);
    second.connect(&first).await;
    first.until(|home| home.cluster.nodes().iter().filter(|node| node.is_up).count() == 2).await;
    let (ours, theirs) = (first.id(), second.id());
    let ask = async |node: &str| first.home.ok(&format!("GetNodeInfo?node={node}"), Value::Null).await;

    let older = ask(&theirs).await;
    assert!(older["error"][&theirs].as_str().unwrap().contains("its release does not answer"), "{older}");
    second.home.api.answer_nodes(second.membership.net());
    for (node, who) in [("self", vec![&ours]), (&ours, vec![&ours]), (&theirs, vec![&theirs])] {
        let told = ask(node).await;
        assert_eq!(told["error"], json!({}), "{node}");
        let nodes: Vec<&String> = told["success"].as_object().unwrap().keys().collect();
        assert_eq!(nodes, who, "{node}");
        assert_eq!(told["success"][who[0]]["nodeId"], **who[0]);
    }
    let all = ask("*").await;
    assert_eq!((all["success"].as_object().unwrap().len(), &all["error"]), (2, &json!({})));

    // What is started, is started there and not here.
    let start = json!({ "repairType": { "scrub": "start" } });
    first.home.ok(&format!("LaunchRepairOperation?node={theirs}"), start).await;
    let is_running = |linked: &Linked| linked.home.model.blocks().scrub_status().unwrap().running;
    assert_eq!((is_running(&first), is_running(&second)), (false, true));
    let none = first.home.ok(&format!("GetWorkerInfo?node={theirs}"), json!({ "id": 99 })).await;
    assert!(none["error"][&theirs].as_str().unwrap().contains("no worker 99"), "{none}");
    first.home.refused("GetWorkerInfo?node=*", json!({ "id": "x" }), 400, "InvalidRequest").await;

    let nobody = "ab".repeat(32);
    let told = ask(&nobody).await;
    assert_eq!(told["error"][&nobody], "not connected: no node with this id is known here");
    let Linked { home, membership } = second;
    drop((home, membership));
    first
        .until(|home| home.cluster.nodes().iter().all(|node| node.is_up == (node.id == home.cluster.id())))
        .await;
    let told = ask("*").await;
    let why = told["error"][&theirs].as_str().unwrap();
    assert!(why.starts_with("not connected: it has not answered for "), "{why}");
    assert_eq!(told["success"].as_object().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_answered_for_others_and_nobody_of_another_cluster() {
    let world = world();
    let (first, second) =
        (Linked::new(&world, 1, home_role()).await, Linked::new(&world, 2, home_role()).await);
    first.home.api.answer_nodes(first.membership.net());
    second.connect(&first).await;
    let ask = async |endpoint: &str| {
        let request = CallEndpoint { endpoint: endpoint.to_owned(), body: Bytes::new() };
        let told = second.membership.net().call(first.home.cluster.id(), &request, PATIENCE).await.unwrap();
        format!("{told:?}")
    };
    for endpoint in ["ListKeys", "Metrics", "GetClusterStatus", "CreateKey", "NoEndpoint", ""] {
        let told = ask(endpoint).await;
        assert!(
            told.starts_with("Refused(\"`") && told.contains("is not answered for other nodes"),
            "{told}"
        );
    }
    first.until(|home| home.cluster.nodes().iter().any(|node| node.other_cluster.is_some())).await;
    assert!(ask("GetNodeInfo").await.contains("needs a valid token"));
    let told = second.home.ok("GetNodeInfo?node=*", Value::Null).await;
    assert_eq!(told["success"].as_object().unwrap().len(), 1, "nobody of another cluster is asked: {told}");
}
