//! One authorized request on its way through an endpoint, and its answer.

use super::{AdminApi, AdminError};
use bytes::Bytes;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest query read: ids, names and patterns are far shorter; an object key of 1 024 bytes is
/// at most three times as long when escaped.
const QUERY_MAX_BYTES: usize = 8 << 10;

/// One authorized request.
pub struct Call<'a> {
    /// The API.
    pub api: &'a AdminApi,
    query: Vec<(String, String)>,
    body: Bytes,
}

impl<'a> Call<'a> {
    /// Puts a call together. Only the dispatcher does, after authorization.
    pub(super) fn new(api: &'a AdminApi, query: Option<&str>, body: Bytes) -> Result<Self, AdminError> {
        let query = query.unwrap_or_default();
        if query.len() > QUERY_MAX_BYTES {
            return Err(AdminError::InvalidValue { name: "query string", value: "(too long)".to_owned() });
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        Ok(Self { api, query: pairs.collect::<Result<_, AdminError>>()?, body })
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter that must be there.
    pub fn required(&self, name: &'static str) -> Result<&str, AdminError> {
        self.parameter(name).filter(|value| !value.is_empty()).ok_or(AdminError::MissingParameter(name))
    }

    /// Whether a query parameter says yes: given without a value, or `true` or `1`.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), Some("" | "true" | "1"))
    }

    /// The body as it came.
    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AdminError> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The body, which may be left out.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, AdminError> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }
}

fn decode(text: &str) -> Result<String, AdminError> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(AdminError::InvalidValue { name: "query string", value: text.to_owned() }),
    }
}

/// What an endpoint answers.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The type of the body; none if there is no body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// 200 with a JSON body.
    pub fn json(body: &impl Serialize) -> Self {
        let body =
            serde_json::to_vec(body).expect("the bodies in `wire` hold only what JSON can hold").into();
        Self { status: StatusCode::OK, content_type: Some("application/json"), body }
    }

    /// Plain text.
    pub fn text(status: StatusCode, body: String) -> Self {
        Self { status, content_type: Some("text/plain; charset=utf-8"), body: body.into() }
    }

    /// 200 and nothing more.
    pub fn done() -> Self {
        Self { status: StatusCode::OK, content_type: None, body: Bytes::new() }
    }
}
