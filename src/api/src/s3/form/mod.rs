//! Uploads by an HTML form: its fields stand for the head of a PutObject, its policy for the signature.
//!
//! Only here a body is read before it is known who sends it: its fields, which are bounded. The file is
//! touched only after the caller was found, allowed, and everything in the form was judged, as everywhere.
//!
//! Always holds: who has nothing but the form says nothing about the object beside it. A policy speaks of fields, so
//! that no header and no query of the request that carries the form gives the object anything.

mod parser;
mod policy;

pub use parser::{Event, FIELDS_MAX_BYTES, FormError, Parser};
pub use policy::PostPolicy;

use super::error::{S3Code, S3Error};
use super::head::Head;
use super::intake::Incoming;
use super::xml::Tagging;
use crate::body::{BodyPlan, Decoder};
use crate::signature::Verified;
use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, IF_MATCH, IF_NONE_MATCH, ORIGIN, REFERER,
    USER_AGENT,
};
use http::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::RangeInclusive;

/// Bytes behind the file that are read to the end of the form.
const REST_MAX_BYTES: usize = 64 << 10;
/// What a key may hold for the name of the file.
const FILE_NAME: &str = "${filename}";
/// Fields that stand for a header of the same name.
const HEADERS: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];
/// Headers of the request that carries a form which say something beside it: where it comes from, and what it is to
/// fail by.
const KEPT: [HeaderName; 8] = [
    HOST,
    ORIGIN,
    REFERER,
    USER_AGENT,
    IF_MATCH,
    IF_NONE_MATCH,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("x-amz-expected-bucket-owner"),
];
/// Fields that are about the form's own signature.
const SIGNATURE: [&str; 4] = ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"];

/// The fields of a form before its file, names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Takes a field in. One that stands there already has both values, with a comma between them, as on AWS: nobody
    /// sees one of them without the other.
    fn add(&mut self, name: String, value: &str) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = format!("{known},{value}"),
            None => self.0.push((name, value.to_owned())),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// A form that was read up to its file.
#[derive(Debug)]
pub struct Form {
    parser: Parser,
    decoder: Decoder,
    /// What stands before the file.
    pub fields: Fields,
    /// How long the file may be.
    pub length: RangeInclusive<u64>,
    /// Bytes of the body that have not come yet, if the request says how many there are.
    left_bytes: Option<u64>,
}

impl Form {
    /// Reads a form up to its file.
    pub async fn open(
        head: &Head,
        verified: Option<&Verified>,
        incoming: &mut Incoming,
    ) -> Result<Self, S3Error> {
        let content_type = head.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let parser = Parser::new(&content_type).ok_or_else(|| {
            let message = "Bucket POST must be of the enclosure-type multipart/form-data";
            S3Error::with_message(S3Code::PreconditionFailed, message)
        })?;
        let decoder = BodyPlan::from_request(&head.headers, verified)?.into_decoder();
        let left_bytes = head.header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
        let (fields, length) = (Fields::default(), 0..=u64::MAX);
        let mut form = Self { parser, decoder, fields, length, left_bytes };
        loop {
            match form.next(incoming).await? {
                Event::Field(name, value) => form.fields.add(name, &value),
                Event::File(file_name) => {
                    form.name_file(&file_name);
                    return Ok(form);
                }
                Event::Bytes(_) | Event::End => return Err(FormError::Malformed.into()),
            }
        }
    }

    /// Puts the file's name where the form wants it.
    fn name_file(&mut self, file_name: &str) {
        for (name, value) in &mut self.fields.0 {
            if name == "key" || name.starts_with("x-amz-meta-") {
                *value = value.replace(FILE_NAME, file_name);
            }
        }
    }

    async fn next(&mut self, incoming: &mut Incoming) -> Result<Event, S3Error> {
        loop {
            if let Some(event) = self.parser.step()? {
                return Ok(event);
            }
            let bytes = incoming.next().await?.ok_or(FormError::Malformed)?;
            self.left_bytes = self.left_bytes.map(|left| left.saturating_sub(bytes.len() as u64));
            let mut pieces = Vec::new();
            self.decoder.push(bytes, &mut pieces)?;
            pieces.iter().for_each(|piece| self.parser.push(piece));
        }
    }

    /// How long the file is at least, as far as that is known before it is read.
    pub fn file_bytes_min(&self) -> u64 {
        let coming = self.left_bytes.unwrap_or_default().saturating_sub(REST_MAX_BYTES as u64);
        coming.max(*self.length.start())
    }

    /// The next bytes of the file; `None` at its end.
    pub async fn file_bytes(&mut self, incoming: &mut Incoming) -> Result<Option<Bytes>, S3Error> {
        match self.next(incoming).await? {
            Event::Bytes(bytes) => Ok(Some(bytes)),
            _ => Ok(None),
        }
    }

    /// Reads what is left of the form, and makes the last checks on its bytes.
    pub async fn finish(mut self, incoming: &mut Incoming) -> Result<(), S3Error> {
        let mut left = REST_MAX_BYTES;
        while let Some(bytes) = incoming.next().await? {
            left = left.checked_sub(bytes.len()).ok_or(FormError::Malformed)?;
            self.decoder.push(bytes, &mut Vec::new())?;
        }
        self.decoder.finish()?;
        Ok(())
    }

    /// Makes the form's fields the head of the request: the key and the headers of the object. Other headers stay only
    /// if the request `is_signed` itself.
    pub fn fill(&self, head: &mut Head, is_signed: bool) -> Result<(), S3Error> {
        let key = self.fields.get("key").filter(|key| !key.is_empty()).ok_or_else(|| {
            let message = "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.";
            S3Error::invalid_argument("key", "", message)
        })?;
        if key.len() > base::limits::OBJECT_KEY_MAX_BYTES {
            return Err(S3Code::KeyTooLongError.into());
        }
        head.key = Some(key.to_owned());
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, EXPECT] {
            head.headers.remove(name);
        }
        if !is_signed {
            let kept =
                KEPT.into_iter().filter_map(|name| Some((name.clone(), head.headers.get(&name)?.clone())));
            head.headers = kept.collect();
        }
        for (name, value) in &self.fields.0 {
            let header = match name.as_str() {
                "acl" => "x-amz-acl",
                "tagging" => "x-amz-tagging",
                name if SIGNATURE.contains(&name) => continue,
                name if HEADERS.contains(&name) || name.starts_with("x-amz-") => name,
                _ => continue,
            };
            let value = if name == "tagging" { tags_as_header(value)? } else { value.clone() };
            let pair = HeaderName::try_from(header).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
            let message = "The value is not a header value";
            let (header, value) = pair.ok_or_else(|| S3Error::invalid_argument(name, value, message))?;
            head.headers.insert(header, value);
        }
        Ok(())
    }
}

/// The tags of a form are the document of PutObjectTagging.
fn tags_as_header(document: &str) -> Result<String, S3Error> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let tags = Tagging::parse(document.as_bytes())?.tags;
    let pairs: Vec<String> =
        tags.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
    Ok(pairs.join("&"))
}

impl From<FormError> for S3Error {
    fn from(error: FormError) -> Self {
        let code = match error {
            FormError::FieldsTooLarge => S3Code::MaxPostPreDataLengthExceededError,
            FormError::Malformed => S3Code::MalformedPOSTRequest,
            FormError::NoFile => S3Code::InvalidArgument,
        };
        Self::with_message(code, error.to_string())
    }
}
