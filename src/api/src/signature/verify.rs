//! Judges a claim: computes the signature with the key's secret and compares.
//!
//! Always holds: a `Verified` exists only for a request whose signature was found right; only this file
//! makes one. The comparison takes the same time whether it fails at the first byte or the last.

use subtle::ConstantTimeEq;

use super::canonical::{CanonicalForms, parse_hash_hex, string_to_sign};
use super::credentials::{Claim, Placement};
use super::error::{Malformed, SignatureError, SignatureMismatch};
use super::key::{Secret, SigningKey, SigningKeyCache};
use super::scope::Scope;
use super::streaming::ChunkVerifier;
use crate::body::PayloadMode;

/// What this endpoint demands, and what it remembers between requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyPolicy<'p> {
    /// The only region to accept; any, when there is none.
    pub required_region: Option<&'p str>,
    /// Where derived keys are remembered.
    pub key_cache: Option<&'p SigningKeyCache>,
}

/// Proof that the holder of a key signed this request.
#[derive(Debug, Clone)]
pub struct Verified {
    access_key_id: String,
    scope: Scope,
    timestamp: String,
    signed_at_unix_s: i64,
    placement: Placement,
    payload: PayloadMode,
    key: SigningKey,
    seed_signature: [u8; 32],
}

impl Claim<'_> {
    /// Compares the signature with the one computed from the secret `lookup` finds for the key id.
    pub fn verify(
        self,
        policy: &VerifyPolicy<'_>,
        lookup: impl FnOnce(&str) -> Option<Secret>,
    ) -> Result<Verified, SignatureError> {
        if let Some(expected) = policy.required_region.filter(|region| *region != self.scope.region()) {
            return Err(self.placement.malformed(Malformed::Region { expected: expected.to_owned() }));
        }
        let secret = lookup(&self.access_key_id)
            .ok_or_else(|| SignatureError::InvalidAccessKeyId(self.access_key_id.clone()))?;
        let remembered = policy.key_cache.and_then(|cache| cache.find(&secret, &self.scope));
        let is_new = remembered.is_none();
        let key = remembered.unwrap_or_else(|| SigningKey::derive(&secret, &self.scope));
        let seed_signature = self.check_signature(&key)?;
        if let Some(cache) = policy.key_cache.filter(|_| is_new) {
            cache.remember(&secret, &self.scope, &key);
        }
        Ok(Verified {
            access_key_id: self.access_key_id,
            scope: self.scope,
            timestamp: self.timestamp.text().to_owned(),
            signed_at_unix_s: self.timestamp.unix_s(),
            placement: self.placement,
            payload: self.payload,
            key,
            seed_signature,
        })
    }

    fn check_signature(&self, key: &SigningKey) -> Result<[u8; 32], SignatureError> {
        let scope = self.scope.text();
        let forms = CanonicalForms::new(self.head, &self.signed_headers, &self.payload_hash);
        let to_sign = |canonical: &[u8]| string_to_sign(self.timestamp.text(), &scope, canonical);
        if let Some(given) = parse_hash_hex(self.signature.as_bytes()) {
            let matches =
                |canonical: &[u8]| bool::from(key.sign(to_sign(canonical).as_bytes()).ct_eq(&given));
            if forms.any(matches) {
                return Ok(given);
            }
        }
        let canonical = forms.first();
        Err(SignatureError::SignatureDoesNotMatch(Box::new(SignatureMismatch {
            access_key_id: self.access_key_id.clone(),
            signature_provided: self.signature.clone(),
            string_to_sign: to_sign(&canonical),
            canonical_request: String::from_utf8_lossy(&canonical).into_owned(),
        })))
    }
}

impl Verified {
    /// The key that signed.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Day and region of the signature.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When it was signed, by the clock of who did.
    pub fn signed_at_unix_s(&self) -> i64 {
        self.signed_at_unix_s
    }

    /// Where the credentials stood.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// What was signed about the body.
    pub fn payload(&self) -> &PayloadMode {
        &self.payload
    }

    /// The start of the chain of chunk signatures.
    pub fn chunk_verifier(&self) -> ChunkVerifier {
        ChunkVerifier::new(self.key.clone(), self.timestamp.clone(), self.scope.text(), self.seed_signature)
    }
}
