//! What applications set on a bucket: how such a document is received, kept and read.
//!
//! A document is kept as the JSON of what was understood of it, never as it was sent: what was refused cannot
//! come back. One that cannot be read – a newer release wrote it – is an error, never "nothing is set".

use super::error::{S3Code, S3Error};
use super::intake::{self, Incoming};
use super::operation::Call;
use crate::body::BodyPlan;
use crate::checksum::{BodyChecksums, RequestChecksums};
use bytes::Bytes;
use model::admin::BucketChange;
use model::rows::bucket::{BucketRow, Document, Setting};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads the document that the request carries, checked against what its headers say of it.
pub async fn receive(call: &Call, body: &mut Incoming, max_bytes: usize) -> Result<Bytes, S3Error> {
    let headers = &call.head.headers;
    let plan = BodyPlan::from_request(headers, call.caller.verified())?;
    let sums = BodyChecksums::new(RequestChecksums::from_headers(headers)?, &[]);
    intake::collect(body, plan, sums, max_bytes).await
}

/// What is set of a kind.
pub fn read<T: DeserializeOwned>(bucket: &BucketRow, kind: Setting) -> Result<Option<T>, S3Error> {
    let Some(document) = bucket.setting(kind) else { return Ok(None) };
    serde_json::from_slice(&document.0).map(Some).map_err(|error| {
        tracing::error!(kind = kind.name(), %error, "a setting of a bucket cannot be read");
        S3Code::InternalError.into()
    })
}

/// Sets a document of the bucket that the request names.
pub async fn write<T: Serialize>(call: &Call, kind: Setting, value: &T) -> Result<(), S3Error> {
    change(call, kind, Some(document(value)?)).await
}

/// A document as it is kept.
pub fn document<T: Serialize>(value: &T) -> Result<Document, S3Error> {
    serde_json::to_vec(value).map(Document).map_err(|_| S3Code::InternalError.into())
}

/// Removes a document of the bucket that the request names; nothing there is fine.
pub async fn remove(call: &Call, kind: Setting) -> Result<(), S3Error> {
    change(call, kind, None).await
}

/// Sets a document of the bucket that the request names, or removes it.
pub async fn change(call: &Call, kind: Setting, document: Option<Document>) -> Result<(), S3Error> {
    let change = BucketChange { settings: vec![(kind, document)], ..BucketChange::default() };
    Ok(call.api.model.update_bucket(call.bucket()?.id, change).await?)
}
