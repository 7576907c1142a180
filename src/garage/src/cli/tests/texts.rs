//! What commands print without a terminal, to the letter: scripts rely on it.

use super::super::{Arguments, encryption, without_node};
use super::{BUCKET, KEY, NODE, VIEW, one_of_each, refusal, run, words};
use clap::Parser;
use http::StatusCode;

fn printed(line: &str) -> String {
    run(line, one_of_each).text()
}

#[test]
fn status_with_and_without_a_role() {
    assert_eq!(
        printed("status"),
        "==== HEALTHY NODES ====\n\
         ID                Hostname  Address         Tags  Zone  Capacity  DataAvail         Version\n\
         563e1ac825ee3323  linuxbox  127.0.0.1:3901  [a]   dc1   1.0 GB    500.0 MB (50.0%)  v0.1.0\n"
    );
    let fresh = run("status", |_| {
        let node = |id: &str, up: bool, role: &str| {
            format!(
                r#"{{"id":"{id}","garageVersion":"0.1.0","addr":"127.0.0.1:3901","hostname":"linuxbox","isUp":{up},
                "lastSeenSecsAgo":7200,"role":{role},"draining":false,"dataPartition":null,"metadataPartition":null}}"#
            )
        };
        let away = node(&"a".repeat(64), false, r#"{"zone":"dc1","tags":[],"capacity":null}"#);
        let nodes = [node(NODE, true, "null"), away].join(",");
        (StatusCode::OK, format!(r#"{{"layoutVersion":0,"nodes":[{nodes}]}}"#))
    });
    assert_eq!(
        fresh.text(),
        "==== HEALTHY NODES ====\n\
         ID                Hostname  Address         Tags  Zone  Capacity          DataAvail  Version\n\
         563e1ac825ee3323  linuxbox  127.0.0.1:3901              NO ROLE ASSIGNED             v0.1.0\n\
         \n\
         ==== FAILED NODES ====\n\
         ID                Hostname  Tags  Zone  Capacity  Last seen\n\
         aaaaaaaaaaaaaaaa  linuxbox  []    dc1   gateway   2 hours ago\n"
    );
}

#[test]
fn node_id() {
    assert_eq!(printed("node id -q"), format!("{NODE}@10.0.0.5:3901\n"));
    assert_eq!(printed("node id").lines().next(), Some(format!("{NODE}@10.0.0.5:3901").as_str()));
}

#[test]
fn layout_without_roles_and_with_staged_ones() {
    assert_eq!(
        printed("layout show"),
        "==== CURRENT CLUSTER LAYOUT ====\n\
         ID                Tags  Zone  Capacity  Usable capacity\n\
         563e1ac825ee3323  [a]   dc1   1.0 GB    999.0 MB (99.9%)\n\
         \n\
         Zone redundancy: maximum\n\
         \n\
         Current cluster layout version: 1\n"
    );
    let staged = run("layout show", |endpoint| {
        let role = format!(r#"{{"id":"{NODE}","zone":"dc1","tags":["a","b"],"capacity":1000000000}}"#);
        let answer = match endpoint {
            "GetClusterLayout" => format!(
                r#"{{"version":0,"roles":[],"parameters":{{"zoneRedundancy":"maximum"}},"partitionSize":0,
                "stagedRoleChanges":[{role},{{"id":"{}","remove":true}}],
                "stagedParameters":{{"zoneRedundancy":{{"atLeast":1}}}}}}"#,
                "b".repeat(64)
            ),
            _ => format!(
                r#"{{"message":["1 copy of everything."],"newLayout":{{"version":1,"roles":[{role}],
                "parameters":{{"zoneRedundancy":{{"atLeast":1}}}},"partitionSize":1,"stagedRoleChanges":[],
                "stagedParameters":null}}}}"#
            ),
        };
        (StatusCode::OK, answer)
    });
    assert_eq!(
        staged.text(),
        "==== CURRENT CLUSTER LAYOUT ====\n\
         No nodes currently have a role in the cluster.\n\
         See `garage status` to view available nodes.\n\
         \n\
         Current cluster layout version: 0\n\
         \n\
         ==== STAGED ROLE CHANGES ====\n\
         ID                Tags     Zone  Capacity\n\
         563e1ac825ee3323  [a,b]    dc1   1.0 GB\n\
         bbbbbbbbbbbbbbbb  REMOVED\n\
         \n\
         Zone redundancy: at least 1\n\
         \n\
         ==== NEW CLUSTER LAYOUT AFTER APPLYING CHANGES ====\n\
         ID                Tags   Zone  Capacity  Usable capacity\n\
         563e1ac825ee3323  [a,b]  dc1   1.0 GB\n\
         \n\
         Zone redundancy: at least 1\n\
         \n\
         1 copy of everything.\n\
         \n\
         To enact the staged role changes, type:\n\
         \n    garage layout apply --version 1\n\
         \n\
         You can also revert all proposed changes with: garage layout revert --yes\n"
    );
}

#[test]
fn keys() {
    let info = format!(
        "==== ACCESS KEY INFORMATION ====\n\
         Key ID:              {KEY}\n\
         Key name:            my-key\n\
         Secret key:          f6636233\n\
         Created:             2026-01-01 20:07:39.443 +00:00\n\
         Validity:            valid\n\
         Expiration:          never\n\
         \n\
         Can create buckets:  false\n\
         \n\
         ==== BUCKETS FOR THIS KEY ====\n\
         Permissions  ID                Global aliases  Local aliases\n\
         R            3396db51a7484ee6  photos          mine\n"
    );
    for line in ["key create my-key", "key info my-key --show-secret", "key import GKabc secret-of-it"] {
        assert_eq!(printed(line), info, "{line}");
    }
    assert_eq!(
        printed("key list"),
        "ID                          Created     Name    Expiration\n\
         GK101dd383fa8d8dd14f780cb3  2026-01-01  my-key  never\n"
    );
    assert_eq!(printed("key info my-key --key-id"), format!("{KEY}\n"));
    assert_eq!(printed("key info my-key --secret-key"), "f6636233\n");
    assert_eq!(
        printed("key export-env my-key --prefix S3_"),
        format!("export S3_ACCESS_KEY_ID={KEY}\nexport S3_SECRET_ACCESS_KEY=f6636233\n")
    );
}

#[test]
fn buckets() {
    let info = format!(
        "==== BUCKET INFORMATION ====\n\
         Bucket:          {BUCKET}\n\
         Created:         2026-01-01 00:24:27.463 +00:00\n\
         \n\
         Size:            1.5 GB (1536000000 B)\n\
         Objects:         42\n\
         \n\
         Website access:  false\n\
         Versioning:      enabled\n\
         Lifecycle rules: 3, 2 of them enabled\n\
         \n\
         Maximum size:    30.0 GB (30000000000 B)\n\
         \n\
         Global alias:    photos\n\
         \n\
         ==== KEYS FOR THIS BUCKET ====\n\
         Permissions  Access key                          Local aliases\n\
         RWO          GK101dd383fa8d8dd14f780cb3  my-key  mine\n"
    );
    for line in ["bucket info photos", "bucket create photos", "bucket allow photos --read --key my-key"] {
        assert_eq!(printed(line), info, "{line}");
    }
    assert_eq!(printed("bucket lifecycle photos").lines().next(), Some("ID  Status  About  What goes"));
    for (line, wanted) in [
        ("bucket policy photos", "No policy is set.\n"),
        ("bucket cors photos", "No CORS configuration is set.\n"),
        ("bucket encryption photos", "No encryption is set.\n"),
        ("bucket lock photos", "No object lock is set.\n"),
        ("bucket public-access photos", "No public access block is set.\n"),
    ] {
        assert_eq!(printed(line), wanted, "{line}");
    }
    assert_eq!(
        printed("bucket list"),
        format!(
            "ID                Created     Global aliases  Local aliases\n\
             3396db51a7484ee6  2026-01-01  photos          {KEY}:mine\n"
        )
    );
}

#[test]
fn health_says_why_and_by_exit_code() {
    let outcome = run("health", one_of_each);
    assert_eq!(
        outcome.text(),
        "==== CLUSTER HEALTH ====\n\
         Status:               degraded\n\
         Connected nodes:      1 of 2\n\
         Storage nodes up:     1 of 2\n\
         Partitions served:    256 of 256\n\
         Partitions complete:  0 of 256\n\
         \n\
         ==== REASONS ====\n\
         - a node is away\n"
    );
    assert_eq!(outcome.report.unwrap().exit, 1);
    let quiet = run("health -q", one_of_each);
    assert_eq!(quiet.text(), "");
    assert_eq!(quiet.report.unwrap().exit, 1);
    let unavailable = run("health", |_| {
        let (status, body) = one_of_each("GetClusterHealth");
        (status, body.replace("degraded", "unavailable"))
    });
    assert_eq!(unavailable.report.unwrap().exit, 2);
}

/// Three zones: one whole, one away, one that is being filled; a fourth with a node of each kind.
const ZONES: &str = r#"[
    {"zone":"attic","copies":1024,"copiesProven":1024,"copiesUnknown":0,"blocksLacking":0,"blocksLackingIsExact":true,
     "bytesLacking":0,"bytesToCome":0,"secondsLeft":null,"until":null,"nodes":[{"id":"a1","hostname":"pc","isUp":true,
     "lastSeenSecsAgo":null,"copies":1024,"blocksLackingIsExact":true}]},
    {"zone":"cellar","copies":1024,"copiesProven":null,"copiesUnknown":1024,"blocksLacking":null,
     "blocksLackingIsExact":false,"bytesLacking":null,"bytesToCome":null,"secondsLeft":null,"until":null,
     "nodes":[{"id":"c1","hostname":"old","isUp":false,"lastSeenSecsAgo":7200,"copies":1024,"blocksLackingIsExact":false}]},
    {"zone":"office","copies":1024,"copiesProven":700,"copiesUnknown":0,"blocksLacking":12,"blocksLackingIsExact":true,
     "bytesLacking":9000000,"bytesToCome":3000000000,"secondsLeft":10800,"until":"2026-11-30T05:10:11.000Z",
     "nodes":[{"id":"o1","hostname":"nas","isUp":true,"lastSeenSecsAgo":null,"copies":1024,"blocksLackingIsExact":true}]},
    {"zone":"shed","copies":1024,"copiesProven":500,"copiesUnknown":524,"blocksLacking":null,"blocksLackingIsExact":false,
     "bytesLacking":null,"bytesToCome":null,"secondsLeft":null,"until":null,"nodes":[
     {"id":"s1","hostname":"one","isUp":true,"lastSeenSecsAgo":null,"copies":500,"blocksLackingIsExact":true},
     {"id":"s2","hostname":"two","isUp":false,"lastSeenSecsAgo":null,"copies":524,"blocksLackingIsExact":false}]}]"#;

/// The table of [`ZONES`].
const ZONES_TABLE: &str = "\
    ==== PROVEN COPIES BY ZONE ====\n\
    Zone    Proven partitions         Missing blocks  Still to come                                   Last heard\n\
    attic   1024 of 1024              none            nothing                                         now\n\
    cellar  unknown of 1024           unknown         unknown                                         2 hours ago\n\
    office  700 of 1024               12 (9.0 MB)     about 3.0 GB, 3 hours, until 2026-11-30 05:10 UTC  now\n\
    shed    500 of 1024, 524 unknown  unknown         unknown                                         two: not since this node started\n";

/// What a node says, with zones beside it.
fn with_zones(endpoint: &str, zones: &str) -> (StatusCode, String) {
    let (status, body) = one_of_each(endpoint);
    (status, body.replacen('{', &format!(r#"{{"zones":{zones},"#), 1))
}

#[test]
fn copies_are_told_zone_by_zone_and_unknown_is_never_nothing() {
    let spaced = |text: &str| -> Vec<String> {
        text.lines().flat_map(|line| line.split_whitespace().map(str::to_owned)).collect()
    };
    for line in ["status", "health"] {
        let told = run(line, |endpoint| with_zones(endpoint, ZONES)).text();
        let table = told.find("==== PROVEN").map_or("", |at| &told[at..]);
        assert_eq!(spaced(table), spaced(ZONES_TABLE), "{told}");
    }
}

#[test]
fn one_zone_that_has_everything_is_no_table_of_the_status() {
    const WHOLE: &str = r#"[{"zone":"home","copies":1024,"copiesProven":1024,"copiesUnknown":0,"blocksLacking":0,
        "blocksLackingIsExact":true,"bytesLacking":0,"bytesToCome":0,"secondsLeft":null,"until":null,"nodes":[]}]"#;
    let told =
        |line, zones: fn(&str) -> (StatusCode, String)| run(line, zones).text().contains("PROVEN COPIES");
    assert!(!told("status", |endpoint| with_zones(endpoint, WHOLE)));
    assert!(told("health", |endpoint| with_zones(endpoint, WHOLE)), "a report on health has it always");
    let lacking =
        |endpoint: &str| with_zones(endpoint, &WHOLE.replace(r#""blocksLacking":0"#, r#""blocksLacking":3"#));
    assert!(told("status", lacking));
}

#[test]
fn what_is_staged_is_applied_by_a_whole_line() {
    let staged = printed("layout assign -z dc2 -c 1G 563e");
    assert_eq!(
        staged,
        "Role changes are staged but not yet applied.\n\
         Use `garage layout show` to see what is staged,\n\
         and `garage layout apply --version 2` to make it the layout.\n"
    );
}

/// A node that has just staged a role, and says this of it.
fn staged_with(endpoint: &str, preview: &str) -> (StatusCode, String) {
    let role = format!(r#"{{"id":"{NODE}","zone":"dc1","tags":[],"capacity":1000000000}}"#);
    match endpoint {
        "PreviewClusterLayoutChanges" => (StatusCode::OK, preview.to_owned()),
        "UpdateClusterLayout" => {
            let (status, layout) = one_of_each(endpoint);
            (status, layout.replace(r#""stagedRoleChanges":[]"#, &format!(r#""stagedRoleChanges":[{role}]"#)))
        }
        _ => one_of_each(endpoint),
    }
}

#[test]
fn what_a_staged_change_copies_is_told_at_once() {
    const LINE: &str = "layout assign -z dc1 -c 1G 563e1ac825ee3323";
    let told = |text: String| text.split_once("\n\n").expect("a gap").1.to_owned();
    let computed = run(LINE, |endpoint| {
        let (_, layout) = one_of_each("GetClusterLayout");
        let message = r#"["Two copies.","To copy in all: about 3.0 GB."]"#;
        staged_with(endpoint, &format!(r#"{{"message":{message},"newLayout":{layout}}}"#))
    });
    assert_eq!(told(computed.text()), "Two copies.\nTo copy in all: about 3.0 GB.\n");
    let refused = run(LINE, |endpoint| staged_with(endpoint, r#"{"error":"too few zones"}"#));
    assert_eq!(told(refused.text()), "It cannot be applied yet: too few zones\n");
}

#[test]
fn what_is_left_of_a_change_is_told_in_bytes_and_time() {
    let told = |figures: &str| {
        let coming = format!(
            r#"{{"version":2,"stage":"filling","nodes":[{{"id":"{NODE}","done":256,"wanted":1024,"bytesLeft":3000000000}}],
            "secondsLeft":10800,"until":"2026-11-30T05:10:11.000Z"{figures}}}"#
        );
        let coming = serde_json::from_str(&coming).expect("a version");
        let mut page = super::super::render::Page::default();
        super::super::layout::say_coming(&mut page, &coming);
        page.draw(&VIEW).lines().map(|line| format!("{line}\n")).skip(1).collect::<String>()
    };
    let node = "  563e1ac825ee3323  256 of 1024 partitions done (25.0%), about 3.0 GB to copy\n";
    for (figures, left) in [
        (
            r#","bytesLeft":3000000000,"bytesPerSecond":277777,"basis":"measured""#,
            "about 3.0 GB left to copy: about 3 hours at 277.7 KB a second, until about",
        ),
        (
            r#","bytesLeft":3000000000,"bytesPerSecond":277777,"basis":"limit""#,
            "about 3.0 GB left to copy: about 3 hours at 277.7 KB a second, which copy-rate allows, until about",
        ),
        (
            r#","bytesLeft":3000000000,"bytesPerSecond":277777,"basis":"assumed""#,
            "about 3.0 GB left to copy: about 3 hours at 277.7 KB a second, which is assumed until it is measured, until about",
        ),
    ] {
        assert_eq!(told(figures), format!("{node}  {left} 2026-11-30 05:10 UTC\n"));
    }
    assert_eq!(told(""), node, "no time without bytes");
}

#[test]
fn a_change_that_waits_for_blocks_says_so() {
    let coming = format!(
        r#"{{"version":2,"stage":"completing","nodes":[{{"id":"{NODE}","done":0,"wanted":9,"blocksLacking":2}}]}}"#
    );
    let mut page = super::super::render::Page::default();
    super::super::layout::say_coming(&mut page, &serde_json::from_str(&coming).expect("a version"));
    let told = page.draw(&VIEW);
    let expected =
        "563e1ac825ee3323 lacks 2 blocks: the change waits until a home that may have them can be asked.";
    assert!(told.contains(expected) && told.contains("garage block list-errors"), "{told}");
}

#[test]
fn a_clock_that_is_ahead_is_told_with_what_may_be_done() {
    let right = run("node clock", |_| {
        let clock = r#"{"machine":"2026-01-02T03:04:05.678Z","node":"2026-01-02T03:04:05.679Z","aheadSecs":0,"rows":[]}"#;
        (StatusCode::OK, format!(r#"{{"success":{{"{NODE}":{clock}}},"error":{{}}}}"#))
    });
    assert_eq!(
        right.text(),
        "The clock is not ahead: 2026-01-02 03:04 UTC. No row carries a time that is yet to come.\n"
    );
    let ahead = run("node clock -a", |_| {
        let rows = r#"[{"table":"object","rows":7,"newest":"2029-01-01T03:04:05.000Z"}]"#;
        let clock = format!(
            r#"{{"machine":"2026-01-02T03:04:05.678Z","node":"2029-01-01T03:04:05.678Z","aheadSecs":94608000,"rows":{rows}}}"#
        );
        (StatusCode::OK, format!(r#"{{"success":{{"{NODE}":{clock}}},"error":{{}}}}"#))
    });
    assert_eq!(
        ahead.text(),
        "==== NODE 563e1ac825ee3323 ====\n\
         The clock is 1095 days ahead: 2029-01-01 03:04 UTC, where the machine shows 2026-01-02 03:04 UTC.\n\
         At some time the machine, or one that this node believed, showed that.\n\
         \n\
         ==== ROWS WITH TIMES THAT ARE YET TO COME ====\n\
         Table   Rows  Newest\n\
         object  7     2029-01-01 03:04 UTC\n\
         \n\
         Nothing sets it back: what is written with an earlier time would lose against these rows.\n\
         The node serves as before. Nodes that show more than a day less do not believe it. To change that:\n\
         - wait until a day before 2029-01-01 03:04 UTC, or\n\
         - start a node with an empty data folder and a right clock, and copy every bucket there by S3.\n"
    );
}

#[test]
fn what_is_not_here_says_so() {
    let skipped = "Error: not needed here: no change waits for dead nodes\nFor a home that never comes back:  \
                   garage node forget NODE\n";
    assert_eq!(printed("layout skip-dead-nodes --version 3 --allow-missing-data"), skipped);
    for (line, named) in [
        ("meta snapshot --all", "meta snapshot"),
        ("admin-token list", "admin-token list"),
        ("convert-db -a sqlite -b fjall", "convert-db"),
        ("offline-repair --yes counters", "offline-repair"),
        ("meta", "meta"),
    ] {
        let arguments = Arguments::try_parse_from(words(line)).unwrap();
        let error = without_node(&env::real::env(), &arguments.command).expect(line).unwrap_err();
        assert_eq!(error.to_string(), format!("`garage {named}` is not in this version"), "{line}");
    }
}

#[test]
fn an_object_that_is_not_there_is_named() {
    let missing = run("bucket inspect-object photos x", |endpoint| match endpoint {
        "InspectObject" => refusal(StatusCode::NOT_FOUND, "NoSuchKey", "no such key"),
        other => one_of_each(other),
    });
    assert_eq!(missing.text(), "Error: there is no object `x` in the bucket `photos`\n");
    let error = missing.report.unwrap_err().as_json();
    assert_eq!(error["error"]["code"], "NoSuchKey");
    assert_eq!(error["error"]["message"], "there is no object `x` in the bucket `photos`");
}

#[test]
fn numbers_have_their_plural() {
    let asked = printed("key delete my-key");
    assert!(asked.contains("(`my-key`), which may use 1 bucket, for ever"), "{asked}");
    let none = run("key delete my-key", |endpoint| {
        let (status, body) = one_of_each(endpoint);
        let buckets = body.find("\"buckets\":[").map_or(body.len(), |at| at + 11);
        (status, if endpoint == "GetKeyInfo" { format!("{}]}}", &body[..buckets]) } else { body })
    });
    assert!(none.text().contains("which may use no bucket, for ever"), "{}", none.text());
    assert_eq!(printed("key delete-expired --yes").lines().last(), Some("1 expired access key was deleted."));
}

#[test]
fn a_ring_without_keys_is_a_sentence() {
    let empty = run("encryption list", |_| (StatusCode::OK, r#"{"hasSecret":false,"keys":[]}"#.to_owned()));
    assert_eq!(
        empty.text(),
        "This node has no encryption secret: see `garage encryption new-secret --help`\n"
    );
}

#[test]
fn a_new_secret_has_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let report = encryption::new_secret(&env::real::env(), &file).unwrap();
    assert_eq!(report.json, serde_json::json!({ "file": file.display().to_string() }));
    assert!(report.page.draw(&VIEW).starts_with("The encryption secret of a cluster is in "));
    assert_eq!(encryption::new_secret(&env::real::env(), &file).unwrap_err().code(), "FileUnusable");
}
