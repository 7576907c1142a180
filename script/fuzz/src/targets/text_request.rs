//! A request as the targets read it from their input: a line `METHOD path?query`, then lines `name: value`.
//!
//! What an HTTP server would refuse before our code sees it (an impossible method, target or header) is
//! no input for these targets.

use api::server::HEADERS_MAX;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

/// Reads a request; `None` when the server would never hand it on.
pub fn parse(input: &[u8]) -> Option<Parts> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = Uri::try_from(words.next()?).ok()?;
    let mut parts = Request::builder().method(method).uri(uri).body(()).ok()?.into_parts().0;
    for line in lines.filter(|line| !line.is_empty()).take(HEADERS_MAX) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        parts.headers.append(name, value);
    }
    Some(parts)
}
