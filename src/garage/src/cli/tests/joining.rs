//! `garage node invite` and `garage node approve`: which requests they make and what they print.

use super::{NODE, refusal, run};
use http::StatusCode;

/// A node that waits, besides [`NODE`].
const SECOND: &str = "77aa1ac825ee3323aa441e72c26d1030d6d4414aeb3dd25287c531e7fc2bc95d";

fn node(id: &str, zone: &str) -> String {
    format!(
        r#"{{"id":"{id}","garageVersion":"0.1.0","addr":"10.0.0.5:3901","hostname":"linuxbox","isUp":true,
        "lastSeenSecsAgo":null,"role":null,"draining":false,"dataPartition":null,"metadataPartition":null,
        "waiting":{{"zone":"{zone}","capacity":1000000000}}}}"#
    )
}

/// A cluster with these nodes that wait.
fn answer(endpoint: &str, nodes: &[String]) -> (StatusCode, String) {
    let invitation = format!(
        r#"{{"code":"04abcdef-gh","nodeId":"{NODE}","zone":"home2","addresses":["10.0.0.5:3901"],
        "holdsForSecs":86400,"localOnly":true}}"#
    );
    let approval = format!(
        r#"{{"version":2,"copiesBefore":1,"copiesAfter":3,"message":["Layout version 2."],
        "nodes":[{{"id":"{NODE}","zone":"home2","capacity":1000000000}}]}}"#
    );
    let layout = r#"{"version":2,"roles":[],"parameters":{"zoneRedundancy":"maximum"},"partitionSize":1,
        "stagedRoleChanges":[],"stagedParameters":null}"#;
    let body = match endpoint {
        "CreateNodeInvitation" => invitation,
        "GetClusterStatus" => format!(r#"{{"layoutVersion":1,"nodes":[{}]}}"#, nodes.join(",")),
        "PreviewNodeApproval" => approval,
        "ApproveNodes" => format!(r#"{{"message":["Done."],"layout":{layout}}}"#),
        other => return refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented", other),
    };
    (StatusCode::OK, body)
}

fn one(endpoint: &str) -> (StatusCode, String) {
    answer(endpoint, &[node(NODE, "home2")])
}

fn two(endpoint: &str) -> (StatusCode, String) {
    answer(endpoint, &[node(NODE, "home2"), node(SECOND, "home3")])
}

fn nobody(endpoint: &str) -> (StatusCode, String) {
    answer(endpoint, &[])
}

/// The requests that approving `nodes` makes.
fn approval(nodes: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = nodes.iter().map(|node| format!("\"{node}\"")).collect();
    let nodes = format!(r#""nodes":[{}]"#, quoted.join(","));
    vec![
        "GET /v2/GetClusterStatus".to_owned(),
        format!("POST /v2/PreviewNodeApproval {{{nodes}}}"),
        format!(r#"POST /v2/ApproveNodes {{{nodes},"version":2}}"#),
    ]
}

#[test]
fn an_invitation_is_a_line_to_paste() {
    let outcome = run("node invite", nobody);
    assert_eq!(outcome.requests, [r#"POST /v2/CreateNodeInvitation {"addresses":[],"zone":null}"#]);
    assert_eq!(
        outcome.text(),
        "On the new machine, with an empty data folder, run:\n\
         \n    garage server --join 04abcdef-gh\n\n\
         The invitation holds for 1 day and for one node. Zone: home2.\n\
         The new node will dial this one at 10.0.0.5:3901.\n\
         Only machines in this home reach that. For one elsewhere, give the address by which it reaches\n\
         this home (port forwarding of the router, or a VPN):  garage node invite --address HOST:PORT\n\
         Once it has joined, type here:  garage node approve\n"
    );
    let outcome = run("node invite -z attic --address a.example:1 -a b.example:2", nobody);
    let asked = r#"POST /v2/CreateNodeInvitation {"addresses":["a.example:1","b.example:2"],"zone":"attic"}"#;
    assert_eq!(outcome.requests, [asked]);
}

#[test]
fn the_only_node_that_waits_need_not_be_named() {
    let outcome = run("node approve --yes", one);
    assert_eq!(outcome.requests, approval(&[NODE]));
    assert_eq!(outcome.text(), "Done.\nCluster layout version 2 is in force.\n");
    assert_eq!(run("node approve --yes --all", one).requests, approval(&[NODE]));
}

#[test]
fn of_several_the_ones_that_are_named_or_all() {
    assert_eq!(run("node approve --yes 77aa", two).requests, approval(&[SECOND]));
    assert_eq!(run("node approve --yes 77aa 563e 77aa1a", two).requests, approval(&[NODE, SECOND]));
    assert_eq!(run("node approve --yes --all", two).requests, approval(&[NODE, SECOND]));
    let outcome = run("node approve --yes", two);
    assert_eq!(outcome.requests.len(), 1, "nothing is asked for");
    assert!(outcome.text().contains("2 nodes wait for approval") && outcome.text().contains("--all"));
    assert!(run("node approve --yes 99", two).text().contains("there is no node `99`"));
    assert!(run("node approve --all", nobody).text().contains("To invite one:  garage node invite"));
}

#[test]
fn a_script_must_say_yes_and_is_told_what_would_happen() {
    let outcome = run("node approve", one);
    assert_eq!(outcome.requests, approval(&[NODE])[..2]);
    assert_eq!(
        outcome.text(),
        "Error: this would give a role to 563e1ac825ee3323 (zone home2, 1.0 GB) and keep 3 of everything (now 1)\n\
         To do it without being asked, add --yes.\n"
    );
}

#[test]
fn status_shows_who_waits() {
    let text = run("status", one).text();
    assert!(text.contains("NO ROLE ASSIGNED"), "scripts look for it: {text}");
    let section = "\n==== NODES WAITING FOR APPROVAL ====\n\
                   ID                Hostname  Zone   Capacity\n\
                   563e1ac825ee3323  linuxbox  home2  1.0 GB\n\
                   To give them their role:  garage node approve --all\n";
    assert!(text.ends_with(section), "{text}");
}

#[test]
fn a_node_that_nobody_can_dial_says_so() {
    let deaf = |_: &str| {
        let info = format!(
            r#"{{"success":{{"{NODE}":{{"nodeId":"{NODE}","addr":null,"listens":false,"garageVersion":"0.1.0",
            "garageFeatures":null,"rustVersion":"1.95","dbEngine":"fjall"}}}},"error":{{}}}}"#
        );
        (StatusCode::OK, info)
    };
    let quiet = run("node id -q", deaf).text();
    assert!(quiet.starts_with(&format!("{NODE}@")), "scripts rely on the form: {quiet}");
    let text = run("node id", deaf).text();
    assert!(text.starts_with(&format!("{NODE}\n")) && text.contains("its port was taken"), "{text}");
    assert!(!text.contains("garage node connect"), "{text}");
}
