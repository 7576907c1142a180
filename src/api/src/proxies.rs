//! Whose request it is where proxies stand in front of this node.
//!
//! A proxy says in `X-Forwarded-For` and `X-Forwarded-Proto`, or in `Forwarded` ([`forwarded`]), who asked it, and how.
//! Anybody can write such headers, so what always holds is: they count only as far back as those who wrote them are
//! proxies that the operator named. What is made of them – the address and the TLS of a request – is what policies,
//! events and logs speak of.
//!
//! `Forwarded` counts only where neither of the others is there. Common proxies write these and let the other pass
//! through as a client sent it: it would be believed of anybody behind them.

mod forwarded;

use crate::network::Network;
use crate::server::{PeerAddress, Secured};
use http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// What those said who are believed.
struct Said {
    client: IpAddr,
    /// What was spoken to them, as far as they say.
    schemes: Vec<String>,
}

impl Said {
    /// Whether all proxies on the way were spoken TLS to; nothing if they do not say.
    fn is_secure(&self) -> Option<bool> {
        let is_secure = self.schemes.iter().all(|scheme| scheme.eq_ignore_ascii_case("https"));
        (!self.schemes.is_empty()).then_some(is_secure)
    }
}

/// The proxies that are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// Reads addresses and networks; `None` where one is neither.
    pub fn parse(texts: &[String]) -> Option<Self> {
        texts.iter().map(|text| Network::parse(text)).collect::<Option<_>>().map(Self)
    }

    fn are_trusted_at(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who asked, and whether over TLS, of a request that came from this other end of a connection.
    pub(crate) fn origin(
        &self,
        (peer, secured): (Option<PeerAddress>, Option<Secured>),
        headers: &HeaderMap,
    ) -> (Option<PeerAddress>, Option<Secured>) {
        match peer {
            Some(PeerAddress(address)) if self.are_trusted_at(address) => {
                let said = self.said(address, headers);
                let by_proxies = said.is_secure().map(|is_secure| is_secure.then_some(Secured(None)));
                (Some(PeerAddress(said.client)), by_proxies.unwrap_or(secured))
            }
            _ => (peer, secured),
        }
    }

    /// What a proxy that is believed, and those that it is believed about, say.
    fn said(&self, peer: IpAddr, headers: &HeaderMap) -> Said {
        if headers.contains_key(FORWARDED_FOR) || headers.contains_key(FORWARDED_PROTO) {
            let schemes = values(headers, FORWARDED_PROTO).map(str::to_owned).collect();
            return Said { client: self.client(peer, headers), schemes };
        }
        let mut said = Said { client: peer, schemes: Vec::new() };
        for hop in forwarded::hops(headers) {
            said.schemes.extend(hop.scheme);
            let Some(client) = hop.client else { break };
            said.client = client;
            if !self.are_trusted_at(client) {
                break;
            }
        }
        said
    }

    /// The first address, from here outwards, that is none of the proxies.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let mut hops = values(headers, FORWARDED_FOR).rev();
        while self.are_trusted_at(client)
            && let Some(hop) = hops.next().and_then(address)
        {
            client = hop;
        }
        client
    }
}

/// What the headers of a name list, in order.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().collect::<Vec<_>>().into_iter();
    lines.flat_map(|line| line.to_str().unwrap_or_default().split(',').map(str::trim).collect::<Vec<_>>())
}

/// An address, with or without the port that some proxies write behind it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// Whether a proxy on this machine, named or not, says that it was spoken TLS to: believed where nothing hangs on it
/// but where a browser is sent.
pub(crate) fn is_secure_by_neighbour(headers: &HeaderMap) -> Option<bool> {
    Proxies::default().said(IpAddr::V4(Ipv4Addr::LOCALHOST), headers).is_secure()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::TlsVersion;

    fn proxies() -> Proxies {
        Proxies::parse(&["127.0.0.1".into(), "10.0.0.0/8".into(), "2001:db8::/32".into()]).unwrap()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn client(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (FORWARDED_FOR, *line)).collect();
        let peer = Some(PeerAddress(peer.parse().unwrap()));
        proxies().origin((peer, None), &headers(&lines)).0.unwrap().0.to_string()
    }

    #[test]
    fn only_named_proxies_say_whose_request_it_is() {
        for (peer, lines, wanted) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("2001:db8::5", &["2001:db9::7"], "2001:db9::7"),
            // Whoever asked wrote the first one himself.
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "198.51.100.7", "10.1.2.3,10.4.5.6"], "198.51.100.7"),
            // Nothing said, or nothing that can be read: the proxy itself.
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7, _hidden"], "127.0.0.1"),
            ("127.0.0.1", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            ("127.0.0.1", &["198.51.100.7:4321"], "198.51.100.7"),
            ("127.0.0.1", &["[2001:db9::7]:4321"], "2001:db9::7"),
            ("127.0.0.1", &["[2001:db9::7]"], "2001:db9::7"),
        ] {
            assert_eq!(client(peer, lines), wanted, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_named_proxy_says_whether_it_was_spoken_tls_to() {
        let over_tls = Some(Secured(Some(TlsVersion::V1_3)));
        let is_secure = |peer: &str, secured: Option<Secured>, said: &[&str]| {
            let lines: Vec<_> = said.iter().map(|scheme| (FORWARDED_PROTO, *scheme)).collect();
            let peer = Some(PeerAddress(peer.parse().unwrap()));
            proxies().origin((peer, secured), &headers(&lines)).1.is_some()
        };
        assert!(is_secure("127.0.0.1", None, &["https"]));
        assert!(!is_secure("127.0.0.1", over_tls, &["http"]), "TLS behind the proxy is not the client's");
        assert!(is_secure("127.0.0.1", over_tls, &[]));
        assert!(!is_secure("127.0.0.1", None, &[]));
        assert!(!is_secure("127.0.0.1", None, &["http, https"]));
        assert!(!is_secure("192.0.2.1", None, &["https"]), "anybody can say so");
        assert!(is_secure("192.0.2.1", over_tls, &["http"]));
    }

    /// Who asked, and whether over TLS, as a peer says in these headers.
    fn origin(peer: &str, lines: &[(&'static str, &str)]) -> (String, bool) {
        let peer = Some(PeerAddress(peer.parse().unwrap()));
        let (client, secured) = proxies().origin((peer, None), &headers(lines));
        (client.unwrap().0.to_string(), secured.is_some())
    }

    #[test]
    fn named_proxies_may_say_it_in_the_standard_header() {
        for (peer, line, client, is_secure) in [
            ("127.0.0.1", "for=198.51.100.7;proto=https", "198.51.100.7", true),
            ("127.0.0.1", "for=198.51.100.7;proto=http", "198.51.100.7", false),
            ("127.0.0.1", "for=\"[2001:db9::7]:4321\"", "2001:db9::7", false),
            ("192.0.2.1", "for=198.51.100.7;proto=https", "192.0.2.1", false),
            ("127.0.0.1", "for=203.0.113.9;proto=https, for=198.51.100.7", "198.51.100.7", false),
            (
                "127.0.0.1",
                "for=203.0.113.9, for=198.51.100.7;proto=https, for=10.1.2.3",
                "198.51.100.7",
                true,
            ),
            ("127.0.0.1", "for=198.51.100.7;proto=https, for=10.1.2.3;proto=http", "198.51.100.7", false),
            ("127.0.0.1", "for=198.51.100.7, for=unknown;proto=https", "127.0.0.1", true),
            ("127.0.0.1", "for=198.51.100.7, for=_hidden", "127.0.0.1", false),
            ("127.0.0.1", "for=\", for=198.51.100.7", "198.51.100.7", false),
            ("127.0.0.1", "for=10.0.0.1, for=10.0.0.2", "10.0.0.1", false),
        ] {
            assert_eq!(origin(peer, &[("forwarded", line)]), (client.to_owned(), is_secure), "{peer} {line}");
        }
    }

    #[test]
    fn the_standard_header_counts_where_the_others_are_not() {
        let standard = ("forwarded", "for=203.0.113.9;proto=https");
        let (both, client) = ([standard, (FORWARDED_FOR, "198.51.100.7")], "198.51.100.7".to_owned());
        assert_eq!(origin("127.0.0.1", &both), (client, false), "nor in part");
        let both = [standard, (FORWARDED_PROTO, "http")];
        assert_eq!(origin("127.0.0.1", &both), ("127.0.0.1".to_owned(), false));
        assert_eq!(origin("127.0.0.1", &[standard]), ("203.0.113.9".to_owned(), true));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(Proxies::parse(&["nginx".into()]), None);
        assert_eq!(Proxies::parse(&["10.0.0.0/33".into()]), None);
    }
}
