//! The limits of the S3 surface, in one place, with where each number comes from.

/// Longest object key in bytes of UTF-8 (AWS: "object key names" 1,024 bytes).
pub const OBJECT_KEY_MAX_BYTES: usize = 1024;
/// Shortest and longest bucket name (AWS naming rules).
pub const BUCKET_NAME_MIN_BYTES: usize = 3;
/// See [`BUCKET_NAME_MIN_BYTES`].
pub const BUCKET_NAME_MAX_BYTES: usize = 63;
/// Highest part number of a multipart upload (AWS).
pub const PART_NUMBER_MAX: u16 = 10_000;
/// Smallest size of a part that is not the last one (AWS: 5 MiB).
pub const PART_SIZE_MIN_BYTES: u64 = 5 << 20;
/// Largest part and largest single PUT (AWS: 5 GiB).
pub const PART_SIZE_MAX_BYTES: u64 = 5 << 30;
/// Largest object (AWS: 5 TiB until 2025, 50 TiB since; ours is bounded by parts × part size).
pub const OBJECT_SIZE_MAX_BYTES: u64 = 50 << 40;
/// Keys in one DeleteObjects request (AWS: 1,000).
pub const DELETE_OBJECTS_MAX_KEYS: usize = 1000;
/// Entries in one listing page (AWS: 1,000).
pub const LIST_PAGE_MAX: usize = 1000;
/// User metadata of one object, names and values (AWS: 2 KB).
pub const USER_METADATA_MAX_BYTES: usize = 2048;
/// Bytes of one block: objects are cut into pieces of this size.
pub const BLOCK_SIZE_BYTES: usize = 1 << 20;
/// Blocks named in one version row, so that no row grows with the object: a 5 TiB object costs
/// linear, not quadratic, work.
pub const BLOCKS_PER_VERSION_ROW: usize = 1024;

/// Bytes of a webhook's name.
pub const WEBHOOK_NAME_MAX_BYTES: usize = 64;
