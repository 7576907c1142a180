//! Numbers in headers and parameters: decimal digits and nothing else.
//!
//! Rust's own parsing also takes a plus sign, which no S3 number has.

/// Whether the text is one or more ASCII digits.
pub(crate) fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
