//! Who may call what: decided here and nowhere else.
//!
//! A request over the local Unix socket comes from whoever may open that socket, the operator, and
//! needs no token. Over TCP a token is compared by its digest, in constant time, so that neither
//! its bytes nor its length can be measured.

use super::AdminError;
use cluster::AdminToken;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Over the Unix socket that only the operator can open.
    LocalSocket,
    /// Over the network.
    Tcp,
}

/// What an endpoint needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// The metrics token, or the admin token; nothing if no metrics token is set or required.
    Metrics,
    /// The admin token.
    Admin,
}

/// The tokens that are valid.
pub struct Tokens {
    admin: Option<TokenDigest>,
    metrics: Option<TokenDigest>,
    metrics_need_token: bool,
}

struct TokenDigest([u8; 32]);

impl TokenDigest {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Tokens {
    /// The configured tokens. An empty one would be no protection and counts as none.
    pub fn new(
        admin: Option<&AdminToken>,
        metrics: Option<&AdminToken>,
        metrics_require_token: bool,
    ) -> Self {
        let digest = |token: Option<&AdminToken>| {
            token.map(AdminToken::reveal).filter(|token| !token.is_empty()).map(TokenDigest::of)
        };
        let metrics = digest(metrics);
        let metrics_need_token = metrics_require_token || metrics.is_some();
        Self { admin: digest(admin), metrics, metrics_need_token }
    }

    /// Refuses unless the request may use an endpoint with this access.
    pub fn check(&self, access: Access, origin: Origin, headers: &HeaderMap) -> Result<(), AdminError> {
        if origin == Origin::LocalSocket {
            return Ok(());
        }
        let given = bearer(headers).map(TokenDigest::of);
        let matches = |token: &Option<TokenDigest>| match (token, &given) {
            (Some(token), Some(given)) => token.matches(given),
            _ => false,
        };
        let allowed = match access {
            Access::Open => true,
            Access::Metrics => !self.metrics_need_token || matches(&self.metrics) || matches(&self.admin),
            Access::Admin => matches(&self.admin),
        };
        if allowed { Ok(()) } else { Err(AdminError::Forbidden) }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
