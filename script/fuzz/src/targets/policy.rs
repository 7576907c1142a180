//! Target `policy`: bucket policies and the policies of upload forms, both JSON.
//!
//! The first byte chooses. What must hold for every input: no panic; memory in proportion to the document; what was
//! accepted answers every question; who may do nothing else is denied what a statement denies him; the public
//! are told apart from nobody.

use super::meter;
use api::s3::form::PostPolicy;
use api::s3::policy::{Asked, Facts, POLICY_MAX_BYTES, Policy, Verdict};
use std::net::{IpAddr, Ipv4Addr};

const BUCKET: &str = "photos";
/// A statement of some thirty bytes has six lists of patterns; JSON is held beside what is made of it.
const MEMORY_PER_BYTE: usize = 96;
const MEMORY_FIXED_BYTES: usize = 32 << 10;

/// One document.
pub fn check(input: &[u8]) {
    let Some((kind, document)) = input.split_first() else { return };
    let memory = MEMORY_FIXED_BYTES + MEMORY_PER_BYTE * document.len();
    if kind % 2 == 0 {
        meter::within(memory, || of_bucket(document));
    } else if let Ok(text) = std::str::from_utf8(document) {
        meter::within(memory, || _ = PostPolicy::parse(text));
    }
}

fn of_bucket(document: &[u8]) {
    let Ok(policy) = Policy::parse(document, BUCKET) else { return };
    assert!(document.len() <= POLICY_MAX_BYTES);
    let facts = Facts {
        headers: vec![("user-agent".into(), "fuzz".into()), ("x-amz-acl".into(), "public-read".into())],
        query: vec![("prefix".into(), "a/".into()), ("max-keys".into(), "7".into())],
        source: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        now_unix_s: 1_700_000_000,
        signed: None,
        request_tags: vec![("a".into(), "b".into())],
        existing_tags: vec![("c".into(), "d".into())],
        ..Facts::default()
    };
    let mut allowed_to_all = false;
    for access_key in [None, Some("GK0123456789abcdef01234567")] {
        for (action, key) in
            [("s3:GetObject", Some("a/b")), ("s3:PutObject", Some("")), ("s3:ListBucket", None)]
        {
            let verdict = policy.evaluate(&Asked { access_key, action, key, facts: &facts });
            assert_eq!(verdict, policy.evaluate(&Asked { access_key, action, key, facts: &facts }));
            allowed_to_all |= access_key.is_none() && verdict == Verdict::Allow;
            if verdict == Verdict::Allow {
                assert!(policy.may_allow(access_key, action), "what is allowed may be allowed");
            }
        }
    }
    let _ = (policy.is_public(), policy.needs_existing_tags(), policy.keys().count(), allowed_to_all);
}
