"""Versions of objects: each case runs against one home, and against three with every call through another one."""

import itertools
import time

from home import equal, refused, true
from suite import Cases, Suite
from three_homes import Homes

SUITE = Suite("boto3_versions")
MIB = 1024 * 1024
UNKNOWN = "0" * 31 + "1"
TOLD_WITHIN_S = 10


class Turns:
    """A client whose every call goes through the next of several."""

    def __init__(self, clients):
        self.clients, self._turn = clients, itertools.cycle(clients)

    def __getattr__(self, operation):
        return getattr(next(self._turn), operation)


class Place:
    """Where a case runs: clients, and buckets of its own."""

    _numbers = itertools.count(1)

    def __init__(self, clients):
        self.s3 = Turns(clients)

    def bucket(self, *statuses):
        name = f"versions-{next(self._numbers)}"
        self.s3.create_bucket(Bucket=name)
        for status in statuses:
            self.keep(name, status)
        return name

    def keep(self, bucket, status):
        """Sets what becomes of versions; returns when every home says so."""
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        deadline = time.monotonic() + TOLD_WITHIN_S
        for client in self.s3.clients:
            while client.get_bucket_versioning(Bucket=bucket).get("Status") != status:
                true(time.monotonic() < deadline, f"a home does not hear of {status}")
                time.sleep(0.05)

    def put(self, bucket, key, body, **more):
        return self.s3.put_object(Bucket=bucket, Key=key, Body=body, **more).get("VersionId")

    def read(self, bucket, key, version=None):
        return self.get(bucket, key, version)["Body"].read()

    def get(self, bucket, key, version=None):
        return self.s3.get_object(Bucket=bucket, Key=key, **_named(version))

    def delete(self, bucket, key, version=None):
        return self.s3.delete_object(Bucket=bucket, Key=key, **_named(version))

    def versions(self, bucket, **query):
        """(key, version, is it current, is it a marker) of all pages, in the order of the answer's kinds."""
        found, more = [], {}
        while True:
            page = self.s3.list_object_versions(Bucket=bucket, **query, **more)
            found += [(v["Key"], v["VersionId"], v["IsLatest"], False) for v in page.get("Versions", [])]
            found += [(m["Key"], m["VersionId"], m["IsLatest"], True) for m in page.get("DeleteMarkers", [])]
            found += [(prefix["Prefix"], None, None, None) for prefix in page.get("CommonPrefixes", [])]
            if not page["IsTruncated"]:
                return found
            more = {"KeyMarker": page["NextKeyMarker"]}
            if page.get("NextVersionIdMarker"):
                more["VersionIdMarker"] = page["NextVersionIdMarker"]


def _named(version):
    return {} if version is None else {"VersionId": version}


def _empty(place, bucket):
    """Takes every version away, and the bucket."""
    named = [{"Key": key, "VersionId": version} for key, version, _, _ in place.versions(bucket)]
    if named:
        answer = place.s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
        true("Errors" not in answer and "Deleted" not in answer, f"quietly: {answer}")
    equal(place.versions(bucket), [], "nothing is left")
    place.s3.delete_bucket(Bucket=bucket)


case = Cases()


@case("a bucket keeps none, keeps them, and stops")
def status(place):
    bucket = place.bucket()
    equal(place.s3.get_bucket_versioning(Bucket=bucket).get("Status"), None, "never set")
    equal(place.put(bucket, "k", b"0"), None, "no version")
    for word in ["Enabled", "Suspended", "Enabled"]:
        place.keep(bucket, word)
    put = place.s3.put_bucket_versioning
    for configuration, code, number in [
        ({"Status": "Off"}, "MalformedXML", 400), ({}, "IllegalVersioningConfigurationException", 400),
        ({"Status": "Enabled", "MFADelete": "Enabled"}, "NotImplemented", 501),
    ]:
        refused(code, number, put, Bucket=bucket, VersioningConfiguration=configuration)
    refused("NotImplemented", 501, put, Bucket=bucket, MFA="serial 123456", VersioningConfiguration={"Status": "Enabled"})
    refused("NoSuchBucket", 404, put, Bucket="no-such-bucket", VersioningConfiguration={"Status": "Enabled"})


@case("two puts, a delete, and the older one restored by a copy")
def life(place):
    bucket = place.bucket("Enabled")
    large = b"x" * (3 * MIB)
    first, second = place.put(bucket, "k", large), place.put(bucket, "k", b"second")
    true(first != second and place.get(bucket, "k")["VersionId"] == second, "the second is current")
    equal([place.read(bucket, "k", version) for version in [first, second]], [large, b"second"], "both")
    equal(place.s3.head_object(Bucket=bucket, Key="k", VersionId=first)["ContentLength"], len(large), "HEAD")
    gone = place.delete(bucket, "k")
    equal((gone["DeleteMarker"], gone["ResponseMetadata"]["HTTPStatusCode"]), (True, 204), "deleted")
    error = refused("NoSuchKey", 404, place.s3.get_object, Bucket=bucket, Key="k")
    equal(error["ResponseMetadata"]["HTTPHeaders"].get("x-amz-delete-marker"), "true", "by a marker")
    equal([entry["Key"] for entry in place.s3.list_objects_v2(Bucket=bucket).get("Contents", [])], [], "a listing")
    wanted = [("k", second, False, False), ("k", first, False, False), ("k", gone["VersionId"], True, True)]
    equal(place.versions(bucket), wanted, "versions")
    source = {"Bucket": bucket, "Key": "k", "VersionId": first}
    copied = place.s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
    equal(copied["CopySourceVersionId"], first, "copied")
    found = place.get(bucket, "k")
    equal((found["VersionId"], found["Body"].read()), (copied["VersionId"], large), "restored")
    for version in [first, gone["VersionId"]]:
        equal(place.delete(bucket, "k", version)["VersionId"], version, "for good")
    equal(place.read(bucket, "k"), large, "a copy stands by itself")
    equal([version for _, version, _, _ in place.versions(bucket)], [copied["VersionId"], second], "what is left")
    place.delete(bucket, "k", copied["VersionId"])
    equal(place.read(bucket, "k"), b"second", "the one before is current again")
    _empty(place, bucket)


@case("what was there before is the null version; suspended, it alone is replaced")
def null_versions(place):
    bucket = place.bucket()
    place.put(bucket, "k", b"before")
    equal(place.versions(bucket), [("k", "null", True, False)], "without versions")
    place.keep(bucket, "Enabled")
    named = place.put(bucket, "k", b"named")
    equal((place.read(bucket, "k", "null"), place.read(bucket, "k")), (b"before", b"named"), "both")
    equal(place.get(bucket, "k", "null")["VersionId"], "null", "its name")
    place.keep(bucket, "Suspended")
    for body in [b"after", b"later"]:
        equal(place.put(bucket, "k", body), "null", "suspended")
    equal(place.versions(bucket), [("k", "null", True, False), ("k", named, False, False)], "one null version")
    equal((place.read(bucket, "k"), place.read(bucket, "k", named)), (b"later", b"named"), "bodies")
    marker = place.delete(bucket, "k")
    equal((marker["VersionId"], marker["DeleteMarker"]), ("null", True), "a null marker")
    equal(place.versions(bucket), [("k", named, False, False), ("k", "null", True, True)], "it took the null's place")
    equal(place.delete(bucket, "k", "null")["DeleteMarker"], True, "the marker goes")
    equal(place.read(bucket, "k"), b"named", "the named one is current")
    place.keep(bucket, "Enabled")
    true(place.put(bucket, "k", b"again") not in ("null", named), "kept again")
    _empty(place, bucket)


@case("markers: one for each deletion, also of nothing; no way to read one")
def markers(place):
    bucket = place.bucket("Enabled")
    made = [place.delete(bucket, "k")["VersionId"] for _ in range(2)]
    equal(place.versions(bucket), [("k", made[1], True, True), ("k", made[0], False, True)], "markers")
    for call in [place.s3.get_object, place.s3.get_object_tagging]:
        error = refused("MethodNotAllowed", 405, call, Bucket=bucket, Key="k", VersionId=made[0])
        headers = error["ResponseMetadata"]["HTTPHeaders"]
        equal((headers.get("allow"), headers.get("x-amz-delete-marker")), ("DELETE", "true"), "headers")
    refused("405", 405, place.s3.head_object, Bucket=bucket, Key="k", VersionId=made[0])
    refused("404", 404, place.s3.head_object, Bucket=bucket, Key="k")
    source = {"Bucket": bucket, "Key": "k"}
    refused("NoSuchKey", 404, place.s3.copy_object, Bucket=bucket, Key="c", CopySource=source)
    source["VersionId"] = made[1]
    refused("InvalidRequest", 400, place.s3.copy_object, Bucket=bucket, Key="c", CopySource=source)
    put = place.s3.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")["VersionId"]
    equal(place.versions(bucket)[0], ("k", put, True, False), "a marker is no object")
    refused("PreconditionFailed", 412, place.s3.put_object, Bucket=bucket, Key="k", Body=b"y", IfNoneMatch="*")
    refused("BucketNotEmpty", 409, place.s3.delete_bucket, Bucket=bucket)
    place.delete(bucket, "k", put)
    refused("BucketNotEmpty", 409, place.s3.delete_bucket, Bucket=bucket)
    _empty(place, bucket)


@case("ids that are unknown or none")
def errors(place):
    bucket = place.bucket("Enabled")
    version = place.put(bucket, "k", b"x")
    for call in [place.s3.get_object, place.s3.get_object_tagging]:
        refused("NoSuchVersion", 404, call, Bucket=bucket, Key="k", VersionId=UNKNOWN)
        refused("NoSuchVersion", 404, call, Bucket=bucket, Key="k", VersionId="null")
        refused("NoSuchVersion", 404, call, Bucket=bucket, Key="other", VersionId=version)
        refused("InvalidArgument", 400, call, Bucket=bucket, Key="k", VersionId="none")
    refused("404", 404, place.s3.head_object, Bucket=bucket, Key="k", VersionId=UNKNOWN)
    refused("InvalidArgument", 400, place.s3.delete_object, Bucket=bucket, Key="k", VersionId="none")
    equal(place.delete(bucket, "k", UNKNOWN)["VersionId"], UNKNOWN, "nothing there is fine")
    refused("InvalidArgument", 400, place.s3.list_object_versions, Bucket=bucket, VersionIdMarker=version)
    refused("InvalidArgument", 400, place.s3.list_object_versions, Bucket=bucket, KeyMarker="k", VersionIdMarker="none")
    for wanted, code, number in [(UNKNOWN, "NoSuchVersion", 404), ("none", "InvalidArgument", 400)]:
        source = {"Bucket": bucket, "Key": "k", "VersionId": wanted}
        refused(code, number, place.s3.copy_object, Bucket=bucket, Key="c", CopySource=source)
    attributes = place.s3.get_object_attributes
    refused("NoSuchVersion", 404, attributes, Bucket=bucket, Key="k", VersionId=UNKNOWN, ObjectAttributes=["ETag"])
    found = place.get(bucket, "k", version)
    refused("PreconditionFailed", 412, place.s3.get_object, Bucket=bucket, Key="k", VersionId=version, IfMatch='"other"')
    refused("304", 304, place.s3.get_object, Bucket=bucket, Key="k", VersionId=version, IfNoneMatch=found["ETag"])


@case("a condition of a deletion is about what is current")
def conditional_deletion(place):
    bucket = place.bucket()
    place.put(bucket, "k", b"null")
    place.keep(bucket, "Enabled")
    first, second = place.put(bucket, "k", b"1"), place.put(bucket, "k", b"2")
    current, before = place.get(bucket, "k")["ETag"], place.get(bucket, "k", first)["ETag"]
    delete = lambda version, tag: place.s3.delete_object(Bucket=bucket, Key="k", VersionId=version, IfMatch=tag)
    for version in [first, "null", second]:
        refused("PreconditionFailed", 412, delete, version=version, tag=before)
    for version in [first, "null"]:
        delete(version, current)
    equal(place.versions(bucket), [("k", second, True, False)], "what is left")
    delete(second, current)
    refused("NoSuchKey", 404, delete, version=second, tag="*")
    equal(place.versions(bucket), [], "nothing is left")


@case("many versions deleted at once")
def many(place):
    bucket = place.bucket("Enabled")
    first, second = place.put(bucket, "k", b"1"), place.put(bucket, "k", b"2")
    marker = place.delete(bucket, "gone")["VersionId"]
    place.put(bucket, "plain", b"3")
    entries = [("k", first), ("gone", marker), ("plain", None), ("k", "none"), ("k", UNKNOWN)]
    answer = place.s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [dict(Key=key, **_named(version)) for key, version in entries]}
    )
    found = {(entry["Key"], entry.get("VersionId")): entry for entry in answer["Deleted"]}
    equal(set(found), {("k", first), ("gone", marker), ("plain", None), ("k", UNKNOWN)}, "deleted")
    equal(found["gone", marker]["DeleteMarkerVersionId"], marker, "a marker removed")
    equal(found["plain", None]["DeleteMarker"], True, "a marker made")
    equal([(entry["VersionId"], entry["Code"]) for entry in answer["Errors"]], [("none", "NoSuchVersion")], "errors")
    made = found["plain", None]["DeleteMarkerVersionId"]
    left = [("k", second, True, False), ("plain", made, True, True)]
    equal([entry for entry in place.versions(bucket) if entry[2]], left, "what is current")
    _empty(place, bucket)


def _parts(place, bucket, key, sources):
    """A multipart upload of bodies, and of copies of (key, version); what completing answers."""
    names = dict(Bucket=bucket, Key=key)
    names["UploadId"] = place.s3.create_multipart_upload(**names)["UploadId"]
    parts = []
    for number, source in enumerate(sources, start=1):
        if isinstance(source, bytes):
            tag = place.s3.upload_part(**names, PartNumber=number, Body=source)["ETag"]
        else:
            copied = {"Bucket": bucket, "Key": source[0], "VersionId": source[1]}
            answer = place.s3.upload_part_copy(**names, PartNumber=number, CopySource=copied)
            equal(answer["CopySourceVersionId"], source[1], "the version of a part's source")
            tag = answer["CopyPartResult"]["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    return place.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})


@case("multipart uploads make versions, and copy parts of them")
def multipart(place):
    bucket = place.bucket("Enabled")
    a, b = b"a" * (5 * MIB), b"b" * 100
    first = _parts(place, bucket, "k", [a, b])["VersionId"]
    small = place.put(bucket, "k", b"small")
    second = _parts(place, bucket, "k", [("k", first), ("k", small)])["VersionId"]
    equal([version for _, version, _, _ in place.versions(bucket)], [second, small, first], "versions")
    equal(place.read(bucket, "k", first), a + b, "the first")
    equal(place.read(bucket, "k", second), a + b + b"small", "the second")
    part = place.s3.get_object(Bucket=bucket, Key="k", VersionId=first, PartNumber=2)
    equal((part["Body"].read(), part["PartsCount"], part["VersionId"]), (b, 2, first), "one part of it")
    place.delete(bucket, "k", first)
    equal(place.read(bucket, "k"), a + b + b"small", "the second without the first")
    _empty(place, bucket)


@case("tags and attributes of each version")
def tags(place):
    bucket = place.bucket("Enabled")
    first, second = place.put(bucket, "k", b"1", Tagging="n=1"), place.put(bucket, "k", b"22")
    of = lambda version: {t["Key"]: t["Value"] for t in place.s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=version)["TagSet"]}
    equal((of(first), of(second)), ({"n": "1"}, {}), "at first")
    tagging = {"TagSet": [{"Key": "state", "Value": "old"}]}
    answer = place.s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=first, Tagging=tagging)
    equal(answer["VersionId"], first, "which was tagged")
    equal(place.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})["VersionId"], second, "the current")
    equal((of(first), of(second)), ({"state": "old"}, {}), "changed")
    equal((place.read(bucket, "k", first), place.get(bucket, "k", first)["TagCount"]), (b"1", 1), "the object")
    equal(place.s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=first)["VersionId"], first, "removed")
    equal((of(first), len(place.versions(bucket))), ({}, 2), "no version was made")
    found = place.s3.get_object_attributes(Bucket=bucket, Key="k", VersionId=first, ObjectAttributes=["ObjectSize"])
    equal((found["ObjectSize"], found["VersionId"]), (1, first), "attributes")
    refused("NoSuchVersion", 404, place.s3.put_object_tagging, Bucket=bucket, Key="k", VersionId=UNKNOWN, Tagging=tagging)
    _empty(place, bucket)


@case("pages of any size are the whole listing, with and without prefix and delimiter")
def pages(place):
    bucket = place.bucket()
    place.put(bucket, "b", b"null")
    place.keep(bucket, "Enabled")
    for key in ["a/1", "a/2", "a/2", "b", "b", "c", "c/1", "d+e f", "d+e f"]:
        place.put(bucket, key, b"x")
    for key in ["a/1", "b", "d+e f", "e/gone"]:
        place.delete(bucket, key)
    in_order = lambda entries: sorted(entries, key=lambda entry: (entry[0], str(entry[1]), str(entry[3])))
    for query, count in [({}, 14), ({"Delimiter": "/"}, 11), ({"Prefix": "a/"}, 4), ({"Prefix": "c", "Delimiter": "/"}, 2)]:
        whole = place.versions(bucket, **query)
        equal(len(whole), count, f"entries of {query}")
        for size in [1, 2, 3, 5]:
            equal(in_order(place.versions(bucket, MaxKeys=size, **query)), in_order(whole), f"pages of {size}, {query}")
    keys = [key for key, _, _, is_marker in place.versions(bucket) if not is_marker]
    equal(keys, sorted(keys), "by key")
    for key in ["b", "d+e f"]:
        newest = place.versions(bucket, Prefix=key, MaxKeys=1)[0]
        equal(newest[2:], (True, True), f"the newest of {key} comes first")
    equal(place.s3.list_object_versions(Bucket=bucket, MaxKeys=0)["IsTruncated"], False, "a page of none")
    _empty(place, bucket)


case.add_to(SUITE, lambda home: Place([home.s3]))


@SUITE.case("all of it on three homes, each call through another one")
def on_three_homes(home):
    with Homes(home) as homes:
        case.run_all(Place(homes.s3))


@SUITE.case("versions of three homes with each one killed")
def one_is_dead(home):
    with Homes(home) as homes:
        place = Place(homes.s3)
        bucket, wanted = place.bucket("Enabled"), []
        for dead in range(3):
            homes.cluster.nodes[dead].stop(9)
            place.s3 = Turns([client for number, client in enumerate(homes.s3) if number != dead])
            wanted.insert(0, place.put(bucket, "k", f"without {dead}".encode()))
            equal([version for _, version, _, _ in place.versions(bucket)], wanted, f"versions without {dead}")
            homes.restart(dead)
        for number, version in enumerate(reversed(wanted)):
            for client in homes.s3:
                body = client.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read()
                equal(body, f"without {number}".encode(), "a version through each home")
