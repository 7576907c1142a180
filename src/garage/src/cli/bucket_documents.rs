//! `garage bucket policy`, `cors`, `encryption`, `lock` and `public-access`: settings that are documents.
//!
//! All have one shape: they show what is set, after it was set from a file of AWS's tools or taken away. What such a
//! document may hold is for the server to say, which reads it as S3 does.

use super::bucket_settings;
use super::error::CliError;
use super::render::Page;
use super::session::{Report, Session};
use api::admin::wire::{BucketInfo, UpdateBucket};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Column in which values begin.
const LABELS_WIDTH: usize = 17;

/// What becomes of a setting; without either it is shown.
#[derive(Debug, Clone, Args)]
pub struct DocumentArguments {
    /// The bucket's name or id.
    pub bucket: String,
    /// A file with what takes the place of all that is set.
    #[arg(long, value_name = "FILE", conflicts_with = "none")]
    pub set: Option<PathBuf>,
    /// Take away what is set.
    #[arg(long)]
    pub none: bool,
}

/// A setting that is a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who may do what, beside the grants of keys.
    Policy,
    /// Which web pages may use the bucket.
    Cors,
    /// What is encrypted without being asked for.
    Encryption,
    /// Whether versions can be locked, and how new ones are.
    Lock,
    /// What must not be public.
    PublicAccess,
}

impl Kind {
    /// The command, and what a file holds.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Policy => ("policy", "policy"),
            Self::Cors => ("cors", "CORS configuration"),
            Self::Encryption => ("encryption", "encryption"),
            Self::Lock => ("lock", "object lock"),
            Self::PublicAccess => ("public-access", "public access block"),
        }
    }

    /// What is asked of the server.
    fn update(self, document: Value) -> UpdateBucket {
        let (unchanged, document) = (UpdateBucket::default(), Some(document));
        match self {
            Self::Policy => UpdateBucket { policy: document, ..unchanged },
            Self::Cors => UpdateBucket { cors_rules: document, ..unchanged },
            Self::Encryption => UpdateBucket { encryption: document, ..unchanged },
            Self::Lock => UpdateBucket { object_lock: document, ..unchanged },
            Self::PublicAccess => UpdateBucket { public_access_block: document, ..unchanged },
        }
    }

    /// What takes the setting away.
    fn nothing(self) -> Value {
        match self {
            Self::Policy => json!(""),
            Self::Cors => json!([]),
            Self::Encryption | Self::Lock | Self::PublicAccess => json!({}),
        }
    }

    /// What a file asks for. A policy is kept as it is written.
    fn of_file(self, text: String) -> Result<Value, serde_json::Error> {
        let value: Value = serde_json::from_str(&text)?;
        match (self, value) {
            (Self::Policy, _) => Ok(Value::String(text)),
            (Self::Cors, Value::Object(mut members)) if members.len() == 1 => {
                let rules = members.remove("CORSRules");
                Ok(rules.unwrap_or(Value::Object(members)))
            }
            (_, value) => Ok(value),
        }
    }

    /// The label of the setting in `garage bucket info`.
    fn label(self) -> &'static str {
        match self {
            Self::Policy => "Policy",
            Self::Cors => "CORS rules",
            Self::Encryption => "Encryption",
            Self::Lock => "Object lock",
            Self::PublicAccess => "Public blocked",
        }
    }
}

/// Shows a setting of a bucket, after it was set or taken away if that is asked for.
pub async fn run(session: &Session, kind: Kind, asked: DocumentArguments) -> Result<Report, CliError> {
    let mut answer = session.bucket(&asked.bucket).await?;
    let document = match (asked.set, asked.none) {
        (Some(file), _) => Some(read(session, kind, &file)?),
        (None, true) => Some(kind.nothing()),
        (None, false) => None,
    };
    if let Some(document) = document {
        let query = [("id", answer.value.id.as_str())];
        answer = session.client.post("UpdateBucket", &query, &kind.update(document)).await?;
    }
    Ok(Report::new(answer.json, page(kind, &answer.value)))
}

fn read(session: &Session, kind: Kind, file: &Path) -> Result<Value, CliError> {
    let (command, holds) = kind.words();
    kind.of_file(session.read_text(file)?).map_err(|source| CliError::SettingFile {
        path: file.to_owned(),
        holds,
        command,
        source,
    })
}

fn page(kind: Kind, bucket: &BucketInfo) -> Page {
    let mut page = Page::default();
    match (kind, &bucket.policy) {
        (Kind::Policy, Some(policy)) => {
            let text = serde_json::to_string_pretty(policy).unwrap_or_default();
            text.lines().for_each(|line| _ = page.line(line));
        }
        (Kind::Cors, _) if !bucket.cors_rules.is_empty() => {
            let rows = bucket.cors_rules.iter().map(cors_row).collect();
            page.columns(&["ID", "Origins", "Methods", "Headers", "Shown", "Seconds"], rows);
        }
        _ => {
            let label = kind.label();
            let found = bucket_settings::fields(bucket).into_iter().find(|(known, _)| *known == label);
            match found {
                Some(field) => page.fields(LABELS_WIDTH, [field]),
                None => page.line(format!("No {} is set.", kind.words().1)),
            };
        }
    }
    page
}

fn cors_row(rule: &Value) -> Vec<String> {
    let words = |name: &str| match rule.get(name) {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let members =
        ["ID", "AllowedOrigins", "AllowedMethods", "AllowedHeaders", "ExposeHeaders", "MaxAgeSeconds"];
    members.map(words).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_aws_and_the_list_in_it_are_read() {
        let rules = json!([{ "AllowedOrigins": ["*"], "AllowedMethods": ["GET"] }]);
        for document in [rules.clone(), json!({ "CORSRules": rules })] {
            assert_eq!(Kind::Cors.of_file(document.to_string()).unwrap(), rules);
        }
        // What is not understood goes to the server, which says so.
        let odd = json!({ "CORSRules": rules, "More": 1 });
        assert_eq!(Kind::Cors.of_file(odd.to_string()).unwrap(), odd);
        assert_eq!(Kind::Cors.of_file("{\"Rules\": 1}".to_owned()).unwrap(), json!({ "Rules": 1 }));
        // Members that stand twice are the server's to refuse, so it gets the text.
        let policy = "{\"Version\": \"a\", \"Version\": \"b\"}";
        assert_eq!(Kind::Policy.of_file(policy.to_owned()).unwrap(), json!(policy));
        assert!(Kind::Policy.of_file("<xml/>".to_owned()).is_err());
    }
}
