//! Which bucket a host is the web site of: the label below the root domain, or a bucket that is called like the host.
//!
//! Always holds: what is found here is a site; a bucket that is none is as if it were not there.

use crate::s3::head::header_text;
use crate::s3::operation::NamedBucket;
use http::request::Parts;
use model::{ModelError, Names};

/// The host that a request names: in small letters, without port and final dot.
pub fn of(parts: &Parts) -> Option<String> {
    let host = match parts.uri.host() {
        Some(host) => host.to_owned(),
        None => header_text(parts.headers.get(http::header::HOST)?),
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host.as_str(),
    };
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}

/// What is before `.domain` in a host.
pub fn below<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    host.strip_suffix(domain)?.strip_suffix('.').filter(|name| !name.is_empty())
}

/// The bucket whose site a host is. An error: a row cannot be read that would say so.
pub fn bucket(
    names: &Names,
    root_domain: Option<&str>,
    host: &str,
) -> Result<Option<NamedBucket>, ModelError> {
    let below_root = root_domain.and_then(|domain| below(host, domain));
    for name in [below_root, Some(host)].into_iter().flatten() {
        let found = names.called(name)?.filter(|(_, row)| row.website.value.is_some());
        if let Some((id, row)) = found {
            return Ok(Some(NamedBucket { name: name.to_owned(), id, row }));
        }
    }
    Ok(None)
}
