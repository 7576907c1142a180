//! The rows of the product: what is stored, what merges how, and under which key.
//!
//! Every record's layout stands in doc/formats.md. Kinds of records are numbered here, in one
//! place, and never reused.

pub mod acl;
pub mod bucket;
pub mod encryption;
pub mod event;
pub mod key;
pub mod lock;
pub mod object;
pub mod past;
pub mod reference;
pub mod standing;
pub mod upload;
pub mod version;
pub mod webhook;

/// Numbers of the record kinds of this crate (kinds below 16 belong to `store` and `block`).
pub(crate) mod record_kind {
    pub const OBJECT: u8 = 16;
    pub const INLINE: u8 = 17;
    pub const VERSION: u8 = 18;
    pub const REFERENCE: u8 = 19;
    pub const UPLOAD: u8 = 20;
    pub const PART: u8 = 21;
    pub const BUCKET: u8 = 22;
    pub const ALIAS: u8 = 23;
    pub const KEY: u8 = 24;
    pub const USAGE: u8 = 25;
    pub const OUTBOX: u8 = 26;
    pub const TOMBSTONE: u8 = 27;
    pub const PENDING: u8 = 28;
    pub const INDEX: u8 = 29;
    pub const FENCE: u8 = 30;
    pub const STANDING: u8 = 31;
    pub const PAST: u8 = 32;
    pub const PAST_BODY: u8 = 33;
    pub const RING_KEY: u8 = 34;
    pub const LIFECYCLE: u8 = 35;
    pub const WEBHOOK: u8 = 36;
    pub const EVENT_INTENT: u8 = 37;
    pub const EVENT: u8 = 38;
    pub const EVENT_BACKLOG: u8 = 39;
    /// 40 to 45, 47 and 49 are the block store's.
    pub const ROW_CHECK: u8 = 46;
    pub const COPY_RATE: u8 = 48;
    pub const EVENT_HELD: u8 = 50;
}
