//! Who uses a block: from its references to the bodies that list it, and from those to objects and uploads. As far as
//! this node holds the rows; nothing rests on it, it is shown.

use crate::replicas::KeyPlace;
use crate::rows::object::{self, ObjectRow};
use crate::rows::past::{self, VersionId};
use crate::rows::reference::{self, ReferenceRow, Target};
use crate::rows::upload::UploadRow;
use crate::rows::version::{Owner, VersionRow};
use crate::{Model, ModelError, versions};
use base::id::kind;
use base::{BlockHash, Id, PartitionHash};
use cluster::layout::partition_of;
use std::sync::Arc;
use store::{Read, Space, Step};
use table::sort_key::walk_prefix;

/// A body that lists a block, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockUse {
    /// The body.
    pub body: Id<kind::Body>,
    /// Whether its reference is removed: it needs the block no more.
    pub is_removed: bool,
    /// Who needs the body.
    pub users: Vec<BodyUser>,
}

/// Who needs a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyUser {
    /// An object.
    Object {
        /// Its bucket.
        bucket: Id<kind::Bucket>,
        /// Its key.
        key: String,
        /// Its body, which consists of the one in question if that is a part.
        body: Id<kind::Body>,
        /// Which version of the key it is; `None` where other nodes keep the key.
        version: Option<VersionId>,
    },
    /// An upload that is not completed.
    Upload {
        /// The upload.
        upload: Id<kind::Upload>,
        /// Bucket and key; `None` where other nodes keep the upload.
        place: Option<(Id<kind::Bucket>, String)>,
    },
    /// Not told by what this node holds: other nodes keep the rows of the body.
    Elsewhere,
}

impl Model {
    /// Who uses a block, at most so many bodies.
    pub async fn uses_of_block(
        self: &Arc<Self>,
        hash: BlockHash,
        limit: usize,
    ) -> Result<Vec<BlockUse>, ModelError> {
        let model = Arc::clone(self);
        let look = move || {
            let view = model.store.view()?;
            let mut uses = Vec::new();
            for (id, is_removed) in references_of(&view, Target::Block(hash), limit)? {
                let body = Id::from_bytes(id);
                uses.push(BlockUse { body, is_removed, users: model.users_of(&view, body)? });
            }
            Ok(uses)
        };
        self.env.tasks.blocking(look).await
    }

    /// Whether what is not here is nowhere.
    fn knows(&self, partition: PartitionHash) -> bool {
        self.peers.is_alone() || self.serves(partition_of(&partition))
    }

    fn users_of(&self, view: &impl Read, body: Id<kind::Body>) -> Result<Vec<BodyUser>, ModelError> {
        match first_row(view, body)?.map(|row| row.owner) {
            Some(Owner::Object(bucket, key)) => self.object_of(view, body, (bucket, key)),
            Some(Owner::Part(..)) => {
                let mut users = Vec::new();
                for (id, is_removed) in references_of(view, Target::Body(body), usize::MAX)? {
                    if !is_removed {
                        users.extend(self.holder_of_part(view, id)?);
                    }
                }
                Ok(users)
            }
            None if self.knows(Target::Body(body).partition()) => Ok(Vec::new()),
            None => Ok(vec![BodyUser::Elsewhere]),
        }
    }

    /// The object that a body belongs to, if it names it.
    fn object_of(
        &self,
        view: &impl Read,
        body: Id<kind::Body>,
        (bucket, key): (Id<kind::Bucket>, String),
    ) -> Result<Vec<BodyUser>, ModelError> {
        let place = KeyPlace::of(bucket, key.clone());
        if !self.knows(place.partition) {
            return Ok(vec![BodyUser::Object { bucket, key, body, version: None }]);
        }
        let row: Option<ObjectRow> = view.get(Space::Object, &object::row_key(place.partition, &key))?;
        let is_current = |row: &ObjectRow| row.live().and_then(|object| object.body.id()) == Some(body);
        let current = row.filter(is_current).and_then(|row| row.current());
        let past = versions::past_with_body(view, body)?;
        let past = past.and_then(|(row_key, _)| Some(past::parse_row_key(&row_key)?.1));
        let version = current.or(past);
        Ok(version
            .map(|version| BodyUser::Object { bucket, key, body, version: Some(version) })
            .into_iter()
            .collect())
    }

    /// Who holds a part: its upload, or the body of the object that the upload became.
    fn holder_of_part(&self, view: &impl Read, id: [u8; 32]) -> Result<Vec<BodyUser>, ModelError> {
        let composite = Id::from_bytes(id);
        if let Some(Owner::Object(bucket, key)) = first_row(view, composite)?.map(|row| row.owner) {
            return self.object_of(view, composite, (bucket, key));
        }
        let upload: Option<UploadRow> = view.get(Space::Upload, &id)?;
        let place = upload.map(|row| (row.bucket, row.key));
        Ok(vec![BodyUser::Upload { upload: Id::from_bytes(id), place }])
    }
}

/// Who refers to a target, and whether that is over.
fn references_of(
    view: &impl Read,
    target: Target,
    limit: usize,
) -> Result<Vec<([u8; 32], bool)>, ModelError> {
    let prefix = reference::target_prefix(target);
    let mut found = Vec::new();
    walk_prefix(view, Space::BlockRef, &prefix, &mut |key, row: ReferenceRow| {
        found.extend(key[prefix.len()..].try_into().ok().map(|id| (id, row.removed)));
        if found.len() < limit { Step::Next } else { Step::Stop }
    })?;
    Ok(found)
}

/// Some row of a body: each says what it belongs to.
fn first_row(view: &impl Read, body: Id<kind::Body>) -> Result<Option<VersionRow>, ModelError> {
    let mut found = None;
    walk_prefix(view, Space::Version, body.as_bytes(), &mut |_, row: VersionRow| {
        found = Some(row);
        Step::Stop
    })?;
    Ok(found)
}
