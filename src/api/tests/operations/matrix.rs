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

/// The grants alone; or what is set beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Grants,
    PolicyAllows,
    PolicyDenies,
    PolicyAllowsAndDenies,
    ListsOpenToAll,
}

const RULES: [Rule; 5] =
    [Rule::Grants, Rule::PolicyAllows, Rule::PolicyDenies, Rule::PolicyAllowsAndDenies, Rule::ListsOpenToAll];
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
            Self::ListsOpenToAll => open_lists(home, shelf).await,
        }
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
        }
    }
}

/// The bucket's list and the object's give everybody reading and writing.
async fn open_lists(home: &Home, shelf: &Shelf) {
    let lists = [Req::new("PUT", &format!("/{}", shelf.bucket)), thing("PUT", shelf)];
    let is_empty = shelf.upload.is_empty();
    for list in lists.into_iter().take(if is_empty { 1 } else { 2 }) {
        let answer = home.root(&list.query("acl", "").header("x-amz-acl", "public-read-write")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

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
fn is_denial(request: &Req, answer: &Answer) -> bool {
    let of_keys = answer.text().contains("<Code>AccessDenied") && !answer.text().contains("<Deleted>");
    answer.is_refusal(&request.method, 403, "AccessDenied") || (answer.status == 200 && of_keys)
}

/// A request to a fresh shelf on which the rule is in force.
async fn prepare(home: &Home, sample: &Sample, rule: Rule) -> Req {
    let mut shelf = sample.shelf(home).await;
    if rule == Rule::ListsOpenToAll {
        shelf = opened_up(home, shelf).await;
    }
    let request = (sample.make)(home, &shelf);
    rule.put_in_force(home, &shelf).await;
    request
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_and_nobody_kept_out_against_the_rules() {
    let home = Home::new().await;
    let (mut cells, mut wrong) = (0, Vec::new());
    for operation in operations() {
        let sample = Sample::of(operation.name);
        for rule in RULES {
            if rule == Rule::ListsOpenToAll && sample.on_empty {
                continue;
            }
            // Who is denied changes nothing, so one shelf is enough until somebody was let in.
            let mut prepared = None;
            for who in CALLERS {
                let request = match prepared.take() {
                    Some(request) => request,
                    None => prepare(&home, sample, rule).await,
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
                    wrong.push(format!(
                        "{name} by {who:?} under {rule:?}: {} {}",
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
