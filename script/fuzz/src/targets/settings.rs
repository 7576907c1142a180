//! Target `settings`: what applications set on a bucket or an object, as XML.
//!
//! The first byte chooses the kind of document. What must hold for every input: no panic; memory in proportion to the
//! body; what was accepted is within the limit, and rendered again it is read as the same.

use super::meter;
use api::s3::xml::{
    ACCESS_BODY_MAX_BYTES, ACL_BODY_MAX_BYTES, AccessControlPolicy, CORS_BODY_MAX_BYTES, CorsConfiguration,
    PublicAccessBlock, TAGGING_BODY_MAX_BYTES, Tagging, VERSIONING_BODY_MAX_BYTES, VersioningConfiguration,
    XmlError, parse_ownership, render_ownership,
};

/// An element of some twenty bytes becomes a rule with several lists, and lists grow by doubling.
const MEMORY_PER_BODY_BYTE: usize = 48;
/// For what does not grow with the body.
const MEMORY_FIXED_BYTES: usize = 32 << 10;

/// One document.
pub fn check(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    match kind % 6 {
        0 => same(body, CORS_BODY_MAX_BYTES, CorsConfiguration::parse, CorsConfiguration::render),
        1 => same(body, TAGGING_BODY_MAX_BYTES, Tagging::parse, Tagging::render),
        2 => same(body, ACL_BODY_MAX_BYTES, AccessControlPolicy::parse, AccessControlPolicy::render),
        3 => same(body, ACCESS_BODY_MAX_BYTES, PublicAccessBlock::parse, |block| block.render()),
        4 => same(body, ACCESS_BODY_MAX_BYTES, parse_ownership, |ownership| render_ownership(ownership)),
        _ => same(body, VERSIONING_BODY_MAX_BYTES, VersioningConfiguration::parse, |versioning| {
            versioning.render()
        }),
    }
}

/// Read, rendered and read again.
fn same<T: PartialEq + std::fmt::Debug>(
    body: &[u8],
    limit_bytes: usize,
    parse: impl Fn(&[u8]) -> Result<T, XmlError>,
    render: impl Fn(&T) -> Vec<u8>,
) {
    let memory = MEMORY_FIXED_BYTES + MEMORY_PER_BODY_BYTE * body.len();
    match meter::within(memory, || parse(body)) {
        Ok(parsed) => {
            assert!(body.len() <= limit_bytes);
            assert_eq!(parse(&render(&parsed)).as_ref(), Ok(&parsed));
        }
        // A refusal must be able to say why.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
