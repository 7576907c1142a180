//! Real sockets. TCP_NODELAY is set on each of them.

use crate::net::{BoxStream, Listener, Net};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

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
            let listener = UnixListener::bind(path)?;
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

    fn connect_unix<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, io::Result<BoxStream>> {
        async move { Ok(Box::new(UnixStream::connect(path).await?) as BoxStream) }.boxed()
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
}
