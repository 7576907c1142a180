//! The scenarios: what a client may do. They call the model as the front end does and write down
//! what came; whether it was right is for the checks to say.

mod access;
mod listing;
mod multipart;
pub mod objects;
pub mod reading;
mod upkeep;

use crate::client::{Client, Verdict};

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Put,
    Get,
    Head,
    Delete,
    DeleteMany,
    Copy,
    List,
    CreateUpload,
    PutPart,
    ListParts,
    Complete,
    Abort,
    ListUploads,
    CreateBucket,
    DeleteBucket,
    AccessKey,
    Reclaim,
    Collect,
    Scrub,
    Weather,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 20] = [
        Kind::Put,
        Kind::Get,
        Kind::Head,
        Kind::Delete,
        Kind::DeleteMany,
        Kind::Copy,
        Kind::List,
        Kind::CreateUpload,
        Kind::PutPart,
        Kind::ListParts,
        Kind::Complete,
        Kind::Abort,
        Kind::ListUploads,
        Kind::CreateBucket,
        Kind::DeleteBucket,
        Kind::AccessKey,
        Kind::Reclaim,
        Kind::Collect,
        Kind::Scrub,
        Kind::Weather,
    ];

    /// How often it comes, before the seed has its say.
    pub fn weight(self) -> u64 {
        match self {
            Kind::Put => 20,
            Kind::Get => 12,
            Kind::Delete | Kind::PutPart => 10,
            Kind::Copy | Kind::List | Kind::Reclaim | Kind::Collect | Kind::Weather => 7,
            Kind::CreateUpload | Kind::Complete => 6,
            Kind::Head | Kind::DeleteMany | Kind::ListParts => 3,
            Kind::ListUploads | Kind::Abort | Kind::AccessKey | Kind::CreateBucket | Kind::DeleteBucket => 2,
            Kind::Scrub => 1,
        }
    }

    /// Under what its outcomes are counted.
    pub fn label(self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Done => self.name(),
            Verdict::Refused => "refused",
            Verdict::Failed => "failed or unknown",
            Verdict::Idle => "idle",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Put => "put",
            Kind::Get => "get",
            Kind::Head => "head",
            Kind::Delete => "delete",
            Kind::DeleteMany => "delete many",
            Kind::Copy => "copy",
            Kind::List => "list",
            Kind::CreateUpload => "create upload",
            Kind::PutPart => "put part",
            Kind::ListParts => "list parts",
            Kind::Complete => "complete",
            Kind::Abort => "abort",
            Kind::ListUploads => "list uploads",
            Kind::CreateBucket => "create bucket",
            Kind::DeleteBucket => "delete bucket",
            Kind::AccessKey => "access key",
            Kind::Reclaim => "reclaim",
            Kind::Collect => "collect blocks",
            Kind::Scrub => "scrub",
            Kind::Weather => "weather",
        }
    }
}

/// Runs one operation.
pub async fn run(kind: Kind, client: &mut Client) -> Verdict {
    match kind {
        Kind::Put => objects::put(client).await,
        Kind::Get => reading::get(client).await,
        Kind::Head => reading::head(client).await,
        Kind::Delete => objects::delete(client).await,
        Kind::DeleteMany => objects::delete_many(client).await,
        Kind::Copy => objects::copy(client).await,
        Kind::List => listing::list(client).await,
        Kind::CreateUpload => multipart::create(client).await,
        Kind::PutPart => multipart::put_part(client).await,
        Kind::ListParts => multipart::list_parts(client).await,
        Kind::Complete => multipart::complete(client).await,
        Kind::Abort => multipart::abort(client).await,
        Kind::ListUploads => listing::list_uploads(client).await,
        Kind::CreateBucket => access::create_bucket(client).await,
        Kind::DeleteBucket => access::delete_bucket(client).await,
        Kind::AccessKey => access::change_key(client).await,
        Kind::Reclaim => upkeep::reclaim(client).await,
        Kind::Collect => upkeep::collect(client).await,
        Kind::Scrub => upkeep::scrub(client).await,
        Kind::Weather => upkeep::weather(client).await,
    }
}

pub use multipart::abort_at_rest;
