//! Objects that lie there when a change of the layout begins, so that there is something to copy: written before clients
//! work, in a bucket of their own, and read again through every home when all is calm.

use super::gathering::{Gathering, failed};
use super::home::Member;
use super::ops::send_body;
use super::versions::calmly;
use crate::checks::Failure;
use crate::content::{Content, Piece, Sending};
use base::id::kind;
use base::{BlockHash, BucketName, Id};
use model::objects::{Condition, ObjectMeta, Place, Want};
use model::rows::object::ETag;
use model::rows::version::Owner;
use model::{ByteRange, ModelError};

type Bucket = Id<kind::Bucket>;

/// How many there are; each is two blocks that nothing else consists of.
const OBJECTS: u64 = 12;
/// Above all that clients fill their blocks with.
const FIRST_FILL: u64 = 1000;

/// Writes them, where the layout is going to change.
pub async fn lay(homes: &Gathering) -> Result<Option<Bucket>, Failure> {
    if homes.plan.last_version() == 1 {
        return Ok(None);
    }
    let name = BucketName::parse("ballast").map_err(failed)?;
    let model = homes.node(0)?.model;
    let bucket = model.create_bucket(Some(name), None).await.map_err(failed)?;
    for number in 0..OBJECTS {
        let sending = Sending { content: content(homes, number), pushed: 2 };
        let owner = Owner::Object(bucket, key(number));
        let body = send_body(&model, owner, &sending).await.map_err(failed)?;
        let place = Place { bucket, key: key(number), condition: Condition::Always };
        let etag = ETag { md5: [0; 16], parts: None };
        model.put_object(place, body, etag, ObjectMeta::default()).await.map_err(failed)?;
    }
    Ok(Some(bucket))
}

fn key(number: u64) -> String {
    format!("old/{number}")
}

fn content(homes: &Gathering, number: u64) -> Content {
    let piece = |part| Piece { fill: FIRST_FILL + 2 * number + part, length: homes.plan.block_bytes };
    Content { pieces: vec![piece(0), piece(1)] }
}

/// The blocks that they consist of.
pub fn blocks(homes: &Gathering) -> Vec<BlockHash> {
    let pieces = (0..OBJECTS).flat_map(|number| content(homes, number).pieces);
    pieces.map(|piece| BlockHash::of(&piece.bytes())).collect()
}

/// Reads all of them through every home.
pub async fn check(homes: &Gathering, ballast: Option<Bucket>) -> Result<(), Failure> {
    let Some(bucket) = ballast else { return Ok(()) };
    for home in homes.members() {
        for number in 0..OBJECTS {
            let read = move |node: Member| read(node, bucket, number);
            let bytes = calmly(homes, home, "a read of what was there before the change", read).await?;
            if bytes != content(homes, number).bytes() {
                let detail = format!("home {home} reads other bytes of {}", key(number));
                return Err(Failure::new("I5 content", detail));
            }
        }
    }
    Ok(())
}

async fn read(node: Member, bucket: Bucket, number: u64) -> Result<Vec<u8>, ModelError> {
    let found = node.model.find(bucket, &key(number), Want::Content).await?.ok_or(ModelError::NoSuchKey)?;
    let mut reader = found.read(&node.model, ByteRange { start: 0, end: found.object.size });
    let mut bytes = Vec::new();
    while let Some(some) = reader.next().await? {
        bytes.extend_from_slice(&some);
    }
    Ok(bytes)
}
