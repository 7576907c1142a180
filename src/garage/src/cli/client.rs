//! The way to a node: HTTP and JSON over its local socket, or over TCP with a token.
//!
//! One connection per request. A command makes a handful of them, and a local connection costs
//! microseconds. Everything is bounded: time to connect, time to answer, size of the answer.

use super::error::CliError;
use api::admin::wire::ErrorBody;
use bytes::Bytes;
use env::{BoxStream, Env};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The socket's name in the metadata folder.
pub const SOCKET_FILE: &str = crate::listening::ADMIN_SOCKET;
/// The port of the admin API, where an address names none.
const ADMIN_PORT: u16 = 3903;
/// A node that takes longer to accept is down for an operator at a terminal.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// The slowest calls walk all objects or abort thousands of uploads.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(300);
/// The largest answers: a hundred thousand buckets, or the blocks of a 100 GB object, some 15 MB.
const ANSWER_MAX_BYTES: usize = 256 << 20;
/// Bytes that need no escape in a query value.
const QUERY_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Which node is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The one on this machine, over its socket.
    Local(PathBuf),
    /// Another one, over TCP.
    Remote {
        /// Where its admin API is.
        url: AdminUrl,
        /// The admin token.
        token: Option<String>,
    },
}

/// `http://host:port` of an admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUrl {
    host: String,
    port: u16,
}

/// A text that is not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminUrlError {
    /// TLS is not there yet.
    #[error("https is not supported yet: use http over a private network, or an ssh tunnel")]
    Tls,
    /// Something else.
    #[error("write it as http://host:port, for example http://10.0.0.5:3903")]
    Form,
}

impl FromStr for AdminUrl {
    type Err = AdminUrlError;

    fn from_str(text: &str) -> Result<Self, AdminUrlError> {
        if text.starts_with("https://") {
            return Err(AdminUrlError::Tls);
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let authority: http::uri::Authority = rest.parse().map_err(|_| AdminUrlError::Form)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let has_odd_port = authority.port_u16().is_none() && authority.as_str() != authority.host();
        if host.is_empty() || has_odd_port || rest.contains('@') {
            return Err(AdminUrlError::Form);
        }
        Ok(Self { host, port: authority.port_u16().unwrap_or(ADMIN_PORT) })
    }
}

/// An answer: read, and as it came.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What it says.
    pub value: T,
    /// The JSON itself.
    pub json: Value,
}

/// Speaks to one node.
pub struct Client {
    env: Env,
    target: Target,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(env: Env, target: Target) -> Self {
        Self { env, target }
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer<T>, CliError> {
        read_answer(endpoint, self.send(Method::GET, endpoint, query, None).await?)
    }

    /// Changes something.
    pub async fn post<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<Answer<T>, CliError> {
        let body = serde_json::to_value(body)
            .map_err(|source| CliError::Unreadable { endpoint: endpoint.to_owned(), source })?;
        read_answer(endpoint, self.send(Method::POST, endpoint, query, Some(&body)).await?)
    }

    /// Calls an endpoint; an empty answer is `null`.
    pub async fn send(
        &self,
        method: Method,
        endpoint: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        let connected = env::timeout(CONNECT_TIME_MAX, self.connect()).await;
        let stream = connected.ok_or(CliError::TimedOut)??;
        let request = self.request(method, endpoint, query, body);
        let (status, content) = env::timeout(ANSWER_TIME_MAX, self.exchange(stream, request))
            .await
            .ok_or(CliError::TimedOut)??;
        if !status.is_success() {
            return Err(refusal(status, &content));
        }
        if content.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&content)
            .map_err(|source| CliError::Unreadable { endpoint: endpoint.to_owned(), source })
    }

    async fn connect(&self) -> Result<BoxStream, CliError> {
        match &self.target {
            Target::Local(socket) => {
                self.env.net.connect_unix(socket).await.map_err(|error| match error.kind() {
                    io::ErrorKind::PermissionDenied => CliError::NotAllowed { socket: socket.clone() },
                    _ => CliError::NoServer { socket: socket.clone() },
                })
            }
            Target::Remote { url, .. } => {
                let address = format!("{}:{}", url.host, url.port);
                self.connect_tcp(url).await.map_err(|source| CliError::Unreachable { address, source })
            }
        }
    }

    /// Tries every address of the host in turn.
    async fn connect_tcp(&self, url: &AdminUrl) -> io::Result<BoxStream> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in tokio::net::lookup_host((url.host.as_str(), url.port)).await? {
            match self.env.net.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn request(
        &self,
        method: Method,
        endpoint: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Request<Full<Bytes>> {
        let pairs =
            query.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY_SAFE)));
        let pairs = pairs.collect::<Vec<_>>().join("&");
        let separator = if pairs.is_empty() { "" } else { "?" };
        let endpoint = utf8_percent_encode(endpoint, QUERY_SAFE);
        let content = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(Full::new(Bytes::from(content)));
        *request.method_mut() = method;
        *request.uri_mut() =
            format!("/v2/{endpoint}{separator}{pairs}").parse().expect("an escaped path and query is a URI");
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("garage"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Target::Remote { token: Some(token), .. } = &self.target
            && let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            headers.insert(AUTHORIZATION, value);
        }
        request
    }

    async fn exchange(
        &self,
        stream: BoxStream,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), CliError> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(CliError::Interrupted)?;
        // Drives the connection for as long as this call runs; its error comes back through the sender.
        let _connection = self.env.tasks.spawn(async move { connection.await.is_ok() });
        let response = sender.send_request(request).await.map_err(CliError::Interrupted)?;
        let status = response.status();
        match Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await {
            Ok(content) => Ok((status, content.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(CliError::AnswerTooLarge),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(error) => Err(CliError::Interrupted(*error)),
                Err(_) => Err(CliError::AnswerTooLarge),
            },
        }
    }
}

fn read_answer<T: DeserializeOwned>(endpoint: &str, json: Value) -> Result<Answer<T>, CliError> {
    match T::deserialize(&json) {
        Ok(value) => Ok(Answer { value, json }),
        Err(source) => Err(CliError::Unreadable { endpoint: endpoint.to_owned(), source }),
    }
}

/// What an admin API, or a proxy before it, refused with.
fn refusal(status: StatusCode, content: &[u8]) -> CliError {
    let (code, message) = match serde_json::from_slice::<ErrorBody>(content) {
        Ok(body) => (body.code, body.message),
        Err(_) => {
            let text: String = String::from_utf8_lossy(content).chars().take(200).collect();
            (String::new(), format!("the node answered {status}: {}", text.trim()))
        }
    };
    CliError::Refused { status: status.as_u16(), code, message }
}
