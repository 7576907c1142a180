"""Events: which webhooks are told of which changes, at least once, whatever dies in between."""

import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
import urllib.parse

from boto3_lifecycle import SHORT_DAYS, days, obey, rule
from home import Skip, equal, refused, true
from lost_memory import empty
from suite import Suite
from three_homes import Homes

SUITE = Suite("boto3 events")
WITHIN_S = 15
# Homes look every five seconds at what they hold for others, and at what is in doubt.
TAKEN_OVER_WITHIN_S = 60


class Hook:
    """A webhook on this machine. While it is `closed` it answers 503, and takes nothing."""

    def __init__(self, context=None):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with hook.lock:
                    status = hook.status
                    hook.attempts += 1
                    if status == 200:
                        hook.messages.append((dict(self.headers), json.loads(body)))
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.lock, self.messages, self.status, self.attempts = threading.Lock(), [], 200, 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def records(self):
        with self.lock:
            return [record for _, message in self.messages for record in message.get("Records", [])]

    def names(self):
        """Each event that came, as `ObjectCreated:Put key`, without those that came again."""
        found = [(record["eventName"], _key(record)) for record in self.records()]
        return list(dict.fromkeys(f"{name} {key}" for name, key in found))

    def wait(self, condition, what, within_s=WITHIN_S):
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: {self.names()} after {self.attempts} attempts")
            time.sleep(0.02)

    def wait_for(self, *names, within_s=WITHIN_S):
        self.wait(lambda: set(names) <= set(self.names()), f"wanted {names}", within_s)


def _key(record):
    return urllib.parse.unquote_plus(record["s3"]["object"]["key"])


def _arn(name):
    return f"arn:garage:sqs::{name}:webhook"


def _garage(home, *arguments, fails=False):
    command = [str(home.server.binary), "-c", str(home.server.config_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    true((done.returncode != 0) == fails, f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def _registered(home, hook):
    name = home.unique("hook")
    _garage(home, "webhook", "create", name, hook.url)
    return name


def _webhook(home, name):
    found = json.loads(_garage(home, "webhook", "list", "--output", "json"))
    return next(webhook for webhook in found if webhook["name"] == name)


def _configure(s3, bucket, name, events=("s3:ObjectCreated:*", "s3:ObjectRemoved:*"), rules=(), **more):
    found = {"Id": "rule", "QueueArn": _arn(name), "Events": list(events)}
    if rules:
        found["Filter"] = {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in rules]}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [found]}, **more)
    return found


@SUITE.case("configured, a put is told; the answer of the configuration is what was set")
def first(home):
    with Hook() as hook:
        name, bucket = _registered(home, hook), home.new_bucket("events")
        rule = _configure(home.s3, bucket, name)
        answer = home.s3.get_bucket_notification_configuration(Bucket=bucket)
        equal(answer["QueueConfigurations"], [rule], "configuration")
        hook.wait(lambda: hook.messages, "a test event")
        equal((hook.messages[0][1]["Event"], hook.messages[0][1]["Bucket"]), ("s3:TestEvent", bucket), "test event")
        put = home.s3.put_object(Bucket=bucket, Key="a folder/é+1.jpg", Body=b"abc")
        hook.wait_for("ObjectCreated:Put a folder/é+1.jpg")
        record = hook.records()[0]
        equal(record["s3"]["object"]["key"], "a+folder/%C3%A9%2B1.jpg", "encoded key")
        equal((record["s3"]["object"]["size"], record["s3"]["object"]["eTag"]), (3, put["ETag"].strip('"')), "object")
        equal(record["responseElements"]["x-amz-request-id"], put["ResponseMetadata"]["RequestId"], "request id")
        equal((record["userIdentity"]["principalId"], record["requestParameters"]["sourceIPAddress"]),
              (home.key_id, "127.0.0.1"), "who")
        equal((record["eventVersion"], record["eventSource"], record["awsRegion"]),
              ("2.1", "aws:s3", home.s3.head_bucket(Bucket=bucket)["BucketRegion"]), "constants")
        equal((record["s3"]["bucket"]["name"], record["s3"]["configurationId"]), (bucket, "rule"), "bucket and rule")
        home.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        answer = home.s3.get_bucket_notification_configuration(Bucket=bucket)
        true("QueueConfigurations" not in answer, "nothing is set any more")
        home.s3.put_object(Bucket=bucket, Key="untold", Body=b"")
        equal(_webhook(home, name)["waiting"], 0, "nobody is told")


@SUITE.case("the kill of the server between a put and its event")
def killed(home):
    with Hook() as hook:
        name, bucket = _registered(home, hook), home.new_bucket("killed")
        _configure(home.s3, bucket, name, **{"SkipDestinationValidation": True})
        hook.status = 503
        for number in range(5):
            home.s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
        home.server.kill()
        home.server.start()
        equal(hook.names(), [], "nothing was taken")
        hook.status = 200
        hook.wait_for(*(f"ObjectCreated:Put k{number}" for number in range(5)))
        in_order = sorted(hook.records(), key=lambda record: record["s3"]["object"]["sequencer"])
        equal([_key(record) for record in in_order], [f"k{number}" for number in range(5)], "by their sequencers")
        true(all("Event" not in message for _, message in hook.messages), "no test event was asked for")


@SUITE.case("every kind of change, and a rule hears only what it asks for")
def kinds(home):
    with Hook() as hook:
        name, bucket = _registered(home, hook), home.new_bucket("kinds")
        events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put"]
        _configure(home.s3, bucket, name, events, SkipDestinationValidation=True)
        s3 = home.s3
        s3.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
        s3.put_object(Bucket=bucket, Key="a", Body=b"x")
        s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
        upload = s3.create_multipart_upload(Bucket=bucket, Key="c")["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="c", UploadId=upload, PartNumber=1, Body=b"part")
        s3.complete_multipart_upload(Bucket=bucket, Key="c", UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
        s3.delete_object_tagging(Bucket=bucket, Key="a")
        s3.put_object_acl(Bucket=bucket, Key="a", ACL="private")
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
        s3.delete_object(Bucket=bucket, Key="c")
        wanted = ["ObjectCreated:Put a", "ObjectCreated:Copy b", "ObjectCreated:CompleteMultipartUpload c",
                  "ObjectTagging:Put a", "ObjectTagging:Delete a", "ObjectAcl:Put a", "ObjectRemoved:Delete a",
                  "ObjectRemoved:Delete b", "ObjectRemoved:Delete c"]
        hook.wait_for(*wanted)
        equal(sorted(hook.names()), sorted(wanted), "nothing else")
        of_a = [record["s3"]["object"]["sequencer"] for record in hook.records() if _key(record) == "a"]
        equal(of_a, sorted(of_a), "in the order of the key's changes")
        refused("NoSuchKey", 404, s3.put_object, Bucket=bucket, Key="a", Body=b"", IfMatch='"none"')
        _configure(s3, bucket, name, ["s3:ObjectCreated:Put"], [("prefix", "in/"), ("suffix", ".jpg")],
                   SkipDestinationValidation=True)
        for key in ["in/1.png", "1.jpg", "in/2.jpg"]:
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        s3.delete_object(Bucket=bucket, Key="in/2.jpg")
        hook.wait_for("ObjectCreated:Put in/2.jpg")
        equal(sorted(hook.names()), sorted([*wanted, "ObjectCreated:Put in/2.jpg"]), "filtered, and no refusal")


@SUITE.case("versions, delete markers, and versions deleted for good")
def versions(home):
    with Hook() as hook:
        name, bucket = _registered(home, hook), home.new_bucket("versions")
        home.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        _configure(home.s3, bucket, name, SkipDestinationValidation=True)
        put = home.s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
        marker = home.s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
        home.s3.delete_object(Bucket=bucket, Key="k", VersionId=put)
        hook.wait_for("ObjectCreated:Put k", "ObjectRemoved:DeleteMarkerCreated k", "ObjectRemoved:Delete k")
        found = [(record["eventName"], record["s3"]["object"]["versionId"]) for record in hook.records()]
        equal(found, [("ObjectCreated:Put", put), ("ObjectRemoved:DeleteMarkerCreated", marker),
                      ("ObjectRemoved:Delete", put)], "versions")


@SUITE.case("configurations that make no sense or aim elsewhere are refused")
def bad_rules(home):
    with Hook() as hook:
        name, bucket = _registered(home, hook), home.new_bucket("badrules")

        def bad(rules, code="InvalidArgument", status=400, kind="QueueConfigurations"):
            refused(code, status, home.s3.put_bucket_notification_configuration, Bucket=bucket,
                    NotificationConfiguration={kind: rules})

        def rule(event="s3:ObjectCreated:*", arn=None, **filters):
            found = {"QueueArn": arn or _arn(name), "Events": [event]}
            if filters:
                found["Filter"] = {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in filters.items()]}}
            return found

        for arn in [hook.url, "arn:aws:sqs:us-east-1:1:queue", _arn("nosuchhook"), "arn:garage:sqs::a:b:webhook"]:
            bad([rule(arn=arn)])
        bad([rule("s3:Nothing:*")])
        bad([rule(middle="x")])
        bad([rule(prefix="x" * 1025)])
        bad([rule(), rule("s3:ObjectCreated:Put", prefix="a")])
        bad([dict(rule(suffix=".a"), Id="one"), dict(rule(suffix=".b"), Id="one")])
        refused("NotImplemented", 501, home.s3.put_bucket_notification_configuration, Bucket=bucket,
                NotificationConfiguration={"EventBridgeConfiguration": {}})
        answer = home.s3.get_bucket_notification_configuration(Bucket=bucket)
        true("QueueConfigurations" not in answer, "nothing was set")
        home.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
            "QueueConfigurations": [rule(suffix=".a"), rule(suffix=".b")],
            "TopicConfigurations": [{"TopicArn": f"arn:minio:sqs::{name}:webhook", "Events": ["s3:ObjectRemoved:*"]}]})
        found = home.s3.get_bucket_notification_configuration(Bucket=bucket)
        equal((len(found["QueueConfigurations"]), len(found["TopicConfigurations"])), (2, 1), "rules side by side")
        true(all(rule["Id"] for rule in found["QueueConfigurations"]), "each has a name")


@SUITE.case("a webhook that fails: what waits is shown, no redirect is followed, another address takes it")
def failing(home):
    with Hook() as hook, Hook() as other:
        token = home.folder("token") / "token"
        token.write_text("s3cr3t\n")
        name, bucket = home.unique("hook"), home.new_bucket("failing")
        _garage(home, "webhook", "create", name, hook.url, "--token-file", str(token))
        _configure(home.s3, bucket, name, SkipDestinationValidation=True)
        hook.status = 307
        home.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        hook.wait(lambda: _webhook(home, name)["failures"] > 0, "a failure is shown")
        shown = _webhook(home, name)
        equal((shown["waiting"], shown["lastError"], shown["hasToken"]), (1, "it answered 307 Temporary Redirect", True),
              "what is shown")
        true(shown["oldest"] and name in _garage(home, "health"), "since when, and in the health report")
        true(name in _garage(home, "bucket", "info", bucket), "in the bucket's report")
        _garage(home, "webhook", "create", name, other.url, "--token-file", str(token))
        other.wait_for("ObjectCreated:Put k")
        equal({headers.get("authorization") for headers, _ in other.messages}, {"Bearer s3cr3t"}, "token")
        equal(_webhook(home, name)["lastError"], None, "no error is left")
        _garage(home, "webhook", "delete", name, fails=True)
        _garage(home, "webhook", "delete", "--yes", name)
        home.s3.put_object(Bucket=bucket, Key="untold", Body=b"")
        equal(other.names(), ["ObjectCreated:Put k"], "nobody is told any more")


CERTIFICATE = """
[req]
distinguished_name=name
x509_extensions=more
prompt=no
[name]
CN=hook
[more]
subjectAltName=IP:127.0.0.1
basicConstraints=CA:FALSE
"""


def _certificate(home):
    """A certificate that nobody has signed but itself, and its key."""
    if not shutil.which("openssl"):
        raise Skip("openssl is not here")
    folder = home.folder("certificate")
    (folder / "config").write_text(CERTIFICATE)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-config", "config", "-keyout", "key", "-out", "certificate"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "certificate", folder / "key"


def _tls(certificate, key, newest=ssl.TLSVersion.MAXIMUM_SUPPORTED):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.maximum_version = newest
    return context


@SUITE.case("https: only a certificate that the machine trusts, also of a server that knows TLS 1.2 only")
def secure(home):
    certificate, key = _certificate(home)
    with Hook(_tls(certificate, key)) as hook, Hook(_tls(certificate, key, ssl.TLSVersion.TLSv1_2)) as older:
        name, bucket = _registered(home, hook), home.new_bucket("secure")
        _configure(home.s3, bucket, name, SkipDestinationValidation=True)
        home.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        hook.wait(lambda: _webhook(home, name)["failures"] > 0, "a failure")
        true("TLS failed" in _webhook(home, name)["lastError"] or "trusts" in _webhook(home, name)["lastError"], "why")
        equal(hook.names(), [], "nothing was told")
        os.environ["SSL_CERT_FILE"] = str(certificate)
        try:
            home.server.stop()
            home.server.start()
        finally:
            del os.environ["SSL_CERT_FILE"]
        hook.wait_for("ObjectCreated:Put k")
        _garage(home, "webhook", "create", name, older.url)
        home.s3.put_object(Bucket=bucket, Key="older", Body=b"x")
        older.wait_for("ObjectCreated:Put older")


@SUITE.case("three homes: the one that took the put is killed, and tells it when it is back")
def on_three_homes(home):
    with Hook() as hook, Homes(home) as homes:
        first, second, third = homes.cluster.nodes
        first.cli("webhook", "create", "hook", hook.url)
        _configure(homes.s3[1], homes.bucket, "hook", SkipDestinationValidation=True)
        hook.status = 503
        for through in range(3):
            homes.s3[through].put_object(Bucket=homes.bucket, Key=f"through{through}", Body=b"x")
        homes.s3[2].put_object(Bucket=homes.bucket, Key="k", Body=b"1")
        third.stop(9)
        homes.s3[0].put_object(Bucket=homes.bucket, Key="k", Body=b"22")
        hook.status = 200
        hook.wait_for("ObjectCreated:Put through0", "ObjectCreated:Put through1", "ObjectCreated:Put k")
        true("ObjectCreated:Put through2" not in hook.names(), "the dead one's wait")
        homes.restart(2)
        hook.wait_for("ObjectCreated:Put through2")
        of_k = {}
        hook.wait(lambda: len({record["s3"]["object"]["size"] for record in hook.records() if _key(record) == "k"}) == 2,
                  "both puts of k")
        for record in hook.records():
            if _key(record) == "k":
                of_k[record["s3"]["object"]["size"]] = record["s3"]["object"]["sequencer"]
        true(of_k[1] < of_k[2], "the sequencer says which put was first, whichever event came first")


@SUITE.case("three homes: the one that took the puts loses its disk before it told them, and the others tell them")
def lost_disk(home):
    with Hook() as hook, Homes(home) as homes:
        first, _, third = homes.cluster.nodes
        first.cli("webhook", "create", "hook", hook.url)
        _configure(homes.s3[1], homes.bucket, "hook", SkipDestinationValidation=True)
        hook.status = 503
        for number in range(20):
            homes.s3[2].put_object(Bucket=homes.bucket, Key=f"k{number}", Body=b"x")
        homes.s3[2].delete_object(Bucket=homes.bucket, Key="k0")
        shown = json.loads(first.cli("webhook", "list", "--output", "json"))[0]
        equal((shown["waiting"], shown["unheard"]), (21, []), "what waits at all homes")
        third.stop(9)
        empty(third)
        true("does not answer" in first.cli("webhook", "list"), "what waits there is not counted")
        hook.status = 200
        time.sleep(2)
        equal(hook.names(), [], "the dead one's wait: it may come back")
        third.start()
        third.wait_until_up()
        wanted = [f"ObjectCreated:Put k{number}" for number in range(20)]
        hook.wait_for(*wanted, "ObjectRemoved:Delete k0", within_s=TAKEN_OVER_WITHIN_S)


@SUITE.case("three homes: what lifecycle rules remove is told, and by whom")
def lifecycle(home):
    with Hook() as hook, Homes(home, around=SHORT_DAYS) as homes:
        homes.cluster.nodes[0].cli("webhook", "create", "hook", hook.url)
        s3, plain, covered = homes.s3[0], homes.bucket, "with-versions"
        s3.create_bucket(Bucket=covered)
        s3.put_bucket_versioning(Bucket=covered, VersioningConfiguration={"Status": "Enabled"})
        for bucket in [plain, covered]:
            _configure(s3, bucket, "hook", ["s3:LifecycleExpiration:*"], SkipDestinationValidation=True)
            obey(s3, bucket, rule("old", "old", **days()))
        time.sleep(1)  # until every home has heard of all that
        for number in range(6):
            homes.s3[number % 3].put_object(Bucket=plain, Key=f"old{number}", Body=b"x")
        s3.put_object(Bucket=plain, Key="new", Body=b"x")
        s3.put_object(Bucket=covered, Key="old", Body=b"x")
        wanted = [f"LifecycleExpiration:Delete old{number}" for number in range(6)]
        hook.wait_for(*wanted, "LifecycleExpiration:DeleteMarkerCreated old", within_s=40)
        equal(sorted(hook.names()), sorted([*wanted, "LifecycleExpiration:DeleteMarkerCreated old"]), "and nothing else")
        who = {record["userIdentity"]["principalId"] for record in hook.records()}
        equal(who, {"s3.amazonaws.com"}, "by whom")
