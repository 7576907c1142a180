//! Which certificates this machine trusts, for connections to webhooks: those of the system.

use api::webhook::Trust;
use env::Env;
use std::path::PathBuf;

/// Where systems keep them, in one file in PEM.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];
/// The variable by which other programs are told of another file.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Reads them when they are needed.
pub fn reader(env: &Env) -> Trust {
    let env = env.clone();
    Box::new(move || {
        let env = env.clone();
        Box::pin(async move { certificates(&env).await })
    })
}

/// The certificates in PEM; nothing where there are none.
async fn certificates(env: &Env) -> Vec<u8> {
    let given = std::env::var_os(VARIABLE).map(PathBuf::from);
    let inner = env.clone();
    let read = move || {
        let paths = given.map_or_else(|| BUNDLES.map(PathBuf::from).to_vec(), |path| vec![path]);
        for path in paths {
            match env::read_file(inner.disk.as_ref(), &path) {
                Ok(Some(content)) => return content,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "trusted certificates cannot be read");
                }
            }
        }
        Vec::new()
    };
    env.tasks.blocking(read).await
}
