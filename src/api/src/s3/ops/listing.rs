//! What the listing operations share: parameters and entries.

use crate::checksum::{ChecksumAlgorithm, ChecksumType};
use crate::s3::error::S3Error;
use crate::s3::head::Head;
use crate::s3::parameters::{OWNER_ID, OWNER_NAME};
use crate::s3::xml::{KeyEncoding, ObjectEntry, Owner};
use base::limits::LIST_PAGE_MAX;
use model::listing::{ListEntry, ListPage, Listed};
use model::rows::upload::UploadRow;

/// The one owner of everything.
pub fn owner() -> Owner {
    Owner { id: OWNER_ID.to_owned(), display_name: OWNER_NAME.to_owned() }
}

/// The access key that began an upload.
pub fn initiator(upload: &UploadRow) -> Owner {
    Owner { id: upload.initiator.clone(), display_name: upload.initiator.clone() }
}

/// Algorithm and type of the checksum that was announced for an upload.
pub fn announced_checksum(upload: &UploadRow) -> (Option<String>, Option<String>) {
    announced(upload.checksum)
}

/// Names of an algorithm and a type, as they are stored.
fn announced(checksum: Option<(u8, bool)>) -> (Option<String>, Option<String>) {
    let Some((code, composite)) = checksum else { return (None, None) };
    let algorithm = ChecksumAlgorithm::from_code(code).map(|algorithm| algorithm.name().to_owned());
    let kind = if composite { ChecksumType::Composite } else { ChecksumType::FullObject };
    (algorithm, Some(kind.name().to_owned()))
}

/// The page size that was asked for, and the one that is used.
pub fn page_size(head: &Head, parameter: &str) -> Result<(u64, usize), S3Error> {
    let asked = head.number(parameter, i32::MAX as u64)?.unwrap_or(LIST_PAGE_MAX as u64);
    let shown = asked.min(LIST_PAGE_MAX as u64);
    Ok((shown, shown as usize))
}

/// How keys are to be written.
pub fn encoding(head: &Head) -> Result<KeyEncoding, S3Error> {
    match head.parameter("encoding-type") {
        None => Ok(KeyEncoding::Raw),
        Some("url") => Ok(KeyEncoding::Url),
        Some(other) => {
            let message = "Invalid Encoding Method specified in Request";
            Err(S3Error::invalid_argument("encoding-type", other, message))
        }
    }
}

/// A page's keys and prefixes, apart, as answers list them.
pub fn split(page: ListPage, show_owner: bool) -> (Vec<ObjectEntry>, Vec<String>) {
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            ListEntry::Object(listed) => contents.push(object_entry(listed, show_owner)),
            ListEntry::Prefix(prefix) => prefixes.push(prefix),
        }
    }
    (contents, prefixes)
}

/// An object as listings show it.
pub fn object_entry(listed: Listed, show_owner: bool) -> ObjectEntry {
    let (checksum_algorithm, checksum_type) =
        announced(listed.checksum.as_ref().map(|sum| (sum.algorithm, sum.composite)));
    ObjectEntry {
        key: listed.key,
        last_modified_ms: listed.modified.wall().millis(),
        etag: listed.etag.to_string(),
        checksum_algorithm,
        checksum_type,
        size_bytes: listed.size,
        owner: show_owner.then(owner),
        storage_class: "STANDARD".to_owned(),
    }
}
