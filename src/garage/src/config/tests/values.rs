//! The forms of values, right and wrong.

use super::Machine;
use crate::config::keys::KEYS;
use crate::config::keys::State::Obsolete;
use crate::config::value::{bind, duration_ms, flag, size_bytes};

#[test]
fn every_key_refuses_a_value_of_the_wrong_form() {
    // A list of lists is right for no key; obsolete keys are not looked at.
    for (key, state) in KEYS.iter().filter(|(_, state)| !matches!(state, Obsolete(_))) {
        let content = match key.split_once('.') {
            Some((section, name)) => format!("\n[{section}]\n{name} = [[1]]\n"),
            None => format!("\n\n{key} = [[1]]\n"),
        };
        let error = Machine::configured(&content).error();
        let expected = format!("/c.toml, line 3: {key} must be ");
        assert!(error.starts_with(&expected), "{key} ({state:?}): {error}");
    }
}

#[test]
fn sections_must_be_sections() {
    let error = Machine::configured("s3_api = \"[::]:3900\"").error();
    assert_eq!(error, "/c.toml, line 1: s3_api must be a section, written [name] on a line of its own");
}

#[test]
fn numbers_out_of_range() {
    for (line, expected) in [
        ("replication_factor = 0", "replication_factor must be a whole number from 1 to 7"),
        ("replication_factor = 8", "replication_factor must be a whole number from 1 to 7"),
        ("replication_factor = \"3\"", "replication_factor must be a whole number from 1 to 7"),
        ("replication_factor = 1.0", "replication_factor must be a whole number from 1 to 7"),
        (
            "replication_factor = 99999999999999999999",
            "replication_factor must be a whole number from 1 to 7",
        ),
        ("compression_level = 23", "compression_level must be a number from -99 to 22, or \"none\""),
        ("compression_level = \"max\"", "compression_level must be a number from -99 to 22, or \"none\""),
        ("block_ram_buffer_max = \"1M\"", "block_ram_buffer_max must be at least 4MiB"),
        ("block_ram_buffer_max = -1", "block_ram_buffer_max must be a size such as"),
        (
            "block_max_concurrent_reads = 0",
            "block_max_concurrent_reads must be a whole number from 1 to 1024",
        ),
        (
            "metadata_auto_snapshot_interval = \"599s\"",
            "metadata_auto_snapshot_interval must be at least 10 minutes",
        ),
        ("rpc_timeout_msec = 0", "rpc_timeout_msec must be a whole number of milliseconds"),
        (
            "consistency_mode = \"strong\"",
            "consistency_mode must be \"consistent\", \"degraded\" or \"dangerous\"",
        ),
        ("data_fsync = \"yes\"", "data_fsync must be true or false"),
        ("data_fsync = 1979-05-27", "data_fsync must be true or false"),
        ("rpc_secret = \"abcd\"", "rpc_secret must be 64 hexadecimal digits"),
        ("bootstrap_peers = [\"node2:3901\"]", "bootstrap_peers must be a list of nodes, each as"),
        ("trusted_proxies = [\"nginx\"]", "trusted_proxies must be a list of addresses and networks"),
        ("metadata_dir = \"\"", "metadata_dir must be a path in quotes"),
        ("replication_mode = \"4\"", "replication_mode must be \"none\", \"2\" or \"3\""),
    ] {
        let error = Machine::configured(line).error();
        assert!(error.starts_with(&format!("/c.toml, line 1: {expected}")), "{line}: {error}");
    }
    for (line, expected) in [
        ("s3_region = \"\"", "s3_api.s3_region must be a short name"),
        ("s3_region = \"eu west\"", "s3_api.s3_region must be a short name"),
        ("root_domain = \".\"", "s3_api.root_domain must be a domain such as"),
        ("root_domain = \"https://s3\"", "s3_api.root_domain must be a domain such as"),
        ("api_bind_addr = 3900", "s3_api.api_bind_addr must be an address with port"),
        ("api_bind_addr = \":3900\"", "s3_api.api_bind_addr must be an address with port"),
    ] {
        let error = Machine::configured(&format!("[s3_api]\n{line}")).error();
        assert!(error.starts_with(&format!("/c.toml, line 2: {expected}")), "{line}: {error}");
    }
}

#[test]
fn values_that_are_kept() {
    let config = Machine::configured(
        "metadata_auto_snapshot_interval = \"6h\"\nblock_ram_buffer_max = \"1GiB\"\nblock_max_concurrent_reads = 16\n\
         rpc_ping_timeout_msec = 0x10\nfjall_block_cache_size = 5_000\n\
         bootstrap_peers = [\"abababababababababababababababababababababababababababababababab@b:1\"]\n\
         compression_level = \"none\"\n[s3_api]\ns3_region = \"eu-west-1\"\nenforce_region = true\n\
         [consul_discovery]\nmeta = { a = \"b\", c = \"d\" }\ntags = []\n",
    )
    .config();
    assert_eq!((config.block_ram_buffer_max_bytes, config.block_max_concurrent_reads), (1 << 30, Some(16)));
    assert_eq!((config.engine_cache_bytes, config.compression_level), (Some(5000), None));
    assert_eq!(config.rpc.bootstrap_peers, [format!("{}@b:1", "ab".repeat(32))]);
    assert_eq!((config.s3.region.as_str(), config.s3.enforce_region), ("eu-west-1", true));
}

#[test]
fn defaults() {
    let config = Machine::new().config();
    assert_eq!(config.s3.bind.to_string(), "[::]:3900");
    assert_eq!(config.rpc.bind.to_string(), "[::]:3901");
    assert_eq!(config.web.bind.to_string(), "[::]:3902");
    assert_eq!(config.admin.bind.to_string(), "127.0.0.1:3903");
    assert_eq!((config.compression_level, config.replication_factor), (Some(1), 1));
    assert!(!config.s3.enforce_region && !config.disable_scrub);
    assert_eq!(Machine::new().notices(), Vec::<String>::new());
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("4096", Some(4096)),
        ("1G", Some(1_000_000_000)),
        ("1GB", Some(1_000_000_000)),
        ("500g", Some(500_000_000_000)),
        ("10MiB", Some(10 << 20)),
        ("10 KiB ", Some(10 << 10)),
        ("1.5T", Some(1_500_000_000_000)),
        ("0.5KiB", Some(512)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("20000P", None),
        ("1e9", None),
        ("-1", None),
        ("1.", None),
        (".5G", None),
        ("1.2.3G", None),
        ("1 G B", None),
        ("G", None),
        ("", None),
        ("1X", None),
        ("١G", None),
    ] {
        assert_eq!(size_bytes(text), bytes, "{text}");
    }
}

#[test]
fn durations() {
    for (text, ms) in [
        ("600s", Some(600_000)),
        ("10min", Some(600_000)),
        ("10 minutes", Some(600_000)),
        ("1d 12h", Some(129_600_000)),
        ("1h30m", Some(5_400_000)),
        ("1.5h", Some(5_400_000)),
        ("250ms", Some(250)),
        ("", None),
        ("6", None),
        ("h", None),
        ("6 fortnights", None),
        ("6h -1m", None),
        ("99999999999999999999d", None),
        ("18446744073709551615ms 1ms", None),
    ] {
        assert_eq!(duration_ms(text), ms, "{text}");
    }
}

#[test]
fn addresses() {
    for text in ["[::]:3900", "0.0.0.0:3900", "127.0.0.1:1", "[fe80::1]:65535", "/run/x.sock"] {
        assert_eq!(bind(text).map(|bind| bind.to_string()).as_deref(), Some(text));
    }
    for text in ["", "/", "3900", ":3900", "::3900", "0.0.0.0", "0.0.0.0:65536", "host:3900", "run/x.sock"] {
        assert_eq!(bind(text), None, "{text}");
    }
}

#[test]
fn flags() {
    for (text, value) in
        [("true", Some(true)), ("1", Some(true)), ("ON", Some(true)), ("no", Some(false)), ("2", None)]
    {
        assert_eq!(flag(text), value, "{text}");
    }
}
