//! The upload that a request names.

use crate::decimal::is_decimal;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::operation::Call;
use base::{Id, PartNumber};
use model::multipart::UploadName;

/// Reads `uploadId`; an id that is no id names no upload.
pub fn upload_name(call: &Call) -> Result<UploadName, S3Error> {
    let text = call.head.parameter("uploadId").unwrap_or_default();
    let id = Id::from_hex(text).ok_or_else(|| S3Error::new(S3Code::NoSuchUpload).field("UploadId", text))?;
    Ok(UploadName { bucket: call.bucket()?.id, key: call.head.object_key()?.to_owned(), id })
}

/// Reads `partNumber`.
pub fn part_number(call: &Call) -> Result<PartNumber, S3Error> {
    let text = call.head.parameter("partNumber").unwrap_or_default();
    let plain = is_decimal(text);
    let number = text.parse().ok().filter(|_| plain).and_then(|number| PartNumber::new(number).ok());
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    number.ok_or_else(|| S3Error::invalid_argument("partNumber", text, message))
}
