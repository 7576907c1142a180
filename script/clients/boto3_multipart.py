"""Multipart uploads: all operations, abort, repeated parts and repeated Complete, part copies, listings."""

import hashlib
import random

from home import equal, refused, true
from signing import send
from suite import Suite

SUITE = Suite("boto3 multipart")
PART_BYTES = 5 * 1024 * 1024  # the smallest part S3 allows, except for the last
FIRST = random.Random("first part").randbytes(PART_BYTES)
SECOND = random.Random("second part").randbytes(PART_BYTES)
LAST = b"the last part may be small"


class Upload:
    """One open upload and the calls on it."""

    def __init__(self, home, bucket, key="big", **arguments):
        self.home, self.s3 = home, home.s3
        answer = home.s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)
        self.names = dict(Bucket=bucket, Key=key, UploadId=answer["UploadId"])

    def part(self, number, body):
        answer = self.s3.upload_part(**self.names, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def complete(self, parts, **arguments):
        return self.s3.complete_multipart_upload(**self.names, MultipartUpload={"Parts": parts}, **arguments)

    def abort(self):
        return self.s3.abort_multipart_upload(**self.names)

    def read(self, **arguments):
        return self.s3.get_object(Bucket=self.names["Bucket"], Key=self.names["Key"], **arguments)["Body"].read()


def _etag(*parts):
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    return f'"{digest}-{len(parts)}"'


@SUITE.case("three parts, sent out of order, with headers and metadata")
def three_parts(home):
    bucket = home.new_bucket("mpu")
    upload = Upload(home, bucket, ContentType="text/big", Metadata={"m": "1"}, CacheControl="max-age=1")
    third, first, second = upload.part(3, LAST), upload.part(1, FIRST), upload.part(2, SECOND)
    equal(first["ETag"], f'"{hashlib.md5(FIRST).hexdigest()}"', "part ETag")
    equal(home.s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0, "not listed before it is complete")
    answer = upload.complete([first, second, third])
    wanted = _etag(FIRST, SECOND, LAST)
    equal((answer["ETag"], answer["Bucket"], answer["Key"]), (wanted, bucket, "big"), "answer")
    true(answer["Location"], "Location")
    head = home.s3.head_object(Bucket=bucket, Key="big")
    equal((head["ETag"], head["ContentLength"]), (wanted, 2 * PART_BYTES + len(LAST)), "head")
    equal((head["ContentType"], head["Metadata"], head["CacheControl"]), ("text/big", {"m": "1"}, "max-age=1"), "headers")
    true(upload.read() == FIRST + SECOND + LAST, "bytes")
    true(upload.read(Range=f"bytes={PART_BYTES - 5}-{PART_BYTES + 4}") == FIRST[-5:] + SECOND[:5], "range over a seam")


@SUITE.case("part numbers need not follow each other")
def sparse_numbers(home):
    upload = Upload(home, home.new_bucket("sparse"))
    parts = [upload.part(7, FIRST), upload.part(10000, LAST)]
    upload.complete(parts)
    true(upload.read() == FIRST + LAST, "bytes")


@SUITE.case("GET and HEAD by partNumber")
def by_part(home):
    bucket = home.new_bucket("bypart")
    upload = Upload(home, bucket)
    upload.complete([upload.part(1, FIRST), upload.part(2, LAST)])
    answer = home.s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    equal((answer["Body"].read(), answer["PartsCount"]), (LAST, 2), "part 2")
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 206, "status")
    equal(answer["ContentRange"], f"bytes {PART_BYTES}-{PART_BYTES + len(LAST) - 1}/{PART_BYTES + len(LAST)}", "range")
    equal(home.s3.head_object(Bucket=bucket, Key="big", PartNumber=1)["ContentLength"], PART_BYTES, "HEAD part 1")
    refused("InvalidPartNumber", 416, home.s3.get_object, Bucket=bucket, Key="big", PartNumber=3)
    home.s3.put_object(Bucket=bucket, Key="plain", Body=b"plain")
    equal(home.s3.get_object(Bucket=bucket, Key="plain", PartNumber=1)["Body"].read(), b"plain", "part 1 of a plain object")


@SUITE.case("Complete sent twice succeeds twice")
def complete_twice(home):
    upload = Upload(home, home.new_bucket("twice"))
    parts = [upload.part(1, FIRST), upload.part(2, LAST)]
    equal(upload.complete(parts)["ETag"], upload.complete(parts)["ETag"], "ETag")
    true(upload.read() == FIRST + LAST, "bytes")


@SUITE.case("a part sent again replaces the first")
def part_again(home):
    upload = Upload(home, home.new_bucket("again"))
    old = upload.part(1, FIRST)
    new, last = upload.part(1, SECOND), upload.part(2, LAST)
    refused("InvalidPart", 400, upload.complete, parts=[old, last])
    upload.complete([new, last])
    true(upload.read() == SECOND + LAST, "bytes of the second sending")


@SUITE.case("Complete refuses wrong lists with AWS's codes")
def wrong_lists(home):
    upload = Upload(home, home.new_bucket("wrong"))
    first, second = upload.part(1, FIRST), upload.part(2, LAST)
    refused("InvalidPartOrder", 400, upload.complete, parts=[second, first])
    refused("InvalidPart", 400, upload.complete, parts=[first, {"PartNumber": 3, "ETag": second["ETag"]}])
    refused("InvalidPart", 400, upload.complete, parts=[{"PartNumber": 1, "ETag": second["ETag"]}])
    refused("MalformedXML", 400, upload.complete, parts=[])
    names = upload.names
    for body in [b"", b"<CompleteMultipartUpload>", b"{}", b"<Other/>"]:
        answer = send(home, "POST", f"/{names['Bucket']}/big", query=[("uploadId", names["UploadId"])], body=body)
        equal((answer.status, answer.code()), (400, "MalformedXML"), f"body {body!r}")
    unquoted = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"].strip('"')} for part in (first, second)]
    upload.complete(unquoted)


@SUITE.case("a small part that is not the last is EntityTooSmall")
def small_part(home):
    upload = Upload(home, home.new_bucket("small"))
    parts = [upload.part(1, b"too small"), upload.part(2, LAST)]
    refused("EntityTooSmall", 400, upload.complete, parts=parts)


@SUITE.case("part numbers outside 1 to 10000 are InvalidArgument")
def part_numbers(home):
    upload = Upload(home, home.new_bucket("numbers"))
    for number in ["0", "10001", "-1", "x", "99999999999999999999", ""]:
        query = [("partNumber", number), ("uploadId", upload.names["UploadId"])]
        answer = send(home, "PUT", f"/{upload.names['Bucket']}/big", query=query, body=b"x")
        equal((answer.status, answer.code()), (400, "InvalidArgument"), f"part number {number!r}")


@SUITE.case("abort: nothing is left, and the upload is gone")
def abort(home):
    bucket = home.new_bucket("abort")
    upload = Upload(home, bucket)
    part = upload.part(1, FIRST)
    equal(upload.abort()["ResponseMetadata"]["HTTPStatusCode"], 204, "status")
    refused("NoSuchUpload", 404, upload.part, number=2, body=LAST)
    refused("NoSuchUpload", 404, upload.complete, parts=[part])
    refused("NoSuchUpload", 404, home.s3.list_parts, **upload.names)
    true("Uploads" not in home.s3.list_multipart_uploads(Bucket=bucket), "no upload is listed")


@SUITE.case("unknown upload ids are NoSuchUpload")
def unknown_upload(home):
    bucket = home.new_bucket("unknown")
    for name in ["nonsense", "0" * 64, "../x"]:
        names = dict(Bucket=bucket, Key="k", UploadId=name)
        refused("NoSuchUpload", 404, home.s3.upload_part, **names, PartNumber=1, Body=b"x")
        refused("NoSuchUpload", 404, home.s3.list_parts, **names)
        refused("NoSuchUpload", 404, home.s3.abort_multipart_upload, **names)


@SUITE.case("an upload belongs to its key")
def other_key(home):
    upload = Upload(home, home.new_bucket("otherkey"))
    names = dict(upload.names, Key="other")
    refused("NoSuchUpload", 404, home.s3.upload_part, **names, PartNumber=1, Body=b"x")


@SUITE.case("ListParts, whole and in pages")
def list_parts(home):
    upload = Upload(home, home.new_bucket("parts"))
    sent = [upload.part(number, bytes([number]) * number) for number in (1, 2, 5)]
    answer = home.s3.list_parts(**upload.names)
    equal([(p["PartNumber"], p["ETag"], p["Size"]) for p in answer["Parts"]],
          [(p["PartNumber"], p["ETag"], p["PartNumber"]) for p in sent], "parts")
    equal(answer["IsTruncated"], False, "whole")
    first = home.s3.list_parts(**upload.names, MaxParts=2)
    equal((first["IsTruncated"], first["NextPartNumberMarker"]), (True, 2), "first page")
    rest = home.s3.list_parts(**upload.names, MaxParts=2, PartNumberMarker=2)
    equal(([p["PartNumber"] for p in rest["Parts"]], rest["IsTruncated"]), ([5], False), "second page")


@SUITE.case("ListMultipartUploads: prefix, delimiter, pages")
def list_uploads(home):
    bucket = home.new_bucket("uploads")
    keys = ["a", "dir/1", "dir/2", "é+b"]
    ids = {key: home.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in keys}
    second = home.s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    found = home.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    equal([upload["Key"] for upload in found], ["a", "a", "dir/1", "dir/2", "é+b"], "keys in order")
    equal({upload["UploadId"] for upload in found}, set(ids.values()) | {second}, "ids")
    answer = home.s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    equal([p["Prefix"] for p in answer["CommonPrefixes"]], ["dir/"], "common prefixes")
    answer = home.s3.list_multipart_uploads(Bucket=bucket, Prefix="dir/")
    equal([upload["Key"] for upload in answer["Uploads"]], ["dir/1", "dir/2"], "prefix")
    listed, markers = [], {}
    for _ in range(10):
        answer = home.s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        listed += [upload["UploadId"] for upload in answer.get("Uploads", [])]
        if not answer["IsTruncated"]:
            break
        markers = dict(KeyMarker=answer["NextKeyMarker"], UploadIdMarker=answer["NextUploadIdMarker"])
    equal(listed, [upload["UploadId"] for upload in found], "pages of two")
    home.s3.create_multipart_upload(Bucket=bucket, Key="z", ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
    last = home.s3.list_multipart_uploads(Bucket=bucket, Prefix="z")["Uploads"][0]
    equal((last["ChecksumAlgorithm"], last["ChecksumType"]), ("CRC32C", "FULL_OBJECT"), "announced checksum")
    parts = home.s3.list_parts(Bucket=bucket, Key="z", UploadId=last["UploadId"])
    equal(last["Initiator"]["ID"], parts["Initiator"]["ID"], "initiator")


@SUITE.case("UploadPartCopy, whole and by range")
def part_copy(home):
    bucket = home.new_bucket("partcopy")
    home.s3.put_object(Bucket=bucket, Key="source", Body=FIRST + SECOND)
    upload, place = Upload(home, bucket), {"Bucket": bucket, "Key": "source"}
    copy = lambda number, **more: home.s3.upload_part_copy(
        **upload.names, PartNumber=number, CopySource=place, **more)["CopyPartResult"]["ETag"]
    one = copy(1, CopySourceRange=f"bytes=0-{PART_BYTES - 1}")
    equal(one, f'"{hashlib.md5(FIRST).hexdigest()}"', "ETag of a copied range")
    two = copy(2)
    three = copy(3, CopySourceRange=f"bytes={PART_BYTES + 10}-{PART_BYTES + 19}")
    upload.complete([{"PartNumber": n, "ETag": e} for n, e in ((1, one), (2, two), (3, three))])
    true(upload.read() == FIRST + FIRST + SECOND + SECOND[10:20], "bytes")


@SUITE.case("UploadPartCopy refuses bad ranges")
def part_copy_ranges(home):
    bucket = home.new_bucket("copyrange")
    home.s3.put_object(Bucket=bucket, Key="source", Body=FIRST + LAST)
    upload, place, end = Upload(home, bucket), {"Bucket": bucket, "Key": "source"}, len(FIRST + LAST)
    for text in [f"bytes=0-{end}", f"bytes={end}-{end + 2}", "bytes=5-1", "0-5", "bytes=-3", "bytes=3-", "bytes=a-b"]:
        code = "InvalidRequest" if text.startswith(f"bytes={end}") else "InvalidArgument"
        refused(code, 400, home.s3.upload_part_copy, **upload.names, PartNumber=1, CopySource=place, CopySourceRange=text)


@SUITE.case("the upload that completes last wins over a plain put")
def order(home):
    bucket = home.new_bucket("order")
    upload = Upload(home, bucket)
    part = upload.part(1, LAST)
    home.s3.put_object(Bucket=bucket, Key="big", Body=b"plain")
    equal(upload.read(), b"plain", "the plain object while the upload is open")
    upload.complete([part])
    equal(upload.read(), LAST, "the upload after Complete")


@SUITE.case("boto3's own upload_file and download_file")
def transfer(home):
    bucket, folder = home.new_bucket("transfer"), home.folder("transfer")
    (folder / "in").write_bytes(FIRST + SECOND + LAST)
    home.s3.upload_file(str(folder / "in"), bucket, "k")
    home.s3.download_file(bucket, "k", str(folder / "out"))
    true((folder / "out").read_bytes() == FIRST + SECOND + LAST, "bytes")
