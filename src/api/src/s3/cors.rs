//! Cross-origin requests of browsers: the rules of a bucket, the preflight, the headers on every answer.
//!
//! CORS opens nothing: a request needs its signature as ever. It only tells a browser whether the page that
//! asked may see the answer. So the headers stand on every answer about the bucket, errors too, or the page
//! could not read why it was refused. The first rule that allows the origin and the method decides.

use super::error::{S3Code, S3Error};
use super::head::Head;
use super::operation::{Target, target_of};
use super::reply::Reply;
use super::settings;
use super::xml::{CorsConfiguration, CorsRule};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName,
    HeaderValue, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use model::rows::bucket::{BucketRow, Setting};

/// Methods a rule may allow.
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];
/// Longest name of a rule, in characters.
const ID_MAX: usize = 255;
/// What an answer with these headers depends on.
const VARIES_BY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// Refuses rules that have no meaning, with AWS's words.
pub fn check(configuration: &CorsConfiguration) -> Result<(), S3Error> {
    let invalid = |message: String| Err(S3Error::with_message(S3Code::InvalidRequest, message));
    for rule in &configuration.rules {
        if rule.id.as_ref().is_some_and(|id| id.chars().count() > ID_MAX) {
            return invalid(format!("The ID of a CORS rule may have {ID_MAX} characters."));
        }
        if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        for (name, list) in
            [("AllowedOrigin", &rule.allowed_origins), ("AllowedHeader", &rule.allowed_headers)]
        {
            if let Some(value) = list.iter().find(|value| value.matches('*').count() > 1) {
                return invalid(format!("{name} \"{value}\" can not have more than one wildcard."));
            }
        }
        if let Some(value) = rule.expose_headers.iter().find(|value| value.contains('*')) {
            return invalid(format!(
                "ExposeHeader \"{value}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
        let mut named = rule.allowed_headers.iter().chain(&rule.expose_headers);
        if let Some(name) = named.find(|name| HeaderName::try_from(name.replace('*', "x")).is_err()) {
            return invalid(format!("\"{name}\" is not the name of a header."));
        }
    }
    Ok(())
}

/// The rules of a bucket, if it has any. Rules that cannot be read allow nothing.
fn rules_of(bucket: &BucketRow) -> Option<CorsConfiguration> {
    settings::read(bucket, Setting::Cors).unwrap_or_default()
}

/// What of a request the headers of its answer depend on.
#[derive(Debug)]
pub struct CrossOrigin {
    /// The bucket's name.
    pub bucket: String,
    origin: Option<String>,
    method: Method,
}

impl CrossOrigin {
    /// Of a request about a bucket.
    pub fn of(head: &Head) -> Option<Self> {
        let bucket = head.bucket.clone().filter(|_| head.method != Method::OPTIONS)?;
        Some(Self { bucket, origin: head.header("origin"), method: head.method.clone() })
    }

    /// Writes the headers of the answer.
    pub fn show(&self, bucket: &BucketRow, headers: &mut HeaderMap) {
        let Some(rules) = rules_of(bucket) else { return };
        // Also without an origin: the answer must not be taken from a cache for a page with one.
        headers.insert(VARY, HeaderValue::from_static(VARIES_BY));
        let Some(origin) = &self.origin else { return };
        if let Some(rule) = rules.rules.iter().find(|rule| rule.allows(origin, self.method.as_str())) {
            show_rule(rule, origin, headers);
        }
    }
}

/// Answers a preflight: whether a request that the browser is about to send would be allowed.
pub fn preflight(head: &Head, bucket: Option<&BucketRow>) -> Result<Reply, S3Error> {
    let bad = |message: &'static str| S3Error::with_message(S3Code::BadRequest, message);
    let origin = head.header("origin").filter(|origin| !origin.is_empty());
    let origin = origin.ok_or_else(|| bad("Insufficient information. Origin request header needed."))?;
    let method = head.header("access-control-request-method");
    let method = method.ok_or_else(|| forbidden(head, "OPTIONS", S3Code::AccessForbidden.message()))?;
    if !METHODS.contains(&method.as_str()) {
        return Err(bad("Invalid Access-Control-Request-Method."));
    }
    let wanted = head.header("access-control-request-headers").unwrap_or_default().to_ascii_lowercase();
    let wanted: Vec<&str> = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let bucket = bucket.ok_or_else(|| forbidden(head, &method, "CORSResponse: Bucket not found"))?;
    let rules = rules_of(bucket)
        .ok_or_else(|| forbidden(head, &method, "CORSResponse: CORS is not enabled for this bucket."))?;
    let fits = |rule: &&CorsRule| rule.allows(&origin, &method) && rule.allows_headers(&wanted);
    let rule = rules.rules.iter().find(fits).ok_or_else(|| {
        let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
        forbidden(head, &method, message)
    })?;
    let mut reply = Reply::empty(StatusCode::OK).with(VARY, VARIES_BY);
    show_rule(rule, &origin, &mut reply.headers);
    if !wanted.is_empty() {
        reply.set(ACCESS_CONTROL_ALLOW_HEADERS, &wanted.join(", "));
    }
    Ok(reply)
}

fn forbidden(head: &Head, method: &str, message: &'static str) -> S3Error {
    let kind = if target_of(head) == Target::Object { "OBJECT" } else { "BUCKET" };
    S3Error::with_message(S3Code::AccessForbidden, message)
        .field("Method", method)
        .field("ResourceType", kind)
}

impl CorsRule {
    fn allows(&self, origin: &str, method: &str) -> bool {
        self.allowed_methods.iter().any(|allowed| allowed == method)
            && self.allowed_origins.iter().any(|allowed| fits(allowed, origin))
    }

    fn allows_headers(&self, wanted: &[&str]) -> bool {
        let allowed: Vec<String> =
            self.allowed_headers.iter().map(|name| name.to_ascii_lowercase()).collect();
        wanted.iter().all(|name| allowed.iter().any(|allowed| fits(allowed, name)))
    }
}

/// Whether a text fits a pattern with at most one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn show_rule(rule: &CorsRule, origin: &str, headers: &mut HeaderMap) {
    let mut set = |name: HeaderName, value: &str| {
        headers.extend(HeaderValue::from_bytes(value.as_bytes()).ok().map(|value| (name, value)));
    };
    let open = rule.allowed_origins.iter().any(|allowed| allowed == "*");
    set(ACCESS_CONTROL_ALLOW_ORIGIN, if open { "*" } else { origin });
    if !open {
        set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    if !rule.expose_headers.is_empty() {
        set(ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        set(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], headers: &[&str]) -> CorsRule {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        CorsRule {
            allowed_origins: texts(origins),
            allowed_methods: texts(&["GET", "PUT"]),
            allowed_headers: texts(headers),
            ..CorsRule::default()
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_the_rest_must_be_there() {
        let cases = [
            ("*", "https://a.example", true),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "https://.example", true),
            ("https://*.example", "https://example", false),
            ("https://a*a", "https://a", false),
            ("https://a.example", "https://A.example", false),
            ("http://*", "https://a.example", false),
            ("", "", true),
        ];
        for (pattern, origin, wanted) in cases {
            assert_eq!(rule(&[pattern], &[]).allows(origin, "GET"), wanted, "{pattern} {origin}");
        }
        assert!(!rule(&["*"], &[]).allows("https://a.example", "DELETE"));
    }

    #[test]
    fn every_wanted_header_must_be_allowed_whatever_its_case() {
        let rule = rule(&["*"], &["X-Amz-*", "content-type"]);
        assert!(rule.allows_headers(&["x-amz-date", "content-type"]) && rule.allows_headers(&[]));
        assert!(!rule.allows_headers(&["x-amz-date", "authorization"]));
    }

    #[test]
    fn rules_without_meaning_are_refused() {
        let odd = [
            CorsRule { allowed_methods: vec!["OPTIONS".into()], ..rule(&["*"], &[]) },
            CorsRule { allowed_methods: vec!["get".into()], ..rule(&["*"], &[]) },
            CorsRule { id: Some("x".repeat(256)), ..rule(&["*"], &[]) },
            CorsRule { expose_headers: vec!["x-*".into()], ..rule(&["*"], &[]) },
            CorsRule { expose_headers: vec!["a\r\nb: c".into()], ..rule(&["*"], &[]) },
            rule(&["http://*.*"], &[]),
            rule(&["*"], &["*-*"]),
        ];
        for odd in odd {
            let error = check(&CorsConfiguration { rules: vec![rule(&["*"], &["*"]), odd.clone()] });
            assert_eq!(error.map_err(|error| error.code), Err(S3Code::InvalidRequest), "{odd:?}");
        }
        assert_eq!(check(&CorsConfiguration { rules: vec![rule(&["*"], &["*"])] }), Ok(()));
    }
}
