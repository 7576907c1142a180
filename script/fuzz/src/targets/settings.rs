//! Target `settings`: what applications set on a bucket or an object, as XML.
//!
//! The first byte chooses the kind of document. What must hold for every input: no panic; memory in proportion to the
//! body; what was accepted is within the limit, and rendered again it is read as the same, unless it is longer than the limit then.

use super::meter;
use api::s3::xml::{
    ACCESS_BODY_MAX_BYTES, ACL_BODY_MAX_BYTES, AccessControlPolicy, BucketLoggingStatus, CORS_BODY_MAX_BYTES,
    CorsConfiguration, ENCRYPTION_BODY_MAX_BYTES, EncryptionConfiguration, LIFECYCLE_BODY_MAX_BYTES,
    LOCK_BODY_MAX_BYTES, LOGGING_BODY_MAX_BYTES, LegalHold, LifecycleConfiguration,
    NOTIFICATION_BODY_MAX_BYTES, NotificationConfiguration, ObjectLockConfiguration, PublicAccessBlock,
    RetentionXml, TAGGING_BODY_MAX_BYTES, Tagging, VERSIONING_BODY_MAX_BYTES, VersioningConfiguration,
    WEBSITE_BODY_MAX_BYTES, WebsiteConfiguration, XmlError, parse_ownership, render_ownership,
};

/// An element of some twenty bytes becomes a rule with several lists, and lists grow by doubling.
const MEMORY_PER_BODY_BYTE: usize = 48;
/// For what does not grow with the body.
const MEMORY_FIXED_BYTES: usize = 32 << 10;
/// Kinds that there is room for: one more does not change what the inputs of the others mean.
const KINDS_MAX: u8 = 32;

/// One document.
pub fn check(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    match kind % KINDS_MAX {
        0 => same(body, CORS_BODY_MAX_BYTES, CorsConfiguration::parse, CorsConfiguration::render),
        1 => same(body, TAGGING_BODY_MAX_BYTES, Tagging::parse, Tagging::render),
        2 => same(body, ACL_BODY_MAX_BYTES, AccessControlPolicy::parse, AccessControlPolicy::render),
        3 => same(body, ACCESS_BODY_MAX_BYTES, PublicAccessBlock::parse, |block| block.render()),
        4 => same(body, ACCESS_BODY_MAX_BYTES, parse_ownership, |ownership| render_ownership(ownership)),
        5 => same(body, VERSIONING_BODY_MAX_BYTES, VersioningConfiguration::parse, |versioning| {
            versioning.render()
        }),
        6 => same(
            body,
            LIFECYCLE_BODY_MAX_BYTES,
            LifecycleConfiguration::parse,
            LifecycleConfiguration::render,
        ),
        7 => same(body, WEBSITE_BODY_MAX_BYTES, WebsiteConfiguration::parse, WebsiteConfiguration::render),
        8 => same(body, NOTIFICATION_BODY_MAX_BYTES, notifications, NotificationConfiguration::render),
        9 => same(body, LOGGING_BODY_MAX_BYTES, logging, BucketLoggingStatus::render),
        10 => same(
            body,
            ENCRYPTION_BODY_MAX_BYTES,
            EncryptionConfiguration::parse,
            EncryptionConfiguration::render,
        ),
        11 => same(body, LOCK_BODY_MAX_BYTES, ObjectLockConfiguration::parse, |lock| lock.render()),
        12 => same(body, LOCK_BODY_MAX_BYTES, RetentionXml::parse, RetentionXml::render),
        13 => same(body, LOCK_BODY_MAX_BYTES, LegalHold::parse, |hold| hold.render()),
        _ => {}
    }
}

/// Without the wish for an event bus: it is refused, so it is never shown.
fn notifications(body: &[u8]) -> Result<NotificationConfiguration, XmlError> {
    let parsed = NotificationConfiguration::parse(body)?;
    Ok(NotificationConfiguration { event_bridge: false, ..parsed })
}

/// Without grants and folders by date: they are refused, so they are never shown.
fn logging(body: &[u8]) -> Result<BucketLoggingStatus, XmlError> {
    let mut parsed = BucketLoggingStatus::parse(body)?;
    if let Some(enabled) = &mut parsed.enabled {
        (enabled.has_grants, enabled.is_partitioned) = (false, false);
    }
    Ok(parsed)
}

/// Read, rendered and, if that is not longer than what is taken, read again.
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
            // Control characters take six times their room when they are shown.
            let shown = render(&parsed);
            if shown.len() <= limit_bytes {
                assert_eq!(parse(&shown).as_ref(), Ok(&parsed));
            }
        }
        // A refusal must be able to say why.
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
