//! The list of S3 operations. It drives routing, authorization, metrics and documentation, and tests
//! walk it: an operation without an authorization case or a conformance case fails them.

use super::S3Api;
use super::access::{Access, Admission, Caller, Gate};
use super::conditions::write_condition;
use super::error::S3Error;
use super::form::Form;
use super::head::Head;
use super::intake::Incoming;
use super::ops;
use super::reply::Reply;
use super::versions;
use base::Id;
use base::id::kind;
use futures_util::future::BoxFuture;
use model::objects::{Condition, Found, Want};
use model::rows::bucket::BucketRow;
use std::sync::Arc;

/// One S3 operation.
pub struct Operation {
    /// AWS's name of it: also the label of its metrics.
    pub name: &'static str,
    /// Which requests it is for.
    pub route: Route,
    /// What the caller must be granted.
    pub access: Access,
    /// What a policy must allow instead, all of it.
    pub actions: &'static [&'static str],
    /// What it does.
    pub run: for<'a> fn(Call, &'a mut Incoming) -> BoxFuture<'a, Result<Reply, S3Error>>,
}

/// What a request's path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing: the service itself.
    Service,
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// Which requests an operation is for.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method's name.
    pub method: &'static str,
    /// What the path names.
    pub target: Target,
    /// Query parameters that must be there.
    pub query: &'static [&'static str],
    /// A header that must be there.
    pub header: Option<&'static str>,
}

impl Route {
    /// A route without further conditions.
    pub const fn new(method: &'static str, target: Target) -> Self {
        Self { method, target, query: &[], header: None }
    }

    /// Demands query parameters.
    pub const fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    /// Demands a header.
    pub const fn header(self, header: &'static str) -> Self {
        Self { header: Some(header), ..self }
    }

    fn weight(&self) -> usize {
        self.query.len() + usize::from(self.header.is_some())
    }

    fn matches(&self, head: &Head) -> bool {
        self.method == head.method.as_str()
            && self.target == target_of(head)
            && self.query.iter().all(|name| head.has_parameter(name))
            && self.header.is_none_or(|name| head.headers.contains_key(name))
    }
}

/// What the request's path names.
pub fn target_of(head: &Head) -> Target {
    match (&head.bucket, &head.key) {
        (None, _) => Target::Service,
        (Some(_), None) => Target::Bucket,
        (Some(_), Some(_)) => Target::Object,
    }
}

/// A bucket that a request names, looked up.
#[derive(Debug, Clone)]
pub struct NamedBucket {
    /// The name in the request.
    pub name: String,
    /// The bucket.
    pub id: Id<kind::Bucket>,
    /// Its row.
    pub row: Arc<BucketRow>,
}

/// One authorized request on its way through an operation.
pub struct Call {
    /// The API.
    pub api: Arc<S3Api>,
    /// The request's head.
    pub head: Arc<Head>,
    /// Who asks.
    pub caller: Caller,
    /// The bucket it names.
    bucket: Option<NamedBucket>,
    /// What its object's row still has to decide.
    pub(super) admission: Admission,
    /// The form it brings, read up to its file.
    pub form: Option<Form>,
    /// Whether it came in by the bucket's web site.
    is_of_site: bool,
}

impl Call {
    /// Puts a call together. Only the dispatcher does, after authorization.
    pub(super) fn new(
        (api, head): (Arc<S3Api>, Arc<Head>),
        caller: Caller,
        (bucket, admission): (Option<NamedBucket>, Admission),
        form: Option<Form>,
    ) -> Self {
        Self { api, head, caller, bucket, admission, form, is_of_site: false }
    }

    /// A visit to the web site of a bucket, after authorization.
    pub(crate) fn of_site(
        (api, head): (Arc<S3Api>, Arc<Head>),
        caller: Caller,
        (bucket, admission): (NamedBucket, Admission),
    ) -> Self {
        Self { api, head, caller, bucket: Some(bucket), admission, form: None, is_of_site: true }
    }

    /// What decides about the caller's requests to a bucket.
    pub fn gate(&self, bucket: &NamedBucket) -> Gate {
        let gate = self.api.gate(&self.caller, &self.head, bucket);
        if self.is_of_site { gate.serving_site() } else { gate }
    }

    /// The object that the request names: if it is there, and the caller may have it.
    pub async fn find(&self, want: Want) -> Result<Found, S3Error> {
        versions::find(self, want).await
    }

    /// The condition under which the request writes or deletes its object.
    pub fn write_condition(&self) -> Result<Condition, S3Error> {
        Ok(self.admission.restrict(write_condition(&self.head)?))
    }

    /// The bucket, which exists if the route names one.
    pub fn bucket(&self) -> Result<&NamedBucket, S3Error> {
        self.bucket.as_ref().ok_or_else(|| super::error::S3Code::NoSuchBucket.into())
    }
}

/// Every operation.
pub static OPERATIONS: &[&Operation] = &[
    &ops::list_buckets::OPERATION,
    &ops::create_bucket::OPERATION,
    &ops::head_bucket::OPERATION,
    &ops::delete_bucket::OPERATION,
    &ops::get_bucket_location::OPERATION,
    &ops::list_objects::OPERATION,
    &ops::list_objects_v2::OPERATION,
    &ops::list_object_versions::OPERATION,
    &ops::list_multipart_uploads::OPERATION,
    &ops::put_bucket_versioning::OPERATION,
    &ops::get_bucket_versioning::OPERATION,
    &ops::put_object_lock_configuration::OPERATION,
    &ops::get_object_lock_configuration::OPERATION,
    &ops::put_bucket_cors::OPERATION,
    &ops::get_bucket_cors::OPERATION,
    &ops::delete_bucket_cors::OPERATION,
    &ops::put_bucket_lifecycle_configuration::OPERATION,
    &ops::get_bucket_lifecycle_configuration::OPERATION,
    &ops::delete_bucket_lifecycle::OPERATION,
    &ops::put_bucket_website::OPERATION,
    &ops::get_bucket_website::OPERATION,
    &ops::delete_bucket_website::OPERATION,
    &ops::put_bucket_notification_configuration::OPERATION,
    &ops::get_bucket_notification_configuration::OPERATION,
    &ops::put_bucket_logging::OPERATION,
    &ops::get_bucket_logging::OPERATION,
    &ops::put_bucket_encryption::OPERATION,
    &ops::get_bucket_encryption::OPERATION,
    &ops::delete_bucket_encryption::OPERATION,
    &ops::put_bucket_tagging::OPERATION,
    &ops::get_bucket_tagging::OPERATION,
    &ops::delete_bucket_tagging::OPERATION,
    &ops::put_bucket_policy::OPERATION,
    &ops::get_bucket_policy::OPERATION,
    &ops::delete_bucket_policy::OPERATION,
    &ops::get_bucket_policy_status::OPERATION,
    &ops::put_public_access_block::OPERATION,
    &ops::get_public_access_block::OPERATION,
    &ops::delete_public_access_block::OPERATION,
    &ops::put_bucket_ownership_controls::OPERATION,
    &ops::get_bucket_ownership_controls::OPERATION,
    &ops::delete_bucket_ownership_controls::OPERATION,
    &ops::put_bucket_acl::OPERATION,
    &ops::get_bucket_acl::OPERATION,
    &ops::delete_objects::OPERATION,
    &ops::put_object::OPERATION,
    &ops::post_object::OPERATION,
    &ops::get_object::OPERATION,
    &ops::head_object::OPERATION,
    &ops::delete_object::OPERATION,
    &ops::copy_object::OPERATION,
    &ops::get_object_attributes::OPERATION,
    &ops::put_object_tagging::OPERATION,
    &ops::get_object_tagging::OPERATION,
    &ops::delete_object_tagging::OPERATION,
    &ops::put_object_acl::OPERATION,
    &ops::get_object_acl::OPERATION,
    &ops::put_object_retention::OPERATION,
    &ops::get_object_retention::OPERATION,
    &ops::put_object_legal_hold::OPERATION,
    &ops::get_object_legal_hold::OPERATION,
    &ops::create_multipart_upload::OPERATION,
    &ops::upload_part::OPERATION,
    &ops::upload_part_copy::OPERATION,
    &ops::list_parts::OPERATION,
    &ops::complete_multipart_upload::OPERATION,
    &ops::abort_multipart_upload::OPERATION,
];

/// The operation a request is for: the most demanding route that matches.
pub fn route(head: &Head) -> Option<&'static Operation> {
    OPERATIONS
        .iter()
        .copied()
        .filter(|operation| operation.route.matches(head))
        .max_by_key(|op| op.route.weight())
}
