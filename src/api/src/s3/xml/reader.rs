//! Walks a request's XML body element by element, inside fixed limits.
//!
//! Why not a deserializer: the limits must hold while reading, and an answer must say which element is wrong.
//! Always holds: the body is measured before it is read; a document type, an entity that is not one of XML's
//! five, a second root and an element that the caller did not name are errors; text is taken exactly (with
//! XML's line-end rule), so that a key keeps its blanks and control characters.
//!
//! Deliberately lenient: any namespace or none, any prefix, and character references to control characters,
//! since a client must be able to delete the keys that a listing showed it.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Deepest nesting; S3's deepest body (lifecycle rules) needs 6.
pub(super) const DEPTH_MAX: usize = 16;

/// What one kind of body may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Bytes of the whole body.
    pub bytes_max: usize,
    /// Elements in the whole body.
    pub elements_max: usize,
}

/// Why a body was refused; each variant is a different answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// `MaxMessageLengthExceeded`.
    #[error("Your request was too big: this body may have {limit_bytes} bytes.")]
    TooLarge {
        /// Bytes this kind of body may have.
        limit_bytes: usize,
    },
    /// `MalformedXML`.
    #[error(
        "The XML you provided was not well-formed or did not validate against our published schema: {0}."
    )]
    Malformed(XmlFault),
    /// `InvalidArgument`.
    #[error("Part number must be an integer between 1 and 10000, inclusive")]
    PartNumberOutOfRange,
    /// `NotImplemented`: the element asks for something that must not be ignored and is not there.
    #[error("The element {element} implies functionality that is not implemented.")]
    NotImplemented {
        /// Which element.
        element: &'static str,
    },
}

/// What is wrong with a malformed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlFault {
    /// The bytes are not UTF-8, or the declaration names another encoding.
    #[error("the body must be UTF-8")]
    NotUtf8,
    /// Not well-formed.
    #[error("syntax error near byte {offset_bytes}")]
    Syntax {
        /// Where reading stopped.
        offset_bytes: u64,
    },
    /// `<!DOCTYPE …>`.
    #[error("a document type is not allowed")]
    DocumentType,
    /// `&name;` that is none of XML's five, or a reference to no character.
    #[error("unknown entity or character reference")]
    UnknownReference,
    /// A zero byte.
    #[error("the character U+0000 is not allowed")]
    ZeroByte,
    /// Nested too deep.
    #[error("more than {limit} levels of elements")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// Too many elements in the body.
    #[error("more than {limit} elements")]
    TooManyElements {
        /// Elements allowed.
        limit: usize,
    },
    /// Too many of one element.
    #[error("more than {limit} {element} elements")]
    TooManyItems {
        /// Which element.
        element: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// The body is not this document.
    #[error("the root element must be {expected}")]
    WrongRoot {
        /// The root that this operation needs.
        expected: &'static str,
    },
    /// An element that has no place there.
    #[error("unexpected element near byte {offset_bytes}")]
    UnexpectedElement {
        /// Where it stands.
        offset_bytes: u64,
    },
    /// Text where only elements may be, or after the root.
    #[error("unexpected text near byte {offset_bytes}")]
    UnexpectedText {
        /// Where it stands.
        offset_bytes: u64,
    },
    /// A required element is missing or empty.
    #[error("{element} is missing")]
    Missing {
        /// Which element.
        element: &'static str,
    },
    /// An element that may stand once stands twice.
    #[error("{element} is repeated")]
    Repeated {
        /// Which element.
        element: &'static str,
    },
    /// An element's text cannot be read.
    #[error("{element} has no valid value")]
    BadValue {
        /// Which element.
        element: &'static str,
    },
}

impl From<XmlFault> for XmlError {
    fn from(fault: XmlFault) -> Self {
        Self::Malformed(fault)
    }
}

/// A body being walked. The caller is always inside one element.
pub(super) struct BodyReader<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    elements: usize,
    elements_max: usize,
}

impl<'a> BodyReader<'a> {
    /// Enters the root element, which must have this name.
    pub fn enter(body: &'a [u8], limits: BodyLimits, root: &'static str) -> Result<Self, XmlError> {
        if body.len() > limits.bytes_max {
            return Err(XmlError::TooLarge { limit_bytes: limits.bytes_max });
        }
        let text = std::str::from_utf8(body).map_err(|_| XmlFault::NotUtf8)?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        if text.contains('\0') {
            return Err(XmlFault::ZeroByte.into());
        }
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut walk = Self { reader, depth: 0, elements: 0, elements_max: limits.elements_max };
        match walk.next_child(&[root]) {
            Ok(Some(_)) => Ok(walk),
            Ok(None) => Err(XmlFault::Missing { element: root }.into()),
            Err(XmlError::Malformed(XmlFault::UnexpectedElement { .. })) => {
                Err(XmlFault::WrongRoot { expected: root }.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Enters the next element inside the current one and says which of `known` it is; `None` when the
    /// current one has ended, and with it the caller is one level up.
    pub fn next_child(&mut self, known: &[&'static str]) -> Result<Option<&'static str>, XmlError> {
        loop {
            match self.event()? {
                Event::Start(start) => return self.enter_child(&start, known).map(Some),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(None);
                }
                Event::Eof if self.depth == 0 => return Ok(None),
                Event::Text(text) if text.chars().all(is_blank) => {}
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(declaration) => self.check_declaration(&declaration)?,
                Event::DocType(_) => return Err(XmlFault::DocumentType.into()),
                Event::Eof | Event::Empty(_) => return Err(self.syntax()),
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(XmlFault::UnexpectedText { offset_bytes: self.offset_bytes() }.into());
                }
            }
        }
    }

    /// The text of the current element, and leaves it. It must hold no elements.
    pub fn text(&mut self) -> Result<String, XmlError> {
        let mut content = String::new();
        loop {
            match self.event()? {
                Event::Text(text) => content.push_str(&text.xml10_content()),
                Event::CData(text) => content.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => content.push(resolve(&reference)?),
                Event::Comment(_) | Event::PI(_) => {}
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(content);
                }
                Event::Start(_) => {
                    return Err(XmlFault::UnexpectedElement { offset_bytes: self.offset_bytes() }.into());
                }
                Event::DocType(_) => return Err(XmlFault::DocumentType.into()),
                Event::Decl(_) | Event::Eof | Event::Empty(_) => return Err(self.syntax()),
            }
        }
    }

    /// [`BodyReader::text`] of an element that may stand once; `slot` is where it goes.
    pub fn text_once(&mut self, element: &'static str, slot: &mut Option<String>) -> Result<(), XmlError> {
        if slot.is_some() {
            return Err(XmlFault::Repeated { element }.into());
        }
        *slot = Some(self.text()?);
        Ok(())
    }

    /// Call when the root has been left: nothing but blanks and comments may follow.
    pub fn finish(mut self) -> Result<(), XmlError> {
        self.next_child(&[]).map(|_| ())
    }

    fn event(&mut self) -> Result<Event<'a>, XmlError> {
        let event = self.reader.read_event();
        event.map_err(|_| XmlFault::Syntax { offset_bytes: self.reader.error_position() }.into())
    }

    fn enter_child(
        &mut self,
        start: &BytesStart<'_>,
        known: &[&'static str],
    ) -> Result<&'static str, XmlError> {
        self.elements += 1;
        if self.elements > self.elements_max {
            return Err(XmlFault::TooManyElements { limit: self.elements_max }.into());
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(XmlFault::TooDeep { limit: DEPTH_MAX }.into());
        }
        // Only the form of attributes is looked at (no check for repeats, which would cost quadratic time):
        // no S3 body has one that means anything, and namespaces are deliberately not compared.
        if start.attributes().with_checks(false).any(|attribute| attribute.is_err()) {
            return Err(self.syntax());
        }
        let name = start.local_name();
        let found = known.iter().find(|known| known.as_bytes() == bytes_of(&name));
        found.copied().ok_or_else(|| XmlFault::UnexpectedElement { offset_bytes: self.offset_bytes() }.into())
    }

    fn check_declaration(&self, declaration: &quick_xml::events::BytesDecl<'_>) -> Result<(), XmlError> {
        if self.elements > 0 {
            return Err(self.syntax());
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name)) if is_utf8_name(&name) => Ok(()),
            Some(_) => Err(XmlFault::NotUtf8.into()),
        }
    }

    fn syntax(&self) -> XmlError {
        XmlFault::Syntax { offset_bytes: self.offset_bytes() }.into()
    }

    fn offset_bytes(&self) -> u64 {
        self.reader.buffer_position()
    }
}

fn bytes_of<'n>(name: &'n quick_xml::name::LocalName<'_>) -> &'n [u8] {
    name.as_ref().as_ref()
}

/// US-ASCII is a part of UTF-8, and the body has been checked to be UTF-8.
fn is_utf8_name(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// One of XML's five entities, or a character by its number; quick-xml refuses number 0 itself.
fn resolve(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| XmlFault::UnknownReference)? {
        return Ok(character);
    }
    match &**reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(XmlFault::UnknownReference.into()),
    }
}
