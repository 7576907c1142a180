//! Where a node listens: the S3 API, web sites, administration; each with TLS where a certificate is configured.
//!
//! Always holds: what was configured is there, or the node does not start and says why. Only what was merely a default
//! may be missing, with a line in the log.

use crate::config::{Bind, Config, TlsFiles};
use anyhow::{Context, anyhow};
use api::admin::Origin;
use api::server::Door;
use api::tls::{self, Tls};
use env::{Env, Listener};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The socket for administration without a token, in the metadata folder: who may open the folder
/// may administrate.
pub const ADMIN_SOCKET: &str = "admin.sock";
/// The port that is proposed when the usual one is taken.
const OTHER_S3_PORT: u16 = 3910;

/// The certificates of a node, each on its listener.
#[derive(Default)]
pub struct Certificates {
    /// Of the S3 API.
    pub s3: Option<Arc<Tls>>,
    /// Of web sites.
    pub web: Option<Arc<Tls>>,
    /// Of administration over TCP.
    pub admin: Option<Arc<Tls>>,
}

impl Certificates {
    /// Reads all files.
    pub async fn open(env: &Env, config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            s3: certificate(env, "[s3_api]", config.s3.tls.as_ref()).await?,
            web: certificate(env, "[s3_web]", config.web.tls.as_ref()).await?,
            admin: certificate(env, "[admin]", config.admin.tls.as_ref()).await?,
        })
    }

    /// All there are.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Tls>> {
        [&self.s3, &self.web, &self.admin].into_iter().flatten()
    }
}

async fn certificate(env: &Env, section: &str, files: Option<&TlsFiles>) -> anyhow::Result<Option<Arc<Tls>>> {
    let Some(TlsFiles { certificate, key }) = files.cloned() else { return Ok(None) };
    let opened = Tls::open(env, tls::TlsFiles { certificate, key }).await;
    let opened = opened.with_context(|| {
        format!(
            "the certificate of {section} cannot be used\nCorrect tls_cert_file and tls_key_file there, or take both \
             away to listen without TLS"
        )
    });
    opened.map(Some)
}

/// Where S3 clients come in.
pub async fn listen_for_s3(env: &Env, config: &Config) -> anyhow::Result<Box<dyn Listener>> {
    let (bind, is_default) = (&config.s3.bind, config.s3.bind_is_default);
    let listener = match (bind, listen(env, bind).await) {
        // A machine without IPv6 listens on 0.0.0.0 where `[::]` was only the default.
        (Bind::Tcp(address), Err(error)) if is_default && error.kind() != io::ErrorKind::AddrInUse => {
            listen(env, &Bind::Tcp(every_ipv4_address(address.port()))).await
        }
        (_, listener) => listener,
    };
    listener.map_err(|error| match bind {
        Bind::Tcp(address) if error.kind() == io::ErrorKind::AddrInUse => {
            let (port, other) = (address.port(), SocketAddr::new(address.ip(), OTHER_S3_PORT));
            anyhow!(
                "another program listens on port {port} already, perhaps another garage server\nTo see which one:     \
                 ss -ltnp 'sport = :{port}'\nTo use another port:  garage server --s3-addr '{other}'"
            )
        }
        _ => anyhow!("cannot listen on {bind}, where the S3 API should be: {error}"),
    })
}

/// Where browsers come in; nothing where that was only the default and cannot be had.
pub async fn listen_for_web(env: &Env, config: &Config) -> anyhow::Result<Option<Box<dyn Listener>>> {
    let (bind, is_default) = (&config.web.bind, config.web.bind_is_default);
    let listener = match (bind, listen(env, bind).await) {
        (Bind::Tcp(address), Err(error)) if is_default && error.kind() != io::ErrorKind::AddrInUse => {
            listen(env, &Bind::Tcp(every_ipv4_address(address.port()))).await
        }
        (_, listener) => listener,
    };
    match listener {
        Ok(listener) => {
            let address = listener.local_addr().map_or_else(|| bind.to_string(), |at| at.to_string());
            tracing::info!("Web server listening on {address}");
            Ok(Some(listener))
        }
        Err(error) if is_default => {
            tracing::warn!(
                %error,
                "no web sites are served, since {bind} is not to be had; bind_addr under [s3_web] sets another port"
            );
            Ok(None)
        }
        Err(error) => Err(anyhow!("cannot listen on {bind}, where web sites should be: {error}")),
    }
}

/// The local socket, which must be there, and the port, which may be missing where it was only the
/// default.
pub async fn listen_for_admin(
    env: &Env,
    config: &Config,
    tls: Option<Arc<Tls>>,
) -> anyhow::Result<Vec<(Door, Origin)>> {
    let cannot = |bind: &Bind, error: io::Error| {
        anyhow!("cannot listen on {bind}, where the admin API should be: {error}")
    };
    let socket = Bind::Unix(config.metadata_dir.join(ADMIN_SOCKET));
    let local = listen(env, &socket).await.map_err(|error| cannot(&socket, error))?;
    let mut listeners = vec![(Door::new(local, None), Origin::LocalSocket)];
    match listen(env, &config.admin.bind).await {
        Ok(listener) => listeners.push((Door::new(listener, tls), Origin::Tcp)),
        Err(error) if config.admin.bind_is_default => tracing::warn!(
            %error,
            "no admin API on {}: administration works on this machine only, over {socket}; api_bind_addr under [admin] \
             sets another port",
            config.admin.bind
        ),
        Err(error) => return Err(cannot(&config.admin.bind, error)),
    }
    Ok(listeners)
}

/// Where a machine without IPv6 listens when `[::]` was only the default.
pub fn every_ipv4_address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

async fn listen(env: &Env, bind: &Bind) -> io::Result<Box<dyn Listener>> {
    match bind {
        Bind::Unix(path) => env.net.listen_unix(path).await,
        Bind::Tcp(address) => env.net.listen(*address).await,
    }
}
