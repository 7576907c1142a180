"""Objects: put, get, head, delete, many deletes, copy, ranges, overrides, user metadata."""

import hashlib

from home import equal, refused, true
from signing import key_path, quote, send
from suite import Suite

SUITE = Suite("boto3 objects")
BODY = b"0123456789"


def _md5(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


def _read(home, bucket, key, **arguments):
    return home.s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


@SUITE.case("put, get, head, delete at sizes around the limits")
def sizes(home):
    bucket = home.new_bucket("sizes")
    for size_bytes in [0, 1, 3071, 3072, 3073, 65536, 1048575, 1048576, 1048577, 3 * 1048576 + 17]:
        body, key = (BODY * (size_bytes // 10 + 1))[:size_bytes], f"size-{size_bytes}"
        equal(home.s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"], _md5(body), f"ETag of {key}")
        head = home.s3.head_object(Bucket=bucket, Key=key)
        equal((head["ContentLength"], head["ETag"]), (size_bytes, _md5(body)), f"head of {key}")
        true(head["AcceptRanges"] == "bytes", "Accept-Ranges")
        equal(_read(home, bucket, key), body, f"body of {key}")
        home.s3.delete_object(Bucket=bucket, Key=key)
        refused("NoSuchKey", 404, home.s3.get_object, Bucket=bucket, Key=key)
        refused("404", 404, home.s3.head_object, Bucket=bucket, Key=key)


@SUITE.case("overwrite: the last put counts")
def overwrite(home):
    bucket = home.new_bucket("over")
    for body in [b"first" * 300000, b"second", b"", b"third" * 300000]:
        home.s3.put_object(Bucket=bucket, Key="k", Body=body)
        equal(_read(home, bucket, "k"), body, "body")
    equal(len(home.s3.list_objects_v2(Bucket=bucket)["Contents"]), 1, "entries")


@SUITE.case("the same bytes under many keys are independent")
def same_bytes(home):
    bucket, body = home.new_bucket("same"), BODY * 300000
    for number in range(4):
        home.s3.put_object(Bucket=bucket, Key=f"copy-{number}", Body=body)
    for number in range(3):
        home.s3.delete_object(Bucket=bucket, Key=f"copy-{number}")
    equal(_read(home, bucket, "copy-3"), body, "the copy that is left")


@SUITE.case("headers of a put come back")
def headers(home):
    import datetime

    bucket = home.new_bucket("headers")
    home.s3.put_object(
        Bucket=bucket, Key="k", Body=BODY, ContentType="text/x-test", CacheControl="max-age=7",
        ContentDisposition='attachment; filename="a b.txt"', ContentEncoding="gzip", ContentLanguage="fr",
        Expires=datetime.datetime(2030, 1, 2, 3, 4, 5), Metadata={"One": "1", "two-words": "a b"},
    )
    for answer in [home.s3.get_object(Bucket=bucket, Key="k"), home.s3.head_object(Bucket=bucket, Key="k")]:
        equal(answer["ContentType"], "text/x-test", "Content-Type")
        equal(answer["CacheControl"], "max-age=7", "Cache-Control")
        equal(answer["ContentDisposition"], 'attachment; filename="a b.txt"', "Content-Disposition")
        equal(answer["ContentEncoding"], "gzip", "Content-Encoding")
        equal(answer["ContentLanguage"], "fr", "Content-Language")
        equal(answer["ExpiresString"], "Wed, 02 Jan 2030 03:04:05 GMT", "Expires")
        equal(answer["Metadata"], {"one": "1", "two-words": "a b"}, "metadata")


@SUITE.case("without Content-Type an object is binary/octet-stream")
def default_type(home):
    bucket = home.new_bucket("type")
    send(home, "PUT", f"/{bucket}/k", body=BODY)
    equal(home.s3.head_object(Bucket=bucket, Key="k")["ContentType"], "binary/octet-stream", "type")


@SUITE.case("user metadata in UTF-8 comes back as sent")
def metadata_utf8(home):
    bucket, value = home.new_bucket("meta"), "Grüße, 日本 😀"
    headers = {"x-amz-meta-text": value}
    equal(send(home, "PUT", f"/{bucket}/k", headers=headers, body=BODY).status, 200, "put")
    found = send(home, "GET", f"/{bucket}/k").headers.get("x-amz-meta-text", "")
    true(found.encode("latin-1", "replace").decode("utf-8", "replace") == value, f"metadata came back as {found!r}")


@SUITE.case("metadata over 2 KiB is MetadataTooLarge")
def metadata_too_large(home):
    bucket = home.new_bucket("metabig")
    home.s3.put_object(Bucket=bucket, Key="fits", Body=b"", Metadata={"a": "x" * 2000})
    refused("MetadataTooLarge", 400, home.s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2100})


@SUITE.case("delete of an absent key is 204")
def delete_absent(home):
    bucket = home.new_bucket("absent")
    answer = home.s3.delete_object(Bucket=bucket, Key="never")
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 204, "status")


@SUITE.case("DeleteObjects with 1000 keys")
def delete_thousand(home):
    bucket = home.new_bucket("thousand")
    for number in range(20):
        home.s3.put_object(Bucket=bucket, Key=f"k{number:04}", Body=b"x")
    keys = [{"Key": f"k{number:04}"} for number in range(1000)]
    answer = home.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    equal(len(answer["Deleted"]), 1000, "deleted, absent ones included")
    true("Errors" not in answer, "no errors")
    equal(home.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "left over")


@SUITE.case("DeleteObjects with 1001 keys is MalformedXML")
def delete_too_many(home):
    bucket = home.new_bucket("toomany")
    keys = [{"Key": f"k{number:04}"} for number in range(1001)]
    refused("MalformedXML", 400, home.s3.delete_objects, Bucket=bucket, Delete={"Objects": keys})


@SUITE.case("DeleteObjects quietly")
def delete_quiet(home):
    bucket = home.new_bucket("quiet")
    home.s3.put_object(Bucket=bucket, Key="a & <b>", Body=b"x")
    answer = home.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a & <b>"}], "Quiet": True})
    true("Deleted" not in answer and "Errors" not in answer, f"quiet answer lists nothing: {answer}")
    refused("404", 404, home.s3.head_object, Bucket=bucket, Key="a & <b>")


@SUITE.case("DeleteObjects without any digest of its body is refused, with Content-MD5 accepted")
def delete_digest(home):
    import base64

    bucket, body = home.new_bucket("digest"), b"<Delete><Object><Key>k</Key></Object></Delete>"
    answer = send(home, "POST", f"/{bucket}", query=[("delete", "")], body=body)
    equal((answer.status, answer.code()), (400, "InvalidRequest"), "without digest")
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    equal(send(home, "POST", f"/{bucket}", query=[("delete", "")], body=body, headers={"content-md5": md5}).status, 200, "MD5")
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    answer = send(home, "POST", f"/{bucket}", query=[("delete", "")], body=body, headers={"content-md5": wrong})
    equal((answer.status, answer.code()), (400, "BadDigest"), "wrong MD5")


@SUITE.case("copy keeps or replaces the metadata")
def copy(home):
    source, target = home.new_bucket("from"), home.new_bucket("to")
    body = BODY * 250000
    home.s3.put_object(Bucket=source, Key="s", Body=body, ContentType="text/one", Metadata={"a": "1"})
    place = {"Bucket": source, "Key": "s"}
    answer = home.s3.copy_object(Bucket=target, Key="kept", CopySource=place)
    equal(answer["CopyObjectResult"]["ETag"], _md5(body), "ETag")
    head = home.s3.head_object(Bucket=target, Key="kept")
    equal((head["ContentType"], head["Metadata"]), ("text/one", {"a": "1"}), "kept")
    home.s3.copy_object(Bucket=target, Key="new", CopySource=place, MetadataDirective="REPLACE",
                        ContentType="text/two", Metadata={"b": "2"})
    head = home.s3.head_object(Bucket=target, Key="new")
    equal((head["ContentType"], head["Metadata"]), ("text/two", {"b": "2"}), "replaced")
    home.s3.delete_object(Bucket=source, Key="s")
    equal(_read(home, target, "kept"), body, "the copy outlives its source")


@SUITE.case("copy to itself: refused without a change, keeps the bytes with REPLACE")
def copy_self(home):
    bucket, body = home.new_bucket("self"), BODY * 200000
    home.s3.put_object(Bucket=bucket, Key="k", Body=body)
    place = {"Bucket": bucket, "Key": "k"}
    refused("InvalidRequest", 400, home.s3.copy_object, Bucket=bucket, Key="k", CopySource=place)
    home.s3.copy_object(Bucket=bucket, Key="k", CopySource=place, MetadataDirective="REPLACE", Metadata={"n": "1"})
    equal(_read(home, bucket, "k"), body, "bytes")
    equal(home.s3.head_object(Bucket=bucket, Key="k")["Metadata"], {"n": "1"}, "metadata")


@SUITE.case("copy sources: odd names, leading slash or not, absent ones")
def copy_sources(home):
    bucket, key = home.new_bucket("source"), "dir one/a+b %2F ü?x=1&y"
    home.s3.put_object(Bucket=bucket, Key=key, Body=b"odd")
    for lead in ["", "/"]:
        source = lead + bucket + "/" + quote(key, safe="/")
        answer = send(home, "PUT", f"/{bucket}/target", headers={"x-amz-copy-source": source})
        equal(answer.status, 200, f"copy from {source}: {answer}")
    equal(_read(home, bucket, "target"), b"odd", "bytes")
    refused("NoSuchKey", 404, home.s3.copy_object, Bucket=bucket, Key="t", CopySource={"Bucket": bucket, "Key": "none"})
    refused("NoSuchBucket", 404, home.s3.copy_object, Bucket=bucket, Key="t",
            CopySource={"Bucket": "no-such-bucket-here", "Key": "none"})
    for source in ["", "/", bucket, "/" + bucket + "/"]:
        answer = send(home, "PUT", f"/{bucket}/target", headers={"x-amz-copy-source": source})
        true(400 <= answer.status < 500, f"copy source {source!r}: {answer}")


@SUITE.case("copy conditions on the source")
def copy_conditions(home):
    bucket = home.new_bucket("copycond")
    etag = home.s3.put_object(Bucket=bucket, Key="s", Body=BODY)["ETag"]
    common = dict(Bucket=bucket, Key="t", CopySource={"Bucket": bucket, "Key": "s"})
    home.s3.copy_object(**common, CopySourceIfMatch=etag)
    refused("PreconditionFailed", 412, home.s3.copy_object, **common, CopySourceIfMatch='"wrong"')
    refused("PreconditionFailed", 412, home.s3.copy_object, **common, CopySourceIfNoneMatch=etag)
    home.s3.copy_object(**common, CopySourceIfNoneMatch='"wrong"')


@SUITE.case("ranges")
def ranges(home):
    bucket, key = home.new_bucket("ranges"), "k"
    home.s3.put_object(Bucket=bucket, Key=key, Body=BODY)
    for text, status, body, content_range in [
        ("bytes=0-4", 206, b"01234", "bytes 0-4/10"), ("bytes=5-", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"), ("bytes=-1000", 206, BODY, "bytes 0-9/10"),
        ("bytes=0-1000", 206, BODY, "bytes 0-9/10"), ("bytes=9-9", 206, b"9", "bytes 9-9/10"),
        ("bytes=5-1", 200, BODY, None), ("apples=1-2", 200, BODY, None), ("bytes=x-y", 200, BODY, None),
    ]:
        answer = send(home, "GET", f"/{bucket}/{key}", headers={"range": text})
        found = (answer.status, answer.body, answer.headers.get("content-range"))
        equal(found, (status, body, content_range), text)
    head = home.s3.head_object(Bucket=bucket, Key=key, Range="bytes=2-3")
    equal((head["ResponseMetadata"]["HTTPStatusCode"], head["ContentLength"]), (206, 2), "HEAD with a range")


@SUITE.case("ranges past the end are 416")
def ranges_past_end(home):
    bucket = home.new_bucket("range416")
    home.s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    for text in ["bytes=10-", "bytes=100-200", "bytes=-0"]:
        answer = send(home, "GET", f"/{bucket}/k", headers={"range": text})
        equal((answer.status, answer.code()), (416, "InvalidRange"), text)
        equal(answer.headers.get("content-range"), "bytes */10", f"Content-Range for {text}")


@SUITE.case("ranges across blocks")
def ranges_across_blocks(home):
    import random

    bucket, body = home.new_bucket("blocks"), random.Random(5).randbytes(3 * 1048576 + 100)
    home.s3.put_object(Bucket=bucket, Key="k", Body=body)
    for start, end in [(1048570, 1048580), (0, 1048576), (1048576, 2097151), (100, 3 * 1048576 + 99), (3145728, 3145730)]:
        found = _read(home, bucket, "k", Range=f"bytes={start}-{end}")
        equal(hashlib.md5(found).hexdigest(), hashlib.md5(body[start : end + 1]).hexdigest(), f"{start}-{end}")


@SUITE.case("response-* overrides, for signed requests only")
def overrides(home):
    bucket = home.new_bucket("override")
    home.s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    answer = home.s3.get_object(
        Bucket=bucket, Key="k", ResponseContentType="text/x", ResponseCacheControl="no-cache",
        ResponseContentDisposition="attachment", ResponseContentEncoding="br", ResponseContentLanguage="de",
    )
    equal(answer["ContentType"], "text/x", "type")
    equal(answer["CacheControl"], "no-cache", "cache")
    equal(answer["ContentDisposition"], "attachment", "disposition")
    equal(answer["ContentEncoding"], "br", "encoding")
    equal(answer["ContentLanguage"], "de", "language")


@SUITE.case("versionId without versions: null is the object, others are not there")
def version_id(home):
    bucket = home.new_bucket("version")
    home.s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    equal(_read(home, bucket, "k", VersionId="null"), BODY, "versionId=null")
    answer = send(home, "GET", f"/{bucket}/k", query=[("versionId", "not-a-version")])
    equal((answer.status, answer.code()), (400, "InvalidArgument"), "versionId=not-a-version")


@SUITE.case("encryption with a customer key is obeyed or refused, never ignored")
def customer_key(home):
    bucket, key = home.new_bucket("ssec"), "0123456789abcdef0123456789abcdef"
    try:
        home.s3.put_object(Bucket=bucket, Key="k", Body=BODY, SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    except home.s3.exceptions.ClientError as error:
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 501, "refusal")
        return
    refused("InvalidRequest", 400, home.s3.get_object, Bucket=bucket, Key="k")


@SUITE.case("concurrent puts of one key: one of them wins, whole")
def concurrent_puts(home):
    import concurrent.futures

    bucket = home.new_bucket("race")
    bodies = [bytes([65 + number]) * 1500000 for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: home.s3.put_object(Bucket=bucket, Key="k", Body=body), bodies))
    true(_read(home, bucket, "k") in bodies, "the object is one of the bodies")


@SUITE.case("Expect: 100-continue is answered, and not before the request is authorised")
def expect_continue(home):
    import socket

    from signing import EMPTY_SHA256, UNSIGNED, Signer

    bucket = home.new_bucket("expect")
    for good in [True, False]:
        signer = Signer(home, secret=None if good else "x" * 64)
        headers = signer.headers("PUT", f"/{bucket}/k", (), {"expect": "100-continue", "content-length": "5"}, UNSIGNED)
        with socket.create_connection(("127.0.0.1", home.port), timeout=10) as connection:
            lines = [f"PUT /{bucket}/k HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            first = connection.recv(4096)
            if good:
                true(first.startswith(b"HTTP/1.1 100"), f"first answer {first[:60]!r}")
                connection.sendall(b"hello")
                true(b" 200 " in connection.recv(4096)[:20], "the put succeeds")
            else:
                true(first.startswith(b"HTTP/1.1 403"), f"first answer to a bad signature {first[:60]!r}")
    equal(_read(home, bucket, "k"), b"hello", "body")
