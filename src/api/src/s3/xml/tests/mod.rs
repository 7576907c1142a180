//! The bodies, byte for byte and against hostile input.

mod hostile;
mod parse;
mod render;

use super::{Checksum, Owner};

/// 2026-11-22T23:00:00.000Z.
const AT_MS: u64 = 1_795_388_400_000;

fn owner() -> Owner {
    Owner { id: "GK31c2".into(), display_name: "first & best".into() }
}

fn crc32() -> Checksum {
    Checksum { algorithm: "CRC32", value_base64: "AAAAAA==".into() }
}
