//! The network door: byte streams between processes.
//!
//! Every stream, dialled or accepted, has TCP_NODELAY set: without it a message waits for the
//! acknowledgement of the one before, which costs up to a round trip (or 40 ms) each.

use futures_util::future::BoxFuture;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// An owned [`Stream`].
pub type BoxStream = Box<dyn Stream>;

/// Accepts streams at one address.
pub trait Listener: Send + Sync {
    /// The next stream and who is at its other end (`None` on a Unix socket).
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, Option<SocketAddr>)>>;
    /// The address that was bound, with the port the system chose if 0 was asked for.
    fn local_addr(&self) -> Option<SocketAddr>;
}

/// The sockets of one node.
pub trait Net: Send + Sync + 'static {
    /// Listens at a TCP address.
    fn listen<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
    /// Listens on a Unix socket that only this user can open; a stale socket file is replaced.
    fn listen_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
    /// Dials a TCP address.
    fn connect<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<BoxStream>>;
    /// Dials a Unix socket.
    fn connect_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<BoxStream>>;
    /// The addresses behind `host:port`, where the host may be a name. Without a name service only
    /// addresses have one.
    fn resolve<'a>(&'a self, host_and_port: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let parsed = host_and_port.parse().map_err(|_| io::ErrorKind::NotFound.into());
        Box::pin(std::future::ready(parsed.map(|address| vec![address])))
    }
    /// The addresses that this machine speaks to others from; none where that cannot be known.
    fn own_addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }
    /// Whether no byte can leave this process: only then may a link go without encryption.
    fn stays_in_process(&self) -> bool {
        false
    }
    /// After how long a request that has come is executed once more, as one that was sent again since its answer was
    /// lost. Never in the real world, where nothing but its sender repeats it.
    fn repeats_after(&self) -> Option<Duration> {
        None
    }
}
