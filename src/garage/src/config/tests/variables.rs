//! The environment.

use super::Machine;
use crate::config::Secret;

#[test]
fn first_bucket_and_key() {
    let nothing = Machine::new().config().first_run;
    assert!(nothing.bucket.is_none() && nothing.key.is_none());
    let machine = Machine::new()
        .variable("GARAGE_DEFAULT_BUCKET", "photos")
        .variable("GARAGE_DEFAULT_ACCESS_KEY", "minioadmin")
        .variable("GARAGE_DEFAULT_SECRET_KEY", "minioadmin");
    let first_run = machine.config().first_run;
    assert_eq!(first_run.bucket.as_deref(), Some("photos"));
    let (id, secret) = first_run.key.unwrap();
    assert_eq!((id.as_str(), secret.reveal()), ("minioadmin", "minioadmin"));
    let flag = machine.flags(|flags| flags.default_bucket = Some(Some("videos".into())));
    assert_eq!(flag.config().first_run.bucket.as_deref(), Some("videos"));
}

#[test]
fn flags_that_take_their_value_from_the_environment() {
    let bare = |machine: Machine| {
        machine.flags(|flags| (flags.default_bucket, flags.default_access_key) = (Some(None), true))
    };
    let set = Machine::new()
        .variable("GARAGE_DEFAULT_BUCKET", "photos")
        .variable("GARAGE_DEFAULT_ACCESS_KEY", "minioadmin")
        .variable("GARAGE_DEFAULT_SECRET_KEY", "minioadmin");
    let first_run = bare(set).config().first_run;
    assert_eq!(first_run.bucket.as_deref(), Some("photos"));
    assert!(first_run.key.is_some());
    let error = bare(Machine::new()).error();
    assert!(error.contains("--default-access-key") && error.contains("GARAGE_DEFAULT_ACCESS_KEY"), "{error}");
    let error = Machine::new().flags(|flags| flags.default_bucket = Some(None)).error();
    assert!(error.contains("--default-bucket") && error.contains("GARAGE_DEFAULT_BUCKET"), "{error}");
}

#[test]
fn days_of_lifecycle_rules_are_short_only_for_tests_and_loudly() {
    let name = "GARAGE_LIFECYCLE_DAY_FOR_TESTS";
    assert_eq!(Machine::new().config().lifecycle_day_ms, None);
    let short = Machine::new().variable(name, "2s");
    assert_eq!(short.config().lifecycle_day_ms, Some(2000));
    let told = short.notices();
    assert!(
        told.len() == 1 && told[0].contains("a day lasts 2s") && told[0].contains("DELETED EARLY"),
        "{told:?}"
    );
    for odd in ["99ms", "0s", "soon", "2"] {
        assert!(Machine::new().variable(name, odd).error().contains(name), "{odd}");
    }
}

#[test]
fn half_a_key_is_refused() {
    let (id, secret) = ("GARAGE_DEFAULT_ACCESS_KEY", "GARAGE_DEFAULT_SECRET_KEY");
    for (given, missing) in [(id, secret), (secret, id)] {
        let error = Machine::new().variable(given, "x").error();
        assert_eq!(error, format!("a first key needs its id and its secret; {missing} is missing"));
    }
}

#[test]
fn what_the_first_start_cannot_make_is_refused_by_name() {
    let (id, secret, bucket) =
        ("GARAGE_DEFAULT_ACCESS_KEY", "GARAGE_DEFAULT_SECRET_KEY", "GARAGE_DEFAULT_BUCKET");
    let key = |a: &str, b: &str| Machine::new().variable(id, a).variable(secret, b).error();
    assert!(key("minio", "short").starts_with("GARAGE_DEFAULT_SECRET_KEY cannot be used: a secret key has"));
    assert!(
        key("a/b", "minio12345").starts_with("GARAGE_DEFAULT_ACCESS_KEY cannot be used: an access key id")
    );
    let error = Machine::new().variable(bucket, "No_Name").error();
    assert!(error.starts_with("GARAGE_DEFAULT_BUCKET cannot be used: "), "{error}");
    let error = Machine::new().flags(|flags| flags.default_bucket = Some(Some("x".into()))).error();
    assert!(error.starts_with("--default-bucket cannot be used: "), "{error}");
}

#[test]
fn log_targets() {
    let (syslog, journald) = ("GARAGE_LOG_TO_SYSLOG", "GARAGE_LOG_TO_JOURNALD");
    assert!(Machine::new().variable(syslog, "false").notices().is_empty());
    let to_journald = Machine::new().variable(journald, "true");
    assert_eq!(
        to_journald.notices(),
        ["not used yet (logging to the system's log: not in this version): GARAGE_LOG_TO_JOURNALD"]
    );
    assert!(to_journald.variable(syslog, "true").error().contains("are both given"));
    let error = Machine::new().variable(syslog, "maybe").error();
    assert_eq!(error, "the environment variable GARAGE_LOG_TO_SYSLOG must be true or false");
}

#[test]
fn nearly_right_names_are_pointed_out() {
    let notices = Machine::new()
        .variable("GARAGE_DATADIR", "/d")
        .variable("GARAGE_DEFAULT_BUCKETS", "b")
        .variable("GARAGE_SERVICE_HOST", "10.0.0.1")
        .variable("GARAGE_BIN", "/usr/bin/garage")
        .notices();
    assert_eq!(
        notices,
        [
            "the environment variable GARAGE_DATADIR has no effect; did you mean GARAGE_DATA_DIR?",
            "the environment variable GARAGE_DEFAULT_BUCKETS has no effect; did you mean GARAGE_DEFAULT_BUCKET?",
        ]
    );
}

#[test]
fn every_variable_has_an_effect_or_is_another_commands() {
    for name in crate::config::keys::VARIABLES.iter().filter(|name| **name != "GARAGE_RPC_HOST") {
        let shown = |machine: Machine| {
            machine.load().map(|(config, _)| format!("{config:?}")).map_err(|error| error.to_string())
        };
        assert_ne!(shown(Machine::new().variable(name, "/x")), shown(Machine::new()), "{name}");
    }
}

#[test]
fn secrets_compare_by_text() {
    assert_eq!(Secret::from("a"), Secret::from("a"));
    assert_ne!(Secret::from("a"), Secret::from("b"));
}
