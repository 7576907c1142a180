//! What a failed request leaves in the log: the id that the client was told, and why.

use super::client::{Answer, Req};
use super::home::Home;
use api::s3::reply::ReplyBody;
use api::server::{self, Door, Handler, Shutdown};
use base::limits::BLOCK_SIZE_BYTES;
use block::HashedBlock;
use env::Entry;
use env::sim::{SimOptions, SimWorld};
use http::Response;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use store::Space;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::subscriber::DefaultGuard;

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Kept {
    /// Keeps what this thread logs from now on.
    fn begin() -> (Self, DefaultGuard) {
        let kept = Self::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        (kept, tracing::subscriber::set_default(log.finish()))
    }

    /// The lines that hold a text, such as the id of a request.
    fn lines_about(&self, text: &str) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

/// Removes every block but one.
fn remove_blocks(home: &Home, folder: &Path, kept: Option<&HashedBlock>) {
    for Entry { path, is_dir } in home.env.disk.list(folder).unwrap() {
        match is_dir {
            true => remove_blocks(home, &path, kept),
            false if kept.is_some_and(|block| is_file_of(&path, block)) => {}
            false => home.env.disk.remove_file(&path).unwrap(),
        }
    }
}

fn is_file_of(path: &Path, block: &HashedBlock) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&block.hash().to_string()))
}

#[tokio::test(start_paused = true)]
async fn the_log_names_the_request_that_failed() {
    let (kept, _log) = Kept::begin();
    let home = Home::new().await;
    let bucket = home.shelf().await.bucket;
    let content: Vec<u8> =
        (0..300_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let put = Req::new("PUT", &format!("/{bucket}/large")).body(&content);
    assert_eq!(home.root(&put).await.status, 200);
    remove_blocks(&home, Path::new("/data/blocks"), None);

    let failed = home.root(&Req::new("GET", &format!("/{bucket}/large"))).await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    let lines = kept.lines_about(failed.header("x-amz-request-id").unwrap());
    let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
    for part in ["ERROR", "a request failed", "GetObject", bucket.as_str(), "InternalError", "is not here"] {
        assert!(line.contains(part), "{part}: {line}");
    }

    // The first block is good, the second is gone: the answer has begun, and breaks off.
    let long: Vec<u8> =
        (0..2_200_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let put = Req::new("PUT", &format!("/{bucket}/longer")).body(&long);
    assert_eq!(home.root(&put).await.status, 200);
    let first = HashedBlock::new(long[..BLOCK_SIZE_BYTES].to_vec().into()).unwrap();
    remove_blocks(&home, Path::new("/data/blocks"), Some(&first));
    let broken = home.root(&Req::new("GET", &format!("/{bucket}/longer"))).await;
    assert_eq!(broken.status, 200);
    assert!(broken.body.len() < long.len());
    let lines = kept.lines_about(broken.header("x-amz-request-id").unwrap());
    assert!(matches!(lines.as_slice(), [line] if line.contains("could not be read to its end")), "{lines:?}");

    // What the client can correct is no news.
    let refused = home.root(&Req::new("GET", &format!("/{bucket}/nothing"))).await;
    assert_eq!(refused.status, 404);
    assert_eq!(kept.lines_about(refused.header("x-amz-request-id").unwrap()), Vec::<String>::new());

    let id = home.model.names().aliases[&bucket];
    super::spoil::spoil(home.model.store(), Space::Bucket, id.as_bytes().to_vec()).await;
    let home = home.restarted().await;
    let later = home.root(&Req::new("GET", &format!("/{bucket}/large"))).await;
    assert_eq!(later.status, 503, "{}", later.text());
    let lines = kept.lines_about(later.header("x-amz-request-id").unwrap());
    assert!(
        matches!(lines.as_slice(), [line] if line.contains("WARN") && line.contains("is damaged")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_ends_its_connection_and_no_other() {
    let (kept, _log) = Kept::begin();
    let world = SimWorld::new(11, &SimOptions::default());
    let env = world.env();
    let listener = env.net.listen(([127, 0, 0, 1], 3900).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler: Handler = Arc::new(|request| {
        Box::pin(async move {
            assert!(request.uri().path() != "/panic", "planted");
            Response::new(ReplyBody::Whole(Some("fine".into())))
        })
    });
    let (_running, shutdown) = Shutdown::new();
    server::serve(&env, Door::new(listener, None), handler, shutdown).detach();
    let ask = async |stream: &mut env::BoxStream, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: s3.example\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"fine") && stream.read_buf(&mut answer).await.is_ok_and(|length| length > 0)
        {
        }
        answer
    };
    let (mut other, mut broken) =
        (env.net.connect(address).await.unwrap(), env.net.connect(address).await.unwrap());
    assert_eq!(Answer::parse(&ask(&mut other, "/").await).unwrap().body, b"fine");
    assert_eq!(ask(&mut broken, "/panic").await, b"", "the end of the connection");
    assert_eq!(Answer::parse(&ask(&mut other, "/").await).unwrap().body, b"fine", "the one that was open");
    let mut new = env.net.connect(address).await.unwrap();
    assert_eq!(Answer::parse(&ask(&mut new, "/").await).unwrap().body, b"fine", "a new one");
    let lines = kept.lines_about("planted");
    assert!(
        matches!(lines.as_slice(), [line] if line.contains("ERROR") && line.contains("panicked")),
        "{lines:?}"
    );
}
