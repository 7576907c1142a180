//! The command line against a real node: started from nothing in a temporary folder, asked over
//! its local socket and over TCP, stopped, and asked in vain.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "this test is outside of the node: it starts processes and picks ports on the real machine"
)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The log line that says that a node serves.
const READY: &str = "S3 API server listening on";

/// A folder with a configuration, and the node in it while it runs.
struct Home {
    folder: tempfile::TempDir,
    admin_port: u16,
    node: Option<Child>,
}

/// What one command said.
struct Said {
    text: String,
    errors: String,
    exit: i32,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [s3_port, admin_port] = free_ports();
        let at = folder.path().display();
        let config = format!(
            "metadata_dir = \"{at}/meta\"\ndata_dir = \"{at}/data\"\n\n[s3_api]\napi_bind_addr = \
             \"127.0.0.1:{s3_port}\"\n\n[admin]\napi_bind_addr = \"127.0.0.1:{admin_port}\"\nadmin_token = \"t0ken\"\n"
        );
        std::fs::write(folder.path().join("garage.toml"), config).unwrap();
        Self { folder, admin_port, node: None }
    }

    /// Starts the node and waits until it serves.
    fn start(&mut self) {
        let mut node = self.command(&["server"]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(node.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        for line in log.by_ref().map_while(Result::ok) {
            seen.push(line);
            if seen.last().is_some_and(|line| line.contains(READY)) {
                break;
            }
        }
        self.node = Some(node);
        assert!(seen.iter().any(|line| line.contains(READY)), "the node did not start: {seen:#?}");
        // The pipe is emptied, so that the node never waits for a reader of its log.
        std::thread::spawn(move || log.for_each(drop));
    }

    fn stop(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.kill().unwrap();
            node.wait().unwrap();
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_garage"));
        let ours = std::env::vars().filter(|(name, _)| !name.starts_with("GARAGE_"));
        command.env_clear().envs(ours).args(arguments).stdout(Stdio::piped());
        command.env("GARAGE_CONFIG_FILE", self.folder.path().join("garage.toml"));
        command
    }

    fn say(&self, line: &str) -> Said {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        said(self.command(&arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// What a command that must succeed prints.
    fn ok(&self, line: &str) -> String {
        let said = self.say(line);
        assert_eq!(said.exit, 0, "garage {line}: {}", said.errors);
        said.text
    }

    /// What a command that must fail complains about.
    fn fails(&self, line: &str) -> String {
        let said = self.say(line);
        assert_eq!((said.exit, said.text.as_str()), (1, ""), "garage {line}: {}", said.errors);
        said.errors
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.stop();
    }
}

fn said(output: Output) -> Said {
    Said {
        text: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
        exit: output.status.code().unwrap(),
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are known, so that they differ.
    let held = [(); N].map(|()| std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// The last word of a line, as scripts take it.
fn last_word(text: &str, line: usize) -> &str {
    text.lines().nth(line - 1).unwrap().split_whitespace().next_back().unwrap()
}

#[test]
fn a_node_and_its_command_line() {
    let mut home = Home::new();
    home.start();
    let id = home.ok("node id -q");
    cluster(&home);
    keys(&home);
    buckets(&home);
    raw_api(&home);
    over_tcp(&home);
    home.stop();
    let said = home.say("health -q");
    assert_eq!((said.exit, said.text.as_str(), said.errors.as_str()), (2, "", ""));
    assert!(home.fails("status").contains("garage server"));
    assert_eq!(home.ok("node id -q"), id);
}

/// Upstream's quick start, which scripts repeat: it expects a node without a layout.
#[test]
fn a_quick_start_for_a_node_without_layout_works() {
    let mut home = Home::new();
    home.start();
    let id = home.ok("node id -q");
    home.ok(&format!("layout assign -z dc1 -c 1G {}", &id[..16]));
    let applied = home.ok("layout apply --version 1");
    assert!(applied.ends_with("Cluster layout version 2 is in force.\n"), "{applied}");
    let roles = home.json("layout show --output json");
    assert_eq!((&roles["roles"][0]["zone"], &roles["version"]), (&"dc1".into(), &2.into()));
    home.stop();
}

fn cluster(home: &Home) {
    let full = home.ok("node id -q");
    let (id, address) = full.trim_end().split_once('@').unwrap();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{full}");
    assert!(address.contains(':'), "{full}");
    let status = home.ok("status");
    let mut lines = status.lines();
    assert_eq!(lines.next(), Some("==== HEALTHY NODES ===="));
    assert!(lines.next().unwrap().starts_with("ID  "), "{status}");
    assert!(lines.next().unwrap().starts_with(&format!("{}  ", &id[..16])), "{status}");
    assert_eq!(home.json("status --output json")["nodes"][0]["id"], id);
    assert!(home.ok(&format!("-h {} layout show", full.trim_end())).contains(&id[..16]));
    assert!(home.fails("-h 0000000000000000@elsewhere:3901 status").contains("--admin-url"));
    assert!(home.ok("layout show").contains("\nCurrent cluster layout version: 1\n"));
    assert!(home.ok("layout apply --version 1").contains("nothing changed"));
    assert!(home.fails("layout revert").contains("--yes"));
    home.ok(&format!("layout assign -c 1G {} -z elsewhere -t T", &id[..16]));
    assert!(home.ok("layout show").contains("\n    garage layout apply --version 2\n"));
    assert!(home.fails("layout apply").contains("garage layout apply --version 2"));
    home.fails("layout apply --version 7");
    home.ok("layout apply --version 2");
    assert!(home.ok("status").contains("[T]   elsewhere  1.0 GB"));
    home.ok(&format!("layout assign -z nowhere {}", &id[..16]));
    assert!(
        home.fails("layout apply --version 1").contains("not 1"),
        "somebody may have looked at version 2"
    );
    home.ok("layout revert --yes");
    assert_eq!(home.json("layout history --output json")["currentVersion"], 2);
    assert!(home.fails("layout remove 00").contains("there is no node `00`"));
    assert!(home.ok("stats").contains("==== CLUSTER ===="));
    assert!(home.ok("worker list").starts_with("TID"));
    assert!(home.ok("worker info 4").starts_with("==== LIFECYCLE ===="));
    assert!(home.ok("health").contains("healthy\n"));
    assert_eq!((home.say("health -q").exit, home.ok("health -q").as_str()), (0, ""));
}

fn keys(home: &Home) {
    let created = home.ok("key create my-app");
    let (id, secret) = (last_word(&created, 2), last_word(&created, 4));
    assert!(id.starts_with("GK") && id.len() == 26, "{created}");
    assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{created}");
    assert_eq!(last_word(&home.ok("key info my-app"), 4), "(redacted)");
    assert_eq!(last_word(&home.ok(&format!("key info {id} --show-secret")), 4), secret);
    assert_eq!(home.ok("key info my-app --secret-key").trim_end(), secret);
    home.ok("key import --yes -n imported minio minio12345");
    assert_eq!(last_word(&home.ok("key info imported --show-secret"), 4), "minio12345");
    home.fails("key import minio other-secret");
    home.fails("key import ab other-secret");
    assert!(home.ok("key list").lines().any(|line| line.starts_with(&format!("{id}  "))));
    home.ok("key rename imported renamed");
    assert_eq!(last_word(&home.ok("key info renamed"), 2), "minio");
    assert!(home.fails("key info renamde").ends_with("Did you mean `renamed`?\n"));
    assert!(home.ok("key allow --create-bucket renamed").contains("Can create buckets:  true\n"));
    let limited = home.json("key set renamed --expires-in 30d --output json");
    assert_eq!(limited["expired"], false);
    assert!(limited["expiration"].is_string(), "{limited}");
    assert!(home.ok("key set renamed --never-expires").contains("Expiration:          never\n"));
    assert!(home.fails("key delete renamed").contains("--yes"));
    home.ok("key delete --yes renamed");
    assert!(home.fails("key info renamed").contains("there is no access key"));
    let exported = home.ok("key export-env my-app");
    assert_eq!(exported, format!("export AWS_ACCESS_KEY_ID={id}\nexport AWS_SECRET_ACCESS_KEY={secret}\n"));
}

fn buckets(home: &Home) {
    assert!(home.fails("bucket info photos").contains("there is no bucket `photos`"));
    let created = home.ok("bucket create photos");
    let id = last_word(&created, 2);
    home.fails("bucket create photos");
    home.fails("bucket create No_Name");
    assert!(home.fails("bucket info photo").ends_with("Did you mean `photos`?\n"));
    assert_eq!(home.json(&format!("bucket info {id} --output json"))["globalAliases"][0], "photos");
    assert!(home.ok("bucket list").contains("photos"));
    home.ok("bucket alias photos pictures");
    assert!(home.ok("bucket info pictures").contains("Global aliases:  photos, pictures\n"));
    home.ok("bucket unalias pictures");
    home.fails("bucket info pictures");
    home.ok("bucket alias photos mine --local my-app");
    assert!(home.ok("bucket info photos").lines().last().unwrap().ends_with("my-app  mine"));
    home.ok("bucket unalias mine --local my-app");
    assert!(home.ok("bucket allow --read --write --owner photos --key my-app").contains("\nRWO  "));
    assert!(home.ok("bucket deny photos --key my-app --owner").contains("\nRW  "));
    assert!(home.fails("bucket allow photos --read --key my-ap").ends_with("Did you mean `my-app`?\n"));
    let limited = home.ok("bucket set-quotas photos --max-size 30GiB --max-objects 7");
    assert!(limited.contains("Maximum size:    32.2 GB (32212254720 B)\nMaximum objects: 7\n"), "{limited}");
    assert!(!home.ok("bucket set-quotas photos --max-size none").contains("Maximum size"));
    assert!(home.ok("bucket website --allow photos").contains("Website access:  true\n"));
    assert!(home.ok("bucket website --deny photos").contains("Website access:  false\n"));
    assert_eq!(home.ok("bucket cleanup-incomplete-uploads photos"), "photos: 0 uploads aborted\n");
    home.fails("bucket inspect-object photos nothing");
    let refused = home.fails("bucket delete photos");
    assert!(refused.contains("`photos` (0 objects, 0 B)") && refused.contains("--yes"), "{refused}");
    home.ok("bucket delete --yes photos");
    home.fails("bucket info photos");
}

fn raw_api(home: &Home) {
    assert_eq!(home.json("json-api GetClusterHealth")["status"], "healthy");
    assert!(home.fails("json-api GetClusterHelth").contains("`GetClusterHealth`"));
    assert!(home.fails("json-api GetAdminTokenInfo").contains("not implemented"));
    assert!(home.fails("json-api CreateBucket {").contains("not valid JSON"));
    let mut create = home.command(&["json-api", "CreateKey", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    create.stdin.take().unwrap().write_all(br#"{"name": "by-json"}"#).unwrap();
    let created = said(create.wait_with_output().unwrap());
    let created: Value = serde_json::from_str(&created.text).unwrap();
    assert_eq!(created["name"], "by-json");
    let id = created["accessKeyId"].as_str().unwrap();
    let update = format!(r#"{{"id":"{id}","body":{{"name":"renamed"}}}}"#);
    assert_eq!(home.json(&format!("json-api UpdateKey {update}"))["name"], "renamed");
    assert_eq!(home.ok(&format!(r#"json-api DeleteKey {{"id":"{id}"}}"#)), "{}\n");
    let listed = home.json("json-api --list");
    assert!(listed.as_array().unwrap().iter().any(|endpoint| endpoint["name"] == "GetClusterStatus"));
}

fn over_tcp(home: &Home) {
    let url = format!("--admin-url http://127.0.0.1:{}", home.admin_port);
    // The configuration holds the token.
    assert!(home.ok(&format!("{url} status")).contains("HEALTHY NODES"));
    assert!(home.fails(&format!("{url} --admin-token wrong status")).contains("--admin-token-file"));
    let [nobody] = free_ports();
    assert!(
        home.fails(&format!("--admin-url http://127.0.0.1:{nobody} status")).contains("cannot be reached")
    );
}

#[test]
fn without_a_server_every_command_says_how_to_start_one() {
    let home = Home::new();
    for line in ["status", "node id", "layout show", "bucket list", "key list", "stats", "worker list"] {
        let complaint = home.fails(line);
        assert!(complaint.contains("garage server"), "{line}: {complaint}");
    }
    assert_eq!(home.say("health").exit, 2);
    let socket = home.folder.path().join("meta/admin.sock");
    assert!(home.fails("status").contains(&socket.display().to_string()));
    let elsewhere = said(
        Command::new(env!("CARGO_BIN_EXE_garage"))
            .env_clear()
            .args(["status", "--data-dir", "/nowhere"])
            .output()
            .unwrap(),
    );
    let is_configured = Path::new("/etc/garage.toml").exists();
    assert!(is_configured || elsewhere.errors.contains("/nowhere/meta/admin.sock"), "{}", elsewhere.errors);
}

#[test]
fn mistyped_commands_get_a_hint_and_completions_need_no_server() {
    let home = Home::new();
    let said = home.say("bucket creat photos");
    assert_eq!(said.exit, 2);
    assert!(said.errors.contains("'create'"), "{}", said.errors);
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.ok(&format!("completions {shell}")).contains("set-quotas"), "{shell}");
    }
    assert!(home.ok("--help").contains("garage bucket create photos"));
    assert!(home.ok("help key import").contains("garage key import"));
}

/// A server without a configuration file, over one data folder.
struct Bare {
    folder: tempfile::TempDir,
    s3: String,
}

impl Bare {
    fn new() -> Self {
        let [port] = free_ports();
        Self { folder: tempfile::tempdir().unwrap(), s3: format!("127.0.0.1:{port}") }
    }

    fn data(&self) -> String {
        self.folder.path().join("storage").display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_garage"));
        let ours = std::env::vars().filter(|(name, _)| !name.starts_with("GARAGE_") && name != "RUST_LOG");
        command.env_clear().envs(ours).args(arguments).current_dir(self.folder.path());
        // What this machine has in /etc is not part of the test.
        command.env("GARAGE_CONFIG_FILE", "empty.toml").stdin(Stdio::null());
        std::fs::write(self.folder.path().join("empty.toml"), "").unwrap();
        // With a file, even an empty one, a first key is made only where it is given.
        command.env("GARAGE_DEFAULT_ACCESS_KEY", "minio").env("GARAGE_DEFAULT_SECRET_KEY", "minio-secret");
        command.env("GARAGE_DEFAULT_BUCKET", "my-bucket");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it; what it printed, with its log up to the line that it serves.
    fn start(&self, more: &[&str]) -> (Running, Vec<String>) {
        let arguments = [&["server", "--data-dir", "storage", "--s3-addr", self.s3.as_str()], more].concat();
        let mut node = Running(self.command(&arguments).spawn().unwrap());
        let mut seen = Vec::new();
        let mut log = BufReader::new(node.0.stderr.take().unwrap()).lines();
        for line in log.by_ref().map_while(Result::ok) {
            seen.push(line);
            if seen.last().is_some_and(|line| line.contains(READY)) {
                break;
            }
        }
        std::thread::spawn(move || log.for_each(drop));
        (node, seen)
    }

    /// What a server says that must not start.
    fn refused(&self, arguments: &[&str]) -> String {
        let mut node = self.command(arguments).spawn().unwrap();
        for _ in 0..400 {
            if node.try_wait().unwrap().is_some() {
                let said = said(node.wait_with_output().unwrap());
                assert_eq!(said.exit, 1, "{}", said.errors);
                return said.errors;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        node.kill().unwrap();
        panic!("it started: {:?}", node.wait_with_output().unwrap());
    }

    fn refused_with_data(&self) -> String {
        self.refused(&["server", "--data-dir", "storage", "--s3-addr", &self.s3])
    }
}

/// A server that does not outlive its test, however that ends.
struct Running(Child);

impl Running {
    /// Ends it; what it printed.
    fn stopped(mut self) -> String {
        self.0.kill().unwrap();
        let mut printed = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        printed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_first_start_says_what_can_be_typed() {
    let home = Bare::new();
    let (node, log) = home.start(&[]);
    assert!(log.last().is_some_and(|line| line.contains(READY)), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("Web server listening")), "S3 comes first: {log:#?}");
    let second = home.refused_with_data();
    let data = home.data();
    assert_eq!(
        second.lines().skip_while(|line| !line.starts_with("Error: ")).collect::<Vec<_>>(),
        [
            format!("Error: another garage server uses {data} already"),
            format!("To see it:  garage --data-dir {data} status")
        ],
        "{second}"
    );
    let file = home.folder.path().join("other");
    let mut hinted = home.command(&["server", "--data-dir", "other", "--single-node", "--s3-addr", &home.s3]);
    let taken = said(hinted.output().unwrap()).errors;
    let again = format!("garage server --data-dir {} --single-node --s3-addr", file.display());
    assert!(taken.contains(&again), "{taken}");

    let id = "minio";
    let typed = format!("key info {id} --show-secret --data-dir {data}");
    let shown = said(home.command(&typed.split(' ').collect::<Vec<_>>()).output().unwrap());
    assert_eq!(last_word(&shown.text, 4), "minio-secret", "{}", shown.errors);
    let refused =
        home.command(&["key", "info", "nobody", "--data-dir", "storage", "--output", "json"]).output();
    let error: Value = serde_json::from_str(&said(refused.unwrap()).errors).unwrap();
    assert_eq!(error["error"]["code"], "NoSuchAccessKey");
    let printed = node.stopped();
    let lines: Vec<&str> = printed.lines().collect();
    let expected = [
        format!("Data folder: {data}"),
        format!("First key: {id}, first bucket: my-bucket. To see the secret: garage {typed}"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_folder_that_has_lost_something_is_not_begun_anew() {
    let home = Bare::new();
    home.start(&[]).0.stopped();
    let storage = home.folder.path().join("storage");
    let aside = home.folder.path().join("aside");
    let lost = |name: &str, expected: &str| {
        let path = storage.join(name);
        std::fs::rename(&path, &aside).unwrap();
        let error = home.refused_with_data();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!path.exists(), "{name} was made anew");
        std::fs::rename(&aside, &path).unwrap();
    };
    lost("meta/node_key", "node_key is missing from ");
    lost("meta/cluster_layout", "cluster_layout is missing although data is there");
    lost("meta", "/data holds blocks of another node (id ");
    std::fs::remove_file(storage.join("meta/cluster_layout")).unwrap();
    let (node, log) = home.start(&["--single-node"]);
    assert!(log.iter().any(|line| line.contains("a new one is made for this node alone")), "{log:#?}");
    node.stopped();
}

#[test]
fn what_cannot_be_started_says_why_once() {
    let home = Bare::new();
    std::fs::write(home.folder.path().join("afile"), "").unwrap();
    let error = home.refused(&["server", "--data-dir", "afile"]);
    assert!(error.ends_with("Error: the data folder afile is a file: name a folder\n"), "{error}");
    assert_eq!(home.refused(&["-c", "nofile.toml", "server"]), "Error: there is no file nofile.toml\n");
    let [s3, rpc] = free_ports();
    let taken = std::net::TcpListener::bind(("127.0.0.1", rpc)).unwrap();
    let config =
        format!("rpc_bind_addr = \"127.0.0.1:{rpc}\"\n[s3_api]\napi_bind_addr = \"127.0.0.1:{s3}\"\n");
    std::fs::write(home.folder.path().join("rpc.toml"), config).unwrap();
    let error = home.refused(&["-c", "rpc.toml", "server", "--data-dir", "storage"]);
    let error: Vec<&str> = error.lines().skip_while(|line| !line.starts_with("Error: ")).collect();
    assert_eq!(
        error[0],
        format!("Error: another program listens on port {rpc} already, perhaps another garage server")
    );
    assert!(error[2].starts_with("To use another port:  rpc_bind_addr"), "{error:?}");
    drop(taken);
    let tls = format!(
        "[s3_api]\napi_bind_addr = \"127.0.0.1:{s3}\"\ntls_cert_file = \"/gone.crt\"\ntls_key_file = \"/gone.key\"\n"
    );
    std::fs::write(home.folder.path().join("tls.toml"), tls).unwrap();
    let error = home.refused(&["-c", "tls.toml", "server", "--data-dir", "storage"]);
    let first = error.lines().find(|line| line.starts_with("Error: "));
    let expected = "Error: the certificate of [s3_api] cannot be used: there is no file /gone.crt";
    assert_eq!(first, Some(expected), "{error}");
}

#[test]
fn a_node_that_waits_for_a_role_says_so() {
    let home = Bare::new();
    let [s3, rpc, admin] = free_ports();
    let config = format!(
        "replication_factor = 3\nrpc_bind_addr = \"127.0.0.1:{rpc}\"\n[s3_api]\napi_bind_addr = \"127.0.0.1:{s3}\"\n\
         [s3_web]\nbind_addr = \"127.0.0.1:0\"\n[admin]\napi_bind_addr = \"127.0.0.1:{admin}\"\n"
    );
    let path = home.folder.path().join("garage.toml");
    std::fs::write(&path, config).unwrap();
    let mut command = home.command(&["-c", "garage.toml", "server", "--data-dir", "storage"]);
    let mut node = Running(command.env("RUST_LOG", "garage=loud,,=").spawn().unwrap());
    let log = BufReader::new(node.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut seen = Vec::new();
    for line in log {
        seen.push(line);
        if seen.last().is_some_and(|line| line.contains("no role yet")) {
            break;
        }
    }
    node.stopped();
    let log = seen.join("\n");
    let told = format!("this node has no role yet: garage -c {} --data-dir", path.display());
    assert!(log.contains(&told) && log.contains("-z ZONE --capacity SIZE "), "{log}");
    assert_eq!(log.matches("RUST_LOG is not obeyed").count(), 1, "{log}");
}
