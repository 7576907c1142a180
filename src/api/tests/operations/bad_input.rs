//! Bad input of every kind is a 4xx or does exactly what it says: never a 5xx, a panic, a hang, or
//! memory that grows with what a stranger sends (promise P7).

use super::calls::{SAMPLES, Sample, thing};
use super::client::{Answer, Req, encode};
use super::home::{CONTENT, HOST, Home, Who};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Documented parameters as (operation, in a header, name, type).
fn documented() -> impl Iterator<Item = (&'static str, bool, &'static str, &'static str)> {
    let lines = include_str!("../fixtures/s3_parameters.txt").lines();
    lines.filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields[0], fields[1] == "header", fields[2], fields[3])
    })
}

fn add(request: &Req, in_header: bool, name: &str, value: &[u8]) -> Req {
    let request = request.clone();
    match in_header {
        true => request.header(name, value),
        false => request.query(name, &String::from_utf8_lossy(value)),
    }
}

fn is_client_error(answer: &Answer) -> bool {
    (400..500).contains(&answer.status) || answer.status == 501
}

/// What is no number at all, or none that fits anywhere.
fn not_numbers() -> Vec<String> {
    let mut values: Vec<String> =
        ["", "-", "-1", "+5", "0x10", "1e400", "1.5", "NaN", "٣", "１２", "1 2", "1,1", "0b1", "१"]
            .into_iter()
            .map(str::to_owned)
            .collect();
    values.push("9".repeat(10_000));
    values.push("18446744073709551616".to_owned());
    values
}

/// Numbers at the edges of the types; whether they are in range depends on the parameter.
const EDGES: [&str; 9] = [
    "0",
    "00000000000000000001",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
];

#[tokio::test(start_paused = true)]
async fn numbers_out_of_range_are_refused() {
    let home = Home::new().await;
    let mut tried = 0;
    for (operation, in_header, name, _) in documented().filter(|row| ["integer", "long"].contains(&row.3)) {
        let sample = Sample::of(operation);
        let (_, request) = sample.prepare(&home).await;
        let request = request.without(name);
        for value in not_numbers() {
            let answer = home.root(&add(&request, in_header, name, value.as_bytes())).await;
            let shown = &value[..value.len().min(30)];
            assert!(is_client_error(&answer), "{operation} {name}={shown:?}: {answer:?}");
            tried += 1;
        }
        // A body shorter than its length is waited for, which another test does.
        for value in EDGES.into_iter().filter(|_| name != "Content-Length") {
            let answer = home.root(&add(&request, in_header, name, value.as_bytes())).await;
            let fine = is_client_error(&answer) || (200..300).contains(&answer.status);
            assert!(fine, "{operation} {name}={value}: {answer:?}");
        }
    }
    assert!(tried > 200, "the list names the numeric parameters: {tried}");
}

#[tokio::test(start_paused = true)]
async fn lengths_of_framed_bodies_are_checked() {
    let home = Home::new().await;
    for operation in ["PutObject", "UploadPart"] {
        let (_, request) = Sample::of(operation).prepare(&home).await;
        let request = request.header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        let framed = |length: &str, body: &str| {
            request.clone().header("x-amz-decoded-content-length", length).body(body.as_bytes())
        };
        for value in not_numbers() {
            let answer = home.root(&framed(&value, "5\r\nhello\r\n0\r\n\r\n")).await;
            assert!(is_client_error(&answer), "{operation} {value:.30}: {answer:?}");
        }
        let sizes =
            ["-5", "+5", "0x5", "", "5 5", "ffffffffffffffff", "10000000000000000", "G", "5;x=\"\r\n\""];
        for size in sizes {
            let answer = home.root(&framed("5", &format!("{size}\r\nhello\r\n0\r\n\r\n"))).await;
            assert!(is_client_error(&answer), "{operation} chunk of {size}: {answer:?}");
        }
        let bodies = [
            "",
            "hello",
            "5\r\nhello",
            "5\r\nhello\r\n",
            "5\r\nhello\r\n0\r\n",
            "4\r\nhell\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\nmore",
            "6\r\nhello!\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "0\r\n\r\n",
        ];
        for body in bodies {
            let answer = home.root(&framed("5", body)).await;
            assert!(is_client_error(&answer), "{operation} {body:?}: {answer:?}");
        }
        let good = home.root(&framed("5", "5\r\nhello\r\n0\r\n\r\n")).await;
        assert_eq!(good.status, 200, "{operation}: {}", good.text());
    }
}

#[tokio::test(start_paused = true)]
async fn presigned_requests_are_as_strict() {
    let home = Home::new().await;
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    let root = home.identity(Who::Root);
    for sample in SAMPLES {
        let (_, request) = sample.prepare(&home).await;
        let (name, method) = (sample.operation, request.method.as_str());
        for expires in not_numbers().iter().map(String::as_str).chain(["0", "604801", "4294967296"]) {
            let answer = home.send_unsigned(&request.presigned(&root, now_unix_s, expires)).await;
            assert!(is_client_error(&answer), "{name} {expires:.30}: {answer:?}");
        }
        let late = request.presigned(&root, now_unix_s - 61, "60");
        assert!(home.send_unsigned(&late).await.is_refusal(method, 403, "AccessDenied"), "{name}");
        let added = request.presigned(&root, now_unix_s, "60").query("prefix", "x");
        let answer = home.send_unsigned(&added).await;
        assert!(answer.is_refusal(method, 403, "SignatureDoesNotMatch"), "{name}: {answer:?}");
        for asked in ["x-amz-acl", "X-Amz-Server-Side-Encryption", "x-amz-mfa", "X-Amz-Security-Token"] {
            let hidden = request.clone().query(asked, "public").presigned(&root, now_unix_s, "60");
            let answer = home.send_unsigned(&hidden).await;
            assert!(is_client_error(&answer), "{name} {asked}: {answer:?}");
        }
        let answer = home.send_unsigned(&request.presigned(&root, now_unix_s, "604800")).await;
        assert_eq!(answer.status, sample.status, "{name}: {}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn odd_hosts_name_no_bucket_or_a_missing_one() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let at = |host: &str, path: &str| Req::new("GET", path).header("host", host);
    let virtual_host = format!("{}.s3.example", shelf.bucket);
    for host in [virtual_host.clone(), format!("{virtual_host}:1"), virtual_host.to_uppercase()] {
        let answer = home.root(&at(&host, "/thing")).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, CONTENT), "{host}");
    }
    let long = format!("{}.s3.example", "a".repeat(5000));
    let odd = [
        "",
        ":",
        "..s3.example",
        ".s3.example",
        "a..s3.example",
        "[::1]:3900",
        "xs3.example",
        "%00.s3.example",
    ];
    for host in odd.into_iter().chain([long.as_str(), "\u{e9}.s3.example"]) {
        let answer = home.root(&at(host, "/no-such-bucket/thing")).await;
        assert!(is_client_error(&answer), "{host:.40}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ranges_out_of_range_are_refused_or_ignored_as_http_says() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let huge = "9".repeat(4000);
    let ranges: [(&str, u16, &[u8]); 12] = [
        ("bytes=0-0", 206, b"0"),
        ("bytes=-1", 206, b"9"),
        ("bytes=-99999999999999999999999", 206, CONTENT),
        ("bytes=8-99999999999999999999999", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("bytes=99999999999999999999999-", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=5-1", 200, CONTENT),
        ("bytes=+1-2", 200, CONTENT),
        ("bytes=0x1-0x2", 200, CONTENT),
        ("lines=0-1", 200, CONTENT),
        ("bytes=", 200, CONTENT),
    ];
    for (range, status, body) in ranges {
        let answer = home.root(&thing("GET", &shelf).header("range", range)).await;
        assert_eq!(answer.status, status, "{range}");
        assert!(status == 416 || answer.body == body, "{range}: {:?}", answer.text());
        let head = home.root(&thing("HEAD", &shelf).header("range", range)).await;
        assert_eq!(head.status, status, "HEAD {range}");
    }
    let answer = home.root(&thing("GET", &shelf).header("range", format!("bytes={huge}-"))).await;
    assert_eq!(answer.status, 416);
    let sample = Sample::of("UploadPartCopy");
    for range in
        ["bytes=0-10", "bytes=5-1", "bytes=-1", "bytes=0-", "0-1", "", "bytes=0-99999999999999999999"]
    {
        let copy = (sample.make)(&home, &shelf).header("x-amz-copy-source-range", range);
        assert!(is_client_error(&home.root(&copy).await), "{range}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_odd_and_repeated_values_never_break_the_server() {
    let home = Home::new().await;
    let long = "x".repeat(6000);
    let odd: [&[u8]; 6] = [b"", b"\xff\xfe", b"\t", "ünï©ode".as_bytes(), b"%00%0d%0a", long.as_bytes()];
    for sample in SAMPLES {
        let (_, request) = sample.prepare(&home).await;
        for (_, in_header, name, _) in documented().filter(|row| row.0 == sample.operation) {
            let name = if name == "x-amz-meta-" { "x-amz-meta-x" } else { name };
            if name == "Content-Length" {
                continue;
            }
            let mut tries: Vec<Req> = odd.iter().map(|value| add(&request, in_header, name, value)).collect();
            let twice = add(&add(&request, in_header, name, b"one"), in_header, name, b"two");
            tries.push(twice);
            for changed in tries {
                let answer = home.root(&changed).await;
                let what = format!("{} {name}: {} {}", sample.operation, answer.status, answer.text());
                assert!(answer.status < 500 || answer.status == 501, "{what}");
                assert_ne!(answer.code(), "SignatureDoesNotMatch", "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_cannot_be_smuggled_into_an_answer() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let names =
        ["type", "language", "disposition", "encoding"].map(|name| format!("response-content-{name}"));
    let others = ["response-expires", "response-cache-control"].map(str::to_owned);
    for name in names.iter().chain(&others) {
        for value in ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\rx-evil: 1", "a\0b", "a\u{1}b", "a\u{7f}b"] {
            for method in ["GET", "HEAD"] {
                let answer = home.root(&thing(method, &shelf).query(name, value)).await;
                assert!(answer.is_refusal(method, 400, "InvalidArgument"), "{name}={value:?}: {answer:?}");
                assert_eq!(answer.header("x-evil"), None);
            }
        }
    }
    // What the request repeats of itself comes back as text of the error, never as a header or markup.
    let evil = "<b>&\r\nx-evil: 1\"'";
    let answer = home.root(&Req::new("GET", &format!("/{}/{}", shelf.bucket, encode(evil)))).await;
    assert_eq!((answer.status, answer.header("x-evil")), (404, None));
    assert!(!answer.text().contains("<b>"));
}

#[tokio::test(start_paused = true)]
async fn odd_keys_are_just_names() {
    let home = Home::new().await;
    let long = "k".repeat(1024);
    let keys = [
        "..",
        ".",
        "../../etc/passwd",
        "a/../b",
        "a//b",
        "/lead",
        "trail/",
        "//",
        "a\0b",
        "\r\nx: y",
        "\u{1}",
        "%2F",
        "%2e%2e",
        "+",
        " ",
        "a b+c",
        "?x=y",
        "#",
        "&amp;<>\"'",
        "日本語/🦀",
        "e\u{301}",
        "\u{e9}",
        "\u{fffe}",
        "\u{202e}rtl",
        "\\windows",
        "CON",
        long.as_str(),
    ];
    let bucket = home.empty_shelf().await.bucket;
    let path = |key: &str| format!("/{bucket}/{}", encode(key));
    for key in keys {
        let put = home.root(&Req::new("PUT", &path(key)).body(key.as_bytes())).await;
        assert_eq!(put.status, 200, "{key:?}: {}", put.text());
    }
    for key in keys {
        let got = home.root(&Req::new("GET", &path(key))).await;
        assert_eq!((got.status, got.body.as_slice()), (200, key.as_bytes()), "{key:?}");
        let source = format!("/{bucket}/{}", encode(key));
        let copy = Req::new("PUT", &format!("/{bucket}/copied")).header("x-amz-copy-source", source);
        let copied = home.root(&copy).await;
        assert_eq!(copied.status, 200, "{key:?}: {}", copied.text());
        assert_eq!(home.root(&Req::new("GET", &path("copied"))).await.body, key.as_bytes());
    }
    for version in ["", "2"] {
        let list = Req::new("GET", &format!("/{bucket}")).query("encoding-type", "url");
        let list = if version.is_empty() { list } else { list.query("list-type", version) };
        let listed = home.root(&list).await;
        assert_eq!(listed.text().matches("<Contents>").count(), keys.len() + 1, "all of them, and the copy");
    }
    for key in keys {
        assert_eq!(home.root(&Req::new("DELETE", &path(key))).await.status, 204);
        assert_eq!(home.root(&Req::new("GET", &path(key))).await.status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn impossible_paths_are_refused() {
    let home = Home::new().await;
    let bucket = home.empty_shelf().await.bucket;
    let too_long = format!("/{bucket}/{}", "k".repeat(1025));
    let answer = home.root(&Req::new("PUT", &too_long)).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "KeyTooLongError"));
    let paths = ["%", "%f", "%zz", "%ff", "%c3%28", "%ed%a0%80"].map(|key| format!("/{bucket}/{key}"));
    let more = ["//key", "/%ff", "/%00", "/..", "/../..", "/UPPER", "/a", "/%2F%2F"].map(str::to_owned);
    for path in paths.iter().chain(&more) {
        for method in ["GET", "PUT", "HEAD", "DELETE", "POST", "PATCH", "OPTIONS", "BREW"] {
            let answer = home.root(&Req::new(method, path)).await;
            assert!(is_client_error(&answer), "{method} {path}: {answer:?}");
        }
    }
    for source in
        ["", "/", "//", "bucket", "bucket/", "%ff/%ff", "/b/%ff", "a/b?versionId=1", "?", "/..%2f.."]
    {
        let request = Req::new("PUT", &format!("/{bucket}/copy")).header("x-amz-copy-source", source);
        let answer = home.root(&request).await;
        assert!(is_client_error(&answer), "{source}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn odd_documents_are_refused() {
    let home = Home::new().await;
    let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    let keys = "<Object><Key>k</Key></Object>".repeat(1001);
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><Delete>&b;</Delete>";
    let documents = [
        String::new(),
        "<".to_owned(),
        "<Delete>".to_owned(),
        deep.clone(),
        format!("<Delete>{deep}</Delete>"),
        format!("<Delete>{keys}</Delete>"),
        bomb.to_owned(),
        "<Delete><Object></Object></Delete>".to_owned(),
        "<Delete><Object><Key></Key></Object></Delete>".to_owned(),
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>".to_owned(),
        "<Delete/><Delete/>".to_owned(),
        "\0".to_owned(),
        "<Part><PartNumber>-1</PartNumber></Part>".to_owned(),
        "<CompleteMultipartUpload><Part><PartNumber>99999999999999999999</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>".to_owned(),
        "<CompleteMultipartUpload></CompleteMultipartUpload>".to_owned(),
    ];
    for operation in ["DeleteObjects", "CompleteMultipartUpload", "CreateBucket"] {
        let (_, request) = Sample::of(operation).prepare(&home).await;
        let request = request.without("content-md5");
        for document in &documents {
            // CreateBucket without a body is the usual case.
            if operation == "CreateBucket" && document.is_empty() {
                continue;
            }
            let answer = home.root(&request.clone().body(document.as_bytes()).content_md5()).await;
            let shown = &document[..document.len().min(80)];
            assert!(is_client_error(&answer), "{operation} {shown:?}: {answer:?}");
        }
        let invalid = home.root(&request.body(b"\xff\xfe<Delete>").content_md5()).await;
        assert!(is_client_error(&invalid), "{operation}: {invalid:?}");
    }
}

/// Sends the head, then pieces of body for as long as the server takes them: how many it took, and
/// what it answered.
async fn pour(home: &Home, head: &[u8], piece: &[u8], limit: usize) -> (usize, Answer) {
    let (mut reader, mut writer) = tokio::io::split(home.connect().await);
    writer.write_all(head).await.unwrap();
    let pour = async {
        let mut poured = 0;
        while poured < limit {
            match env::timeout(Duration::from_secs(5), writer.write_all(piece)).await {
                Some(Ok(())) => poured += piece.len(),
                _ => break,
            }
        }
        poured
    };
    let read = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        Answer::parse(&answer).expect("an answer")
    };
    tokio::join!(pour, read)
}

#[tokio::test(start_paused = true)]
async fn a_huge_document_is_refused_without_being_read() {
    const HUGE: usize = 300 << 20;
    // What is read so that the client sees the answer, and what is on its way.
    const TAKEN_MAX: usize = 8 << 20;
    let home = Home::new().await;
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    for operation in ["DeleteObjects", "CompleteMultipartUpload", "CreateBucket"] {
        let (_, request) = Sample::of(operation).prepare(&home).await;
        let request = request.body(b"").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        let announced = request.clone().header("content-length", HUGE.to_string());
        let chunked = request.header("transfer-encoding", "chunked");
        let mut chunk = b"100000\r\n".to_vec();
        chunk.resize(chunk.len() + (1 << 20), b' ');
        chunk.extend_from_slice(b"\r\n");
        let plain = vec![b' '; 1 << 20];
        for (request, piece) in [(announced, &plain), (chunked, &chunk)] {
            let head = request.signed(&home.identity(Who::Root), now_unix_s).to_bytes();
            let (taken, answer) = pour(&home, &head, piece, HUGE).await;
            let what = (answer.status, answer.code());
            assert_eq!(what, (400, "MaxMessageLengthExceeded".to_owned()), "{operation}");
            assert!(taken < TAKEN_MAX, "{operation}: {taken} bytes were taken");
        }
    }
    // Who may not is not read from at all, however much is sent.
    let (_, request) = Sample::of("PutObject").prepare(&home).await;
    let announced = request.body(b"").header("content-length", HUGE.to_string());
    let plain = vec![b' '; 1 << 20];
    let (taken, answer) = pour(&home, &announced.to_bytes(), &plain, HUGE).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "AccessDenied"));
    assert!(taken < TAKEN_MAX, "{taken} bytes were taken");
}

#[tokio::test(start_paused = true)]
async fn heads_beyond_the_limits_are_refused() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let many = (0..110).fold(thing("GET", &shelf), |request, n| request.header(&format!("x-{n}"), "y"));
    assert!(is_client_error(&home.root(&many).await));
    let large = thing("GET", &shelf).header("x-large", "y".repeat(40 << 10));
    let answer = home.root(&large).await;
    assert!(answer.is_refusal("GET", 400, "RequestHeaderSectionTooLarge"), "{answer:?}");
    let huge = thing("GET", &shelf).header("x-huge", "y".repeat(1 << 20));
    assert!(is_client_error(&home.root(&huge).await));
    let query = thing("GET", &shelf).query("prefix", &"y".repeat(17 << 10));
    assert!(is_client_error(&home.root(&query).await));
    let parameters = (0..200).fold(thing("GET", &shelf), |request, n| request.query(&format!("q{n}"), "y"));
    assert!(is_client_error(&home.root(&parameters).await));
    let meta = Sample::of("PutObject").prepare(&home).await.1.header("x-amz-meta-m", "y".repeat(3000));
    assert_eq!(home.root(&meta).await.code(), "MetadataTooLarge");
    // The server is as well as before.
    assert_eq!(home.root(&thing("GET", &shelf)).await.body, CONTENT);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_gets_no_success() {
    let home = Home::new().await;
    let requests: [&[u8]; 13] = [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Folded: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
    ];
    for request in requests {
        let shown = String::from_utf8_lossy(request).into_owned();
        let mut stream = home.connect().await;
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = Answer::parse(&answer);
        // A connection that is closed without a word is an answer, too.
        assert!(answer.as_ref().is_none_or(is_client_error), "{shown:?}: {answer:?}");
    }
    let shelf = home.shelf().await;
    assert_eq!(home.root(&thing("GET", &shelf)).await.body, CONTENT);
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_not_waited_for() {
    let home = Home::new().await;
    let (mut reader, mut writer) = tokio::io::split(home.connect().await);
    let started = home.env.clock.mono();
    let drip = async {
        let head = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ");
        let _ = writer.write_all(head.as_bytes()).await;
        while writer.write_all(b"y").await.is_ok() {
            env::sleep(Duration::from_secs(3)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = reader.read_to_end(&mut answer) => {}
    }
    let took = home.env.clock.mono().saturating_sub(started);
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(Answer::parse(&answer).is_none_or(|answer| is_client_error(&answer)));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_not_waited_for_and_not_stored() {
    let home = Home::new().await;
    let (shelf, request) = Sample::of("PutObject").prepare(&home).await;
    let request = request.header("content-length", "100");
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    let signed = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let bytes = signed.signed(&home.identity(Who::Root), now_unix_s).to_bytes();
    let started = home.env.clock.mono();
    let answer = Answer::parse(&home.send_bytes(&bytes).await).expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (400, "RequestTimeout"));
    let took = home.env.clock.mono().saturating_sub(started);
    assert!(took < Duration::from_secs(90), "{took:?}");
    // And one that ends early.
    let mut stream = home.connect().await;
    stream.write_all(&bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut early = Vec::new();
    let _ = stream.read_to_end(&mut early).await;
    assert!(Answer::parse(&early).is_none_or(|answer| is_client_error(&answer)));
    let path = format!("/{}/new", shelf.bucket);
    assert_eq!(home.root(&Req::new("GET", &path)).await.status, 404);
}
