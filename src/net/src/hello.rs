//! The hello: the first message on a link, inside TLS, in both directions.
//!
//! It proves that its sender knows the cluster secret, says who calls whom on this link and in which
//! class, and offers a range of protocol versions. The proof is a keyed hash over the TLS session's
//! own exported key, the sender's side and all fields, so it cannot be replayed on another session,
//! sent back to its sender, or altered. The dialler speaks first; a wrong proof is answered with one
//! byte that says so, and nothing else of this node is told.
//!
//! Layout, all numbers big-endian: a length (2 bytes), then the fields in the order of [`Hello`].
//! Bytes after the last known field are skipped: later versions append.

use crate::limits::HELLO_MAX_BYTES;
use crate::proof::{Prover, Side};
use crate::request::{Class, Level};
use base::NodeId;
use std::fmt;
use std::net::SocketAddr;

/// Says what this is before anything else is looked at.
const MAGIC: [u8; 8] = *b"garage\0\x01";
/// Before the fields of an answering hello.
const WELCOME: u8 = 0;

/// The protocol versions a node speaks, and its feature level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The oldest protocol.
    pub min: u16,
    /// The newest.
    pub max: u16,
    /// What it understands beyond the protocol; a link uses the smaller of two.
    pub feature: u16,
}

impl Versions {
    /// What this release speaks.
    pub const CURRENT: Self = Self { min: 1, max: 1, feature: 1 };

    /// The newest level that both ends speak.
    pub fn common(self, other: Self) -> Option<Level> {
        let protocol = self.max.min(other.max);
        let oldest = self.min.max(other.min);
        (protocol >= oldest).then(|| Level { protocol, feature: self.feature.min(other.feature) })
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.min, self.max)
    }
}

/// Who sends requests on a link: the one who dialled it, or the one who accepted it. A node that
/// nobody can dial opens links of both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Dialler,
    Acceptor,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purpose {
    pub class: Class,
    pub caller: Caller,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub node: NodeId,
    /// Random, new at each start of the process: tells a restart from a second link.
    pub instance: u64,
    pub versions: Versions,
    pub purpose: Purpose,
    /// Where the sender can be dialled, if it knows.
    pub advertised: Option<SocketAddr>,
}

/// Why a hello was not accepted; the code that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reject {
    NotAHello,
    WrongSecret,
    NoCommonVersion(Versions),
    TooMany,
    Myself,
    NotAdmitted,
}

/// The bytes of a hello with its proof, without the length in front.
pub(crate) fn encode(hello: &Hello, prover: &Prover, side: Side) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    bytes.extend_from_slice(&MAGIC);
    let fields_at = bytes.len() + 32;
    let fields = encode_fields(hello);
    bytes.extend_from_slice(prover.proof(side, &fields).as_bytes());
    debug_assert_eq!(bytes.len(), fields_at);
    bytes.extend_from_slice(&fields);
    bytes
}

fn encode_fields(hello: &Hello) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(hello.node.as_bytes());
    bytes.extend_from_slice(&hello.instance.to_be_bytes());
    encode_versions(&mut bytes, hello.versions);
    bytes.push(match hello.purpose.class {
        Class::Metadata => 0,
        Class::Bulk => 1,
    });
    bytes.push(match hello.purpose.caller {
        Caller::Dialler => 0,
        Caller::Acceptor => 1,
    });
    let address = hello.advertised.map(|address| address.to_string()).unwrap_or_default();
    bytes.push(u8::try_from(address.len()).expect("a socket address has less than 64 characters"));
    bytes.extend_from_slice(address.as_bytes());
    bytes
}

fn encode_versions(bytes: &mut Vec<u8>, versions: Versions) {
    for number in [versions.min, versions.max, versions.feature] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
}

/// The hello in these bytes if it is one and its proof is right. The proof is checked before any
/// field is looked at.
pub(crate) fn decode(bytes: &[u8], prover: &Prover, side: Side) -> Result<Hello, Reject> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(Reject::NotAHello)?;
    let (proof, fields) = rest.split_first_chunk::<32>().ok_or(Reject::NotAHello)?;
    // The comparison of hashes takes constant time.
    if prover.proof(side, fields) != blake3::Hash::from_bytes(*proof) {
        return Err(Reject::WrongSecret);
    }
    decode_fields(fields).ok_or(Reject::NotAHello)
}

fn decode_fields(fields: &[u8]) -> Option<Hello> {
    let (node, rest) = fields.split_first_chunk::<32>()?;
    let (instance, rest) = rest.split_first_chunk::<8>()?;
    let (versions, rest) = decode_versions(rest)?;
    let ([class, caller, length], rest) = rest.split_first_chunk::<3>()?;
    let address = rest.get(..usize::from(*length))?;
    let advertised = match address {
        [] => None,
        text => Some(std::str::from_utf8(text).ok()?.parse().ok()?),
    };
    let class = match class {
        0 => Class::Metadata,
        1 => Class::Bulk,
        _ => return None,
    };
    let caller = match caller {
        0 => Caller::Dialler,
        1 => Caller::Acceptor,
        _ => return None,
    };
    let (node, instance) = (NodeId::from_bytes(*node), u64::from_be_bytes(*instance));
    Some(Hello { node, instance, versions, purpose: Purpose { class, caller }, advertised })
}

fn decode_versions(bytes: &[u8]) -> Option<(Versions, &[u8])> {
    let ([a, b, c, d, e, f], rest) = bytes.split_first_chunk::<6>()?;
    let number = |high: &u8, low: &u8| u16::from_be_bytes([*high, *low]);
    Some((Versions { min: number(a, b), max: number(c, d), feature: number(e, f) }, rest))
}

/// The answer to a hello: welcome with a hello of one's own, or why not.
pub(crate) fn encode_answer(answer: Result<&[u8], Reject>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    match answer {
        Ok(hello) => {
            bytes.push(WELCOME);
            bytes.extend_from_slice(hello);
        }
        Err(Reject::NotAHello) => bytes.push(1),
        Err(Reject::WrongSecret) => bytes.push(2),
        Err(Reject::NoCommonVersion(versions)) => {
            bytes.push(3);
            encode_versions(&mut bytes, versions);
        }
        Err(Reject::TooMany) => bytes.push(4),
        Err(Reject::Myself) => bytes.push(5),
        Err(Reject::NotAdmitted) => bytes.push(6),
    }
    bytes
}

/// Reads an answer; the bytes of the other end's hello when it is a welcome.
pub(crate) fn decode_answer(bytes: &[u8]) -> Result<&[u8], Reject> {
    match bytes.split_first() {
        Some((&WELCOME, hello)) => Ok(hello),
        Some((2, _)) => Err(Reject::WrongSecret),
        Some((3, rest)) => match decode_versions(rest) {
            Some((versions, _)) => Err(Reject::NoCommonVersion(versions)),
            None => Err(Reject::NotAHello),
        },
        Some((4, _)) => Err(Reject::TooMany),
        Some((5, _)) => Err(Reject::Myself),
        Some((6, _)) => Err(Reject::NotAdmitted),
        _ => Err(Reject::NotAHello),
    }
}

/// The fields of a hello, written again; `None`: they are refused.
pub(crate) fn rewritten(fields: &[u8]) -> Option<Vec<u8>> {
    decode_fields(fields).map(|hello| encode_fields(&hello))
}

/// An answer, written again; `None`: it is refused.
pub(crate) fn rewritten_answer(bytes: &[u8]) -> Option<Vec<u8>> {
    match decode_answer(bytes) {
        Err(Reject::NotAHello) => None,
        answer => Some(encode_answer(answer)),
    }
}

/// Puts the length in front.
pub(crate) fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a hello is shorter than its limit");
    debug_assert!(bytes.len() <= HELLO_MAX_BYTES);
    [&length.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            node: NodeId::from_bytes([7; 32]),
            instance: 9,
            versions: Versions { min: 1, max: 3, feature: 2 },
            purpose: Purpose { class: Class::Bulk, caller: Caller::Acceptor },
            advertised: Some("[::1]:3901".parse().unwrap()),
        }
    }

    #[test]
    fn a_hello_survives_and_later_fields_are_skipped() {
        let prover = Prover::of_cluster(&[1; 32], [2; 32]);
        let bytes = encode(&hello(), &prover, Side::Dialler);
        assert_eq!(decode(&bytes, &prover, Side::Dialler), Ok(hello()));
        let mut fields = encode_fields(&hello());
        fields.extend_from_slice(b"of a later version");
        assert_eq!(decode_fields(&fields), Some(hello()));
    }

    #[test]
    fn a_proof_is_bound_to_secret_session_side_and_fields() {
        let prover = Prover::of_cluster(&[1; 32], [2; 32]);
        let bytes = encode(&hello(), &prover, Side::Dialler);
        assert_eq!(decode(&bytes, &prover, Side::Acceptor), Err(Reject::WrongSecret));
        let others = [Prover::of_cluster(&[3; 32], [2; 32]), Prover::of_cluster(&[1; 32], [3; 32])];
        for other in others {
            assert_eq!(decode(&bytes, &other, Side::Dialler), Err(Reject::WrongSecret));
        }
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            assert!(decode(&altered, &prover, Side::Dialler).is_err(), "byte {position}");
            assert!(decode(&bytes[..position], &prover, Side::Dialler).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        let speaks = |min, max| Versions { min, max, feature: max };
        let common = |a: Versions, b: Versions| a.common(b).map(|level| level.protocol);
        assert_eq!(common(speaks(1, 3), speaks(2, 5)), Some(3));
        assert_eq!(common(speaks(2, 5), speaks(1, 3)), Some(3));
        assert_eq!(common(speaks(1, 1), speaks(1, 1)), Some(1));
        assert_eq!(common(speaks(1, 2), speaks(3, 4)), None);
        assert_eq!(speaks(1, 3).common(speaks(2, 5)).map(|level| level.feature), Some(3));
    }

    #[test]
    fn each_answer_survives() {
        let versions = Versions { min: 4, max: 5, feature: 6 };
        let rejects = [
            Reject::NotAHello,
            Reject::WrongSecret,
            Reject::NoCommonVersion(versions),
            Reject::TooMany,
            Reject::Myself,
            Reject::NotAdmitted,
        ];
        for reject in rejects {
            assert_eq!(decode_answer(&encode_answer(Err(reject))), Err(reject));
        }
        assert_eq!(decode_answer(&encode_answer(Ok(b"hello"))), Ok(&b"hello"[..]));
        assert_eq!(decode_answer(&[]), Err(Reject::NotAHello));
        assert_eq!(decode_answer(&[3, 0]), Err(Reject::NotAHello));
    }
}
