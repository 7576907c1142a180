//! The vocabulary every other crate speaks: typed ids and hashes, stamps, names, limits,
//! and the rows that merge.
//!
//! Nothing here is asynchronous and nothing here touches the machine: time and randomness
//! come in as arguments.

pub mod hash;
pub mod id;
pub mod limits;
pub mod merge;
pub mod names;
pub mod stamp;

pub use hash::{BlockHash, PartitionHash};
pub use id::{Id, NodeId};
pub use merge::{Lww, LwwMap, Merge};
pub use names::{BucketName, ObjectKey, PartNumber};
pub use stamp::{Hlc, Stamp, WallTime};
