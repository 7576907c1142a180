//! What the request that began an upload said of its object, as policies ask for it where parts are sent and the
//! upload is completed: those requests say nothing of it themselves, and AWS judges them by the upload.
//!
//! The upload's row keeps what became of the headers, not the headers: where several could have been sent, each
//! is a reading, and the one that is best for the caller counts. The first request was judged by what it said.

use super::acl;
use super::encryption;
use super::lock;
use super::policy::Facts;
use model::rows::upload::UploadRow;

/// Headers of a request.
pub type Headers = Vec<(String, String)>;

/// The header with the class in which an object is stored.
pub const STORAGE_CLASS: &str = "x-amz-storage-class";

/// The facts of a request about an upload, together with all that the one may have said that began it.
pub fn readings(facts: &Facts, upload: &UploadRow) -> Vec<Facts> {
    let mut own = facts.clone();
    own.request_tags.clone_from(&upload.tags);
    tell(&mut own, upload.lock.as_ref().map(lock::as_headers).unwrap_or_default());
    let lists = acl::as_headers(upload.acl.as_ref());
    let encryptions = encryption::as_headers(upload.encryption.as_deref());
    // There is one class, which nobody needs to name.
    let classes: [Headers; 2] = [Vec::new(), vec![(STORAGE_CLASS.to_owned(), "STANDARD".to_owned())]];
    let mut readings = vec![own];
    for choices in [lists.as_slice(), encryptions.as_slice(), classes.as_slice()] {
        readings =
            readings.iter().flat_map(|facts| choices.iter().map(|choice| told(facts, choice))).collect();
    }
    readings
}

fn told(facts: &Facts, headers: &Headers) -> Facts {
    let mut facts = facts.clone();
    tell(&mut facts, headers.clone());
    facts
}

fn tell(facts: &mut Facts, headers: Headers) {
    for (name, value) in headers {
        facts.headers.retain(|(known, _)| *known != name);
        facts.headers.push((name, value));
    }
}
