//! CopyObject: makes an object of another one: without moving its bytes, where both are encrypted in the same way.

use super::copy_source::{self, CopySource};
use crate::checksum::{BodyChecksums, ChecksumAlgorithm, ObjectChecksum, RequestChecksums};
use crate::s3::access::Access;
use crate::s3::acl;
use crate::s3::encryption::{self, Sealing};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::events::{self, Change};
use crate::s3::head::Head;
use crate::s3::intake::{self, Incoming};
use crate::s3::lifecycle;
use crate::s3::lock;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::tags;
use crate::s3::versions;
use crate::s3::website;
use crate::s3::xml::CopyResult;
use base::limits::PART_SIZE_MAX_BYTES;
use model::events::EventKind;
use model::lifecycle::Traits;
use model::objects::{ObjectMeta, Place, Written};
use model::rows::object::ETag;
use model::rows::version::Owner;
use model::{BodyWriter, ByteRange};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "CopyObject",
    route: Route::new("PUT", Target::Object).header(copy_source::HEADER),
    access: Access::Write,
    actions: &["s3:PutObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (bucket, key) = (call.bucket()?, head.object_key()?);
    let place = Place { bucket: bucket.id, key: key.to_owned(), condition: call.write_condition()? };
    // That of the source stays with it.
    let (acl, lock) = (acl::written(&call).await?, lock::written(&call)?);
    let source = copy_source::find(&call).await?;
    if source.found.object.size > PART_SIZE_MAX_BYTES {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
        return Err(S3Error::with_message(S3Code::InvalidRequest, message));
    }
    let replaces = replaces(head, "x-amz-metadata-directive")?;
    let is_itself = source.bucket.id == bucket.id && source.key == key && !source.is_of_version();
    let redirect = website::redirect_location(&head.headers)?;
    if !replaces && is_itself && redirect.is_none() && !encryption::is_asked_for(head) {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(S3Error::with_message(S3Code::InvalidRequest, message));
    }
    let headers = match replaces {
        true => metadata::read_headers(&head.headers)?,
        // Where an object leads is not copied with it.
        false => {
            let kept = source.found.object.headers.iter();
            kept.filter(|(name, _)| name != website::REDIRECT_LOCATION).cloned().chain(redirect).collect()
        }
    };
    let tags = tags_of_copy(head, &source)?;
    let (sealing, keeps_bytes) = encryption::of_copy(&call, &source.opened, &source.found).await?;
    let encryption = Sealing::stored(sealing.as_ref());
    let meta = ObjectMeta { headers, tags: tags.clone(), checksum: None, acl, lock, encryption };
    let Made { etag, checksum, written } = if keeps_bytes {
        share(&call, &source, place, (meta, sealing.as_ref())).await?
    } else {
        rewrite(&call, &source, place, (meta, sealing.as_ref())).await?
    };
    let answer = CopyResult {
        etag: etag.to_string(),
        last_modified_ms: written.stamp.wall().millis(),
        checksum_type: checksum.map(|sum| sum.kind().name().to_owned()),
        checksums: checksum.iter().map(metadata::xml_checksum).collect(),
    };
    let mut reply = Reply::xml(answer.render_object());
    source.show(&mut reply);
    Sealing::show(sealing.as_ref(), &mut reply);
    versions::show(&mut reply, written.version);
    let traits = Traits { size: source.found.object.size, tags: &tags };
    lifecycle::show_expiration(&mut reply, &call, (key, traits), written.stamp.wall())?;
    Ok(reply)
}

/// What a copy made.
struct Made {
    etag: ETag,
    checksum: Option<ObjectChecksum>,
    written: Written,
}

/// A copy that holds the bytes of its source as they are stored.
async fn share(
    call: &Call,
    source: &CopySource,
    place: Place,
    (mut meta, sealing): (ObjectMeta, Option<&Sealing>),
) -> Result<Made, S3Error> {
    let checksum = checksum_of_copy(call, source).await?;
    meta.checksum = checksum.as_ref().map(|sum| Sealing::stored_checksum(sealing, call, sum));
    let (size, etag) = (source.found.object.size, source.found.object.etag);
    let watch = events::announce(call, Change::creation(EventKind::Copy, &place.key, (size, etag))).await?;
    let ended = call.api.model.copy_object(source.place(), source.found.clone(), place, meta).await;
    Ok(Made { etag, checksum, written: watch.settle(ended, events::written).await? })
}

/// A copy that is encrypted in another way than its source: its bytes are stored anew.
async fn rewrite(
    call: &Call,
    source: &CopySource,
    place: Place,
    (mut meta, sealing): (ObjectMeta, Option<&Sealing>),
) -> Result<Made, S3Error> {
    let object = &source.found.object;
    call.api.model.check_room(place.bucket, &place.key, object.size).await?;
    let asked_for = RequestChecksums::from_headers(&call.head.headers)?.wanted_algorithm;
    let stored = object.checksum.as_ref().and_then(|sum| ChecksumAlgorithm::from_code(sum.algorithm));
    let algorithm = match sealing {
        Some(sealing) if sealing.is_blind() => asked_for,
        _ => asked_for.or(stored),
    };
    let mut wanted = vec![ChecksumAlgorithm::Md5];
    wanted.extend(algorithm);
    let sums = BodyChecksums::new(RequestChecksums::NONE, &wanted);
    let owner = Owner::Object(place.bucket, place.key.clone());
    let writer = BodyWriter::new(&call.api.model, owner).sealed(Sealing::data_key(sealing));
    let reader = source.found.read(&call.api.model, ByteRange { start: 0, end: object.size });
    let received = intake::receive_copy(&call.api, reader, object.size, sums, writer).await?;
    let sum = received.sums.iter().find(|sum| Some(sum.algorithm()) == algorithm);
    let checksum = sum.map(|sum| ObjectChecksum::FullObject(*sum));
    meta.checksum = checksum.as_ref().map(|sum| Sealing::stored_checksum(sealing, call, sum));
    let etag = ETag { md5: Sealing::tag(sealing, metadata::md5_of(&received.sums)?), parts: None };
    let change = Change::creation(EventKind::Copy, &place.key, (object.size, etag));
    let watch = events::announce(call, change).await?;
    let ended = call.api.model.put_object(place, received.body, etag, meta).await;
    Ok(Made { etag, checksum, written: watch.settle(ended, events::written).await? })
}

/// What a directive says: COPY, as without one, or REPLACE.
fn replaces(head: &Head, directive: &str) -> Result<bool, S3Error> {
    match head.header(directive).as_deref() {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(S3Error::invalid_argument(directive, other, "Unknown directive.")),
    }
}

/// The source's tags, or those in the request. Tags that are not to replace the source's would be lost.
fn tags_of_copy(head: &Head, source: &CopySource) -> Result<Vec<(String, String)>, S3Error> {
    let sent = tags::of_object(head)?;
    match replaces(head, "x-amz-tagging-directive")? {
        true => Ok(sent),
        false if sent.is_empty() => Ok(source.found.object.tags.clone()),
        false => {
            let message = "The x-amz-tagging header of a copy needs x-amz-tagging-directive: REPLACE.";
            Err(S3Error::with_message(S3Code::InvalidRequest, message))
        }
    }
}

/// The source's checksum; or, when the request names another algorithm, that one over its bytes.
async fn checksum_of_copy(call: &Call, source: &CopySource) -> Result<Option<ObjectChecksum>, S3Error> {
    let object = &source.found.object;
    let stored = object.checksum.as_ref().and_then(|sum| metadata::object_checksum(sum, object.etag));
    let wanted = RequestChecksums::from_headers(&call.head.headers)?.wanted_algorithm;
    let Some(wanted) = wanted.filter(|wanted| stored.is_none_or(|sum| sum.value().algorithm() != *wanted))
    else {
        return Ok(stored);
    };
    let mut sums = BodyChecksums::new(RequestChecksums::NONE, &[wanted]);
    let mut reader = source.found.read(&call.api.model, ByteRange { start: 0, end: object.size });
    while let Some(bytes) = reader.next().await? {
        sums.update(&bytes);
    }
    let sums = sums.finish(&Default::default())?;
    let found = sums.iter().find(|sum| ChecksumAlgorithm::code(sum.algorithm()) == wanted.code());
    Ok(found.map(|sum| ObjectChecksum::FullObject(*sum)))
}
