"""ListObjects, both versions: order, prefix, delimiter, paging, start-after, encoding, max-keys 0."""

import urllib.parse
import xml.etree.ElementTree as ElementTree

from home import equal, refused, true
from signing import send
from suite import Suite

SUITE = Suite("boto3 listing")
KEYS = [
    "a", "a/", "a/1", "a/2", "a/b/1", "b", "b-1", "b/1", "b/2/3", "c d", "e+f", "é", "日本", "z/y/x/w", "~tilde",
]


def _filled(home, word, keys=KEYS):
    bucket = home.new_bucket(word)
    for key in keys:
        home.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def _ordered(keys):
    return sorted(keys, key=lambda key: key.encode())


def _wanted(keys, prefix="", delimiter=None):
    """What a listing must hold: keys and common prefixes, in one order of bytes."""
    entries = []
    for key in _ordered(key for key in keys if key.startswith(prefix)):
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if cut < 0 else key[: cut + len(delimiter)] + "\0prefix"
        if entry not in entries:
            entries.append(entry)
    return entries


def _entries(answer):
    keys = [entry["Key"] for entry in answer.get("Contents", [])]
    prefixes = [entry["Prefix"] + "\0prefix" for entry in answer.get("CommonPrefixes", [])]
    return sorted(keys + prefixes, key=lambda text: text.replace("\0prefix", "").encode())


def _pages_v2(home, **arguments):
    found, pages = [], 0
    while True:
        answer = home.s3.list_objects_v2(**arguments)
        entries, pages = _entries(answer), pages + 1
        equal(answer["KeyCount"], len(entries), "KeyCount")
        true(len(entries) <= arguments.get("MaxKeys", 1000), "page within max-keys")
        found += entries
        equal("NextContinuationToken" in answer, answer["IsTruncated"], "a token exactly when truncated")
        if not answer["IsTruncated"]:
            return found
        true(pages < 100 and entries, "the listing makes progress")
        arguments["ContinuationToken"] = answer["NextContinuationToken"]


def _pages_v1(home, **arguments):
    found, pages = [], 0
    while True:
        answer = home.s3.list_objects(**arguments)
        entries, pages = _entries(answer), pages + 1
        found += entries
        if not answer["IsTruncated"]:
            return found
        true(pages < 100 and entries, "the listing makes progress")
        if arguments.get("Delimiter"):
            arguments["Marker"] = answer["NextMarker"]
        else:
            true("NextMarker" not in answer, "V1 has NextMarker only with a delimiter")
            arguments["Marker"] = answer["Contents"][-1]["Key"]


@SUITE.case("V2: every prefix, delimiter and page size gives the same entries")
def v2_matrix(home):
    bucket = _filled(home, "listv2")
    for prefix in ["", "a", "a/", "b", "z/", "none"]:
        for delimiter in [None, "/", "b"]:
            for page in [1, 2, 3, 1000]:
                arguments = dict(Bucket=bucket, Prefix=prefix, MaxKeys=page)
                if delimiter:
                    arguments["Delimiter"] = delimiter
                equal(_pages_v2(home, **arguments), _wanted(KEYS, prefix, delimiter),
                      f"prefix {prefix!r} delimiter {delimiter!r} page {page}")


@SUITE.case("V1: every prefix, delimiter and page size gives the same entries")
def v1_matrix(home):
    bucket = _filled(home, "listv1")
    for prefix in ["", "a/", "b", "none"]:
        for delimiter in [None, "/", "b"]:
            for page in [1, 3, 1000]:
                arguments = dict(Bucket=bucket, Prefix=prefix, MaxKeys=page)
                if delimiter:
                    arguments["Delimiter"] = delimiter
                equal(_pages_v1(home, **arguments), _wanted(KEYS, prefix, delimiter),
                      f"prefix {prefix!r} delimiter {delimiter!r} page {page}")


@SUITE.case("start-after and marker")
def start_after(home):
    bucket = _filled(home, "after")
    for after in ["", "a", "a/", "a/1", "bb", "zz", "日本"]:
        wanted = [key for key in _ordered(KEYS) if key.encode() > after.encode()]
        equal(_entries(home.s3.list_objects_v2(Bucket=bucket, StartAfter=after)), wanted, f"start-after {after!r}")
        equal(_entries(home.s3.list_objects(Bucket=bucket, Marker=after)), wanted, f"marker {after!r}")
    for after in ["", "A", "a", "a/1", "a/zz", "z"]:
        wanted = [key for key in _ordered(KEYS) if key.startswith("a/") and key > after]
        found = _entries(home.s3.list_objects_v2(Bucket=bucket, Prefix="a/", StartAfter=after))
        equal(found, wanted, f"start-after {after!r} before, inside and behind the prefix")
    answer = home.s3.list_objects_v2(Bucket=bucket, StartAfter="a/", Delimiter="/")
    true("a/\0prefix" not in _entries(answer), "a prefix that is not greater than the marker is left out")
    for after in ["a/", "a/1"]:
        answer = home.s3.list_objects(Bucket=bucket, Marker=after, Delimiter="/")
        true("a/\0prefix" not in _entries(answer), f"so with the marker {after!r}")


@SUITE.case("max-keys: 0 is an empty page, over 1000 is 1000, nonsense is InvalidArgument")
def max_keys(home):
    bucket = _filled(home, "maxkeys", ["a", "b"])
    for call in [home.s3.list_objects_v2, home.s3.list_objects]:
        answer = call(Bucket=bucket, MaxKeys=0)
        equal((answer["IsTruncated"], answer.get("Contents")), (False, None), "max-keys 0")
        equal(answer["MaxKeys"], 0, "MaxKeys echoed")
    equal(home.s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)["MaxKeys"], 1000, "MaxKeys is capped")
    for text in ["-1", "x", "99999999999999999999", "1.5"]:
        for version in [[("list-type", "2")], []]:
            answer = send(home, "GET", f"/{bucket}", query=version + [("max-keys", text)])
            equal((answer.status, answer.code()), (400, "InvalidArgument"), f"max-keys {text}")


@SUITE.case("a bad continuation token or encoding-type is InvalidArgument")
def bad_arguments(home):
    bucket = _filled(home, "badlist", ["a"])
    for name, value in [("continuation-token", "!!not-a-token!!"), ("encoding-type", "base64")]:
        answer = send(home, "GET", f"/{bucket}", query=[("list-type", "2"), (name, value)])
        equal((answer.status, answer.code()), (400, "InvalidArgument"), name)


@SUITE.case("encoding-type=url encodes keys but not the slash")
def encoding(home):
    keys = ["dir/a b", "dir/ü+%", "dir/<&>"]
    bucket = _filled(home, "encoding", keys)
    query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", "dir/"), ("delimiter", "/")]
    answer = send(home, "GET", f"/{bucket}", query=query)
    root = ElementTree.fromstring(answer.body)
    space = {"s": root.tag.split("}")[0].strip("{")} if "}" in root.tag else None
    find = lambda path: [node.text for node in (root.findall(path, space) if space else root.findall(path.replace("s:", "")))]
    found = find("s:Contents/s:Key")
    equal([urllib.parse.unquote_plus(key) for key in found], _ordered(keys), "keys decoded")
    true(all(key.startswith("dir/") and " " not in key and "ü" not in key for key in found), f"encoded keys {found}")
    equal((find("s:Prefix"), find("s:Delimiter")), (["dir/"], ["/"]), "prefix and delimiter keep their slash")
    equal(find("s:EncodingType"), ["url"], "EncodingType echoed")
    raw = send(home, "GET", f"/{bucket}", query=[("list-type", "2")])
    true("dir/ü+%".encode() in raw.body and b"EncodingType" not in raw.body, "without it nothing is encoded")


@SUITE.case("fields: V1 has Marker even when empty, V2 has StartAfter, KeyCount and Owner on request")
def fields(home):
    bucket = _filled(home, "fields", ["a"])
    body = send(home, "GET", f"/{bucket}").body
    true(b"<Marker/>" in body or b"<Marker></Marker>" in body, "V1 carries an empty Marker")
    first = home.s3.list_objects(Bucket=bucket)["Contents"][0]
    true("Owner" in first, "V1 entries carry their owner")
    plain = home.s3.list_objects_v2(Bucket=bucket)
    true("Owner" not in plain["Contents"][0], "V2 entries carry no owner")
    true("Owner" in home.s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0], "fetch-owner=true")
    answer = home.s3.list_objects_v2(Bucket=bucket, StartAfter="0")
    equal((answer["StartAfter"], answer["Name"], answer["KeyCount"]), ("0", bucket, 1), "echo")
    entry = plain["Contents"][0]
    equal((entry["Size"], entry["StorageClass"]), (1, "STANDARD"), "entry")
    true(entry["ETag"].startswith('"') and entry["ETag"].endswith('"'), "ETag is quoted in XML")
    head = home.s3.head_object(Bucket=bucket, Key="a")
    true(abs((head["LastModified"] - entry["LastModified"]).total_seconds()) < 1.0, "same time in listing and head")


@SUITE.case("V2: an empty continuation token is echoed")
def empty_token(home):
    bucket = _filled(home, "emptytoken", ["a"])
    answer = send(home, "GET", f"/{bucket}", query=[("list-type", "2"), ("continuation-token", "")])
    equal(answer.status, 200, "status")
    true(b"<ContinuationToken" in answer.body, "the empty token is echoed")


@SUITE.case("prefixes whose objects are all deleted vanish; new objects appear at once")
def fresh(home):
    bucket = _filled(home, "fresh", ["p/1", "p/2", "q"])
    for key in ["p/1", "p/2"]:
        home.s3.delete_object(Bucket=bucket, Key=key)
    equal(_entries(home.s3.list_objects_v2(Bucket=bucket, Delimiter="/")), ["q"], "after deletes")
    home.s3.put_object(Bucket=bucket, Key="p/3", Body=b"")
    equal(_entries(home.s3.list_objects_v2(Bucket=bucket, Delimiter="/")), ["p/\0prefix", "q"], "after a put")


@SUITE.case("more than a thousand keys")
def thousands(home):
    import concurrent.futures

    bucket, keys = home.new_bucket("many"), [f"k/{number:05}" for number in range(1200)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: home.s3.put_object(Bucket=bucket, Key=key, Body=b""), keys))
    equal(_pages_v2(home, Bucket=bucket), keys, "all keys in default pages")
    equal(_pages_v1(home, Bucket=bucket, MaxKeys=700), keys, "all keys in pages of 700")


@SUITE.case("listing an absent bucket is NoSuchBucket")
def absent(home):
    refused("NoSuchBucket", 404, home.s3.list_objects, Bucket="no-such-bucket-here")
    refused("NoSuchBucket", 404, home.s3.list_objects_v2, Bucket="no-such-bucket-here")
