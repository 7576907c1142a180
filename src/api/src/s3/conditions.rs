//! Conditional requests: what `If-*` headers mean for reads, copy sources and writes.

use super::error::{S3Code, S3Error};
use super::head::Head;
use super::metadata::quoted;
use crate::dates;
use base::WallTime;
use http::Method;
use http::header::{ETAG, HeaderValue};
use model::objects::{Condition, Found};

/// The names of one family of condition headers.
#[derive(Debug, Clone, Copy)]
pub struct ReadConditions {
    if_match: &'static str,
    if_none_match: &'static str,
    if_modified_since: &'static str,
    if_unmodified_since: &'static str,
    /// What a condition that says "you have it already" is answered.
    not_modified: S3Code,
}

/// Conditions of GET and HEAD.
pub const READ: ReadConditions = ReadConditions {
    if_match: "if-match",
    if_none_match: "if-none-match",
    if_modified_since: "if-modified-since",
    if_unmodified_since: "if-unmodified-since",
    not_modified: S3Code::NotModified,
};

/// Conditions on the source of a copy.
pub const COPY_SOURCE: ReadConditions = ReadConditions {
    if_match: "x-amz-copy-source-if-match",
    if_none_match: "x-amz-copy-source-if-none-match",
    if_modified_since: "x-amz-copy-source-if-modified-since",
    if_unmodified_since: "x-amz-copy-source-if-unmodified-since",
    not_modified: S3Code::PreconditionFailed,
};

impl ReadConditions {
    /// Checks an object. A tag condition that holds outweighs the date condition of its kind. That nothing was changed
    /// since a time to come is not asked.
    pub fn check(&self, head: &Head, found: &Found, now: WallTime) -> Result<(), S3Error> {
        let tag = found.object.etag.to_string();
        let modified_s = i64::try_from(found.modified().wall().seconds()).unwrap_or(i64::MAX);
        let now_s = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        let date = |name: &str| head.header(name).and_then(|text| dates::parse_http_date(&text));
        let if_match = head.header(self.if_match).map(|list| lists(&list, &tag));
        match (if_match, date(self.if_unmodified_since)) {
            (Some(false), _) => return Err(failed(self.if_match)),
            (None, Some(since)) if modified_s > since => return Err(failed(self.if_unmodified_since)),
            _ => {}
        }
        let if_none_match = head.header(self.if_none_match).map(|list| lists(&list, &tag));
        let stale = match (if_none_match, date(self.if_modified_since)) {
            (Some(listed), _) => listed,
            (None, Some(since)) if since > now_s => false,
            (None, Some(since)) => modified_s <= since,
            (None, None) => false,
        };
        if !stale {
            return Ok(());
        }
        if self.not_modified == S3Code::PreconditionFailed {
            return Err(failed(self.if_none_match));
        }
        let tag = HeaderValue::try_from(quoted(&found.object.etag)).map_err(|_| S3Code::InternalError)?;
        let modified = dates::http_date(found.modified().wall().millis());
        let modified = HeaderValue::try_from(modified).map_err(|_| S3Code::InternalError)?;
        Err(S3Error::new(self.not_modified).header(ETAG, tag).header(http::header::LAST_MODIFIED, modified))
    }
}

/// Whether a range may be cut of what is there: it is what the client has the rest of.
pub fn range_fits(head: &Head, found: &Found) -> bool {
    let Some(wanted) = head.header("if-range") else { return true };
    match dates::parse_http_date(&wanted) {
        Some(date) => i64::try_from(found.modified().wall().seconds()) == Ok(date),
        // A weak tag says nothing about single bytes.
        None => wanted == quoted(&found.object.etag),
    }
}

fn failed(condition: &str) -> S3Error {
    S3Error::new(S3Code::PreconditionFailed).field("Condition", condition)
}

fn lists(list: &str, tag: &str) -> bool {
    tags(list).any(|listed| listed == "*" || listed == tag)
}

/// Tags of a list, unquoted; weak tags compare like strong ones, as AWS does.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|tag| {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
    })
}

/// The condition of a write.
pub fn write_condition(head: &Head) -> Result<Condition, S3Error> {
    match (head.header("if-match"), head.header("if-none-match")) {
        (None, None) => Ok(Condition::Always),
        (None, Some(value)) if value == "*" => Ok(Condition::Absent),
        (Some(list), None) if tags(&list).any(|tag| tag == "*") => match head.method == Method::DELETE {
            true => Ok(Condition::Present),
            // Of writes AWS has it for deletions only.
            false => Err(S3Error::new(S3Code::NotImplemented).field("Header", "If-Match")),
        },
        (Some(list), None) => Ok(Condition::Matches(tags(&list).map(str::to_owned).collect())),
        // AWS knows only the asterisk here, and no combination.
        _ => Err(S3Code::NotImplemented.into()),
    }
}

/// A condition that rests on one tag, as DeleteObjects has it per key.
pub fn tag_condition(tag: Option<&str>) -> Condition {
    match tag.map(|tag| tag.trim_matches('"')) {
        None => Condition::Always,
        Some("*") => Condition::Present,
        Some(tag) => Condition::Matches(vec![tag.to_owned()]),
    }
}
