//! The tables in doc/s3-compatibility.md are those of the program. After a change of either table,
//! `UPDATE_DOC=1 cargo test -p api --test operations documentation` writes them anew.

use api::s3::access::Access;
use api::s3::acl::{Needed, is_about_own, needed};
use api::s3::operation::{OPERATIONS, Operation, Target};
use api::s3::parameters::table::{Decision, Place, TABLE, Verdict, decision};
use api::s3::versions;
use model::rows::acl::Permission;

const DOCUMENT: &str = include_str!("../../../../doc/s3-compatibility.md");

fn request(operation: &Operation) -> String {
    let route = &operation.route;
    let path = match route.target {
        Target::Service => "/",
        Target::Bucket => "/bucket",
        Target::Object => "/bucket/key",
    };
    let query = route.query.join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    let header = route.header.map(|name| format!(" with `{name}`")).unwrap_or_default();
    format!("`{} {path}{mark}{query}`{header}", route.method)
}

fn needs(access: Access) -> &'static str {
    match access {
        Access::AnyKey => "any key",
        Access::CreateBucket => "a key that may create buckets",
        Access::Read => "read",
        Access::Write => "write",
        Access::Owner => "owner",
        Access::AnyGrant => "any grant",
        Access::ReadOrAcl => "read",
        Access::ShareOrAcl => "read and write, or owner",
        Access::WriteByBody | Access::WriteOrInitiator => "write",
    }
}

/// The permission by which an access control list gives all actions.
fn by_list(operation: &Operation) -> String {
    if operation.access == Access::WriteOrInitiator {
        return "WRITE of the bucket, for who began the upload".to_owned();
    }
    let needed: Option<Vec<Needed>> = operation.actions.iter().map(|action| needed(action)).collect();
    let name = |permission| match permission {
        Permission::Read => "READ",
        Permission::Write => "WRITE",
        Permission::ReadAcp => "READ_ACP",
        Permission::WriteAcp => "WRITE_ACP",
        Permission::FullControl => "FULL_CONTROL",
    };
    let is_about_own = operation.actions.iter().any(|action| is_about_own(action));
    match needed.as_deref() {
        Some([Needed::OfBucket(permission)]) if is_about_own => {
            format!("{} of the bucket, but for objects of others", name(*permission))
        }
        Some([Needed::OfBucket(permission)]) => format!("{} of the bucket", name(*permission)),
        Some([Needed::OfObject(permission)]) => format!("{} of the object", name(*permission)),
        _ => String::new(),
    }
}

fn operations() -> String {
    let mut text = "| operation | request | needs a grant | or by policy | or by a list |\n".to_owned();
    text.push_str("|---|---|---|---|---|\n");
    for operation in OPERATIONS {
        let access = needs(operation.access);
        let actions = match operation.route.target {
            Target::Service => String::new(),
            _ if operation.access == Access::CreateBucket => String::new(),
            _ => actions(operation),
        };
        let (name, request, list) = (operation.name, request(operation), by_list(operation));
        text.push_str(&format!("| {name} | {request} | {access} | {actions} | {list} |\n"));
    }
    text
}

fn actions(operation: &Operation) -> String {
    let listed = |actions: Vec<&str>| {
        let shown: Vec<String> = actions.iter().map(|action| format!("`{action}`")).collect();
        shown.join(", ")
    };
    let plain = listed(operation.actions.to_vec());
    let takes_version = decision(Place::Query, versions::PARAMETER)
        .is_some_and(|row| row.operations.contains(&operation.name));
    match takes_version {
        true => format!(
            "{plain}; of a version {}",
            listed(operation.actions.iter().map(|action| versions::action(action)).collect())
        ),
        false => plain,
    }
}

fn verdict(row: &Decision) -> String {
    let shown = |value: &&str| if value.is_empty() { "empty".to_owned() } else { format!("`{value}`") };
    match row.verdict {
        Verdict::Obeyed => format!("obeyed by {}", names(row.operations)),
        Verdict::ObeyedOnly => format!("obeyed by {}; refused elsewhere", names(row.operations)),
        Verdict::Refused => "refused".to_owned(),
        Verdict::Harmless => "accepted without effect".to_owned(),
        Verdict::HarmlessIf(values) => {
            let values: Vec<String> = values.iter().map(shown).collect();
            format!("accepted without effect if {}; refused otherwise", values.join(", "))
        }
    }
}

fn names(operations: &[&str]) -> String {
    let of_buckets: Vec<&str> = OPERATIONS
        .iter()
        .filter(|operation| operation.route.target != Target::Service && operation.name != "CreateBucket")
        .map(|operation| operation.name)
        .collect();
    if operations == of_buckets {
        return "every operation on a bucket that exists".to_owned();
    }
    operations.join(", ")
}

fn parameters(place: Place) -> String {
    let mut text = "| name | what becomes of it | why |\n|---|---|---|\n".to_owned();
    for row in TABLE.iter().filter(|row| row.place == place) {
        let more = if row.name.ends_with('-') { "…" } else { "" };
        text.push_str(&format!("| `{}{more}` | {} | {} |\n", row.name, verdict(row), row.reason));
    }
    text
}

fn with_block(document: &str, name: &str, block: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = document.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{begin}\n{block}\n{end}{after}")
}

#[test]
#[allow(clippy::disallowed_methods, reason = "writes the document when asked to")]
fn the_document_shows_the_tables() {
    let mut wanted = with_block(DOCUMENT, "operations", &operations());
    wanted = with_block(&wanted, "query parameters", &parameters(Place::Query));
    wanted = with_block(&wanted, "headers", &parameters(Place::Header));
    if std::env::var_os("UPDATE_DOC").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../doc/s3-compatibility.md");
        std::fs::write(path, &wanted).unwrap();
        return;
    }
    assert!(wanted == DOCUMENT, "doc/s3-compatibility.md is out of date; see the head of this file");
    for operation in OPERATIONS {
        assert!(DOCUMENT.contains(&format!("| {} |", operation.name)), "{}", operation.name);
    }
}

/// The cells of the rows in a section's tables, but for the first table's head.
fn rows_of(section: &str) -> Vec<Vec<&'static str>> {
    let text = DOCUMENT.split(&format!("\n## {section}\n")).nth(1).unwrap_or_else(|| panic!("no {section}"));
    let text = text.split("\n## ").next().unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The cells of the rows in "Beside other servers", but for those that are headings.
fn features() -> Vec<Vec<&'static str>> {
    rows_of("Beside other servers").into_iter().filter(|row| !row[0].starts_with("**")).collect()
}

/// Where a test stands, and what must stand there.
fn place_of(test: &str) -> (String, String) {
    if let Some(application) = test.strip_prefix("applications/") {
        return (format!("script/tortures/applications/{application}.py"), "\n".to_owned());
    }
    if let Some(file) = test.strip_prefix("operations::") {
        return (format!("src/api/tests/operations/{file}.rs"), "#[tokio::test".to_owned());
    }
    let (suite, function) = test.split_once('.').unwrap_or_else(|| panic!("{test} is no test"));
    (format!("script/clients/{suite}.py"), format!("\ndef {function}("))
}

#[test]
#[allow(clippy::disallowed_methods, reason = "reads what the document names")]
fn what_the_document_says_is_there_has_tests_that_are_there() {
    let rows = features();
    assert!(rows.len() > 50, "{} rows", rows.len());
    for row in &rows {
        let [feature, .., here, tests] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(row.len(), 10, "{feature}");
        let is_there = here.starts_with(['Y', 'P']);
        assert!(!is_there || !tests.is_empty(), "{feature} is {here}, and no test shows it");
        for test in tests.split(", ").filter(|test| !test.is_empty()) {
            let (path, wanted) = place_of(test.trim_matches('`'));
            let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
            let found = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{test}: {error}"));
            assert!(found.contains(&wanted), "{test} of {feature} is not there");
        }
    }
}

#[test]
fn every_feature_says_where_it_is_written() {
    let written = rows_of("Where it is written");
    for feature in features() {
        let name = feature[0];
        let row =
            written.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name} is written nowhere"));
        let is_said = row[1].contains("(https://docs.aws.amazon.com/") || row[1].starts_with("our reading");
        assert!(is_said, "{name}: {}", row[1]);
    }
}
