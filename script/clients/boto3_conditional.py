"""Conditional reads and conditional writes."""

import concurrent.futures
import datetime

from home import equal, refused, true
from signing import send
from suite import Suite

SUITE = Suite("boto3 conditions")
HOUR = datetime.timedelta(hours=1)


def _one(home, word):
    bucket = home.new_bucket(word)
    etag = home.s3.put_object(Bucket=bucket, Key="k", Body=b"one")["ETag"]
    return bucket, etag, home.s3.head_object(Bucket=bucket, Key="k")["LastModified"]


@SUITE.case("GET and HEAD with ETag conditions")
def etags(home):
    bucket, etag, _ = _one(home, "condget")
    names = dict(Bucket=bucket, Key="k")
    for good in [etag, etag.strip('"'), f'"other", {etag}', "*"]:
        home.s3.get_object(**names, IfMatch=good)
    refused("PreconditionFailed", 412, home.s3.get_object, **names, IfMatch='"wrong"')
    refused("412", 412, home.s3.head_object, **names, IfMatch='"wrong"')
    refused("304", 304, home.s3.get_object, **names, IfNoneMatch=etag)
    refused("304", 304, home.s3.head_object, **names, IfNoneMatch=etag)
    refused("304", 304, home.s3.get_object, **names, IfNoneMatch="*")
    home.s3.get_object(**names, IfNoneMatch='"wrong"')


@SUITE.case("304 carries the ETag, 412 an XML body")
def answers(home):
    bucket, etag, _ = _one(home, "condbody")
    answer = send(home, "GET", f"/{bucket}/k", headers={"if-none-match": etag})
    equal((answer.status, answer.headers.get("etag"), answer.body), (304, etag, b""), "304")
    answer = send(home, "GET", f"/{bucket}/k", headers={"if-match": '"wrong"'})
    equal((answer.status, answer.code()), (412, "PreconditionFailed"), "412")


@SUITE.case("dates")
def dates(home):
    bucket, etag, modified = _one(home, "conddate")
    names = dict(Bucket=bucket, Key="k")
    home.s3.get_object(**names, IfModifiedSince=modified - HOUR)
    refused("304", 304, home.s3.get_object, **names, IfModifiedSince=modified)
    home.s3.get_object(**names, IfUnmodifiedSince=modified)
    refused("PreconditionFailed", 412, home.s3.get_object, **names, IfUnmodifiedSince=modified - HOUR)
    home.s3.get_object(**names, IfMatch=etag, IfUnmodifiedSince=modified - HOUR)
    refused("304", 304, home.s3.get_object, **names, IfNoneMatch=etag, IfModifiedSince=modified - HOUR)


@SUITE.case("dates in all three forms of HTTP")
def date_forms(home):
    bucket, _, modified = _one(home, "dateform")
    early = modified - HOUR
    for form in ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]:
        answer = send(home, "GET", f"/{bucket}/k", headers={"if-unmodified-since": early.strftime(form)})
        equal(answer.status, 412, form)


@SUITE.case("put with If-None-Match: *")
def put_absent(home):
    bucket, _, _ = _one(home, "putabsent")
    home.s3.put_object(Bucket=bucket, Key="new", Body=b"new", IfNoneMatch="*")
    refused("PreconditionFailed", 412, home.s3.put_object, Bucket=bucket, Key="new", Body=b"again", IfNoneMatch="*")
    equal(home.s3.get_object(Bucket=bucket, Key="new")["Body"].read(), b"new", "unchanged")
    home.s3.delete_object(Bucket=bucket, Key="new")
    home.s3.put_object(Bucket=bucket, Key="new", Body=b"after delete", IfNoneMatch="*")


@SUITE.case("put with If-Match")
def put_match(home):
    bucket, etag, _ = _one(home, "putmatch")
    new = home.s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)["ETag"]
    refused("PreconditionFailed", 412, home.s3.put_object, Bucket=bucket, Key="k", Body=b"three", IfMatch=etag)
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=new.strip('"'))
    equal(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"three", "body")
    refused("NoSuchKey", 404, home.s3.put_object, Bucket=bucket, Key="absent", Body=b"x", IfMatch=etag)
    true(home.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1, "nothing was created")


@SUITE.case("conditions S3 does not know are refused with 501, not ignored")
def unknown_conditions(home):
    bucket, etag, _ = _one(home, "condunknown")
    refused("NotImplemented", 501, home.s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfNoneMatch=etag)
    refused("NotImplemented", 501, home.s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfMatch="*")
    equal(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"one", "unchanged")


@SUITE.case("Complete with If-None-Match: * and If-Match")
def complete(home):
    bucket, etag, _ = _one(home, "condmpu")

    def finish(key, **conditions):
        names = dict(Bucket=bucket, Key=key)
        names["UploadId"] = home.s3.create_multipart_upload(**names)["UploadId"]
        part = home.s3.upload_part(**names, PartNumber=1, Body=b"parts")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
        return home.s3.complete_multipart_upload(**names, MultipartUpload=parts, **conditions)

    refused("PreconditionFailed", 412, finish, key="k", IfNoneMatch="*")
    refused("PreconditionFailed", 412, finish, key="k", IfMatch='"wrong"')
    equal(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"one", "unchanged")
    finish("new", IfNoneMatch="*")
    names = dict(Bucket=bucket, Key="k")
    names["UploadId"] = home.s3.create_multipart_upload(**names)["UploadId"]
    part = {"PartNumber": 1, "ETag": home.s3.upload_part(**names, PartNumber=1, Body=b"late")["ETag"]}
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"one")
    refused("ConditionalRequestConflict", 409, home.s3.complete_multipart_upload, **names,
            MultipartUpload={"Parts": [part]}, IfMatch=etag)
    finish("k", IfMatch=etag)
    equal(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"parts", "changed")


@SUITE.case("delete with If-Match")
def delete(home):
    bucket, etag, _ = _one(home, "conddel")
    refused("PreconditionFailed", 412, home.s3.delete_object, Bucket=bucket, Key="k", IfMatch='"wrong"')
    home.s3.head_object(Bucket=bucket, Key="k")
    home.s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    refused("404", 404, home.s3.head_object, Bucket=bucket, Key="k")
    etag = home.s3.put_object(Bucket=bucket, Key="k", Body=b"two")["ETag"]
    home.s3.put_object(Bucket=bucket, Key="other", Body=b"three")
    objects = [{"Key": "k", "ETag": etag}, {"Key": "other", "ETag": '"wrong"'}]
    answer = home.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    equal([entry["Key"] for entry in answer.get("Deleted", [])], ["k"], "deleted")
    equal([(e["Key"], e["Code"]) for e in answer.get("Errors", [])], [("other", "PreconditionFailed")], "errors")


@SUITE.case("copy with a condition on its target is obeyed or refused")
def copy_target(home):
    bucket, _, _ = _one(home, "condcopy")
    home.s3.put_object(Bucket=bucket, Key="target", Body=b"target")
    headers = {"x-amz-copy-source": f"/{bucket}/k", "if-none-match": "*"}
    answer = send(home, "PUT", f"/{bucket}/target", headers=headers)
    true(answer.status in (412, 501), f"answer {answer}")
    equal(home.s3.get_object(Bucket=bucket, Key="target")["Body"].read(), b"target", "unchanged")


@SUITE.case("many writers with If-None-Match: * have exactly one winner")
def one_winner(home):
    bucket = home.new_bucket("winner")

    def write(number):
        try:
            home.s3.put_object(Bucket=bucket, Key="lock", Body=str(number).encode() * 2000, IfNoneMatch="*")
            return 200
        except home.s3.exceptions.ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    for round_number in range(5):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(write, range(20)))
        equal(statuses.count(200), 1, f"winners in round {round_number}")
        true(set(statuses) <= {200, 409, 412}, f"answers {set(statuses)}")
        home.s3.delete_object(Bucket=bucket, Key="lock")


@SUITE.case("a counter raised with If-Match loses no step")
def counter(home):
    bucket = home.new_bucket("counter")
    home.s3.put_object(Bucket=bucket, Key="n", Body=b"0")

    def raise_it(_):
        for _ in range(1000):
            answer = home.s3.get_object(Bucket=bucket, Key="n")
            value = int(answer["Body"].read())
            try:
                home.s3.put_object(Bucket=bucket, Key="n", Body=str(value + 1).encode(), IfMatch=answer["ETag"])
                return 1
            except home.s3.exceptions.ClientError as error:
                true(error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412), f"answer {error}")
        return 0

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(raise_it, range(40)))
    equal((done, home.s3.get_object(Bucket=bucket, Key="n")["Body"].read()), (40, b"40"), "steps")
