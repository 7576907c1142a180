"""Cross-origin requests: the configuration of a bucket, preflights, and what every answer tells a browser."""

from home import equal, refused, true
from signing import Signer, exchange, send
from suite import Suite

SUITE = Suite("boto3 cors")
PAGE = "https://page.example"
RULE = {"ID": "page", "AllowedOrigins": [PAGE, "https://*.apps.example"], "AllowedMethods": ["GET", "PUT", "POST"],
        "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag", "x-amz-request-id"], "MaxAgeSeconds": 300}


def _with_rules(home, word, *rules):
    bucket = home.new_bucket(word)
    home.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules) or [RULE]})
    return bucket


def _preflight(home, bucket, origin=PAGE, method="PUT", headers="content-type,x-amz-date"):
    asked = {"host": f"127.0.0.1:{home.port}", "origin": origin, "access-control-request-method": method}
    if headers:
        asked["access-control-request-headers"] = headers
    return exchange(home.port, "OPTIONS", f"/{bucket}/key", asked)


@SUITE.case("put, get, delete a configuration")
def configuration(home):
    bucket = home.new_bucket("cors")
    refused("NoSuchCORSConfiguration", 404, home.s3.get_bucket_cors, Bucket=bucket)
    home.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE]})
    equal(home.s3.get_bucket_cors(Bucket=bucket)["CORSRules"], [RULE], "rules")
    home.s3.delete_bucket_cors(Bucket=bucket)
    home.s3.delete_bucket_cors(Bucket=bucket)
    refused("NoSuchCORSConfiguration", 404, home.s3.get_bucket_cors, Bucket=bucket)
    refused("NoSuchBucket", 404, home.s3.get_bucket_cors, Bucket="no-such-bucket-here")


@SUITE.case("rules without meaning are refused")
def bad_rules(home):
    bucket = _with_rules(home, "corsbad")
    for change in [{"AllowedMethods": ["OPTIONS"]}, {"AllowedOrigins": ["http://*.*"]}, {"AllowedHeaders": ["*-*"]},
                   {"ExposeHeaders": ["x-*"]}]:
        refused("InvalidRequest", 400, home.s3.put_bucket_cors, Bucket=bucket,
                CORSConfiguration={"CORSRules": [dict(RULE, **change)]})
    refused("MalformedXML", 400, home.s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [RULE] * 101})
    equal(home.s3.get_bucket_cors(Bucket=bucket)["CORSRules"], [RULE], "unchanged")


@SUITE.case("preflight: allowed, refused, and without rules")
def preflight(home):
    bucket = _with_rules(home, "corspre")
    for origin in [PAGE, "https://one.apps.example"]:
        answer = _preflight(home, bucket, origin)
        equal((answer.status, answer.headers.get("access-control-allow-origin")), (200, origin), origin)
        equal(answer.headers.get("access-control-allow-methods"), "GET, PUT, POST", "methods")
        equal(answer.headers.get("access-control-allow-headers"), "content-type, x-amz-date", "headers")
        equal(answer.headers.get("access-control-max-age"), "300", "age")
    for answer in [_preflight(home, bucket, "https://apps.example"), _preflight(home, bucket, method="DELETE"),
                   _preflight(home, home.new_bucket("corsnone")), _preflight(home, "no-such-bucket-here")]:
        equal((answer.status, answer.code()), (403, "AccessForbidden"), "refused")
        true("access-control-allow-origin" not in answer.headers, "no origin is named")


@SUITE.case("an open bucket says *, without credentials")
def open_to_all(home):
    bucket = _with_rules(home, "corsopen", {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]})
    answer = _preflight(home, bucket, "http://anything", "GET", headers="")
    equal((answer.status, answer.headers.get("access-control-allow-origin")), (200, "*"), "origin")
    true("access-control-allow-credentials" not in answer.headers, "no credentials")
    equal(_preflight(home, bucket, "http://anything", "GET", "x-amz-date").status, 403, "no header is allowed")


@SUITE.case("presigned PUT from a page: preflight, upload, ETag exposed; a refusal can be read too")
def from_a_page(home):
    bucket = _with_rules(home, "corspage")
    target = Signer(home).presign("PUT", f"/{bucket}/photo")
    host = {"host": f"127.0.0.1:{home.port}", "origin": PAGE}
    asked = dict(host, **{"access-control-request-method": "PUT", "access-control-request-headers": "content-type"})
    equal(exchange(home.port, "OPTIONS", target, asked).status, 200, "preflight of a presigned URL")
    answer = exchange(home.port, "PUT", target, dict(host, **{"content-type": "image/jpeg"}), b"photo")
    equal((answer.status, answer.headers.get("access-control-allow-origin")), (200, PAGE), "upload")
    true("ETag" in answer.headers.get("access-control-expose-headers", ""), "the page may see the ETag")
    answer = exchange(home.port, "PUT", target.replace("photo", "other"), host, b"photo")
    equal((answer.status, answer.headers.get("access-control-allow-origin")), (403, PAGE), "refusal")


@SUITE.case("answers differ by origin, and say so")
def vary(home):
    bucket = _with_rules(home, "corsvary")
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for headers, wanted in [({}, None), ({"origin": PAGE}, PAGE), ({"origin": "https://else.example"}, None)]:
        answer = send(home, "GET", f"/{bucket}/k", headers=headers)
        equal((answer.status, answer.headers.get("access-control-allow-origin")), (200, wanted), f"{headers}")
        true("Origin" in answer.headers.get("vary", ""), "Vary")
