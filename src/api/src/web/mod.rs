//! Web sites: buckets served to browsers, on a listener of their own.
//!
//! Which bucket a request is for is said by its `Host` ([`host`]). What it gets is S3's: the same gate decides whether
//! it may be read, the same reader answers ranges and conditions ([`page`]). Only what a browser expects of a site is
//! here: index documents, folders, redirects ([`redirect`]), error documents and pages.
//!
//! A bucket that is a site is one as if its policy allowed everybody `s3:GetObject` on all of it, through this
//! listener only: what the policy denies stays denied, and `RestrictPublicBuckets` closes it. Always holds: a host
//! without a site gets one and the same answer, whether or not there is a bucket of that name.

pub mod host;
mod page;
mod redirect;
#[cfg(test)]
mod tests;

use crate::metrics::Metrics;
use crate::s3::cors::{self, CrossOrigin};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::head::Head;
use crate::s3::intake::Incoming;
use crate::s3::operation::NamedBucket;
use crate::s3::reply::{Reply, ReplyBody};
use crate::s3::website::{self, REDIRECT_LOCATION};
use crate::s3::xml::WebsiteConfiguration;
use crate::s3::{S3Api, respond};
use crate::server::Secured;
use http::header::{ALLOW, CONNECTION, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use redirect::Origin;
use std::sync::Arc;

/// What there is of a site.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// How sites are served.
#[derive(Debug, Clone, Default)]
pub struct WebConfig {
    /// Domain under which `bucket.domain` is a site, without a leading dot.
    pub root_domain: String,
    /// Whether metrics name the host.
    pub hosts_in_metrics: bool,
}

/// The web sites of one node.
pub struct WebApi {
    s3: Arc<S3Api>,
    config: WebConfig,
    metrics: Arc<Metrics>,
}

/// One request to a site.
struct Visit<'a> {
    bucket: &'a NamedBucket,
    site: WebsiteConfiguration,
    head: &'a Head,
    /// What was asked for, before an index document is put behind it.
    key: &'a str,
    origin: Origin,
}

impl WebApi {
    /// The sites of the buckets of an S3 API.
    pub fn new(s3: Arc<S3Api>, config: WebConfig, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { s3, config, metrics })
    }

    /// Answers a request.
    pub async fn handle(self: Arc<Self>, request: Request<hyper::body::Incoming>) -> Response<ReplyBody> {
        let env = self.s3.model.env();
        let started = env.clock.mono();
        let request_id = base::id::encode_hex(&env::random_array::<8>(env.rng.as_ref())).to_uppercase();
        let (parts, body) = request.into_parts();
        let incoming = Incoming::new(body, &parts.headers, &env.clock);
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let host = host::of(&parts).unwrap_or_default();
        let is_secure = parts.extensions.get::<Secured>().is_some();
        let bucket = host::bucket(&self.s3.model.names(), Some(&self.config.root_domain), &host);
        let bucket = bucket.map_err(S3Error::from);
        let answer = match &bucket {
            Ok(Some(bucket)) => match Head::of_site(parts, &bucket.name, request_id.clone()) {
                Ok(head) => self.visit(bucket, &head, is_secure).await,
                Err(error) => page::error(&error, &method, &request_id),
            },
            Ok(None) => page::no_site(&method),
            Err(error) => page::error(error, &method, &request_id),
        };
        let mut response = respond(answer);
        if !incoming.drain().await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.s3.stamp(&mut response, &request_id);
        let status = response.status().as_u16();
        let took = env.clock.mono().saturating_sub(started);
        // Hosts without a site are anything at all: they are counted together.
        let label = bucket.ok().flatten().map_or("", |_| host.as_str());
        self.metrics.record_web(&method, self.config.hosts_in_metrics.then_some(label), status, took);
        tracing::debug!(%method, host, path, status, request_id, ?took, "web request");
        response
    }

    async fn visit(&self, bucket: &NamedBucket, head: &Head, is_secure: bool) -> Reply {
        let origin = Origin::of(head, is_secure);
        let mut reply = match website::of(&bucket.row) {
            Ok(Some(site)) => {
                let key = head.key.as_deref().unwrap_or_default();
                self.answer(&Visit { bucket, site, head, key, origin }).await
            }
            Ok(None) => page::no_site(&head.method),
            Err(error) => page::error(&error, &head.method, &head.request_id),
        };
        if let Some(asked) = CrossOrigin::of(head) {
            asked.show(&bucket.row, &mut reply.headers);
        }
        reply
    }

    async fn answer(&self, visit: &Visit<'_>) -> Reply {
        let (head, site) = (visit.head, &visit.site);
        if head.method == Method::OPTIONS {
            let told = cors::preflight(head, Some(&visit.bucket.row));
            return told.unwrap_or_else(|error| page::error(&error, &head.method, &head.request_id));
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            let error = S3Error::new(S3Code::MethodNotAllowed).header(ALLOW, METHODS);
            return page::error(&error, &head.method, &head.request_id);
        }
        if let Some(to) = &site.redirects.all {
            return redirect::to_host(to, head, &visit.origin);
        }
        if let Some(rule) = redirect::rule_for(site, visit.key, None) {
            return redirect::by_rule(rule, visit.key, &visit.origin);
        }
        let wanted = match visit.key.is_empty() || visit.key.ends_with('/') {
            true => format!("{}{}", visit.key, site.index_document.as_deref().unwrap_or_default()),
            false => visit.key.to_owned(),
        };
        match page::fetch(&self.s3, visit.bucket, head.for_key(wanted)).await {
            Ok(found) => led_elsewhere(&found).unwrap_or(found),
            Err(error) => self.answer_error(visit, error).await,
        }
    }

    /// What is answered in place of a document: a folder, a redirect, the error document, a page of ours.
    async fn answer_error(&self, visit: &Visit<'_>, error: S3Error) -> Reply {
        let (head, site, status) = (visit.head, &visit.site, error.status());
        // These answer a condition or a range of the request.
        let about_request =
            [StatusCode::NOT_MODIFIED, StatusCode::PRECONDITION_FAILED, StatusCode::RANGE_NOT_SATISFIABLE];
        if about_request.contains(&status) {
            return page::error(&error, &head.method, &head.request_id);
        }
        if error.code == S3Code::NoSuchKey && self.is_folder(visit).await {
            return redirect::to_folder(visit.key);
        }
        if let Some(rule) = redirect::rule_for(site, visit.key, Some(status)) {
            return redirect::by_rule(rule, visit.key, &visit.origin);
        }
        let Some(key) = site.error_document.as_ref().filter(|_| status.is_client_error()) else {
            return page::error(&error, &head.method, &head.request_id);
        };
        match page::fetch(&self.s3, visit.bucket, head.for_key(key.clone()).without_conditions()).await {
            Ok(document) => page::as_error(document, &error),
            Err(_) => page::error(&error, &head.method, &head.request_id),
        }
    }

    /// Whether there is an index document below what was asked for.
    async fn is_folder(&self, visit: &Visit<'_>) -> bool {
        let index = visit.site.index_document.as_deref().unwrap_or_default();
        if visit.key.is_empty() || visit.key.ends_with('/') {
            return false;
        }
        let inside = visit.head.for_key(format!("{}/{index}", visit.key)).without_conditions();
        let inside = Head { method: Method::HEAD, ..inside };
        page::fetch(&self.s3, visit.bucket, inside).await.is_ok()
    }
}

/// Where the object says that it leads.
fn led_elsewhere(found: &Reply) -> Option<Reply> {
    let place = found.headers.get(REDIRECT_LOCATION)?;
    Some(redirect::to(StatusCode::MOVED_PERMANENTLY, &crate::s3::head::header_text(place)))
}
