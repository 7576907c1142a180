//! Where a webhook is: an address of HTTP without anything that does not belong there.

use http::Uri;
use std::str::FromStr;

/// Longest address.
const MAX_BYTES: usize = 2048;

/// `http://` or `https://`, host, port, path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAddress {
    /// Whether it is spoken to under TLS.
    pub is_secure: bool,
    /// The host, an address of version 6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands in the header `Host`.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// A text that is not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the address as http://host:port/path or https://host/path, without a name and password")]
pub struct AddressError;

impl FromStr for WebhookAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_BYTES {
            return Err(AddressError);
        }
        let uri: Uri = text.parse().map_err(|_| AddressError)?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(AddressError),
        };
        let authority = uri.authority().ok_or(AddressError)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let has_odd_port = authority.port_u16().is_none() && authority.as_str() != authority.host();
        if host.is_empty() || has_odd_port || authority.as_str().contains('@') {
            return Err(AddressError);
        }
        Ok(Self {
            is_secure,
            host,
            port: authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |text: &str| text.parse::<WebhookAddress>();
        let found = parse("http://hooks.example:8080/garage?room=1").unwrap();
        assert_eq!((found.host.as_str(), found.port, found.is_secure), ("hooks.example", 8080, false));
        assert_eq!((found.path.as_str(), found.authority.as_str()), ("/garage?room=1", "hooks.example:8080"));
        let found = parse("https://[2001:db8::1]").unwrap();
        assert_eq!((found.host.as_str(), found.port, found.path.as_str()), ("2001:db8::1", 443, "/"));
        for bad in [
            "",
            "hooks.example",
            "ftp://a/",
            "http://",
            "http:///x",
            "http://me:pw@a/",
            "http://a:99999/",
            "/x",
        ] {
            assert_eq!(parse(bad), Err(AddressError), "{bad}");
        }
        assert_eq!(parse(&format!("http://a/{}", "x".repeat(MAX_BYTES))), Err(AddressError));
    }
}
