//! The registry of keyspaces: every local table of the node, its number and its name.
//!
//! Numbers and names are stored; they are never reused and never derived from code.

/// A keyspace of the local store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Space {
    /// Facts about this store: format version, incarnation, clock high-water mark.
    Meta = 1,
    /// Table `object`: partition ‖ escaped key ‖ slot.
    Object = 2,
    /// Bytes of small bodies: partition ‖ body id.
    Inline = 3,
    /// Table `version`: body id ‖ row number.
    Version = 4,
    /// Table `block_ref`: target ‖ referrer.
    BlockRef = 5,
    /// Reference count and state of each block or part: target.
    RefCount = 6,
    /// Table `upload`: upload id.
    Upload = 7,
    /// Table `part`: upload id ‖ part number.
    Part = 8,
    /// Open uploads of a bucket in key order: bucket ‖ escaped key ‖ upload id (derived).
    UploadIndex = 9,
    /// Table `bucket`: bucket id.
    Bucket = 10,
    /// Table `alias`: name.
    Alias = 11,
    /// Table `key`: access key id.
    Key = 12,
    /// Table `admin_token`: token id.
    AdminToken = 13,
    /// Objects, bytes and uploads per bucket shard (derived).
    Usage = 14,
    /// Work for other partitions that a hook wants done: sequence number.
    Outbox = 15,
    /// Blocks to look at: due time ‖ hash.
    Resync = 16,
    /// Tombstones to collect: due time ‖ table ‖ row key.
    Tombstone = 17,
    /// Birth fence per table and partition.
    Fence = 18,
    /// Operator settings of workers: name.
    Setting = 19,
    /// Bodies whose entry is not written yet: body id.
    Pending = 20,
    /// Digests of ranges of rows: keyspace number of the table ‖ first row key (derived).
    Chunk = 21,
    /// Table `past`: partition ‖ escaped key ‖ version.
    Past = 22,
    /// Which past row names a body: body id (derived).
    PastBody = 23,
    /// Table `webhook`: name.
    Webhook = 24,
    /// Changes that are about to be made and that somebody will be told of: time ‖ number.
    EventIntent = 25,
    /// Events on their way: webhook ‖ `00` ‖ time ‖ number.
    Event = 26,
    /// How much is on its way to a webhook: its name (derived, but for what was lost).
    EventBacklog = 27,
    /// Table `ring`: keys that wrap the keys of encrypted bodies, themselves wrapped: ring key id.
    Ring = 28,
    /// Events that this node holds for others: node ‖ its life ‖ webhook ‖ `00` ‖ time ‖ number.
    EventHeld = 29,
}

impl Space {
    /// Every keyspace.
    pub const ALL: [Space; 29] = [
        Space::Meta,
        Space::Object,
        Space::Inline,
        Space::Version,
        Space::BlockRef,
        Space::RefCount,
        Space::Upload,
        Space::Part,
        Space::UploadIndex,
        Space::Bucket,
        Space::Alias,
        Space::Key,
        Space::AdminToken,
        Space::Usage,
        Space::Outbox,
        Space::Resync,
        Space::Tombstone,
        Space::Fence,
        Space::Setting,
        Space::Pending,
        Space::Chunk,
        Space::Past,
        Space::PastBody,
        Space::Webhook,
        Space::EventIntent,
        Space::Event,
        Space::EventBacklog,
        Space::Ring,
        Space::EventHeld,
    ];

    /// The keyspace of this stored name.
    pub fn named(name: &str) -> Option<Space> {
        Self::ALL.into_iter().find(|space| space.name() == name)
    }

    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Space::Meta => "meta",
            Space::Object => "object",
            Space::Inline => "inline",
            Space::Version => "version",
            Space::BlockRef => "block_ref",
            Space::RefCount => "ref_count",
            Space::Upload => "upload",
            Space::Part => "part",
            Space::UploadIndex => "upload_index",
            Space::Bucket => "bucket",
            Space::Alias => "alias",
            Space::Key => "key",
            Space::AdminToken => "admin_token",
            Space::Usage => "usage",
            Space::Outbox => "outbox",
            Space::Resync => "resync",
            Space::Tombstone => "tombstone",
            Space::Fence => "fence",
            Space::Setting => "setting",
            Space::Pending => "pending",
            Space::Chunk => "chunk",
            Space::Past => "past",
            Space::PastBody => "past_body",
            Space::Webhook => "webhook",
            Space::EventIntent => "event_intent",
            Space::Event => "event",
            Space::EventBacklog => "event_backlog",
            Space::Ring => "ring",
            Space::EventHeld => "event_held",
        }
    }

    /// The stored number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}
