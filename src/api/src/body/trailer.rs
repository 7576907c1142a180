//! What follows the last chunk: lines `name:value`, perhaps a signature over them, and an empty line.
//!
//! Lines end with CR LF; some signers put a lone LF before it, so an empty line more or less between them
//! is accepted. Names are compared in lower case.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::error::BodyError;
use crate::signature::{ChunkVerifier, parse_hash_hex};

/// All lines together: a checksum line takes 130 bytes at most and there is one, so this is ample.
pub const MAX_TRAILER_BYTES: usize = 8 * 1024;
/// Lines: one checksum is usual; S3 defines ten.
pub const MAX_TRAILERS: usize = 16;

const SIGNATURE_NAME: &str = "x-amz-trailer-signature";

/// The trailers of a body: names in lower case, none twice, in the order sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trailers {
    fields: Vec<(String, String)>,
}

impl Trailers {
    /// The value of a trailer; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    /// All trailers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// The trailer as sent, read but not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailerBlock {
    trailers: Trailers,
    signature: Option<[u8; 32]>,
}

impl TrailerBlock {
    /// Reads everything after the last chunk's line.
    pub fn parse(block: &[u8]) -> Result<Self, BodyError> {
        if !block.ends_with(b"\n") {
            return Err(BodyError::IncompleteBody);
        }
        let mut read = Self { trailers: Trailers::default(), signature: None };
        for line in block.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            // The signature covers the lines before it, so nothing may follow it.
            if read.signature.is_some() || read.trailers.fields.len() == MAX_TRAILERS {
                return Err(BodyError::MalformedTrailer);
            }
            read.add_line(line)?;
        }
        Ok(read)
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let text = std::str::from_utf8(line).map_err(|_| BodyError::MalformedTrailer)?;
        let (name, value) = text.split_once(':').ok_or(BodyError::MalformedTrailer)?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']));
        if name == SIGNATURE_NAME {
            let parsed = parse_hash_hex(value.as_bytes()).ok_or(BodyError::ChunkSignatureMismatch)?;
            self.signature = Some(parsed);
            return Ok(());
        }
        if name.is_empty() || self.trailers.get(&name).is_some() {
            return Err(BodyError::MalformedTrailer);
        }
        self.trailers.fields.push((name, value.to_owned()));
        Ok(())
    }

    /// Checks the signature over the lines, where the mode has one, and hands out the trailers.
    pub(super) fn judge(
        self,
        verifier: Option<&mut ChunkVerifier>,
        declared: &BTreeSet<String>,
    ) -> Result<Trailers, BodyError> {
        match (verifier, self.signature) {
            (Some(verifier), Some(signature)) => {
                let mut lines = Sha256::new();
                for (name, value) in self.trailers.iter() {
                    lines.update(format!("{name}:{value}\n"));
                }
                verifier
                    .verify_trailer(&lines.finalize().into(), &signature)
                    .map_err(|_| BodyError::ChunkSignatureMismatch)?;
            }
            (Some(_), None) => return Err(BodyError::MalformedTrailer),
            (None, Some(_)) => return Err(BodyError::MalformedTrailer),
            (None, None) => {}
        }
        let sent: BTreeSet<&str> = self.trailers.iter().map(|(name, _)| name).collect();
        let as_declared =
            sent.len() == declared.len() && declared.iter().all(|name| sent.contains(name.as_str()));
        if as_declared { Ok(self.trailers) } else { Err(BodyError::MalformedTrailer) }
    }
}
