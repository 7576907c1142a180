//! Slow clients, in virtual time: heads, bodies and readers that take too long are cut off, those
//! that are merely slow are not, and nobody else waits for them.

use super::client::{Answer, Req};
use super::home::{CONTENT, HOST, Home, Shelf, UPLOAD_BLOCKS, Who};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1 << 20;

fn thing(method: &str, shelf: &Shelf) -> Req {
    Req::new(method, &format!("/{}/thing", shelf.bucket))
}

fn signed(home: &Home, request: &Req) -> Req {
    let now_unix_s = i64::try_from(home.env.clock.wall().seconds()).unwrap();
    request.signed(&home.identity(Who::Root), now_unix_s)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends pieces until the stream ends, with a pause after each; what came back meanwhile.
async fn drip(home: &Home, pieces: impl Iterator<Item = Vec<u8>>, pause: Duration) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(home.connect().await);
    let send = async {
        for piece in pieces {
            if writer.write_all(&piece).await.is_err() {
                break;
            }
            env::sleep(pause).await;
        }
        std::future::pending::<()>().await
    };
    let read = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        answer
    };
    tokio::select! {
        () = send => unreachable!("it waits for the answer"),
        answer = read => answer,
    }
}

#[tokio::test(start_paused = true)]
async fn heads_that_do_not_come_to_an_end_are_cut_off_and_nobody_waits_for_them() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let began = home.env.clock.mono();
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut stream = home.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        open.push(stream);
    }
    assert_eq!(home.root(&thing("GET", &shelf)).await.body, CONTENT);
    for mut stream in open {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(text(&answer).starts_with("HTTP/1.1 408 "), "{}", text(&answer));
    }
    let took = home.env.clock.mono() - began;
    assert!((9..=15).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn neither_silence_nor_drops_keep_a_connection_open() {
    let home = Home::new().await;
    let began = home.env.clock.mono();
    assert_eq!(text(&drip(&home, std::iter::empty(), Duration::ZERO).await), "");
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}", "y".repeat(1000));
    let drops = head.into_bytes().into_iter().map(|byte| vec![byte]);
    let answer = drip(&home, drops, Duration::from_secs(1)).await;
    assert!(text(&answer).starts_with("HTTP/1.1 408 "), "{}", text(&answer));
    let took = home.env.clock.mono() - began;
    assert!((19..=30).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_without_end_is_refused_before_it_fills_the_memory() {
    let home = Home::new().await;
    let begin = std::iter::once(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ".to_vec());
    let pieces = begin.chain(std::iter::repeat_n(vec![b'y'; 1000], 10_000));
    let answer = drip(&home, pieces, Duration::from_millis(1)).await;
    assert!(text(&answer).starts_with("HTTP/1.1 431 "), "{}", text(&answer));
    let took = home.env.clock.mono();
    assert!(took.as_millis() < 1000, "{took:?}: it took more than a second, and so more than a MB");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_stays_open_for_a_while() {
    let home = Home::new().await;
    let mut stream = home.connect().await;
    let ask = format!("HEAD / HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let mut chunk = vec![0; 4096];
    for _ in 0..3 {
        stream.write_all(ask.as_bytes()).await.unwrap();
        let bytes = stream.read(&mut chunk).await.unwrap();
        assert!(text(&chunk[..bytes]).starts_with("HTTP/1.1 403 "), "{}", text(&chunk[..bytes]));
        env::sleep(Duration::from_secs(30)).await;
    }
    let began = home.env.clock.mono();
    assert_eq!(stream.read(&mut chunk).await.unwrap_or(0), 0);
    let took = home.env.clock.mono() - began;
    assert!((20..=40).contains(&took.as_secs()), "60 s after the last answer: {took:?}");
    // A second head that does not come to its end is cut off as soon as a first one.
    let mut stream = home.connect().await;
    stream.write_all(ask.as_bytes()).await.unwrap();
    let _ = stream.read(&mut chunk).await.unwrap();
    env::sleep(Duration::from_secs(30)).await;
    stream.write_all(b"GET / HT").await.unwrap();
    let began = home.env.clock.mono();
    let bytes = stream.read(&mut chunk).await.unwrap();
    assert!(text(&chunk[..bytes]).starts_with("HTTP/1.1 408 "), "{}", text(&chunk[..bytes]));
    let took = home.env.clock.mono() - began;
    assert!((9..=15).contains(&took.as_secs()), "{took:?}");
}

/// Puts a body of 64 KiB in pieces, with a pause of 20 s before each.
async fn put_slowly(home: &Home, shelf: &Shelf, piece_bytes: usize) -> Answer {
    let body = vec![7; 64 << 10];
    let head = signed(home, &thing("PUT", shelf).body(&body)).to_bytes();
    let (head, body) = head.split_at(head.len() - body.len());
    let pieces = body.chunks(piece_bytes).map(<[u8]>::to_vec);
    let pieces = std::iter::once(head.to_vec()).chain(pieces);
    Answer::parse(&drip(home, pieces, Duration::from_secs(20)).await).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_must_move() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    // 16 KiB every 60 s: 6 KiB in 20 s is enough, 5 KiB are not, drops much less.
    assert_eq!(put_slowly(&home, &shelf, 6 << 10).await.status, 200);
    for piece_bytes in [5 << 10, 1] {
        let began = home.env.clock.mono();
        let answer = put_slowly(&home, &shelf, piece_bytes).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "RequestTimeout"));
        let took = home.env.clock.mono() - began;
        assert!(took.as_secs() < 100, "{took:?}");
    }
    assert_eq!(home.root(&thing("GET", &shelf)).await.body, vec![7; 64 << 10]);
}

/// Gets a body of 4 MiB, reading a piece after each pause; how much of it came.
async fn get_slowly(home: &Home, shelf: &Shelf, piece_bytes: usize, pause: Duration) -> usize {
    let mut stream = home.connect().await;
    stream.write_all(&signed(home, &thing("GET", shelf)).to_bytes()).await.unwrap();
    let (mut piece, mut answer) = (vec![0; piece_bytes], Vec::new());
    loop {
        env::sleep(pause).await;
        match stream.read_exact(&mut piece).await {
            Ok(_) => answer.extend_from_slice(&piece),
            Err(_) => return answer.len(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_must_be_taken() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let content = vec![7; 4 * MIB];
    assert_eq!(home.root(&thing("PUT", &shelf).body(&content)).await.status, 200);
    let steady = get_slowly(&home, &shelf, 32 << 10, Duration::from_secs(40)).await;
    assert!(steady >= 4 * MIB - (32 << 10), "{steady} bytes came");
    let began = home.env.clock.mono();
    let asleep = get_slowly(&home, &shelf, 64 << 10, Duration::from_secs(70)).await;
    assert!(asleep < MIB, "{asleep} bytes came: more than was on its way");
    let took = home.env.clock.mono() - began;
    assert!(took.as_secs() < 1000, "{took:?}");
    assert_eq!(home.root(&thing("GET", &shelf)).await.body, content);
}

/// With the limit that was reached.
fn assert_told_to_slow_down(refused: &Answer, limit: &str) {
    assert_eq!((refused.status, refused.code().as_str()), (503, "SlowDown"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(text(&refused.body).contains(limit), "{}", text(&refused.body));
}

#[tokio::test(start_paused = true)]
async fn uploads_that_take_all_the_memory_make_others_wait_only_until_they_are_cut_off() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let content = vec![7; MIB];
    let mut asleep = Vec::new();
    for number in 0..UPLOAD_BLOCKS {
        let request = Req::new("PUT", &format!("/{}/asleep-{number}", shelf.bucket)).body(&content);
        let whole = signed(&home, &request).to_bytes();
        let mut stream = home.connect().await;
        stream.write_all(&whole[..whole.len() - MIB / 2]).await.unwrap();
        asleep.push(stream);
    }
    env::sleep(Duration::from_secs(1)).await;
    let began = home.env.clock.mono();
    assert_told_to_slow_down(
        &home.root(&thing("PUT", &shelf).body(&content)).await,
        "bodies that are being uploaded",
    );
    let waited = home.env.clock.mono() - began;
    assert!((29..=31).contains(&waited.as_secs()), "{waited:?}");
    let small = Req::new("PUT", &format!("/{}/small", shelf.bucket)).body(CONTENT);
    assert_eq!(home.root(&small).await.status, 200, "what lies beside its row needs no block");
    env::sleep(Duration::from_secs(60)).await;
    assert_eq!(home.root(&thing("PUT", &shelf).body(&content)).await.status, 200);
    drop(asleep);
}

#[tokio::test(start_paused = true)]
async fn readers_who_take_all_the_memory_make_others_wait_only_until_they_are_cut_off() {
    let home = Home::new().await;
    let shelf = home.shelf().await;
    let content = vec![7; MIB];
    assert_eq!(home.root(&thing("PUT", &shelf).body(&content)).await.status, 200);
    assert_eq!(
        home.root(&Req::new("PUT", &format!("/{}/small", shelf.bucket)).body(CONTENT)).await.status,
        200
    );
    let mut asleep = Vec::new();
    for _ in 0..model::SENDING_MAX_BLOCKS {
        let mut stream = home.connect().await;
        stream.write_all(&signed(&home, &thing("GET", &shelf)).to_bytes()).await.unwrap();
        asleep.push(stream);
    }
    env::sleep(Duration::from_secs(1)).await;
    let began = home.env.clock.mono();
    let refused = home.root(&thing("GET", &shelf)).await;
    assert_told_to_slow_down(&refused, "bodies on their way to clients");
    let waited = home.env.clock.mono() - began;
    assert!((29..=31).contains(&waited.as_secs()), "{waited:?}");
    let small = home.root(&Req::new("GET", &format!("/{}/small", shelf.bucket))).await;
    assert_eq!(small.body, CONTENT, "what lies beside its row needs no block");
    env::sleep(Duration::from_secs(30)).await;
    assert_eq!(home.root(&thing("GET", &shelf)).await.body, content);
}
