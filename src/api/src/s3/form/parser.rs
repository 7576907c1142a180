//! `multipart/form-data`, as browsers send it, taken apart while it arrives.
//!
//! Always holds: everything before the file is at most [`FIELDS_MAX_BYTES`] (AWS: 20 KB), and of the file no
//! more is held back than could be the beginning of the line that ends it.

use bytes::{Bytes, BytesMut};

/// All of a form but its file.
pub const FIELDS_MAX_BYTES: usize = 20 << 10;
/// Longest boundary (RFC 2046).
const BOUNDARY_MAX_BYTES: usize = 70;
/// The field that is the file.
const FILE_FIELD: &str = "file";

/// What is wrong with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// `MaxPostPreDataLengthExceededError`.
    #[error("Your POST request fields preceding the upload file were too large.")]
    FieldsTooLarge,
    /// `MalformedPOSTRequest`.
    #[error("The body of your POST request is not well-formed multipart/form-data.")]
    Malformed,
    /// `InvalidArgument`: nothing is uploaded.
    #[error("POST requires exactly one file upload per request.")]
    NoFile,
}

/// What comes next in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A field before the file; its name in lower case.
    Field(String, String),
    /// The file begins; the name that it has at the client, without its folders.
    File(String),
    /// Some of its bytes.
    Bytes(Bytes),
    /// It has ended. What follows in the form is ignored, as AWS does.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary, still on its line.
    BoundaryLine,
    /// In the head of a part.
    Head,
    /// In a field.
    Field(String),
    /// In the file.
    File,
    /// Behind it.
    Ended,
}

/// Takes a form's bytes in pieces of any size.
#[derive(Debug)]
pub struct Parser {
    buffer: BytesMut,
    delimiter: Vec<u8>,
    state: State,
    /// Bytes before the file that have gone through.
    consumed: usize,
}

impl Parser {
    /// A parser of a form with this content type; `None` if that is no form's.
    pub fn new(content_type: &str) -> Option<Self> {
        let boundary = boundary_of(content_type)?;
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // So that the first boundary looks like all others.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Some(Self { buffer, delimiter, state: State::Preamble, consumed: 0 })
    }

    /// Takes the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.state != State::Ended {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// What comes next; `None`: more bytes are needed for that.
    pub fn step(&mut self) -> Result<Option<Event>, FormError> {
        loop {
            let event = match self.state.clone() {
                State::Preamble => self.preamble(),
                State::BoundaryLine => self.boundary_line()?,
                State::Head => self.head()?,
                State::Field(name) => self.field(name)?,
                State::File => return Ok(self.file()),
                State::Ended => Step::Event(Event::End),
            };
            match event {
                Step::Event(event) => return Ok(Some(event)),
                Step::Again => {}
                Step::More if self.consumed + self.buffer.len() > FIELDS_MAX_BYTES => {
                    return Err(FormError::FieldsTooLarge);
                }
                Step::More => return Ok(None),
            }
            if self.consumed > FIELDS_MAX_BYTES {
                return Err(FormError::FieldsTooLarge);
            }
        }
    }

    fn drop_front(&mut self, bytes: usize) {
        self.consumed += bytes;
        let _ = self.buffer.split_to(bytes);
    }

    fn preamble(&mut self) -> Step {
        match find(&self.buffer, &self.delimiter) {
            Some(at) => {
                self.drop_front(at + self.delimiter.len());
                self.state = State::BoundaryLine;
                Step::Again
            }
            None => Step::More,
        }
    }

    fn boundary_line(&mut self) -> Result<Step, FormError> {
        if self.buffer.starts_with(b"--") {
            return Err(FormError::NoFile);
        }
        let Some(end) = find(&self.buffer, b"\r\n") else { return Ok(Step::More) };
        if !self.buffer[..end].iter().all(|byte| b" \t".contains(byte)) {
            return Err(FormError::Malformed);
        }
        self.drop_front(end + 2);
        self.state = State::Head;
        Ok(Step::Again)
    }

    fn head(&mut self) -> Result<Step, FormError> {
        let Some(end) = find(&self.buffer, b"\r\n\r\n") else { return Ok(Step::More) };
        let text = std::str::from_utf8(&self.buffer[..end]).map_err(|_| FormError::Malformed)?;
        let (name, file_name) = disposition(text).ok_or(FormError::Malformed)?;
        // The blank line's second half may already begin the boundary of an empty field.
        self.drop_front(end + 2);
        if name == FILE_FIELD {
            self.state = State::File;
            self.drop_front(2);
            return Ok(Step::Event(Event::File(file_name)));
        }
        self.state = State::Field(name);
        Ok(Step::Again)
    }

    fn field(&mut self, name: String) -> Result<Step, FormError> {
        let Some(end) = find(&self.buffer, &self.delimiter) else { return Ok(Step::More) };
        let value = self.buffer.get(2..end).unwrap_or_default();
        let value = std::str::from_utf8(value).map_err(|_| FormError::Malformed)?.to_owned();
        self.drop_front(end + self.delimiter.len());
        self.state = State::BoundaryLine;
        Ok(Step::Event(Event::Field(name, value)))
    }

    fn file(&mut self) -> Option<Event> {
        match find(&self.buffer, &self.delimiter) {
            Some(0) => {
                self.state = State::Ended;
                self.buffer.clear();
                Some(Event::End)
            }
            Some(at) => Some(Event::Bytes(self.buffer.split_to(at).freeze())),
            None => {
                let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                (sure > 0).then(|| Event::Bytes(self.buffer.split_to(sure).freeze()))
            }
        }
    }
}

enum Step {
    Event(Event),
    Again,
    More,
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, mut from) = (*needle.first()?, 0);
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

fn boundary_of(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters_of(parameters).into_iter().find(|(name, _)| name == "boundary")?.1;
    let lengths = 1..=BOUNDARY_MAX_BYTES;
    let plain = boundary.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    (lengths.contains(&boundary.len()) && plain).then_some(boundary)
}

/// The name of a part in lower case and the name of its file, from the lines of its head.
fn disposition(head: &str) -> Option<(String, String)> {
    let value = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (kind, parameters) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let parameters = parameters_of(parameters);
    let find =
        |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let file_name = find("filename").unwrap_or_default();
    let file_name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    Some((find("name")?.to_ascii_lowercase(), file_name.to_owned()))
}

/// `name=value` and `name="value"`, between semicolons; names in lower case.
fn parameters_of(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', '\t', ';']).to_ascii_lowercase();
        let (value, behind) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(';').unwrap_or((after, "")),
        };
        found.push((name, value.trim().to_owned()));
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"b o\"";
    const FORM: &[u8] = b"ignored\r\n--b o\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\nph\r\n-oto\r\n\
        --b o  \r\ncontent-disposition: form-data; name=empty\r\nX: y\r\n\r\n\r\n\
        --b o\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\dir\\a;b.jpg\"\r\nContent-Type: x/y\r\n\r\n\
        one\r\n--b\r\n--b otwo\r\n--b o--\r\nrest";

    /// All events; the file's bytes in one piece.
    fn events(form: &[u8], piece: usize) -> Result<Vec<Event>, FormError> {
        let (mut parser, mut all, mut whole) = (Parser::new(TYPE).unwrap(), Vec::new(), Vec::new());
        for bytes in form.chunks(piece) {
            parser.push(bytes);
            while let Some(event) = parser.step()? {
                match event {
                    Event::Bytes(bytes) => whole.extend_from_slice(&bytes),
                    Event::End => {
                        all.push(Event::Bytes(whole.into()));
                        all.push(Event::End);
                        return Ok(all);
                    }
                    other => all.push(other),
                }
            }
        }
        Ok(all)
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let field = |name: &str, value: &str| Event::Field(name.into(), value.into());
        let end = FORM.windows(7).rposition(|window| window == b"\r\n--b o").unwrap();
        assert_eq!(&FORM[end..], b"\r\n--b o--\r\nrest");
        // The last boundary is the first that stands on a line of its own.
        let wanted = vec![
            field("key", "ph\r\n-oto"),
            field("empty", ""),
            Event::File("a;b.jpg".into()),
            Event::Bytes(Bytes::from_static(b"one\r\n--b")),
            Event::End,
        ];
        for piece in 1..FORM.len() {
            assert_eq!(events(FORM, piece), Ok(wanted.clone()), "{piece}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let head = |head: &str| format!("--b o\r\n{head}\r\n\r\nx\r\n--b o--").into_bytes();
        assert_eq!(events(b"--b o--\r\n", 100), Err(FormError::NoFile));
        assert_eq!(events(&head("Content-Disposition: form-data; name=a"), 100), Err(FormError::NoFile));
        for bad in [
            "Content-Type: a/b",
            "Content-Disposition: attachment; name=a",
            "Content-Disposition: form-data; x=y",
        ] {
            assert_eq!(events(&head(bad), 100), Err(FormError::Malformed), "{bad}");
        }
        assert_eq!(events(b"--b ojunk\r\n", 100), Err(FormError::Malformed));
        let latin = b"--b o\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--b o--";
        assert_eq!(events(latin, 100), Err(FormError::Malformed));
        for bad in [
            "",
            "text/plain; boundary=x",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\u{1}",
        ] {
            assert!(Parser::new(bad).is_none(), "{bad}");
        }
        assert!(Parser::new(&format!("multipart/form-data; boundary={}", "x".repeat(71))).is_none());
    }

    #[test]
    fn fields_that_never_end_are_not_kept() {
        let long = |name: &str| {
            let mut form =
                format!("--b o\r\nContent-Disposition: form-data; name={name}\r\n\r\n").into_bytes();
            form.extend(vec![b'x'; 2 * FIELDS_MAX_BYTES]);
            form
        };
        assert_eq!(events(&long("a"), 1000), Err(FormError::FieldsTooLarge));
        assert_eq!(events(&vec![b'-'; 2 * FIELDS_MAX_BYTES], 1000), Err(FormError::FieldsTooLarge));
        let many = b"--b o\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n".repeat(1000);
        assert_eq!(events(&many, many.len()), Err(FormError::FieldsTooLarge));
        // Only the file may be long, and it is passed on as it comes.
        let mut parser = Parser::new(TYPE).unwrap();
        parser.push(&long("file"));
        let mut held = 0;
        while let Some(event) = parser.step().unwrap() {
            if let Event::Bytes(bytes) = event {
                held += bytes.len();
            }
        }
        assert!(parser.buffer.len() < 10 && held > FIELDS_MAX_BYTES);
    }
}
