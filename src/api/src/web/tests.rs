//! Where sites lead: rules, folders, hosts; what a place may look like.

use super::redirect::{self, Origin};
use crate::s3::head::Head;
use crate::s3::reply::Reply;
use crate::s3::xml::{HostRedirect, RoutingCondition, RoutingRedirect, RoutingRule, WebsiteConfiguration};
use crate::server::PeerAddress;
use http::header::LOCATION;
use http::{Request, StatusCode};

fn origin() -> Origin {
    Origin { scheme: "http", host: "site.example:3902".to_owned() }
}

fn text(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn place(reply: &Reply) -> &str {
    reply.headers.get(LOCATION).unwrap().to_str().unwrap()
}

/// Where a rule leads: from prefix, with host, protocol, new prefix, new key.
fn led(key: &str, prefix: &str, [host, protocol, new_prefix, new_key]: [&str; 4]) -> String {
    let rule = RoutingRule {
        condition: Some(RoutingCondition { error_code: None, key_prefix: Some(prefix.to_owned()) }),
        redirect: RoutingRedirect {
            host_name: text(host),
            redirect_code: None,
            protocol: text(protocol),
            replace_key_prefix: text(new_prefix),
            replace_key: text(new_key),
        },
    };
    place(&redirect::by_rule(&rule, key, &origin())).to_owned()
}

#[test]
fn rules_lead_where_they_say() {
    let cases = [
        ("old/a.html", "old/", ["", "", "new/", ""], "/new/a.html"),
        ("old/a.html", "old/", ["", "", "", "new.html"], "/new.html"),
        ("old/a.html", "old/", ["b.example", "", "", ""], "http://b.example/old/a.html"),
        ("old/a.html", "old/", ["b.example", "https", "n/", ""], "https://b.example/n/a.html"),
        ("old/a.html", "old/", ["", "https", "", ""], "https://site.example/old/a.html"),
        ("old/a.html", "old/", ["", "http", "", ""], "/old/a.html"),
        // What a rule says is taken as it is; what a visitor says is not.
        ("photo a?b#c%.jpg", "", ["", "", "resize?key=", ""], "/resize?key=photo%20a%3Fb%23c%25.jpg"),
        ("deep/link", "", ["", "", "#!/", ""], "/#!/deep/link"),
        ("a\r\nx: y", "", ["b.example", "", "", ""], "http://b.example/a%0D%0Ax:%20y"),
        ("é", "", ["b.example", "", "", ""], "http://b.example/%C3%A9"),
        // A key cannot make a host of itself.
        ("/evil.example/x", "", ["", "http", "", ""], "/%2Fevil.example/x"),
        ("old//evil.example", "old/", ["", "", "/", ""], "/%2Fevil.example"),
        ("old//evil.example", "old/", ["", "", "//", ""], "/%2Fevil.example"),
        ("\\evil.example", "", ["", "http", "", ""], "/%5Cevil.example"),
    ];
    for (key, prefix, redirect, wanted) in cases {
        assert_eq!(led(key, prefix, redirect), wanted, "{key} {redirect:?}");
    }
}

#[test]
fn a_folder_is_itself_with_a_slash() {
    for (key, wanted) in
        [("docs", "/docs/"), ("a b/ü", "/a%20b/%C3%BC/"), ("/evil.example", "/%2Fevil.example/")]
    {
        let reply = redirect::to_folder(key);
        assert_eq!((reply.status, place(&reply)), (StatusCode::FOUND, wanted));
    }
}

/// A request with a header, from this other end of a connection; from a socket in the file system, if it has none.
fn head(path: &str, (name, value): (&str, &str), peer: &str) -> Head {
    let mut request = Request::builder().uri(path).header("host", "site.example:3902");
    if !value.is_empty() {
        request = request.header(name, value);
    }
    if let Ok(peer) = peer.parse() {
        request = request.extension(PeerAddress(peer));
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Head::of_site(parts, "site", String::new()).unwrap()
}

const PROTO: &str = "x-forwarded-proto";

#[test]
fn everything_goes_to_the_other_host_as_it_was_asked_for() {
    let to = |protocol| HostRedirect { host_name: "b.example".to_owned(), protocol: text(protocol) };
    let head = head("/a%20b/?c=d", (PROTO, ""), "192.0.2.1");
    let place_of = |protocol, is_secure| {
        let reply = redirect::to_host(&to(protocol), &head, &Origin::of(&head, is_secure));
        assert_eq!(reply.status, StatusCode::MOVED_PERMANENTLY);
        place(&reply).to_owned()
    };
    assert_eq!(place_of("https", false), "https://b.example/a%20b/?c=d");
    assert_eq!(place_of("", false), "http://b.example/a%20b/?c=d");
    assert_eq!(place_of("", true), "https://b.example/a%20b/?c=d");
}

#[test]
fn a_proxy_on_this_machine_says_what_was_spoken_to_it_and_nobody_else_does() {
    let forwarded = "forwarded";
    for (name, value, is_secure, near, far) in [
        (PROTO, "https", false, "https", "http"),
        (PROTO, "HTTPS", false, "https", "http"),
        (PROTO, "http", true, "http", "https"),
        (PROTO, "gopher", false, "http", "http"),
        (PROTO, "", true, "https", "https"),
        (PROTO, "", false, "http", "http"),
        (forwarded, "for=192.0.2.7;proto=https", false, "https", "http"),
        (forwarded, "proto=https, for=192.0.2.7;proto=http", true, "http", "https"),
        (forwarded, "for=192.0.2.7", true, "https", "https"),
    ] {
        let scheme = |peer| Origin::of(&head("/", (name, value), peer), is_secure).scheme;
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.1.2.3", ""] {
            assert_eq!(scheme(peer), near, "{name}: {value} of {peer}");
        }
        for peer in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"] {
            assert_eq!(scheme(peer), far, "{name}: {value} of {peer}");
        }
    }
}

#[test]
fn the_first_rule_that_fits_counts() {
    let rule = |error: &str, prefix: &str, to: &str| RoutingRule {
        condition: (!error.is_empty() || !prefix.is_empty())
            .then(|| RoutingCondition { error_code: text(error), key_prefix: text(prefix) }),
        redirect: RoutingRedirect { replace_key: text(to), ..RoutingRedirect::default() },
    };
    let mut site = WebsiteConfiguration::default();
    site.redirects.rules =
        vec![rule("", "a/", "1"), rule("404", "b/", "2"), rule("404", "", "3"), rule("403", "", "4")];
    let found = |key: &str, status: Option<StatusCode>| {
        redirect::rule_for(&site, key, status)
            .and_then(|rule| rule.redirect.replace_key.clone())
            .unwrap_or_default()
    };
    let (missing, denied) = (Some(StatusCode::NOT_FOUND), Some(StatusCode::FORBIDDEN));
    assert_eq!([found("a/x", None), found("b/x", None)], ["1", ""]);
    assert_eq!([found("b/x", missing), found("c", missing), found("c", denied)], ["2", "3", "4"]);
    assert_eq!(found("c", Some(StatusCode::SERVICE_UNAVAILABLE)), "");
    site.redirects.rules.insert(0, rule("", "", "0"));
    assert_eq!(
        redirect::rule_for(&site, "anything", None).unwrap().redirect.replace_key.as_deref(),
        Some("0")
    );
}
