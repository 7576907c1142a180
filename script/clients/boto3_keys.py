"""Keys are opaque bytes: dots, slashes, percent signs, control characters, 1024 bytes, every script."""

from home import equal, refused, true
from signing import key_path, quote, send
from suite import Suite

SUITE = Suite("odd keys")
ODD_KEYS = [
    "..", ".", "../x", "a/../b", "a/./b", "/", "//", "/lead", "//lead//", "a//b", "trail/", "a b", " ", "+", "a+b",
    "%", "%2F", "a%2Fb", "%00", "%252F", "?", "a?b=c&d", "#", "a#b", "&", "<>", "\"'", "\\", "a\\b", ":", "@", "=",
    "~", "!*()", "[x]", "{x}", "|^`", ";", ",", "é", "e\u0301", "日本語/ファイル", "😀", "\u00a0", "\u200b",
    "\u202e", "a\tb", "a\nb", "a\rb", "a\x01b", "a\x1fb", "a\x7fb", "\ufffe", "\U0010ffff", "x" * 1024, "é" * 512,
    "CON", "a" * 255 + "/" + "b" * 255, ".hidden", "-rf", "$(x)", "null", "0",
]


@SUITE.case("put, get, head, list and delete under every odd key")
def round_trip(home):
    bucket, wrong = home.new_bucket("odd"), []
    for key in ODD_KEYS:
        body, path = repr(key).encode(), key_path(bucket, key)
        put = send(home, "PUT", path, body=body)
        got = send(home, "GET", path)
        head = send(home, "HEAD", path)
        if (put.status, got.status, got.body, head.status) != (200, 200, body, 200):
            wrong.append(f"{key!r}: put {put.status}, get {got.status}, head {head.status}")
    equal(wrong, [], "keys that failed")
    listed = []
    for page in home.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7}):
        listed += [entry["Key"] for entry in page.get("Contents", [])]
    equal(listed, sorted(ODD_KEYS, key=lambda key: key.encode()), "listing")
    for key in ODD_KEYS:
        equal(send(home, "DELETE", key_path(bucket, key)).status, 204, f"delete {key!r}")
    equal(home.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "left over")


@SUITE.case("the same through boto3")
def through_boto3(home):
    bucket, wrong = home.new_bucket("oddsdk"), []
    # urllib3 resolves dot segments and botocore refuses an empty path, so those keys are sent raw only.
    for key in [key for key in ODD_KEYS if not set(key.split("/")) & {".", ".."}]:
        try:
            home.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
            if home.s3.get_object(Bucket=bucket, Key=key)["Body"].read() != key.encode():
                wrong.append(key)
        except Exception as error:
            wrong.append(f"{key!r}: {error}")
    equal(wrong, [], "keys that failed")


@SUITE.case("control characters do not break a listing without encoding-type")
def listing_controls(home):
    import xml.parsers.expat

    bucket = home.new_bucket("control")
    for key in ["a\x01b", "a\nb", "a\x1f", "plain"]:
        send(home, "PUT", key_path(bucket, key), body=b"x")
    for query in [[], [("list-type", "2")]]:
        body = send(home, "GET", f"/{bucket}", query=query).body
        true(not any(byte < 32 and byte not in b"\t\r\n" for byte in body), f"raw control bytes in {body!r}")
        true(b"plain" in body, "the other keys are listed")


@SUITE.case("keys over 1024 bytes are KeyTooLongError")
def too_long(home):
    bucket = home.new_bucket("long")
    for key in ["x" * 1025, "é" * 513, "x" * 5000]:
        answer = send(home, "PUT", key_path(bucket, key), body=b"x")
        equal((answer.status, answer.code()), (400, "KeyTooLongError"), f"key of {len(key.encode())} bytes")


@SUITE.case("bytes that are not UTF-8, or a broken percent escape, are a clear 4xx")
def not_utf8(home):
    bucket = home.new_bucket("bytes")
    for raw in ["%ff", "%c3%28", "a%80b", "%zz", "%", "%0"]:
        answer = send(home, "PUT", f"/{bucket}/{raw}", body=b"x")
        true(400 <= answer.status < 500, f"path {raw}: {answer}")


@SUITE.case("keys never leave their bucket")
def no_escape(home):
    first, second = home.new_bucket("inside"), home.new_bucket("outside")
    home.s3.put_object(Bucket=second, Key="secret", Body=b"secret")
    answer = send(home, "GET", f"/{first}/../{second}/secret")
    equal((answer.status, answer.code()), (404, "NoSuchKey"), "dots do not lead to another bucket")


@SUITE.case("a key and a folder of the same name are both there")
def same_name(home):
    bucket = home.new_bucket("marker")
    for key in ["x", "x/", "x/y"]:
        home.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    answer = home.s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    equal([entry["Key"] for entry in answer["Contents"]], ["x"], "keys")
    equal([entry["Prefix"] for entry in answer["CommonPrefixes"]], ["x/"], "prefixes")
    refused("404", 404, home.s3.head_object, Bucket=bucket, Key="y")


@SUITE.case("DeleteObjects with odd keys")
def delete_many(home):
    bucket = home.new_bucket("oddmany")
    # XML 1.0 has no way to write most control characters, so those keys are deleted one by one.
    keys = [key for key in ODD_KEYS if all(c >= " " and c not in "\ufffe" for c in key)]
    for key in keys:
        send(home, "PUT", key_path(bucket, key), body=b"x")
    answer = home.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    equal(answer.get("Errors", []), [], "errors")
    equal(home.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "left over")
