//! `garage bucket`: make, show, change and delete buckets.

use super::bucket_documents::{self, DocumentArguments, Kind};
use super::bucket_settings::{self, LifecycleArguments, VersioningArguments};
use super::client::Answer;
use super::confirm::{Yes, confirm};
use super::error::CliError;
use super::render::{self, Page, View};
use super::session::{Report, Secret, Session};
use super::values::{self, Limit};
use api::admin::wire::{
    BucketInfo, BucketSummary, ChangeBucketAlias, ChangeBucketKey, CleanedUploads, CleanupIncompleteUploads,
    CreateBucket, InspectedObject, Permissions, Quotas, UpdateBucket, WebsiteAccess,
};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

/// Column in which values begin.
const LABELS_WIDTH: usize = 17;
/// What an index document is called unless somebody says otherwise.
const INDEX_DOCUMENT: &str = "index.html";

/// What to do with buckets.
#[derive(Debug, Clone, Subcommand)]
pub enum BucketCommand {
    /// List all buckets.
    List,
    /// Show one bucket: size, names, keys, limits.
    Info {
        /// Its name or id.
        bucket: String,
    },
    /// Make a bucket.
    Create {
        /// Its name.
        name: String,
    },
    /// Delete an empty bucket and all its names.
    Delete {
        /// Its name or id.
        bucket: String,
        #[command(flatten)]
        yes: Yes,
    },
    /// Give a bucket another name.
    Alias {
        /// Its present name or id.
        bucket: String,
        /// The other name.
        name: String,
        /// A name that only this access key sees.
        #[arg(long, value_name = "KEY")]
        local: Option<String>,
    },
    /// Take a name from a bucket.
    Unalias {
        /// The name.
        name: String,
        /// It is a name that only this access key sees.
        #[arg(long, value_name = "KEY")]
        local: Option<String>,
    },
    /// Let an access key use a bucket.
    #[command(after_long_help = "Example:\n  garage bucket allow photos --key my-app --read --write")]
    Allow(GrantArguments),
    /// Stop an access key from using a bucket.
    Deny(GrantArguments),
    /// Serve a bucket as a web site, or stop that.
    Website(WebsiteArguments),
    /// Keep versions of what is overwritten and deleted, or make no more.
    Versioning(VersioningArguments),
    /// Show what of a bucket goes by itself, and when; or set it from a file.
    Lifecycle(LifecycleArguments),
    /// Show who may use a bucket beside its keys; or set that from a file.
    #[command(
        after_long_help = "The file is that of `aws s3api put-bucket-policy`; the bucket is called in it by a global name:\n  \
                           {\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\",\n                 \
                           \"Resource\": \"arn:aws:s3:::photos/*\"}}"
    )]
    Policy(DocumentArguments),
    /// Show which web pages may use a bucket from a browser; or set that from a file.
    #[command(after_long_help = "The file is that of `aws s3api put-bucket-cors`:\n  \
                           {\"CORSRules\": [{\"AllowedOrigins\": [\"https://app.example\"], \"AllowedMethods\": [\"GET\", \"PUT\"],\n                  \
                           \"AllowedHeaders\": [\"*\"]}]}")]
    Cors(DocumentArguments),
    /// Show what is encrypted without being asked for; or set that from a file.
    #[command(
        after_long_help = "The file is that of `aws s3api put-bucket-encryption`; what is stored already stays as it is:\n  \
                           {\"Rules\": [{\"ApplyServerSideEncryptionByDefault\": {\"SSEAlgorithm\": \"AES256\"}}]}"
    )]
    Encryption(DocumentArguments),
    /// Show whether versions can be locked, and for how long new ones are; or set that from a file.
    #[command(
        after_long_help = "The file is that of `aws s3api put-object-lock-configuration`. The bucket must keep versions. Locks are \
                           there for good:\n--none takes away the default of new versions only.\n  \
                           {\"ObjectLockEnabled\": \"Enabled\",\n   \"Rule\": {\"DefaultRetention\": {\"Mode\": \"GOVERNANCE\", \"Days\": 30}}}"
    )]
    Lock(DocumentArguments),
    /// Show what policies and lists must not open to everybody; or set that from a file.
    #[command(after_long_help = "The file is that of `aws s3api put-public-access-block`:\n  \
                           {\"BlockPublicAcls\": true, \"IgnorePublicAcls\": true, \"BlockPublicPolicy\": true,\n   \
                           \"RestrictPublicBuckets\": true}")]
    PublicAccess(DocumentArguments),
    /// Limit what a bucket may hold.
    #[command(
        after_long_help = "Examples:\n  garage bucket set-quotas photos --max-size 30G --max-objects none"
    )]
    SetQuotas(QuotaArguments),
    /// Abort uploads that were begun and never finished.
    CleanupIncompleteUploads {
        /// Only those begun at least this long ago.
        #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = values::duration)]
        older_than: u64,
        /// Names or ids of buckets.
        #[arg(required = true, value_name = "BUCKET")]
        buckets: Vec<String>,
    },
    /// Show what is stored under a key, down to the blocks.
    InspectObject {
        /// The bucket's name or id.
        bucket: String,
        /// The object's key.
        object: String,
    },
}

/// What a key may do, or may not do any more.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("rights").args(["read", "write", "owner"]).required(true).multiple(true))]
pub struct GrantArguments {
    /// The bucket's name or id.
    bucket: String,
    /// The access key's name or id.
    #[arg(long)]
    key: String,
    /// List and get.
    #[arg(long)]
    read: bool,
    /// Put and delete.
    #[arg(long)]
    write: bool,
    /// Delete the bucket, change its settings.
    #[arg(long)]
    owner: bool,
}

/// A web site.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("served").args(["allow", "deny"]).required(true))]
pub struct WebsiteArguments {
    /// The bucket's name or id.
    bucket: String,
    /// Serve it.
    #[arg(long)]
    allow: bool,
    /// Do not serve it.
    #[arg(long, conflicts_with_all = ["index_document", "error_document"])]
    deny: bool,
    /// Served for a folder.
    #[arg(short, long, default_value = INDEX_DOCUMENT)]
    index_document: String,
    /// Served for what is missing.
    #[arg(short, long)]
    error_document: Option<String>,
}

/// Limits; those not given stay.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("limits").args(["max_size", "max_objects"]).required(true).multiple(true))]
pub struct QuotaArguments {
    /// The bucket's name or id.
    bucket: String,
    /// Most bytes of all objects together, such as 30G, or none.
    #[arg(long, value_parser = values::size_limit, allow_hyphen_values = true)]
    max_size: Option<Limit>,
    /// Most objects, or none.
    #[arg(long, value_parser = values::count_limit, allow_hyphen_values = true)]
    max_objects: Option<Limit>,
}

/// Runs a command about buckets.
pub async fn run(session: &Session, command: BucketCommand) -> Result<Report, CliError> {
    match command {
        BucketCommand::List => list(session).await,
        BucketCommand::Info { bucket } => Ok(shown(session, session.bucket(&bucket).await?)),
        BucketCommand::Create { name } => {
            let body = CreateBucket { global_alias: Some(name), local_alias: None };
            Ok(shown(session, session.client.post("CreateBucket", &[], &body).await?))
        }
        BucketCommand::Delete { bucket, yes } => delete(session, &bucket, yes).await,
        BucketCommand::Alias { bucket, name, local } => alias(session, &bucket, name, local).await,
        BucketCommand::Unalias { name, local } => unalias(session, name, local).await,
        BucketCommand::Allow(grant) => change_grant(session, "AllowBucketKey", grant).await,
        BucketCommand::Deny(grant) => change_grant(session, "DenyBucketKey", grant).await,
        BucketCommand::Website(website) => set_website(session, website).await,
        BucketCommand::Versioning(asked) => {
            let id = session.bucket(&asked.bucket).await?.value.id;
            update(session, &id, &bucket_settings::versioning(&asked)).await
        }
        BucketCommand::Lifecycle(asked) => bucket_settings::lifecycle(session, asked).await,
        BucketCommand::Policy(asked) => bucket_documents::run(session, Kind::Policy, asked).await,
        BucketCommand::Cors(asked) => bucket_documents::run(session, Kind::Cors, asked).await,
        BucketCommand::Encryption(asked) => bucket_documents::run(session, Kind::Encryption, asked).await,
        BucketCommand::Lock(asked) => bucket_documents::run(session, Kind::Lock, asked).await,
        BucketCommand::PublicAccess(asked) => bucket_documents::run(session, Kind::PublicAccess, asked).await,
        BucketCommand::SetQuotas(quotas) => set_quotas(session, quotas).await,
        BucketCommand::CleanupIncompleteUploads { older_than, buckets } => {
            cleanup(session, older_than, &buckets).await
        }
        BucketCommand::InspectObject { bucket, object } => inspect(session, &bucket, &object).await,
    }
}

async fn list(session: &Session) -> Result<Report, CliError> {
    let answer = session.client.get::<Vec<BucketSummary>>("ListBuckets", &[]).await?;
    let rows = answer.value.iter().map(|bucket| {
        let locals = bucket.local_aliases.iter();
        let locals = locals.map(|local| format!("{}:{}", local.access_key_id, local.alias));
        vec![
            render::short_id(&bucket.id),
            bucket.created.as_deref().map(|time| session.view.day(time)).unwrap_or_default(),
            bucket.global_aliases.join(","),
            locals.collect::<Vec<_>>().join(","),
        ]
    });
    let mut page = Page::default();
    page.columns(&["ID", "Created", "Global aliases", "Local aliases"], rows.collect());
    Ok(Report::new(answer.json, page))
}

fn shown(session: &Session, answer: Answer<BucketInfo>) -> Report {
    Report::new(answer.json, info_page(&answer.value, &session.view))
}

fn info_page(bucket: &BucketInfo, view: &View) -> Page {
    let mut page = Page::default();
    page.heading("BUCKET INFORMATION");
    let created = bucket.created.as_deref().map(|time| view.moment(time)).unwrap_or_default();
    page.fields(LABELS_WIDTH, [("Bucket", bucket.id.clone()), ("Created", created)]).gap();
    let size = render::exact_size(u64::try_from(bucket.bytes).unwrap_or(0));
    page.fields(LABELS_WIDTH, [("Size", size), ("Objects", bucket.objects.to_string())]);
    if bucket.unfinished_multipart_uploads != 0 {
        let bytes = u64::try_from(bucket.unfinished_multipart_upload_bytes).unwrap_or(0);
        let open = format!("{}, {}", bucket.unfinished_multipart_uploads, render::exact_size(bytes));
        page.fields(LABELS_WIDTH, [("Open uploads", open)]);
    }
    page.gap().fields(LABELS_WIDTH, [("Website access", bucket.website_access.to_string())]);
    if let Some(website) = &bucket.website_config {
        match &website.redirect_all_requests_to {
            Some(to) => page.fields(LABELS_WIDTH, [("Redirects to", to.host_name.clone())]),
            None => page.fields(LABELS_WIDTH, [("Index document", website.index_document.clone())]),
        };
        if !website.routing_rules.is_empty() {
            page.fields(LABELS_WIDTH, [("Routing rules", website.routing_rules.len().to_string())]);
        }
        if let Some(error) = &website.error_document {
            page.fields(LABELS_WIDTH, [("Error document", error.clone())]);
        }
    }
    // An older server does not say.
    if !bucket.versioning.is_empty() {
        let kept = [("Versioning", bucket.versioning.clone()), ("Lifecycle rules", rules(bucket))];
        page.fields(LABELS_WIDTH, kept);
    }
    page.fields(LABELS_WIDTH, bucket_settings::fields(bucket));
    if bucket.quotas.max_size.is_some() || bucket.quotas.max_objects.is_some() {
        page.gap();
        if let Some(limit) = bucket.quotas.max_size {
            page.fields(LABELS_WIDTH, [("Maximum size", render::exact_size(limit))]);
        }
        if let Some(limit) = bucket.quotas.max_objects {
            page.fields(LABELS_WIDTH, [("Maximum objects", limit.to_string())]);
        }
    }
    if let Some(logging) = &bucket.logging {
        page.gap().fields(LABELS_WIDTH, [("Requests logged in", logging.clone())]);
    }
    for rule in &bucket.notifications {
        let keys =
            |word: &str, part: &Option<String>| part.as_ref().map(|part| format!(", keys {word} {part}"));
        let prefix = keys("that begin with", &rule.prefix).unwrap_or_default();
        let suffix = keys("that end with", &rule.suffix).unwrap_or_default();
        let told = format!("{} of {}{prefix}{suffix}", rule.webhook, rule.events.join(", "));
        page.gap().fields(LABELS_WIDTH, [("Told by webhook", told)]);
    }
    match bucket.global_aliases.as_slice() {
        [] => {}
        [one] => _ = page.gap().fields(LABELS_WIDTH, [("Global alias", one.clone())]),
        several => _ = page.gap().fields(LABELS_WIDTH, [("Global aliases", several.join(", "))]),
    }
    page.gap().heading("KEYS FOR THIS BUCKET");
    let rows = bucket.keys.iter().map(|key| {
        vec![
            rights(key.permissions),
            key.access_key_id.clone(),
            key.name.clone(),
            key.bucket_local_aliases.join(","),
        ]
    });
    page.columns(&["Permissions", "Access key", "", "Local aliases"], rows.collect());
    page
}

/// How many lifecycle rules there are.
fn rules(bucket: &BucketInfo) -> String {
    match (bucket.lifecycle_rule_count, bucket.lifecycle_rules_enabled) {
        (None, _) => "unreadable, none is obeyed".to_owned(),
        (Some(0), _) => "none".to_owned(),
        (Some(all), enabled) if all == enabled => all.to_string(),
        (Some(all), enabled) => format!("{all}, {enabled} of them enabled"),
    }
}

/// `RWO`, with fewer letters for fewer rights.
pub fn rights(permissions: Permissions) -> String {
    let letters = [(permissions.read, 'R'), (permissions.write, 'W'), (permissions.owner, 'O')];
    let given: String = letters.into_iter().filter(|(given, _)| *given).map(|(_, letter)| letter).collect();
    if given.is_empty() { "-".to_owned() } else { given }
}

async fn delete(session: &Session, name: &str, yes: Yes) -> Result<Report, CliError> {
    let bucket = session.bucket(name).await?.value;
    let bytes = render::size(u64::try_from(bucket.bytes).unwrap_or(0));
    let what = format!("delete the bucket `{name}` ({} objects, {bytes}) for ever", bucket.objects);
    confirm(session.audience, yes, &what)?;
    let answer = session.client.post::<Value>("DeleteBucket", &[("id", &bucket.id)], &json!({})).await?;
    Ok(Report::new(answer.json, Page::of_line(format!("Bucket {name} was deleted."))))
}

async fn alias(
    session: &Session,
    bucket: &str,
    name: String,
    local: Option<String>,
) -> Result<Report, CliError> {
    let bucket_id = session.bucket(bucket).await?.value.id;
    let body = match local {
        None => ChangeBucketAlias { bucket_id, global_alias: Some(name), ..ChangeBucketAlias::default() },
        Some(key) => {
            let key = session.key(&key, Secret::Hidden).await?.value.access_key_id;
            let (local_alias, access_key_id) = (Some(name), Some(key));
            ChangeBucketAlias { bucket_id, local_alias, access_key_id, global_alias: None }
        }
    };
    Ok(shown(session, session.client.post("AddBucketAlias", &[], &body).await?))
}

async fn unalias(session: &Session, name: String, local: Option<String>) -> Result<Report, CliError> {
    let body = match local {
        None => {
            let bucket_id = session.bucket(&name).await?.value.id;
            ChangeBucketAlias { bucket_id, global_alias: Some(name), ..ChangeBucketAlias::default() }
        }
        Some(key) => {
            let key = session.key(&key, Secret::Hidden).await?.value;
            let target = key.buckets.into_iter().find(|bucket| bucket.local_aliases.contains(&name));
            let Some(bucket) = target else { return Err(super::session::no_bucket(&name)) };
            let (local_alias, access_key_id) = (Some(name), Some(key.access_key_id));
            ChangeBucketAlias { bucket_id: bucket.id, local_alias, access_key_id, global_alias: None }
        }
    };
    Ok(shown(session, session.client.post("RemoveBucketAlias", &[], &body).await?))
}

async fn change_grant(session: &Session, endpoint: &str, grant: GrantArguments) -> Result<Report, CliError> {
    let bucket_id = session.bucket(&grant.bucket).await?.value.id;
    let access_key_id = session.key(&grant.key, Secret::Hidden).await?.value.access_key_id;
    let permissions = Permissions { read: grant.read, write: grant.write, owner: grant.owner };
    let body = ChangeBucketKey { bucket_id, access_key_id, permissions };
    Ok(shown(session, session.client.post(endpoint, &[], &body).await?))
}

async fn update(session: &Session, id: &str, body: &UpdateBucket) -> Result<Report, CliError> {
    Ok(shown(session, session.client.post("UpdateBucket", &[("id", id)], body).await?))
}

async fn set_website(session: &Session, website: WebsiteArguments) -> Result<Report, CliError> {
    let id = session.bucket(&website.bucket).await?.value.id;
    let access = match website.allow {
        true => WebsiteAccess {
            enabled: true,
            index_document: Some(website.index_document),
            error_document: website.error_document,
            routing_rules: None,
        },
        false => WebsiteAccess::default(),
    };
    update(session, &id, &UpdateBucket { website_access: Some(access), ..UpdateBucket::default() }).await
}

async fn set_quotas(session: &Session, asked: QuotaArguments) -> Result<Report, CliError> {
    let bucket = session.bucket(&asked.bucket).await?.value;
    let quotas = Quotas {
        max_size: asked.max_size.map_or(bucket.quotas.max_size, Limit::as_option),
        max_objects: asked.max_objects.map_or(bucket.quotas.max_objects, Limit::as_option),
    };
    update(session, &bucket.id, &UpdateBucket { quotas: Some(quotas), ..UpdateBucket::default() }).await
}

async fn cleanup(session: &Session, older_than_ms: u64, buckets: &[String]) -> Result<Report, CliError> {
    let (mut page, mut answers) = (Page::default(), Vec::new());
    for name in buckets {
        let bucket_id = session.bucket(name).await?.value.id;
        let body = CleanupIncompleteUploads { bucket_id, older_than_secs: older_than_ms / 1000 };
        let answer = session.client.post::<CleanedUploads>("CleanupIncompleteUploads", &[], &body).await?;
        page.line(format!("{name}: {} uploads aborted", answer.value.uploads_deleted));
        answers.push(answer.json);
    }
    let json = if answers.len() == 1 { answers.remove(0) } else { Value::Array(answers) };
    Ok(Report::new(json, page))
}

async fn inspect(session: &Session, bucket: &str, object: &str) -> Result<Report, CliError> {
    let id = session.bucket(bucket).await?.value.id;
    let query = [("bucketId", id.as_str()), ("key", object)];
    let found = session.client.get::<InspectedObject>("InspectObject", &query).await;
    let answer = found.map_err(|error| match error {
        CliError::Refused { status: 404, code, .. } if code == "NoSuchKey" => {
            CliError::NoObject { bucket: bucket.to_owned(), object: object.to_owned() }
        }
        error => error,
    })?;
    let mut page = Page::default();
    for version in &answer.value.versions {
        page.heading("OBJECT VERSION").fields(
            LABELS_WIDTH,
            [
                ("Bucket", answer.value.bucket_id.clone()),
                ("Key", answer.value.key.clone()),
                ("Version", version.uuid.clone()),
                ("Timestamp", session.view.moment(&version.timestamp)),
                ("Size", version.size.map(render::exact_size).unwrap_or_default()),
                ("ETag", version.etag.clone().unwrap_or_default()),
                ("Delete marker", version.delete_marker.to_string()),
                ("Uploading", version.uploading.to_string()),
                ("Inline", version.inline.to_string()),
            ],
        );
        for (name, value) in &version.headers {
            page.line(format!("  {name}: {value}"));
        }
        if !version.blocks.is_empty() {
            let rows = version.blocks.iter().map(|block| {
                vec![
                    block.part_number.to_string(),
                    block.offset.to_string(),
                    block.size.to_string(),
                    block.hash.clone(),
                ]
            });
            page.gap().columns(&["Part", "Offset", "Size", "Block"], rows.collect());
        }
        page.gap();
    }
    Ok(Report::new(answer.json, page))
}
