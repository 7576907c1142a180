//! The stream under one HTTP connection, watched for clients that are too slow.
//!
//! - A request's head must be there within [`HEAD_TIMEOUT`] of its first byte, the first head within
//!   that time of the connection's beginning, and within [`HEAD_MAX_BYTES`]; else it is refused and
//!   the connection ends. Idle connections between requests are the HTTP library's own matter.
//! - What the client does not take for too long ([`crate::patience`]) ends the connection.
//!
//! A head that arrives in one piece costs no timer. Bodies on their way in are watched where they
//! are read.

use crate::patience::Patience;
use crate::s3::reply::ReplyBody;
use bytes::Bytes;
use env::{BoxStream, Clock, MonoTime};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body::{Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a client may take to send a request's head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a head that are taken before it is parsed: the limits of headers and query, which
/// are checked after parsing and answered better, fit in with a path.
pub const HEAD_MAX_BYTES: usize = 48 << 10;

const HEAD_TOO_LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A watched stream.
pub(crate) struct Watched {
    stream: BoxStream,
    clock: Arc<dyn Clock>,
    requests: Arc<Requests>,
    head: Head,
    taking: Taking,
}

/// What the HTTP library says of the requests on the connection.
#[derive(Default)]
struct Requests {
    /// A head was read whole since the stream was asked last.
    came: AtomicBool,
    /// A request is being served: what arrives is no head.
    is_served: AtomicBool,
}

/// The head that is being received.
struct Head {
    /// Whether one is expected now: it has begun, or the connection has.
    begun: bool,
    bytes: usize,
    timer: Option<BoxFuture<'static, ()>>,
}

/// The client taking what is sent.
#[derive(Default)]
struct Taking {
    patience: Patience,
    since: Option<MonoTime>,
    timer: Option<BoxFuture<'static, ()>>,
}

/// Tells the stream below of the requests.
pub(crate) struct Serving(Arc<Requests>);

/// A request is being served while this lives.
struct BeingServed(Arc<Requests>);

/// An answer's body; while it lives the request is being served.
pub(crate) struct Served {
    body: ReplyBody,
    _request: BeingServed,
}

impl Watched {
    /// Watches a new connection.
    pub fn new(stream: BoxStream, clock: Arc<dyn Clock>) -> (Self, Serving) {
        let requests = Arc::new(Requests::default());
        let head = Head { begun: true, bytes: 0, timer: None };
        let watched =
            Self { stream, clock, requests: Arc::clone(&requests), head, taking: Taking::default() };
        (watched, Serving(requests))
    }

    /// Tells the client why, as far as that can be done at once, and ends the connection. Who has
    /// said nothing is told nothing: it would take that for the answer to what it says next.
    fn refuse(&mut self, context: &mut Context<'_>, answer: &[u8], kind: io::ErrorKind) -> io::Error {
        if self.head.bytes > 0 {
            let _ = Pin::new(&mut self.stream).poll_write(context, answer);
        }
        kind.into()
    }

    fn watch_write(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.taking.took(bytes, self.clock.as_ref());
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.taking.wait(context, self.clock.as_ref()));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl Taking {
    fn took(&mut self, bytes: usize, clock: &dyn Clock) {
        if let Some(since) = self.since.take() {
            self.patience.waited(clock.mono().saturating_sub(since));
            self.timer = None;
        }
        self.patience.moved(bytes);
    }

    /// Ready when the client has had all the time it gets.
    fn wait(&mut self, context: &mut Context<'_>, clock: &dyn Clock) -> Poll<()> {
        self.since.get_or_insert_with(|| clock.mono());
        let left = self.patience.left();
        self.timer.get_or_insert_with(|| env::sleep(left).boxed()).poll_unpin(context)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.requests.came.swap(false, Ordering::Relaxed) {
            this.head = Head { begun: false, bytes: 0, timer: None };
        }
        if this.requests.is_served.load(Ordering::Relaxed) {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        // Whoever asks for more has parsed what is there and found no end of the head.
        if this.head.bytes >= HEAD_MAX_BYTES {
            return Poll::Ready(Err(this.refuse(context, HEAD_TOO_LARGE, io::ErrorKind::InvalidData)));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                this.head.begun = true;
                this.head.bytes += buffer.filled().len() - before;
                Poll::Ready(Ok(()))
            }
            Poll::Pending if this.head.begun => {
                let timer = this.head.timer.get_or_insert_with(|| env::sleep(HEAD_TIMEOUT).boxed());
                ready!(timer.poll_unpin(context));
                Poll::Ready(Err(this.refuse(context, HEAD_TOO_LATE, io::ErrorKind::TimedOut)))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Serving {
    /// Begins a request. It is served until the body of its answer is gone.
    pub fn begin(&self) -> impl FnOnce(ReplyBody) -> Served + Send + use<> {
        self.0.came.store(true, Ordering::Relaxed);
        self.0.is_served.store(true, Ordering::Relaxed);
        let request = BeingServed(Arc::clone(&self.0));
        move |body| Served { body, _request: request }
    }
}

impl Drop for BeingServed {
    fn drop(&mut self) {
        self.0.is_served.store(false, Ordering::Relaxed);
    }
}

impl http_body::Body for Served {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
