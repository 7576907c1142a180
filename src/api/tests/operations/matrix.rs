//! The authorization matrix: every operation, by every kind of caller, under every kind of rule, one after the other.
//!
//! What is expected comes from two tables written by hand (`ROWS`: what grants open; `OPENS`: what lists open, after
//! AWS's overview of access control lists) and three rules: a deny closes everything but the policy to its owner, a policy
//! that allows everything opens everything, and without a signature no setting is changed.
//! `cargo test -p api --test operations matrix -- --nocapture` prints how many cells there are.

use super::access_lists::{OPENS, opened_up};
use super::authorization::ROWS;
use super::bucket_policy::{operations, set, statement};
use super::calls::{Sample, thing};
use super::client::{Answer, Req};
use super::home::{Home, Shelf, Who};
use Who::{Owner, Reader, Stranger, Writer};
use api::s3::access::Access;
use api::s3::operation::Operation;
use api::s3::parameters::table::{Place, decision};
use api::s3::versions;

/// The grants alone; or what is set beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Grants,
    PolicyAllows,
    PolicyDenies,
    PolicyAllowsAndDenies,
    ListsOpenToAll,
    ListsOpenToStranger,
}

const RULES: [Rule; 6] = [
    Rule::Grants,
    Rule::PolicyAllows,
    Rule::PolicyDenies,
    Rule::PolicyAllowsAndDenies,
    Rule::ListsOpenToAll,
    Rule::ListsOpenToStranger,
];
/// `None` sends no signature.
const CALLERS: [Option<Who>; 5] = [None, Some(Stranger), Some(Reader), Some(Writer), Some(Owner)];
const POLICY_OPERATIONS: [&str; 3] = ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"];

impl Rule {
    async fn put_in_force(self, home: &Home, shelf: &Shelf) {
        let everybody = |effect: &str| statement(effect, "\"*\"", &["s3:*"], shelf, "");
        match self {
            Self::Grants => {}
            Self::PolicyAllows => set(home, shelf, &[everybody("Allow")]).await,
            Self::PolicyDenies => set(home, shelf, &[everybody("Deny")]).await,
            Self::PolicyAllowsAndDenies => {
                set(home, shelf, &[everybody("Allow"), everybody("Deny")]).await;
            }
            Self::ListsOpenToAll => open_lists(home, shelf, &[("x-amz-acl", "public-read-write")]).await,
            Self::ListsOpenToStranger => {
                let stranger = format!("id={}", home.identity(Stranger).id);
                let grants = ["x-amz-grant-read", "x-amz-grant-write"].map(|name| (name, stranger.as_str()));
                open_lists(home, shelf, &grants).await;
            }
        }
    }

    fn is_of_lists(self) -> bool {
        matches!(self, Self::ListsOpenToAll | Self::ListsOpenToStranger)
    }

    fn allows(self, operation: &Operation, who: Option<Who>) -> bool {
        let name = operation.name;
        let row = ROWS.iter().find(|row| row.operation == name).expect("a row");
        let granted = who.is_some_and(|who| row.allowed.contains(&who));
        match self {
            Self::Grants => granted,
            // Only who may repair it gets past it.
            Self::PolicyDenies | Self::PolicyAllowsAndDenies => {
                who == Some(Owner) && POLICY_OPERATIONS.contains(&name)
            }
            Self::PolicyAllows => granted || who.is_some() || operation.access != Access::Owner,
            Self::ListsOpenToAll => granted || is_open_by_lists(name),
            Self::ListsOpenToStranger => granted || (who == Some(Stranger) && is_open_by_lists(name)),
        }
    }
}

/// The bucket's list and the object's give what these headers say.
async fn open_lists(home: &Home, shelf: &Shelf, headers: &[(&str, &str)]) {
    let lists = [Req::new("PUT", &format!("/{}", shelf.bucket)), thing("PUT", shelf)];
    let is_empty = shelf.upload.is_empty();
    for list in lists.into_iter().take(if is_empty { 1 } else { 2 }) {
        let list = list.query("acl", "");
        let list = headers.iter().fold(list, |list, (name, value)| list.header(name, value));
        let answer = home.root(&list).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// What is there belongs to the bucket's owner: no list lets anybody else delete it.
fn is_open_by_lists(operation: &str) -> bool {
    let opens = |header: &str| OPENS.iter().find(|(known, ..)| *known == header).expect("a permission");
    let (_, bucket_read, object_read) = opens("x-amz-grant-read");
    let (_, bucket_write, _) = opens("x-amz-grant-write");
    [bucket_read, object_read, bucket_write].iter().any(|opened| opened.contains(&operation))
}

/// What a copy reads lies in a bucket of its own, which these two may read and the rule is not about.
fn reads_elsewhere(operation: &Operation, who: Option<Who>) -> bool {
    ["CopyObject", "UploadPartCopy"].contains(&operation.name)
        && ![Some(Stranger), Some(Writer)].contains(&who)
}

/// Whether nothing was done because the caller may not. Keys that may not be deleted are named in a 200.
pub fn is_denial(request: &Req, answer: &Answer) -> bool {
    let of_keys = answer.text().contains("<Code>AccessDenied") && !answer.text().contains("<Deleted>");
    answer.is_refusal(&request.method, 403, "AccessDenied") || (answer.status == 200 && of_keys)
}

/// A request to a fresh shelf on which the rule is in force.
async fn prepare(home: &Home, (sample, of_version): (&Sample, bool), rule: Rule) -> Req {
    let mut shelf = sample.shelf(home).await;
    if rule.is_of_lists() {
        shelf = opened_up(home, shelf).await;
    }
    let request = (sample.make)(home, &shelf);
    rule.put_in_force(home, &shelf).await;
    if of_version { request.query(versions::PARAMETER, "null") } else { request }
}

/// Every operation; those that are about versions of objects also about one.
fn rows() -> impl Iterator<Item = (&'static Operation, bool)> {
    let of_versions = |operation: &Operation| {
        let row = decision(Place::Query, versions::PARAMETER).expect("a row");
        row.operations.contains(&operation.name)
    };
    operations().flat_map(move |operation| {
        let versions: &[bool] = if of_versions(operation) { &[false, true] } else { &[false] };
        versions.iter().map(move |of_version| (operation, *of_version))
    })
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_and_nobody_kept_out_against_the_rules() {
    let home = Home::new().await;
    let (mut cells, mut wrong) = (0, Vec::new());
    for (operation, of_version) in rows() {
        let sample = Sample::of(operation.name);
        for rule in RULES {
            if rule.is_of_lists() && sample.on_empty {
                continue;
            }
            // Who is denied changes nothing, so one shelf is enough until somebody was let in.
            let mut prepared = None;
            for who in CALLERS {
                let request = match prepared.take() {
                    Some(request) => request,
                    None => prepare(&home, (sample, of_version), rule).await,
                };
                let answer = match who {
                    Some(who) => home.send_as(who, &request).await,
                    None => home.send_unsigned(&request).await,
                };
                let is_allowed = rule.allows(operation, who) && !reads_elsewhere(operation, who);
                cells += 1;
                // Whoever is let in may still be told that there is no such setting.
                let is_denied = is_denial(&request, &answer);
                prepared = is_denied.then_some(request);
                if is_denied == is_allowed {
                    let name = operation.name;
                    let what = if of_version { "a version" } else { "it" };
                    wrong.push(format!(
                        "{name} of {what} by {who:?} under {rule:?}: {} {}",
                        answer.status,
                        answer.code()
                    ));
                }
            }
        }
    }
    println!("{cells} cells, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whatever a key that may only write calls, with everything in it that could give it more, it reads nothing afterwards.
#[tokio::test(start_paused = true)]
async fn no_call_opens_another() {
    let home = Home::new().await;
    let mut calls = 0;
    for row in ROWS {
        let sample = Sample::of(row.operation);
        for header in ["x-amz-grant-read", "x-amz-grant-full-control", "x-amz-grant-write-acp"] {
            let shelf = opened_up(&home, sample.shelf(&home).await).await;
            let request = (sample.make)(&home, &shelf);
            let lists = decision(Place::Header, header).expect("a row").operations;
            let mine = format!("id={}", home.identity(Writer).id);
            let request = match lists.contains(&row.operation) {
                // Instead of the document that two of them have.
                true if row.operation.ends_with("Acl") => request.body(b"").header(header, &mine),
                true => request.header(header, &mine),
                false => request,
            };
            let answer = home.send_as(Writer, &request).await;
            let is_done = answer.status == sample.status;
            assert_eq!(is_done, row.allowed.contains(&Writer), "{}: {}", row.operation, answer.text());
            for closed in [thing("GET", &shelf), thing("GET", &shelf).query("acl", "")] {
                let answer = home.send_as(Writer, &closed).await;
                calls += 1;
                assert_eq!(answer.status, 403, "{} and then {closed:?}", row.operation);
            }
        }
    }
    println!("{calls} calls after another one");
}
