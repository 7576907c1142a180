//! What a start says: where the node listens and, at the first one, what to type next.
//!
//! Always holds: what is printed works as it stands, with the options that this server was given; the secret is shown on
//! a terminal only.

use crate::config::{Bind, S3Config};
use crate::first_run::FIRST_BUCKET;
use crate::node::RunningNode;
use std::io::IsTerminal;
use std::net::SocketAddr;

/// How clients reach the S3 API.
#[derive(Debug, PartialEq, Eq)]
struct Reach {
    /// `http` or `https`.
    scheme: String,
    /// Host, and port if it is not the scheme's own.
    host: String,
    /// Whether the bucket stands in the path.
    is_path_style: bool,
}

impl Reach {
    /// By what is configured and where the server listens; nothing for a socket that has no public URL.
    fn of(config: &S3Config, address: Option<SocketAddr>) -> Option<Self> {
        if let Some(url) = &config.public_endpoint {
            let (scheme, host) = url.split_once("://").unwrap_or(("https", url));
            let host = host.trim_end_matches('/').to_owned();
            return Some(Self {
                scheme: scheme.to_owned(),
                host,
                is_path_style: config.public_endpoint_path_style,
            });
        }
        let address = address?;
        let is_here = address.ip().is_unspecified() || address.ip().is_loopback();
        let host = if is_here { format!("localhost:{}", address.port()) } else { address.to_string() };
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        Some(Self { scheme: scheme.to_owned(), host, is_path_style: true })
    }

    fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }
}

/// The first key, as it is shown once.
struct FirstKey<'a> {
    id: &'a str,
    secret: &'a str,
    bucket: &'a str,
    region: &'a str,
}

/// Says where the node listens and what to do next. `place`: the options by which commands find this node.
pub fn announce(node: &RunningNode, place: &str) {
    let addresses = &node.addresses;
    tracing::info!("S3 API server listening on {}", addresses.s3);
    if let Some(web) = &addresses.web {
        tracing::info!("Web server listening on {web}");
    }
    if let Some(admin) = &addresses.admin {
        tracing::info!("Admin API server listening on {admin}");
    }
    if let Some(text) = missing_role(node, place) {
        tracing::info!("{text}");
    }
    let Some(id) = &node.first_run.new_key else { return };
    let bucket = node.first_run.new_bucket.as_deref().unwrap_or(FIRST_BUCKET);
    let again = format!("garage key info {id} --show-secret{place}");
    if !std::io::stdout().is_terminal() {
        println!("First key: {id}, first bucket: {bucket}. To see the secret: {again}");
        return;
    }
    let names = node.model.names();
    let Some(row) = names.keys.get(id) else { return };
    let region = &node.config.s3.region;
    let key = FirstKey { id, secret: row.secret.value.reveal(), bucket, region };
    let reach = Reach::of(&node.config.s3, node.s3_address);
    println!("{}\nTo see this again:  {again}\n", lines_to_paste(&key, reach.as_ref(), &node.config.s3.bind));
}

/// What to do about a node that has no role yet.
fn missing_role(node: &RunningNode, place: &str) -> Option<String> {
    let id = node.cluster.id();
    if node.cluster.has_role(id) {
        return None;
    }
    if node.cluster.has_joined() {
        return Some("this node has no role yet: on any home of the cluster, garage node approve".to_owned());
    }
    let id = id.to_string();
    Some(format!(
        "this node has no role yet: garage{place} status, garage{place} layout assign -z ZONE --capacity SIZE {}",
        &id[..16]
    ))
}

fn lines_to_paste(key: &FirstKey<'_>, reach: Option<&Reach>, bind: &Bind) -> String {
    let FirstKey { id, secret, bucket, region } = key;
    let ready = reach.map_or_else(|| format!("the socket {bind}"), Reach::url);
    let facts = format!(
        "
Your storage is ready at {ready}

  Access key ID:      {id}
  Secret access key:  {secret}
  Bucket:             {bucket}
  Region:             {region}
"
    );
    let Some(reach) = reach else { return facts };
    let (endpoint, host) = (reach.url(), &reach.host);
    let ssl = if reach.scheme == "https" { "--ssl" } else { "--no-ssl" };
    let host_bucket = if reach.is_path_style { String::new() } else { format!("'%(bucket)s.{host}'") };
    let rclone_style = if reach.is_path_style { "" } else { " force_path_style=false" };
    format!(
        "{facts}
With the AWS command line:
  export AWS_ACCESS_KEY_ID={id} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION={region}
  aws --endpoint-url {endpoint} s3 cp README.md s3://{bucket}/

With rclone:
  rclone config create garage s3 provider=Other access_key_id={id} secret_access_key={secret} endpoint={endpoint} region={region}{rclone_style}
  rclone copy README.md garage:{bucket}

With s3cmd:
  s3cmd --access_key={id} --secret_key={secret} --host={host} --host-bucket={host_bucket} {ssl} put README.md s3://{bucket}/
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsFiles;

    fn config(tls: bool, public: Option<(&str, bool)>) -> S3Config {
        let files = TlsFiles { certificate: "/c".into(), key: "/k".into() };
        S3Config {
            bind: Bind::Unix("/run/s3.sock".into()),
            bind_is_default: false,
            region: "garage".to_owned(),
            enforce_region: false,
            root_domain: None,
            tls: tls.then_some(files),
            public_endpoint: public.map(|(url, _)| url.to_owned()),
            public_endpoint_path_style: public.is_some_and(|(_, is_path_style)| is_path_style),
        }
    }

    fn pasted(config: &S3Config, address: Option<&str>) -> String {
        let key = FirstKey { id: "GK1", secret: "s3cr3t", bucket: "photos", region: "garage" };
        let reach = Reach::of(config, address.map(|text| text.parse().unwrap()));
        lines_to_paste(&key, reach.as_ref(), &config.bind)
    }

    #[test]
    fn clients_are_told_where_the_server_listens() {
        for (address, expected) in [
            ("[::]:3900", "http://localhost:3900"),
            ("127.0.0.1:45040", "http://localhost:45040"),
            ("192.0.2.2:45040", "http://192.0.2.2:45040"),
            ("[2001:db8::1]:3900", "http://[2001:db8::1]:3900"),
        ] {
            let text = pasted(&config(false, None), Some(address));
            assert!(text.contains(&format!("ready at {expected}\n")), "{text}");
            let host = expected.trim_start_matches("http://");
            assert!(text.contains(&format!("--host={host} --host-bucket= --no-ssl put")), "{text}");
        }
    }

    #[test]
    fn with_tls_and_under_a_public_url() {
        let text = pasted(&config(true, None), Some("[::]:3900"));
        assert!(text.contains("endpoint=https://localhost:3900 ") && text.contains(" --ssl put"), "{text}");
        let text = pasted(&config(false, Some(("https://s3.example.org/", true))), Some("[::]:3900"));
        assert!(text.contains("aws --endpoint-url https://s3.example.org s3 cp"), "{text}");
        assert!(text.contains("--host=s3.example.org --host-bucket= --ssl put"), "{text}");
        let text = pasted(&config(false, Some(("https://s3.example.org", false))), None);
        assert!(text.contains("--host-bucket='%(bucket)s.s3.example.org' --ssl"), "{text}");
        assert!(text.contains(" force_path_style=false\n"), "{text}");
    }

    #[test]
    fn a_socket_has_no_lines_for_clients() {
        let text = pasted(&config(false, None), None);
        assert!(text.contains("ready at the socket /run/s3.sock\n") && text.contains("s3cr3t"), "{text}");
        assert!(!text.contains("localhost") && !text.contains("rclone"), "{text}");
    }
}
