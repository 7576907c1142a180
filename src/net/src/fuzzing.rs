//! The forms of bytes that other nodes send, for whoever tries them with any bytes at all (`script/fuzz`).
//!
//! What always holds of each form: bytes are refused, or what was read of them is written, and read again it is the same.

use crate::error::Refusal;
use crate::handlers::{decode, encode};
use crate::{hello, message};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads bytes and writes what it read; `None`: they are refused.
pub type Form = fn(&[u8]) -> Option<Vec<u8>>;

/// What stands before and around messages.
pub const FORMS: [(&str, Form); 4] = [
    ("hello", hello::rewritten),
    ("answer to a hello", hello::rewritten_answer),
    ("head", message::rewritten_head),
    ("refusal", rewritten::<Refusal>),
];

/// The bytes of a request or a reply.
pub fn written<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    Some(encode(value).ok()?.to_vec())
}

/// The request or the reply in bytes.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    decode(bytes).ok()
}

/// A request or a reply of this type.
pub fn rewritten<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
    written(&read::<T>(bytes)?)
}

/// A request type with its reply: the name, both forms.
pub const fn forms_of<R: crate::Request>() -> (&'static str, Form, Form) {
    (R::NAME, rewritten::<R>, rewritten::<R::Reply>)
}
