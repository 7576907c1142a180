//! Parsing: every command exists, every option is where scripts put it, mistakes get a hint.

use super::super::client::AdminUrl;
use super::super::{Arguments, Output, mistakes};
use super::words;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use std::path::PathBuf;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(words(line))
}

#[test]
fn the_definition_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn the_configuration_may_stand_anywhere_and_a_capacity_is_not_one() {
    for line in ["-c a.toml status", "status -c a.toml", "--config a.toml status", "key list --config=a.toml"]
    {
        let arguments = parse(line).unwrap();
        assert_eq!(arguments.global.config, Some(PathBuf::from("a.toml")), "{line}");
    }
    let line = "-c a.toml layout assign -c 1G -z dc1 563e";
    assert_eq!(parse(line).unwrap().global.config, Some(PathBuf::from("a.toml")));
    let line = "layout assign -c 1G -z dc1 563e";
    assert_eq!(parse(line).unwrap().global.config, None);
    let line = "layout assign -c 1G -z dc1 563e --config a.toml";
    assert_eq!(parse(line).unwrap().global.config, Some(PathBuf::from("a.toml")));
}

#[test]
fn options_of_every_command() {
    let arguments = parse(
        "bucket list --output json --admin-url http://10.0.0.5:3903 --admin-token t -h 563e@10.0.0.5:3901 --rpc-secret s",
    )
    .unwrap();
    assert_eq!(arguments.global.output, Some(Output::Json));
    assert_eq!(arguments.global.rpc_host.as_deref(), Some("563e@10.0.0.5:3901"));
    assert_eq!(arguments.global.admin_token.as_deref(), Some("t"));
    assert_eq!(arguments.global.rpc_secret.as_deref(), Some("s"));
    let server = parse("server --data-dir /srv/garage --single-node").unwrap();
    assert_eq!(server.global.data_dir, Some(PathBuf::from("/srv/garage")));
}

/// As containers and test suites start upstream's server, and with values of our own.
#[test]
fn what_the_first_start_makes() {
    for line in [
        "server --single-node --default-bucket",
        "server --single-node --default-access-key --default-bucket",
        "server --single-node --default-bucket --default-access-key",
        "server --default-bucket photos --s3-addr [::]:3910",
        "server --default-bucket=photos --s3-addr=/run/garage/s3.sock",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    let refused = parse("server --s3-addr 3910").unwrap_err().to_string();
    assert!(refused.contains("such as [::]:3910"), "{refused}");
    assert!(parse("server --default-access-key GK1").is_err(), "keys do not belong on a command line");
}

#[test]
fn addresses_of_an_admin_api() {
    for (text, is_address) in [
        ("http://10.0.0.5:3903", true),
        ("http://[::1]:3903/", true),
        ("node:3903", true),
        ("node", true),
        ("https://node:3903", false),
        ("http://", false),
        ("http://user@node", false),
        ("http://user@node:3903", false),
        ("node:port", false),
        ("node:70000", false),
        ("http://node/path", false),
        ("", false),
    ] {
        assert_eq!(text.parse::<AdminUrl>().is_ok(), is_address, "{text}");
    }
}

#[test]
fn mistyped_commands_are_recognized() {
    for (line, meant) in [
        ("buckt list", "'bucket'"),
        ("bucket creat b", "'create'"),
        ("key improt a b", "'import'"),
        ("layout asign", "'assign'"),
        ("statu", "'status'"),
        ("status --ouput json", "'--output'"),
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(meant), "{line}: {error}");
    }
}

#[test]
fn the_best_suggestion_stands_first() {
    let error = mistakes::best_first(parse("buckt list").unwrap_err()).to_string();
    let (bucket, others) = (error.find("'bucket'").unwrap(), error.find("'block'").unwrap_or(usize::MAX));
    assert!(bucket < others, "{error}");
}

#[test]
fn a_node_that_is_not_named_may_have_been_meant_for_help() {
    let help = |line: &str| mistakes::help_for(&parse(line).unwrap_err(), &words(line));
    assert_eq!(help("status -h").as_deref(), Some("For help:  garage status --help"));
    assert_eq!(help("bucket list -h").as_deref(), Some("For help:  garage bucket list --help"));
    assert_eq!(help("-h").as_deref(), Some("For help:  garage --help"));
    assert_eq!(help("status --output yaml"), None);
    let limit = parse("bucket set-quotas b --max-size -1").unwrap_err().to_string();
    assert!(limit.contains("write a size such as 500G, 1.5TB or 10GiB, or none"), "{limit}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for line in [
        "bucket allow b --key k",
        "bucket website b",
        "bucket website b --allow --deny",
        "bucket set-quotas b",
        "bucket set-quotas b --max-size lots",
        "bucket cleanup-incomplete-uploads b --older-than yesterday",
        "key set k",
        "key create k --expires-in never",
        "layout assign -z a -c 1G -g 563e",
        "layout assign -z a -c 1G",
        "layout config",
        "layout config -r few",
        "json-api",
        "status --output yaml",
        "block retry-now",
        "block retry-now --all abcd",
        "block purge",
        "block purge abc",
        "key create ''",
        "key rename k ' '",
        "bucket set-quotas b --max-size -1",
        "repair",
        "repair scrub",
        "worker list -a --node 563e",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn help_is_short_and_every_command_has_some() {
    let help = Arguments::command().render_long_help().to_string();
    assert!(help.contains("garage server"), "{help}");
    fn walk(command: &clap::Command) {
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} has no help", sub.get_name());
            walk(sub);
        }
    }
    walk(&Arguments::command());
}

#[test]
fn completions_know_the_commands() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "garage", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("set-quotas"), "{shell}");
    }
}
