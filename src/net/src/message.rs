//! A message: how a request or a reply looks as an HTTP/2 body.
//!
//! A head of fixed size, the upper layer's envelope, the encoded request or reply, the attachment.
//! The head says how long each part is, so a reader knows what it will cost before it takes it. All
//! numbers are big-endian. Head, envelope, body and a small attachment leave as one piece.

use crate::attachment::{Attachment, Cut, Held, Leash};
use crate::error::Refusal;
use crate::limits::{BODY_MAX_BYTES, ENVELOPE_MAX_BYTES, HEAD_LIMIT, PIECE_MAX_BYTES};
use crate::request::Level;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a head.
const HEAD_BYTES: usize = 19;
/// Attachments up to this size are copied behind the body, so that the message is one frame.
const COPIED_ATTACHMENT_MAX_BYTES: usize = 16 << 10;
/// Instead of an attachment's length: it is a stream.
const STREAM: u32 = u32::MAX;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Reply,
    Refusal,
}

/// The fixed fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub kind: Kind,
    pub level: Level,
    pub limit_ms: u32,
    pub envelope_bytes: u16,
    pub body_bytes: u32,
    /// `None`: a stream.
    pub attachment_bytes: Option<u32>,
}

impl Head {
    fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[0] = match self.kind {
            Kind::Request => 1,
            Kind::Reply => 2,
            Kind::Refusal => 3,
        };
        bytes[1..3].copy_from_slice(&self.level.protocol.to_be_bytes());
        bytes[3..5].copy_from_slice(&self.level.feature.to_be_bytes());
        bytes[5..9].copy_from_slice(&self.limit_ms.to_be_bytes());
        bytes[9..11].copy_from_slice(&self.envelope_bytes.to_be_bytes());
        bytes[11..15].copy_from_slice(&self.body_bytes.to_be_bytes());
        bytes[15..].copy_from_slice(&self.attachment_bytes.unwrap_or(STREAM).to_be_bytes());
        bytes
    }

    /// Reads the fields; those beyond the limits are errors.
    pub fn decode(bytes: &[u8; HEAD_BYTES]) -> Result<Self, MessageError> {
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let kind = match bytes[0] {
            1 => Kind::Request,
            2 => Kind::Reply,
            3 => Kind::Refusal,
            _ => return Err(MessageError::Malformed),
        };
        let head = Self {
            kind,
            level: Level { protocol: half(1), feature: half(3) },
            limit_ms: word(5),
            envelope_bytes: half(9),
            body_bytes: word(11),
            attachment_bytes: Some(word(15)).filter(|length| *length != STREAM),
        };
        let is_too_large = usize::from(head.envelope_bytes) > ENVELOPE_MAX_BYTES
            || head.body_bytes as usize > BODY_MAX_BYTES
            || head.attachment_bytes.is_some_and(|length| length as usize > PIECE_MAX_BYTES);
        if is_too_large { Err(MessageError::TooLarge) } else { Ok(head) }
    }

    /// What the message takes of a peer's budget.
    fn weight(&self) -> usize {
        HEAD_BYTES
            + usize::from(self.envelope_bytes)
            + self.body_bytes as usize
            + self.attachment_bytes.unwrap_or(0) as usize
    }
}

/// A head, written again; `None`: it is refused, or its parts are larger than they may be.
pub(crate) fn rewritten_head(bytes: &[u8]) -> Option<Vec<u8>> {
    Head::decode(bytes.first_chunk()?).ok().map(|head| head.encode().to_vec())
}

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageError {
    Cut,
    Malformed,
    TooLarge,
    OverBudget,
}

impl From<MessageError> for Refusal {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Cut | MessageError::Malformed => Self::Malformed,
            MessageError::TooLarge => Self::TooLarge,
            MessageError::OverBudget => Self::Busy,
        }
    }
}

/// A message to send, as an HTTP body.
pub(crate) struct MessageBody {
    front: Bytes,
    attachment: Attachment,
}

/// The parts of a message to send.
pub(crate) struct Parts {
    pub kind: Kind,
    pub level: Level,
    pub limit: Duration,
    pub envelope: Bytes,
    pub body: Bytes,
    pub attachment: Attachment,
}

/// A message larger than a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub size_bytes: usize,
    pub limit_bytes: usize,
}

impl MessageBody {
    /// Nothing at all: a ping.
    pub fn empty() -> Self {
        Self { front: Bytes::new(), attachment: Attachment::empty() }
    }

    /// Puts the parts together.
    pub fn new(mut parts: Parts) -> Result<Self, TooLarge> {
        let attachment_bytes = parts.attachment.size_bytes();
        check(parts.envelope.len(), ENVELOPE_MAX_BYTES)?;
        check(parts.body.len(), BODY_MAX_BYTES)?;
        check(attachment_bytes.unwrap_or(0).try_into().unwrap_or(usize::MAX), PIECE_MAX_BYTES)?;
        let head = Head {
            kind: parts.kind,
            level: parts.level,
            limit_ms: u32::try_from(parts.limit.as_millis()).unwrap_or(u32::MAX),
            envelope_bytes: parts.envelope.len() as u16,
            body_bytes: parts.body.len() as u32,
            attachment_bytes: attachment_bytes.map(|length| length as u32),
        };
        let mut front = BytesMut::with_capacity(HEAD_BYTES + parts.envelope.len() + parts.body.len());
        front.extend_from_slice(&head.encode());
        front.extend_from_slice(&parts.envelope);
        front.extend_from_slice(&parts.body);
        if attachment_bytes.is_some_and(|length| length <= COPIED_ATTACHMENT_MAX_BYTES as u64) {
            front.extend_from_slice(&parts.attachment.take_piece());
        }
        Ok(Self { front: front.freeze(), attachment: parts.attachment })
    }

    /// Ties what is attached to the call: it ends when the leash is dropped.
    pub fn leash(&mut self, stream: Option<OwnedSemaphorePermit>) -> Leash {
        let attachment = std::mem::replace(&mut self.attachment, Attachment::empty());
        let (attachment, leash) = attachment.leashed(stream);
        self.attachment = attachment;
        leash
    }

    /// What the message takes of a peer's budget while it is under way.
    pub fn weight(&self) -> usize {
        let attached = self.attachment.size_bytes().unwrap_or(0);
        self.front.len() + usize::try_from(attached).unwrap_or(usize::MAX)
    }
}

fn check(size_bytes: usize, limit_bytes: usize) -> Result<(), TooLarge> {
    if size_bytes > limit_bytes { Err(TooLarge { size_bytes, limit_bytes }) } else { Ok(()) }
}

impl Body for MessageBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        if !this.front.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.front)))));
        }
        this.attachment.poll_next(context).map(|next| next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty() && self.attachment.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.attachment.size_bytes() {
            Some(length) => SizeHint::with_exact(self.front.len() as u64 + length),
            None => SizeHint::new(),
        }
    }
}

/// A message that came.
#[derive(Debug)]
pub(crate) struct Received {
    pub head: Head,
    pub envelope: Bytes,
    pub body: Bytes,
    pub attachment: Attachment,
    /// Room in the peer's budget; the attachment of a request holds it too.
    pub permit: Arc<OwnedSemaphorePermit>,
}

/// Which of the two a reader expects.
pub(crate) enum Expected {
    /// Its attachment counts in the budget.
    Request,
    /// Its attachment waits in the window, and ends the request's when it ends.
    Answer(Leash),
}

/// Reads a message up to its attachment, a request no longer than its caller waits. Takes its room from `budget` before it takes the bytes, and
/// never waits for room: unread bytes of one call would hold up the window of the others.
pub(crate) async fn read(
    body: hyper::body::Incoming,
    budget: &Arc<Semaphore>,
    expected: Expected,
) -> Result<Received, MessageError> {
    let mut reader = Reader { pending: Bytes::new(), body };
    let head = env::timeout(HEAD_LIMIT, reader.take(HEAD_BYTES)).await.ok_or(MessageError::Cut)??;
    let head = head.first_chunk::<HEAD_BYTES>().ok_or(MessageError::Malformed)?;
    let head = Head::decode(head)?;
    let attached = head.attachment_bytes.unwrap_or(0) as usize;
    let weight = match expected {
        Expected::Request => head.weight(),
        Expected::Answer(_) => head.weight() - attached,
    };
    let weight = u32::try_from(weight).map_err(|_| MessageError::TooLarge)?;
    let permit = Arc::clone(budget).try_acquire_many_owned(weight).map_err(|_| MessageError::OverBudget)?;
    let permit = Arc::new(permit);
    // Whoever waits no longer takes no room.
    let limit = match expected {
        Expected::Request => HEAD_LIMIT.min(Duration::from_millis(u64::from(head.limit_ms))),
        Expected::Answer(_) => HEAD_LIMIT,
    };
    let parts = async {
        let envelope = reader.take(usize::from(head.envelope_bytes)).await?;
        Ok((envelope, reader.take(head.body_bytes as usize).await?))
    };
    let (envelope, body) = env::timeout(limit, parts).await.ok_or(MessageError::Cut)??;
    let held = match expected {
        Expected::Request => Held { _permit: Some(Arc::clone(&permit)), _leash: None },
        Expected::Answer(leash) => Held { _permit: None, _leash: Some(leash) },
    };
    let attachment = match head.attachment_bytes {
        Some(0) => Attachment::empty(),
        length => Attachment::remote(reader.pending, length.map(u64::from), reader.body, held),
    };
    Ok(Received { head, envelope, body, attachment, permit })
}

struct Reader<B> {
    pending: Bytes,
    body: B,
}

impl<B: Body<Data = Bytes> + Unpin> Reader<B> {
    async fn take(&mut self, count: usize) -> Result<Bytes, MessageError> {
        if self.pending.len() >= count {
            return Ok(self.pending.split_to(count));
        }
        let mut taken = BytesMut::from(&std::mem::take(&mut self.pending)[..]);
        while taken.len() < count {
            let frame = std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await;
            let frame = frame.ok_or(MessageError::Cut)?.map_err(|_| MessageError::Cut)?;
            let mut data = frame.into_data().unwrap_or_default();
            let wanted = (count - taken.len()).min(data.len());
            taken.extend_from_slice(&data.split_to(wanted));
            self.pending = data;
        }
        Ok(taken.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Level = Level { protocol: 3, feature: 4 };

    fn parts(body: usize, attachment: usize) -> Parts {
        Parts {
            kind: Kind::Request,
            level: LEVEL,
            limit: Duration::from_millis(258),
            envelope: Bytes::from_static(b"env"),
            body: Bytes::from(vec![1; body]),
            attachment: Bytes::from(vec![2; attachment]).into(),
        }
    }

    #[test]
    fn the_head_has_a_fixed_form() {
        let message = MessageBody::new(parts(2, 1)).unwrap();
        let expected = b"\x01\0\x03\0\x04\0\0\x01\x02\0\x03\0\0\0\x02\0\0\0\x01env\x01\x01\x02";
        assert_eq!(&message.front[..], expected);
        let head = Head::decode(message.front.first_chunk().unwrap()).unwrap();
        assert_eq!((head.kind, head.level, head.limit_ms), (Kind::Request, LEVEL, 258));
        assert_eq!((head.envelope_bytes, head.body_bytes, head.attachment_bytes), (3, 2, Some(1)));
        assert_eq!(head.weight(), message.weight());
    }

    #[test]
    fn no_more_than_the_limits_goes_out_or_comes_in() {
        assert!(MessageBody::new(parts(BODY_MAX_BYTES, PIECE_MAX_BYTES)).is_ok());
        assert!(MessageBody::new(parts(BODY_MAX_BYTES + 1, 0)).is_err());
        assert!(MessageBody::new(parts(0, PIECE_MAX_BYTES + 1)).is_err());
        let good = MessageBody::new(parts(0, 0)).unwrap().front;
        let good: [u8; HEAD_BYTES] = *good.first_chunk().unwrap();
        assert!(Head::decode(&good).is_ok());
        for (at, value, error) in [
            (0, 0, MessageError::Malformed),
            (0, 4, MessageError::Malformed),
            (9, 255, MessageError::TooLarge),
            (11, 1, MessageError::TooLarge),
            (15, 1, MessageError::TooLarge),
        ] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Head::decode(&bad), Err(error), "byte {at}");
        }
    }

    #[test]
    fn a_stream_has_no_length() {
        let attachment = Attachment::stream(futures_util::stream::empty());
        let message = MessageBody::new(Parts { attachment, ..parts(0, 0) }).unwrap();
        let head = Head::decode(message.front.first_chunk().unwrap()).unwrap();
        assert_eq!(head.attachment_bytes, None);
    }
}
