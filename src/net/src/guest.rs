//! Guests: nodes that hold an invitation instead of the cluster secret.
//!
//! A guest dials the node that invited it, sees in the TLS handshake that it is that node, and sends
//! one request; it gets one answer, and the connection ends. It never becomes a link. What the request
//! and the answer say is the upper layer's ([`Doorkeeper`]). What always holds:
//!
//! - the token itself does not travel: a ticket derived from it names the invitation, and a keyed hash
//!   over the TLS session's exported key, the side and all fields proves it, as the secret is proven;
//! - without a right proof the answer is one byte, after a pause: a guess costs a place among the
//!   strangers for that long;
//! - a guest costs what a stranger costs: bounded bytes, time and number.
//!
//! A knock: magic, proof (32 bytes), ticket (16), node id (32), request. A welcome: 0, proof, node id,
//! answer. A refusal: one byte.

use crate::error::ConnectError;
use crate::handshake::{Secured, read_frame, secure_dial, write_frame};
use crate::limits::{GUESS_PAUSE, GUEST_LIMIT, GUEST_TEXT_MAX_BYTES};
use crate::proof::{Prover, Side};
use crate::tls::{Identity, Tls};
use base::NodeId;
use env::Env;
use futures_util::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// Says that this is a knock and no hello.
const MAGIC: [u8; 8] = *b"garage\0\x02";
/// The context of tickets.
const TICKET_CONTEXT: &str = "garage guest 2026: ticket of an invitation's token";
/// Before a welcome.
const WELCOME: u8 = 0;

/// What proves an invitation: 128 random bits.
pub type Token = [u8; 16];
/// What names an invitation without giving it away.
pub type Ticket = [u8; 16];

/// The ticket of a token.
pub fn ticket_of(token: &Token) -> Ticket {
    let hash = blake3::derive_key(TICKET_CONTEXT, token);
    *hash.first_chunk().expect("a hash is longer than a ticket")
}

/// A guest whose token is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Its proven key.
    pub node: NodeId,
    /// The invitation.
    pub ticket: Ticket,
    /// What it says.
    pub request: Vec<u8>,
}

/// Why a guest gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// There is no such invitation, or the proof is wrong.
    #[error("it does not know this invitation")]
    Unknown,
    /// It held until some time ago.
    #[error("the invitation has expired")]
    Expired,
    /// Another node came with it.
    #[error("the invitation was used by another node")]
    Used,
    /// Not at the moment: it starts, stops, or cannot write.
    #[error("it cannot take in a node at the moment")]
    NotNow,
}

impl TurnedAway {
    const fn code(self) -> u8 {
        match self {
            Self::Unknown => 16,
            Self::Expired => 17,
            Self::Used => 18,
            Self::NotNow => 19,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        [Self::Unknown, Self::Expired, Self::Used, Self::NotNow].into_iter().find(|no| no.code() == code)
    }
}

/// Decides about guests.
pub trait Doorkeeper: Send + Sync + 'static {
    /// The token behind a ticket, also of an invitation that does not hold any more.
    fn token(&self, ticket: &Ticket) -> Option<Token>;
    /// What a guest whose proof was right is given.
    fn admit(&self, guest: Guest) -> BoxFuture<'_, Result<Vec<u8>, TurnedAway>>;
}

/// Why a knock led to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnockError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Another node answers at the address; it was told nothing.
    #[error("another node answers there ({0:?})")]
    OtherHost(NodeId),
    /// The host says no.
    #[error(transparent)]
    TurnedAway(#[from] TurnedAway),
}

/// Whether a first message is a knock.
pub(crate) fn is_knock(frame: &[u8]) -> bool {
    frame.starts_with(&MAGIC)
}

/// Dials a host once and knocks. `is_host` says whether the node that answers is the one that invited:
/// any other learns nothing.
pub async fn knock(
    env: &Env,
    identity: Arc<dyn Identity>,
    address: SocketAddr,
    is_host: impl Fn(NodeId) -> bool + Send,
    (token, request): (&Token, &[u8]),
) -> Result<(NodeId, Vec<u8>), KnockError> {
    let work = async {
        let node = identity.id();
        let tls = match env.net.stays_in_process() {
            true => None,
            false => Some(Tls::new(identity).map_err(|_| ConnectError::NotANode)?),
        };
        let stream = env.net.connect(address).await.map_err(ConnectError::from)?;
        let mut secured = secure_dial(tls.as_ref(), stream).await?;
        if let Some(host) = secured.shown.filter(|host| !is_host(*host)) {
            return Err(KnockError::OtherHost(host));
        }
        let prover = Prover::of_invitation(token, secured.session);
        write_frame(&mut secured.stream, &encode_knock(&prover, token, node, request)).await?;
        let answer = read_frame(&mut secured.stream).await?;
        let (host, answer) = decode_welcome(&answer, &prover)?;
        if secured.shown.is_some_and(|shown| shown != host) || !is_host(host) {
            return Err(KnockError::OtherHost(host));
        }
        Ok((host, answer))
    };
    env::timeout(GUEST_LIMIT, work).await.unwrap_or(Err(ConnectError::TimedOut.into()))
}

/// Answers a knock and ends the connection.
pub(crate) async fn answer(doorkeeper: Option<&dyn Doorkeeper>, here: NodeId, knock: Knock) {
    let Knock { mut secured, frame } = knock;
    let work = async {
        let outcome = judge(doorkeeper, (secured.shown, secured.session), &frame).await;
        let bytes = match outcome {
            Ok((prover, answer)) => encode_welcome(&prover, here, &answer),
            Err(no) => {
                tracing::info!(reason = %no, "a node came with an invitation and was turned away");
                if no == TurnedAway::Unknown {
                    env::sleep(GUESS_PAUSE).await;
                }
                vec![no.code()]
            }
        };
        // Whoever is gone by now asks again.
        let _: Result<(), ConnectError> = write_frame(&mut secured.stream, &bytes).await;
        let _: std::io::Result<()> = secured.stream.shutdown().await;
    };
    env::timeout(GUEST_LIMIT, work).await;
}

/// A connection whose first message is a knock.
pub(crate) struct Knock {
    pub secured: Secured,
    pub frame: Vec<u8>,
}

async fn judge(
    doorkeeper: Option<&dyn Doorkeeper>,
    (shown, session): (Option<NodeId>, [u8; 32]),
    frame: &[u8],
) -> Result<(Prover, Vec<u8>), TurnedAway> {
    let doorkeeper = doorkeeper.ok_or(TurnedAway::NotNow)?;
    let (proof, fields) = split_knock(frame).ok_or(TurnedAway::Unknown)?;
    let (ticket, rest) = fields.split_first_chunk::<16>().ok_or(TurnedAway::Unknown)?;
    let token = doorkeeper.token(ticket).ok_or(TurnedAway::Unknown)?;
    let prover = Prover::of_invitation(&token, session);
    // The comparison of hashes takes constant time.
    if prover.proof(Side::Dialler, fields) != blake3::Hash::from_bytes(*proof) {
        return Err(TurnedAway::Unknown);
    }
    let (node, request) = rest.split_first_chunk::<32>().ok_or(TurnedAway::Unknown)?;
    let node = NodeId::from_bytes(*node);
    if shown.is_some_and(|shown| shown != node) {
        return Err(TurnedAway::Unknown);
    }
    let guest = Guest { node, ticket: *ticket, request: request.to_vec() };
    let answer = doorkeeper.admit(guest).await?;
    if answer.len() > GUEST_TEXT_MAX_BYTES { Err(TurnedAway::NotNow) } else { Ok((prover, answer)) }
}

fn encode_knock(prover: &Prover, token: &Token, node: NodeId, request: &[u8]) -> Vec<u8> {
    let fields = [&ticket_of(token)[..], node.as_bytes(), request].concat();
    [&MAGIC[..], prover.proof(Side::Dialler, &fields).as_bytes(), &fields].concat()
}

fn split_knock(frame: &[u8]) -> Option<(&[u8; 32], &[u8])> {
    frame.strip_prefix(&MAGIC)?.split_first_chunk::<32>()
}

fn encode_welcome(prover: &Prover, here: NodeId, answer: &[u8]) -> Vec<u8> {
    let fields = [here.as_bytes(), answer].concat();
    [&[WELCOME][..], prover.proof(Side::Acceptor, &fields).as_bytes(), &fields].concat()
}

fn decode_welcome(bytes: &[u8], prover: &Prover) -> Result<(NodeId, Vec<u8>), KnockError> {
    let not_a_node = KnockError::Connect(ConnectError::NotANode);
    let (code, rest) = bytes.split_first().ok_or_else(|| not_a_node.clone())?;
    if *code != WELCOME {
        return Err(TurnedAway::of_code(*code).map_or(not_a_node, KnockError::TurnedAway));
    }
    let (proof, fields) = rest.split_first_chunk::<32>().ok_or_else(|| not_a_node.clone())?;
    if prover.proof(Side::Acceptor, fields) != blake3::Hash::from_bytes(*proof) {
        return Err(not_a_node);
    }
    let (host, answer) = fields.split_first_chunk::<32>().ok_or(not_a_node)?;
    Ok((NodeId::from_bytes(*host), answer.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = [5; 16];

    struct House;

    impl Doorkeeper for House {
        fn token(&self, ticket: &Ticket) -> Option<Token> {
            (*ticket == ticket_of(&TOKEN)).then_some(TOKEN)
        }

        fn admit(&self, guest: Guest) -> BoxFuture<'_, Result<Vec<u8>, TurnedAway>> {
            Box::pin(std::future::ready(Ok(guest.request)))
        }
    }

    #[tokio::test]
    async fn a_proof_is_bound_to_token_session_node_side_and_fields() {
        let node = NodeId::from_bytes([7; 32]);
        let prover = Prover::of_invitation(&TOKEN, [1; 32]);
        let good = encode_knock(&prover, &TOKEN, node, b"hello");
        let ask = async |shown: Option<NodeId>, session: u8, frame: &[u8]| {
            judge(Some(&House), (shown, [session; 32]), frame).await.map(|(_, answer)| answer)
        };
        assert_eq!(ask(Some(node), 1, &good).await, Ok(b"hello".to_vec()));
        let unknown = Err(TurnedAway::Unknown);
        assert_eq!(ask(Some(node), 2, &good).await, unknown, "another session");
        let other = NodeId::from_bytes([8; 32]);
        assert_eq!(ask(Some(other), 1, &good).await, unknown, "another node");
        let wrong = encode_knock(&Prover::of_invitation(&[6; 16], [1; 32]), &TOKEN, node, b"hello");
        assert_eq!(ask(Some(node), 1, &wrong).await, unknown, "the ticket without its token");
        for position in 0..good.len() {
            let mut altered = good.clone();
            altered[position] ^= 1;
            assert_eq!(ask(None, 1, &altered).await, unknown, "byte {position}");
            assert_eq!(ask(None, 1, &good[..position]).await, unknown, "cut at {position}");
        }
        assert_eq!(judge(None, (None, [1; 32]), &good).await.err(), Some(TurnedAway::NotNow));
    }

    #[test]
    fn a_welcome_is_proven_too_and_every_refusal_is_told_apart() {
        let (host, prover) = (NodeId::from_bytes([9; 32]), Prover::of_invitation(&TOKEN, [1; 32]));
        let good = encode_welcome(&prover, host, b"secret");
        assert_eq!(decode_welcome(&good, &prover), Ok((host, b"secret".to_vec())));
        for position in 0..good.len() {
            let mut altered = good.clone();
            altered[position] ^= 1;
            assert!(decode_welcome(&altered, &prover).is_err(), "byte {position}");
            assert!(decode_welcome(&good[..position], &prover).is_err(), "cut at {position}");
        }
        let echo = encode_knock(&prover, &TOKEN, host, b"");
        assert!(decode_welcome(&echo, &prover).is_err());
        for no in [TurnedAway::Unknown, TurnedAway::Expired, TurnedAway::Used, TurnedAway::NotNow] {
            assert_eq!(decode_welcome(&[no.code()], &prover), Err(KnockError::TurnedAway(no)));
        }
        // What an older release says to a message it does not know.
        assert_eq!(decode_welcome(&[1], &prover), Err(KnockError::Connect(ConnectError::NotANode)));
    }
}
