//! The bytes that travel with a request or a reply: none, one piece, or a stream.
//!
//! A stream is pulled: what the reader has not taken waits at the sender (HTTP/2 flow control), so
//! neither end holds more than a window of it. Dropping an attachment tells the sender to stop.

use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use futures_util::task::AtomicWaker;
use http_body::Body;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::OwnedSemaphorePermit;

/// The bytes end before their end: the link broke, or the sender gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes were cut off")]
pub struct Cut;

/// Why an attachment cannot be read as one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It was cut off.
    #[error("the bytes were cut off")]
    Cut,
    /// It is longer than the reader takes.
    #[error("longer than {0} bytes")]
    TooLong(usize),
}

/// Bytes that go with a message.
pub struct Attachment(Source);

enum Source {
    Empty,
    Piece(Bytes),
    Stream(BoxStream<'static, Result<Bytes, Cut>>),
    Remote(Remote),
    Leashed(Box<Leashed>),
}

/// What is left of a message's HTTP body.
struct Remote {
    pending: Bytes,
    /// Bytes still to come, when the sender said how many.
    remaining: Option<u64>,
    body: hyper::body::Incoming,
    /// What is held until the last byte was read: room in the budget of the peer, and on a reply the
    /// leash of the request.
    _held: Held,
}

/// What an attachment on its way in holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub _permit: Option<Arc<OwnedSemaphorePermit>>,
    pub _leash: Option<Leash>,
}

/// Ends the bytes of a request when its call ends: when it is given up, when its reply was read to
/// the end, or when that is dropped. Without it they would go on being sent to nobody, and what
/// nobody reads takes room that other calls need.
#[derive(Debug)]
pub(crate) struct Leash {
    state: Arc<LeashState>,
    _stream: Option<OwnedSemaphorePermit>,
}

#[derive(Debug, Default)]
struct LeashState {
    is_over: AtomicBool,
    sender: AtomicWaker,
}

/// Bytes that end with their call.
struct Leashed {
    source: Source,
    state: Arc<LeashState>,
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Release);
        self.state.sender.wake();
    }
}

impl Leashed {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        self.state.sender.register(context.waker());
        if self.state.is_over.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(Cut)));
        }
        self.source.poll_next(context)
    }
}

impl Attachment {
    /// No bytes.
    pub const fn empty() -> Self {
        Self(Source::Empty)
    }

    /// Bytes of unknown number, sent as they come. An error cuts them off at the reader too.
    pub fn stream(stream: impl Stream<Item = Result<Bytes, Cut>> + Send + 'static) -> Self {
        Self(Source::Stream(stream.boxed()))
    }

    pub(crate) fn remote(
        pending: Bytes,
        remaining: Option<u64>,
        body: hyper::body::Incoming,
        held: Held,
    ) -> Self {
        Self(Source::Remote(Remote { pending, remaining, body, _held: held }))
    }

    /// The same bytes, which end when the leash is dropped; that holds `stream` too.
    pub(crate) fn leashed(self, stream: Option<OwnedSemaphorePermit>) -> (Self, Leash) {
        let state = Arc::<LeashState>::default();
        let leash = Leash { state: Arc::clone(&state), _stream: stream };
        (Self(Source::Leashed(Box::new(Leashed { source: self.0, state }))), leash)
    }

    /// How many bytes there are, when that is known.
    pub fn size_bytes(&self) -> Option<u64> {
        self.0.size_bytes()
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// All bytes in one piece, at most `limit_bytes`.
    pub async fn read_all(mut self, limit_bytes: usize) -> Result<Bytes, ReadError> {
        let known = self.size_bytes().unwrap_or(0);
        if known > limit_bytes as u64 {
            return Err(ReadError::TooLong(limit_bytes));
        }
        let Some(first) = self.next().await else { return Ok(Bytes::new()) };
        let first = first.map_err(|Cut| ReadError::Cut)?;
        let mut whole = BytesMut::new();
        let mut next = Some(Ok(first));
        while let Some(chunk) = next {
            let chunk = chunk.map_err(|Cut| ReadError::Cut)?;
            if whole.len() + chunk.len() > limit_bytes {
                return Err(ReadError::TooLong(limit_bytes));
            }
            if whole.is_empty() {
                // One chunk is the whole piece more often than not: no copy then.
                if self.size_bytes() == Some(0) {
                    return Ok(chunk);
                }
                whole.reserve(known as usize);
            }
            whole.extend_from_slice(&chunk);
            next = self.next().await;
        }
        Ok(whole.freeze())
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        self.0.poll_next(context)
    }

    /// The piece, if that is what it is.
    pub(crate) fn take_piece(&mut self) -> Bytes {
        match &mut self.0 {
            Source::Piece(bytes) => {
                let piece = std::mem::take(bytes);
                self.0 = Source::Empty;
                piece
            }
            _ => Bytes::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size_bytes() == Some(0)
    }
}

impl Source {
    fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Piece(bytes) => Some(bytes.len() as u64),
            Self::Stream(_) => None,
            Self::Remote(remote) => remote.remaining,
            Self::Leashed(leashed) => leashed.source.size_bytes(),
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let next = match self {
            Self::Empty => return Poll::Ready(None),
            Self::Piece(bytes) => {
                let piece = std::mem::take(bytes);
                *self = Self::Empty;
                return Poll::Ready((!piece.is_empty()).then_some(Ok(piece)));
            }
            Self::Stream(stream) => ready!(stream.poll_next_unpin(context)),
            Self::Remote(remote) => ready!(remote.poll_next(context)),
            Self::Leashed(leashed) => ready!(leashed.poll_next(context)),
        };
        if !matches!(next, Some(Ok(_))) {
            *self = Self::Empty;
        }
        Poll::Ready(next)
    }
}

impl Remote {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if self.remaining == Some(0) {
                return Poll::Ready(None);
            }
            if !self.pending.is_empty() {
                let chunk = std::mem::take(&mut self.pending);
                if let Some(remaining) = &mut self.remaining {
                    let Some(left) = remaining.checked_sub(chunk.len() as u64) else {
                        return Poll::Ready(Some(Err(Cut)));
                    };
                    *remaining = left;
                }
                return Poll::Ready(Some(Ok(chunk)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => self.pending = frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Poll::Ready(Some(Err(Cut))),
                None if self.remaining.is_some() => return Poll::Ready(Some(Err(Cut))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl From<Bytes> for Attachment {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self(Source::Piece(bytes)) }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size_bytes() {
            Some(size_bytes) => write!(f, "{size_bytes} bytes"),
            None => f.write_str("a stream"),
        }
    }
}
