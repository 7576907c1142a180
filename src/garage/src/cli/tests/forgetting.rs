//! `garage node forget`: which requests it makes and what it prints.

use super::{NODE, refusal, run};
use http::StatusCode;

fn answer(endpoint: &str) -> (StatusCode, String) {
    let node = format!(
        r#"{{"id":"{NODE}","garageVersion":null,"addr":null,"hostname":"cellar","isUp":false,"lastSeenSecsAgo":777600,
        "role":{{"zone":"cellar","tags":[],"capacity":1000000000}},"draining":false,"dataPartition":null,
        "metadataPartition":null}}"#
    );
    let body = match endpoint {
        "GetClusterStatus" => format!(r#"{{"layoutVersion":1,"nodes":[{node}]}}"#),
        "PreviewNodeForgetting" | "ForgetNodes" => {
            format!(r#"{{"nodes":["{NODE}"],"partitionsAtRisk":7,"message":["What may be lost."]}}"#)
        }
        other => return refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented", other),
    };
    (StatusCode::OK, body)
}

#[test]
fn nothing_is_forgotten_without_a_yes() {
    let body = format!(r#"{{"nodes":["{NODE}"]}}"#);
    let outcome = run("node forget 563e", answer);
    let preview = format!("POST /v2/PreviewNodeForgetting {body}");
    assert_eq!(outcome.requests, ["GET /v2/GetClusterStatus", preview.as_str()]);
    assert_eq!(
        outcome.text(),
        "Error: this would forget 563e1ac825ee3323 for good, and may lose what was acknowledged in 7 partitions\n\
         To do it without being asked, add --yes.\n"
    );
    let outcome = run("node forget 563e --yes", answer);
    assert_eq!(outcome.requests[2], format!("POST /v2/ForgetNodes {body}"));
    let text = outcome.text();
    assert!(text.starts_with("What may be lost.\n"), "{text}");
    assert!(text.contains("garage layout remove 563e1ac825ee3323\n"), "{text}");
}

#[test]
fn status_leads_to_it() {
    let text = run("status", answer).text();
    let line = "cellar has not answered for 9 days. If it never comes back:  garage node forget 563e1ac825ee3323, \
                then garage layout remove 563e1ac825ee3323\n";
    assert!(text.contains(line), "{text}");
}
