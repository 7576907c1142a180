//! ListBuckets: the buckets that the caller's key may use, in name order, paged.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::parameters::{OWNER_ID, OWNER_NAME};
use crate::s3::reply::Reply;
use crate::s3::xml::{BucketEntry, ListAllMyBuckets, Owner};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "ListBuckets",
    route: Route::new("GET", Target::Service),
    access: Access::AnyKey,
    actions: &["s3:ListAllMyBuckets"],
    run: |call, body| Box::pin(run(call, body)),
};

/// AWS's bound on `max-buckets`.
const BUCKETS_MAX: u64 = 10_000;

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let limit = head.number("max-buckets", BUCKETS_MAX)?.unwrap_or(BUCKETS_MAX) as usize;
    if limit == 0 {
        let message = "Argument max-buckets must be an integer between 1 and 10000";
        return Err(S3Error::invalid_argument("max-buckets", "0", message));
    }
    let prefix = head.parameter("prefix").unwrap_or_default();
    let after = head.parameter("continuation-token");
    let region = call.api.config.region.as_str();
    let other_region = head.parameter("bucket-region").is_some_and(|wanted| wanted != region);
    let visible = call.api.model.names().buckets_of(call.caller.key()?)?;
    let mut buckets: Vec<BucketEntry> = visible
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after))
        .take(if other_region { 0 } else { limit + 1 })
        .map(|(name, (_, row))| BucketEntry {
            name,
            created_ms: row.created.wall().millis(),
            region: Some(region.to_owned()),
        })
        .collect();
    let more = buckets.len() > limit;
    buckets.truncate(limit);
    let answer = ListAllMyBuckets {
        owner: Owner { id: OWNER_ID.to_owned(), display_name: OWNER_NAME.to_owned() },
        continuation_token: buckets.last().filter(|_| more).map(|bucket| bucket.name.clone()),
        buckets,
        prefix: head.parameter("prefix").map(str::to_owned),
    };
    Ok(Reply::xml(answer.render()))
}
