"""The thin line through every layer: put, kill -9, start again, everything acknowledged is there, byte for byte."""

import hashlib
import random

from home import equal
from suite import Suite

SUITE = Suite("crash_line")
MIB = 1024 * 1024
PART_BYTES = 5 * MIB  # the smallest part S3 allows


def _bytes(seed, size_bytes):
    return random.Random(seed).randbytes(size_bytes)


def _put_multipart(s3, bucket, key, body):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(body), PART_BYTES), start=1):
        answer = s3.upload_part(
            Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body[start : start + PART_BYTES]
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


def _digest(body):
    return hashlib.sha256(body).hexdigest()


@SUITE.case("objects of every size survive kill -9")
def survive(home):
    bucket = home.new_bucket("crash")
    wanted = {}
    for key, size_bytes in [("empty", 0), ("tiny", 11), ("100k", 100 * 1024), ("5m", 5 * MIB)]:
        body = _bytes(key, size_bytes)
        home.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"name": key})
        wanted[key] = _digest(body)
    body = _bytes("multipart", 2 * PART_BYTES + 12345)
    _put_multipart(home.s3, bucket, "multipart", body)
    wanted["multipart"] = _digest(body)
    home.s3.put_object(Bucket=bucket, Key="gone", Body=b"deleted before the crash")
    home.s3.delete_object(Bucket=bucket, Key="gone")

    home.server.kill()
    home.server.start()

    listing = home.s3.list_objects_v2(Bucket=bucket)
    equal([entry["Key"] for entry in listing["Contents"]], sorted(wanted), "keys after the crash")
    for key, digest in wanted.items():
        answer = home.s3.get_object(Bucket=bucket, Key=key)
        equal(_digest(answer["Body"].read()), digest, f"bytes of {key}")
    equal(home.s3.head_object(Bucket=bucket, Key="tiny")["Metadata"], {"name": "tiny"}, "metadata")


@SUITE.case("twenty crashes, each right after an acknowledged put")
def twenty_crashes(home):
    bucket, wanted = home.new_bucket("crashes"), {}
    for cycle in range(20):
        body = _bytes(f"cycle {cycle}", 1 + cycle * 7001)
        home.s3.put_object(Bucket=bucket, Key=f"cycle-{cycle:02}", Body=body)
        wanted[f"cycle-{cycle:02}"] = _digest(body)
        home.server.kill()
        home.server.start()
    found = {key: _digest(home.s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in wanted}
    equal(found, wanted, "objects after twenty crashes")


@SUITE.case("an open multipart upload survives kill -9 and can be completed")
def open_upload_survives(home):
    bucket, key = home.new_bucket("crash-open"), "open"
    upload = home.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    body = _bytes("open", PART_BYTES + 1)
    names = dict(Bucket=bucket, Key=key, UploadId=upload)
    first = home.s3.upload_part(**names, PartNumber=1, Body=body[:PART_BYTES])["ETag"]
    home.server.kill()
    home.server.start()
    second = home.s3.upload_part(**names, PartNumber=2, Body=body[PART_BYTES:])["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    home.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    equal(_digest(home.s3.get_object(Bucket=bucket, Key=key)["Body"].read()), _digest(body), "bytes")
