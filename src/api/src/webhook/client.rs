//! One message to one webhook: an HTTP request on a connection of its own, under TLS where the address says so.
//!
//! Always holds: every step has a time limit; no redirect is followed; of the answer only the head is read; under TLS the
//! certificate must lead to one that this machine trusts.

use super::WebhookAddress;
use bytes::Bytes;
use env::{BoxStream, Env};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::rows::webhook::Endpoint;
use rustls::crypto::ring as provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// How long finding and reaching a webhook may take, handshake included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// Reads which certificates this machine trusts, in PEM; nothing where there are none.
pub type Trust = Box<dyn Fn() -> BoxFuture<'static, Vec<u8>> + Send + Sync>;

/// Speaks to webhooks.
pub struct WebhookClient {
    env: Env,
    trust: Trust,
    connector: OnceCell<Option<TlsConnector>>,
}

impl WebhookClient {
    /// A client that trusts these certificates; without any it speaks no TLS. They are read when the first webhook
    /// under TLS is reached: most nodes never do that.
    pub fn new(env: &Env, trust: Trust) -> Self {
        Self { env: env.clone(), trust, connector: OnceCell::new() }
    }

    /// Sends a message; why it was not taken is told for people.
    pub async fn post(&self, endpoint: &Endpoint, body: Vec<u8>) -> Result<(), String> {
        let address: WebhookAddress = endpoint.url.parse().map_err(|error| format!("{error}"))?;
        let stream = env::timeout(CONNECT_TIME_MAX, self.connect(&address)).await;
        let stream = stream.ok_or("it could not be reached in time")??;
        let request = request(&address, endpoint, body)?;
        env::timeout(ANSWER_TIME_MAX, self.exchange(stream, request))
            .await
            .ok_or("it did not answer in time")?
    }

    async fn connect(&self, address: &WebhookAddress) -> Result<BoxStream, String> {
        let host =
            if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
        let found = self.env.net.resolve(&format!("{host}:{}", address.port)).await;
        let found = found.map_err(|error| format!("its name is not known: {error}"))?;
        let mut last = "its name stands for no address".to_owned();
        for socket in found {
            match self.env.net.connect(socket).await {
                Ok(stream) => return self.secure(address, stream).await,
                Err(error) => last = format!("it cannot be reached: {error}"),
            }
        }
        Err(last)
    }

    async fn secure(&self, address: &WebhookAddress, stream: BoxStream) -> Result<BoxStream, String> {
        if !address.is_secure {
            return Ok(stream);
        }
        let connector = self.connector.get_or_init(|| async { connector(&(self.trust)().await) }).await;
        let connector = connector.as_ref().ok_or("no certificates were found that this machine trusts")?;
        let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(format!("TLS failed: {error}")),
        }
    }

    async fn exchange(&self, stream: BoxStream, request: Request<Full<Bytes>>) -> Result<(), String> {
        let broken = |error: hyper::Error| format!("the connection broke: {error}");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Drives the connection for as long as this call runs; its error comes back through the sender.
        let _connection = self.env.tasks.spawn(async move { connection.await.is_ok() });
        let status = sender.send_request(request).await.map_err(broken)?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
    }
}

fn request(
    address: &WebhookAddress,
    endpoint: &Endpoint,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address.path.parse().map_err(|_| "its path is none")?;
    let headers = request.headers_mut();
    let host = HeaderValue::try_from(&address.authority).map_err(|_| "its host is none")?;
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("garage"));
    if let Some(token) = &endpoint.token {
        let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
        let mut value = value.map_err(|_| "its token cannot stand in a header")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(request)
}

fn connector(trusted: &[u8]) -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(trusted).filter_map(Result::ok);
    let (taken, _) = roots.add_parsable_certificates(certificates);
    if taken == 0 {
        return None;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()));
    let config = builder.with_safe_default_protocol_versions().ok()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Some(TlsConnector::from(Arc::new(config)))
}
