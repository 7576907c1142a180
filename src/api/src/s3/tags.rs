//! Tags of objects and buckets: how many, how long, of which characters, and the header that carries them.

use super::error::{S3Code, S3Error};
use super::head::{Head, decode_query};
use std::collections::BTreeSet;

/// Tags of one object (AWS: 10).
pub const OBJECT_TAGS_MAX: usize = 10;
/// Tags of one bucket (AWS: 50).
pub const BUCKET_TAGS_MAX: usize = 50;
/// Longest key and value in characters (AWS: 128 and 256).
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;
/// Keys that begin with this are AWS's own.
const RESERVED: &str = "aws:";

/// The header that carries an object's tags.
pub const HEADER: &str = "x-amz-tagging";

/// The tags that a request gives an object it writes; none without the header.
pub fn of_object(head: &Head) -> Result<Vec<(String, String)>, S3Error> {
    let Some(text) = head.header(HEADER) else { return Ok(Vec::new()) };
    let tags = decode_query(&text).ok();
    let tags = tags.filter(|tags| are_unique(tags)).ok_or_else(|| {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        S3Error::invalid_argument(HEADER, text.as_str(), message)
    })?;
    check_object(&tags)?;
    Ok(tags)
}

/// Refuses tags that an object cannot have.
pub fn check_object(tags: &[(String, String)]) -> Result<(), S3Error> {
    if tags.len() > OBJECT_TAGS_MAX {
        let message = format!("Object tags cannot be greater than {OBJECT_TAGS_MAX}");
        return Err(S3Error::with_message(S3Code::BadRequest, message));
    }
    check_each(tags)
}

/// Refuses tags that a bucket cannot have.
pub fn check_bucket(tags: &[(String, String)]) -> Result<(), S3Error> {
    if tags.len() > BUCKET_TAGS_MAX {
        let message = format!("Bucket tag count cannot be greater than {BUCKET_TAGS_MAX}");
        return Err(S3Error::with_message(S3Code::BadRequest, message));
    }
    check_each(tags)
}

/// Refuses tags that no object can have.
pub fn check_filter(tags: &[(String, String)]) -> Result<(), S3Error> {
    check_each(tags)
}

fn check_each(tags: &[(String, String)]) -> Result<(), S3Error> {
    let invalid =
        |message, key: &str| Err(S3Error::with_message(S3Code::InvalidTag, message).field("TagKey", key));
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > KEY_MAX || !key.chars().all(is_allowed) {
            return invalid("The TagKey you have provided is invalid", key);
        }
        if key.starts_with(RESERVED) {
            return invalid("System tags cannot be added/updated by requester", key);
        }
        if value.chars().count() > VALUE_MAX || !value.chars().all(is_allowed) {
            return invalid("The TagValue you have provided is invalid", key);
        }
    }
    if are_unique(tags) { Ok(()) } else { invalid("Cannot provide multiple Tags with the same key", "") }
}

fn are_unique(tags: &[(String, String)]) -> bool {
    tags.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len() == tags.len()
}

/// Letters and digits of any script, blanks, and a few signs.
fn is_allowed(character: char) -> bool {
    character.is_alphanumeric()
        || (character.is_whitespace() && !character.is_control())
        || "+-=._:/@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Vec<(String, String)> {
        vec![(key.to_owned(), value.to_owned())]
    }

    #[test]
    fn tags_are_counted_in_characters_and_of_allowed_ones() {
        let long = |letter: &str, count: usize| letter.repeat(count);
        for good in [tag("k", ""), tag(&long("ä", 128), &long("日", 256)), tag("a b+-=._:/@", "é\u{a0}1")]
        {
            assert_eq!(check_object(&good), Ok(()), "{good:?}");
        }
        let bad = [
            tag("", "v"),
            tag(&long("a", 129), "v"),
            tag("k", &long("v", 257)),
            tag("k!", "v"),
            tag("k", "v\n"),
            tag("k", "\u{0}"),
            tag("aws:k", "v"),
            [tag("k", "1"), tag("k", "2")].concat(),
        ];
        for bad in bad {
            assert_eq!(check_bucket(&bad).map_err(|error| error.code), Err(S3Code::InvalidTag), "{bad:?}");
        }
    }

    #[test]
    fn an_object_has_ten_tags_and_a_bucket_fifty() {
        let many =
            |count: usize| (0..count).flat_map(|number| tag(&number.to_string(), "")).collect::<Vec<_>>();
        let code = |outcome: Result<(), S3Error>| outcome.map_err(|error| error.code);
        assert_eq!(check_object(&many(10)), Ok(()));
        assert_eq!(code(check_object(&many(11))), Err(S3Code::BadRequest));
        assert_eq!(check_bucket(&many(50)), Ok(()));
        assert_eq!(code(check_bucket(&many(51))), Err(S3Code::BadRequest));
    }
}
