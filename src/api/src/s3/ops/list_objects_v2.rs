//! ListObjectsV2: one page of a bucket, by continuation token.

use super::listing;
use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::ListObjectsV2;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::listing::{ListQuery, Start};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "ListObjectsV2",
    route: Route::new("GET", Target::Bucket).query(&["list-type"]),
    access: Access::Read,
    actions: &["s3:ListBucket"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    if head.parameter("list-type") != Some("2") {
        let sent = head.parameter("list-type").unwrap_or_default();
        return Err(S3Error::invalid_argument("list-type", sent, "Invalid List Type specified in Request"));
    }
    let (max_keys, limit) = listing::page_size(head, "max-keys")?;
    let encoding = listing::encoding(head)?;
    let owned = |name: &str| head.parameter(name).map(str::to_owned);
    let delimiter = owned("delimiter").filter(|text| !text.is_empty());
    let query = ListQuery {
        prefix: owned("prefix").unwrap_or_default(),
        delimiter: delimiter.clone(),
        start: start(head.parameter("continuation-token"), head.parameter("start-after"))?,
        limit,
    };
    let bucket = call.bucket()?;
    let page = call.api.model.list_objects(bucket.id, query).await?;
    let next = page.next.clone().filter(|_| limit > 0);
    let show_owner = head.parameter("fetch-owner") == Some("true");
    let (contents, common_prefixes) = listing::split(page, show_owner);
    let answer = ListObjectsV2 {
        name: bucket.name.clone(),
        prefix: owned("prefix").unwrap_or_default(),
        continuation_token: owned("continuation-token"),
        is_truncated: next.is_some(),
        next_continuation_token: next.map(|key| URL_SAFE_NO_PAD.encode(key)),
        start_after: owned("start-after"),
        max_keys,
        delimiter,
        encoding,
        contents,
        common_prefixes,
    };
    Ok(Reply::xml(answer.render()))
}

/// A token is where the page begins; it outweighs `start-after`.
pub fn start(token: Option<&str>, after: Option<&str>) -> Result<Start, S3Error> {
    match (token.filter(|token| !token.is_empty()), after.filter(|after| !after.is_empty())) {
        (Some(token), _) => {
            let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let message = "The continuation token provided is incorrect";
            key.map(Start::At).ok_or_else(|| S3Error::invalid_argument("continuation-token", token, message))
        }
        (None, Some(after)) => Ok(Start::After(after.to_owned())),
        (None, None) => Ok(Start::First),
    }
}
