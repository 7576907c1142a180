//! The side that invites: makes the code, and lets in whoever comes with it.

use super::Welcome;
use super::code::{ADDRESSES_MAX, JoinCode};
use super::invitations::{HOLDS_FOR, NotMade};
use crate::layout::LayoutError;
use crate::state::{ClusterState, FIRST_ZONE};
use base::id::encode_hex;
use env::Env;
use futures_util::future::BoxFuture;
use net::{Doorkeeper, Guest, Ticket, Token, TurnedAway};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// An invitation, to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// What the new node is started with.
    pub code: JoinCode,
    /// The zone it will ask for.
    pub zone: String,
    /// How long it holds.
    pub holds_for: Duration,
    /// Whether all its addresses are such that only the same machine or home reaches them.
    pub is_local_only: bool,
}

/// Why no invitation was made.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// Nobody could dial this node.
    #[error(
        "this node does not listen for other nodes, so none can join through it: see the start of its log, and set \
         rpc_bind_addr in the configuration"
    )]
    NotListening,
    /// It listens, and knows no address of its own.
    #[error(
        "this node does not know at which address other machines reach it: say it, as in\n\n    \
         garage node invite --address HOST:{port}"
    )]
    NoAddress {
        /// Where it listens.
        port: u16,
    },
    /// An address of the operator's.
    #[error(
        "`{0}` is not an address that fits into an invitation: write it as host:port, with at most 100 letters"
    )]
    Address(String),
    /// More addresses than a code holds.
    #[error("an invitation holds at most {ADDRESSES_MAX} addresses")]
    TooManyAddresses,
    /// A zone of the operator's.
    #[error(transparent)]
    Zone(#[from] LayoutError),
    /// There are too many, or it was not stored.
    #[error(transparent)]
    NotMade(#[from] NotMade),
}

impl ClusterState {
    /// Invites a node: into `zone`, or one that is free; to be reached at `addresses`, or where this
    /// node believes that it is.
    pub async fn invite(
        self: &Arc<Self>,
        env: &Env,
        zone: Option<String>,
        addresses: Vec<String>,
    ) -> Result<Invitation, InviteError> {
        let addresses = if addresses.is_empty() { self.own_addresses() } else { addresses };
        if addresses.is_empty() {
            let listening = self.membership().and_then(|membership| membership.addresses().first().copied());
            return Err(
                listening.map_or(InviteError::NotListening, |at| InviteError::NoAddress { port: at.port() })
            );
        }
        if addresses.len() > ADDRESSES_MAX {
            return Err(InviteError::TooManyAddresses);
        }
        for address in &addresses {
            let fits = JoinCode::new(self.id(), [0; 16], vec![address.clone()]);
            fits.ok_or_else(|| InviteError::Address(address.clone()))?;
        }
        if let Some(zone) = &zone {
            crate::layout::Role { zone: zone.clone(), capacity_bytes: None, tags: Vec::new() }.check()?;
        }
        let mut taken = self.zones();
        let state = Arc::clone(self);
        let work = move || {
            state.invitations().make(|open| {
                taken.extend(open.iter().cloned());
                zone.unwrap_or_else(|| free_zone(&taken))
            })
        };
        let (token, zone) = env.tasks.blocking(work).await?;
        let is_local_only = addresses.iter().all(|address| is_local(address));
        let code = JoinCode::new(self.id(), token, addresses).ok_or(InviteError::TooManyAddresses)?;
        Ok(Invitation { code, zone, holds_for: HOLDS_FOR, is_local_only })
    }

    fn own_addresses(&self) -> Vec<String> {
        let own = self.membership().map(|membership| membership.reachable_at()).unwrap_or_default();
        own.iter().take(ADDRESSES_MAX).map(ToString::to_string).collect()
    }

    /// Zones that nodes have, are to have, or ask for.
    fn zones(&self) -> BTreeSet<String> {
        let layout = self.layout();
        let in_force = layout.in_force().flat_map(|version| version.roles.values());
        let mut zones: BTreeSet<String> = in_force.map(|role| role.zone.clone()).collect();
        zones.extend(layout.staged().roles.into_values().filter_map(|change| match change {
            crate::layout::RoleChange::Assign(role) => Some(role.zone),
            crate::layout::RoleChange::Remove => None,
        }));
        zones.extend(self.nodes().into_iter().filter_map(|node| Some(node.waiting?.zone)));
        // That of the first home, which may not have its role yet.
        zones.insert(FIRST_ZONE.to_owned());
        zones
    }
}

/// `home2`, or the next one that nobody has: each home fails on its own, so each is a zone.
fn free_zone(taken: &BTreeSet<String>) -> String {
    let mut zones = (2u32..).map(|number| format!("{FIRST_ZONE}{number}"));
    zones.find(|zone| !taken.contains(zone)).unwrap_or_else(|| FIRST_ZONE.to_owned())
}

/// Whether an address means something on this machine or in this home only. A name may lead anywhere,
/// except for those that only the local network answers for.
fn is_local(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => host == "localhost" || host.ends_with(".local") || !host.contains('.'),
    }
}

/// Lets newcomers in.
pub(crate) struct Host {
    env: Env,
    state: Arc<ClusterState>,
}

impl Host {
    /// For one node.
    pub fn new(env: &Env, state: &Arc<ClusterState>) -> Self {
        Self { env: env.clone(), state: Arc::clone(state) }
    }
}

impl Doorkeeper for Host {
    fn token(&self, ticket: &Ticket) -> Option<Token> {
        self.state.invitations().token(ticket)
    }

    fn admit(&self, guest: Guest) -> BoxFuture<'_, Result<Vec<u8>, TurnedAway>> {
        Box::pin(async move {
            let (state, node, ticket) = (Arc::clone(&self.state), guest.node, guest.ticket);
            let redeemed = self.env.tasks.blocking(move || state.invitations().redeem(&ticket, node)).await;
            let zone = redeemed?;
            tracing::info!(%node, zone, "a node has joined by invitation and waits for `garage node approve`");
            let secret = encode_hex(self.state.secret().as_bytes());
            serde_json::to_vec(&Welcome { secret, zone }).map_err(|_| TurnedAway::NotNow)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invitation_gets_a_zone_of_its_own() {
        let taken = |zones: &[&str]| zones.iter().map(|zone| (*zone).to_owned()).collect();
        assert_eq!(free_zone(&taken(&["home"])), "home2");
        assert_eq!(free_zone(&taken(&["home", "home2", "attic"])), "home3");
    }

    #[test]
    fn addresses_of_one_home_are_recognized() {
        for local in ["127.0.0.1:1", "192.168.1.7:3901", "[::1]:2", "[fd00::1]:3", "nas.local:4", "nas:5"] {
            assert!(is_local(local), "{local}");
        }
        for wide in ["203.0.113.7:3901", "[2001:db8::1]:3901", "attic.example:80", "100.64.0.9:3901"] {
            assert!(!is_local(wide), "{wide}");
        }
    }
}
