//! A request that is executed twice, in the simulated world only.
//!
//! Neither TLS nor HTTP/2 doubles a request, but whoever lost an answer may send its request again, and the first one may
//! have been executed all the same. So every handler must bear it. What always holds: the second execution comes as one
//! of the same processes of both ends, with the same header; its answer reaches nobody.

use crate::attachment::{Attachment, Cut};
use crate::handlers::Handle;
use crate::limits::PIECE_MAX_BYTES;
use crate::peer::Peer;
use crate::request::Incoming;
use crate::shared::Shared;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Has a request executed once more after a while, and gives it back for the first time. One that carries a stream is not:
/// its bytes are there once.
pub(crate) async fn once_more(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    (handler, envelope): (&Arc<dyn Handle>, Bytes),
    (call, after): (Incoming<Bytes>, Duration),
) -> Incoming<Bytes> {
    if call.attachment.size_bytes().is_none() {
        return call;
    }
    let Incoming { from, request, attachment, level, limit } = call;
    let Ok(bytes) = attachment.read_all(PIECE_MAX_BYTES).await else {
        let cut = Attachment::stream(futures_util::stream::once(std::future::ready(Err(Cut))));
        return Incoming { from, request, attachment: cut, level, limit };
    };
    let again = Incoming { from, request: request.clone(), attachment: bytes.clone().into(), level, limit };
    let (handler, owner, peer) = (Arc::clone(handler), Arc::clone(shared), Arc::clone(peer));
    let process = peer.process();
    shared.tasks.spawn(async move {
        env::sleep(after).await;
        if process.is_some()
            && peer.process() == process
            && owner.courier.open(from, &envelope).is_ok()
            && let Ok(handling) = handler.remote(again)
        {
            let _answer = env::timeout(limit, handling).await;
        }
    });
    Incoming { from, request, attachment: bytes.into(), level, limit }
}
