//! The byte stream under a link: counts what comes, stops a stranger's flood, and can be cut.
//!
//! It sits right above the socket, below TLS. Cutting wakes whoever waits to read or write with an
//! error, which ends everything above, however dead the other end is.

use env::BoxStream;
use futures_util::task::AtomicWaker;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the owner of a link sees of its stream. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Wire(Arc<State>);

struct State {
    is_cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    received_bytes: AtomicU64,
    /// How many bytes may come in all; `u64::MAX` once the other end is known.
    allowance_bytes: AtomicU64,
}

impl Wire {
    /// Takes a stream; no more than `allowance_bytes` and one read are taken from it until [`Wire::trust`].
    pub fn new(stream: BoxStream, allowance_bytes: u64) -> (Self, WiredStream) {
        let state = Arc::new(State {
            is_cut: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
            received_bytes: AtomicU64::new(0),
            allowance_bytes: AtomicU64::new(allowance_bytes),
        });
        (Self(Arc::clone(&state)), WiredStream { stream, state })
    }

    /// Lets any number of bytes come.
    pub fn trust(&self) {
        self.0.allowance_bytes.store(u64::MAX, Ordering::Relaxed);
    }

    /// Ends the link at once.
    pub fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    /// Whether it was cut.
    pub fn is_cut(&self) -> bool {
        self.0.is_cut.load(Ordering::Acquire)
    }

    /// How many bytes have come.
    pub fn received_bytes(&self) -> u64 {
        self.0.received_bytes.load(Ordering::Relaxed)
    }

    /// Whether both are the same stream.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The stream itself.
pub(crate) struct WiredStream {
    stream: BoxStream,
    state: Arc<State>,
}

impl WiredStream {
    fn check(&self) -> io::Result<()> {
        if self.state.is_cut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl AsyncRead for WiredStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.state.reader.register(context.waker());
        this.check()?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let count = (buffer.filled().len() - before) as u64;
        let received = this.state.received_bytes.fetch_add(count, Ordering::Relaxed) + count;
        if received > this.state.allowance_bytes.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WiredStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.state.writer.register(context.waker());
        this.check()?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.state.writer.register(context.waker());
        this.check()?;
        Pin::new(&mut this.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.state.writer.register(context.waker());
        this.check()?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.state.writer.register(context.waker());
        this.check()?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}
