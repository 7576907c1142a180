//! Links through a common peer.
//!
//! Two nodes that cannot dial each other open a stream through a third one that both are connected
//! to. The whole link runs inside it, TLS and hello included, so the one in the middle moves bytes
//! that it cannot read and can do no worse than cut them. It passes on only to nodes it has a direct
//! link with: never in circles, never through two.

use crate::attachment::{Attachment, Cut};
use crate::error::{ConnectError, Refusal};
use crate::limits::HANDSHAKE_LIMIT;
use crate::listening;
use crate::request::{Answer, Class, Outgoing, Request};
use crate::shared::Shared;
use base::NodeId;
use bytes::{Bytes, BytesMut};
use env::BoxStream;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Weak};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

/// What waits between a relayed link and the link that carries it, in each direction.
const BUFFER_BYTES: usize = 64 << 10;
/// The largest piece that is passed on at once.
const CHUNK_BYTES: usize = 16 << 10;

/// To the one in the middle: pass this stream on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Relay {
    target: NodeId,
}

impl Request for Relay {
    type Reply = ();
    const NAME: &'static str = "net/relay";
    const CLASS: Class = Class::Bulk;
}

/// From the one in the middle: a stream for you. Who it is from says the stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Relayed {}

impl Request for Relayed {
    type Reply = ();
    const NAME: &'static str = "net/relayed";
    const CLASS: Class = Class::Bulk;
}

/// Opens a stream to `target` through `relay`.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    relay: NodeId,
    target: NodeId,
) -> Result<BoxStream, ConnectError> {
    let (near, far) = tokio::io::duplex(BUFFER_BYTES);
    let (reader, writer) = tokio::io::split(far);
    let request = Relay { target };
    let outgoing = Outgoing { request: &request, attachment: outgoing(reader), limit: HANDSHAKE_LIMIT };
    let answer = shared.call(relay, outgoing, std::future::pending()).await;
    let answer = answer.map_err(|_| ConnectError::Unreachable(std::io::ErrorKind::HostUnreachable))?;
    shared.tasks.spawn(incoming(answer.attachment, writer));
    Ok(Box::new(near))
}

/// Adds the two handlers.
pub(crate) fn add_handlers(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.handlers.add::<Relay, _, _>(move |call| {
        let weak = Weak::clone(&weak);
        async move {
            let shared = weak.upgrade().ok_or(Refusal::NotReachable)?;
            pass_on(&shared, call.request.target, call.attachment).await
        }
    });
    let weak = Arc::downgrade(shared);
    shared.handlers.add::<Relayed, _, _>(move |call| {
        let weak = Weak::clone(&weak);
        async move {
            let shared = weak.upgrade().ok_or(Refusal::NotReachable)?;
            let (near, far) = tokio::io::duplex(BUFFER_BYTES);
            let (reader, writer) = tokio::io::split(far);
            shared.tasks.spawn(incoming(call.attachment, writer));
            let owner = Arc::clone(&shared);
            shared.tasks.spawn(async move { listening::accept_stream(&owner, Box::new(near)).await });
            Ok(Answer { reply: (), attachment: outgoing(reader) })
        }
    });
}

/// In the middle: what comes from one goes to the other.
async fn pass_on(
    shared: &Arc<Shared>,
    target: NodeId,
    attachment: Attachment,
) -> Result<Answer<()>, Refusal> {
    let is_direct = |link: Arc<crate::calling::CallLink>| link.relay.is_none();
    let peer = shared.peer(target).ok_or(Refusal::NotReachable)?;
    if !peer.link(Class::Bulk).is_some_and(is_direct) {
        return Err(Refusal::NotReachable);
    }
    let place = Arc::clone(&shared.relayed).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let outgoing = Outgoing { request: &Relayed {}, attachment, limit: HANDSHAKE_LIMIT };
    let answer =
        shared.call(target, outgoing, std::future::pending()).await.map_err(|_| Refusal::NotReachable)?;
    let back = futures_util::stream::unfold((answer.attachment, place), |(mut bytes, place)| async move {
        let next = bytes.next().await?;
        Some((next, (bytes, place)))
    });
    Ok(Answer { reply: (), attachment: Attachment::stream(back) })
}

/// What a link writes, as an attachment.
fn outgoing(reader: ReadHalf<DuplexStream>) -> Attachment {
    Attachment::stream(futures_util::stream::unfold(reader, |mut reader| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let next: Result<Bytes, Cut> = match reader.read_buf(&mut chunk).await {
            Ok(0) => return None,
            Ok(_) => Ok(chunk.freeze()),
            Err(_) => Err(Cut),
        };
        Some((next, reader))
    }))
}

/// What comes in an attachment, to a link.
async fn incoming(mut attachment: Attachment, mut writer: WriteHalf<DuplexStream>) {
    while let Some(Ok(chunk)) = attachment.next().await {
        if writer.write_all(&chunk).await.is_err() {
            return;
        }
    }
    // The link sees the end of its stream, whether it ended well or was cut: TLS tells them apart.
    let _ = writer.shutdown().await;
}

#[cfg(test)]
mod tests;
