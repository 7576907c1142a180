//! Keeps the links of one peer: dials what is missing, waits when all is there.
//!
//! A link carries calls in one direction, so whoever can dial opens both kinds: links on which it
//! calls, and links on which it will be called. The other end may not be able to dial (a home behind
//! NAT). When both dial at once there are more links than needed for a while; see `peer`.
//! Where no address answers, common peers are asked to pass the links on.

use crate::error::ConnectError;
use crate::handshake::Established;
use crate::hello::{Caller, Purpose};
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, DIRECT_RETRY_INTERVAL, HANDSHAKE_LIMIT, RELAYS_TRIED_MAX};
use crate::peer::{Missing, Peer};
use crate::request::Class;
use crate::shared::Shared;
use crate::{calling, relay, serving};
use base::NodeId;
use env::{BoxStream, random_below};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One way to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct(SocketAddr),
    Through(NodeId),
}

/// Gives the peer a keeper if it has none.
pub(crate) fn start(shared: &Arc<Shared>, peer: &Arc<Peer>) {
    let (of_task, peer_of_task) = (Arc::clone(shared), Arc::clone(peer));
    peer.set_keeper(|| shared.env.tasks.spawn(async move { keep(&of_task, &peer_of_task).await }));
}

async fn keep(shared: &Arc<Shared>, peer: &Arc<Peer>) {
    let mut failures = 0;
    // The way that worked last: the links of a pair take the same one if they can.
    let mut good_way = None;
    loop {
        let missing = peer.missing();
        let outcome = match missing {
            Missing::Nothing => {
                failures = 0;
                peer.wake.notified().await;
                // A pause, so that a peer that accepts and closes at once is not dialled in a loop.
                env::sleep(jitter(shared, BACKOFF_MIN)).await;
                continue;
            }
            Missing::DirectWay => {
                failures = 0;
                env::timeout(DIRECT_RETRY_INTERVAL, peer.wake.notified()).await;
                if peer.missing() == Missing::DirectWay {
                    replace_relay(shared, peer).await;
                }
                continue;
            }
            Missing::Calling(class) => {
                connect(shared, peer, Purpose { class, caller: Caller::Dialler }, &mut good_way).await
            }
            Missing::Serving(class) => {
                // The other end may be dialling its own just now.
                env::sleep(jitter(shared, BACKOFF_MIN)).await;
                if peer.missing() != missing {
                    continue;
                }
                connect(shared, peer, Purpose { class, caller: Caller::Acceptor }, &mut good_way).await
            }
        };
        match outcome {
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(peer = ?peer.id, %error, "no link");
                peer.note_error(error);
                failures += 1;
                let pause = backoff(shared, failures);
                env::timeout(pause, peer.wake.notified()).await;
            }
        }
    }
}

/// Opens one link, by the way that worked last or else by the first that works.
async fn connect(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    purpose: Purpose,
    good_way: &mut Option<Way>,
) -> Result<(), ConnectError> {
    let mut last_error = ConnectError::Unreachable(std::io::ErrorKind::AddrNotAvailable);
    for way in ways(shared, peer, *good_way) {
        match open(shared, peer, way, purpose).await {
            Ok(()) => {
                *good_way = Some(way);
                return Ok(());
            }
            // What an address says is worth more than that nobody could help.
            Err(error) => match way {
                Way::Direct(_) => last_error = error,
                Way::Through(_) => {}
            },
        }
    }
    *good_way = None;
    Err(last_error)
}

fn ways(shared: &Shared, peer: &Peer, good_way: Option<Way>) -> Vec<Way> {
    let mut ways: Vec<Way> = good_way.into_iter().collect();
    ways.extend(peer.addresses().into_iter().map(Way::Direct).filter(|way| Some(*way) != good_way));
    let mut relays: Vec<NodeId> = shared
        .all_peers()
        .into_iter()
        .filter(|other| other.id != peer.id)
        .filter(|other| other.link(Class::Bulk).is_some_and(|link| link.relay.is_none()))
        .map(|other| other.id)
        .collect();
    // Another one first each time, so that one that cannot help does not stand in the way.
    if !relays.is_empty() {
        let first = random_below(shared.env.rng.as_ref(), relays.len() as u64);
        relays.rotate_left(first as usize);
    }
    relays.truncate(RELAYS_TRIED_MAX);
    ways.extend(relays.into_iter().map(Way::Through).filter(|way| Some(*way) != good_way));
    ways
}

async fn open(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    way: Way,
    purpose: Purpose,
) -> Result<(), ConnectError> {
    let (stream, relay): (BoxStream, _) = match way {
        Way::Direct(address) => (dial(shared, address).await?, None),
        Way::Through(relay) => (relay::open(shared, relay, peer.id).await?, Some(relay)),
    };
    let established = shared.credentials.dial(stream, purpose, Some(peer.id)).await?;
    adopt(shared, peer, established, Caller::Dialler, relay).await
}

/// Dials an address, within the limit of a handshake.
pub(crate) async fn dial(shared: &Shared, address: SocketAddr) -> Result<BoxStream, ConnectError> {
    let dialled = env::timeout(HANDSHAKE_LIMIT, shared.env.net.connect(address)).await;
    Ok(dialled.ok_or(ConnectError::TimedOut)??)
}

/// Takes an established stream into use. `here` is the end that this node has on it.
pub(crate) async fn adopt(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    established: Established,
    here: Caller,
    relay: Option<NodeId>,
) -> Result<(), ConnectError> {
    shared.check_running()?;
    if !shared.courier.admits(peer.id) {
        return Err(ConnectError::NotAdmitted);
    }
    if established.purpose.caller == here {
        if !calling::start(shared, peer, established, relay).await {
            return Err(ConnectError::Unreachable(std::io::ErrorKind::ConnectionAborted));
        }
    } else {
        serving::start(shared, peer, established);
    }
    Ok(())
}

/// Tries once to reach a relayed peer directly: a new direct link takes the place of each relayed one.
async fn replace_relay(shared: &Arc<Shared>, peer: &Arc<Peer>) {
    let kinds =
        Class::ALL.map(|class| [Caller::Dialler, Caller::Acceptor].map(|caller| Purpose { class, caller }));
    for address in peer.addresses() {
        for purpose in kinds.into_iter().flatten() {
            if open(shared, peer, Way::Direct(address), purpose).await.is_err() {
                break;
            }
        }
        if peer.missing() != Missing::DirectWay {
            return;
        }
    }
}

/// Doubles with each failure up to its cap; half of it is random, so that two nodes do not keep step.
fn backoff(shared: &Shared, failures: u32) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(1 << failures.min(16));
    jitter(shared, doubled.min(BACKOFF_MAX) / 2).min(BACKOFF_MAX)
}

/// Between one and two times `shortest`.
fn jitter(shared: &Shared, shortest: Duration) -> Duration {
    let shortest_us = u64::try_from(shortest.as_micros()).unwrap_or(u64::MAX / 2).max(1);
    shortest + Duration::from_micros(random_below(shared.env.rng.as_ref(), shortest_us))
}
