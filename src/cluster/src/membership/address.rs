//! `id@host:port`: how people and configurations name a node that is not known yet.

use base::NodeId;
use std::fmt;
use std::str::FromStr;

/// A node's id and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    /// Who answers there.
    pub node: NodeId,
    /// A name or an IP address, a colon and a port.
    pub host_and_port: String,
}

/// The text is not a node's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a node: type it as `garage node id` prints it there, id@host:port")]
pub struct InvalidAddress(String);

impl FromStr for NodeAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let parse = || {
            let (id, host_and_port) = text.trim().split_once('@')?;
            let (host, port) = host_and_port.rsplit_once(':')?;
            let port_is_valid = port.parse::<u16>().is_ok_and(|port| port != 0);
            let node = NodeId::from_hex(id)?;
            let host_and_port = host_and_port.to_owned();
            (!host.is_empty() && port_is_valid).then_some(NodeAddress { node, host_and_port })
        };
        parse().ok_or_else(|| InvalidAddress(text.to_owned()))
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.host_and_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_are_printed() {
        let id = "5f".repeat(32);
        for host in ["192.168.1.7:3901", "[::1]:3901", "attic.example:80"] {
            let text = format!("{id}@{host}");
            assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), text);
        }
        for wrong in ["", "@", &id, &format!("{id}@"), &format!("{id}@host"), &format!("{id}@:3901")] {
            assert!(wrong.parse::<NodeAddress>().is_err(), "{wrong}");
        }
        for wrong in [format!("{id}@host:0"), format!("{id}@host:70000"), format!("{}@h:1", &id[1..])] {
            assert!(wrong.parse::<NodeAddress>().is_err(), "{wrong}");
        }
    }
}
