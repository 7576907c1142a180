"""Who may ask, and how: signatures, clocks, presigned URLs, host styles, regions, and the form of errors."""

import datetime
import urllib.request

from home import equal, refused, true
from server import ROOT_DOMAIN
from signing import EMPTY_SHA256, Signer, canonical_query, exchange, send
from suite import Suite

SUITE = Suite("access and errors")
MINUTE = datetime.timedelta(minutes=1)


def _now(shift=datetime.timedelta()):
    return datetime.datetime.now(datetime.timezone.utc) + shift


def _object(home, word):
    bucket = home.new_bucket(word)
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    return bucket


@SUITE.case("wrong secret, unknown key, no signature")
def refusals(home):
    bucket = _object(home, "auth")
    wrong = home.client(secret="w" * 64)
    refused("SignatureDoesNotMatch", 403, wrong.get_object, Bucket=bucket, Key="k")
    unknown = home.client(key_id="GK" + "0" * 24)
    refused("InvalidAccessKeyId", 403, unknown.get_object, Bucket=bucket, Key="k")
    answer = exchange(home.port, "GET", f"/{bucket}/k", {"host": f"127.0.0.1:{home.port}"})
    equal((answer.status, answer.code()), (403, "AccessDenied"), "anonymous")


@SUITE.case("a broken Authorization header is a clear 4xx")
def broken_header(home):
    bucket = _object(home, "broken")
    good = Signer(home).headers("GET", f"/{bucket}/k", (), {}, EMPTY_SHA256)
    for text in ["", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "Basic eDp5", "AWS key:sig", "x" * 5000,
                 good["authorization"].replace("s3/aws4_request", "s3"), good["authorization"].replace("=", "")]:
        answer = exchange(home.port, "GET", f"/{bucket}/k", dict(good, authorization=text))
        true(400 <= answer.status < 500 and answer.code(), f"Authorization {text[:60]!r}: {answer}")


@SUITE.case("x-amz-* headers that are not signed are refused")
def unsigned_header(home):
    bucket = _object(home, "unsigned")
    answer = send(home, "PUT", f"/{bucket}/k", body=b"new", headers={"x-amz-meta-x": "1"}, unsigned=("x-amz-meta-x",))
    equal((answer.status, answer.code()), (403, "AccessDenied"), "answer")


@SUITE.case("clocks: 14 minutes off is accepted, 16 and ten years are RequestTimeTooSkewed")
def clocks(home):
    bucket = _object(home, "clock")
    for minutes, status in [(-14, 200), (14, 200), (-16, 403), (16, 403), (60 * 24 * 3650, 403), (-60 * 23, 403)]:
        answer = send(home, "GET", f"/{bucket}/k", signer=Signer(home, now=_now(minutes * MINUTE)))
        equal(answer.status, status, f"{minutes} minutes")
        if status == 403:
            equal(answer.code(), "RequestTimeTooSkewed", f"{minutes} minutes")


@SUITE.case("any region is accepted by default")
def regions(home):
    bucket = _object(home, "anyregion")
    for region in ["eu-west-3", "garage", "auto"]:
        equal(home.client(region=region).get_object(Bucket=bucket, Key="k")["Body"].read(), b"body", region)


@SUITE.case("presigned GET, PUT, HEAD and DELETE")
def presigned(home):
    bucket = _object(home, "presign")

    def ask(operation, method, body=None, key="k a/ü+"):
        url = home.s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method=method), timeout=10) as answer:
            return answer.status, answer.read()

    equal(ask("put_object", "PUT", b"presigned")[0], 200, "PUT")
    equal(ask("get_object", "GET"), (200, b"presigned"), "GET")
    equal(ask("head_object", "HEAD"), (200, b""), "HEAD")
    equal(ask("delete_object", "DELETE")[0], 204, "DELETE")


@SUITE.case("presigned: expired, spoiled, too long, with a signed override")
def presigned_bad(home):
    bucket, host = _object(home, "presignbad"), {"host": f"127.0.0.1:{home.port}"}
    get = lambda target: exchange(home.port, "GET", target, host)
    old = Signer(home, now=_now(-10 * MINUTE))
    equal(get(old.presign("GET", f"/{bucket}/k", expires_s=1200)).status, 200, "still valid")
    answer = get(old.presign("GET", f"/{bucket}/k", expires_s=60))
    equal((answer.status, answer.code()), (403, "AccessDenied"), "expired")
    good = Signer(home).presign("GET", f"/{bucket}/k")
    answer = get(good.replace(f"/{bucket}/k", f"/{bucket}/other"))
    equal((answer.status, answer.code()), (403, "SignatureDoesNotMatch"), "another key")
    for expires in [604801, 0, -1]:
        answer = get(Signer(home).presign("GET", f"/{bucket}/k", expires_s=expires))
        equal((answer.status, answer.code()), (400, "AuthorizationQueryParametersError"), f"expires {expires}")
    query = [("response-content-type", "text/over")]
    answer = get(Signer(home).presign("GET", f"/{bucket}/k", query))
    equal((answer.status, answer.headers.get("content-type")), (200, "text/over"), "override in the signed query")
    answer = get(good + "&response-content-type=text/over")
    equal(answer.status, 403, "override that was not signed")


@SUITE.case("virtual-host style")
def virtual_host(home):
    client = home.client(style="virtual", endpoint=f"http://{ROOT_DOMAIN}:{home.port}")
    bucket = home.unique("vhost")
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="dir/a b+c", Body=b"virtual")
    equal(client.get_object(Bucket=bucket, Key="dir/a b+c")["Body"].read(), b"virtual", "virtual")
    equal(home.s3.get_object(Bucket=bucket, Key="dir/a b+c")["Body"].read(), b"virtual", "the same by path")
    equal([e["Key"] for e in client.list_objects_v2(Bucket=bucket)["Contents"]], ["dir/a b+c"], "listing")
    true(bucket in [b["Name"] for b in client.list_buckets()["Buckets"]], "ListBuckets on the bare domain")
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "dir/a b+c"})
    true(f"{bucket}.{ROOT_DOMAIN}" in url, "the presigned URL is virtual")
    with urllib.request.urlopen(url, timeout=10) as answer:
        equal(answer.read(), b"virtual", "presigned virtual")


@SUITE.case("error bodies: code, message, and the request id of the header")
def error_form(home):
    bucket = _object(home, "errors")
    for method, path, query in [("GET", f"/{bucket}/none", ()), ("GET", "/no-such-bucket-here", ()),
                                ("PUT", "/Bad_Name", ()), ("PUT", f"/{bucket}", [("versioning", "")])]:
        answer = send(home, method, path, query)
        error = answer.error()
        true(answer.status >= 400 and error.get("Code") and error.get("Message"), f"{method} {path}: {answer}")
        true(answer.headers.get("content-type", "").startswith("application/xml"), "Content-Type of an error")
        true(answer.headers.get("x-amz-request-id"), "x-amz-request-id")
        equal(error.get("RequestId"), answer.headers.get("x-amz-request-id"), "RequestId in body and header")
    answer = send(home, "GET", f"/{bucket}/none")
    equal(answer.error().get("Key"), "none", "NoSuchKey names the key")


@SUITE.case("every answer carries its own request id, HEAD errors too, and they have no body")
def request_ids(home):
    bucket = _object(home, "ids")
    answers = [send(home, "GET", f"/{bucket}/k") for _ in range(20)] + [send(home, "HEAD", f"/{bucket}/none")]
    ids = [answer.headers.get("x-amz-request-id") for answer in answers]
    equal(len(set(ids)), 21, "different ids")
    equal((answers[-1].status, answers[-1].body), (404, b""), "HEAD error")


@SUITE.case("an early refusal leaves the connection usable or closed, never stuck")
def early_refusal(home):
    wrong = home.client(secret="w" * 64, max_pool_connections=1)
    bucket = _object(home, "early")
    for _ in range(3):
        refused("SignatureDoesNotMatch", 403, wrong.put_object, Bucket=bucket, Key="k", Body=b"x" * 3000000)
    equal(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"body", "unchanged")


@SUITE.case("query oddities: + and %20, repeated and empty parameters, lower-case escapes")
def query_oddities(home):
    bucket = home.new_bucket("query")
    home.s3.put_object(Bucket=bucket, Key="a b/1", Body=b"x")
    signer = Signer(home)
    query = [("list-type", "2"), ("prefix", "a b/")]
    headers = signer.headers("GET", f"/{bucket}", query, {}, EMPTY_SHA256)
    for target in [f"/{bucket}?list-type=2&prefix=a%20b%2F", f"/{bucket}?prefix=a%20b%2f&list-type=2",
                   f"/{bucket}?prefix=a%20b/&list-type=2"]:
        answer = exchange(home.port, "GET", target, headers)
        true(answer.status == 200 and b"a b/1" in answer.body, f"{target}: {answer}")
    answer = send(home, "GET", f"/{bucket}", query=[("list-type", "2"), ("x-id", "ListObjectsV2")])
    equal(answer.status, 200, "x-id is harmless")
