//! Real sockets. TCP_NODELAY is set on each of them.
//!
//! A Unix socket's path may have 107 bytes. One that is longer is reached through its folder, opened
//! here, whose short name is in `/proc`.

use crate::net::{BoxStream, Listener, Net};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Longest path of a Unix socket on Linux: `sun_path` has 108 bytes, the last of which is zero.
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// A name of a Unix socket that the system takes, valid while this lives.
struct ShortPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl ShortPath {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= SOCKET_PATH_MAX_BYTES {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let too_long = || {
            let text = format!(
                "the path of the socket has more than {SOCKET_PATH_MAX_BYTES} bytes, and /proc is missing"
            );
            io::Error::new(io::ErrorKind::InvalidFilename, text)
        };
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(too_long)?;
        let folder = File::open(parent)?;
        let in_proc = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        if !in_proc.exists() {
            return Err(too_long());
        }
        Ok(Self { path: in_proc.join(name), _folder: Some(folder) })
    }
}

/// Where a datagram socket is bound and which documentation address (RFC 5737, RFC 3849) it is pointed
/// at, to see which of its own addresses the system would choose. Nothing is sent.
const OUTSIDE: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

fn source_address(from: &str, to: &str) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(from)?;
    socket.connect(to)?;
    let own = socket.local_addr()?.ip();
    if own.is_unspecified() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(own) }
}

/// The network of this machine.
pub struct RealNet;

impl Net for RealNet {
    fn listen<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        async move { Ok(Box::new(TcpListener::bind(address).await?) as Box<dyn Listener>) }.boxed()
    }

    fn listen_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        async move {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(ShortPath::of(path)?.path)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        }
        .boxed()
    }

    fn connect<'a>(&'a self, address: SocketAddr) -> BoxFuture<'a, io::Result<BoxStream>> {
        async move { Ok(Box::new(dial(address).await?) as BoxStream) }.boxed()
    }

    fn resolve<'a>(&'a self, host_and_port: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host(host_and_port).await?.collect()) }.boxed()
    }

    fn own_addresses(&self) -> Vec<IpAddr> {
        OUTSIDE.iter().filter_map(|(from, to)| source_address(from, to).ok()).collect()
    }

    fn connect_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<BoxStream>> {
        async move {
            let short = ShortPath::of(path)?;
            Ok(Box::new(UnixStream::connect(&short.path).await?) as BoxStream)
        }
        .boxed()
    }
}

/// A dialled socket that sends at once.
async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An accepted socket that sends at once.
async fn take(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer))
}

impl Listener for TcpListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, Option<SocketAddr>)>> {
        async move {
            let (stream, peer) = take(self).await?;
            Ok((Box::new(stream) as BoxStream, Some(peer)))
        }
        .boxed()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        TcpListener::local_addr(self).ok()
    }
}

impl Listener for UnixListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, Option<SocketAddr>)>> {
        async move {
            let (stream, _) = UnixListener::accept(self).await?;
            Ok((Box::new(stream) as BoxStream, None))
        }
        .boxed()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn every_socket_dialled_or_accepted_sends_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let dialled = dial(listener.local_addr().unwrap()).await.unwrap();
            let (accepted, _) = take(&listener).await.unwrap();
            assert!(dialled.nodelay().unwrap());
            assert!(accepted.nodelay().unwrap());
        });
    }

    #[tokio::test]
    async fn a_socket_may_lie_deep() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("f".repeat(100)).join("g".repeat(100));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("admin.sock");
        // The second one replaces the stale socket of the first.
        for _ in 0..2 {
            let listener = RealNet.listen_unix(&path).await.unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let (mut ours, accepted) = tokio::join!(RealNet.connect_unix(&path), listener.accept());
            ours.as_mut().unwrap().write_all(b"hi").await.unwrap();
            let mut heard = [0; 2];
            accepted.unwrap().0.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"hi");
        }
        assert!(RealNet.connect_unix(&folder.join("missing.sock")).await.is_err());
    }
}
