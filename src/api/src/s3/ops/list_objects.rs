//! ListObjects: one page of a bucket, by marker.

use super::listing;
use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::ListObjectsV1;
use model::listing::{ListEntry, ListQuery, Start};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "ListObjects",
    route: Route::new("GET", Target::Bucket),
    access: Access::Read,
    actions: &["s3:ListBucket"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (max_keys, limit) = listing::page_size(head, "max-keys")?;
    let encoding = listing::encoding(head)?;
    let text = |name: &str| head.parameter(name).unwrap_or_default().to_owned();
    let delimiter = head.parameter("delimiter").filter(|text| !text.is_empty()).map(str::to_owned);
    let start = head.parameter("marker").filter(|text| !text.is_empty());
    let query = ListQuery {
        prefix: text("prefix"),
        delimiter: delimiter.clone(),
        start: start.map_or(Start::First, |marker| Start::After(marker.to_owned())),
        limit,
    };
    let bucket = call.bucket()?;
    let page = call.api.model.list_objects(bucket.id, query).await?;
    let is_truncated = page.next.is_some() && limit > 0;
    let last = page.entries.last().map(|entry| match entry {
        ListEntry::Object(listed) => listed.key.clone(),
        ListEntry::Prefix(prefix) => prefix.clone(),
    });
    let (contents, common_prefixes) = listing::split(page, true);
    let answer = ListObjectsV1 {
        name: bucket.name.clone(),
        prefix: text("prefix"),
        marker: text("marker"),
        // Clients without a delimiter go on from the last key; only with one is the marker told.
        next_marker: last.filter(|_| is_truncated && delimiter.is_some()),
        max_keys,
        delimiter,
        encoding,
        is_truncated,
        contents,
        common_prefixes,
    };
    Ok(Reply::xml(answer.render()))
}
