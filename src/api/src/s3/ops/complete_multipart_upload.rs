//! CompleteMultipartUpload: makes an object of uploaded parts.

use super::upload_name::upload_name;
use crate::body::BodyPlan;
use crate::s3::access::Access;
use crate::s3::conditions::write_condition;
use crate::s3::encryption::{self, OpenedUpload, Sealing};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::events::{self, Change};
use crate::s3::head::Head;
use crate::s3::intake;
use crate::s3::intake::Incoming;
use crate::s3::lifecycle;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::versions;
use base::PartNumber;
use model::events::{EventKind, Outcome};
use model::lifecycle::Traits;
use model::multipart::{Completed, Completion, NamedPart, Part, Planned};
use model::objects::Condition;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "CompleteMultipartUpload",
    route: Route::new("POST", Target::Object).query(&["uploadId"]),
    access: Access::Write,
    actions: &["s3:PutObject"],
    run: |call, body| Box::pin(run(call, body)),
};

use crate::checksum::{
    BodyChecksums, ChecksumAlgorithm, ChecksumError, ChecksumType, ChecksumValue, ObjectChecksum,
    RequestChecksums,
};
use crate::s3::xml::{
    COMPLETE_BODY_MAX_BYTES, CompleteMultipartUpload, CompleteMultipartUploadResult, CompletedPart,
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let name = upload_name(&call)?;
    let condition = write_condition(head)?;
    let expected = ObjectChecksum::from_headers(&head.headers)?;
    let expected_type = checksum_type(head)?;
    let plan = BodyPlan::from_request(&head.headers, call.caller.verified())?;
    // Here the checksum headers speak of the object, not of the document in the body.
    let sums = BodyChecksums::new(RequestChecksums::NONE, &[]);
    let document = intake::collect(body, plan, sums, COMPLETE_BODY_MAX_BYTES).await?;
    let listed = CompleteMultipartUpload::parse(&document)?.parts;
    let named: Vec<NamedPart> = listed.iter().map(named_part).collect::<Result<_, _>>()?;
    let (mut described, mut opened) = (None, None);
    let completed = match call.api.model.plan_completion(&name, &named).await? {
        // What became of it since is not looked up.
        Planned::Done(completed) => completed,
        Planned::Ready(completion) => {
            let upload = encryption::open_upload(&call, &name, completion.row.encryption.as_deref())?;
            upload.check_parts(&completion)?;
            check_size(head.header("x-amz-mp-object-size").as_deref(), completion.size())?;
            check_numbers(&completion)?;
            check_type(expected_type, &completion)?;
            check_part_checksums(&listed, &completion.parts, &upload)?;
            let checksum = whole_checksum(&completion, &upload)?;
            if expected.is_some() && checksum != expected {
                return Err(S3Code::BadDigest.into());
            }
            let stored = checksum.as_ref().map(|sum| Sealing::stored_checksum(upload.sealing(), &call, sum));
            opened = Some(upload);
            let (size, tags) = (completion.size(), completion.row.tags.clone());
            let of = (size, completion.etag());
            described = Some((size, tags));
            let change = Change::creation(EventKind::CompleteMultipartUpload, &name.key, of);
            let watch = events::announce(&call, change).await?;
            let condition = call.admission.restrict(since_begun(condition, &completion));
            let ended = call.api.model.complete_upload(name.clone(), *completion, stored, condition).await;
            let outcome = |done: &Completed| Outcome { at: Some(done.stamp), version: done.version };
            watch.settle(ended, outcome).await?
        }
    };
    let opened = match opened {
        Some(upload) => upload,
        None => encryption::open_upload(&call, &name, completed.encryption.as_deref())?,
    };
    let mut reply = answer(&call, &name.key, &completed, &opened)?;
    if let Some((size, tags)) = described {
        let facts = (name.key.as_str(), Traits { size, tags: &tags });
        lifecycle::show_expiration(&mut reply, &call, facts, completed.stamp.wall())?;
    }
    Ok(reply)
}

fn named_part(part: &CompletedPart) -> Result<NamedPart, S3Error> {
    let number = PartNumber::new(part.part_number.into()).map_err(|_| S3Code::InvalidArgument)?;
    Ok(NamedPart { number, etag: part.etag.trim_matches('"').to_owned() })
}

fn check_size(announced: Option<&str>, size: u64) -> Result<(), S3Error> {
    match announced {
        Some(text) if text.parse() != Ok(size) => {
            let message = "The provided 'x-amz-mp-object-size' header does not match what was computed.";
            Err(S3Error::with_message(S3Code::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

fn checksum_type(head: &Head) -> Result<Option<ChecksumType>, S3Error> {
    let Some(text) = head.header("x-amz-checksum-type") else { return Ok(None) };
    ChecksumType::from_name(&text).map(Some).ok_or_else(|| ChecksumError::UnknownType.into())
}

/// With a condition, nothing may have happened to the key since the upload began: its parts are of what was there then.
fn since_begun(condition: Condition, completion: &Completion) -> Condition {
    match condition {
        Condition::Always => Condition::Always,
        condition => Condition::UnchangedSince(completion.row.initiated, Box::new(condition)),
    }
}

/// Parts with checksums are numbered from 1 without gaps: readers count the parts of an object so.
fn check_numbers(completion: &Completion) -> Result<(), S3Error> {
    let numbers = completion.parts.iter().map(|part| part.number.get());
    if completion.row.checksum.is_none() || numbers.eq((1..).take(completion.parts.len())) {
        return Ok(());
    }
    let message = "The parts of an upload with checksums must be numbered from 1 without gaps.";
    Err(S3Error::with_message(S3Code::InvalidPartOrder, message))
}

/// The type that the request names must be the one the upload was opened with; without one, the
/// checksum is over the whole object.
fn check_type(expected: Option<ChecksumType>, completion: &Completion) -> Result<(), S3Error> {
    let composite = completion.row.checksum.is_some_and(|(_, composite)| composite);
    let kind = if composite { ChecksumType::Composite } else { ChecksumType::FullObject };
    match expected.filter(|expected| *expected != kind) {
        None => Ok(()),
        // AWS's pages say BadDigest, and this is what it answers.
        Some(_) => {
            let begun = if completion.row.checksum.is_some() { kind.name() } else { "null" };
            let message = format!(
                "The upload was created using the {begun} checksum mode. The complete request must use the same checksum mode."
            );
            Err(S3Error::with_message(S3Code::InvalidRequest, message))
        }
    }
}

/// A checksum that the list gives for a part must be the part's.
fn check_part_checksums(
    listed: &[CompletedPart],
    parts: &[Part],
    opened: &OpenedUpload,
) -> Result<(), S3Error> {
    for named in listed {
        let part = parts.iter().find(|part| part.number.get() == named.part_number);
        let stored = part.and_then(|part| part_value(part, opened));
        for given in &named.checksums {
            let same = stored.is_some_and(|stored| {
                stored.algorithm().name() == given.algorithm && stored.to_base64() == given.value_base64
            });
            // A checksum that the part was not uploaded with cannot be compared.
            if !same && stored.is_some_and(|stored| stored.algorithm().name() == given.algorithm) {
                return Err(
                    S3Error::new(S3Code::InvalidPart).field("PartNumber", named.part_number.to_string())
                );
            }
        }
    }
    Ok(())
}

fn part_value(part: &Part, opened: &OpenedUpload) -> Option<ChecksumValue> {
    let stored = opened.checksum(part.row.checksum.as_ref())?;
    ChecksumValue::from_bytes(ChecksumAlgorithm::from_code(stored.algorithm)?, &stored.value)
}

/// The object's checksum, from its parts', as the upload announced it.
fn whole_checksum(completion: &Completion, opened: &OpenedUpload) -> Result<Option<ObjectChecksum>, S3Error> {
    let Some((code, composite)) = completion.row.checksum else { return Ok(None) };
    let Some(algorithm) = ChecksumAlgorithm::from_code(code) else { return Ok(None) };
    let values: Option<Vec<(ChecksumValue, u64)>> =
        completion.parts.iter().map(|part| Some((part_value(part, opened)?, part.row.size))).collect();
    let Some(values) = values else { return Ok(None) };
    let sum = if composite {
        ObjectChecksum::composite(algorithm, values.into_iter().map(|(value, _)| value))?
    } else {
        ObjectChecksum::full_object(algorithm, values)?
    };
    Ok(Some(sum))
}

fn answer(call: &Call, key: &str, completed: &Completed, opened: &OpenedUpload) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?.name.clone();
    let sum = opened.checksum(completed.checksum.as_ref());
    let sum = sum.and_then(|sum| metadata::object_checksum(&sum, completed.etag));
    let answer = CompleteMultipartUploadResult {
        location: format!("/{bucket}/{key}"),
        bucket,
        key: key.to_owned(),
        etag: completed.etag.to_string(),
        checksums: sum.iter().map(metadata::xml_checksum).collect(),
        checksum_type: sum.map(|sum| sum.kind().name().to_owned()),
    };
    let mut reply = Reply::xml(answer.render());
    versions::show(&mut reply, completed.version);
    encryption::show_completed(completed.encryption.as_deref(), &mut reply);
    Ok(reply)
}
