//! What browsers are told: the preflight, and the headers on every answer, refusals too.

use super::calls::thing;
use super::client::{Answer, Req};
use super::home::{Home, Who};

const PAGE: &str = "https://page.example";

fn preflight(path: &str, method: &str) -> Req {
    Req::new("OPTIONS", path).header("origin", PAGE).header("access-control-request-method", method)
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[tokio::test(start_paused = true)]
async fn a_preflight_is_answered_by_the_rules_without_a_signature() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let path = format!("/{}/any/key", shelf.bucket);
    let ask = preflight(&path, "PUT").header("access-control-request-headers", "Content-Type, x-amz-date");
    let answer = home.send_unsigned(&ask).await;
    assert_eq!((answer.status, allowed(&answer)), (200, Some(PAGE)), "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, x-amz-date"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("ETag"));
    assert_eq!(answer.header("access-control-max-age"), Some("60"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert!(answer.header("vary").is_some_and(|vary| vary.starts_with("Origin")));
    let presigned = ask.query("X-Amz-Signature", "whatever").query("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    assert_eq!(home.send_unsigned(&presigned).await.status, 200, "a presigned request is asked about too");
}

#[tokio::test(start_paused = true)]
async fn a_preflight_for_what_no_rule_allows_is_refused() {
    let home = Home::new().await;
    let (shelf, bare) = (home.shelf().await, home.empty_shelf().await);
    let path = format!("/{}/k", shelf.bucket);
    let cases = [
        (preflight(&path, "DELETE"), 403, "AccessForbidden"),
        (
            preflight(&path, "GET").without("origin").header("origin", "https://other.example"),
            403,
            "AccessForbidden",
        ),
        (preflight(&format!("/{}/k", bare.bucket), "GET"), 403, "AccessForbidden"),
        (preflight("/no-such-bucket/k", "GET"), 403, "AccessForbidden"),
        (preflight("/", "GET"), 403, "AccessForbidden"),
        (preflight(&path, "GET").without("origin"), 400, "BadRequest"),
        (preflight(&path, "BREW"), 400, "BadRequest"),
        (Req::new("OPTIONS", &path).header("origin", PAGE), 403, "AccessForbidden"),
    ];
    for (request, status, code) in cases {
        let answer = home.send_unsigned(&request).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request:?}");
        assert_eq!(allowed(&answer), None, "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_about_the_bucket_tells_the_page_errors_too() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let ask = |method: &str| thing(method, &shelf).header("origin", PAGE);
    let missing = Req::new("GET", &format!("/{}/none", shelf.bucket)).header("origin", PAGE);
    let answers = [
        (200, home.root(&ask("GET")).await),
        (404, home.root(&missing).await),
        (403, home.send_as(Who::Stranger, &ask("GET")).await),
        (403, home.send_unsigned(&ask("GET")).await),
        (200, home.root(&ask("PUT").body(b"again")).await),
    ];
    for (status, answer) in answers {
        assert_eq!((answer.status, allowed(&answer)), (status, Some(PAGE)), "{answer:?}");
        assert_eq!(answer.header("access-control-expose-headers"), Some("ETag"));
    }
    for request in [ask("DELETE"), thing("GET", &shelf).header("origin", "https://other.example")] {
        let answer = home.root(&request).await;
        assert_eq!(allowed(&answer), None);
        assert!(answer.header("vary").is_some(), "a cache must not mix answers up");
    }
    let service = home.root(&Req::new("GET", "/").header("origin", PAGE)).await;
    assert_eq!((allowed(&service), service.header("vary")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn bad_rules_are_refused_and_change_nothing() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let rule = |inside: &str| format!("<CORSConfiguration><CORSRule>{inside}</CORSRule></CORSConfiguration>");
    let good = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";
    let many = format!(
        "<CORSConfiguration>{}</CORSConfiguration>",
        format!("<CORSRule>{good}</CORSRule>").repeat(101)
    );
    let cases = [
        (rule("<AllowedOrigin>*</AllowedOrigin>"), "MalformedXML"),
        (rule("<AllowedMethod>GET</AllowedMethod>"), "MalformedXML"),
        (rule(&format!("{good}<Unknown/>")), "MalformedXML"),
        (rule(&format!("{good}<MaxAgeSeconds>-1</MaxAgeSeconds>")), "MalformedXML"),
        ("<CORSConfiguration/>".to_owned(), "MalformedXML"),
        (many, "MalformedXML"),
        (" ".repeat((64 << 10) + 1), "MaxMessageLengthExceeded"),
        (rule("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"), "InvalidRequest"),
        (rule("<AllowedOrigin>*.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"), "InvalidRequest"),
    ];
    let path = format!("/{}", shelf.bucket);
    for (body, code) in cases {
        let answer = home.root(&Req::new("PUT", &path).query("cors", "").body(body.as_bytes())).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{}", &body[..body.len().min(200)]);
    }
    let kept = home.root(&Req::new("GET", &path).query("cors", "")).await;
    assert_eq!(kept.xml("AllowedOrigin"), PAGE);
}
