//! The header `Forwarded` (RFC 7239): what each proxy on the way says of whoever asked it.
//!
//! It is read from its end, where the nearest proxy wrote. Always holds: what stands before that, which anybody may
//! have sent, changes nothing in how the end is read, not even by a quote that does not end.

use super::address;
use http::HeaderMap;
use std::net::IpAddr;

pub const NAME: &str = "forwarded";

/// What one proxy says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hop {
    /// Who asked it; nothing, if it hides that.
    pub client: Option<IpAddr>,
    /// What was spoken to it.
    pub scheme: Option<String>,
}

/// All hops, the nearest first.
pub fn hops(headers: &HeaderMap) -> impl Iterator<Item = Hop> {
    let lines = headers.get_all(NAME).into_iter().collect::<Vec<_>>().into_iter().rev();
    lines.flat_map(|line| from_end(line.to_str().unwrap_or_default(), ',').into_iter().map(Hop::parse))
}

impl Hop {
    fn parse(text: &str) -> Self {
        let pairs = from_end(text, ';').into_iter().rev().filter_map(|pair| pair.split_once('='));
        let pairs: Vec<(String, Option<String>)> =
            pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), unquoted(value.trim()))).collect();
        let find =
            |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.clone());
        Self { client: find("for").and_then(|node| address(&node)), scheme: find("proto") }
    }
}

/// The pieces between separators that stand in no quotes, the last one first.
fn from_end(text: &str, separator: char) -> Vec<&str> {
    let (mut pieces, mut end, mut is_quoted) = (Vec::new(), text.len(), false);
    for (at, sign) in text.char_indices().rev() {
        match sign {
            '"' if !is_escaped(text, at) => is_quoted = !is_quoted,
            _ if sign == separator && !is_quoted => {
                pieces.push(text[at + 1..end].trim());
                end = at;
            }
            _ => {}
        }
    }
    pieces.push(text[..end].trim());
    pieces
}

/// Whether what stands there has a backslash before it that is not itself escaped.
fn is_escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// A value, which may stand in quotes; nothing if they do not match. What is asked for here has nothing escaped in it.
fn unquoted(value: &str) -> Option<String> {
    let bare = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!bare.contains(['"', '\\'])).then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(NAME, line.parse().unwrap());
        }
        let text = |hop: Hop| {
            (hop.client.map(|client| client.to_string()).unwrap_or_default(), hop.scheme.unwrap_or_default())
        };
        hops(&headers).map(text).collect()
    }

    #[test]
    fn each_proxy_says_who_asked_and_how() {
        for (lines, wanted) in [
            (&["for=192.0.2.43"][..], &[("192.0.2.43", "")][..]),
            (&["For=192.0.2.43;PROTO=https;by=203.0.113.43"], &[("192.0.2.43", "https")]),
            (&["for=\"[2001:db8:cafe::17]:4711\" ; proto=\"http\""], &[("2001:db8:cafe::17", "http")]),
            (&["for=192.0.2.43, for=198.51.100.17"], &[("198.51.100.17", ""), ("192.0.2.43", "")]),
            (&["for=192.0.2.43", "for=198.51.100.17"], &[("198.51.100.17", ""), ("192.0.2.43", "")]),
            (&["for=\"192.0.2.43:47011\""], &[("192.0.2.43", "")]),
            (&["for=\"::ffff:192.0.2.43\""], &[("192.0.2.43", "")]),
            // Who does not say, says so, hides, or cannot be read.
            (&["proto=https"], &[("", "https")]),
            (&["for=unknown"], &[("", "")]),
            (&["for=_hidden;proto=https"], &[("", "https")]),
            (&["for=\"_gazonk\", for=192.0.2.43"], &[("192.0.2.43", ""), ("", "")]),
            (&["for=\"192.0.2.43"], &[("", "")]),
            (&["for=192.0.2.43\""], &[("", "")]),
            (&[""], &[("", "")]),
            (&[], &[]),
            // What is quoted separates nothing.
            (&["for=192.0.2.43;host=\"a, for=1.2.3.4;proto=https\""], &[("192.0.2.43", "")]),
            (&["host=\"a\\\", for=1.2.3.4\\\\\";for=192.0.2.43"], &[("192.0.2.43", "")]),
        ] {
            let found = said(lines);
            let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(found, wanted, "{lines:?}");
        }
    }

    #[test]
    fn what_is_sent_ahead_changes_nothing_in_what_the_proxy_adds() {
        for sent in
            ["for=\"", "for=\"1.2.3.4", "\"\"\"", "for=1.2.3.4\\", "host=\"\\", ",,;;==", "for=\"a\\\""]
        {
            let added = format!("{sent}, for=192.0.2.43;proto=http;host=\"x, y\"");
            assert_eq!(said(&[&added])[0], ("192.0.2.43".to_owned(), "http".to_owned()), "{sent}");
        }
    }
}
