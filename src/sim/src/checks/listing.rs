//! I4: a page is in order, obeys prefix, delimiter and limit, and shows each key that is there and
//! none that is not.
//!
//! Order and form are judged here. What a page says about each key becomes an observation of that
//! key, which the linearizability check judges: a listing that misses a write answered before it
//! began, or shows a key deleted before, has no order that explains it.

use super::Failure;
use crate::history::Needs;
use model::listing::{ListEntry, ListPage, ListQuery, Start};

const PROPERTY: &str = "I4 listing";

/// The name an entry sorts by.
pub fn name_of(entry: &ListEntry) -> &str {
    match entry {
        ListEntry::Object(listed) => &listed.key,
        ListEntry::Prefix(prefix) => prefix,
    }
}

/// What a key is folded into, if anything.
fn folded(query: &ListQuery, key: &str) -> Option<String> {
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let at = key.strip_prefix(query.prefix.as_str())?.find(delimiter)?;
    Some(key[..query.prefix.len() + at + delimiter.len()].to_owned())
}

/// Judges order and form of a page.
pub fn check_form(query: &ListQuery, page: &ListPage) -> Result<(), Failure> {
    let fail = |what: &str| Err(Failure::new(PROPERTY, format!("{what}: {query:?} gave {page:?}")));
    let names: Vec<&str> = page.entries.iter().map(name_of).collect();
    if names.windows(2).any(|pair| pair[0].as_bytes() >= pair[1].as_bytes()) {
        return fail("out of order");
    }
    if names.len() > query.limit {
        return fail("more than was asked for");
    }
    if let Some(next) = &page.next {
        if names.len() < query.limit {
            return fail("cut short before it was full");
        }
        if names.last().is_some_and(|last| last.as_bytes() >= next.as_bytes()) {
            return fail("the next page would begin before the end of this one");
        }
    }
    for entry in &page.entries {
        let right = match entry {
            ListEntry::Object(listed) => folded(query, &listed.key).is_none(),
            ListEntry::Prefix(prefix) => folded(query, prefix).as_ref() == Some(prefix),
        };
        if !right || !name_of(entry).starts_with(&query.prefix) {
            return fail("an entry that is folded wrongly or does not begin with the prefix");
        }
        let behind_start = match &query.start {
            Start::First => true,
            Start::At(start) => name_of(entry).as_bytes() >= start.as_bytes(),
            Start::After(start) => name_of(entry).as_bytes() > start.as_bytes(),
        };
        if !behind_start {
            return fail("an entry before the start");
        }
    }
    Ok(())
}

/// What a page says about a key; `None` if the page does not reach it, or folds it away.
pub fn says_about(query: &ListQuery, page: &ListPage, key: &str) -> Option<Needs> {
    if !key.starts_with(&query.prefix) {
        return None;
    }
    let fold = folded(query, key);
    let name = fold.as_deref().unwrap_or(key);
    let reached = match &query.start {
        Start::First => true,
        Start::At(start) => key.as_bytes() >= start.as_bytes(),
        Start::After(start) => name.as_bytes() > start.as_bytes(),
    };
    let cut = page.next.as_ref().is_some_and(|next| name.as_bytes() >= next.as_bytes());
    if !reached || cut {
        return None;
    }
    match (page.entries.iter().find(|entry| name_of(entry) == name), fold) {
        (Some(ListEntry::Object(listed)), _) => Some(Needs::Tag(crate::book::tag_of(&listed.etag.md5))),
        (Some(ListEntry::Prefix(_)), _) => None,
        (None, _) => Some(Needs::Unseen),
    }
}
