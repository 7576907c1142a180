//! The code of an invitation: whom to dial, where, and with which token. Made to be pasted; who has to
//! type it may mix up `o` and `0`, `i`, `l` and `1`, and leave out the hyphens.
//!
//! Bytes: 1, the host's fingerprint (16), the token (16), the addresses, three bytes of checksum; as
//! base32 with Crockford's alphabet in groups. An address is 4 or 6 and the bytes of an IP address, or
//! 128 + length and a name; then the port.

use base::NodeId;
use net::Token;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The form of the code.
const FORM: u8 = 1;
/// Bytes of a fingerprint: 128 bits, since an attacker must meet one given key.
const FINGERPRINT_BYTES: usize = 16;
/// The context of fingerprints.
const FINGERPRINT_CONTEXT: &str = "garage invitation 2026: fingerprint of a node's key";
/// Bytes of the checksum: it finds typing mistakes, the token is what protects.
const CHECK_BYTES: usize = 3;
/// Addresses in one code.
pub(super) const ADDRESSES_MAX: usize = 4;
/// Longest name of a host in it.
pub(super) const NAME_MAX_BYTES: usize = 100;
/// Longest text that is looked at: [`ADDRESSES_MAX`] long names and room for hyphens.
const TEXT_MAX_BYTES: usize = 1024;
/// The digits, without those that are easily mistaken.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits between two hyphens.
const GROUP: usize = 8;
/// Before the bytes of an IPv4 address.
const IPV4: u8 = 4;
/// Before those of an IPv6 address.
const IPV6: u8 = 6;
/// Added to the length of a name.
const NAME: u8 = 128;

/// An invitation, as it is passed on.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinCode {
    host: [u8; FINGERPRINT_BYTES],
    token: Token,
    addresses: Vec<String>,
}

/// The text is not a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    /// Mistyped, cut off, or something else.
    #[error(
        "this is not an invitation: give the whole code as `garage node invite` prints it on the other home"
    )]
    Malformed,
    /// Of another form.
    #[error("this invitation was made by a newer release: install that release here too")]
    Newer,
}

/// What a node is recognized by before it is known.
pub(super) fn fingerprint(node: NodeId) -> [u8; FINGERPRINT_BYTES] {
    let hash = blake3::derive_key(FINGERPRINT_CONTEXT, node.as_bytes());
    *hash.first_chunk().expect("a hash is longer than a fingerprint")
}

impl JoinCode {
    /// A code for whoever should dial `host` at one of `addresses`, each `host:port`; none when an
    /// address has no place in a code.
    pub(super) fn new(host: NodeId, token: Token, addresses: Vec<String>) -> Option<Self> {
        let code = Self { host: fingerprint(host), token, addresses };
        (code.to_string().parse() == Ok(code.clone())).then_some(code)
    }

    /// Whether this node made it.
    pub fn is_from(&self, node: NodeId) -> bool {
        self.host == fingerprint(node)
    }

    /// Where the host is dialled.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    pub(super) fn token(&self) -> &Token {
        &self.token
    }
}

/// The token stays out of logs.
impl fmt::Debug for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invitation to {:?}", self.addresses)
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.host);
        bytes.extend_from_slice(&self.token);
        for address in &self.addresses {
            encode_address(&mut bytes, address);
        }
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        let digits = to_base32(&bytes);
        let groups: Vec<&str> =
            digits.as_bytes().chunks(GROUP).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        f.write_str(&groups.join("-"))
    }
}

impl FromStr for JoinCode {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let bytes = (text.len() <= TEXT_MAX_BYTES).then(|| of_base32(text)).flatten();
        let bytes = bytes.ok_or(InvalidCode::Malformed)?;
        let (content, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(InvalidCode::Malformed)?;
        if checksum(content) != *check {
            return Err(InvalidCode::Malformed);
        }
        match content.split_first() {
            Some((&FORM, fields)) => decode_fields(fields).ok_or(InvalidCode::Malformed),
            Some((form, _)) if *form > FORM => Err(InvalidCode::Newer),
            _ => Err(InvalidCode::Malformed),
        }
    }
}

fn decode_fields(fields: &[u8]) -> Option<JoinCode> {
    let (host, rest) = fields.split_first_chunk::<FINGERPRINT_BYTES>()?;
    let (token, mut rest) = rest.split_first_chunk::<16>()?;
    let mut addresses = Vec::new();
    while !rest.is_empty() && addresses.len() < ADDRESSES_MAX {
        let (address, after) = decode_address(rest)?;
        addresses.push(address);
        rest = after;
    }
    let is_complete = rest.is_empty() && !addresses.is_empty();
    is_complete.then_some(JoinCode { host: *host, token: *token, addresses })
}

fn checksum(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("a hash is longer than a checksum")
}

/// What cannot be written is left out; [`JoinCode::new`] notices.
fn encode_address(bytes: &mut Vec<u8>, address: &str) {
    let Some((host, port)) = address.rsplit_once(':') else { return };
    let Ok(port) = port.parse::<u16>() else { return };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse() {
        Ok(IpAddr::V4(address)) => {
            bytes.push(IPV4);
            bytes.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            bytes.push(IPV6);
            bytes.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let Ok(length) = u8::try_from(host.len().min(NAME_MAX_BYTES)) else { return };
            bytes.push(NAME + length);
            bytes.extend_from_slice(&host.as_bytes()[..usize::from(length)]);
        }
    }
    bytes.extend_from_slice(&port.to_be_bytes());
}

fn decode_address(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (host, rest) = match *kind {
        IPV4 => {
            let (octets, rest) = rest.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*octets).to_string(), rest)
        }
        IPV6 => {
            let (octets, rest) = rest.split_first_chunk::<16>()?;
            (format!("[{}]", Ipv6Addr::from(*octets)), rest)
        }
        kind => {
            let length = usize::from(kind.checked_sub(NAME)?);
            let (name, rest) = rest.split_at_checked(length)?;
            let name = std::str::from_utf8(name).ok().filter(|name| is_name(name))?;
            (name.to_owned(), rest)
        }
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = Some(u16::from_be_bytes(*port)).filter(|port| *port != 0)?;
    Some((format!("{host}:{port}"), rest))
}

/// A name of a machine, and nothing that reads as an IP address.
fn is_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=NAME_MAX_BYTES).contains(&name.len())
        && name.bytes().all(is_legal)
        && name.parse::<IpAddr>().is_err()
}

pub(super) fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut buffer, mut held) = (0u16, 0u32);
    for byte in bytes {
        buffer = buffer << 8 | u16::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(DIGITS[usize::from(buffer >> held & 31)]));
            buffer &= (1 << held) - 1;
        }
    }
    if held > 0 {
        text.push(char::from(DIGITS[usize::from(buffer << (5 - held) & 31)]));
    }
    text
}

fn of_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut held) = (0u16, 0u32);
    let written = text.trim().bytes().filter(|byte| *byte != b'-');
    for byte in written {
        let digit = match byte.to_ascii_lowercase() {
            b'o' => b'0',
            b'i' | b'l' => b'1',
            digit => digit,
        };
        let value = DIGITS.iter().position(|known| *known == digit)?;
        buffer = buffer << 5 | u16::try_from(value).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(buffer >> held).ok()?);
            buffer &= (1 << held) - 1;
        }
    }
    // What is left is padding: less than a digit, and zero.
    (held < 5 && buffer == 0).then_some(bytes)
}
