//! The calling end of a link: an HTTP/2 client that sends messages and pings.

use crate::ending::{Fault, complain};
use crate::error::NoAnswer;
use crate::handshake::Established;
use crate::limits::{
    CALLS_MAX, FRAME_MAX_BYTES, HANDSHAKE_LIMIT, HEADERS_MAX_BYTES, LINK_WINDOW_BYTES, PING_INTERVAL,
    SEND_BUFFER_BYTES, SERVED_STREAMS_MAX, SILENT_LOOKS_MAX, STREAM_WINDOW_BYTES, WATCH_INTERVAL,
};
use crate::message::MessageBody;
use crate::peer::Peer;
use crate::request::{Class, Level};
use crate::shared::Shared;
use crate::wire::Wire;
use base::NodeId;
use futures_util::future::{Either, select};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::sync::{Arc, Weak};

/// The name of a ping; it has no handler.
pub(crate) const PING: &str = "net/ping";

/// A link on which we call.
pub(crate) struct CallLink {
    sender: SendRequest<MessageBody>,
    pub wire: Wire,
    pub level: Level,
    /// Who passes it on, if it is not direct.
    pub relay: Option<NodeId>,
}

/// Why a message got no HTTP response.
pub(crate) enum SendError {
    /// It never left.
    NotSent,
    /// It may have.
    Unknown(NoAnswer),
}

impl CallLink {
    /// Sends a message and waits for the head of the response.
    pub async fn send(&self, name: &str, message: MessageBody) -> Result<Incoming, SendError> {
        let request = http::Request::post(["http://node/", name].concat()).body(message);
        let request = request.map_err(|_| SendError::NotSent)?;
        let response = match self.sender.clone().try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => {
                let never_left = error.take_message().is_some();
                return Err(if never_left {
                    SendError::NotSent
                } else {
                    SendError::Unknown(NoAnswer::LinkLost)
                });
            }
        };
        if response.status() == http::StatusCode::OK {
            Ok(response.into_body())
        } else {
            Err(SendError::Unknown(NoAnswer::BadAnswer))
        }
    }
}

/// Takes an established stream into use for our calls.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    established: Established,
    relay: Option<NodeId>,
) -> bool {
    let Established { stream, wire, peer: hello, level, .. } = established;
    let mut builder = http2::Builder::new(shared.tasks.clone());
    builder
        .timer(shared.timer.clone())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(LINK_WINDOW_BYTES)
        .max_frame_size(FRAME_MAX_BYTES)
        .max_header_list_size(HEADERS_MAX_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .initial_max_send_streams(CALLS_MAX)
        .max_concurrent_reset_streams(SERVED_STREAMS_MAX);
    let handshake = builder.handshake::<_, MessageBody>(TokioIo::new(stream));
    let Some(Ok((sender, connection))) = env::timeout(HANDSHAKE_LIMIT, handshake).await else {
        return false;
    };
    let link = CallLink { sender, wire: wire.clone(), level, relay };
    let Some(link) = peer.add_calling(&hello, link) else { return false };
    let pings = ping(Arc::clone(shared), Arc::clone(peer), hello.purpose.class, Arc::downgrade(&link));
    drop(link);
    let (owner, peer) = (Arc::clone(shared), Arc::clone(peer));
    shared.tasks.spawn(async move { run(&owner, &peer, &wire, connection).await });
    shared.tasks.spawn(pings);
    shared.note_change();
    true
}

/// Runs a link until it ends by itself or nothing has come for too long, and takes it from its peer then.
pub(crate) async fn run(
    shared: &Shared,
    peer: &Peer,
    wire: &Wire,
    connection: impl Future<Output = Result<(), hyper::Error>>,
) {
    let fault = match select(pin!(connection), pin!(watch(wire))).await {
        Either::Left((Err(error), _)) => {
            tracing::debug!(peer = ?peer.id, %error, "a link broke");
            Fault::of(&error)
        }
        Either::Left((Ok(()), _)) | Either::Right(_) => None,
    };
    let now = shared.env.clock.mono();
    if let Some(fault) = fault.filter(|_| !wire.is_cut()) {
        complain(peer, now, fault);
    }
    peer.remove_link(wire, now);
    shared.note_change();
}

/// Returns when nothing has come for too long.
async fn watch(wire: &Wire) {
    let (mut known_bytes, mut silent_looks) = (wire.received_bytes(), 0);
    while silent_looks < SILENT_LOOKS_MAX && !wire.is_cut() {
        env::sleep(WATCH_INTERVAL).await;
        let received_bytes = wire.received_bytes();
        silent_looks = if received_bytes == known_bytes { silent_looks + 1 } else { 0 };
        known_bytes = received_bytes;
    }
}

/// Pings for as long as the link is in use: shows the other end that we are there, and measures the
/// round trip where no block stands in the way.
async fn ping(shared: Arc<Shared>, peer: Arc<Peer>, class: Class, link: Weak<CallLink>) {
    loop {
        let Some(link) = link.upgrade().filter(|link| !link.wire.is_cut()) else { return };
        let start = shared.env.clock.mono();
        // Without a limit: the watch ends a link that is silent.
        let answer = link.send(PING, MessageBody::empty()).await;
        let now = shared.env.clock.mono();
        if answer.is_ok() && class == Class::Metadata {
            peer.note_ping(now, now.saturating_sub(start));
        }
        drop(link);
        env::sleep(PING_INTERVAL).await;
    }
}
