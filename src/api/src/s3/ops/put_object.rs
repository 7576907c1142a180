//! PutObject: stores an object.

use crate::body::BodyPlan;
use crate::checksum::{BodyChecksums, ChecksumAlgorithm, ObjectChecksum, RequestChecksums};
use crate::s3::access::Access;
use crate::s3::acl;
use crate::s3::encryption::{self, Sealing};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::events::{self, Change};
use crate::s3::intake::{self, Incoming, Received};
use crate::s3::lifecycle;
use crate::s3::lock;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::tags;
use crate::s3::versions;
use base::Stamp;
use base::limits::PART_SIZE_MAX_BYTES;
use http::StatusCode;
use http::header::ETAG;
use model::BodyWriter;
use model::events::EventKind;
use model::lifecycle::Traits;
use model::objects::{ObjectMeta, Place};
use model::rows::acl::Acl;
use model::rows::lock::Lock;
use model::rows::object::ETag;
use model::rows::past::VersionId;
use model::rows::version::Owner;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObject",
    route: Route::new("PUT", Target::Object),
    access: Access::Write,
    actions: &["s3:PutObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let upload = Upload::plan(&call).await?;
    lock::check_protected(&call, upload.lock, &upload.requested)?;
    let plan = BodyPlan::from_request(&call.head.headers, call.caller.verified())?;
    check_length(plan.length())?;
    upload.check_room(&call, plan.length()).await?;
    let writer = upload.writer(&call);
    let received = intake::receive(&call.api, body, plan, upload.sums(), writer).await?;
    let stored = upload.commit(&call, received, EventKind::Put).await?;
    let mut reply = Reply::empty(StatusCode::OK);
    stored.show(&mut reply, &call)?;
    Ok(reply)
}

/// What a request for one object says besides its bytes, judged before any of them is read.
pub(super) struct Upload {
    place: Place,
    headers: Vec<(String, String)>,
    tags: Vec<(String, String)>,
    acl: Option<Acl>,
    lock: Option<Lock>,
    requested: RequestChecksums,
    algorithm: ChecksumAlgorithm,
    sealing: Option<Sealing>,
}

/// What was stored.
pub(super) struct Stored {
    pub etag: ETag,
    checksum: Option<ObjectChecksum>,
    version: Option<VersionId>,
    made: Stamp,
    size: u64,
    tags: Vec<(String, String)>,
    sealing: Option<Sealing>,
}

impl Stored {
    /// Says in the answer what was stored, and when it goes.
    pub fn show(&self, reply: &mut Reply, call: &Call) -> Result<(), S3Error> {
        reply.set(ETAG, &metadata::quoted(&self.etag));
        versions::show(reply, self.version);
        Sealing::show(self.sealing.as_ref(), reply);
        if let Some(sum) = &self.checksum {
            metadata::set_checksum(reply, sum);
        }
        let traits = Traits { size: self.size, tags: &self.tags };
        lifecycle::show_expiration(reply, call, (call.head.object_key()?, traits), self.made.wall())
    }
}

impl Upload {
    pub async fn plan(call: &Call) -> Result<Self, S3Error> {
        let head = &call.head;
        let (bucket, key) = (call.bucket()?.id, head.object_key()?.to_owned());
        let requested = RequestChecksums::from_headers(&head.headers)?;
        // S3 keeps a CRC-64 of what comes without a checksum.
        let algorithm = requested.checksum.algorithm().or(requested.wanted_algorithm);
        Ok(Self {
            place: Place { bucket, key, condition: call.write_condition()? },
            headers: metadata::read_headers(&head.headers)?,
            tags: tags::of_object(head)?,
            acl: acl::written(call).await?,
            lock: lock::written(call)?,
            sealing: encryption::of_new(call).await?,
            requested,
            algorithm: algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme),
        })
    }

    /// Refuses a body that the bucket's limits leave no room for, before any of it is read.
    pub async fn check_room(&self, call: &Call, length: Option<u64>) -> Result<(), S3Error> {
        let Place { bucket, key, .. } = &self.place;
        Ok(call.api.model.check_room(*bucket, key, length.unwrap_or_default()).await?)
    }

    pub fn writer(&self, call: &Call) -> BodyWriter {
        let owner = Owner::Object(self.place.bucket, self.place.key.clone());
        BodyWriter::new(&call.api.model, owner).sealed(Sealing::data_key(self.sealing.as_ref()))
    }

    pub fn sums(&self) -> BodyChecksums {
        BodyChecksums::new(self.requested, &[ChecksumAlgorithm::Md5, self.algorithm])
    }

    pub async fn commit(self, call: &Call, received: Received, kind: EventKind) -> Result<Stored, S3Error> {
        let sealing = self.sealing.as_ref();
        let etag = ETag { md5: Sealing::tag(sealing, metadata::md5_of(&received.sums)?), parts: None };
        let is_asked_for = self.requested.checksum.algorithm().or(self.requested.wanted_algorithm).is_some();
        let is_kept = is_asked_for || !sealing.is_some_and(Sealing::is_blind);
        let sum = received.sums.iter().find(|sum| sum.algorithm() == self.algorithm && is_kept);
        let checksum = sum.map(|sum| ObjectChecksum::FullObject(*sum));
        let stored = checksum.as_ref().map(|sum| Sealing::stored_checksum(sealing, call, sum));
        let encryption = Sealing::stored(sealing);
        let Self { place, headers, tags, acl, lock, sealing, .. } = self;
        let size = received.body.size();
        let meta = ObjectMeta { headers, tags: tags.clone(), checksum: stored, acl, lock, encryption };
        let change = Change::creation(kind, &place.key, (size, etag));
        let watch = events::announce(call, change).await?;
        let ended = call.api.model.put_object(place, received.body, etag, meta).await;
        let written = watch.settle(ended, events::written).await?;
        let (version, made) = (written.version, written.stamp);
        Ok(Stored { etag, checksum, version, made, size, tags, sealing })
    }
}

/// Refuses a body of unknown or forbidden length before any of it is read.
pub(super) fn check_length(length: Option<u64>) -> Result<(), S3Error> {
    match length {
        None => Err(S3Code::MissingContentLength.into()),
        Some(length) if length > PART_SIZE_MAX_BYTES => Err(S3Error::new(S3Code::EntityTooLarge)
            .field("ProposedSize", length.to_string())
            .field("MaxSizeAllowed", PART_SIZE_MAX_BYTES.to_string())),
        Some(_) => Ok(()),
    }
}
