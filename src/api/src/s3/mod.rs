//! The S3 API: from an HTTP request to an operation and back.
//!
//! The order is always: read the head, check the signature, find the operation, refuse what is not
//! there, find the bucket, check access – and only then touch the body. So nobody who may not do it makes this
//! node read a body or store a byte.

pub mod access;
pub mod acl;
mod begun;
pub mod conditions;
pub mod cors;
pub mod encryption;
pub mod error;
pub mod events;
pub mod failures;
pub mod form;
pub mod head;
pub mod intake;
mod json;
pub mod lifecycle;
pub mod lock;
pub mod logging;
pub mod lookup;
pub mod metadata;
pub mod notifications;
pub mod operation;
pub mod ops;
pub mod parameters;
pub mod policy;
pub mod reply;
pub mod settings;
pub mod tags;
pub mod versions;
pub mod website;
pub mod xml;

use crate::body::PayloadMode;
use crate::metrics::Metrics;
use crate::signature::{
    Credentials, FormClaim, RequestHead, Secret, SignatureError, SigningKeyCache, Verified, VerifyPolicy,
};
use access::{Access, Admission, Caller, Gate, Wanted};
use base::WallTime;
use base::limits::BLOCK_SIZE_BYTES;
use cors::CrossOrigin;
use error::{ErrorPlace, S3Code, S3Error};
use failures::Failed;
use form::{Form, PostPolicy};
use head::Head;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use intake::Incoming;
use logging::{AccessLog, Answered, Asked, Logging};
use model::rows::bucket::BucketRow;
use model::{Model, NamedRow, Names};
use operation::{Call, NamedBucket, Operation, Target};
use reply::{Reply, ReplyBody};
use std::sync::Arc;
use tokio::sync::Semaphore;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// How the S3 API answers.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The region this node says it is in.
    pub region: String,
    /// Whether requests signed for another region are refused.
    pub region_is_required: bool,
    /// Domains whose subdomains are bucket names.
    pub root_domains: Vec<String>,
    /// Bytes that all uploads together may hold in memory.
    pub upload_memory_bytes: usize,
}

/// The S3 API of one node.
pub struct S3Api {
    pub(crate) model: Arc<Model>,
    pub(crate) config: S3Config,
    pub(crate) upload_blocks: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    key_cache: SigningKeyCache,
    access_log: Arc<AccessLog>,
    host_id: String,
}

/// What was found out about a request on its way.
struct Seen {
    /// For metrics and log.
    operation: &'static str,
    /// The bucket, as the caller's name for it means it.
    bucket: Option<Arc<BucketRow>>,
    /// What is logged of it, where the bucket's requests are.
    asked: Option<Box<Asked>>,
}

impl S3Api {
    /// An API over a model. `host_id` names this node in answers.
    pub fn new(model: Arc<Model>, config: S3Config, metrics: Arc<Metrics>, host_id: String) -> Arc<Self> {
        let blocks = (config.upload_memory_bytes / BLOCK_SIZE_BYTES).clamp(8, Semaphore::MAX_PERMITS);
        let upload_blocks = Arc::new(Semaphore::new(blocks));
        let access_log = Arc::new(AccessLog::new(Arc::clone(&model)));
        let key_cache = SigningKeyCache::new();
        Arc::new(Self { model, config, upload_blocks, metrics, key_cache, access_log, host_id })
    }

    /// What waits to be written to buckets' logs.
    pub fn access_log(&self) -> &Arc<AccessLog> {
        &self.access_log
    }

    /// Answers a request.
    pub async fn handle(self: Arc<Self>, request: Request<hyper::body::Incoming>) -> Response<ReplyBody> {
        let started = self.model.env().clock.mono();
        let request_id =
            base::id::encode_hex(&env::random_array::<8>(self.model.env().rng.as_ref())).to_uppercase();
        let (parts, body) = request.into_parts();
        let mut incoming = Incoming::new(body, &parts.headers, &self.model.env().clock);
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let mut seen = Seen { operation: "Unknown", bucket: None, asked: None };
        let parsed = Head::parse(parts, &self.config.root_domains, request_id.clone());
        let cross_origin = parsed.as_ref().ok().and_then(CrossOrigin::of);
        let bucket = parsed.as_ref().ok().and_then(|head| head.bucket.clone()).unwrap_or_default();
        let outcome = match parsed {
            Err(error) => Err(error),
            Ok(head) if head.method == Method::OPTIONS => self.preflight(&head, &mut seen).await,
            Ok(head) => self.answer(head, &mut incoming, &mut seen).await,
        };
        let error = outcome.as_ref().err().map(|error| error.code.name());
        let mut response = match outcome {
            Ok(reply) => respond(reply),
            Err(error) => {
                let operation = seen.operation;
                Failed { request_id: &request_id, operation, bucket: &bucket, method: &method }.log(&error);
                self.refuse(&error, &method, &path, &request_id)
            }
        };
        if !incoming.drain().await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.stamp(&mut response, &request_id);
        if let Some(asked) = cross_origin {
            let known = || self.model.names().resolve(&asked.bucket, None).ok()?.map(|(_, row)| row);
            if let Some(bucket) = seen.bucket.or_else(known) {
                asked.show(&bucket, response.headers_mut());
            }
        }
        if let Some(asked) = &seen.asked {
            self.log(asked, error, &response, started);
        }
        let name = seen.operation;
        let status = response.status().as_u16();
        let took = self.model.env().clock.mono().saturating_sub(started);
        self.metrics.record_s3(name, status, took);
        tracing::debug!(%method, path, operation = name, status, request_id, ?took, "request");
        response
    }

    /// Adds a line to the log of the bucket that a request was to.
    fn log(
        &self,
        asked: &Asked,
        error: Option<&str>,
        response: &Response<ReplyBody>,
        started: env::MonoTime,
    ) {
        let clock = &self.model.env().clock;
        let answered = Answered {
            time: clock.wall(),
            status: response.status().as_u16(),
            error,
            headers: response.headers(),
            body_bytes: http_body::Body::size_hint(response.body()).exact().unwrap_or_default(),
            took: clock.mono().saturating_sub(started),
            host_id: &self.host_id,
        };
        self.access_log.add(&asked.logging, &asked.line(&answered));
    }

    async fn answer(
        self: &Arc<Self>,
        mut head: Head,
        incoming: &mut Incoming,
        seen: &mut Seen,
    ) -> Result<Reply, S3Error> {
        let mut caller = self.authenticate(&head).await?;
        // Whoever sends a form without a signature of the request could add to its query.
        if caller.verified().is_some() || !is_form(operation::route(&head)) {
            parameters::lift_headers(&mut head)?;
        }
        let operation = operation::route(&head).filter(|found| parameters::serves_all(found, &head));
        let form = match is_form(operation) {
            true => {
                parameters::refuse_unsupported(&head, operation, &PayloadMode::Unsigned)?;
                Some(self.open_form(&mut head, &mut caller, incoming).await?)
            }
            false => None,
        };
        let payload = caller.verified().map_or(&PayloadMode::Unsigned, Verified::payload);
        parameters::refuse_unsupported(&head, operation, payload)?;
        let Some(operation) = operation else {
            return self.answer_unknown(&head, &caller).await;
        };
        seen.operation = operation.name;
        let (bucket, admission) = self.find_bucket(&head, operation, &caller, seen).await?;
        let call = Call::new((Arc::clone(self), Arc::new(head)), caller, (bucket, admission), form);
        (operation.run)(call, incoming).await
    }

    /// A browser asks what it may send; it is told by the rules of the bucket, whoever asks.
    async fn preflight(&self, head: &Head, seen: &mut Seen) -> Result<Reply, S3Error> {
        seen.operation = "Preflight";
        let name = head.bucket.as_deref().unwrap_or_default();
        let found = self.resolve(name, None).await?;
        cors::preflight(head, found.as_ref().map(|(_, row)| row.as_ref()))
    }

    async fn authenticate(&self, head: &Head) -> Result<Caller, S3Error> {
        let env = self.model.env();
        let now = env.clock.wall();
        let hosts = other_hosts(head);
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let signed = RequestHead {
            method: &head.method,
            raw_path: &head.raw_path,
            raw_query: &head.raw_query,
            headers: &head.headers,
            hosts: &hosts,
        };
        let claim = match Credentials::parse(&signed, i64::try_from(now.seconds()).unwrap_or(i64::MAX))? {
            Credentials::Anonymous => return Ok(Caller::anonymous()),
            Credentials::Header(claim) | Credentials::Presigned(claim) => claim,
        };
        let names = self.names_with_key(claim.claimed_access_key_id()).await?;
        let verified = claim.verify(&self.verify_policy(), |id| secret_of(&names, id, now))?;
        Ok(Caller::signed(verified))
    }

    fn verify_policy(&self) -> VerifyPolicy<'_> {
        let required_region = self.config.region_is_required.then_some(self.config.region.as_str());
        VerifyPolicy { required_region, key_cache: Some(&self.key_cache) }
    }

    /// The names, with a key that another node made a moment ago.
    async fn names_with_key(&self, id: &str) -> Result<Arc<Names>, S3Error> {
        self.model.knows_key(id).await?;
        Ok(self.model.names())
    }

    /// Reads a form up to its file, finds out who signed its policy and whether that allows it, and makes
    /// its fields the head of the request.
    async fn open_form(
        &self,
        head: &mut Head,
        caller: &mut Caller,
        incoming: &mut Incoming,
    ) -> Result<Form, S3Error> {
        let mut form = Form::open(head, caller.verified(), incoming).await?;
        let now = self.model.env().clock.wall();
        let claim = FormClaim::parse(|name| form.fields.get(name))?;
        if claim.is_some() && caller.access_key().is_some() {
            return Err(SignatureError::SeveralMechanisms.into());
        }
        if let Some(text) = form.fields.get("policy") {
            let policy = PostPolicy::parse(text)?;
            if let Some(claim) = claim {
                let names = self.names_with_key(claim.claimed_access_key_id()).await?;
                let verified = claim.verify(&self.verify_policy(), text, |id| secret_of(&names, id, now))?;
                *caller = Caller::of_form(&verified);
            }
            let now_unix_s = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
            policy.check(&form.fields, head.bucket.as_deref().unwrap_or_default(), now_unix_s)?;
            form.length = policy.length.unwrap_or(form.length);
        } else if claim.is_some() {
            let message = "Bucket POST must contain a field named 'policy'.";
            return Err(S3Error::invalid_argument("policy", "", message));
        }
        form.fill(head, caller.verified().is_some())?;
        Ok(form)
    }

    async fn find_bucket(
        &self,
        head: &Head,
        operation: &Operation,
        caller: &Caller,
        seen: &mut Seen,
    ) -> Result<(Option<NamedBucket>, Admission), S3Error> {
        if operation.route.target == Target::Service || operation.access == Access::CreateBucket {
            caller.key()?;
            return Ok((None, Admission::Granted));
        }
        let bucket = self.bucket_named(head.bucket.as_deref().unwrap_or_default(), caller).await?;
        seen.bucket = Some(Arc::clone(&bucket.row));
        if let Some(logging) = Logging::of(&bucket.row)? {
            seen.asked = Some(Box::new(Asked::of(logging, (head, caller), operation, &bucket)));
        }
        let admission = self.authorize(head, operation, caller, &bucket).await?;
        if let Some(owner) = head.header("x-amz-expected-bucket-owner") {
            parameters::check_expected_owner(&owner, &bucket.row)?;
        }
        Ok((Some(bucket), admission))
    }

    /// Refuses an operation that the caller may not do, or that gives the object what it may not give.
    async fn authorize(
        &self,
        head: &Head,
        operation: &Operation,
        caller: &Caller,
        bucket: &NamedBucket,
    ) -> Result<Admission, S3Error> {
        let mut gate = self.gate(caller, head, bucket);
        let (access, key) = (operation.access, head.key.as_deref());
        let admission = gate.admit(&self.model, &Wanted { access, actions: operation.actions, key }).await?;
        if head.headers.contains_key(tags::HEADER) {
            gate.check(&self.model, &Wanted { access, actions: &["s3:PutObjectTagging"], key }).await?;
        }
        for action in lock::actions(head).filter(|_| operation.actions.contains(&"s3:PutObject")) {
            gate.check(&self.model, &Wanted { access, actions: &[action], key }).await?;
        }
        if operation.actions.contains(&"s3:PutObject") && acl::is_asked_for(head) {
            gate.check_list(&self.model, access, key).await?;
        }
        Ok(admission)
    }

    /// What decides about the caller's requests to a bucket.
    pub(crate) fn gate(&self, caller: &Caller, head: &Head, bucket: &NamedBucket) -> Gate {
        let now_unix_s = i64::try_from(self.model.env().clock.wall().seconds()).unwrap_or(i64::MAX);
        Gate::new(caller, head, bucket, now_unix_s)
    }

    /// The bucket that a name means to the caller. Access to it is not checked here.
    pub(crate) async fn bucket_named(&self, name: &str, caller: &Caller) -> Result<NamedBucket, S3Error> {
        let found = self.resolve(name, caller.access_key()).await?;
        let (id, row) = found.ok_or_else(|| S3Error::new(S3Code::NoSuchBucket).field("BucketName", name))?;
        Ok(NamedBucket { name: name.to_owned(), id, row })
    }

    /// What a name means, with a bucket that another node made a moment ago.
    async fn resolve(&self, name: &str, access_key: Option<&str>) -> Result<Option<NamedRow>, S3Error> {
        let found = self.model.names().resolve(name, access_key)?;
        if found.is_none() && self.model.learn_bucket(name).await {
            return Ok(self.model.names().resolve(name, access_key)?);
        }
        Ok(found)
    }

    /// A request for an operation that is not there: on reads the answer of an unconfigured bucket,
    /// on writes 501.
    async fn answer_unknown(&self, head: &Head, caller: &Caller) -> Result<Reply, S3Error> {
        match head.bucket.as_deref() {
            Some(name) => {
                let bucket = self.bucket_named(name, caller).await?;
                if caller.grant(&bucket.row).is_none() {
                    return Err(S3Code::AccessDenied.into());
                }
            }
            None => _ = caller.key()?,
        }
        parameters::unconfigured(head)
    }

    fn refuse(&self, error: &S3Error, method: &Method, path: &str, request_id: &str) -> Response<ReplyBody> {
        let place = ErrorPlace { resource: path, request_id, host_id: &self.host_id };
        let body = error.body(method, place).map(bytes::Bytes::from);
        let mut reply = Reply::empty(error.status());
        if body.is_some() {
            reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static(error::ERROR_CONTENT_TYPE));
        }
        reply.headers.extend(error.headers.iter().cloned());
        // Clients find out the region with a HEAD, which has no body to tell it, even without access.
        if *method == Method::HEAD && error.status() == StatusCode::FORBIDDEN {
            let region = HeaderValue::try_from(&self.config.region).ok();
            reply.headers.extend(region.map(|region| (BUCKET_REGION, region)));
        }
        reply.body = ReplyBody::Whole(body);
        if error.code == S3Code::SlowDown || error.code == S3Code::ServiceUnavailable {
            reply.headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        respond(reply)
    }

    pub(crate) fn stamp(&self, response: &mut Response<ReplyBody>, request_id: &str) {
        let headers = response.headers_mut();
        headers.extend(HeaderValue::try_from(request_id).ok().map(|value| (REQUEST_ID, value)));
        headers.extend(HeaderValue::try_from(&self.host_id).ok().map(|value| (HOST_ID, value)));
        headers.insert(http::header::SERVER, HeaderValue::from_static("garage"));
    }
}

/// An operation's output as it is sent.
pub(crate) fn respond(reply: Reply) -> Response<ReplyBody> {
    let mut response = Response::new(reply.body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    if response.status() == StatusCode::NO_CONTENT {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

/// Whether the operation is told by a form what to do.
fn is_form(operation: Option<&Operation>) -> bool {
    operation.is_some_and(|found| found.name == ops::post_object::OPERATION.name)
}

/// The secret of a key that requests may be signed with now.
fn secret_of(names: &Names, id: &str, now: WallTime) -> Option<Secret> {
    names.usable_key(id, now).map(|key| Secret::new(key.secret.value.reveal()))
}

/// What the client may have had for `Host` before a proxy changed it: the name without the port.
fn other_hosts(head: &Head) -> Vec<String> {
    let host = head.header("host").unwrap_or_default();
    host.rsplit_once(':').map(|(name, _)| name.to_owned()).into_iter().collect()
}
