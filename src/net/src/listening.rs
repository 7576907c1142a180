//! Accepts connections. A stranger is held to a number, a time and a size until it has proven itself.

use crate::guest;
use crate::handshake::Arrival;
use crate::hello::{Caller, Reject};
use crate::keeper;
use crate::limits::{STRANGERS_MAX, STRANGERS_PER_ADDRESS_MAX};
use crate::shared::Shared;
use env::{BoxStream, Listener};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Before accepting again after the system refused: it has run out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections that are shaking hands.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<BTreeMap<IpAddr, usize>>);

/// A place among the strangers; given back when dropped.
struct Place {
    strangers: Arc<Strangers>,
    address: IpAddr,
}

impl Strangers {
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: usize = places.values().sum();
        let from_there = places.get(&address).copied().unwrap_or(0);
        if taken >= STRANGERS_MAX || from_there >= STRANGERS_PER_ADDRESS_MAX {
            return None;
        }
        places.insert(address, from_there + 1);
        Some(Place { strangers: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.strangers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = places.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                places.remove(&self.address);
            }
        }
    }
}

/// Accepts at one address until the node stops.
pub(crate) fn start(shared: &Arc<Shared>, listener: Box<dyn Listener>) {
    let strangers = Arc::new(Strangers::default());
    let owner = Arc::clone(shared);
    shared.tasks.spawn(async move {
        loop {
            let Ok((stream, from)) = listener.accept().await else {
                env::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Some(from) = from else { continue };
            let Some(place) = strangers.admit(from.ip()) else {
                tracing::debug!(%from, "too many connections in their handshake");
                continue;
            };
            let shared = Arc::clone(&owner);
            owner.tasks.spawn(async move { welcome(&shared, stream, Some(place)).await });
        }
    });
}

/// Shakes hands with whoever is at the other end and takes the link into use.
pub(crate) async fn accept_stream(shared: &Arc<Shared>, stream: BoxStream) {
    welcome(shared, stream, None).await;
}

async fn welcome(shared: &Arc<Shared>, stream: BoxStream, place: Option<Place>) {
    let mut admitted = None;
    let accepted = shared.credentials.accept(stream, |hello| {
        if !shared.courier.admits(hello.node) {
            return Err(Reject::NotAdmitted);
        }
        admitted = Some(shared.peer_or_new(hello.node)?);
        Ok(())
    });
    let established = match accepted.await {
        Ok(Arrival::Peer(established)) => established,
        Ok(Arrival::Guest(knock)) => {
            // Only over a connection of its own: nobody passes a guest on. It keeps its place.
            if place.is_some() {
                guest::answer(shared.doorkeeper(), shared.me(), knock).await;
            }
            return;
        }
        Err(error) => {
            tracing::debug!(%error, "a connection was not accepted");
            return;
        }
    };
    drop(place);
    let Some(peer) = admitted else { return };
    if keeper::adopt(shared, &peer, established, Caller::Acceptor, None).await.is_ok() {
        keeper::start(shared, &peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_counted_by_address_and_in_all() {
        let strangers = Arc::new(Strangers::default());
        let address = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mut places: Vec<Place> = Vec::new();
        while let Some(place) = strangers.admit(address(1)) {
            places.push(place);
        }
        assert_eq!(places.len(), STRANGERS_PER_ADDRESS_MAX);
        for number in 2..=255 {
            places.extend(strangers.admit(address(number)));
        }
        assert_eq!(places.len(), STRANGERS_MAX);
        places.remove(0);
        assert!(strangers.admit(address(1)).is_some());
        places.clear();
        assert!(strangers.0.lock().unwrap().is_empty());
    }
}
