//! The serving end of a link: an HTTP/2 server that decodes messages and runs handlers.

use crate::calling::{PING, run};
use crate::ending::{Fault, complain};
use crate::error::Refusal;
use crate::handlers::{Undecodable, encode};
use crate::handshake::Established;
use crate::limits::{
    FRAME_MAX_BYTES, HEADERS_MAX_BYTES, LINK_WINDOW_BYTES, PING_INTERVAL, SEND_BUFFER_BYTES,
    SERVED_STREAMS_MAX, STREAM_WINDOW_BYTES,
};
use crate::message::{self, Expected, Kind, MessageBody, MessageError, Parts};
use crate::peer::Peer;
use crate::repeat::once_more;
use crate::request::{Answer, Incoming, Level};
use crate::shared::Shared;
use bytes::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How long hyper waits for the answer to a ping of its own. It pings so that the calling end hears
/// from us; that the other end is gone is noticed by the watch, much earlier.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(120);

/// Takes an established stream into use for the peer's calls.
pub(crate) fn start(shared: &Arc<Shared>, peer: &Arc<Peer>, established: Established) {
    let Established { stream, wire, peer: hello, level, .. } = established;
    peer.add_serving(&hello, &wire);
    let (shared_of_calls, peer_of_calls) = (Arc::clone(shared), Arc::clone(peer));
    let service = service_fn(move |request| {
        let (shared, peer) = (Arc::clone(&shared_of_calls), Arc::clone(&peer_of_calls));
        async move { Ok::<_, Infallible>(respond(&shared, &peer, level, request).await) }
    });
    let mut builder = http2::Builder::new(shared.tasks.clone());
    builder
        .timer(shared.timer.clone())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(LINK_WINDOW_BYTES)
        .max_frame_size(FRAME_MAX_BYTES)
        .max_header_list_size(HEADERS_MAX_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_concurrent_streams(SERVED_STREAMS_MAX as u32)
        // Callers may give up on many calls at once: hedged reads do.
        .max_pending_accept_reset_streams(SERVED_STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_LIMIT)
        // The wall clock has no place in a message, and a seed must replay its bytes.
        .auto_date_header(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let (owner, peer) = (Arc::clone(shared), Arc::clone(peer));
    shared.tasks.spawn(async move { run(&owner, &peer, &wire, connection).await });
    shared.note_change();
}

async fn respond(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    level: Level,
    request: http::Request<hyper::body::Incoming>,
) -> http::Response<MessageBody> {
    let name = request.uri().path().trim_start_matches('/').to_owned();
    if name == PING {
        return http::Response::new(MessageBody::empty());
    }
    let answer = handle(shared, peer, level, &name, request.into_body()).await;
    let (kind, body, attachment) = match answer {
        Ok(Answer { reply, attachment }) => (Kind::Reply, reply, attachment),
        Err(refusal) => return refuse(shared, peer, level, &refusal),
    };
    let envelope = shared.courier.seal(peer.id);
    let limit = Duration::ZERO;
    match MessageBody::new(Parts { kind, level, limit, envelope, body, attachment }) {
        Ok(message) => http::Response::new(message),
        // A reply beyond the limits is a mistake of the handler, which has done its work.
        Err(_) => refuse(shared, peer, level, &Refusal::Failed),
    }
}

fn refuse(shared: &Shared, peer: &Peer, level: Level, refusal: &Refusal) -> http::Response<MessageBody> {
    let parts = Parts {
        kind: Kind::Refusal,
        level,
        limit: Duration::ZERO,
        envelope: shared.courier.seal(peer.id),
        body: encode(refusal).unwrap_or_default(),
        attachment: Bytes::new().into(),
    };
    match MessageBody::new(parts) {
        Ok(message) => http::Response::new(message),
        Err(_) => {
            let mut response = http::Response::new(MessageBody::empty());
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

async fn handle(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    level: Level,
    name: &str,
    body: hyper::body::Incoming,
) -> Result<Answer<Bytes>, Refusal> {
    let handler = shared.handlers.get(name).ok_or(Refusal::UnknownRequest)?;
    let fault = |fault| complain(peer, shared.env.clock.mono(), fault);
    let received = match message::read(body, &peer.receiving, Expected::Request).await {
        Ok(received) if received.head.kind == Kind::Request && received.head.level == level => received,
        Ok(_) => {
            fault(Fault::Message);
            return Err(Refusal::Malformed);
        }
        Err(error) => {
            // Any caller may give up, or have more under way than there is room for.
            if matches!(error, MessageError::Malformed | MessageError::TooLarge) {
                fault(Fault::Message);
            }
            return Err(error.into());
        }
    };
    shared.courier.open(peer.id, &received.envelope)?;
    let _room_until_answered = received.permit;
    let call = Incoming {
        from: peer.id,
        request: received.body,
        attachment: received.attachment,
        level,
        limit: Duration::from_millis(u64::from(received.head.limit_ms)),
    };
    let call = match shared.env.net.repeats_after() {
        Some(after) => once_more(shared, peer, (&handler, received.envelope), (call, after)).await,
        None => call,
    };
    match handler.remote(call) {
        Ok(answer) => answer.await,
        Err(Undecodable) => {
            fault(Fault::Request);
            Err(Refusal::Malformed)
        }
    }
}
