//! The body of a request: from the bytes on the wire to the bytes of the object.
//!
//! S3 clients send bodies plain or framed as `aws-chunked`, signed as a whole, chunk by chunk or not at
//! all, with or without trailers. `BodyPlan` reads from the headers which of these it is; `Decoder` takes
//! the bytes as they arrive and hands out slices of them, copying nothing.
//!
//! Always holds: bytes are handed out as they arrive, *before* the signature over them can be checked. So
//! nothing may be committed, answered or believed before `Decoder::finish` has returned `Ok`. After the
//! first error a decoder hands out nothing more and `finish` fails.
//!
//! Units: lengths and sizes are bytes.

mod chunk;
mod decoder;
mod error;
mod mode;
mod plan;
#[cfg(test)]
mod tests;
mod trailer;

pub use chunk::{ChunkHeader, MAX_CHUNK_HEADER_BYTES, MAX_CHUNK_SIZE_BYTES};
pub use decoder::Decoder;
pub use error::BodyError;
pub use mode::PayloadMode;
pub use plan::{BodyPlan, stored_content_encoding};
pub use trailer::{MAX_TRAILER_BYTES, MAX_TRAILERS, TrailerBlock, Trailers};
