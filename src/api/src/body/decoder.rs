//! Decodes a body as it arrives.
//!
//! Always holds: what is handed out are slices of what was pushed in; at most a chunk's line and the
//! trailer are ever held back, both bounded. The caller believes the bytes only after `finish`.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::chunk::{ChunkHeader, MAX_CHUNK_HEADER_BYTES};
use super::error::BodyError;
use super::mode::PayloadMode;
use super::plan::BodyPlan;
use super::trailer::{MAX_TRAILER_BYTES, TrailerBlock, Trailers};

/// Takes a body's bytes in pieces of any size and hands out the object's bytes.
#[derive(Debug)]
pub struct Decoder {
    plan: BodyPlan,
    /// SHA-256 of the body as sent; kept only when its value was signed.
    wire_hash: Option<Sha256>,
    decoded_bytes: u64,
    position: Position,
    failed: Option<BodyError>,
}

/// Where in the framing the next byte stands.
#[derive(Debug)]
enum Position {
    /// A body without framing.
    Plain,
    /// In the line before a chunk; holds what came of it in earlier pieces.
    Header(Vec<u8>),
    /// In a chunk's bytes.
    Data { left_bytes: u64, signed: Option<SignedChunk> },
    /// In the CR LF after a chunk; holds how many of the two came already.
    DataEnd { seen: usize },
    /// After the line of the last chunk; holds all that came since.
    Trailer(Vec<u8>),
}

#[derive(Debug)]
struct SignedChunk {
    hash: Sha256,
    given: [u8; 32],
}

const LINE_END: &[u8; 2] = b"\r\n";

impl Decoder {
    pub(super) fn new(plan: BodyPlan) -> Self {
        let wire_hash = matches!(plan.mode, PayloadMode::Signed(_)).then(Sha256::new);
        let position = if plan.framed { Position::Header(Vec::new()) } else { Position::Plain };
        Self { plan, wire_hash, decoded_bytes: 0, position, failed: None }
    }

    /// Object bytes handed out so far.
    pub fn decoded_bytes(&self) -> u64 {
        self.decoded_bytes
    }

    /// Takes the next piece of the body and appends the object's bytes in it to `out`.
    pub fn push(&mut self, input: Bytes, out: &mut Vec<Bytes>) -> Result<(), BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let decoded = self.take(input, out);
        self.failed = decoded.err();
        decoded
    }

    /// The body is over: makes the last checks and hands out the trailers. Only now may the bytes handed
    /// out be believed.
    pub fn finish(mut self) -> Result<Trailers, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let block = match self.position {
            Position::Plain => None,
            Position::Trailer(block) => Some(TrailerBlock::parse(&block)?),
            Position::Header(_) | Position::Data { .. } | Position::DataEnd { .. } => {
                return Err(BodyError::IncompleteBody);
            }
        };
        if self.plan.length.is_some_and(|length| length != self.decoded_bytes) {
            return Err(BodyError::IncompleteBody);
        }
        if let (Some(hash), PayloadMode::Signed(expected)) = (self.wire_hash, &self.plan.mode) {
            let computed: [u8; 32] = hash.finalize().into();
            if !bool::from(computed.ct_eq(expected)) {
                return Err(BodyError::ContentSha256Mismatch { announced: *expected, computed });
            }
        }
        let Some(block) = block else { return Ok(Trailers::default()) };
        match self.plan.mode {
            // This mode signs no trailer, so it has none.
            PayloadMode::StreamingSigned => block.judge(None, &Default::default()),
            PayloadMode::StreamingSignedTrailer => {
                block.judge(self.plan.chunk_verifier.as_mut(), &self.plan.declared_trailers)
            }
            PayloadMode::Unsigned | PayloadMode::Signed(_) | PayloadMode::StreamingUnsignedTrailer => {
                block.judge(None, &self.plan.declared_trailers)
            }
        }
    }

    fn take(&mut self, mut input: Bytes, out: &mut Vec<Bytes>) -> Result<(), BodyError> {
        if let Some(hash) = &mut self.wire_hash {
            hash.update(&input);
        }
        while !input.is_empty() {
            match &mut self.position {
                Position::Plain => {
                    let size_bytes = input.len() as u64;
                    self.reserve(size_bytes)?;
                    self.decoded_bytes += size_bytes;
                    out.push(std::mem::take(&mut input));
                }
                Position::Header(_) => self.take_header(&mut input)?,
                Position::Data { .. } => self.take_data(&mut input, out)?,
                Position::DataEnd { seen } => {
                    if input[0] != LINE_END[*seen] {
                        return Err(BodyError::MalformedChunk);
                    }
                    let _ = input.split_to(1);
                    *seen += 1;
                    if *seen == LINE_END.len() {
                        self.position = Position::Header(Vec::new());
                    }
                }
                Position::Trailer(block) => {
                    if block.len() + input.len() > MAX_TRAILER_BYTES {
                        return Err(BodyError::MalformedTrailer);
                    }
                    block.extend_from_slice(&std::mem::take(&mut input));
                }
            }
        }
        Ok(())
    }

    /// Refuses bytes beyond the announced length before they are handed out.
    fn reserve(&self, size_bytes: u64) -> Result<(), BodyError> {
        let total = self.decoded_bytes.checked_add(size_bytes).ok_or(BodyError::IncompleteBody)?;
        if self.plan.length.is_some_and(|length| total > length) {
            return Err(BodyError::IncompleteBody);
        }
        Ok(())
    }

    fn take_header(&mut self, input: &mut Bytes) -> Result<(), BodyError> {
        let Position::Header(held) = &mut self.position else { return Ok(()) };
        let end = input.iter().take(MAX_CHUNK_HEADER_BYTES).position(|byte| *byte == b'\n');
        let piece = input.split_to(end.map_or(input.len(), |end| end + 1));
        if held.len() + piece.len() > MAX_CHUNK_HEADER_BYTES {
            return Err(BodyError::MalformedChunk);
        }
        if held.is_empty() && end.is_some() {
            return self.begin_chunk(&piece);
        }
        held.extend_from_slice(&piece);
        if end.is_none() {
            return Ok(());
        }
        let line = std::mem::take(held);
        self.begin_chunk(&line)
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let line = line.strip_suffix(LINE_END).ok_or(BodyError::MalformedChunk)?;
        let header = ChunkHeader::parse(line)?;
        self.reserve(header.size_bytes)?;
        let signed = match (&self.plan.chunk_verifier, header.signature) {
            (None, _) => None,
            (Some(_), None) => return Err(BodyError::ChunkSignatureMismatch),
            (Some(_), Some(given)) => Some(SignedChunk { hash: Sha256::new(), given }),
        };
        if header.size_bytes > 0 {
            self.position = Position::Data { left_bytes: header.size_bytes, signed };
            return Ok(());
        }
        self.check_chunk(signed)?;
        self.position = Position::Trailer(Vec::new());
        Ok(())
    }

    fn take_data(&mut self, input: &mut Bytes, out: &mut Vec<Bytes>) -> Result<(), BodyError> {
        let Position::Data { left_bytes, signed } = &mut self.position else { return Ok(()) };
        let taken = usize::try_from(*left_bytes).unwrap_or(usize::MAX).min(input.len());
        let piece = input.split_to(taken);
        if let Some(signed) = signed {
            signed.hash.update(&piece);
        }
        self.decoded_bytes += piece.len() as u64;
        *left_bytes -= piece.len() as u64;
        let is_over = *left_bytes == 0;
        if is_over {
            let signed = signed.take();
            self.check_chunk(signed)?;
            self.position = Position::DataEnd { seen: 0 };
        }
        out.push(piece);
        Ok(())
    }

    fn check_chunk(&mut self, signed: Option<SignedChunk>) -> Result<(), BodyError> {
        if let (Some(verifier), Some(signed)) = (&mut self.plan.chunk_verifier, signed) {
            let hash = signed.hash.finalize().into();
            verifier.verify_chunk(&hash, &signed.given).map_err(|_| BodyError::ChunkSignatureMismatch)?;
        }
        Ok(())
    }
}
