//! A request the tests can build, sign, change and verify. The signer here works from the published
//! rules for well-formed requests only; the published examples and the recorded requests of a real
//! client judge the verifier independently of it.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};

use super::{
    Credentials, RequestHead, Scope, Secret, SignatureError, SigningKey, Verified, VerifyPolicy, hex,
};

/// The key of the published examples.
pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// Its secret.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The time of the published examples, 2013-05-24 00:00:00 UTC.
pub(crate) const NOW: i64 = 1_369_353_600;
/// SHA-256 of nothing.
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[derive(Debug, Clone)]
pub(crate) struct TestRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

impl TestRequest {
    pub(crate) fn new(method: &str, path: &str, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = Self {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
        };
        for (name, value) in headers {
            request.add(name, value);
        }
        request
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }

    pub(crate) fn head<'r>(&'r self, hosts: &'r [&'r str]) -> RequestHead<'r> {
        RequestHead {
            method: &self.method,
            raw_path: &self.path,
            raw_query: &self.query,
            headers: &self.headers,
            hosts,
        }
    }

    pub(crate) fn verify(&self) -> Result<Verified, SignatureError> {
        self.verify_at(NOW)
    }

    pub(crate) fn verify_at(&self, now_unix_s: i64) -> Result<Verified, SignatureError> {
        self.verify_with(now_unix_s, &VerifyPolicy::default(), &[])
    }

    pub(crate) fn verify_with(
        &self,
        now_unix_s: i64,
        policy: &VerifyPolicy<'_>,
        hosts: &[&str],
    ) -> Result<Verified, SignatureError> {
        let lookup = |id: &str| (id == KEY_ID).then(|| Secret::new(SECRET));
        match Credentials::parse(&self.head(hosts), now_unix_s)? {
            Credentials::Anonymous => panic!("the request carries no credentials"),
            Credentials::Header(claim) | Credentials::Presigned(claim) => claim.verify(policy, lookup),
        }
    }

    /// Adds an `Authorization` header over all headers present, for a path and query already canonical.
    pub(crate) fn sign(&mut self) {
        let date = self.headers["x-amz-date"].to_str().unwrap().to_owned();
        self.sign_at(&date);
    }

    /// The same, at a time the headers may name in another way.
    pub(crate) fn sign_at(&mut self, date: &str) {
        let mut names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let list = names.join(";");
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, self.query).into_bytes();
        for name in &names {
            let values: Vec<&[u8]> = self.headers.get_all(*name).iter().map(HeaderValue::as_bytes).collect();
            canonical.extend_from_slice(format!("{name}:").as_bytes());
            canonical.extend_from_slice(&values.join(&b','));
            canonical.push(b'\n');
        }
        let hash = self.headers["x-amz-content-sha256"].to_str().unwrap();
        canonical.extend_from_slice(format!("\n{list}\n{hash}").as_bytes());
        let credential = format!("{KEY_ID}/{}/us-east-1/s3/aws4_request", &date[..8]);
        let (_, scope) = Scope::parse_credential(&credential).unwrap();
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope.text(), hex(&Sha256::digest(&canonical)));
        let signature = hex(&SigningKey::derive(&Secret::new(SECRET), &scope).sign(to_sign.as_bytes()));
        let value =
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={list}, Signature={signature}");
        self.add("authorization", &value);
    }

    /// What the chunks of a signed request's body are signed with: key, scope and the first link.
    pub(crate) fn chain(&self) -> (SigningKey, String, String) {
        let authorization = self.headers["authorization"].to_str().unwrap();
        let parts = super::AuthorizationHeader::parse(authorization).unwrap();
        let (_, scope) = Scope::parse_credential(parts.credential).unwrap();
        let key = SigningKey::derive(&Secret::new(SECRET), &scope);
        (key, scope.text(), parts.signature.to_owned())
    }
}
