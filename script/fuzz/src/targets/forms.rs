//! What all targets of forms ask: bytes are refused, or what was read of them is written, and read again it is the same.

use super::meter;

/// Reads bytes and writes what it read; `None`: they are refused.
pub type Form = fn(&[u8]) -> Option<Vec<u8>>;

/// How much memory reading and writing may take: fixed, and for each byte of the input.
pub type Memory = (usize, usize);

/// One input of one form.
pub fn check(name: &str, form: Form, (fixed, per_byte): Memory, input: &[u8]) {
    let Some(written) = meter::within(fixed + per_byte * input.len(), || form(input)) else { return };
    match form(&written) {
        Some(again) => assert_eq!(again, written, "{name}: written and read it is something else"),
        None => panic!("{name}: what was written is refused"),
    }
}
