//! Reads the credentials of a request, without judging the signature itself: that is `verify`'s part.
//!
//! Always holds: what `Credentials::parse` returns was signed at a time we accept, names the headers that
//! must be signed, and has a credential scope of the same day; and it is tied to the request it came from.
//!
//! Units: `now_unix_s` and all `*_s` are seconds.

use http::HeaderMap;

use super::RequestHead;
use super::canonical::{SIGNATURE_PARAMETER, SignedHeaders, decode_query_component, query_pairs};
use super::error::{Malformed, SignatureError};
use super::scope::{Scope, Timestamp};
use crate::body::PayloadMode;

/// How far a client's clock may be off, either way: the quarter of an hour S3 documents.
pub const MAX_CLOCK_SKEW_S: i64 = 15 * 60;
/// The longest life of a presigned request: the seven days S3 documents.
pub const MAX_PRESIGNED_LIFETIME_S: i64 = 7 * 24 * 60 * 60;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// Who a request claims to be from.
#[derive(Debug, Clone)]
pub enum Credentials<'r> {
    /// It carries no credentials.
    Anonymous,
    /// An `Authorization` header.
    Header(Claim<'r>),
    /// `X-Amz-*` query parameters.
    Presigned(Claim<'r>),
}

/// Credentials read from a request, not yet verified.
#[derive(Debug, Clone)]
pub struct Claim<'r> {
    pub(super) head: RequestHead<'r>,
    pub(super) placement: Placement,
    pub(super) access_key_id: String,
    pub(super) scope: Scope,
    pub(super) timestamp: Timestamp,
    pub(super) signed_headers: SignedHeaders,
    pub(super) signature: String,
    pub(super) payload_hash: String,
    pub(super) payload: PayloadMode,
}

/// Where the credentials of a request stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In the `Authorization` header.
    Header,
    /// In the query.
    Query,
}

impl Placement {
    /// The error for unusable credentials in this place.
    pub(super) fn malformed(self, reason: Malformed) -> SignatureError {
        match self {
            Self::Header => SignatureError::AuthorizationHeaderMalformed(reason),
            Self::Query => SignatureError::AuthorizationQueryParametersError(reason),
        }
    }
}

impl<'r> Credentials<'r> {
    /// Reads the credentials and checks all that can be checked without the secret.
    pub fn parse(head: &RequestHead<'r>, now_unix_s: i64) -> Result<Self, SignatureError> {
        let mut authorizations = head.headers.get_all(http::header::AUTHORIZATION).iter();
        let authorization = authorizations.next();
        let query = QueryKind::of(head.raw_query);
        if authorizations.next().is_some() || (authorization.is_some() && query != QueryKind::Plain) {
            return Err(SignatureError::SeveralMechanisms);
        }
        match (authorization, query) {
            (None, QueryKind::Plain) => Ok(Self::Anonymous),
            (_, QueryKind::Version2) => Err(SignatureError::MechanismNotSupported),
            (_, QueryKind::Version4) => parse_presigned(head, now_unix_s).map(Self::Presigned),
            (Some(value), QueryKind::Plain) => {
                let text = value.to_str().map_err(|_| malformed_header(Malformed::UnknownComponent))?;
                parse_header(head, text, now_unix_s).map(Self::Header)
            }
        }
    }
}

/// The kind of credentials in a query, judged by the presence of names only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueryKind {
    Plain,
    Version2,
    Version4,
}

impl QueryKind {
    fn of(raw_query: &str) -> Self {
        let has = |wanted: &str| {
            query_pairs(raw_query).any(|(name, _)| decode_query_component(name) == wanted.as_bytes())
        };
        if ["X-Amz-Algorithm", "X-Amz-Credential", SIGNATURE_PARAMETER].into_iter().any(has) {
            Self::Version4
        } else if has("AWSAccessKeyId") || has("Signature") {
            Self::Version2
        } else {
            Self::Plain
        }
    }
}

/// The three components of an `Authorization` header of version 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationHeader<'t> {
    /// `key/date/region/service/aws4_request`.
    pub credential: &'t str,
    /// `name;name;…`.
    pub signed_headers: &'t str,
    /// 64 hexadecimal digits, if it is any good.
    pub signature: &'t str,
}

impl<'t> AuthorizationHeader<'t> {
    /// Splits the header's value; refuses other mechanisms, unknown, repeated and missing components.
    pub fn parse(text: &'t str) -> Result<Self, SignatureError> {
        let (mechanism, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match mechanism {
            ALGORITHM => {}
            "AWS" | "AWS4-ECDSA-P256-SHA256" => return Err(SignatureError::MechanismNotSupported),
            _ => return Err(SignatureError::UnknownAuthorizationType),
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in rest.split(',').map(str::trim).filter(|component| !component.is_empty()) {
            let (name, value) =
                component.split_once('=').ok_or(malformed_header(Malformed::UnknownComponent))?;
            let (slot, name) = match name {
                "Credential" => (&mut credential, "Credential"),
                "SignedHeaders" => (&mut signed_headers, "SignedHeaders"),
                "Signature" => (&mut signature, "Signature"),
                _ => return Err(malformed_header(Malformed::UnknownComponent)),
            };
            if slot.replace(value).is_some() {
                return Err(malformed_header(Malformed::Repeated(name)));
            }
        }
        let missing = |name| malformed_header(Malformed::Missing(name));
        Ok(Self {
            credential: credential.ok_or(missing("Credential"))?,
            signed_headers: signed_headers.ok_or(missing("SignedHeaders"))?,
            signature: signature.ok_or(missing("Signature"))?,
        })
    }
}

fn malformed_header(reason: Malformed) -> SignatureError {
    SignatureError::AuthorizationHeaderMalformed(reason)
}

fn parse_header<'r>(
    head: &RequestHead<'r>,
    authorization: &str,
    now_unix_s: i64,
) -> Result<Claim<'r>, SignatureError> {
    let parts = AuthorizationHeader::parse(authorization)?;
    let (access_key_id, scope) = Scope::parse_credential(parts.credential).map_err(malformed_header)?;
    let signed_headers = SignedHeaders::parse(parts.signed_headers).map_err(malformed_header)?;
    let timestamp = header_timestamp(head.headers)?;
    let skew_s = timestamp.unix_s().abs_diff(now_unix_s);
    if skew_s > MAX_CLOCK_SKEW_S.unsigned_abs() {
        let request_unix_s = timestamp.unix_s();
        return Err(SignatureError::RequestTimeTooSkewed { request_unix_s, server_unix_s: now_unix_s });
    }
    let payload_hash =
        single_header(head.headers, CONTENT_SHA256)?.ok_or(SignatureError::MissingContentSha256)?.to_owned();
    Claim {
        head: *head,
        placement: Placement::Header,
        access_key_id,
        scope,
        timestamp,
        signed_headers,
        signature: parts.signature.to_owned(),
        payload: payload_mode(&payload_hash)?,
        payload_hash,
    }
    .checked()
}

fn parse_presigned<'r>(head: &RequestHead<'r>, now_unix_s: i64) -> Result<Claim<'r>, SignatureError> {
    let refused = SignatureError::AuthorizationQueryParametersError;
    match required_parameter(head.raw_query, "X-Amz-Algorithm")?.as_str() {
        ALGORITHM => {}
        "AWS4-ECDSA-P256-SHA256" => return Err(SignatureError::MechanismNotSupported),
        _ => return Err(refused(Malformed::Invalid("X-Amz-Algorithm"))),
    }
    let credential = required_parameter(head.raw_query, "X-Amz-Credential")?;
    let (access_key_id, scope) = Scope::parse_credential(&credential).map_err(refused)?;
    let signed_list = required_parameter(head.raw_query, "X-Amz-SignedHeaders")?;
    let signed_headers = SignedHeaders::parse(&signed_list).map_err(refused)?;
    let date = required_parameter(head.raw_query, "X-Amz-Date")?;
    let timestamp = Timestamp::parse_iso8601_basic(&date).ok_or(refused(Malformed::Invalid("X-Amz-Date")))?;
    let lifetime = required_parameter(head.raw_query, "X-Amz-Expires")?;
    check_lifetime(&timestamp, &lifetime, now_unix_s)?;
    let payload_hash = match single_header(head.headers, CONTENT_SHA256)? {
        Some(value) => value.to_owned(),
        None => parameter(head.raw_query, "X-Amz-Content-Sha256")?.unwrap_or(UNSIGNED_PAYLOAD.to_owned()),
    };
    Claim {
        head: *head,
        placement: Placement::Query,
        access_key_id,
        scope,
        timestamp,
        signed_headers,
        signature: required_parameter(head.raw_query, SIGNATURE_PARAMETER)?,
        payload: payload_mode(&payload_hash)?,
        payload_hash,
    }
    .checked()
}

impl Claim<'_> {
    /// The key id the request names; nothing says yet that it may.
    pub fn claimed_access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The checks both placements share.
    fn checked(self) -> Result<Self, SignatureError> {
        if self.scope.date() != self.timestamp.date() {
            return Err(self.placement.malformed(Malformed::ScopeDate));
        }
        let unsigned = self.signed_headers.unsigned_in(&self.head);
        if !unsigned.is_empty() {
            return Err(SignatureError::HeadersNotSigned(unsigned));
        }
        Ok(self)
    }
}

fn check_lifetime(timestamp: &Timestamp, lifetime: &str, now_unix_s: i64) -> Result<(), SignatureError> {
    let digits = crate::decimal::is_decimal(lifetime);
    let lifetime_s = lifetime.parse().ok().filter(|_| digits);
    let lifetime_s: i64 = lifetime_s
        .filter(|seconds| (1..=MAX_PRESIGNED_LIFETIME_S).contains(seconds))
        .ok_or(SignatureError::PresignedLifetimeOutOfRange)?;
    if timestamp.unix_s().saturating_sub(now_unix_s) > MAX_CLOCK_SKEW_S {
        return Err(SignatureError::PresignedNotYetValid);
    }
    let expires_unix_s = timestamp.unix_s().saturating_add(lifetime_s);
    if now_unix_s > expires_unix_s {
        return Err(SignatureError::PresignedExpired { expires_unix_s, server_unix_s: now_unix_s });
    }
    Ok(())
}

/// `X-Amz-Date`, or in its absence `Date`.
fn header_timestamp(headers: &HeaderMap) -> Result<Timestamp, SignatureError> {
    let amz_date = headers
        .get("x-amz-date")
        .map(|value| value.to_str().ok().filter(|_| headers.get_all("x-amz-date").iter().count() == 1));
    let timestamp = match amz_date {
        Some(text) => text.and_then(|text| Timestamp::parse_iso8601_basic(text.trim())),
        None => headers
            .get(http::header::DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Timestamp::parse_date_header(text.trim())),
    };
    timestamp.ok_or(SignatureError::InvalidDate)
}

fn payload_mode(payload_hash: &str) -> Result<PayloadMode, SignatureError> {
    PayloadMode::parse(payload_hash).ok_or(SignatureError::InvalidContentSha256)
}

/// The one value of `x-amz-content-sha256`; two would leave open which of them was signed.
fn single_header<'r>(headers: &'r HeaderMap, name: &str) -> Result<Option<&'r str>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| SignatureError::InvalidContentSha256)?;
    if values.next().is_some() {
        return Err(SignatureError::InvalidContentSha256);
    }
    Ok(Some(text.trim()))
}

fn required_parameter(raw_query: &str, name: &'static str) -> Result<String, SignatureError> {
    parameter(raw_query, name)?
        .ok_or(SignatureError::AuthorizationQueryParametersError(Malformed::Missing(name)))
}

fn parameter(raw_query: &str, name: &'static str) -> Result<Option<String>, SignatureError> {
    let refused = SignatureError::AuthorizationQueryParametersError;
    let mut values =
        query_pairs(raw_query).filter(|(given, _)| decode_query_component(given) == name.as_bytes());
    let Some((_, raw_value)) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused(Malformed::Repeated(name)));
    }
    String::from_utf8(decode_query_component(raw_value))
        .map(Some)
        .map_err(|_| refused(Malformed::Invalid(name)))
}
