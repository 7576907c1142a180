"""Certificates on the three listeners: served, replaced while connections are open, spoiled; and what plain HTTP gets."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time

from home import equal, true
from server import PROJECT, Server
from suite import Suite

SUITE = Suite("tls")
FIXTURES = PROJECT / "src/api/src/tls/fixtures"
SECTIONS = ("s3_api", "s3_web", "admin")


class SecureServer(Server):
    """A server with a certificate on each listener."""

    def _config(self, extra_config):
        text = super()._config(extra_config)
        self.take("one")
        for section in SECTIONS:
            keys = f'tls_cert_file = "{self.folder}/tls.crt"\ntls_key_file = "{self.folder}/tls.key"\n'
            text = text.replace(f"[{section}]\n", f"[{section}]\n{keys}")
        return text

    @property
    def endpoint(self):
        return f"https://localhost:{self.s3_port}"

    def take(self, certificate, key=None):
        shutil.copy(FIXTURES / f"{certificate}.crt", self.folder / "tls.crt")
        shutil.copy(FIXTURES / f"{key or certificate}.key", self.folder / "tls.key")

    def _healthy(self):
        try:
            return shown(self.s3_port) is not None and shown(self.admin_port) is not None
        except OSError:
            return False


def trusting(*names):
    """A client's side that believes these certificates and no other."""
    context = ssl.create_default_context()
    for name in names or ("one", "two"):
        context.load_verify_locations(FIXTURES / f"{name}.crt")
    return context


def shown(port, context=None):
    """The name in the certificate that a new connection gets."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        with (context or trusting()).wrap_socket(plain, server_hostname="localhost") as stream:
            subject = dict(pair[0] for pair in stream.getpeercert()["subject"])
            return subject["commonName"].split()[-1]


def eventually(holds, what, within_s=20):
    deadline = time.monotonic() + within_s
    while not holds():
        true(time.monotonic() < deadline, what)
        time.sleep(0.05)


def get(port, path, host="localhost", **options):
    connection = http.client.HTTPSConnection("localhost", port, context=trusting(), timeout=10, **options)
    try:
        connection.request("GET", path, headers={"host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@SUITE.case("S3, web sites and administration over TLS, with renewal under open connections")
def listeners(home):
    server = SecureServer(home.server.binary, home.folder("secure")).start()
    try:
        s3 = _client(server)
        s3.put_object(Bucket=server.bucket, Key="index.html", Body=b"secret", ContentType="text/html")
        equal(s3.get_object(Bucket=server.bucket, Key="index.html")["Body"].read(), b"secret", "S3")
        s3.put_bucket_website(Bucket=server.bucket, WebsiteConfiguration={
            "IndexDocument": {"Suffix": "index.html"}, "RoutingRules": [
                {"Condition": {"KeyPrefixEquals": "away/"}, "Redirect": {"HostName": "b.example"}}]})
        _only_by_tls(server, s3)
        equal(get(server.web_port, "/", f"{server.bucket}.web.localhost"), (200, b"secret"), "web site")
        equal(get(server.admin_port, "/health")[0], 200, "administration")
        told = subprocess.run([str(server.binary), "-c", str(server.config_path), "status"], capture_output=True, timeout=60)
        equal(told.returncode, 0, "the command line on this machine")
        _renewal(server)
        _plain(server)
    finally:
        server.kill()


def _client(server):
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name=server.region, aws_access_key_id=server.key_id,
        aws_secret_access_key=server.secret, verify=str(FIXTURES / "one.crt"),
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )


def _only_by_tls(server, s3):
    """The policy that AWS advises for every bucket."""
    both = {"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": 1.2}}
    resources = [f"arn:aws:s3:::{server.bucket}", f"arn:aws:s3:::{server.bucket}/*"]
    statements = [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources, "Condition": condition}
                  for condition in both]
    s3.put_bucket_policy(Bucket=server.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    equal(s3.get_object(Bucket=server.bucket, Key="index.html")["Body"].read(), b"secret", "by TLS")


def _renewal(server):
    """One connection lives through all of it."""
    open_one = http.client.HTTPSConnection("localhost", server.web_port, context=trusting(), timeout=10)

    def goes_on():
        open_one.request("GET", "/", headers={"host": f"{server.bucket}.web.localhost"})
        equal(open_one.getresponse().read(), b"secret", "the open connection")

    goes_on()
    for port in (server.s3_port, server.web_port, server.admin_port):
        equal(shown(port), "one", "the first certificate")
    server.take("two")
    server.process.send_signal(signal.SIGHUP)
    for port in (server.s3_port, server.web_port, server.admin_port):
        eventually(lambda: shown(port) == "two", "the second certificate after the signal", within_s=5)
    goes_on()
    server.take("one", "two")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the certificate in use stays" in server.log_tail(), "the log says what is wrong", within_s=5)
    equal(shown(server.s3_port), "two", "a pair that does not fit changes nothing")
    goes_on()
    server.take("one")
    eventually(lambda: shown(server.s3_port) == "one", "seen without a signal")
    goes_on()
    true(server.alive(), "the server lives")
    open_one.close()


def _plain(server):
    for port in (server.s3_port, server.web_port, server.admin_port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        equal((answer.status, b"https://" in answer.read()), (400, True), "plain HTTP is told")
        connection.close()


@SUITE.case("at the start a wrong certificate is named, with what to do")
def refused_start(home):
    server = SecureServer(home.server.binary, home.folder("spoiled"))
    for spoil, text in [(lambda: server.take("one", "two"), "cannot be used together"),
                        (lambda: (server.folder / "tls.crt").unlink(), "cannot be used: there is no file")]:
        spoil()
        done = subprocess.run(server.command(), capture_output=True, text=True, timeout=30, env=server.environment())
        said = done.stdout + done.stderr
        true(done.returncode != 0 and text in said and "[s3_api]" in said and "tls_cert_file" in said, said)


@SUITE.case("a service without certificates is not ended by a hang-up")
def hang_up(home):
    server = Server(home.server.binary, home.folder("hang-up")).start()
    try:
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the signal has no effect" in server.log_tail(), "the log says so", within_s=5)
        true(server.alive(), "the server lives")
    finally:
        server.kill()
