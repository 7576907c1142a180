//! The log's line about a request that failed: with its id, so that what a client was told is found again.
//!
//! Always holds: each refusal is logged once, an error of this node at `error`, what passes by itself at `warn`, and what
//! the client can correct at `debug`.

use super::error::S3Error;
use http::{Method, StatusCode};

/// Which request failed.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// Its id, as the client was told.
    pub request_id: &'a str,
    /// What it asked for.
    pub operation: &'a str,
    /// Its bucket, by the name that the client has for it; empty if there is none.
    pub bucket: &'a str,
    /// Its method.
    pub method: &'a Method,
}

impl Failed<'_> {
    /// Logs why.
    pub fn log(&self, error: &S3Error) {
        let Self { request_id, operation, bucket, method } = *self;
        let cause = error.cause.as_deref().unwrap_or(&error.message);
        let code = error.code.name();
        match error.status() {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(request_id, operation, bucket, %method, code, error = cause, "a request failed");
            }
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                tracing::warn!(request_id, operation, bucket, %method, code, error = cause, "a request cannot be served now");
            }
            _ => {
                tracing::debug!(request_id, operation, bucket, %method, code, error = cause, "a request was refused");
            }
        }
    }
}
