//! Networks of addresses, as conditions of policies and the operator name them.

use std::net::{IpAddr, Ipv6Addr};

/// A network, all addresses as version 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    prefix: u32,
}

/// Bits in front of an address of version 4 that is written as one of version 6.
const MAPPED_BITS: u32 = 96;
/// These bits.
const MAPPED_BASE: u128 = 0xffff << 32;
/// Networks with fewer bits than these in front let in so many that they are public, as AWS has it.
const PUBLIC_BELOW_BITS_V4: u32 = 8;
const PUBLIC_BELOW_BITS_V6: u32 = 32;

impl Network {
    /// Reads an address or a network.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(text) if crate::decimal::is_decimal(text) => {
                text.parse().ok().filter(|length| *length <= most)?
            }
            Some(_) => return None,
            None => most,
        };
        // All of version 4 is not all there is, but nobody is kept out by it either.
        let prefix = if address.is_ipv4() && length > 0 { MAPPED_BITS + length } else { length };
        Some(Self { base: bits(address) & mask(prefix), prefix })
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        bits(address) & mask(self.prefix) == self.base
    }

    /// Whether so few are in it that who lets them in does not let in everybody, however version 4 is written.
    pub fn is_narrow(&self) -> bool {
        let common = mask(self.prefix.min(MAPPED_BITS));
        let has_version_4 = self.base & common == MAPPED_BASE & common;
        match has_version_4 {
            true => self.prefix >= MAPPED_BITS + PUBLIC_BELOW_BITS_V4,
            false => self.prefix >= PUBLIC_BELOW_BITS_V6,
        }
    }
}

fn mask(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

fn bits(address: IpAddr) -> u128 {
    let address: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    address.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_networks_are_public_however_they_are_written() {
        let cases = [
            ("192.0.2.7", true),
            ("192.0.2.0/24", true),
            ("10.0.0.0/8", true),
            ("8.0.0.0/8", true),
            ("8.0.0.0/7", false),
            ("0.0.0.0/1", false),
            ("128.0.0.0/1", false),
            ("0.0.0.0/0", false),
            ("::ffff:0:0/96", false),
            ("::ffff:0:0/97", false),
            ("::ffff:10.0.0.0/104", true),
            ("::/0", false),
            ("::/40", false),
            ("::/80", false),
            ("2001:db8::/32", true),
            ("2001:db8::/31", false),
            ("2001:db8::1", true),
        ];
        for (text, wanted) in cases {
            assert_eq!(Network::parse(text).unwrap().is_narrow(), wanted, "{text}");
        }
    }
}
