//! From a byte stream to a link: TLS, then a hello in both directions (see `hello`).
//!
//! Until the other end has proven that it knows the cluster secret, it costs one task, a bounded
//! number of bytes and [`HANDSHAKE_LIMIT`](crate::limits::HANDSHAKE_LIMIT). Where the network cannot leave the process
//! (`Net::stays_in_process`, the simulated world) TLS is left out, so that a seed replays every byte;
//! the hello and its proof are the same. A first message that is a knock makes a guest (see `guest`).

use crate::error::ConnectError;
use crate::guest::{self, Knock};
use crate::hello::{self, Hello, Purpose, Reject, Versions};
use crate::limits::{HANDSHAKE_LIMIT, HANDSHAKE_MAX_BYTES, HELLO_MAX_BYTES};
use crate::proof::{Prover, Side};
use crate::request::Level;
use crate::tls::{self, Tls};
use crate::wire::Wire;
use base::NodeId;
use env::BoxStream;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a node brings to every handshake.
pub(crate) struct Credentials {
    pub node: NodeId,
    pub instance: u64,
    pub secret: [u8; 32],
    pub versions: Versions,
    pub advertised: Option<SocketAddr>,
    /// `None` where no byte can leave the process.
    pub tls: Option<Tls>,
}

/// A stream whose other end is known.
pub(crate) struct Established {
    pub stream: BoxStream,
    pub wire: Wire,
    pub peer: Hello,
    pub level: Level,
    /// Who calls whom, and in which class.
    pub purpose: Purpose,
}

/// A stream inside TLS, before a word was said.
pub(crate) struct Secured {
    pub stream: BoxStream,
    pub wire: Wire,
    /// Whose key the other end has proven; `None` where no byte can leave the process.
    pub shown: Option<NodeId>,
    /// A key that only the two ends of this session have.
    pub session: [u8; 32],
}

/// Who came.
pub(crate) enum Arrival {
    Peer(Established),
    Guest(Knock),
}

impl Credentials {
    fn hello(&self, purpose: Purpose) -> Hello {
        Hello {
            node: self.node,
            instance: self.instance,
            versions: self.versions,
            purpose,
            advertised: self.advertised,
        }
    }

    /// The dialling end.
    pub async fn dial(
        &self,
        stream: BoxStream,
        purpose: Purpose,
        expected: Option<NodeId>,
    ) -> Result<Established, ConnectError> {
        let handshake = self.dial_without_limit(stream, purpose, expected);
        env::timeout(HANDSHAKE_LIMIT, handshake).await.unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn dial_without_limit(
        &self,
        stream: BoxStream,
        purpose: Purpose,
        expected: Option<NodeId>,
    ) -> Result<Established, ConnectError> {
        let Secured { mut stream, wire, shown, session } = secure_dial(self.tls.as_ref(), stream).await?;
        // Before the proof, so that it goes to nobody but the node that was meant.
        check_expected(expected, shown)?;
        let prover = Prover::of_cluster(&self.secret, session);
        let ours = hello::encode(&self.hello(purpose), &prover, Side::Dialler);
        write_frame(&mut stream, &ours).await?;
        let answer = read_frame(&mut stream).await?;
        let theirs = hello::decode_answer(&answer).map_err(|reject| self.rejected(reject))?;
        let peer = hello::decode(theirs, &prover, Side::Acceptor).map_err(|reject| self.rejected(reject))?;
        check_expected(expected, Some(peer.node))?;
        if shown.is_some_and(|shown| shown != peer.node) {
            return Err(ConnectError::NotANode);
        }
        let level = self.versions.common(peer.versions).ok_or_else(|| self.too_far(peer.versions))?;
        wire.trust();
        Ok(Established { stream, wire, peer, level, purpose })
    }

    /// The accepting end. `admit` has the last word on a peer that has proven itself.
    pub async fn accept(
        &self,
        stream: BoxStream,
        admit: impl FnOnce(&Hello) -> Result<(), Reject>,
    ) -> Result<Arrival, ConnectError> {
        let handshake = self.accept_without_limit(stream, admit);
        env::timeout(HANDSHAKE_LIMIT, handshake).await.unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn accept_without_limit(
        &self,
        stream: BoxStream,
        admit: impl FnOnce(&Hello) -> Result<(), Reject>,
    ) -> Result<Arrival, ConnectError> {
        let mut secured = secure_accept(self.tls.as_ref(), stream).await?;
        let frame = read_frame(&mut secured.stream).await?;
        if guest::is_knock(&frame) {
            return Ok(Arrival::Guest(Knock { secured, frame }));
        }
        let Secured { mut stream, wire, shown, session } = secured;
        let prover = Prover::of_cluster(&self.secret, session);
        let judged = self.judge(&frame, &prover, shown).and_then(|(peer, level)| {
            admit(&peer)?;
            Ok((peer, level))
        });
        let (peer, level) = match judged {
            Ok(good) => good,
            Err(reject) => {
                write_frame(&mut stream, &hello::encode_answer(Err(reject))).await?;
                let _ = stream.shutdown().await;
                return Err(self.rejected(reject));
            }
        };
        let ours = hello::encode(&self.hello(peer.purpose), &prover, Side::Acceptor);
        write_frame(&mut stream, &hello::encode_answer(Ok(&ours))).await?;
        wire.trust();
        let purpose = peer.purpose;
        Ok(Arrival::Peer(Established { stream, wire, peer, level, purpose }))
    }

    fn judge(&self, frame: &[u8], prover: &Prover, shown: Option<NodeId>) -> Result<(Hello, Level), Reject> {
        let peer = hello::decode(frame, prover, Side::Dialler)?;
        if shown.is_some_and(|shown| shown != peer.node) {
            return Err(Reject::NotAHello);
        }
        if peer.node == self.node {
            return Err(Reject::Myself);
        }
        let level = self.versions.common(peer.versions).ok_or(Reject::NoCommonVersion(self.versions))?;
        Ok((peer, level))
    }

    fn rejected(&self, reject: Reject) -> ConnectError {
        match reject {
            Reject::NotAHello => ConnectError::NotANode,
            Reject::WrongSecret => ConnectError::WrongSecret,
            Reject::NoCommonVersion(theirs) => self.too_far(theirs),
            Reject::TooMany => ConnectError::TooMany,
            Reject::Myself => ConnectError::Myself,
            Reject::NotAdmitted => ConnectError::NotAdmitted,
        }
    }

    fn too_far(&self, theirs: Versions) -> ConnectError {
        ConnectError::NoCommonVersion { ours: self.versions, theirs }
    }
}

/// The dialling end of TLS.
pub(crate) async fn secure_dial(tls: Option<&Tls>, stream: BoxStream) -> Result<Secured, ConnectError> {
    let (wire, stream) = Wire::new(stream, HANDSHAKE_MAX_BYTES);
    let Some(tls) = tls else { return Ok(unsecured(wire, Box::new(stream))) };
    let stream = tls.connector.connect(tls::no_name(), stream).await.map_err(not_a_node)?;
    let (shown, session) = tls::session(stream.get_ref().1)?;
    Ok(Secured { stream: Box::new(stream), wire, shown: Some(shown), session })
}

/// The accepting end of TLS.
async fn secure_accept(tls: Option<&Tls>, stream: BoxStream) -> Result<Secured, ConnectError> {
    let (wire, stream) = Wire::new(stream, HANDSHAKE_MAX_BYTES);
    let Some(tls) = tls else { return Ok(unsecured(wire, Box::new(stream))) };
    let stream = tls.acceptor.accept(stream).await.map_err(not_a_node)?;
    let (shown, session) = tls::session(stream.get_ref().1)?;
    Ok(Secured { stream: Box::new(stream), wire, shown: Some(shown), session })
}

/// Where no byte can leave the process.
fn unsecured(wire: Wire, stream: BoxStream) -> Secured {
    Secured { stream, wire, shown: None, session: [0; 32] }
}

fn check_expected(expected: Option<NodeId>, found: Option<NodeId>) -> Result<(), ConnectError> {
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => {
            Err(ConnectError::WrongNode { expected, found })
        }
        _ => Ok(()),
    }
}

/// What TLS says about bytes that are not TLS, or not ours, comes as these two kinds.
fn not_a_node(error: std::io::Error) -> ConnectError {
    match error.kind() {
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => ConnectError::NotANode,
        kind => ConnectError::Unreachable(kind),
    }
}

pub(crate) async fn write_frame(stream: &mut BoxStream, bytes: &[u8]) -> Result<(), ConnectError> {
    stream.write_all(&hello::with_length(bytes)).await?;
    stream.flush().await?;
    Ok(())
}

pub(crate) async fn read_frame(stream: &mut BoxStream) -> Result<Vec<u8>, ConnectError> {
    let length = usize::from(stream.read_u16().await?);
    if length > HELLO_MAX_BYTES {
        return Err(ConnectError::NotANode);
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
