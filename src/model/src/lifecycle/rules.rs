//! The lifecycle rules of a bucket: what they say about an object, a version, a delete marker, an upload.
//!
//! Nothing here reads a clock, a row or the network. Always holds: rules that cannot be read whole are an error, never
//! fewer rules or wider ones, since a filter that is not understood would delete too much.

use super::Day;
use crate::ModelError;
use crate::rows::bucket::{BucketRow, Document, Setting};
use crate::rows::object::Object;
use base::WallTime;
use serde::{Deserialize, Serialize};

/// All rules of a bucket, in the order in which they were set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Whether it is obeyed.
    pub enabled: bool,
    /// What it is about.
    pub filter: Filter,
    /// What becomes of current versions.
    #[serde(default)]
    pub expiration: Option<Expiration>,
    /// What becomes of versions that are not current.
    #[serde(default)]
    pub noncurrent: Option<Noncurrent>,
    /// Days after which an upload that was not finished is given up.
    #[serde(default)]
    pub abort_days: Option<u32>,
}

/// Which objects a rule is about: those that fit all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// How it was written.
    pub form: FilterForm,
    /// Beginning of the key; none: not said.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Tags that the object has, each of them.
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// It has more bytes than this.
    #[serde(default)]
    pub larger_than: Option<u64>,
    /// It has fewer bytes than this.
    #[serde(default)]
    pub smaller_than: Option<u64>,
}

/// How a filter was written: it is shown the same way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilterForm {
    /// A prefix in the rule itself, as in the first form of the API.
    #[serde(rename = "prefix")]
    Prefix,
    /// A filter with one condition, or none.
    #[default]
    #[serde(rename = "one")]
    One,
    /// A filter with several.
    #[serde(rename = "and")]
    And,
}

/// When what is current goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    /// At this age.
    #[serde(rename = "days")]
    Days(u32),
    /// From this time on.
    #[serde(rename = "date")]
    Date(WallTime),
    /// Only delete markers that cover nothing go, if this is true.
    #[serde(rename = "markers")]
    Markers(bool),
}

/// When versions go that are not current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noncurrent {
    /// So long after they were displaced.
    pub days: u32,
    /// As long as at least so many newer ones stay that are not current either.
    #[serde(default)]
    pub newer: Option<u32>,
}

/// When something goes, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry<'a> {
    /// When.
    pub at: WallTime,
    /// The rule's name.
    pub rule: &'a str,
}

/// What filters ask of an object besides its key.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// Its bytes.
    pub size: u64,
    /// Its tags.
    pub tags: &'a [(String, String)],
}

impl<'a> From<&'a Object> for Traits<'a> {
    fn from(object: &'a Object) -> Self {
        Self { size: object.size, tags: &object.tags }
    }
}

/// A version that is not current.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Displaced<'a> {
    /// Its key.
    pub key: &'a str,
    /// What it is; none: a delete marker.
    pub object: Option<Traits<'a>>,
    /// When the version above it was made.
    pub since: WallTime,
    /// Objects between it and what is current.
    pub newer: u32,
}

impl Rules {
    /// The rules of a bucket; none where none are set.
    pub fn of(bucket: &BucketRow) -> Result<Option<Self>, ModelError> {
        let Some(document) = bucket.setting(Setting::Lifecycle) else { return Ok(None) };
        serde_json::from_slice(&document.0).map(Some).map_err(|_| ModelError::NewerSetting)
    }

    /// As they are kept.
    pub fn document(&self) -> Document {
        Document(serde_json::to_vec(self).expect("numbers, texts and lists have a form in JSON"))
    }

    /// The rules that are obeyed.
    fn obeyed(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.enabled)
    }

    /// Whether any rule is obeyed.
    pub fn is_idle(&self) -> bool {
        self.obeyed().next().is_none()
    }

    /// When an object goes if it stays as it is, by the first rule to say so.
    pub fn expiry(&self, key: &str, object: Traits<'_>, modified: WallTime, day: Day) -> Option<Expiry<'_>> {
        let of_rule = |rule: &Rule| match rule.expiration? {
            Expiration::Days(days) => Some(day.after(modified, days)),
            Expiration::Date(date) => Some(date),
            Expiration::Markers(_) => None,
        };
        let fits = self.obeyed().filter(|rule| rule.filter.fits(key, Some(object)));
        first(fits, of_rule)
    }

    /// When an upload is given up.
    pub fn abort(&self, key: &str, initiated: WallTime, day: Day) -> Option<Expiry<'_>> {
        let fits = self.obeyed().filter(|rule| rule.filter.fits(key, None));
        first(fits, |rule| rule.abort_days.map(|days| day.after(initiated, days)))
    }

    /// Whether a delete marker that covers nothing goes now.
    pub(crate) fn drops_marker(&self, key: &str, made: WallTime, (now, day): (WallTime, Day)) -> bool {
        let fits = |rule: &&Rule| rule.filter.fits(key, None);
        self.obeyed().filter(fits).any(|rule| match rule.expiration {
            Some(Expiration::Days(days)) => day.after(made, days) <= now,
            Some(Expiration::Date(date)) => date <= now,
            Some(Expiration::Markers(asked)) => asked,
            None => false,
        })
    }

    /// Whether a version goes now that is not current.
    pub(crate) fn drops_displaced(&self, version: &Displaced<'_>, (now, day): (WallTime, Day)) -> bool {
        let Displaced { key, object, since, newer } = *version;
        let fits = |rule: &&Rule| rule.filter.fits(key, object);
        self.obeyed().filter(fits).filter_map(|rule| rule.noncurrent).any(|noncurrent| {
            day.after(since, noncurrent.days) <= now && noncurrent.newer.is_none_or(|stay| newer >= stay)
        })
    }

    /// The most newer versions that any rule wants to stay.
    pub(crate) fn newer_wanted(&self) -> u32 {
        self.obeyed().filter_map(|rule| rule.noncurrent?.newer).max().unwrap_or(0)
    }

    /// Beginnings of the keys that some rules are about, in order, none inside of another.
    pub(crate) fn prefixes(&self, wanted: impl Fn(&Rule) -> bool) -> Vec<&str> {
        let rules = self.obeyed().filter(|rule| wanted(rule));
        let mut prefixes: Vec<&str> =
            rules.map(|rule| rule.filter.prefix.as_deref().unwrap_or_default()).collect();
        prefixes.sort_unstable();
        prefixes.dedup_by(|later, kept| later.starts_with(*kept));
        prefixes
    }
}

/// The earliest time that rules tell.
fn first<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    time: impl Fn(&Rule) -> Option<WallTime>,
) -> Option<Expiry<'a>> {
    let told = rules.filter_map(|rule| Some(Expiry { at: time(rule)?, rule: &rule.id }));
    told.min_by_key(|expiry| expiry.at)
}

impl Filter {
    /// Whether it fits an object, or what is none: a delete marker, an upload. Those have no tags and no size, so that
    /// a filter that asks for any does not fit them.
    pub fn fits(&self, key: &str, object: Option<Traits<'_>>) -> bool {
        if !key.starts_with(self.prefix.as_deref().unwrap_or_default()) {
            return false;
        }
        let Some(object) = object else { return !self.asks_of_objects() };
        self.tags.iter().all(|tag| object.tags.contains(tag))
            && self.larger_than.is_none_or(|bytes| object.size > bytes)
            && self.smaller_than.is_none_or(|bytes| object.size < bytes)
    }

    /// Whether it asks for tags or a size.
    pub fn asks_of_objects(&self) -> bool {
        !self.tags.is_empty() || self.larger_than.is_some() || self.smaller_than.is_some()
    }
}
