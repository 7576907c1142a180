//! Lifecycle rules in the words of S3, as the JSON of AWS's tools has them: files made for those can be set here.
//!
//! Always holds: a member that is not known – of transitions, say – is an error, never ignored: a filter that is not
//! understood would delete too much. Whether values make sense is for `s3::lifecycle` to say.

use crate::dates;
use crate::s3::xml::{LifecycleExpiration, LifecycleFilter, LifecycleNoncurrent};
use serde::{Deserialize, Serialize};

/// A rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LifecycleRule {
    /// Its name; without one it is given one.
    #[serde(rename = "ID", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it is obeyed.
    pub status: LifecycleStatus,
    /// Beginning of the key, in the first form of rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What it is about, in the present form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What becomes of current versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Expiration>,
    /// What becomes of versions that are not current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noncurrent_version_expiration: Option<Noncurrent>,
    /// What becomes of uploads that are not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_incomplete_multipart_upload: Option<Abort>,
}

/// Whether a rule is obeyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecycleStatus {
    /// It is.
    #[default]
    Enabled,
    /// It is kept only.
    Disabled,
}

/// What a rule is about: one condition, or several in `And`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Filter {
    /// Beginning of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// A tag that it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// More bytes than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<i64>,
    /// Fewer bytes than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<i64>,
    /// All of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub and: Option<All>,
}

/// Conditions that hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct All {
    /// Beginning of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Tags that it has, each of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// More bytes than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<i64>,
    /// Fewer bytes than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<i64>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// When what is current goes: one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct Expiration {
    /// At this age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<i64>,
    /// From this day on, as 2030-01-31 or with its midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Delete markers that cover nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_object_delete_marker: Option<bool>,
}

/// When versions go that are not current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Noncurrent {
    /// So long after they were displaced.
    pub noncurrent_days: i64,
    /// As long as so many newer ones stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_noncurrent_versions: Option<i64>,
}

/// When uploads are given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Abort {
    /// So long after they were begun.
    pub days_after_initiation: i64,
}

impl From<crate::s3::xml::LifecycleRule> for LifecycleRule {
    fn from(rule: crate::s3::xml::LifecycleRule) -> Self {
        Self {
            id: rule.id,
            status: if rule.enabled { LifecycleStatus::Enabled } else { LifecycleStatus::Disabled },
            prefix: rule.prefix,
            filter: rule.filter.map(Into::into),
            expiration: rule.expiration.map(|expiration| Expiration {
                days: expiration.days,
                date: expiration.date_ms.and_then(|date| u64::try_from(date).ok()).map(dates::iso8601_ms),
                expired_object_delete_marker: expiration.markers,
            }),
            noncurrent_version_expiration: rule.noncurrent.map(|noncurrent| Noncurrent {
                noncurrent_days: noncurrent.days,
                newer_noncurrent_versions: noncurrent.newer,
            }),
            abort_incomplete_multipart_upload: rule
                .abort_days
                .map(|days| Abort { days_after_initiation: days }),
        }
    }
}

impl From<LifecycleFilter> for Filter {
    fn from(filter: LifecycleFilter) -> Self {
        let LifecycleFilter { is_and, prefix, tags, larger_than, smaller_than } = filter;
        let (object_size_greater_than, object_size_less_than) = (larger_than, smaller_than);
        let mut tags = tags.into_iter().map(|(key, value)| Tag { key, value });
        if is_and {
            let tags = tags.collect();
            let all = All { prefix, tags, object_size_greater_than, object_size_less_than };
            return Self { and: Some(all), ..Self::default() };
        }
        Self { prefix, tag: tags.next(), object_size_greater_than, object_size_less_than, and: None }
    }
}

/// What of a rule cannot be what S3 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not exactly one of `Prefix` and `Filter`.
    Filter,
    /// Several conditions that do not stand in `And`, or an `And` of nothing.
    Conditions,
    /// Not exactly one of `Days`, `Date` and `ExpiredObjectDeleteMarker`.
    Expiration,
    /// Not a date.
    Date,
}

impl Fault {
    /// In words.
    pub fn message(self) -> &'static str {
        match self {
            Self::Filter => "a rule has either Filter or Prefix",
            Self::Conditions => "several conditions of a Filter stand in And, which is not empty",
            Self::Expiration => "Expiration has one of Days, Date and ExpiredObjectDeleteMarker",
            Self::Date => "Date is a day, such as 2030-01-31",
        }
    }
}

impl TryFrom<LifecycleRule> for crate::s3::xml::LifecycleRule {
    type Error = Fault;

    fn try_from(rule: LifecycleRule) -> Result<Self, Fault> {
        if rule.prefix.is_some() == rule.filter.is_some() {
            return Err(Fault::Filter);
        }
        Ok(Self {
            id: rule.id,
            enabled: rule.status == LifecycleStatus::Enabled,
            prefix: rule.prefix,
            filter: rule.filter.map(TryInto::try_into).transpose()?,
            expiration: rule.expiration.map(TryInto::try_into).transpose()?,
            noncurrent: rule.noncurrent_version_expiration.map(|noncurrent| LifecycleNoncurrent {
                days: noncurrent.noncurrent_days,
                newer: noncurrent.newer_noncurrent_versions,
            }),
            abort_days: rule.abort_incomplete_multipart_upload.map(|abort| abort.days_after_initiation),
        })
    }
}

impl TryFrom<Filter> for LifecycleFilter {
    type Error = Fault;

    fn try_from(filter: Filter) -> Result<Self, Fault> {
        let Filter { prefix, tag, object_size_greater_than, object_size_less_than, and } = filter;
        let alone = [
            prefix.is_some(),
            tag.is_some(),
            object_size_greater_than.is_some(),
            object_size_less_than.is_some(),
            and.is_some(),
        ];
        if alone.into_iter().filter(|is_there| *is_there).count() > 1 || and == Some(All::default()) {
            return Err(Fault::Conditions);
        }
        let is_and = and.is_some();
        let all = and.unwrap_or(All {
            prefix,
            tags: tag.into_iter().collect(),
            object_size_greater_than,
            object_size_less_than,
        });
        Ok(Self {
            is_and,
            prefix: all.prefix,
            tags: all.tags.into_iter().map(|Tag { key, value }| (key, value)).collect(),
            larger_than: all.object_size_greater_than,
            smaller_than: all.object_size_less_than,
        })
    }
}

impl TryFrom<Expiration> for LifecycleExpiration {
    type Error = Fault;

    fn try_from(expiration: Expiration) -> Result<Self, Fault> {
        let Expiration { days, date, expired_object_delete_marker: markers } = expiration;
        let said = [days.is_some(), date.is_some(), markers.is_some()];
        if said.into_iter().filter(|is_there| *is_there).count() != 1 {
            return Err(Fault::Expiration);
        }
        let date_ms = date.map(|text| {
            let whole = dates::parse_iso8601_ms(&text);
            let day = || dates::parse_iso8601_ms(&format!("{text}T00:00:00Z"));
            whole.or_else(day).and_then(|date| i64::try_from(date).ok()).ok_or(Fault::Date)
        });
        Ok(Self { days, date_ms: date_ms.transpose()?, markers })
    }
}
