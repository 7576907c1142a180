"""Tags of buckets and objects, with every operation that carries them; GetObjectAttributes."""

import time

from home import equal, refused, true
from suite import Suite

SUITE = Suite("boto3 tags")


def _set(**tags):
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _tags(home, bucket, key):
    return {tag["Key"]: tag["Value"] for tag in home.s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}


@SUITE.case("tags of a bucket")
def bucket_tags(home):
    bucket = home.new_bucket("tags")
    refused("NoSuchTagSet", 404, home.s3.get_bucket_tagging, Bucket=bucket)
    home.s3.put_bucket_tagging(Bucket=bucket, Tagging=_set(cost="home", owner="Zoë"))
    equal(home.s3.get_bucket_tagging(Bucket=bucket)["TagSet"], _set(cost="home", owner="Zoë")["TagSet"], "tags")
    home.s3.put_bucket_tagging(Bucket=bucket, Tagging=_set(**{f"k{number}": "" for number in range(50)}))
    equal(len(home.s3.get_bucket_tagging(Bucket=bucket)["TagSet"]), 50, "replaced")
    too_many = _set(**{f"k{number}": "" for number in range(51)})
    refused("BadRequest", 400, home.s3.put_bucket_tagging, Bucket=bucket, Tagging=too_many)
    home.s3.delete_bucket_tagging(Bucket=bucket)
    refused("NoSuchTagSet", 404, home.s3.get_bucket_tagging, Bucket=bucket)


@SUITE.case("tagging changes neither content, ETag nor time")
def object_tags(home):
    bucket = home.new_bucket("otags")
    for key, body in [("small", b"x" * 10), ("large", b"y" * 3_000_000)]:
        home.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"a": "b"})
        before = home.s3.head_object(Bucket=bucket, Key=key)
        true("TagCount" not in before and _tags(home, bucket, key) == {}, "no tags")
        time.sleep(1.1)
        home.s3.put_object_tagging(Bucket=bucket, Key=key, Tagging=_set(state="new", who="Zoë"))
        equal(_tags(home, bucket, key), {"state": "new", "who": "Zoë"}, "tags")
        after = home.s3.get_object(Bucket=bucket, Key=key)
        equal((after["LastModified"], after["ETag"]), (before["LastModified"], before["ETag"]), "time and ETag")
        equal((after["Metadata"], after["TagCount"], after["Body"].read()), ({"a": "b"}, 2, body), "the object")
        listed = {entry["Key"]: entry["LastModified"] for entry in home.s3.list_objects_v2(Bucket=bucket)["Contents"]}
        equal(listed[key].replace(microsecond=0), before["LastModified"], "time in a listing")
        home.s3.delete_object_tagging(Bucket=bucket, Key=key)
        equal(_tags(home, bucket, key), {}, "removed")
        equal(home.s3.get_object(Bucket=bucket, Key=key)["Body"].read(), body, "body")


@SUITE.case("tags in the header of put, multipart and copy")
def header_tags(home):
    bucket = home.new_bucket("htags")
    home.s3.put_object(Bucket=bucket, Key="put", Body=b"x", Tagging="a=1&b=two%20words&c=")
    equal(_tags(home, bucket, "put"), {"a": "1", "b": "two words", "c": ""}, "put")
    names = dict(Bucket=bucket, Key="parts")
    names["UploadId"] = home.s3.create_multipart_upload(**names, Tagging="m=p")["UploadId"]
    part = home.s3.upload_part(**names, PartNumber=1, Body=b"parts")["ETag"]
    home.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    equal(_tags(home, bucket, "parts"), {"m": "p"}, "multipart")
    source = {"Bucket": bucket, "Key": "put"}
    home.s3.copy_object(Bucket=bucket, Key="copied", CopySource=source)
    equal(_tags(home, bucket, "copied"), {"a": "1", "b": "two words", "c": ""}, "copied")
    home.s3.copy_object(Bucket=bucket, Key="replaced", CopySource=source, TaggingDirective="REPLACE", Tagging="n=1")
    equal(_tags(home, bucket, "replaced"), {"n": "1"}, "replaced")
    home.s3.copy_object(Bucket=bucket, Key="bare", CopySource=source, TaggingDirective="REPLACE")
    equal(_tags(home, bucket, "bare"), {}, "replaced by none")
    refused("InvalidRequest", 400, home.s3.copy_object, Bucket=bucket, Key="x", CopySource=source, Tagging="n=1")
    home.s3.put_object(Bucket=bucket, Key="put", Body=b"again")
    equal(_tags(home, bucket, "put"), {}, "a new object has no tags")


@SUITE.case("tags that cannot be are refused")
def bad_tags(home):
    bucket = home.new_bucket("badtags")
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put = lambda **tags: refused("InvalidTag", 400, home.s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=_set(**tags))
    put(**{"k" * 129: "v"})
    put(k="v" * 257)
    put(**{"aws:x": "v"})
    put(**{"k!": "v"})
    twice = {"TagSet": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}
    refused("InvalidTag", 400, home.s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice)
    eleven = _set(**{f"k{number}": "" for number in range(11)})
    refused("BadRequest", 400, home.s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=eleven)
    for header in ["a=1&a=2", "a=%zz"]:
        refused("InvalidArgument", 400, home.s3.put_object, Bucket=bucket, Key="k", Body=b"y", Tagging=header)
    equal(home.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"x", "unchanged")
    refused("NoSuchKey", 404, home.s3.get_object_tagging, Bucket=bucket, Key="none")
    refused("NoSuchKey", 404, home.s3.put_object_tagging, Bucket=bucket, Key="none", Tagging=_set(a="b"))


@SUITE.case("attributes of an object, and of its parts")
def attributes(home):
    bucket = home.new_bucket("attrs")
    etag = home.s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789", ChecksumAlgorithm="SHA256")["ETag"]
    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = home.s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    equal((found["ETag"], found["ObjectSize"], found["StorageClass"]), (etag.strip('"'), 10, "STANDARD"), "attributes")
    true("ChecksumSHA256" in found["Checksum"] and "ObjectParts" not in found, "checksum, and no parts")
    equal(set(home.s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag"])) & set(wanted), {"ETag"}, "one")
    refused("InvalidArgument", 400, home.s3.get_object_attributes, Bucket=bucket, Key="k", ObjectAttributes=["Colour"])
    refused("NoSuchKey", 404, home.s3.get_object_attributes, Bucket=bucket, Key="none", ObjectAttributes=["ETag"])
    names = dict(Bucket=bucket, Key="parts")
    names["UploadId"] = home.s3.create_multipart_upload(**names, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, size in [(1, 5 << 20), (2, 5 << 20), (3, 7)]:
        part = home.s3.upload_part(**names, PartNumber=number, Body=b"p" * size, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    home.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    found = home.s3.get_object_attributes(Bucket=bucket, Key="parts", ObjectAttributes=wanted, MaxParts=2)["ObjectParts"]
    equal((found["TotalPartsCount"], found["IsTruncated"], found["NextPartNumberMarker"]), (3, True, 2), "first page")
    equal([(part["PartNumber"], part["Size"]) for part in found["Parts"]], [(1, 5 << 20), (2, 5 << 20)], "parts")
    rest = home.s3.get_object_attributes(Bucket=bucket, Key="parts", ObjectAttributes=wanted, PartNumberMarker=2)
    equal(rest["ObjectParts"]["Parts"][0]["ChecksumSHA256"], parts[2]["ChecksumSHA256"], "the last part")
