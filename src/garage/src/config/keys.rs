//! Every configuration key there is, and what becomes of it.
//!
//! Why a table: a configuration written for Garage must load here unchanged, an operator must learn what is
//! not used yet, and a key spelled wrong must not pass in silence. Always holds: a key is read by `mod.rs` if and
//! only if it stands here (a test gives each one a wrong value and expects the complaint).

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Read and obeyed.
    Used,
    /// Read and checked; this feature, which would use it, is not there yet.
    Later(&'static str),
    /// Read and checked, and without effect.
    Ignored,
    /// Accepted and without effect; the text says what to do instead.
    Obsolete(&'static str),
}

use State::{Ignored, Later, Obsolete, Used};

const SNAPSHOTS: &str = "metadata snapshots";
const CONSUL: &str = "discovery by Consul";
const KUBERNETES: &str = "discovery by Kubernetes";
const K2V: &str = "the K2V API";
const SITE_ADDRESSES: &str = "the addresses of sites in what is printed";
const TRACES: &str = "sending traces";
const PUNYCODE: &str = "bucket names in punycode";

/// Sections, which are written `[name]`.
pub(super) const SECTIONS: &[&str] =
    &["s3_api", "k2v_api", "s3_web", "admin", "consul_discovery", "kubernetes_discovery"];

/// All keys, by section.
pub(super) const KEYS: &[(&str, State)] = &[
    ("metadata_dir", Used),
    ("data_dir", Used),
    ("metadata_snapshots_dir", Later(SNAPSHOTS)),
    ("metadata_auto_snapshot_interval", Later(SNAPSHOTS)),
    ("metadata_fsync", Used),
    ("data_fsync", Used),
    ("unsafe_allow_data_loss", Ignored),
    ("disable_scrub", Used),
    ("use_local_tz", Obsolete("days of lifecycle rules end at midnight UTC, as on AWS")),
    ("block_size", Used),
    ("block_ram_buffer_max", Used),
    ("block_max_concurrent_reads", Used),
    ("block_max_concurrent_writes_per_request", Ignored),
    ("compression_level", Used),
    ("replication_factor", Used),
    ("replication_mode", Used),
    ("consistency_mode", Used),
    ("db_engine", Used),
    ("fjall_block_cache_size", Used),
    ("lmdb_map_size", Obsolete("it belongs to the lmdb engine, which is not used here")),
    ("sled_cache_capacity", Obsolete("it belongs to the sled engine, which is not used here")),
    ("sled_flush_every_ms", Obsolete("it belongs to the sled engine, which is not used here")),
    (
        "block_manager_background_tranquility",
        Obsolete("use `garage worker set resync-tranquility` when the server runs"),
    ),
    ("allow_world_readable_secrets", Used),
    ("allow_punycode", Later(PUNYCODE)),
    ("rpc_secret", Used),
    ("rpc_secret_file", Used),
    ("encryption_secret", Used),
    ("encryption_secret_file", Used),
    ("rpc_bind_addr", Used),
    ("rpc_bind_outgoing", Ignored),
    ("rpc_public_addr", Used),
    ("rpc_public_addr_subnet", Ignored),
    ("rpc_ping_timeout_msec", Ignored),
    ("rpc_timeout_msec", Ignored),
    ("bootstrap_peers", Used),
    ("trusted_proxies", Used),
    ("s3_api.api_bind_addr", Used),
    ("s3_api.s3_region", Used),
    ("s3_api.enforce_region", Used),
    ("s3_api.root_domain", Used),
    ("s3_api.tls_cert_file", Used),
    ("s3_api.tls_key_file", Used),
    ("s3_api.public_endpoint", Used),
    ("s3_api.public_endpoint_path_style", Used),
    ("k2v_api.api_bind_addr", Later(K2V)),
    ("s3_web.bind_addr", Used),
    ("s3_web.root_domain", Used),
    ("s3_web.add_host_to_metrics", Used),
    ("s3_web.public_endpoint", Later(SITE_ADDRESSES)),
    ("s3_web.tls_cert_file", Used),
    ("s3_web.tls_key_file", Used),
    ("s3_web.index", Obsolete("the index document is set per bucket, with `garage bucket website`")),
    ("admin.api_bind_addr", Used),
    ("admin.tls_cert_file", Used),
    ("admin.tls_key_file", Used),
    ("admin.admin_token", Used),
    ("admin.admin_token_file", Used),
    ("admin.metrics_token", Used),
    ("admin.metrics_token_file", Used),
    ("admin.metrics_require_token", Used),
    ("admin.trace_sink", Later(TRACES)),
    ("consul_discovery.api", Later(CONSUL)),
    ("consul_discovery.consul_http_addr", Later(CONSUL)),
    ("consul_discovery.service_name", Later(CONSUL)),
    ("consul_discovery.ca_cert", Later(CONSUL)),
    ("consul_discovery.client_cert", Later(CONSUL)),
    ("consul_discovery.client_key", Later(CONSUL)),
    ("consul_discovery.token", Later(CONSUL)),
    ("consul_discovery.tls_skip_verify", Later(CONSUL)),
    ("consul_discovery.tags", Later(CONSUL)),
    ("consul_discovery.meta", Later(CONSUL)),
    ("consul_discovery.datacenters", Later(CONSUL)),
    ("kubernetes_discovery.namespace", Later(KUBERNETES)),
    ("kubernetes_discovery.service_name", Later(KUBERNETES)),
    ("kubernetes_discovery.skip_crd", Later(KUBERNETES)),
];

/// Environment variables that the server reads itself; other commands read more.
pub(super) const VARIABLES: &[&str] = &[
    "GARAGE_CONFIG_FILE",
    "GARAGE_DATA_DIR",
    "GARAGE_RPC_SECRET",
    "GARAGE_RPC_SECRET_FILE",
    "GARAGE_ENCRYPTION_SECRET",
    "GARAGE_ENCRYPTION_SECRET_FILE",
    "GARAGE_ADMIN_TOKEN",
    "GARAGE_ADMIN_TOKEN_FILE",
    "GARAGE_METRICS_TOKEN",
    "GARAGE_METRICS_TOKEN_FILE",
    "GARAGE_ALLOW_WORLD_READABLE_SECRETS",
    "GARAGE_DEFAULT_BUCKET",
    "GARAGE_DEFAULT_ACCESS_KEY",
    "GARAGE_DEFAULT_SECRET_KEY",
    "GARAGE_LOG_TO_SYSLOG",
    "GARAGE_LOG_TO_JOURNALD",
    "GARAGE_LIFECYCLE_DAY_FOR_TESTS",
    "GARAGE_RPC_HOST",
];

/// What becomes of a key; `None` when there is no such key.
pub(super) fn state_of(key: &str) -> Option<State> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, state)| *state)
}

/// The feature that a section waits for, if none of its keys is used.
pub(super) fn feature_of_section(section: &str) -> Option<&'static str> {
    let prefix = format!("{section}.");
    let mut feature = None;
    for (_, state) in KEYS.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        match state {
            Used => return None,
            Later(waited_for) => feature = Some(*waited_for),
            Ignored | Obsolete(_) => {}
        }
    }
    feature
}

/// The known key that an unknown one was probably meant to be: the same name in another section, or a
/// similar name.
pub(super) fn suggestion(key: &str) -> Option<&'static str> {
    let name = last_part(key);
    let same_name = KEYS.iter().map(|(known, _)| *known).find(|known| last_part(known) == name);
    same_name.or_else(|| most_similar(key, KEYS.iter().map(|(known, _)| *known)))
}

/// The member of a table that an unknown one was probably meant to be.
pub(super) fn member_suggestion(member: &str, members: &[&'static str]) -> Option<&'static str> {
    most_similar(member, members.iter().copied())
}

/// The section that an unknown one was probably meant to be.
pub(super) fn section_suggestion(section: &str) -> Option<&'static str> {
    most_similar(section, SECTIONS.iter().copied())
}

/// The variable that an unknown one was probably meant to be.
pub(super) fn variable_suggestion(name: &str) -> Option<&'static str> {
    most_similar(name, VARIABLES.iter().copied())
}

/// One edit in four characters is a slip; more is another word.
fn most_similar(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let close = known.map(|known| (strsim::osa_distance(name, known), known));
    let (edits, known) = close.min_by_key(|(edits, _)| *edits)?;
    (edits * 4 <= known.len()).then_some(known)
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}
