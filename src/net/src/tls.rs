//! TLS 1.3 with ed25519 raw public keys (RFC 7250), both ways.
//!
//! There are no certificates and no names: each end shows its key, proves it by signing the
//! handshake, and the key is the node id. Whether that node may come in is decided afterwards, by the
//! proof of the cluster secret in the hello. No session is ever resumed, so each link has keys of its
//! own and a proof binds to exactly one.

use crate::error::ConnectError;
use base::NodeId;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring as provider};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureAlgorithm, SignatureScheme,
};
use std::fmt;
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What stands before the 32 bytes of an ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The label of the exported key that proofs are bound to (RFC 5705).
const EXPORT_LABEL: &[u8] = b"EXPORTER-garage-cluster-secret";

/// The key of this node.
pub trait Identity: Send + Sync + 'static {
    /// Its public half.
    fn id(&self) -> NodeId;
    /// An ed25519 signature of the message.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// A key from 32 secret bytes.
pub struct SeedIdentity(Ed25519KeyPair);

impl SeedIdentity {
    /// The key that these bytes give.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed"))
    }
}

impl Identity for SeedIdentity {
    fn id(&self) -> NodeId {
        NodeId::from_bytes(self.0.public_key().as_ref().try_into().expect("a public key has 32 bytes"))
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().expect("a signature has 64 bytes")
    }
}

/// Both halves of TLS for one node.
pub(crate) struct Tls {
    pub connector: TlsConnector,
    pub acceptor: TlsAcceptor,
}

impl Tls {
    pub fn new(identity: Arc<dyn Identity>) -> Result<Self, Error> {
        let provider = Arc::new(provider::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let spki = encode_spki(identity.id());
        let signing: Arc<dyn SigningKey> = Arc::new(Key { identity, spki: spki.clone() });
        let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signing));
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client(&provider, algorithms, &certified)?)),
            acceptor: TlsAcceptor::from(Arc::new(server(&provider, algorithms, &certified)?)),
        })
    }
}

fn client(
    provider: &Arc<CryptoProvider>,
    algorithms: WebPkiSupportedAlgorithms,
    key: &Arc<CertifiedKey>,
) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey { algorithms }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(key))));
    config.resumption = rustls::client::Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

fn server(
    provider: &Arc<CryptoProvider>,
    algorithms: WebPkiSupportedAlgorithms,
    key: &Arc<CertifiedKey>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyKey { algorithms }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(key))));
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The name a dialler has to give; nodes have none, and it is not sent.
pub(crate) fn no_name() -> ServerName<'static> {
    ServerName::try_from("node").expect("a word is a name")
}

/// Whose key the other end has proven, and the session's exported key.
pub(crate) fn session<Data>(
    connection: &rustls::ConnectionCommon<Data>,
) -> Result<(NodeId, [u8; 32]), ConnectError> {
    let shown = connection.peer_certificates().and_then(|chain| chain.first());
    let node = shown.and_then(|key| decode_spki(key)).ok_or(ConnectError::NotANode)?;
    let exported = connection.export_keying_material([0; 32], EXPORT_LABEL, None);
    Ok((node, exported.map_err(|_| ConnectError::NotANode)?))
}

fn encode_spki(id: NodeId) -> Vec<u8> {
    [&SPKI_PREFIX[..], id.as_bytes()].concat()
}

fn decode_spki(bytes: &[u8]) -> Option<NodeId> {
    let key = bytes.strip_prefix(&SPKI_PREFIX)?;
    Some(NodeId::from_bytes(key.try_into().ok()?))
}

/// Signs handshakes with the node's key.
struct Key {
    identity: Arc<dyn Identity>,
    spki: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key of {:?}", self.identity.id())
    }
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        let is_offered = offered.contains(&SignatureScheme::ED25519);
        is_offered.then(|| Box::new(Signer(Arc::clone(&self.identity))) as Box<dyn rustls::sign::Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.spki.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

struct Signer(Arc<dyn Identity>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signer of {:?}", self.0.id())
    }
}

impl rustls::sign::Signer for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Accepts every ed25519 key that its owner proves to have. Who that is, is asked afterwards.
#[derive(Debug)]
struct AnyKey {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyKey {
    fn check_key(key: &CertificateDer<'_>) -> Result<(), Error> {
        decode_spki(key).map(|_| ()).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &spki, signature, &self.algorithms)
    }

    fn no_tls_1_2() -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken".to_owned()))
    }
}

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::check_key(key).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::no_tls_1_2()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::check_key(key).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::no_tls_1_2()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
