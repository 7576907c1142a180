"""Checksums: every algorithm on put and get, both types on multipart, wrong ones refused, Content-MD5."""

import base64
import hashlib
import random

from hashes import checksum, composite, header
from home import equal, refused, true
from signing import UNSIGNED, send
from suite import Suite

SUITE = Suite("boto3 checksums")
# The five that every S3 since 2025 has, and the five that botocore learned in 2026.
CLASSIC = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
NEWER = ["SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"]
FULL_OBJECT = ["CRC32", "CRC32C", "CRC64NVME"]
COMPOSITE = ["CRC32", "CRC32C", "SHA1", "SHA256"]
BODY = b"123456789 every algorithm\n" * 100
PART_ONE = random.Random("checksum part").randbytes(5 * 1024 * 1024)
PART_TWO = b"second part"


def _put_and_get(home, bucket, algorithm):
    value = checksum(algorithm, BODY)
    put = send(home, "PUT", f"/{bucket}/{algorithm}", headers={header(algorithm): value}, body=BODY, payload=UNSIGNED)
    equal((put.status, put.headers.get(header(algorithm))), (200, value), f"put with {algorithm}: {put}")
    for method in ["GET", "HEAD"]:
        answer = send(home, method, f"/{bucket}/{algorithm}", headers={"x-amz-checksum-mode": "ENABLED"})
        equal(answer.headers.get(header(algorithm)), value, f"{method} gives {algorithm}")
        equal(answer.headers.get("x-amz-checksum-type"), "FULL_OBJECT", f"{method} gives the type")
    wrong = send(home, "PUT", f"/{bucket}/wrong", headers={header(algorithm): checksum(algorithm, b"other")}, body=BODY)
    equal((wrong.status, wrong.code()), (400, "BadDigest"), f"wrong {algorithm}")
    short = send(home, "PUT", f"/{bucket}/wrong", headers={header(algorithm): "AAA="}, body=BODY)
    equal((short.status, short.code()), (400, "InvalidRequest"), f"malformed {algorithm}")
    refused("404", 404, home.s3.head_object, Bucket=bucket, Key="wrong")


def _add_single_cases():
    for algorithm in CLASSIC + NEWER:
        def run(home, algorithm=algorithm):
            _put_and_get(home, home.new_bucket("sum"), algorithm)

        SUITE.case(f"{algorithm} on put, get and head; wrong and malformed ones are refused")(run)


_add_single_cases()


@SUITE.case("without checksum mode no checksum is sent; with a range neither")
def only_on_request(home):
    bucket = home.new_bucket("summode")
    headers = {header("SHA256"): checksum("SHA256", BODY)}
    send(home, "PUT", f"/{bucket}/k", headers=headers, body=BODY)
    true(header("SHA256") not in send(home, "GET", f"/{bucket}/k").headers, "no checksum without the mode")
    ranged = send(home, "GET", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED", "range": "bytes=0-3"})
    equal(ranged.status, 206, "range with the mode")
    true(header("SHA256") not in ranged.headers, "a range does not carry the checksum of the whole")


@SUITE.case("a put without checksum has CRC64NVME")
def default_algorithm(home):
    bucket = home.new_bucket("sumdefault")
    send(home, "PUT", f"/{bucket}/k", body=BODY)
    answer = send(home, "HEAD", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
    equal(answer.headers.get(header("CRC64NVME")), checksum("CRC64NVME", BODY), "CRC64NVME")


@SUITE.case("two checksums at once are refused")
def two(home):
    bucket = home.new_bucket("sumtwo")
    headers = {header(name): checksum(name, BODY) for name in ("SHA1", "SHA256")}
    answer = send(home, "PUT", f"/{bucket}/k", headers=headers, body=BODY)
    equal((answer.status, answer.code()), (400, "InvalidRequest"), "answer")


def _upload(home, bucket, algorithm, kind):
    """A two-part upload with checksums; returns the answer of Complete."""
    field = "Checksum" + algorithm
    names = dict(Bucket=bucket, Key="k")
    created = home.s3.create_multipart_upload(**names, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    equal((created.get("ChecksumAlgorithm"), created.get("ChecksumType")), (algorithm, kind), "CreateMultipartUpload echoes")
    names["UploadId"] = created["UploadId"]
    parts = []
    for number, body in [(1, PART_ONE), (2, PART_TWO)]:
        value = checksum(algorithm, body)
        answer = home.s3.upload_part(**names, PartNumber=number, Body=body, **{field: value})
        equal(answer.get(field), value, f"part {number} echoes its checksum")
        parts.append({"PartNumber": number, "ETag": answer["ETag"], field: value})
    listed = home.s3.list_parts(**names)
    equal((listed.get("ChecksumAlgorithm"), [part.get(field) for part in listed["Parts"]]),
          (algorithm, [part[field] for part in parts]), "ListParts")
    if kind == "FULL_OBJECT":
        wrong = {field: checksum(algorithm, b"other"), "ChecksumType": kind}
        refused("BadDigest", 400, home.s3.complete_multipart_upload, **names, MultipartUpload={"Parts": parts}, **wrong)
    return home.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})


def _multipart(home, algorithm, kind):
    bucket, field = home.new_bucket("summpu"), "Checksum" + algorithm
    answer = _upload(home, bucket, algorithm, kind)
    whole = kind == "FULL_OBJECT"
    wanted = checksum(algorithm, PART_ONE + PART_TWO) if whole else composite(algorithm, [PART_ONE, PART_TWO])
    equal((answer.get(field), answer.get("ChecksumType")), (wanted, kind), "Complete")
    head = home.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    equal((head.get(field), head.get("ChecksumType")), (wanted, kind), "head")


def _add_multipart_cases():
    for kind, algorithms in [("COMPOSITE", COMPOSITE), ("FULL_OBJECT", FULL_OBJECT)]:
        for algorithm in algorithms:
            def run(home, algorithm=algorithm, kind=kind):
                _multipart(home, algorithm, kind)

            SUITE.case(f"multipart {kind} {algorithm}")(run)


_add_multipart_cases()


@SUITE.case("combinations of type and algorithm that cannot be are refused")
def bad_types(home):
    bucket = home.new_bucket("sumtype")
    for algorithm, kind in [("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")]:
        refused("InvalidRequest", 400, home.s3.create_multipart_upload, Bucket=bucket, Key="k",
                ChecksumAlgorithm=algorithm, ChecksumType=kind)


@SUITE.case("a part with a wrong checksum is BadDigest, and another algorithm than announced is refused")
def bad_part(home):
    bucket = home.new_bucket("sumpart")
    names = dict(Bucket=bucket, Key="k")
    names["UploadId"] = home.s3.create_multipart_upload(**names, ChecksumAlgorithm="SHA256")["UploadId"]
    refused("BadDigest", 400, home.s3.upload_part, **names, PartNumber=1, Body=BODY,
            ChecksumSHA256=checksum("SHA256", b"other"))
    refused(("InvalidRequest", "BadDigest"), 400, home.s3.upload_part, **names, PartNumber=1, Body=BODY,
            ChecksumSHA1=checksum("SHA1", BODY))


@SUITE.case("copies carry or recompute the checksum")
def copies(home):
    bucket = home.new_bucket("sumcopy")
    home.s3.put_object(Bucket=bucket, Key="s", Body=BODY, ChecksumSHA256=checksum("SHA256", BODY))
    place = {"Bucket": bucket, "Key": "s"}
    kept = home.s3.copy_object(Bucket=bucket, Key="kept", CopySource=place)["CopyObjectResult"]
    equal(kept.get("ChecksumSHA256"), checksum("SHA256", BODY), "kept")
    new = home.s3.copy_object(Bucket=bucket, Key="new", CopySource=place, ChecksumAlgorithm="CRC32")["CopyObjectResult"]
    equal(new.get("ChecksumCRC32"), checksum("CRC32", BODY), "recomputed")


@SUITE.case("Content-MD5: right, wrong, malformed")
def content_md5(home):
    bucket = home.new_bucket("md5")
    md5 = lambda body: base64.b64encode(hashlib.md5(body).digest()).decode()
    for value, wanted in [(md5(BODY), (200, None)), (md5(b"other"), (400, "BadDigest")), ("nonsense", (400, "InvalidDigest")),
                          ("", (400, "InvalidDigest"))]:
        answer = send(home, "PUT", f"/{bucket}/k", headers={"content-md5": value}, body=BODY)
        equal((answer.status, answer.code()), wanted, f"Content-MD5 {value!r}")


@SUITE.case("the hash in x-amz-content-sha256 is checked")
def content_sha256(home):
    bucket = home.new_bucket("sha")
    wrong = hashlib.sha256(b"other").hexdigest()
    answer = send(home, "PUT", f"/{bucket}/k", body=BODY, payload=wrong)
    equal((answer.status, answer.code()), (400, "XAmzContentSHA256Mismatch"), "answer")
    refused("404", 404, home.s3.head_object, Bucket=bucket, Key="k")
