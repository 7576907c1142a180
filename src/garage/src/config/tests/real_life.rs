//! Configurations found in guides and packages of Garage: they load, and what has no effect is said.

use super::Machine;
use crate::config::{Bind, Engine};

#[test]
fn the_quick_start_of_garage() {
    let machine = Machine::configured(
        r#"
metadata_dir = "/tmp/meta"
data_dir = "/tmp/data"
db_engine = "sqlite"

replication_factor = 1

rpc_bind_addr = "[::]:3901"
rpc_public_addr = "127.0.0.1:3901"
rpc_secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

[s3_api]
s3_region = "garage"
api_bind_addr = "[::]:3900"
root_domain = ".s3.garage.localhost"

[s3_web]
bind_addr = "[::]:3902"
root_domain = ".web.garage.localhost"
index = "index.html"

[k2v_api]
api_bind_addr = "[::]:3904"

[admin]
api_bind_addr = "[::]:3903"
admin_token = "YWRtaW4="
metrics_token = "bWV0cmljcw=="
"#,
    );
    let config = machine.config();
    assert_eq!(config.engine, Engine::Default);
    assert_eq!(config.s3.root_domain.as_deref(), Some("s3.garage.localhost"));
    assert_eq!(config.admin.bind.to_string(), "[::]:3903");
    assert_eq!(config.admin.token.as_ref().map(crate::config::Secret::reveal), Some("YWRtaW4="));
    assert!(config.rpc.secret.is_some());
    assert_eq!(
        machine.notices(),
        [
            "s3_web.index has no effect: the index document is set per bucket, with `garage bucket website`",
            "not used yet (the K2V API: not in this version): k2v_api.api_bind_addr",
            "db_engine = \"sqlite\" is not available here; this program's own engine is used",
        ]
    );
}

#[test]
fn yunohost() {
    let machine = Machine::configured(
        r#"
metadata_dir = "/home/yunohost.app/garage/metadata"
data_dir = "/home/yunohost.app/garage/data"
db_engine = "lmdb"
metadata_fsync = false
data_fsync = false
block_size = 1048576
block_manager_background_tranquility = 2
replication_mode = "none"
compression_level = 3
sled_cache_capacity = 134217728
lmdb_map_size = "1T"
bootstrap_peers = []
"#,
    );
    let config = machine.config();
    assert_eq!((config.replication_factor, config.compression_level), (1, Some(3)));
    let notices = machine.notices().join("\n");
    for expected in [
        "block_manager_background_tranquility has no effect: use `garage worker set resync-tranquility`",
        "lmdb_map_size has no effect",
        "sled_cache_capacity has no effect",
        "metadata_fsync = false is accepted, but this version always flushes",
        "data_fsync = false is accepted, but this version always flushes",
        "db_engine = \"lmdb\" is not available here",
    ] {
        assert!(notices.contains(expected), "{expected}\n\n{notices}");
    }
    assert!(!notices.contains("block_size"), "{notices}");
}

#[test]
fn kubernetes() {
    let machine = Machine::configured(
        r#"
metadata_dir = "/mnt/meta"
data_dir = "/mnt/data"
db_engine = "lmdb"
block_size = "10M"
replication_factor = 3
consistency_mode = "consistent"
compression_level = "none"
rpc_bind_addr = "[::]:3901"
bootstrap_peers = []

[kubernetes_discovery]
namespace = "garage"
service_name = "garage"
skip_crd = true

[s3_api]
s3_region = "garage"
api_bind_addr = "[::]:3900"
root_domain = ".s3.garage.tld"

[admin]
api_bind_addr = "[::]:3903"
"#,
    )
    // What Kubernetes puts into every container when a service is called `garage`.
    .variable("GARAGE_SERVICE_HOST", "10.0.0.1")
    .variable("GARAGE_PORT", "tcp://10.0.0.1:3900")
    .variable("GARAGE_PORT_3900_TCP_ADDR", "10.0.0.1");
    let config = machine.config();
    assert_eq!((config.replication_factor, config.compression_level), (3, None));
    assert_eq!(
        machine.notices(),
        [
            "not used yet (discovery by Kubernetes: not in this version): kubernetes_discovery.namespace, \
             kubernetes_discovery.service_name, kubernetes_discovery.skip_crd",
            "block_size has no effect: blocks have 1048576 bytes here",
            "db_engine = \"lmdb\" is not available here; this program's own engine is used",
        ]
    );
}

#[test]
fn slips_of_the_pen() {
    let notices = Machine::configured(
        "metadata_dirs = \"/m\"\nreplication_facto = 1\ns3_region = \"x\"\nzebra = 1\n\n[s3_apy]\ns3_region = \"x\"\n\n\
         [s3_api]\napi_bind_adr = \"[::]:1\"\nzebra = 2\n[k2v_api]\n",
    )
    .notices();
    assert_eq!(
        notices,
        [
            "line 1 of the configuration: there is no key metadata_dirs; did you mean metadata_dir?",
            "line 2 of the configuration: there is no key replication_facto; did you mean replication_factor?",
            "line 3 of the configuration: there is no key s3_region; did you mean s3_api.s3_region?",
            "line 4 of the configuration: there is no key zebra; it has no effect",
            "line 6 of the configuration: there is no section [s3_apy]; did you mean [s3_api]?",
            "line 10 of the configuration: there is no key s3_api.api_bind_adr; did you mean s3_api.api_bind_addr?",
            "line 11 of the configuration: there is no key s3_api.zebra; it has no effect",
            "not used yet (the K2V API: not in this version): [k2v_api]",
        ]
    );
}

#[test]
fn a_flood_of_unknown_keys_is_cut_short() {
    let flood: String = (0..10_000).map(|index| format!("zzzzzzz{index} = 1\n")).collect();
    let notices = Machine::configured(&flood).notices();
    assert_eq!(
        (notices.len(), notices.last().map(String::as_str)),
        (21, Some("9980 more unknown keys in the configuration"))
    );
}

#[test]
fn settings_that_would_lose_data_are_said_not_to() {
    let settings = "metadata_fsync = false\ndata_fsync = false\nconsistency_mode = \"dangerous\"\n";
    let told = [
        "metadata_fsync = false is accepted, but this version always flushes",
        "data_fsync = false is accepted, but this version always flushes",
        "consistency_mode = \"dangerous\" is accepted, but this version always uses \"consistent\"",
    ];
    assert_eq!(Machine::configured(settings).notices(), told);
    let allowed = Machine::configured(&format!("unsafe_allow_data_loss = true\n{settings}"));
    let without_effect = "unsafe_allow_data_loss: this setting has no effect in this version";
    assert_eq!(allowed.notices(), [&[without_effect], told.as_slice()].concat());
    assert!(allowed.load().unwrap().1.iter().all(|notice| !notice.is_warning()));
}

#[test]
fn settings_that_are_only_checked_say_so() {
    let machine = Machine::configured(
        "block_max_concurrent_writes_per_request = 3\nrpc_bind_outgoing = true\nrpc_timeout_msec = 1000\n\
         disable_scrub = true\n[admin]\nmetrics_require_token = true\n",
    );
    assert!(machine.config().disable_scrub && machine.config().admin.metrics_require_token);
    assert_eq!(
        machine.notices(),
        ["block_max_concurrent_writes_per_request", "rpc_bind_outgoing", "rpc_timeout_msec"]
            .map(|key| format!("{key}: this setting has no effect in this version"))
    );
}

/// Derived comparisons would count as reading: without them the compiler refuses a field that nobody reads.
#[test]
fn the_compiler_sees_settings_that_nobody_reads() {
    let source = include_str!("../mod.rs");
    let structs = source.split("pub struct ").skip(1).zip(source.split("pub struct "));
    let of_config =
        structs.filter(|(after, _)| after.split(' ').next().is_some_and(|name| name.ends_with("Config")));
    let derived: Vec<&str> = of_config.map(|(_, before)| before.lines().next_back().unwrap()).collect();
    assert_eq!(derived.len(), 6, "{derived:?}");
    assert!(
        derived.iter().all(|line| line.starts_with("#[derive(") && !line.contains("PartialEq")),
        "{derived:?}"
    );
}

#[test]
fn engines() {
    for (name, engine, noticed) in [
        ("redb", Engine::Redb, 0),
        ("fjall", Engine::Fjall, 0),
        ("lmdb", Engine::Default, 1),
        ("sqlite", Engine::Default, 1),
        ("sled", Engine::Default, 1),
    ] {
        let machine = Machine::configured(&format!("db_engine = \"{name}\""));
        assert_eq!((machine.config().engine, machine.notices().len()), (engine, noticed), "{name}");
    }
    let error = Machine::configured("db_engine = \"rebd\"").error();
    assert_eq!(error, "/c.toml, line 1: db_engine must be \"redb\" or \"fjall\"");
}

#[test]
fn replication_in_both_spellings() {
    let cases = [
        ("replication_factor = 2", 2),
        ("replication_mode = \"none\"", 1),
        ("replication_mode = \"2-dangerous\"", 2),
        ("replication_mode = \"3\"", 3),
    ];
    for (line, factor) in cases {
        assert_eq!(Machine::configured(line).config().replication_factor, factor, "{line}");
    }
    let error = Machine::configured("replication_mode = \"3\"\nreplication_factor = 3").error();
    assert_eq!(error, "replication_factor and replication_mode are both given; keep one of them");
}

#[test]
fn sockets() {
    let config = Machine::configured(
        "[admin]\napi_bind_addr = \"/run/garage/admin.sock\"\n[s3_api]\napi_bind_addr = \"localhost:1\"",
    )
    .config();
    assert_eq!(config.admin.bind, Bind::Unix("/run/garage/admin.sock".into()));
    assert_eq!(config.s3.bind.to_string(), "127.0.0.1:1");
    assert!(!config.s3.bind_is_default);
}
