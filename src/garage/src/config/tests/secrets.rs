//! Where secrets come from, in which order, and which are refused.

use super::Machine;
use crate::config::Secret;

/// A secret that may stand in the file: one between nodes has this form.
const DIRECT: &str = "abababababababababababababababababababababababababababababababab";

fn rpc(machine: &Machine) -> Option<String> {
    machine.config().rpc.secret.as_ref().map(|secret| secret.reveal().to_owned())
}

#[test]
fn every_secret_from_every_place() {
    type Place = fn(&crate::config::Config) -> Option<&Secret>;
    let secrets: [(&str, &str, &str, Place); 3] = [
        ("", "rpc_secret", "RPC_SECRET", |config| config.rpc.secret.as_ref()),
        ("[admin]\n", "admin_token", "ADMIN_TOKEN", |config| config.admin.token.as_ref()),
        ("[admin]\n", "metrics_token", "METRICS_TOKEN", |config| config.admin.metrics_token.as_ref()),
    ];
    for (section, key, variable, place) in secrets {
        let check = |machine: Machine, expected: &str| {
            let config = machine.file("/s", " from a file \n", 0o600).config();
            assert_eq!(place(&config).map(Secret::reveal), Some(expected), "{key}");
        };
        check(Machine::configured(&format!("{section}{key} = \"{DIRECT}\"")), DIRECT);
        check(Machine::configured(&format!("{section}{key}_file = \"/s\"")), "from a file");
        check(Machine::new().variable(&format!("GARAGE_{variable}"), "variable"), "variable");
        check(Machine::new().variable(&format!("GARAGE_{variable}_FILE"), "/s"), "from a file");
    }
    let flags = Machine::new().flags(|flags| {
        flags.rpc_secret = Some("a".into());
        flags.admin_token = Some("b".into());
        flags.metrics_token_file = Some("/s".into());
    });
    let config = flags.file("/s", "c", 0o600).config();
    let given = [&config.rpc.secret, &config.admin.token, &config.admin.metrics_token];
    assert_eq!(given.map(|secret| secret.as_ref().map(Secret::reveal)), [Some("a"), Some("b"), Some("c")]);
}

#[test]
fn flag_then_variable_then_file() {
    let all = || {
        Machine::configured(&format!("rpc_secret = \"{DIRECT}\""))
            .variable("GARAGE_RPC_SECRET", "variable")
            .flags(|flags| flags.rpc_secret = Some("flag".into()))
    };
    assert_eq!(rpc(&all()).as_deref(), Some("flag"));
    assert_eq!(rpc(&all().flags(|flags| flags.rpc_secret = None)).as_deref(), Some("variable"));
    let file = all().flags(|flags| flags.rpc_secret = None).variable("GARAGE_RPC_SECRET", "");
    assert_eq!(rpc(&file).as_deref(), Some(DIRECT));
    assert_eq!(rpc(&Machine::new()), None);
}

#[test]
fn value_and_file_in_one_place_are_refused() {
    let error = Machine::configured("rpc_secret = \"a\"\nrpc_secret_file = \"/s\"").error();
    assert_eq!(error, "rpc_secret and rpc_secret_file are both given; keep one of them");
    let both = Machine::new().variable("GARAGE_ADMIN_TOKEN", "a").variable("GARAGE_ADMIN_TOKEN_FILE", "/s");
    assert_eq!(
        both.error(),
        "GARAGE_ADMIN_TOKEN and GARAGE_ADMIN_TOKEN_FILE are both given; keep one of them"
    );
    let flags = Machine::new().flags(|flags| {
        flags.metrics_token = Some("a".into());
        flags.metrics_token_file = Some("/s".into());
    });
    assert_eq!(flags.error(), "--metrics-token and --metrics-token-file are both given; keep one of them");
}

#[test]
fn files_that_everybody_can_read() {
    let machine = |mode: u32| Machine::configured("rpc_secret_file = \"/s\"").file("/s", "x", mode);
    for mode in [0o400, 0o600, 0o640, 0o100_440] {
        assert_eq!(rpc(&machine(mode)).as_deref(), Some("x"), "{mode:o}");
    }
    for mode in [0o644, 0o604, 0o602, 0o100_777] {
        let error = machine(mode).error();
        assert!(error.starts_with("every user of this machine can read the secret in /s (mode 0"), "{error}");
    }
    let allowed_by_file =
        Machine::configured("allow_world_readable_secrets = true\nrpc_secret_file = \"/s\"")
            .file("/s", "x", 0o644);
    assert_eq!(rpc(&allowed_by_file).as_deref(), Some("x"));
    let allowed_by_variable = machine(0o644).variable("GARAGE_ALLOW_WORLD_READABLE_SECRETS", "true");
    assert_eq!(rpc(&allowed_by_variable).as_deref(), Some("x"));
    let refused_by_flag = allowed_by_variable.flags(|flags| flags.allow_world_readable_secrets = Some(false));
    assert!(refused_by_flag.error().contains("chmod 600"));
}

#[test]
fn secrets_that_are_none() {
    assert_eq!(Machine::configured("rpc_secret = \" \"").error(), "the secret from rpc_secret is empty");
    let empty = Machine::configured("rpc_secret_file = \"/s\"").file("/s", "\n", 0o600);
    assert_eq!(empty.error(), "the secret from /s is empty");
    let missing = Machine::configured("rpc_secret_file = \"/gone\"").error();
    assert_eq!(missing, "there is no file /gone");
    let endless = Machine::configured("rpc_secret_file = \"/s\"").file("/s", &"x".repeat(70_000), 0o600);
    assert!(endless.error().contains("is larger than 65536 bytes"));
}

#[test]
fn debug_output_hides_secrets() {
    let config =
        Machine::configured(&format!("rpc_secret = \"{DIRECT}\"\n[admin]\nadmin_token = \"geheim2\""))
            .variable("GARAGE_DEFAULT_ACCESS_KEY", "GK1")
            .variable("GARAGE_DEFAULT_SECRET_KEY", "geheim-3")
            .config();
    let shown = format!("{config:?}");
    assert!(shown.contains("GK1") && !shown.contains("geheim") && !shown.contains(DIRECT), "{shown}");
}
