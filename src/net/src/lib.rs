//! Links between the nodes of a cluster, and typed calls over them.
//!
//! **A link** is one TCP connection: TLS 1.3 with ed25519 raw public keys that are the node ids (`tls`),
//! a proof of the cluster secret and a choice of protocol version (`hello`, `handshake`), then HTTP/2
//! by hyper. HTTP/2 has a client and a server end, so a link carries calls in one direction. A pair of
//! nodes has four: two classes (metadata, bulk), two directions. Whoever dials says in its hello which
//! end it will be, so a node that cannot be dialled opens all four itself. The other way, a multiplexer
//! of our own below HTTP/2 that turns one connection into two, would need flow control of its own; two
//! more sockets per pair cost less than that.
//!
//! **A call** is one HTTP/2 stream: a typed request with an optional piece or stream of bytes, a typed
//! reply with the same (`request`, `message`, `attachment`). Dropping a call cancels it at both ends.
//!
//! What always holds:
//! - nobody is heard beyond the handshake who has not proven to have a key and to know the secret;
//! - a node that holds an invitation instead of the secret may ask one thing, once (`guest`);
//! - everything has a limit, and they stand together in [`limits`];
//! - an error says whether the other end may have done what was asked ([`CallError`]);
//! - a small message is one or two writes, on a socket that sends at once;
//! - clock, sockets, randomness and tasks come from `env`; where the network cannot leave the process
//!   TLS is left out and the same seed gives the same bytes.

/// The nodes of the tests from outside are those of the tests in here too.
#[cfg(test)]
extern crate self as net;

mod attachment;
mod calling;
mod ending;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod handlers;
mod handshake;
mod hello;
mod keeper;
pub mod limits;
mod listening;
mod message;
mod node;
mod peer;
mod proof;
mod relay;
mod repeat;
mod request;
mod runtime;
mod serving;
mod shared;
#[cfg(test)]
mod tests;
mod tls;
mod window;
mod wire;

pub use attachment::{Attachment, Cut, ReadError};
pub use error::{CallError, ConnectError, NoAnswer, Refusal};
pub use guest::{Doorkeeper, Guest, KnockError, Ticket, Token, TurnedAway, knock, ticket_of};
pub use hello::Versions;
pub use node::{Net, Options, StartError};
pub use peer::{Connection, PeerStatus};
pub use request::{Answer, Class, Courier, Incoming, Level, NoCourier, Outgoing, Request};
pub use tls::{Identity, SeedIdentity};
