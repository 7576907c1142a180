//! Where a site sends a browser: folders, routing rules, another host for everything.
//!
//! What a rule says is taken as it is, so that it may hold a query or a fragment; what comes from the request's key is
//! encoded. Always holds: a place on the same host begins with exactly one slash, or a key that begins with one would
//! lead to a host of the visitor's choice.

use crate::proxies;
use crate::s3::head::Head;
use crate::s3::reply::Reply;
use crate::s3::website;
use crate::s3::xml::{HostRedirect, RoutingRule, WebsiteConfiguration};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderValue, LOCATION};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What no header and no URL can carry.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`');
/// What would end a path, or mean something else in it, as well.
const IN_PATH: &AsciiSet =
    &UNSAFE.add(b'#').add(b'?').add(b'%').add(b'{').add(b'}').add(b'|').add(b'[').add(b']');

/// How the browser came here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// What it called this host, with a port if there was one.
    pub host: String,
}

impl Origin {
    /// Of a request that came over TLS or not, as far as proxies are believed. One on this machine is believed here
    /// without being named: whoever else writes its headers only leads himself astray.
    pub fn of(head: &Head, is_secure: bool) -> Self {
        let is_near = head.source.is_none_or(|address| address.to_canonical().is_loopback());
        let by_neighbour = is_near.then(|| proxies::is_secure_by_neighbour(&head.headers)).flatten();
        let scheme = if by_neighbour.unwrap_or(is_secure) { "https" } else { "http" };
        Self { scheme, host: head.header("host").unwrap_or_default() }
    }
}

/// An answer that leads elsewhere.
pub fn to(status: StatusCode, place: &str) -> Reply {
    let mut reply = Reply::empty(status);
    reply.set(LOCATION, &utf8_percent_encode(place, UNSAFE).to_string());
    reply.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    reply
}

/// From a folder's name to the folder.
pub fn to_folder(key: &str) -> Reply {
    to(StatusCode::FOUND, &format!("{}/", path_of(key)))
}

/// Another host for everything; path and query stay.
pub fn to_host(other: &HostRedirect, head: &Head, origin: &Origin) -> Reply {
    let scheme = other.protocol.as_deref().unwrap_or(origin.scheme);
    let mark = if head.raw_query.is_empty() { "" } else { "?" };
    let place = format!("{scheme}://{}{}{mark}{}", other.host_name, head.raw_path, head.raw_query);
    to(StatusCode::MOVED_PERMANENTLY, &place)
}

/// The first rule that fits: without `status` one that asks for none, else one that asks for this one.
pub fn rule_for<'a>(
    site: &'a WebsiteConfiguration,
    key: &str,
    status: Option<StatusCode>,
) -> Option<&'a RoutingRule> {
    let status = status.map(|status| status.as_str().to_owned());
    site.redirects.rules.iter().find(|rule| {
        let condition = rule.condition.as_ref();
        let code = condition.and_then(|condition| condition.error_code.as_ref());
        let prefix = condition.and_then(|condition| condition.key_prefix.as_ref());
        code == status.as_ref() && prefix.is_none_or(|prefix| key.starts_with(prefix.as_str()))
    })
}

/// Where a rule that fits sends a request for `key`.
pub fn by_rule(rule: &RoutingRule, key: &str, origin: &Origin) -> Reply {
    let to_place = &rule.redirect;
    let prefix = rule.condition.as_ref().and_then(|condition| condition.key_prefix.as_deref());
    let path = match (&to_place.replace_key, &to_place.replace_key_prefix) {
        (Some(key), _) => format!("/{}", one_slash(key)),
        (None, Some(with)) => {
            let rest = key.strip_prefix(prefix.unwrap_or_default()).unwrap_or(key);
            match one_slash(with) {
                "" => path_of(rest),
                with => format!("/{with}{}", encoded(rest)),
            }
        }
        (None, None) => path_of(key),
    };
    let scheme = to_place.protocol.as_deref().unwrap_or(origin.scheme);
    let place = match (&to_place.host_name, &to_place.protocol) {
        (Some(host), _) => format!("{scheme}://{host}{path}"),
        // The port is that of the other protocol.
        (None, Some(protocol)) if protocol != origin.scheme => {
            let name = origin.host.rsplit_once(':').map_or(origin.host.as_str(), |(name, _)| name);
            format!("{scheme}://{name}{path}")
        }
        (None, _) => path,
    };
    let status = to_place.redirect_code.as_deref().and_then(|code| website::number(code, 301..400));
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    to(status.unwrap_or(StatusCode::MOVED_PERMANENTLY), &place)
}

fn path_of(key: &str) -> String {
    match key.strip_prefix('/') {
        Some(rest) => format!("/%2F{}", encoded(rest)),
        None => format!("/{}", encoded(key)),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, IN_PATH).to_string()
}

/// A text of a rule that stands behind a slash.
fn one_slash(text: &str) -> &str {
    text.trim_start_matches('/')
}
