//! What the harness knows: the history, and what the names in it stand for.
//!
//! It outlives the nodes. Clients write to it through short locks that are never held while they
//! wait.

use crate::checks::Failure;
use crate::cluster::versions::Kept;
use crate::content::Content;
use crate::history::{History, Register, Version};
use base::id::kind;
use base::{BlockHash, Id};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the metadata header that carries the value's number.
pub const VALUE_HEADER: &str = "x-amz-meta-value";

/// A bucket of the run.
#[derive(Debug, Clone)]
pub struct BucketNote {
    /// Its id.
    pub id: Id<kind::Bucket>,
    /// Whether it was deleted, as far as is known.
    pub deleted: Known,
    /// Its name.
    pub name: String,
}

/// An access key of the run.
#[derive(Debug, Clone)]
pub struct KeyNote {
    /// Whether it was deleted.
    pub deleted: Known,
    /// Whether it may create buckets.
    pub may_create: Known,
}

/// A fact that an unknown outcome may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// Either.
    Either,
}

impl Known {
    /// Whether the fact may be `shown`.
    pub fn allows(self, shown: bool) -> bool {
        match self {
            Known::Yes => shown,
            Known::No => !shown,
            Known::Either => true,
        }
    }

    /// The fact as it was seen at rest.
    pub fn seen(shown: bool) -> Self {
        if shown { Known::Yes } else { Known::No }
    }
}

/// An upload of the run.
#[derive(Debug, Clone)]
pub struct UploadNote {
    /// Its id.
    pub id: Id<kind::Upload>,
    /// The number of its bucket.
    pub bucket: usize,
    /// Its key.
    pub key: String,
    /// The number of the value it will become.
    pub value: u64,
}

/// Everything the harness knows.
#[derive(Default)]
pub struct Book {
    /// What was asked and answered.
    pub history: History,
    /// Content by the digest in the entity tag.
    pub contents: BTreeMap<[u8; 16], Content>,
    /// How many parts the contents have that were put together from parts.
    pub composites: BTreeMap<[u8; 16], u16>,
    /// Buckets by number.
    pub buckets: Vec<BucketNote>,
    /// Uploads by number.
    pub uploads: Vec<UploadNote>,
    /// Access keys by id.
    pub keys: BTreeMap<String, KeyNote>,
    /// Blocks whose files were damaged on purpose.
    pub rotten: BTreeSet<BlockHash>,
    /// Somebody changes buckets or keys: one at a time, so that facts are clear.
    pub administrating: bool,
    /// The first broken promise.
    pub failure: Option<Failure>,
    /// What happened how often.
    pub counts: BTreeMap<&'static str, u64>,
    /// What happened, in order.
    pub trace: Trace,
    /// Versions that were acknowledged.
    pub kept: Vec<Kept>,
    next_value: u64,
}

impl Book {
    /// A new value: unique in the run.
    pub fn new_value(&mut self) -> u64 {
        self.next_value += 1;
        self.next_value
    }

    /// A new digest for content that is sent in one go; unique in the run.
    pub fn new_digest(&mut self, content: Content) -> [u8; 16] {
        let number = self.new_value();
        let mut digest = [0xa5; 16];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        self.contents.insert(digest, content);
        digest
    }

    /// Notes a broken promise; the first one counts.
    pub fn fail(&mut self, failure: Failure) {
        self.trace.note(&format!("FAILURE {}: {}", failure.property, failure.detail));
        self.failure.get_or_insert(failure);
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts something that happened so often.
    pub fn add(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.counts.entry(what).or_default() += times;
        }
    }

    /// The registers under all keys of a bucket, and under the parts of its uploads.
    pub fn registers_of_bucket(&self, bucket: usize, keys: &[&'static str]) -> Vec<Register> {
        let objects = keys.iter().map(|key| Register::Object { bucket, key: (*key).to_owned() });
        let uploads = self.uploads.iter().enumerate().filter(|(_, upload)| upload.bucket == bucket);
        let parts = uploads.flat_map(|(upload, _)| parts_of_upload(upload));
        objects.chain(parts).collect()
    }
}

/// Highest part number that scenarios use.
pub const PARTS_MAX: u16 = 3;

/// The registers of an upload's parts.
pub fn parts_of_upload(upload: usize) -> impl Iterator<Item = Register> {
    (1..=PARTS_MAX).map(move |number| Register::Part { upload, number })
}

/// The tag of a digest in the history.
pub fn tag_of(digest: &[u8; 16]) -> u64 {
    digest[..8].iter().fold(0, |tag, byte| tag << 8 | u64::from(*byte))
}

/// The version that an object's headers and digest name.
pub fn version_of(headers: &[(String, String)], digest: &[u8; 16]) -> Option<Version> {
    let (_, value) = headers.iter().find(|(name, _)| name == VALUE_HEADER)?;
    Some(Version { value: value.parse().ok()?, tag: tag_of(digest) })
}

/// What happened, as text (when asked for) and as a running hash (always): equal for equal runs.
pub struct Trace {
    hash: u64,
    /// Whether the text is printed.
    pub prints: bool,
}

impl Default for Trace {
    /// FNV-1a's offset basis.
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, prints: false }
    }
}

impl Trace {
    /// Adds a line.
    pub fn note(&mut self, line: &str) {
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.prints {
            println!("{line}");
        }
    }

    /// The hash of all lines so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
