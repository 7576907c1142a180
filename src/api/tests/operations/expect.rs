//! `Expect: 100-continue`: who expects to be told to go on is told, or the connection ends with the
//! answer. botocore keeps the status that it read instead of the 100, and takes it for the status of
//! the connection's next answer, which then lacks every header: uploads fail without an `ETag`, or
//! stand still until the server closes the idle connection.

use super::client::{Answer, Req};
use super::home::{Home, Who};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The request as it goes over a connection that both may use again.
fn head_and_body(home: &Home, who: Who, request: &Req) -> (Vec<u8>, Vec<u8>) {
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    let bytes = request.signed(&home.identity(who), now_unix_s).to_bytes();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    (head.replace("connection: close\r\n", "").into_bytes(), bytes[end..].to_vec())
}

/// The heads that come back, until one of them is final.
async fn heads(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<Answer> {
    let mut heads = Vec::new();
    loop {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(stream.read_u8().await.unwrap());
        }
        heads.push(Answer::parse(&bytes).unwrap());
        if heads.last().is_some_and(|head| head.status >= 200) {
            return heads;
        }
    }
}

/// The statuses that a PUT gets, and whether its connection goes on. The body is sent with the head, or
/// after the first answer if that is a 100.
async fn put(home: &Home, who: Who, request: Req, sends_at_once: bool) -> (Vec<u16>, bool) {
    let (head, body) = head_and_body(home, who, &request);
    let mut stream = home.connect().await;
    stream.write_all(&head).await.unwrap();
    let mut first = Vec::new();
    if !sends_at_once && !body.is_empty() {
        let mut told = vec![0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(told, b"HTTP/1.1 100 Continue\r\n\r\n");
        first.push(100);
    }
    stream.write_all(&body).await.unwrap();
    let answers = heads(&mut stream).await;
    let goes_on = answers.last().is_some_and(|answer| answer.header("connection") != Some("close"));
    first.extend(answers.iter().map(|answer| answer.status));
    (first, goes_on)
}

#[tokio::test(start_paused = true)]
async fn who_is_not_told_to_go_on_gets_no_second_answer_on_the_connection() {
    let home = Home::new().await;
    let path = format!("/{}/thing", home.shelf().await.bucket);
    let plain = |body: &[u8]| Req::new("PUT", &path).body(body);
    let expecting = |body: &[u8]| plain(body).header("expect", "100-continue");
    let check = async |what: &str, who, request, at_once, wanted: (&[u16], bool)| {
        let (statuses, goes_on) = put(&home, who, request, at_once).await;
        assert_eq!((statuses.as_slice(), goes_on), wanted, "{what}");
    };
    check("a body that waits", Who::Root, expecting(b"body"), false, (&[100, 200], true)).await;
    check("a body that does not wait", Who::Root, expecting(b"body"), true, (&[100, 200], true)).await;
    check("an empty body", Who::Root, expecting(b""), true, (&[200], false)).await;
    check("a refused empty body", Who::Stranger, expecting(b""), true, (&[403], false)).await;
    check("a refused body", Who::Stranger, expecting(b"body"), true, (&[403], false)).await;
    check("no expectation", Who::Root, plain(b"body"), true, (&[200], true)).await;
    check("no expectation, empty", Who::Root, plain(b""), true, (&[200], true)).await;
}
