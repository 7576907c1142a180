//! Target `form`: `multipart/form-data`, as browsers send it.
//!
//! The first byte says in what pieces it arrives, the second which boundary it has. What must hold for every input: no
//! panic; memory bounded beyond the file itself; the outcome does not depend on how the form is cut.

use super::meter;
use api::s3::form::{Event, FIELDS_MAX_BYTES, FormError, Parser};

/// The fields, twice (grown by doubling and as strings of their own), the pieces of the file, and the buffer.
const MEMORY_LIMIT_BYTES: usize = 8 * FIELDS_MAX_BYTES;
const MEMORY_PER_BODY_BYTE: usize = 256;

/// Fields in their order, the file's name and its bytes.
type Outcome = Result<(Vec<(String, String)>, Option<String>, Vec<u8>, bool), FormError>;

/// One form.
pub fn check(input: &[u8]) {
    let Some((&[cut, boundary], body)) = input.split_first_chunk::<2>() else { return };
    let content_type = match boundary % 3 {
        0 => "multipart/form-data; boundary=b",
        1 => "multipart/form-data; boundary=\"----WebKitFormBoundary7MA4YWxkTrZu0gW\"",
        _ => "multipart/form-data; charset=utf-8; boundary=--",
    };
    let memory = MEMORY_LIMIT_BYTES + MEMORY_PER_BODY_BYTE * body.len();
    let (whole, cut) = meter::within(2 * memory, || {
        (read(content_type, body, body.len().max(1)), read(content_type, body, usize::from(cut) + 1))
    });
    // A form that is too large may be found so earlier where it comes in one piece.
    match (&whole, &cut) {
        (Err(FormError::FieldsTooLarge), _) | (_, Err(FormError::FieldsTooLarge)) => {}
        _ => assert_eq!(whole, cut),
    }
}

fn read(content_type: &str, body: &[u8], piece_bytes: usize) -> Outcome {
    let mut parser = Parser::new(content_type).expect("a form");
    let (mut fields, mut name, mut file) = (Vec::new(), None, Vec::new());
    for piece in body.chunks(piece_bytes) {
        parser.push(piece);
        while let Some(event) = parser.step()? {
            match event {
                Event::Field(name, value) => fields.push((name, value)),
                Event::File(given) => name = Some(given),
                Event::Bytes(bytes) => file.extend_from_slice(&bytes),
                Event::End => return Ok((fields, name, file, true)),
            }
        }
    }
    // What is held back at the end could have been the beginning of the line that ends the file.
    Ok((fields, name, file, false))
}
