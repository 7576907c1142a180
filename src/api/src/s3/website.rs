//! Web sites as S3 sets and shows them: which configurations make sense, how one is kept, and where a single object
//! leads (`x-amz-website-redirect-location`). What a browser is served stands in [`crate::web`].
//!
//! There is one truth, the register `website` of the bucket's row: S3, the admin API and the command line read and
//! write that. Always holds: what is kept can be put into a `Location` header.

use super::acl;
use super::error::{S3Code, S3Error};
use super::head::header_text;
use super::operation::Call;
use super::settings;
use super::xml::{RoutingRule, SiteRedirects, WebsiteConfiguration};
use base::limits::OBJECT_KEY_MAX_BYTES;
use http::HeaderMap;
use model::admin::BucketChange;
use model::rows::bucket::{BucketRow, Website};

/// Where an object leads instead of being served.
pub const REDIRECT_LOCATION: &str = "x-amz-website-redirect-location";
/// Longest such place (AWS: 2 KB).
const REDIRECT_LOCATION_MAX_BYTES: usize = 2 << 10;
/// Longest name of a host, with a path behind it, which AWS lets through.
const HOST_MAX_BYTES: usize = 1 << 10;

/// The site of a bucket, if it has one.
pub fn of(bucket: &BucketRow) -> Result<Option<WebsiteConfiguration>, S3Error> {
    bucket.website.value.as_ref().map(configuration).transpose()
}

/// A site as it is kept, in the words of S3. One that cannot be read – a newer release wrote it – is an error.
pub fn configuration(site: &Website) -> Result<WebsiteConfiguration, S3Error> {
    let redirects = site.redirects.as_ref().map(|document| serde_json::from_slice(&document.0)).transpose();
    let redirects: Option<SiteRedirects> = redirects.map_err(|error| {
        tracing::error!(%error, "the redirects of a web site cannot be read");
        S3Error::new(S3Code::InternalError)
    })?;
    Ok(WebsiteConfiguration {
        index_document: Some(site.index_document.clone()).filter(|name| !name.is_empty()),
        error_document: site.error_document.clone(),
        redirects: redirects.unwrap_or_default(),
    })
}

/// Whether a bucket's site serves its objects, and does not only redirect.
pub fn serves_objects(bucket: &BucketRow) -> bool {
    bucket.website.value.as_ref().is_some_and(|site| !site.index_document.is_empty())
}

/// Whether a site may serve a bucket's objects: that lets everybody read them, as a public policy does.
pub fn may_be_public(bucket: &BucketRow) -> bool {
    !acl::blocks(bucket).block_public_policy
}

/// Sets the site of the bucket that the request names.
pub async fn set(call: &Call, site: WebsiteConfiguration) -> Result<(), S3Error> {
    // One that only redirects shows nothing.
    if site.index_document.is_some() && !may_be_public(&call.bucket()?.row) {
        let message = "Web sites are public, which the BlockPublicPolicy setting of this bucket prevents.";
        return Err(S3Error::with_message(S3Code::AccessDenied, message));
    }
    let redirects = match site.redirects == SiteRedirects::default() {
        true => None,
        false => Some(settings::document(&site.redirects)?),
    };
    let index_document = site.index_document.unwrap_or_default();
    change(call, Some(Website { index_document, error_document: site.error_document, redirects })).await
}

/// Takes the site of the bucket away; none there is fine.
pub async fn remove(call: &Call) -> Result<(), S3Error> {
    change(call, None).await
}

async fn change(call: &Call, website: Option<Website>) -> Result<(), S3Error> {
    let change = BucketChange { website: Some(website), ..BucketChange::default() };
    Ok(call.api.model.update_bucket(call.bucket()?.id, change).await?)
}

/// Refuses a configuration that has no meaning, with AWS's words.
pub fn check(site: &WebsiteConfiguration) -> Result<(), S3Error> {
    if let Some(all) = &site.redirects.all {
        let serves = site.index_document.is_some() || site.error_document.is_some();
        if serves || !site.redirects.rules.is_empty() {
            let message = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
            return Err(S3Error::invalid_argument("RedirectAllRequestsTo", &all.host_name, message));
        }
        check_host(&all.host_name)?;
        return check_protocol(all.protocol.as_deref());
    }
    let Some(index) = &site.index_document else {
        let message = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        return Err(S3Error::invalid_argument("IndexDocument", "null", message));
    };
    check_documents(index, site.error_document.as_deref())?;
    site.redirects.rules.iter().try_for_each(check_rule)
}

/// Refuses documents that cannot be there.
pub fn check_documents(index: &str, error: Option<&str>) -> Result<(), S3Error> {
    if index.is_empty() || index.contains('/') || index.len() > OBJECT_KEY_MAX_BYTES {
        let message = "The IndexDocument Suffix is not well formed";
        return Err(S3Error::invalid_argument("IndexDocument", index, message));
    }
    match error {
        Some(key) if key.is_empty() || key.len() > OBJECT_KEY_MAX_BYTES => {
            let message = "The ErrorDocument Key is not well formed";
            Err(S3Error::invalid_argument("ErrorDocument", key, message))
        }
        _ => Ok(()),
    }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, S3Error> {
    Err(S3Error::with_message(S3Code::InvalidRequest, message.into()))
}

fn check_rule(rule: &RoutingRule) -> Result<(), S3Error> {
    if let Some(condition) = &rule.condition {
        if condition.error_code.is_none() && condition.key_prefix.is_none() {
            return invalid(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element \
                 shouldn't be present.",
            );
        }
        if let Some(code) = condition.error_code.as_ref().filter(|code| number(code, 400..600).is_none()) {
            return invalid(format!(
                "The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX."
            ));
        }
    }
    let to = &rule.redirect;
    if *to == Default::default() {
        return invalid("A Redirect must say where to.");
    }
    if let Some(code) = to.redirect_code.as_ref().filter(|code| number(code, 301..400).is_none()) {
        return invalid(format!(
            "The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
        ));
    }
    if to.replace_key.is_some() && to.replace_key_prefix.is_some() {
        return invalid("You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
    }
    let prefix = rule.condition.as_ref().and_then(|condition| condition.key_prefix.as_ref());
    let texts = [prefix, to.replace_key.as_ref(), to.replace_key_prefix.as_ref()];
    if texts.into_iter().flatten().any(|text| text.len() > OBJECT_KEY_MAX_BYTES) {
        return Err(S3Code::KeyTooLongError.into());
    }
    to.host_name.as_deref().map_or(Ok(()), check_host)?;
    check_protocol(to.protocol.as_deref())
}

/// The number that a status is, if it is one of these.
pub fn number(text: &str, among: std::ops::Range<u16>) -> Option<u16> {
    let plain = text.len() == 3 && crate::decimal::is_decimal(text);
    text.parse().ok().filter(|code| plain && among.contains(code))
}

fn check_protocol(protocol: Option<&str>) -> Result<(), S3Error> {
    match protocol {
        None | Some("http" | "https") => Ok(()),
        Some(_) => invalid(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected \
             automatically.",
        ),
    }
}

fn check_host(host: &str) -> Result<(), S3Error> {
    let plain = host.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}@".contains(&byte));
    if host.is_empty() || host.len() > HOST_MAX_BYTES || !plain || host.starts_with('/') {
        return invalid(format!("The host name {host:?} is not valid."));
    }
    Ok(())
}

/// Where an object that is being stored is to lead, if it says so.
pub fn redirect_location(headers: &HeaderMap) -> Result<Option<(String, String)>, S3Error> {
    let Some(value) = headers.get(REDIRECT_LOCATION) else { return Ok(None) };
    let place = header_text(value);
    if place.len() > REDIRECT_LOCATION_MAX_BYTES {
        let message = format!("The website redirect location may have {REDIRECT_LOCATION_MAX_BYTES} bytes.");
        return Err(S3Error::with_message(S3Code::InvalidRedirectLocation, message));
    }
    if !["/", "http://", "https://"].iter().any(|start| place.starts_with(start)) {
        return Err(S3Code::InvalidRedirectLocation.into());
    }
    Ok(Some((REDIRECT_LOCATION.to_owned(), place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(inner: &str) -> Result<WebsiteConfiguration, S3Error> {
        let body = format!("<WebsiteConfiguration>{inner}</WebsiteConfiguration>");
        let site = WebsiteConfiguration::parse(body.as_bytes())?;
        check(&site).map(|()| site)
    }

    const INDEX: &str = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";

    fn rule(inner: &str) -> String {
        format!("{INDEX}<RoutingRules><RoutingRule>{inner}</RoutingRule></RoutingRules>")
    }

    #[test]
    fn what_makes_sense_comes_back_as_it_was_sent() {
        let rules = rule(
            "<Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals>\
             <KeyPrefixEquals>docs/</KeyPrefixEquals></Condition><Redirect><HostName>other.example</HostName>\
             <HttpRedirectCode>302</HttpRedirectCode><Protocol>https</Protocol>\
             <ReplaceKeyPrefixWith>d/</ReplaceKeyPrefixWith></Redirect>",
        );
        let all = "<RedirectAllRequestsTo><HostName>b.example</HostName></RedirectAllRequestsTo>";
        let error = format!("{INDEX}<ErrorDocument><Key>errors/404.html</Key></ErrorDocument>");
        for inner in [INDEX, all, &error, &rules] {
            let site = parsed(inner).unwrap();
            let text = String::from_utf8(site.render()).unwrap();
            assert!(text.contains(inner), "{inner} is not in {text}");
            assert_eq!(WebsiteConfiguration::parse(text.as_bytes()), Ok(site));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let all = "<RedirectAllRequestsTo><HostName>b.example</HostName></RedirectAllRequestsTo>";
        let to = "<Redirect><HostName>b.example</HostName></Redirect>";
        let condition = |inner: &str| rule(&format!("<Condition>{inner}</Condition>{to}"));
        let redirect = |inner: &str| rule(&format!("<Redirect>{inner}</Redirect>"));
        let cases = [
            (String::new(), S3Code::InvalidArgument),
            (format!("{INDEX}{all}"), S3Code::InvalidArgument),
            ("<IndexDocument><Suffix></Suffix></IndexDocument>".into(), S3Code::InvalidArgument),
            ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>".into(), S3Code::InvalidArgument),
            (format!("{INDEX}<ErrorDocument><Key></Key></ErrorDocument>"), S3Code::InvalidArgument),
            (format!("{INDEX}{INDEX}"), S3Code::MalformedXML),
            (format!("{INDEX}<ErrorDocument/>"), S3Code::MalformedXML),
            (rule(""), S3Code::MalformedXML),
            (condition(""), S3Code::InvalidRequest),
            (
                condition("<HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals>"),
                S3Code::InvalidRequest,
            ),
            (
                condition("<HttpErrorCodeReturnedEquals>+40</HttpErrorCodeReturnedEquals>"),
                S3Code::InvalidRequest,
            ),
            (redirect(""), S3Code::InvalidRequest),
            (redirect("<HttpRedirectCode>300</HttpRedirectCode>"), S3Code::InvalidRequest),
            (redirect("<HttpRedirectCode>200</HttpRedirectCode>"), S3Code::InvalidRequest),
            (redirect("<Protocol>ftp</Protocol>"), S3Code::InvalidRequest),
            (redirect("<HostName>a b</HostName>"), S3Code::InvalidRequest),
            (redirect("<HostName>a&#10;b</HostName>"), S3Code::InvalidRequest),
            (
                redirect("<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>"),
                S3Code::InvalidRequest,
            ),
            (
                redirect(&format!("<ReplaceKeyWith>{}</ReplaceKeyWith>", "k".repeat(1025))),
                S3Code::KeyTooLongError,
            ),
        ];
        for (inner, code) in cases {
            assert_eq!(parsed(&inner).map_err(|error| error.code), Err(code), "{inner}");
        }
        let one = format!("<RoutingRule>{to}</RoutingRule>");
        let many = |count| parsed(&format!("{INDEX}<RoutingRules>{}</RoutingRules>", one.repeat(count)));
        assert!(many(50).is_ok());
        assert_eq!(many(51).map_err(|error| error.code), Err(S3Code::MalformedXML));
    }

    #[test]
    fn an_object_leads_to_a_path_or_a_web_address() {
        let asked = |value: &str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(REDIRECT_LOCATION),
                http::HeaderValue::try_from(value).unwrap(),
            )]);
            redirect_location(&headers).map(|found| found.map(|(_, place)| place)).map_err(|error| error.code)
        };
        for place in ["/", "/other page", "http://a.example/", "https://a.example/b?c#d"] {
            assert_eq!(asked(place), Ok(Some(place.to_owned())));
        }
        for place in
            ["", "other", "ftp://a.example", "javascript:alert(1)", &format!("/{}", "a".repeat(2048))]
        {
            assert_eq!(asked(place), Err(S3Code::InvalidRedirectLocation), "{place}");
        }
        assert_eq!(redirect_location(&HeaderMap::new()), Ok(None));
    }
}
