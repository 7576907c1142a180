//! `garage bucket versioning` and `garage bucket lifecycle`; and what `garage bucket info` says of settings.

use super::error::CliError;
use super::render::Page;
use super::session::{Report, Session};
use api::admin::wire::lifecycle::{All, Expiration, Filter, LifecycleStatus};
use api::admin::wire::{BucketInfo, BucketObjectLock, LifecycleRule, UpdateBucket};
use clap::{ArgGroup, Args};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Whether a bucket keeps versions.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("kept").args(["enable", "suspend"]).required(true))]
pub struct VersioningArguments {
    /// The bucket's name or id.
    pub bucket: String,
    /// Keep what is overwritten and deleted.
    #[arg(long)]
    pub enable: bool,
    /// Make no more versions; those that are there stay.
    #[arg(long)]
    pub suspend: bool,
}

/// What goes by itself.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "The file is that of `aws s3api put-bucket-lifecycle-configuration`:\n  \
                             {\"Rules\": [{\"ID\": \"old logs\", \"Status\": \"Enabled\", \"Filter\": {\"Prefix\": \
                             \"logs/\"},\n             \"Expiration\": {\"Days\": 30}}]}")]
pub struct LifecycleArguments {
    /// The bucket's name or id.
    pub bucket: String,
    /// A file with the rules that take the place of all there are.
    #[arg(long, value_name = "FILE", conflicts_with = "none")]
    pub rules: Option<PathBuf>,
    /// Nothing goes by itself any more.
    #[arg(long)]
    pub none: bool,
}

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    #[serde(rename = "Rules")]
    rules: Vec<serde_json::Value>,
}

/// What is asked of the server for `garage bucket versioning`.
pub fn versioning(asked: &VersioningArguments) -> UpdateBucket {
    let word = if asked.enable { "enabled" } else { "suspended" };
    UpdateBucket { versioning: Some(word.to_owned()), ..UpdateBucket::default() }
}

/// Shows the rules of a bucket, after they were set if that is asked for.
pub async fn lifecycle(session: &Session, asked: LifecycleArguments) -> Result<Report, CliError> {
    let mut answer = session.bucket(&asked.bucket).await?;
    let rules = match (asked.rules, asked.none) {
        (Some(file), _) => Some(read_rules(session, &file)?),
        (None, true) => Some(Vec::new()),
        (None, false) => None,
    };
    if let Some(rules) = rules {
        let body = UpdateBucket { lifecycle_rules: Some(rules), ..UpdateBucket::default() };
        answer = session.client.post("UpdateBucket", &[("id", &answer.value.id)], &body).await?;
    }
    let mut page = Page::default();
    match answer.value.lifecycle_rule_count {
        Some(0) => _ = page.line("No lifecycle rules."),
        Some(_) => {
            let rows = answer.value.lifecycle_rules.iter().map(rule_row).collect();
            page.columns(&["ID", "Status", "About", "What goes"], rows);
        }
        None => {
            _ = page.line("A newer release has set the rules: this node cannot read them, and obeys none.")
        }
    }
    Ok(Report::new(answer.json, page))
}

fn read_rules(session: &Session, file: &Path) -> Result<Vec<LifecycleRule>, CliError> {
    let (holds, command) = ("lifecycle rules", "lifecycle");
    parse_rules(&session.read_file(file)?).map_err(|source| CliError::SettingFile {
        path: file.to_owned(),
        holds,
        command,
        source,
    })
}

/// Reads a configuration as AWS's tools have it, or the list in it.
fn parse_rules(content: &[u8]) -> Result<Vec<LifecycleRule>, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_slice(content)?;
    if value.is_array() {
        return serde_json::from_value(value);
    }
    let Configuration { rules } = serde_json::from_value(value)?;
    rules.into_iter().map(serde_json::from_value).collect()
}

fn rule_row(rule: &LifecycleRule) -> Vec<String> {
    let status = match rule.status {
        LifecycleStatus::Enabled => "enabled",
        LifecycleStatus::Disabled => "disabled",
    };
    vec![rule.id.clone().unwrap_or_default(), status.to_owned(), about(rule), what_goes(rule).join("; ")]
}

/// Which objects a rule is about, in words.
fn about(rule: &LifecycleRule) -> String {
    let filter = rule.filter.clone().unwrap_or(Filter { prefix: rule.prefix.clone(), ..Filter::default() });
    let one = All {
        prefix: filter.prefix,
        tags: filter.tag.into_iter().collect(),
        object_size_greater_than: filter.object_size_greater_than,
        object_size_less_than: filter.object_size_less_than,
    };
    let all = filter.and.unwrap_or(one);
    let prefix = all.prefix.filter(|prefix| !prefix.is_empty()).map(|prefix| format!("{prefix}*"));
    let tags = all.tags.into_iter().map(|tag| format!("tag {}={}", tag.key, tag.value));
    let larger = all.object_size_greater_than.map(|bytes| format!("over {bytes} B"));
    let smaller = all.object_size_less_than.map(|bytes| format!("under {bytes} B"));
    let words: Vec<String> = prefix.into_iter().chain(tags).chain(larger).chain(smaller).collect();
    if words.is_empty() { "everything".to_owned() } else { words.join(", ") }
}

fn what_goes(rule: &LifecycleRule) -> Vec<String> {
    let mut words = Vec::new();
    match &rule.expiration {
        Some(Expiration { days: Some(days), .. }) => words.push(format!("objects after {days} days")),
        Some(Expiration { date: Some(date), .. }) => words.push(format!("objects from {date} on")),
        Some(Expiration { expired_object_delete_marker: Some(true), .. }) => {
            words.push("delete markers without versions".to_owned());
        }
        _ => {}
    }
    if let Some(noncurrent) = &rule.noncurrent_version_expiration {
        let kept = noncurrent.newer_noncurrent_versions.map(|kept| format!(", the newest {kept} stay"));
        let days = noncurrent.noncurrent_days;
        words.push(format!("old versions after {days} days{}", kept.unwrap_or_default()));
    }
    if let Some(abort) = &rule.abort_incomplete_multipart_upload {
        words.push(format!("open uploads after {} days", abort.days_after_initiation));
    }
    words
}

/// Settings as `garage bucket info` shows them, each with its label; those that were never set are left out.
pub fn fields(bucket: &BucketInfo) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(lock) = &bucket.object_lock {
        fields.push(("Object lock", lock_words(lock)));
    }
    if let Some(encryption) = &bucket.encryption {
        let algorithm = encryption.algorithm.clone().unwrap_or_else(|| "only when asked for".to_owned());
        let key = encryption.key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default();
        let blocked = if encryption.blocks_customer_keys { ", no keys of customers" } else { "" };
        fields.push(("Encryption", format!("{algorithm}{key}{blocked}")));
    }
    if let Some(policy) = &bucket.policy {
        let statements = policy.get("Statement").map_or(0, |list| list.as_array().map_or(1, Vec::len));
        let plural = if statements == 1 { "" } else { "s" };
        fields.push(("Policy", format!("{statements} statement{plural}, see --output json")));
    }
    if let Some(block) = bucket.public_access_block {
        let all = [
            (block.block_public_acls, "new lists"),
            (block.ignore_public_acls, "lists"),
            (block.block_public_policy, "new policies"),
            (block.restrict_public_buckets, "policies"),
        ];
        let blocked: Vec<&str> =
            all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word).collect();
        let words = if blocked.is_empty() { "nothing".to_owned() } else { blocked.join(", ") };
        fields.push(("Public blocked", words));
    }
    if bucket.cors_rule_count > 0 {
        fields.push(("CORS rules", bucket.cors_rule_count.to_string()));
    }
    if !bucket.unreadable_settings.is_empty() {
        fields.push((
            "Not readable",
            format!("{} (set by another release)", bucket.unreadable_settings.join(", ")),
        ));
    }
    fields
}

fn lock_words(lock: &BucketObjectLock) -> String {
    let Some(mode) = &lock.default_mode else { return "possible, none by default".to_owned() };
    match (lock.default_days, lock.default_years) {
        (Some(days), _) => format!("{mode}, {days} days"),
        (None, years) => format!("{mode}, {} years", years.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_aws_and_the_list_in_it_are_read() {
        let rule =
            r#"{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 3}}"#;
        let list = parse_rules(format!("[{rule}]").as_bytes()).unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(parse_rules(format!(r#"{{"Rules": [{rule}]}}"#).as_bytes()).unwrap(), list);
        assert_eq!(rule_row(&list[0]), ["a", "enabled", "x/*", "objects after 3 days"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, word) in [
            (r#"{"Rules": [{"Status": "Enabled", "Filter": {}, "Transitions": []}]}"#, "Transitions"),
            (r#"{"Rules": [{"Status": "On", "Filter": {}}]}"#, "On"),
            (r#"{"Rules": [], "More": 1}"#, "More"),
            ("{}", "Rules"),
            ("<xml/>", "expected value"),
        ] {
            let error = parse_rules(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn every_part_of_a_rule_has_words() {
        let text = r#"[{"Status": "Disabled", "Filter": {"And": {"Prefix": "p", "Tags": [{"Key": "k", "Value": "v"}],
            "ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 9}}, "Expiration": {"Date": "2030-01-31"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 2},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]"#;
        let rules = parse_rules(text.as_bytes()).unwrap();
        let goes = "objects from 2030-01-31 on; old versions after 7 days, the newest 2 stay; open uploads after 1 days";
        assert_eq!(rule_row(&rules[0]), ["", "disabled", "p*, tag k=v, over 5 B, under 9 B", goes]);
        let markers =
            r#"[{"Status": "Enabled", "Prefix": "", "Expiration": {"ExpiredObjectDeleteMarker": true}}]"#;
        let rules = parse_rules(markers.as_bytes()).unwrap();
        assert_eq!(rule_row(&rules[0]), ["", "enabled", "everything", "delete markers without versions"]);
    }
}
