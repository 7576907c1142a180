//! Where a node listens: the S3 API, web sites, administration; each with TLS where a certificate is configured.
//!
//! Always holds: what was configured is there, or the node does not start and says why. Only what was merely a default
//! may be missing, with a line in the log.

use crate::config::{Bind, Config, TlsFiles};
use anyhow::anyhow;
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

/// One that is not the one that is taken.
const fn other_port(taken: u16) -> u16 {
    if taken == OTHER_S3_PORT { OTHER_S3_PORT + 10 } else { OTHER_S3_PORT }
}

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
    let opened = opened.map_err(|error| {
        anyhow!(
            "the certificate of {section} cannot be used: {error}\nCorrect tls_cert_file and tls_key_file there, or take \
             both away to listen without TLS"
        )
    });
    opened.map(Some)
}

/// Where S3 clients come in.
/// `options`: those of the server, which are kept where another port is proposed.
pub async fn listen_for_s3(env: &Env, config: &Config, options: &str) -> anyhow::Result<Box<dyn Listener>> {
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
            let (port, other) = (address.port(), SocketAddr::new(address.ip(), other_port(address.port())));
            anyhow!(
                "{}\nTo use another port:  garage server{options} --s3-addr '{other}'",
                port_is_taken(port)
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
        Ok(listener) => Ok(Some(listener)),
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

/// The local socket for administration.
pub async fn listen_for_local_admin(env: &Env, config: &Config) -> anyhow::Result<Box<dyn Listener>> {
    let socket = admin_socket(config);
    listen(env, &socket).await.map_err(|error| no_admin(&socket, &error))
}

/// The port for administration; nothing where that was only the default and cannot be had.
pub async fn listen_for_admin(env: &Env, config: &Config) -> anyhow::Result<Option<Box<dyn Listener>>> {
    let bind = &config.admin.bind;
    match listen(env, bind).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if config.admin.bind_is_default => {
            tracing::warn!(
                %error,
                "no admin API on {bind}: administration works on this machine only, over {}; api_bind_addr under [admin] \
                 sets another port",
                admin_socket(config)
            );
            Ok(None)
        }
        Err(error) => Err(no_admin(bind, &error)),
    }
}

fn admin_socket(config: &Config) -> Bind {
    Bind::Unix(config.metadata_dir.join(ADMIN_SOCKET))
}

fn no_admin(bind: &Bind, error: &io::Error) -> anyhow::Error {
    anyhow!("cannot listen on {bind}, where the admin API should be: {error}")
}

/// What is said of a port that cannot be had, and how to see why.
pub fn port_is_taken(port: u16) -> String {
    format!(
        "another program listens on port {port} already, perhaps another garage server\nTo see which one:     ss -ltnp \
         'sport = :{port}'"
    )
}

/// Where a listener is, to show.
pub fn shown(listener: &dyn Listener, bind: &Bind) -> String {
    listener.local_addr().map_or_else(|| bind.to_string(), |address| address.to_string())
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
