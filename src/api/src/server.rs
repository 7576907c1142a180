//! The HTTP server around an API: accepts connections, bounds them, ends them in order.
//!
//! A connection must send a head within a time limit and a size limit, and take what it is sent
//! ([`crate::connection`]); there is a limit to how many connections are open at once. When the server is asked to stop, connections finish the request
//! they are in. On a listener with a certificate ([`crate::tls`]) a client speaks TLS first, within a time limit too.

use crate::connection::Watched;
use crate::proxies::Proxies;
use crate::s3::reply::ReplyBody;
use crate::tls::{Tls, TlsVersion};
use env::{BoxStream, Clock, Env, Listener, Task};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::any::Any;
use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How long a connection stays open between requests. S3 clients expect 20 s at least.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// What one connection may buffer, for a head or a piece of a body: large pieces make large uploads
/// cheap. The head's own limit stands with its parsing.
const CONNECTION_BUFFER_BYTES: usize = 256 << 10;
/// Most headers of a request.
pub const HEADERS_MAX: usize = 100;
/// Connections open at once on one listener; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4096;
/// How long the server waits after an accept error, such as too many open files.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(50);

/// Answers requests.
pub type Handler =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<ReplyBody>> + Send + Sync + 'static>;

/// Where a request comes from, among its extensions: the other end of the connection, or of that of a proxy that is
/// believed ([`crate::proxies`]).
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub IpAddr);

/// Among the extensions of a request that came over TLS: over which one, if that is known.
#[derive(Debug, Clone, Copy)]
pub struct Secured(pub Option<TlsVersion>);

/// Where connections come in.
pub struct Door {
    listener: Box<dyn Listener>,
    tls: Option<Arc<Tls>>,
    proxies: Arc<Proxies>,
}

impl Door {
    /// A listener whose clients speak TLS first, if a certificate is given.
    pub fn new(listener: Box<dyn Listener>, tls: Option<Arc<Tls>>) -> Self {
        Self { listener, tls, proxies: Arc::default() }
    }

    /// The same behind proxies that are believed.
    #[must_use]
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies: Arc::new(proxies), ..self }
    }
}

/// Tells servers to stop.
#[derive(Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A switch and what listens to it.
    // No simulation serves HTTP.
    #[allow(clippy::disallowed_methods)]
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Resolves when the switch is thrown or its owner is gone.
    pub async fn requested(&mut self) {
        while !*self.0.borrow_and_update() {
            if self.0.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Serves `handler` to whoever comes in by `door` until it is told to stop.
pub fn serve(env: &Env, door: Door, handler: Handler, mut shutdown: Shutdown) -> Task<()> {
    let (env, Door { listener, tls, proxies }) = (env.clone(), door);
    let tasks = env.tasks.clone();
    tasks.spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = shutdown.requested() => break,
            };
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.requested() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = Peer { address: peer.map(|peer| PeerAddress(peer.ip())), _place: place };
                    let (clock, handler) = (Arc::clone(&env.clock), Arc::clone(&handler));
                    let (tls, proxies, mut ended) = (tls.clone(), Arc::clone(&proxies), shutdown.clone());
                    let connection = async move {
                        let stream = tokio::select! {
                            stream = secure(stream, tls, peer.address) => stream,
                            () = ended.requested() => None,
                        };
                        if let Some((stream, secured)) = stream {
                            let (from, handler) = ((peer, secured), (proxies, handler));
                            serve_connection((stream, clock), from, handler, ended).await;
                        }
                    };
                    env.tasks.spawn(connection).detach();
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    env::sleep(ACCEPT_BACK_OFF).await;
                }
            }
        }
        drop(listener);
        // Every connection holds a place until it has ended.
        let _ = places.acquire_many(CONNECTIONS_MAX as u32).await;
    })
}

/// Who is at the other end of a connection.
struct Peer {
    address: Option<PeerAddress>,
    /// Held as long as the connection.
    _place: OwnedSemaphorePermit,
}

/// The stream that HTTP is spoken on; nothing if the client does not manage its TLS.
async fn secure(
    stream: BoxStream,
    tls: Option<Arc<Tls>>,
    peer: Option<PeerAddress>,
) -> Option<(BoxStream, Option<Secured>)> {
    let Some(tls) = tls else { return Some((stream, None)) };
    match tls.accept(stream).await {
        Ok((stream, version)) => Some((stream, Some(Secured(Some(version))))),
        Err(error) => {
            let peer = peer.map(|peer| peer.0);
            tracing::debug!(%error, ?peer, "a client did not manage its TLS");
            None
        }
    }
}

async fn serve_connection(
    (stream, clock): (BoxStream, Arc<dyn Clock>),
    (peer, secured): (Peer, Option<Secured>),
    (proxies, handler): (Arc<Proxies>, Handler),
    mut shutdown: Shutdown,
) {
    let (stream, serving) = Watched::new(stream, clock);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (address, secured) = proxies.origin((peer.address, secured), request.headers());
        if let Some(address) = address {
            request.extensions_mut().insert(address);
        }
        if let Some(secured) = secured {
            request.extensions_mut().insert(secured);
        }
        let served = serving.begin();
        let answer = handler(request);
        async move {
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(response) => Ok(response.map(served)),
                Err(panic) => Err(ended_by_panic(panic.as_ref())),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .max_headers(HEADERS_MAX)
        // Blocks are sent from where they lie: a copy would be memory that nobody counts.
        .writev(true)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// A request that panicked ends its connection, and nothing else: what it had done by then is not known.
fn ended_by_panic(panic: &(dyn Any + Send)) -> io::Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let said = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(said, "a request panicked; its connection is closed, and this is a bug");
    io::Error::other("the request panicked")
}
