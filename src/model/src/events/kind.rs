//! The kinds of events, by AWS's names.
//!
//! Always holds: what a configuration may name is a kind that happens here, one that AWS has and that never happens
//! here, or a family of either.

use serde::{Deserialize, Serialize};

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EventKind {
    /// A webhook was configured.
    Test,
    /// PutObject.
    Put,
    /// PostObject.
    Post,
    /// CopyObject.
    Copy,
    /// CompleteMultipartUpload.
    CompleteMultipartUpload,
    /// An object or a version was deleted.
    Delete,
    /// A delete marker was made.
    DeleteMarkerCreated,
    /// Tags were set.
    TaggingPut,
    /// Tags were removed.
    TaggingDelete,
    /// An access control list was set.
    AclPut,
    /// A lifecycle rule deleted an object or a version.
    Expired,
    /// A lifecycle rule made a delete marker.
    ExpirationMarkerCreated,
}

/// All kinds with their names, which are stored, for ever.
const NAMES: [(EventKind, &str); 12] = [
    (EventKind::Test, "TestEvent"),
    (EventKind::Put, "ObjectCreated:Put"),
    (EventKind::Post, "ObjectCreated:Post"),
    (EventKind::Copy, "ObjectCreated:Copy"),
    (EventKind::CompleteMultipartUpload, "ObjectCreated:CompleteMultipartUpload"),
    (EventKind::Delete, "ObjectRemoved:Delete"),
    (EventKind::DeleteMarkerCreated, "ObjectRemoved:DeleteMarkerCreated"),
    (EventKind::TaggingPut, "ObjectTagging:Put"),
    (EventKind::TaggingDelete, "ObjectTagging:Delete"),
    (EventKind::AclPut, "ObjectAcl:Put"),
    (EventKind::Expired, "LifecycleExpiration:Delete"),
    (EventKind::ExpirationMarkerCreated, "LifecycleExpiration:DeleteMarkerCreated"),
];

/// What AWS has and this store does not do: a rule for it is kept, and never applies.
const NEVER: [&str; 13] = [
    "ReducedRedundancyLostObject",
    "ObjectRestore:Post",
    "ObjectRestore:Completed",
    "ObjectRestore:Delete",
    "Replication:OperationFailedReplication",
    "Replication:OperationMissedThreshold",
    "Replication:OperationReplicatedAfterThreshold",
    "Replication:OperationNotTracked",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectAnnotation:Put",
    "ObjectAnnotation:Delete",
    "ObjectCreated:RenameObject",
];

impl EventKind {
    /// Its name, without `s3:`.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Whether an object is there afterwards that is what the event speaks of.
    pub fn leaves_object(self) -> bool {
        !matches!(
            self,
            Self::Test
                | Self::Delete
                | Self::DeleteMarkerCreated
                | Self::Expired
                | Self::ExpirationMarkerCreated
        )
    }

    /// Whether it makes an object.
    pub fn creates(self) -> bool {
        matches!(self, Self::Put | Self::Post | Self::Copy | Self::CompleteMultipartUpload)
    }
}

impl TryFrom<String> for EventKind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind).ok_or(name)
    }
}

impl From<EventKind> for String {
    fn from(kind: EventKind) -> Self {
        kind.name().to_owned()
    }
}

/// Whether a rule may name this: a kind, or a family such as `s3:ObjectCreated:*`.
pub fn may_be_named(event: &str) -> bool {
    let Some(name) = event.strip_prefix("s3:") else { return false };
    let mut known = NAMES.iter().map(|(_, known)| *known).chain(NEVER).filter(|known| *known != "TestEvent");
    known.any(|known| known == name || covers(event, known) && name.ends_with(":*"))
}

/// Whether what a rule names is this event, or a family that it belongs to.
pub fn covers(event: &str, name: &str) -> bool {
    let Some(named) = event.strip_prefix("s3:") else { return false };
    match named.strip_suffix('*') {
        Some(family) => family.ends_with(':') && name.starts_with(family),
        None => named == name,
    }
}

/// Whether two that rules name have an event in common.
pub fn meet(one: &str, other: &str) -> bool {
    let of = |event: &str| event.strip_prefix("s3:").unwrap_or_default().to_owned();
    covers(one, &of(other)) || covers(other, &of(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kinds() {
        for (kind, name) in NAMES {
            assert_eq!((kind.name(), EventKind::try_from(name.to_owned())), (name, Ok(kind)));
        }
    }

    #[test]
    fn what_rules_may_name() {
        for event in
            ["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:Replication:*", "s3:IntelligentTiering"]
        {
            assert!(may_be_named(event), "{event}");
        }
        for event in
            ["s3:*", "ObjectCreated:Put", "s3:ObjectCreated:P*", "s3:Object*", "s3:TestEvent", "s3:Nothing:*"]
        {
            assert!(!may_be_named(event), "{event}");
        }
    }

    #[test]
    fn families() {
        assert!(covers("s3:ObjectRemoved:*", "ObjectRemoved:Delete"));
        assert!(!covers("s3:ObjectRemoved:*", "ObjectCreated:Put"));
        assert!(
            meet("s3:ObjectCreated:*", "s3:ObjectCreated:Put")
                && meet("s3:ObjectCreated:Put", "s3:ObjectCreated:*")
        );
        assert!(!meet("s3:ObjectCreated:Copy", "s3:ObjectCreated:Put"));
    }
}
