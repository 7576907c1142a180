"""Bucket logging: a line for each request, in the form of AWS's server access logs, in objects of another bucket."""

import re
import signal

from home import equal, refused, true
from signing import send
from suite import Suite
from three_homes import Homes

SUITE = Suite("boto3 logging")
LINE = re.compile(
    r'(\S+) (\S+) \[([^]]+)\] (\S+) (\S+) (\S+) (\S+) (\S+) "([^"]*)" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) "([^"]*)" '
    r'"([^"]*)" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)')
NAME = re.compile(r"logs/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}")


def _enable(s3, bucket, target, prefix="logs/"):
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={
        "LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix}})


def _lines(s3, target):
    """Every line of every log, as its fields."""
    found = []
    for entry in s3.list_objects_v2(Bucket=target).get("Contents", []):
        true(NAME.fullmatch(entry["Key"]), f"the name of a log: {entry['Key']}")
        text = s3.get_object(Bucket=target, Key=entry["Key"])["Body"].read().decode()
        for line in text.splitlines():
            fields = LINE.fullmatch(line)
            true(fields, f"a line: {line}")
            found.append(fields.groups())
    return found


def _restart(home):
    home.server.stop()
    home.server.start()


@SUITE.case("requests are logged when the server stops; writing logs is not, and nothing is once it is off")
def lines(home):
    bucket, target = home.new_bucket("logged"), home.new_bucket("logs")
    equal(home.s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled"), None, "nothing is set")
    _enable(home.s3, bucket, target)
    _enable(home.s3, target, target)
    equal(home.s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"],
          {"TargetBucket": target, "TargetPrefix": "logs/"}, "what was set")
    put = home.s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    home.s3.get_object(Bucket=bucket, Key="a b", Range="bytes=1-2")["Body"].read()
    send(home, "GET", f"/{bucket}/missing", headers={"user-agent": 'evil" 200 -', "referer": "http://page/"})
    refused("AccessDenied", 403, _stranger(home).get_object, Bucket=bucket, Key="a b")
    _restart(home)
    found = {(line[6], line[7], line[9]): line for line in _lines(home.s3, target) if line[1] == bucket}
    wanted = {("REST.PUT.OBJECT", "a%20b", "200"), ("REST.GET.OBJECT", "a%20b", "206"),
              ("REST.GET.OBJECT", "missing", "404"), ("REST.GET.OBJECT", "a%20b", "403"),
              ("REST.GET.LOGGING_STATUS", "-", "200")}
    equal(set(found), wanted, "requests")
    line = found["REST.PUT.OBJECT", "a%20b", "200"]
    equal((line[3], line[4], line[5], line[12]),
          ("127.0.0.1", home.key_id, put["ResponseMetadata"]["RequestId"], "5"), "who, which and how large")
    line = found["REST.GET.OBJECT", "a%20b", "206"]
    equal((line[11], line[12], line[19], line[21]), ("2", "5", "SigV4", "AuthHeader"), "sent, size, signature")
    line = found["REST.GET.OBJECT", "missing", "404"]
    equal((line[10], line[15], line[16]), ("NoSuchKey", "http://page/", "evil%22 200 -"), "error, referer, agent")
    true(all(line[6] != "REST.PUT.OBJECT" for line in _lines(home.s3, target) if line[1] == target),
         "a log that is written is no request")
    home.s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    home.s3.put_bucket_logging(Bucket=target, BucketLoggingStatus={})
    before = len(home.s3.list_objects_v2(Bucket=target)["Contents"])
    home.s3.get_object(Bucket=bucket, Key="a b")["Body"].read()
    _restart(home)
    after = [line for line in _lines(home.s3, target) if line[1] == bucket and line[9] == "200"]
    equal(sum(line[6] == "REST.GET.OBJECT" for line in after), 0, "nothing more")
    true(len(home.s3.list_objects_v2(Bucket=target)["Contents"]) <= before + 1, "one log of the last requests at most")


def _stranger(home):
    """A client whose key may do nothing."""
    import json
    import subprocess

    command = [str(home.server.binary), "-c", str(home.server.config_path), "key", "create", "--output", "json"]
    key = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout)
    return home.client(key_id=key["accessKeyId"], secret=key["secretAccessKey"])


@SUITE.case("a full log is written before its time")
def early(home):
    bucket, target = home.new_bucket("busy"), home.new_bucket("busylogs")
    _enable(home.s3, bucket, target)
    agent = {"user-agent": "a" * 4000}
    for number in range(70):
        send(home, "HEAD", f"/{bucket}/{number}", headers=agent)
    import time

    deadline = time.monotonic() + 10
    while not home.s3.list_objects_v2(Bucket=target).get("Contents"):
        true(time.monotonic() < deadline, "no log came")
        time.sleep(0.05)
    true(len(_lines(home.s3, target)) > 50, "the lines so far")


@SUITE.case("targets that are not there, not the caller's, or not to be had are refused")
def bad_targets(home):
    bucket = home.new_bucket("logbad")
    refused("InvalidTargetBucketForLogging", 400, _enable, s3=home.s3, bucket=bucket, target="no-such-bucket-here")
    refused("AccessDenied", 403, _enable, s3=_stranger(home), bucket=bucket, target=bucket)
    refused("InvalidArgument", 400, _enable, s3=home.s3, bucket=bucket, target=bucket, prefix="x" * 1000)
    grants = [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
               "Permission": "READ"}]
    refused("NotImplemented", 501, home.s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {
        "TargetBucket": bucket, "TargetPrefix": "", "TargetGrants": grants}})
    equal(home.s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled"), None, "nothing was set")


@SUITE.case("three homes: each writes its own lines, and one that is killed loses only those")
def on_three_homes(home):
    with Homes(home) as homes:
        homes.s3[0].create_bucket(Bucket="logs")
        _enable(homes.s3[0], homes.bucket, "logs")
        for through in range(3):
            homes.s3[through].put_object(Bucket=homes.bucket, Key=f"through{through}", Body=b"x")
        homes.cluster.nodes[2].stop(signal.SIGKILL)
        homes.s3[0].put_object(Bucket=homes.bucket, Key="again", Body=b"x")
        homes.cluster.nodes[1].stop()
        homes.restart(1)
        homes.cluster.nodes[0].stop()
        homes.restart(0)
        keys = sorted(line[7] for line in _lines(homes.s3[0], "logs") if line[6] == "REST.PUT.OBJECT")
        equal(keys, ["again", "through0", "through1"], "the lines of those that stopped in order")
