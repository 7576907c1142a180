//! Certificates that are read, replaced, spoiled and repaired, and what clients see of it.

use super::*;
use env::sim::{SimOptions, SimWorld};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const ONE: (&str, &str) = (include_str!("fixtures/one.crt"), include_str!("fixtures/one.key"));
const TWO: (&str, &str) = (include_str!("fixtures/two.crt"), include_str!("fixtures/two.key"));
const BUFFER_BYTES: usize = 64 << 10;

struct Files(Env);

impl Files {
    fn new() -> Self {
        let env = SimWorld::new(5, &SimOptions::default()).env();
        env.disk.create_dir_all(Path::new("/tls")).unwrap();
        Self(env)
    }

    fn put(&self, (certificate, key): (&str, &str)) {
        for (name, text) in [("/tls/c.pem", certificate), ("/tls/k.pem", key)] {
            env::write_file_durably(self.0.disk.as_ref(), Path::new(name), text.as_bytes()).unwrap();
        }
    }

    async fn open(&self) -> Result<Arc<Tls>, TlsError> {
        Tls::open(&self.0, TlsFiles { certificate: "/tls/c.pem".into(), key: "/tls/k.pem".into() }).await
    }
}

/// Believes any certificate: tests look at it themselves.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

type Ends = (TlsStream<DuplexStream>, BoxStream);

/// Both ends of a new connection.
async fn connect(tls: &Arc<Tls>, version: &'static SupportedProtocolVersion) -> io::Result<Ends> {
    let (client, server) = tokio::io::duplex(BUFFER_BYTES);
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let (client, server) = tokio::join!(connector.connect(name, client), tls.accept(Box::new(server)));
    let (server, shown) = server?;
    assert_eq!(shown.number() == "1.3", version.version == rustls::ProtocolVersion::TLSv1_3);
    Ok((client?, server))
}

/// Whether new connections get this certificate.
async fn shows(tls: &Arc<Tls>, (certificate, _): (&str, &str)) -> bool {
    let (client, _server) = connect(tls, &rustls::version::TLS13).await.unwrap();
    let (_, session) = client.get_ref();
    let wanted = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    session.peer_certificates().unwrap() == [wanted]
}

#[tokio::test(start_paused = true)]
async fn both_versions_are_spoken() {
    let files = Files::new();
    files.put(ONE);
    let tls = files.open().await.unwrap();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (mut client, mut server) = connect(&tls, version).await.unwrap();
        assert_eq!(client.get_ref().1.protocol_version(), Some(version.version));
        client.write_all(b"hello").await.unwrap();
        client.flush().await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_is_taken_and_open_connections_go_on() {
    let files = Files::new();
    files.put(ONE);
    let tls = files.open().await.unwrap();
    let _keeper = tls.keep();
    let (mut client, mut server) = connect(&tls, &rustls::version::TLS13).await.unwrap();
    files.put(TWO);
    assert!(shows(&tls, ONE).await, "nobody has looked yet");
    env::sleep(LOOK_EVERY * 2).await;
    assert!(shows(&tls, TWO).await);
    server.write_all(b"still here").await.unwrap();
    server.flush().await.unwrap();
    let mut heard = [0; 10];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_changes_nothing() {
    let files = Files::new();
    files.put(ONE);
    let tls = files.open().await.unwrap();
    let spoiled = [("", TWO.1), (TWO.0, ""), ("no certificate", "no key"), (ONE.0, TWO.1), (TWO.0, ONE.1)];
    for pair in spoiled {
        files.put(pair);
        assert!(tls.renew().await.is_err(), "{pair:?}");
        assert!(matches!(tls.renew().await, Ok(Look::Same)), "it is said once");
        assert!(shows(&tls, ONE).await);
    }
    files.0.disk.remove_file(Path::new("/tls/k.pem")).unwrap();
    assert!(matches!(tls.renew().await, Err(TlsError::Unreadable { .. })));
    assert!(matches!(tls.renew().await, Ok(Look::Same)), "it is said once");
    assert!(shows(&tls, ONE).await);
    files.put(TWO);
    assert!(matches!(tls.renew().await, Ok(Look::Renewed)));
    assert!(shows(&tls, TWO).await);
}

#[tokio::test(start_paused = true)]
async fn at_the_start_the_file_is_named_that_is_wrong() {
    let files = Files::new();
    let refusal = async || files.open().await.err().expect("it must not open").to_string();
    assert_eq!(refusal().await, "there is no file /tls/c.pem");
    files.put(("", ONE.1));
    assert!(refusal().await.starts_with("/tls/c.pem holds no certificate"));
    files.put((ONE.0, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"));
    assert!(refusal().await.starts_with("/tls/k.pem holds no private key without a password"));
    files.put((ONE.0, TWO.1));
    let text = refusal().await;
    assert!(text.contains("/tls/c.pem") && text.contains("/tls/k.pem"), "{text}");
    files.put((&"x".repeat(FILE_MAX_BYTES + 1), ONE.1));
    assert!(refusal().await.starts_with("/tls/c.pem cannot be read: "));
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_answered() {
    let files = Files::new();
    files.put(ONE);
    let tls = files.open().await.unwrap();
    let (mut client, server) = tokio::io::duplex(BUFFER_BYTES);
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(tls.accept(Box::new(server)).await.is_err());
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, PLAIN_HTTP);
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_not_waited_for() {
    let files = Files::new();
    files.put(ONE);
    let tls = files.open().await.unwrap();
    let (_client, server) = tokio::io::duplex(BUFFER_BYTES);
    let outcome = tls.accept(Box::new(server)).await;
    assert_eq!(outcome.err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
}
