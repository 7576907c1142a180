//! Encryption by the server, as requests ask for it and answers show it.
//!
//! Who may read is decided before; here a key is found for who writes, and shown by who reads. What always holds:
//!
//! - a request that asks for encryption gets what it asks for, or an error: never less;
//! - the customer's key stands in no answer, no error and no log;
//! - tags of objects whose key the client keeps or names tell nothing of the content, as on AWS; those of the
//!   service's own encryption are MD5, which clients rely on.

use super::begun::Headers;
use super::error::{S3Code, S3Error};
use super::head::Head;
use super::metadata;
use super::operation::{Call, NamedBucket};
use super::reply::Reply;
use super::settings;
use super::xml::EncryptionConfiguration;
use crate::checksum::ObjectChecksum;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderName;
use md5::{Digest, Md5};
use model::encryption::cipher::Key;
use model::encryption::ring::{NAME_MAX_BYTES, OWN_NAME};
use model::encryption::{Wish, keep_checksum, unwrap_by_customer};
use model::multipart::{Completion, Part, UploadName};
use model::objects::Found;
use model::rows::bucket::{BucketRow, Setting};
use model::rows::encryption::{Encryption, Keeper};
use model::rows::object::Checksum;
use model::{Model, ModelError};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use subtle::ConstantTimeEq;

const METHOD: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KMS_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const BUCKET_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-bucket-key-enabled");
const CUSTOMER_METHOD: HeaderName =
    HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");
const CUSTOMER_MD5: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-customer-key-md5");
/// What stands before the names of the customer's headers: for what is written or read, and for the source of a copy.
const OF_OBJECT: &str = "x-amz-server-side-encryption-customer-";
const OF_SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer-";
/// The one algorithm of AWS.
const AES: &str = "AES256";
const KMS: &str = "aws:kms";

const NEEDS_KEY: &str = "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.";

/// A key that came with the request.
struct Customer {
    key: Key,
    md5_base64: String,
}

/// What a body that is about to be written is sealed with.
pub struct Sealing {
    data_key: Key,
    encryption: Encryption,
    customer_md5: Option<String>,
}

/// A place in a bucket: what a data key is bound to.
pub type Place<'a> = (base::Id<base::id::kind::Bucket>, &'a str);

/// What the body of a new object, or of the parts of a new upload, is to be sealed with.
pub async fn of_new(call: &Call) -> Result<Option<Sealing>, S3Error> {
    let Some((wish, customer_md5)) = wished(call)? else { return Ok(None) };
    let place = (call.bucket()?.id, call.head.object_key()?);
    let wrapping = call.api.model.new_data_key(place, &wish).await?;
    Ok(Some(Sealing { data_key: wrapping.data_key, encryption: wrapping.encryption, customer_md5 }))
}

/// What a copy is to be sealed with, and whether the source's bytes will do as they are stored.
pub async fn of_copy(
    call: &Call,
    source: &Opened,
    found: &Found,
) -> Result<(Option<Sealing>, bool), S3Error> {
    let wished = wished(call)?;
    let (Some(from), Some(data_key)) = (&found.object.rare.encryption, found.data_key()?) else {
        let sealing = if wished.is_some() { of_new(call).await? } else { None };
        let is_plain = sealing.is_none();
        return Ok((sealing, is_plain));
    };
    let Some((wish, customer_md5)) = wished else { return Ok((None, false)) };
    let is_kept = match (&from.keeper, &wish) {
        (Keeper::Customer, Wish::Customer(key)) => source.customer_key.as_ref() == Some(key),
        (Keeper::Service(_), Wish::Service) => true,
        (Keeper::Named { name: old, .. }, Wish::Named { name, .. }) => {
            name.as_deref().unwrap_or(OWN_NAME) == old
        }
        _ => false,
    };
    if !is_kept {
        return Ok((of_new(call).await?, false));
    }
    // The bytes stay, and with them their key, which is wrapped anew: by the newest key, for the new place.
    let place = (call.bucket()?.id, call.head.object_key()?);
    let wrapping = call.api.model.wrap(place, &wish, data_key.clone()).await?;
    let (data_key, encryption) = (wrapping.data_key, wrapping.encryption);
    Ok((Some(Sealing { data_key, encryption, customer_md5 }), true))
}

/// What a part of an upload is to be sealed with.
pub async fn of_part(
    call: &Call,
    place: Place<'_>,
    upload: Option<&Encryption>,
) -> Result<Option<Sealing>, S3Error> {
    let customer = customer(&call.head, OF_OBJECT)?;
    let refuse = |message: &'static str| Err(S3Error::with_message(S3Code::InvalidRequest, message));
    let (encryption, customer) = match (upload, customer) {
        (None, None) => return Ok(None),
        (Some(encryption), customer) => (encryption, customer),
        (None, Some(_)) => {
            return refuse(
                "The multipart upload initiate did not request encryption. Please resend the request without the encryption parameters.",
            );
        }
    };
    let data_key = match (&encryption.keeper, &customer) {
        (Keeper::Customer, Some(customer)) => match unwrap_by_customer(encryption, place, &customer.key) {
            Err(ModelError::WrongCustomerKey) => {
                return refuse("The provided encryption parameters did not match the ones used originally.");
            }
            data_key => data_key?,
        },
        (Keeper::Customer, None) => return refuse(NEEDS_KEY),
        (_, Some(_)) => return refuse("The encryption parameters are not applicable to this upload."),
        (_, None) => call.api.model.unwrap_by_ring(encryption, place).await.map_err(ModelError::from)?,
    };
    let customer_md5 = customer.map(|customer| customer.md5_base64);
    Ok(Some(Sealing { data_key, encryption: encryption.clone(), customer_md5 }))
}

impl Sealing {
    /// What seals the body.
    pub fn data_key(sealing: Option<&Self>) -> Option<&Key> {
        sealing.map(|sealing| &sealing.data_key)
    }

    /// What the entry says of it.
    pub fn stored(sealing: Option<&Self>) -> Option<Encryption> {
        sealing.map(|sealing| sealing.encryption.clone())
    }

    /// What stands in the tag for the MD5 of the content.
    pub fn tag(sealing: Option<&Self>, md5: [u8; 16]) -> [u8; 16] {
        match sealing {
            Some(sealing) if sealing.is_blind() => sealing.data_key.blind(md5),
            _ => md5,
        }
    }

    /// A checksum as it is stored beside the body: sealed too, where only the customer has the key.
    pub fn stored_checksum(sealing: Option<&Self>, call: &Call, sum: &ObjectChecksum) -> Checksum {
        let plain = metadata::stored_checksum(sum);
        match sealing {
            Some(Self { data_key, encryption, .. }) => {
                keep_checksum((data_key, encryption), call.api.model.env().rng.as_ref(), plain)
            }
            None => plain,
        }
    }

    /// Whether nothing of the content is to be kept that the client does not ask for.
    pub fn is_blind(&self) -> bool {
        !matches!(self.encryption.keeper, Keeper::Service(_))
    }

    /// Says in the answer how the body was sealed.
    pub fn show(sealing: Option<&Self>, reply: &mut Reply) {
        if let Some(sealing) = sealing {
            show(reply, &sealing.encryption, sealing.customer_md5.as_deref());
        }
    }
}

/// An object that may be read.
#[derive(Default)]
pub struct Opened {
    customer_key: Option<Key>,
    customer_md5: Option<String>,
}

impl Opened {
    /// Says in the answer how the object is encrypted.
    pub fn show(&self, reply: &mut Reply, found: &Found) {
        if let Some(encryption) = &found.object.rare.encryption {
            show(reply, encryption, self.customer_md5.as_deref());
        }
    }
}

/// Opens an object for who reads it, with the key that the request brings, if the object needs one.
pub fn open(head: &Head, place: Place<'_>, found: &mut Found) -> Result<Opened, S3Error> {
    open_with(customer(head, OF_OBJECT)?, place, found)
}

/// The same for the source of a copy.
pub fn open_source(head: &Head, place: Place<'_>, found: &mut Found) -> Result<Opened, S3Error> {
    open_with(customer(head, OF_SOURCE)?, place, found)
}

fn open_with(customer: Option<Customer>, place: Place<'_>, found: &mut Found) -> Result<Opened, S3Error> {
    let keeper = found.object.rare.encryption.as_ref().map(|encryption| &encryption.keeper);
    match (keeper, customer) {
        (Some(Keeper::Customer), Some(Customer { key, md5_base64 })) => {
            found.unlock(place, &key)?;
            Ok(Opened { customer_key: Some(key), customer_md5: Some(md5_base64) })
        }
        (Some(Keeper::Customer), None) => Err(ModelError::CustomerKeyNeeded.into()),
        (_, Some(_)) => {
            let message = "The encryption parameters are not applicable to this object.";
            Err(S3Error::with_message(S3Code::InvalidRequest, message))
        }
        (_, None) => Ok(Opened::default()),
    }
}

/// Whether a copy asks for encryption of its own.
pub fn is_asked_for(head: &Head) -> bool {
    head.headers.contains_key(METHOD) || head.headers.contains_key(CUSTOMER_METHOD)
}

/// What the request's key opens of an upload: its data key, and by that what is sealed beside its parts.
pub struct OpenedUpload(Option<Sealing>);

/// Opens an upload by the key that the request brings; it need not bring one. One that is not the upload's is refused.
pub fn open_upload(
    call: &Call,
    name: &UploadName,
    upload: Option<&Encryption>,
) -> Result<OpenedUpload, S3Error> {
    let Some(customer) = customer(&call.head, OF_OBJECT)? else { return Ok(OpenedUpload(None)) };
    let encryption = upload.filter(|encryption| encryption.keeper == Keeper::Customer);
    let place = (name.bucket, name.key.as_str());
    let opened = encryption.and_then(|encryption| {
        let data_key = unwrap_by_customer(encryption, place, &customer.key).ok()?;
        Some(Sealing { data_key, encryption: encryption.clone(), customer_md5: Some(customer.md5_base64) })
    });
    let refused = || {
        let message = "The provided encryption parameters did not match the ones used originally.";
        S3Error::with_message(S3Code::InvalidRequest, message)
    };
    opened.map(|sealing| OpenedUpload(Some(sealing))).ok_or_else(refused)
}

impl OpenedUpload {
    /// A checksum of a part, or of what was made of them; none while it is sealed.
    pub fn checksum(&self, stored: Option<&Checksum>) -> Option<Checksum> {
        let stored = stored?;
        match &self.0 {
            Some(sealing) => sealing.data_key.open_checksum(stored),
            None => Some(stored.clone()).filter(|stored| !stored.is_sealed),
        }
    }

    /// Refuses to make a checksum of the whole where those of its parts are sealed and no key came: as AWS, which asks for the
    /// key where an upload was begun with checksums.
    pub fn check_parts(&self, completion: &Completion) -> Result<(), S3Error> {
        let is_sealed = |part: &Part| part.row.checksum.as_ref().is_some_and(|sum| sum.is_sealed);
        let is_wanted = completion.row.checksum.is_some();
        if self.0.is_none() && is_wanted && completion.parts.iter().any(is_sealed) {
            return Err(S3Error::with_message(S3Code::InvalidRequest, NEEDS_KEY));
        }
        Ok(())
    }

    /// What seals the checksum of the whole.
    pub fn sealing(&self) -> Option<&Sealing> {
        self.0.as_ref()
    }
}

/// All headers by which a request may have asked for an encryption, or left it to the bucket.
pub fn as_headers(encryption: Option<&Encryption>) -> Vec<Headers> {
    let header = |name: HeaderName, value: &str| (name.as_str().to_owned(), value.to_owned());
    match encryption.map(|encryption| &encryption.keeper) {
        None => vec![Vec::new()],
        Some(Keeper::Customer) => vec![vec![header(CUSTOMER_METHOD, AES)]],
        Some(Keeper::Service(_)) => vec![Vec::new(), vec![header(METHOD, AES)]],
        Some(Keeper::Named { name, .. }) => {
            let named = vec![header(METHOD, KMS), header(KMS_KEY, name)];
            vec![Vec::new(), vec![header(METHOD, KMS)], named]
        }
    }
}

/// Says in the answer how a completed upload is encrypted; AWS does not say it of customers' keys.
pub fn show_completed(made: Option<&Encryption>, reply: &mut Reply) {
    if let Some(encryption) = made.filter(|encryption| encryption.keeper != Keeper::Customer) {
        show(reply, encryption, None);
    }
}

/// What a bucket encrypts with by itself.
pub fn of_bucket(row: &BucketRow) -> Result<Option<EncryptionConfiguration>, S3Error> {
    settings::read(row, Setting::Encryption)
}

/// Refuses a default that could not be obeyed.
pub async fn check_default(
    model: &Arc<Model>,
    configuration: &EncryptionConfiguration,
) -> Result<(), S3Error> {
    if let Some(wish) = default_wish(configuration, None)? {
        model.check_encryption(&wish).await?;
    }
    Ok(())
}

/// What the request asks for, or else the bucket; with the MD5 of the customer's key.
fn wished(call: &Call) -> Result<Option<(Wish, Option<String>)>, S3Error> {
    let (head, bucket) = (&call.head, call.bucket()?);
    let customer = customer(head, OF_OBJECT)?;
    let method = head.header(METHOD.as_str());
    let kms_key = head.header(KMS_KEY.as_str());
    let bucket_key = bucket_key(head)?;
    let configured = of_bucket(&bucket.row)?;
    if let Some(customer) = customer {
        if let Some(method) = method.or(kms_key) {
            let message = "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
            return Err(S3Error::invalid_argument(METHOD.as_str(), method, message));
        }
        if configured.is_some_and(|configured| configured.blocks_customer_keys) {
            return Err(blocked(bucket));
        }
        return Ok(Some((Wish::Customer(customer.key), Some(customer.md5_base64))));
    }
    let wish = match (method.as_deref(), kms_key) {
        (Some(KMS), name) => {
            let name = name.map(|name| key_name(&name)).transpose()?.flatten();
            Some(Wish::Named { name, bucket_key: bucket_key.unwrap_or(false) })
        }
        (_, Some(name)) => {
            let message = "The x-amz-server-side-encryption-aws-kms-key-id header is for x-amz-server-side-encryption: aws:kms.";
            return Err(S3Error::invalid_argument(KMS_KEY.as_str(), name, message));
        }
        (Some(AES), None) => Some(Wish::Service),
        (Some(other), None) => return Err(unknown_method(other)),
        (None, None) => match configured {
            Some(configured) => default_wish(&configured, bucket_key)?,
            None => None,
        },
    };
    Ok(wish.map(|wish| (wish, None)))
}

/// What a bucket's setting asks for.
fn default_wish(
    configuration: &EncryptionConfiguration,
    bucket_key: Option<bool>,
) -> Result<Option<Wish>, S3Error> {
    let name = configuration.key.as_deref().map(key_name).transpose()?.flatten();
    match configuration.algorithm.as_deref() {
        None => Ok(None),
        Some(AES) if configuration.key.is_none() => Ok(Some(Wish::Service)),
        Some(AES) => {
            let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms";
            Err(S3Error::with_message(S3Code::InvalidArgument, message))
        }
        Some(KMS) => {
            let bucket_key = bucket_key.unwrap_or(configuration.bucket_key);
            Ok(Some(Wish::Named { name, bucket_key }))
        }
        Some(other) => Err(unknown_method(other)),
    }
}

/// Whether a bucket's setting asks for a named key.
pub fn uses_named_keys(bucket: &NamedBucket) -> Result<bool, S3Error> {
    Ok(of_bucket(&bucket.row)?.is_some_and(|configured| configured.algorithm.as_deref() == Some(KMS)))
}

fn blocked(bucket: &NamedBucket) -> S3Error {
    let message = "The bucket blocks server-side encryption with customer-provided keys (SSE-C).";
    S3Error::with_message(S3Code::AccessDenied, message).field("BucketName", bucket.name.as_str())
}

fn unknown_method(method: &str) -> S3Error {
    match method {
        "aws:kms:dsse" | "aws:fsx" | "aws:backup" => {
            let message = "Of the methods of encryption only AES256 and aws:kms are there.";
            S3Error::with_message(S3Code::NotImplemented, message)
        }
        _ => {
            let message = "The encryption request that you specified is not valid. The valid values are AES256 and aws:kms.";
            S3Error::with_message(S3Code::InvalidEncryptionAlgorithmError, message)
                .field("ArgumentName", METHOD.as_str())
                .field("ArgumentValue", method)
        }
    }
}

/// The name of a key of the ring in what stands for one: a name, an alias, or the ARN of either. None is the ring's own.
fn key_name(text: &str) -> Result<Option<String>, S3Error> {
    let name = match text.strip_prefix("arn:") {
        Some(arn) => {
            arn.splitn(5, ':').nth(4).and_then(|resource| resource.split_once('/')).map(|(_, name)| name)
        }
        None => Some(text.strip_prefix("alias/").unwrap_or(text)),
    };
    let name = name.filter(|name| (1..=NAME_MAX_BYTES).contains(&name.len()));
    let name = name.ok_or_else(|| S3Error::invalid_argument(KMS_KEY.as_str(), text, "Invalid keyId"))?;
    Ok((name != OWN_NAME).then(|| name.to_owned()))
}

fn bucket_key(head: &Head) -> Result<Option<bool>, S3Error> {
    match head.header(BUCKET_KEY.as_str()).as_deref() {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(text) => Err(S3Error::invalid_argument(BUCKET_KEY.as_str(), text, "It must be true or false.")),
    }
}

/// The key that a request brings: all three of its headers, or none. What they hold is repeated in no error.
fn customer(head: &Head, prefix: &str) -> Result<Option<Customer>, S3Error> {
    let of = |name: &str| head.header(&format!("{prefix}{name}"));
    let (algorithm, key, md5) = (of("algorithm"), of("key"), of("key-md5"));
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(None);
    }
    let invalid = |message: &'static str| {
        S3Error::with_message(S3Code::InvalidArgument, message).field("ArgumentName", METHOD.as_str())
    };
    let algorithm = algorithm.ok_or_else(|| {
        invalid("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.")
    })?;
    if algorithm != AES {
        return Err(S3Code::InvalidEncryptionAlgorithmError.into());
    }
    let key = key.ok_or_else(|| {
        invalid("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
    })?;
    let md5 = md5.ok_or_else(|| {
        invalid("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.")
    })?;
    let key: Option<[u8; 32]> = STANDARD.decode(&key).ok().and_then(|key| key.try_into().ok());
    let key = key.ok_or_else(|| invalid("The secret key was invalid for the specified algorithm."))?;
    let computed = STANDARD.encode(Md5::digest(key));
    if !bool::from(computed.as_bytes().ct_eq(md5.trim().as_bytes())) {
        return Err(invalid("The calculated MD5 hash of the key did not match the hash that was provided."));
    }
    Ok(Some(Customer { key: Key::from_bytes(key), md5_base64: computed }))
}

/// A query as it may be logged: presigned requests may have a customer's key in it.
pub fn without_keys(raw_query: &str) -> String {
    let hidden = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        let plain = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
        let is_key = plain.ends_with("server-side-encryption-customer-key");
        if is_key { format!("{name}=-") } else { pair.to_owned() }
    };
    raw_query.split('&').map(hidden).collect::<Vec<_>>().join("&")
}

fn show(reply: &mut Reply, encryption: &Encryption, customer_md5: Option<&str>) {
    match &encryption.keeper {
        Keeper::Customer => {
            reply.set(CUSTOMER_METHOD, AES);
            if let Some(md5) = customer_md5 {
                reply.set(CUSTOMER_MD5, md5);
            }
        }
        Keeper::Service(_) => reply.set(METHOD, AES),
        Keeper::Named { name, bucket_key, .. } => {
            reply.set(METHOD, KMS);
            reply.set(KMS_KEY, name);
            if *bucket_key {
                reply.set(BUCKET_KEY, "true");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_s_key_is_not_logged() {
        assert_eq!(without_keys(""), "");
        assert_eq!(without_keys("versionId=1&prefix"), "versionId=1&prefix");
        let sent = "a=1&X-Amz-Server-Side-Encryption-Customer-Key=c2VjcmV0&x-amz-server-side-encryption-customer-key-MD5=m";
        let wanted =
            "a=1&X-Amz-Server-Side-Encryption-Customer-Key=-&x-amz-server-side-encryption-customer-key-MD5=m";
        assert_eq!(without_keys(sent), wanted);
        let source = "x-amz-copy-source-server-side-encryption-customer%2Dkey=c2VjcmV0=";
        assert_eq!(without_keys(source), "x-amz-copy-source-server-side-encryption-customer%2Dkey=-");
    }

    #[test]
    fn names_of_keys() {
        for (text, name) in [
            ("photos", Some("photos")),
            ("alias/photos", Some("photos")),
            ("arn:aws:kms:us-east-1:123:key/photos", Some("photos")),
            ("arn:aws:kms:us-east-1:123:alias/a/b", Some("a/b")),
            ("aws/s3", None),
            ("alias/aws/s3", None),
        ] {
            assert_eq!(key_name(text).unwrap().as_deref(), name, "{text}");
        }
        for bad in
            ["", "arn:aws:kms", "arn:aws:kms:us-east-1:123:key", "arn:aws:kms:r:1:key/", &"k".repeat(257)]
        {
            assert_eq!(key_name(bad).unwrap_err().code, S3Code::InvalidArgument, "{bad}");
        }
    }
}
