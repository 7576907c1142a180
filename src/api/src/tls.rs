//! TLS on a listener: a certificate and its key out of two files, which may be replaced while the server runs.
//!
//! A change is noticed within [`LOOK_EVERY`], or at once when the server is told to look. Connections that are open go
//! on as they are, new ones get the new certificate. Always holds: a file that cannot be used changes nothing, and the
//! log says once what is wrong with it.
//!
//! Both TLS 1.3 and 1.2 are spoken, since cameras and older SDKs know no other; what is weak in 1.2 rustls leaves out.

use arc_swap::ArcSwap;
use env::{BoxStream, Env, Task};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use rustls::{ProtocolVersion, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::StartHandshake;

/// How often the files are looked at. Whoever renews a certificate does so weeks before it ends.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a client may take over its handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// What every conversation in TLS begins with, and no request in HTTP does.
const HANDSHAKE: u8 = 0x16;
/// Bytes of a client's first message that are read at once; few have more.
const HELLO_PIECE_BYTES: usize = 4 << 10;
/// Largest file that is taken: a long chain has some 20 KiB.
const FILE_MAX_BYTES: usize = 1 << 20;
/// What a browser reads that speaks HTTP to a port with TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 59\r\n\r\nThis port speaks TLS: the address must begin with https://\n";

/// Which TLS is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    fn of(spoken: Option<ProtocolVersion>) -> Self {
        if spoken == Some(ProtocolVersion::TLSv1_3) { Self::V1_3 } else { Self::V1_2 }
    }

    /// Its number.
    pub fn number(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// Where a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those between it and its root behind it, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}", unreadable(path, source))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no certificate in the file.
    #[error("{} holds no certificate: it must have a part -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is no key in the file.
    #[error(
        "{} holds no private key without a password: it must have a part -----BEGIN PRIVATE KEY----- (or RSA, or EC)",
        path.display()
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// They do not belong together, or are of a kind that is not known.
    #[error(
        "the certificate in {} and the key in {} cannot be used together: {source}",
        files.certificate.display(),
        files.key.display()
    )]
    Unusable {
        /// Both.
        files: TlsFiles,
        /// Why.
        source: rustls::Error,
    },
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
        _ => format!("{} cannot be read: {error}", path.display()),
    }
}

/// What both files hold.
#[derive(PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// TLS with what the files hold.
pub struct Tls {
    env: Env,
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    /// What was looked at last, whether or not it could be used; nothing if it could not be read.
    seen: Mutex<Option<Content>>,
}

/// What became of a look at the files.
#[derive(Debug)]
enum Look {
    Same,
    Renewed,
}

impl Tls {
    /// Reads the files, which must be usable.
    pub async fn open(env: &Env, files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let content = read(env, &files).await?;
        let current = ArcSwap::from(Arc::new(config(&files, &content)?));
        Ok(Arc::new(Self { env: env.clone(), files, current, seen: Mutex::new(Some(content)) }))
    }

    /// Looks at the files now and then, for as long as the task lives.
    pub fn keep(self: &Arc<Self>) -> Task<()> {
        let tls = Arc::clone(self);
        self.env.tasks.spawn(async move {
            loop {
                env::sleep(LOOK_EVERY).await;
                tls.look().await;
            }
        })
    }

    /// Looks at the files, and takes what is new in them.
    pub async fn look(&self) {
        let certificate = self.files.certificate.display();
        match self.renew().await {
            Ok(Look::Same) => {}
            Ok(Look::Renewed) => tracing::info!(%certificate, "TLS: the new certificate is used from now on"),
            Err(error) => tracing::error!("TLS: the certificate in use stays, since {error}"),
        }
    }

    async fn renew(&self) -> Result<Look, TlsError> {
        let read = read(&self.env, &self.files).await;
        let content = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            match (&*seen, read) {
                (Some(before), Ok(content)) if *before == content => return Ok(Look::Same),
                // It was said before.
                (None, Err(_)) => return Ok(Look::Same),
                (_, Err(error)) => {
                    *seen = None;
                    return Err(error);
                }
                (_, Ok(content)) => content,
            }
        };
        let made = config(&self.files, &content);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(content);
        self.current.store(Arc::new(made?));
        Ok(Look::Renewed)
    }

    /// The stream inside a connection's TLS, and which TLS that is. A client that speaks plain HTTP is told so.
    pub(crate) async fn accept(&self, stream: BoxStream) -> io::Result<(BoxStream, TlsVersion)> {
        let handshake = self.shake_hands(stream);
        env::timeout(HANDSHAKE_MAX, handshake).await.ok_or(io::ErrorKind::TimedOut)?
    }

    async fn shake_hands(&self, mut stream: BoxStream) -> io::Result<(BoxStream, TlsVersion)> {
        let (mut acceptor, mut piece) = (Acceptor::default(), vec![0; HELLO_PIECE_BYTES]);
        let mut is_first = true;
        loop {
            let length = stream.read(&mut piece).await?;
            let mut heard = piece.get(..length).unwrap_or_default();
            match heard.first() {
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(byte) if is_first && *byte != HANDSHAKE => {
                    stream.write_all(PLAIN_HTTP).await?;
                    stream.shutdown().await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "no TLS is spoken"));
                }
                Some(_) => is_first = false,
            }
            while !heard.is_empty() {
                acceptor.read_tls(&mut heard)?;
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(hello)) => {
                    let handshake = StartHandshake::from_parts(hello, stream);
                    let stream = handshake.into_stream(self.current.load_full()).await?;
                    let version = TlsVersion::of(stream.get_ref().1.protocol_version());
                    return Ok((Box::new(stream), version));
                }
                Err((error, mut alert)) => {
                    let mut told = Vec::new();
                    alert.write_all(&mut told)?;
                    stream.write_all(&told).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    }
}

async fn read(env: &Env, files: &TlsFiles) -> Result<Content, TlsError> {
    let (env, files, tasks) = (env.clone(), files.clone(), env.tasks.clone());
    tasks
        .blocking(move || {
            let content = |path: &Path| {
                let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
                let content = env::read_file(env.disk.as_ref(), path).map_err(unreadable)?;
                let content = content.ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
                match content.len() <= FILE_MAX_BYTES {
                    true => Ok(content),
                    false => Err(unreadable(io::ErrorKind::FileTooLarge.into())),
                }
            };
            Ok(Content { certificate: content(&files.certificate)?, key: content(&files.key)? })
        })
        .await
}

fn config(files: &TlsFiles, content: &Content) -> Result<ServerConfig, TlsError> {
    let no_certificate = || TlsError::NoCertificate { path: files.certificate.clone() };
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&content.certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(no_certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&content.key);
    let key = key.map_err(|_| TlsError::NoKey { path: files.key.clone() })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let made = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut made = made.map_err(|source| TlsError::Unusable { files: files.clone(), source })?;
    made.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(made)
}

#[cfg(test)]
mod tests;
