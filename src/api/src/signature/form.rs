//! The signature of an upload form: over its policy, as sent, by version 4 or the older version 2.
//!
//! Always holds: a `VerifiedForm` exists only for a policy whose signature was found right; only this file
//! makes one. What the policy says, and until when, is not looked at here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::canonical::parse_hash_hex;
use super::error::{Malformed, SignatureError, SignatureMismatch};
use super::key::{Secret, SigningKey};
use super::scope::{Scope, Timestamp};
use super::verify::VerifyPolicy;

/// What a form says about who signed its policy.
#[derive(Debug, Clone)]
pub struct FormClaim {
    access_key_id: String,
    /// Of version 4; version 2 has none.
    scope: Option<Scope>,
    /// Of version 4, if the field is a time.
    signed_at_unix_s: Option<i64>,
    signature: String,
}

/// Proof that the holder of a key signed a form's policy.
#[derive(Debug, Clone)]
pub struct VerifiedForm {
    access_key_id: String,
    is_version_2: bool,
    signed_at_unix_s: Option<i64>,
}

impl FormClaim {
    /// Reads the fields of the form; `field` finds one by its name in lower case. `None`: it has none.
    pub fn parse<'f>(field: impl Fn(&str) -> Option<&'f str>) -> Result<Option<Self>, SignatureError> {
        let missing = |name| SignatureError::FormMalformed(Malformed::Missing(name));
        if let Some(algorithm) = field("x-amz-algorithm") {
            if algorithm != "AWS4-HMAC-SHA256" {
                return Err(SignatureError::FormMalformed(Malformed::Invalid("x-amz-algorithm")));
            }
            let credential = field("x-amz-credential").ok_or(missing("x-amz-credential"))?;
            let (access_key_id, scope) =
                Scope::parse_credential(credential).map_err(SignatureError::FormMalformed)?;
            let date = field("x-amz-date").ok_or(missing("x-amz-date"))?;
            if date.get(..8) != Some(scope.date()) {
                return Err(SignatureError::FormMalformed(Malformed::ScopeDate));
            }
            let signature = field("x-amz-signature").ok_or(missing("x-amz-signature"))?.to_owned();
            let signed_at_unix_s = Timestamp::parse_iso8601_basic(date).map(|time| time.unix_s());
            return Ok(Some(Self { access_key_id, scope: Some(scope), signed_at_unix_s, signature }));
        }
        match (field("awsaccesskeyid"), field("signature")) {
            (None, None) if field("x-amz-signature").is_some() => Err(missing("x-amz-algorithm")),
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing("signature")),
            (None, Some(_)) => Err(missing("AWSAccessKeyId")),
            (Some(id), Some(signature)) => {
                let (access_key_id, signature) = (id.to_owned(), signature.to_owned());
                Ok(Some(Self { access_key_id, scope: None, signed_at_unix_s: None, signature }))
            }
        }
    }

    /// The key id the form names; nothing says yet that it may.
    pub fn claimed_access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Compares the signature with the one computed from the secret `lookup` finds for the key id.
    pub fn verify(
        self,
        policy: &VerifyPolicy<'_>,
        signed_text: &str,
        lookup: impl FnOnce(&str) -> Option<Secret>,
    ) -> Result<VerifiedForm, SignatureError> {
        if let (Some(expected), Some(scope)) = (policy.required_region, &self.scope)
            && expected != scope.region()
        {
            let expected = expected.to_owned();
            return Err(SignatureError::FormMalformed(Malformed::Region { expected }));
        }
        let secret = lookup(&self.access_key_id)
            .ok_or_else(|| SignatureError::InvalidAccessKeyId(self.access_key_id.clone()))?;
        let is_right = match &self.scope {
            Some(scope) => parse_hash_hex(self.signature.as_bytes()).is_some_and(|given| {
                SigningKey::derive(&secret, scope).sign(signed_text.as_bytes()).ct_eq(&given).into()
            }),
            None => STANDARD
                .decode(&self.signature)
                .is_ok_and(|given| version_2(&secret, signed_text).as_slice().ct_eq(given.as_slice()).into()),
        };
        if is_right {
            return Ok(VerifiedForm {
                access_key_id: self.access_key_id,
                is_version_2: self.scope.is_none(),
                signed_at_unix_s: self.signed_at_unix_s,
            });
        }
        Err(SignatureError::SignatureDoesNotMatch(Box::new(SignatureMismatch {
            access_key_id: self.access_key_id,
            signature_provided: self.signature,
            string_to_sign: signed_text.to_owned(),
            canonical_request: String::new(),
        })))
    }
}

fn version_2(secret: &Secret, text: &str) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.bytes()).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

impl VerifiedForm {
    /// The key that signed.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// When it was signed, as far as the form says so.
    pub fn signed_at_unix_s(&self) -> Option<i64> {
        self.signed_at_unix_s
    }

    /// Whether the signature is of version 2.
    pub fn is_version_2(&self) -> bool {
        self.is_version_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn claim(fields: &[(&str, &str)]) -> Result<Option<FormClaim>, SignatureError> {
        FormClaim::parse(|name| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    fn verify(fields: &[(&str, &str)], text: &str) -> bool {
        let claim = claim(fields).unwrap().unwrap();
        claim.verify(&VerifyPolicy::default(), text, |_| Some(Secret::new(SECRET))).is_ok()
    }

    /// The example of AWS's documentation, "Browser-based upload using HTTP POST" (Signature Version 4).
    #[test]
    fn the_documented_example_is_right() {
        let policy = include_str!("form_example_policy.txt").trim();
        let good = [
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
            ("x-amz-date", "20151229T000000Z"),
            ("x-amz-signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
        ];
        assert!(verify(&good, policy));
        assert!(!verify(&good, &policy[..policy.len() - 1]));
        let mut other = good;
        other[1].1 = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-2/s3/aws4_request";
        assert!(!verify(&other, policy));
    }

    #[test]
    fn version_2_is_hmac_sha1_in_base64() {
        // RFC 2202, test case 2, in base64.
        let (key, text) = ("Jefe", "what do ya want for nothing?");
        let fields = [("awsaccesskeyid", "GK1"), ("signature", "7/zfauXrL6LSdBbV8YTfnCWafHk=")];
        for (signed, wanted) in [(text, true), ("something else", false)] {
            let claim = claim(&fields).unwrap().unwrap();
            let verified = claim.verify(&VerifyPolicy::default(), signed, |_| Some(Secret::new(key)));
            assert_eq!(verified.is_ok(), wanted);
        }
    }

    #[test]
    fn half_a_claim_is_no_claim() {
        let day = ("x-amz-credential", "GK1/20151229/r/s3/aws4_request");
        let algorithm = ("x-amz-algorithm", "AWS4-HMAC-SHA256");
        let bad: [&[(&str, &str)]; 7] = [
            &[algorithm],
            &[algorithm, day, ("x-amz-signature", "a")],
            &[algorithm, day, ("x-amz-date", "20151230T000000Z"), ("x-amz-signature", "a")],
            &[("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256")],
            &[("x-amz-signature", "a")],
            &[("awsaccesskeyid", "GK1")],
            &[("signature", "a")],
        ];
        for bad in bad {
            assert!(claim(bad).is_err(), "{bad:?}");
        }
        assert!(claim(&[("key", "k")]).unwrap().is_none());
    }
}
