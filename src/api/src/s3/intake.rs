//! The one way in for bytes: body frames → framing and signatures → checksums → the model's writer.
//!
//! Memory is bounded: an upload holds at most a few blocks, and all uploads together share one
//! budget; who finds it used up waits a little and is then told to slow down. A small body is
//! hashed in place; blocks are hashed on another thread while the next one arrives.

use super::S3Api;
use super::error::{Limit, S3Code, S3Error};
use super::form::Form;
use crate::body::{BodyPlan, Decoder, Trailers};
use crate::checksum::{BodyChecksums, ChecksumValue};
use crate::patience::Patience;
use base::limits::PART_SIZE_MAX_BYTES;
use bytes::{Bytes, BytesMut};
use env::{Clock, Task};
use futures_util::FutureExt;
use http_body::Frame;
use http_body_util::BodyExt;
use model::{BodyReader, BodyWriter, FinishedBody, INLINE_MAX_BYTES};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How long an upload waits for room in the budget before it is told to slow down.
const BUDGET_WAIT_MAX: Duration = Duration::from_secs(30);
/// Bytes of an unwanted body that are read so that the client gets to see the answer.
const DRAIN_MAX_BYTES: usize = 1 << 20;
/// And for how long.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// A request's body, not yet read.
pub struct Incoming {
    body: hyper::body::Incoming,
    ended: bool,
    /// The client waits to be told to go on, which the first read of a body that is not empty does.
    waits: bool,
    patience: Patience,
    clock: Arc<dyn Clock>,
}

impl Incoming {
    /// Wraps a body.
    pub fn new(body: hyper::body::Incoming, headers: &http::HeaderMap, clock: &Arc<dyn Clock>) -> Self {
        let ended = hyper::body::Body::is_end_stream(&body);
        let waits = headers.contains_key(http::header::EXPECT);
        Self { body, ended, waits, patience: Patience::default(), clock: Arc::clone(clock) }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        self.waits &= self.ended;
        loop {
            // What is here already needs no timer.
            let frame = match self.body.frame().now_or_never() {
                Some(frame) => frame,
                None => self.wait_for_frame().await?,
            };
            match frame {
                None => {
                    self.ended = true;
                    return Ok(None);
                }
                Some(Err(_)) => return Err(S3Code::IncompleteBody.into()),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.patience.moved(bytes.len());
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    async fn wait_for_frame(&mut self) -> Result<Option<Result<Frame<Bytes>, hyper::Error>>, S3Error> {
        let began = self.clock.mono();
        let frame = env::timeout(self.patience.left(), self.body.frame()).await;
        self.patience.waited(self.clock.mono().saturating_sub(began));
        frame.ok_or_else(|| S3Code::RequestTimeout.into())
    }

    /// Reads what is left of a body that nobody wants, up to a limit. `false`: the connection cannot be
    /// used again. More was left, or the client was never told to go on: botocore keeps the status that
    /// it read instead, and takes it for that of the connection's next answer.
    pub async fn drain(mut self) -> bool {
        if self.ended || self.waits {
            return !self.waits;
        }
        let drained = env::timeout(DRAIN_MAX, async {
            let mut left = DRAIN_MAX_BYTES;
            while let Ok(Some(bytes)) = self.next().await {
                left = left.saturating_sub(bytes.len());
                if left == 0 {
                    return false;
                }
            }
            self.ended
        });
        drained.await.unwrap_or(false)
    }
}

/// A body that is whole, checked and durable.
pub struct Received {
    /// What the model needs to write the entry.
    pub body: FinishedBody,
    /// The checksums that were asked for.
    pub sums: Vec<ChecksumValue>,
}

/// Reads a small body into memory, checked like any other.
pub async fn collect(
    incoming: &mut Incoming,
    plan: BodyPlan,
    mut sums: BodyChecksums,
    max_bytes: usize,
) -> Result<Bytes, S3Error> {
    let too_large = || S3Error::new(S3Code::MaxMessageLengthExceeded);
    if plan.length().is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let mut decoder = plan.into_decoder();
    let (mut pieces, mut whole) = (Vec::new(), BytesMut::new());
    while let Some(bytes) = incoming.next().await? {
        decoder.push(bytes, &mut pieces)?;
        for piece in pieces.drain(..) {
            if whole.len() + piece.len() > max_bytes {
                return Err(too_large());
            }
            sums.update(&piece);
            whole.extend_from_slice(&piece);
        }
    }
    let trailers = decoder.finish()?;
    sums.finish(&trailers)?;
    Ok(whole.freeze())
}

/// Receives a body into `writer`.
pub async fn receive(
    api: &S3Api,
    incoming: &mut Incoming,
    plan: BodyPlan,
    sums: BodyChecksums,
    writer: BodyWriter,
) -> Result<Received, S3Error> {
    let mut intake = Intake::new(api, plan.length().unwrap_or(0), sums, writer);
    let mut decoder: Decoder = plan.into_decoder();
    let mut pieces = Vec::new();
    while let Some(bytes) = incoming.next().await? {
        decoder.push(bytes, &mut pieces)?;
        for piece in pieces.drain(..) {
            intake.take(piece).await?;
        }
    }
    let trailers = decoder.finish()?;
    intake.finish(&trailers).await
}

/// Receives the file of a form: its length is known at its end, and judged as soon as it can be.
pub async fn receive_form(
    api: &S3Api,
    incoming: &mut Incoming,
    mut form: Form,
    sums: BodyChecksums,
    writer: BodyWriter,
) -> Result<Received, S3Error> {
    let (mut intake, mut size_bytes) = (Intake::new(api, 0, sums, writer), 0);
    let most = PART_SIZE_MAX_BYTES.min(*form.length.end());
    while let Some(bytes) = form.file_bytes(incoming).await? {
        size_bytes += bytes.len() as u64;
        if size_bytes > most {
            return Err(size_error(S3Code::EntityTooLarge, size_bytes, "MaxSizeAllowed", most));
        }
        intake.take(bytes).await?;
    }
    let least = *form.length.start();
    if size_bytes < least {
        return Err(size_error(S3Code::EntityTooSmall, size_bytes, "MinSizeAllowed", least));
    }
    form.finish(incoming).await?;
    intake.finish(&Trailers::default()).await
}

fn size_error(code: S3Code, size_bytes: u64, bound: &'static str, allowed: u64) -> S3Error {
    S3Error::new(code).field("ProposedSize", size_bytes.to_string()).field(bound, allowed.to_string())
}

/// Receives a body of known length from another object.
pub async fn receive_copy(
    api: &S3Api,
    mut reader: BodyReader,
    size_bytes: u64,
    sums: BodyChecksums,
    writer: BodyWriter,
) -> Result<Received, S3Error> {
    let mut intake = Intake::new(api, size_bytes, sums, writer);
    while let Some(bytes) = reader.next().await? {
        intake.take(bytes).await?;
    }
    intake.finish(&Trailers::default()).await
}

struct Intake<'a> {
    api: &'a S3Api,
    writer: BodyWriter,
    sums: Sums,
    buffer: Buffer,
    /// For the block being filled, once it is more than a small body.
    permit: Option<OwnedSemaphorePermit>,
    size_bytes: u64,
    /// Of a full block.
    block_bytes: usize,
}

/// The checksums under way: here, or with the block that is being hashed.
enum Sums {
    Here(Box<BodyChecksums>),
    Away(Task<Box<BodyChecksums>>),
    Lost,
}

impl<'a> Intake<'a> {
    fn new(api: &'a S3Api, size_bytes: u64, sums: BodyChecksums, writer: BodyWriter) -> Self {
        let (sums, block_bytes) = (Sums::Here(Box::new(sums)), writer.block_max_bytes());
        Self { api, writer, sums, buffer: Buffer::default(), permit: None, size_bytes, block_bytes }
    }

    async fn take(&mut self, mut piece: Bytes) -> Result<(), S3Error> {
        while !piece.is_empty() {
            let room = self.block_bytes - self.buffer.bytes;
            self.buffer.push(piece.split_to(room.min(piece.len())));
            if self.buffer.bytes > INLINE_MAX_BYTES {
                self.reserve().await?;
            }
            // A full block waits until it is known whether anything follows: the last block travels
            // with the entry.
            if self.buffer.bytes == self.block_bytes && !piece.is_empty() {
                self.pass_on().await?;
            }
        }
        if self.buffer.bytes == self.block_bytes && self.more_is_announced() {
            self.pass_on().await?;
        }
        Ok(())
    }

    fn more_is_announced(&self) -> bool {
        self.size_bytes > self.buffer.passed_on + self.block_bytes as u64
    }

    async fn reserve(&mut self) -> Result<(), S3Error> {
        if self.permit.is_none() {
            let budget = Arc::clone(&self.api.upload_blocks);
            // Whoever waits here holds nothing that another upload waits for.
            let permit = env::timeout(BUDGET_WAIT_MAX, budget.acquire_owned());
            self.permit = Some(permit.await.and_then(Result::ok).ok_or(Limit::UploadMemory)?);
        }
        Ok(())
    }

    async fn pass_on(&mut self) -> Result<(), S3Error> {
        let block = self.buffer.take();
        self.hash_elsewhere(block.clone()).await?;
        self.writer.push_block(block, self.permit.take()).await?;
        Ok(())
    }

    async fn hash_elsewhere(&mut self, block: Bytes) -> Result<(), S3Error> {
        let mut sums = self.recall_sums().await?;
        let tasks = self.api.model.env().tasks.clone();
        let work = tasks.clone();
        self.sums = Sums::Away(tasks.spawn(async move {
            work.blocking(move || {
                sums.update(&block);
                sums
            })
            .await
        }));
        Ok(())
    }

    async fn recall_sums(&mut self) -> Result<Box<BodyChecksums>, S3Error> {
        match std::mem::replace(&mut self.sums, Sums::Lost) {
            Sums::Here(sums) => Ok(sums),
            Sums::Away(task) => task.join().await.ok_or_else(|| S3Code::InternalError.into()),
            Sums::Lost => Err(S3Code::InternalError.into()),
        }
    }

    async fn finish(mut self, trailers: &Trailers) -> Result<Received, S3Error> {
        let rest = self.buffer.take();
        if rest.len() <= INLINE_MAX_BYTES {
            let mut sums = self.recall_sums().await?;
            sums.update(&rest);
            let sums = sums.finish(trailers)?;
            return Ok(Received { body: self.writer.finish(rest).await?, sums });
        }
        self.hash_elsewhere(rest.clone()).await?;
        let writer = std::mem::replace(&mut self.sums, Sums::Lost);
        let Sums::Away(task) = writer else { return Err(S3Code::InternalError.into()) };
        let (sums, body) = futures_util::join!(task.join(), self.writer.finish(rest));
        let sums = sums.ok_or(S3Code::InternalError)?.finish(trailers)?;
        Ok(Received { body: body?, sums })
    }
}

/// Pieces of the block being filled. A body that comes in one piece is never copied.
#[derive(Default)]
struct Buffer {
    pieces: Vec<Bytes>,
    bytes: usize,
    passed_on: u64,
}

impl Buffer {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    fn take(&mut self) -> Bytes {
        self.passed_on += self.bytes as u64;
        let bytes = std::mem::take(&mut self.bytes);
        if self.pieces.len() == 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(bytes);
        self.pieces.drain(..).for_each(|piece| whole.extend_from_slice(&piece));
        whole.freeze()
    }
}
