"""Uploads by an HTML form, as boto3 prepares them for a browser and a browser sends them."""

import base64
import datetime
import hashlib
import hmac
import json
import urllib.parse

from home import equal, true
from signing import exchange
from suite import Suite

SUITE = Suite("boto3 forms")


def _multipart(fields, file, filename):
    boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: image/png\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + file + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _send(home, prepared, file=b"picture", filename="cat.png", **more):
    body, kind = _multipart(dict(prepared["fields"], **more), file, filename)
    path = urllib.parse.urlsplit(prepared["url"]).path
    return exchange(home.port, "POST", path, {"host": f"127.0.0.1:{home.port}", "content-type": kind}, body)


@SUITE.case("a form prepared by boto3 uploads a file")
def upload(home):
    bucket = home.new_bucket("form")
    prepared = home.s3.generate_presigned_post(bucket, "user/${filename}")
    for file in [b"", b"small", b"--" * 10 + b"\r\n" * 5, b"large" * 1_000_000]:
        answer = _send(home, prepared, file)
        equal(answer.status, 204, f"{len(file)} bytes: {answer}")
        equal(answer.headers["etag"], f'"{hashlib.md5(file).hexdigest()}"', "ETag")
        equal(home.s3.get_object(Bucket=bucket, Key="user/cat.png")["Body"].read(), file, "content")


@SUITE.case("fields become headers, metadata and tags; the answer is what was asked for")
def fields(home):
    bucket = home.new_bucket("formfields")
    asked = {"Content-Type": "image/png", "x-amz-meta-who": "me", "success_action_status": "201",
             "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}
    prepared = home.s3.generate_presigned_post(bucket, "k", Fields=asked, Conditions=[{name: value} for name, value in asked.items()])
    answer = _send(home, prepared)
    equal((answer.status, answer.error().get("Bucket"), answer.error().get("Key")), (201, bucket, "k"), f"{answer}")
    found = home.s3.get_object(Bucket=bucket, Key="k")
    equal((found["ContentType"], found["Metadata"], found["TagCount"]), ("image/png", {"who": "me"}, 1), "object")
    url = "https://page.example/done"
    prepared = home.s3.generate_presigned_post(bucket, "k", Fields={"success_action_redirect": url},
                                               Conditions=[{"success_action_redirect": url}])
    answer = _send(home, prepared)
    true(answer.status == 303 and answer.headers["location"].startswith(f"{url}?bucket={bucket}&key=k&etag="), f"{answer}")


@SUITE.case("what the policy does not allow is refused")
def refused_forms(home):
    bucket = home.new_bucket("formbad")
    short = home.s3.generate_presigned_post(bucket, "k", Conditions=[["content-length-range", 2, 5]])
    equal(_send(home, short, b"12345").status, 204, "in range")
    for file, code in [(b"1", "EntityTooSmall"), (b"123456", "EntityTooLarge")]:
        answer = _send(home, short, file)
        equal((answer.status, answer.code()), (400, code), f"{len(file)} bytes")
    prepared = home.s3.generate_presigned_post(bucket, "k")
    for more in [{"x-amz-meta-a": "b"}, {"key": "other"}, {"acl": "public-read"}]:
        answer = _send(home, prepared, **more)
        equal((answer.status, answer.code()), (403, "AccessDenied"), f"{more}")
    answer = _send(home, prepared, **{"x-amz-signature": "0" * 64})
    equal((answer.status, answer.code()), (403, "SignatureDoesNotMatch"), "signature")
    expired = home.s3.generate_presigned_post(bucket, "k", ExpiresIn=-10)
    answer = _send(home, expired)
    equal((answer.status, answer.code()), (403, "AccessDenied"), "expired")
    equal(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"12345", "unchanged")


@SUITE.case("a form signed with version 2")
def version_2(home):
    bucket = home.new_bucket("formv2")
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = {"expiration": until, "conditions": [{"bucket": bucket}, ["starts-with", "$key", "up/"]]}
    policy = base64.b64encode(json.dumps(policy).encode()).decode()
    signature = base64.b64encode(hmac.digest(home.secret.encode(), policy.encode(), "sha1")).decode()
    form = {"key": "up/k", "AWSAccessKeyId": home.key_id, "policy": policy, "signature": signature}
    equal(_send(home, {"url": f"/{bucket}", "fields": form}).status, 204, "good")
    answer = _send(home, {"url": f"/{bucket}", "fields": dict(form, key="down/k")})
    equal((answer.status, answer.code()), (403, "AccessDenied"), "another key")


@SUITE.case("headers and query beside a form give the object nothing")
def beside(home):
    bucket = home.new_bucket("formbeside")
    prepared = home.s3.generate_presigned_post(bucket, "k")
    body, kind = _multipart(prepared["fields"], b"picture", "cat.png")
    headers = {"host": f"127.0.0.1:{home.port}", "content-type": kind}
    said = {"x-amz-acl": "public-read", "x-amz-meta-a": "b", "x-amz-tagging": "a=b", "cache-control": "max-age=1",
            "x-amz-website-redirect-location": "https://elsewhere.example/"}
    path = f"/{bucket}"
    for place, target, more in [("header", path, said), ("query", f"{path}?{urllib.parse.urlencode(said)}", {})]:
        equal(exchange(home.port, "POST", target, dict(headers, **more), body).status, 204, place)
        found = home.s3.get_object(Bucket=bucket, Key="k")
        kept = {name for name in ("CacheControl", "TagCount", "WebsiteRedirectLocation") if name in found}
        equal((kept, found["Metadata"]), (set(), {}), f"{place}: what is kept")
        answer = exchange(home.port, "GET", f"{path}/k", {"host": f"127.0.0.1:{home.port}"}, b"")
        equal(answer.status, 403, f"{place}: who may read it")
