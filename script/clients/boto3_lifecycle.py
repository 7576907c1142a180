"""Lifecycle rules: what goes by itself, and what stays. Days are half a second long here, with as many midnights."""

import datetime
import json
import re
import subprocess
import time

from home import Home, equal, refused, true
from server import Server
from suite import Suite
from three_homes import Homes

SUITE = Suite("boto3_lifecycle")
MIB = 1024 * 1024
DAY_S = 0.5
# A day, midnight, a pass, and on three homes the clocks of others, which are heard every three seconds.
GONE_WITHIN_S = 20
SHORT_DAYS = {"GARAGE_LIFECYCLE_DAY_FOR_TESTS": f"{int(DAY_S * 1000)}ms"}
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
LATER = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)


class OneHome:
    """A server of its own whose days are short."""

    def __init__(self, home, around=SHORT_DAYS):
        self.server = Server(home.server.binary, home.folder("short-days"))
        self.server.around = around

    def __enter__(self):
        self.server.start()
        self.home = Home(self.server, self.server.folder)
        return self

    def __exit__(self, *_):
        self.server.kill()

    @property
    def s3(self):
        return self.home.s3

    def cli(self, *arguments):
        command = [str(self.server.binary), "-c", str(self.server.config_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def rule(name, prefix="", **more):
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, **more}


def days(number=1):
    return {"Expiration": {"Days": number}}


def obey(s3, bucket, *rules):
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)})


def keys(s3, bucket):
    return sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []))


def versions(s3, bucket):
    """(key, content's size or none for a marker, is it current), the newest first."""
    page = s3.list_object_versions(Bucket=bucket)
    found = [(v["LastModified"], v["Key"], v["Size"], v["IsLatest"]) for v in page.get("Versions", [])]
    found += [(m["LastModified"], m["Key"], None, m["IsLatest"]) for m in page.get("DeleteMarkers", [])]
    return [entry[1:] for entry in sorted(found, key=lambda entry: (entry[1], not entry[3], -entry[0].timestamp()))]


def wait_until(what, is_so):
    deadline = time.monotonic() + GONE_WITHIN_S
    while not is_so():
        true(time.monotonic() < deadline, f"{what}, in {GONE_WITHIN_S} s")
        time.sleep(0.05)


def some_days(count=2):
    time.sleep(count * DAY_S + 0.3)


def header(answer, name):
    return answer["ResponseMetadata"]["HTTPHeaders"].get(name)


@SUITE.case("an object goes after its day, by prefix, tag, size or date, and all others stay")
def objects_go(home):
    with OneHome(home) as place:
        s3, bucket = place.s3, place.home.new_bucket("rules")
        sized = {"And": {"Prefix": "logs/", "ObjectSizeGreaterThan": 100, "ObjectSizeLessThan": 1000}}
        tagged = {"And": {"Tags": [{"Key": "keep", "Value": "no"}, {"Key": "a", "Value": "b"}], "Prefix": "t"}}
        obey(
            s3, bucket,
            rule("by prefix", "old/", **days()),
            {"ID": "first form", "Status": "Enabled", "Prefix": "older/", **days()},
            {"ID": "tag", "Status": "Enabled", "Filter": {"Tag": {"Key": "gone", "Value": "yes"}}, **days()},
            {"ID": "two tags", "Status": "Enabled", "Filter": tagged, **days()},
            {"ID": "size", "Status": "Enabled", "Filter": sized, **days()},
            {**rule("off", "off/", **days()), "Status": "Disabled"},
            rule("past date", "dated/", Expiration={"Date": LONG_AGO}),
            rule("future date", "future/", Expiration={"Date": LATER}),
            rule("long", "long/", **days(100_000)),
        )
        gone = {
            "old/a": {}, "old/large": {"Body": b"x" * (3 * MIB)}, "older/b": {}, "any": {"Tagging": "gone=yes&x=y"},
            "tt": {"Tagging": "keep=no&a=b"}, "logs/big": {"Body": b"x" * 101}, "dated/d": {},
        }
        stay = {
            "old": {}, "ol/d": {}, "other": {"Tagging": "gone=no"}, "t1": {"Tagging": "keep=no"},
            "u": {"Tagging": "keep=no&a=b"}, "logs/small": {"Body": b"x" * 100}, "logs/huge": {"Body": b"x" * 1000},
            "off/e": {}, "future/f": {}, "long/g": {},
        }
        for key, more in {**gone, **stay}.items():
            s3.put_object(Bucket=bucket, Key=key, **{"Body": b"x", **more})
        wait_until("all that is due goes", lambda: keys(s3, bucket) == sorted(stay))
        some_days()
        equal(keys(s3, bucket), sorted(stay), "what stays")
        shown = place.cli("worker", "info", "4")
        true(f"{len(gone)} objects expired" in shown and "next pass begins" in shown, shown)
        shown = place.cli("bucket", "info", bucket)
        true(re.search(r"Lifecycle rules: +9, 8 of them enabled\n", shown), shown)
        true(re.search(r"Versioning: +disabled\n", shown), shown)


@SUITE.case("versions: a marker covers what is old, old versions go but some, and so does a marker over nothing")
def versions_go(home):
    with OneHome(home) as place:
        s3, bucket = place.s3, place.home.new_bucket("versions")
        wanted, kept = _with_versions(s3, bucket, lambda: None)
        wait_until("versions go", lambda: versions(s3, bucket) == wanted)
        some_days()
        equal(versions(s3, bucket), wanted, "two newer ones stay, and what no rule is about")
        # Without versions below it the marker goes too: a rule with days says so as well.
        gone = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
        obey(s3, bucket, rule("all", "cover", **days(), **gone), rule("newer", "many", **gone))
        wait_until("the marker goes", lambda: versions(s3, bucket) == [*kept, ("many", 5, True)])


def _with_versions(s3, bucket, heard):
    """Versions and rules; what is left of them in the end, and that of what no rule is about."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    heard()
    for size in range(1, 6):
        s3.put_object(Bucket=bucket, Key="many", Body=b"x" * size)
        s3.put_object(Bucket=bucket, Key="kept/many", Body=b"x" * size)
    s3.put_object(Bucket=bucket, Key="cover", Body=b"x")
    s3.put_object(Bucket=bucket, Key="kept/other", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="kept/marked")
    s3.put_object(Bucket=bucket, Key="kept/covered", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="kept/covered")
    s3.delete_object(Bucket=bucket, Key="marked")
    newer = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}}
    obey(
        s3, bucket, rule("newer", "many", **newer), rule("cover", "cover", **days()),
        rule("markers", "marked", Expiration={"ExpiredObjectDeleteMarker": True}),
    )
    kept = [("kept/covered", None, True), ("kept/covered", 1, False), ("kept/many", 5, True)]
    kept += [("kept/many", size, False) for size in [4, 3, 2, 1]]
    kept += [("kept/marked", None, True), ("kept/other", 1, True)]
    wanted = [("cover", None, True), ("cover", 1, False), *kept]
    wanted += [("many", 5, True), ("many", 4, False), ("many", 3, False)]
    return wanted, kept


@SUITE.case("a locked version stays, whatever a rule says")
def locked_versions_stay(home):
    with OneHome(home) as place:
        s3, bucket = place.s3, place.home.unique("locked")
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        for key in ["free", "held"]:
            hold = {"ObjectLockLegalHoldStatus": "ON"} if key == "held" else {}
            s3.put_object(Bucket=bucket, Key=key, Body=b"1", **hold)
            s3.put_object(Bucket=bucket, Key=key, Body=b"22")
        obey(s3, bucket, rule("old", NoncurrentVersionExpiration={"NoncurrentDays": 1}))
        left = [("free", 2, True), ("held", 2, True), ("held", 1, False)]
        wait_until("what is not locked goes", lambda: versions(s3, bucket) == left)
        some_days()
        equal(versions(s3, bucket), left, "what is locked stays")


@SUITE.case("uploads are given up, and the answers say when")
def uploads_go(home):
    with OneHome(home) as place:
        s3, bucket = place.s3, place.home.new_bucket("uploads")
        obey(s3, bucket, rule("up loads", "tmp/", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}))
        made = {}
        for key in ["tmp/a", "other"]:
            made[key] = s3.create_multipart_upload(Bucket=bucket, Key=key)
            s3.upload_part(Bucket=bucket, Key=key, UploadId=made[key]["UploadId"], PartNumber=1, Body=b"x")
        equal((made["tmp/a"]["AbortRuleId"], "AbortRuleId" in made["other"]), ("up loads", False), "by which rule")
        age = made["tmp/a"]["AbortDate"] - datetime.datetime.now(datetime.timezone.utc)
        true(age < datetime.timedelta(seconds=2), f"soon: {age}")
        open_keys = lambda: [up["Key"] for up in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
        wait_until("the upload goes", lambda: open_keys() == ["other"])
        listed = lambda key: s3.list_parts(Bucket=bucket, Key=key, UploadId=made[key]["UploadId"])
        refused("NoSuchUpload", 404, lambda: listed("tmp/a"))
        equal((len(listed("other")["Parts"]), "AbortDate" in listed("other")), (1, False), "the other is as it was")
        obey(s3, bucket, rule("a", "o", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1000}))
        equal(listed("other")["AbortRuleId"], "a", "a listing of parts says it too")


@SUITE.case("answers say when an object goes, at a real midnight, and by which rule")
def headers(home):
    s3, bucket = home.s3, home.new_bucket("headers")
    obey(s3, bucket, rule("späte Regel", "a", **days(9)), rule("two", "a", **days(3)), rule("b", "b", **days(9)))
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    day = lambda count: (today + datetime.timedelta(days=count)).strftime("%a, %d %b %Y 00:00:00 GMT")
    wanted = [f'expiry-date="{day(count)}", rule-id="two"' for count in (4, 5)]  # it may be midnight just now
    names = dict(Bucket=bucket, Key="a")
    for call, arguments in [
        (s3.put_object, {"Body": b"x"}), (s3.get_object, {}), (s3.head_object, {}),
        (s3.copy_object, {"CopySource": f"{bucket}/a", "MetadataDirective": "REPLACE"}),
    ]:
        answer = call(**names, **arguments)
        true(answer.get("Expiration") in wanted, f"{call}: {answer.get('Expiration')}")
    upload = s3.create_multipart_upload(**names)["UploadId"]
    tag = s3.upload_part(**names, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    done = s3.complete_multipart_upload(**names, UploadId=upload, MultipartUpload=parts)
    true(done.get("Expiration") in wanted, f"complete: {done}")
    equal("Expiration" in s3.put_object(Bucket=bucket, Key="c", Body=b"x"), False, "no rule is about it")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    equal("Expiration" in s3.head_object(**names), False, "without rules")


@SUITE.case("rules come back as they were set; what AWS refuses is refused")
def configuration(home):
    s3, bucket = home.s3, home.new_bucket("configuration")
    get, put = s3.get_bucket_lifecycle_configuration, s3.put_bucket_lifecycle_configuration
    refused("NoSuchLifecycleConfiguration", 404, get, Bucket=bucket)
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    tags = [{"Key": "k", "Value": ""}, {"Key": "l", "Value": "ä b"}]
    rules = [
        {"ID": "1", "Status": "Enabled", "Prefix": "", **days(3), **abort},
        {"ID": "2", "Status": "Disabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {"ID": "3", "Status": "Enabled", "Filter": {"Tag": tags[0]}, "Expiration": {"Date": LONG_AGO}},
        {"ID": "4", "Status": "Enabled", "Filter": {"ObjectSizeGreaterThan": 0}, **days(1)},
        {"ID": "ü" * 255, "Status": "Enabled", "Filter": {"And": {"Prefix": "p/", "Tags": tags, "ObjectSizeLessThan": 5}},
         "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 100}},
    ]
    obey(s3, bucket, *rules)
    equal(get(Bucket=bucket)["Rules"], rules, "as they were set")
    unnamed = {"Status": "Enabled", "Filter": {}, **days()}
    obey(s3, bucket, unnamed, unnamed)
    names = [kept["ID"] for kept in get(Bucket=bucket)["Rules"]]
    true(len(set(names)) == 2 and all(names), f"a name is made up: {names}")

    noncurrent = lambda **more: {"NoncurrentVersionExpiration": more}
    marker = {"Expiration": {"ExpiredObjectDeleteMarker": True}}
    tag_filter = {"Filter": {"Tag": {"Key": "k", "Value": "v"}}}
    sized = lambda **sizes: {"Filter": {"And": {"Prefix": "", **sizes}}}
    bad = [
        ("MalformedXML", []),
        ("InvalidArgument", [rule("a", **days()), rule("a", "b", **days())]),
        ("InvalidArgument", [rule("x" * 256, **days())]),
        ("InvalidArgument", [rule("a", **days(0))]),
        ("InvalidArgument", [rule("a", **days(-1))]),
        ("InvalidArgument", [rule("a", Expiration={"Date": LONG_AGO + datetime.timedelta(hours=1)})]),
        ("MalformedXML", [rule("a", Expiration={"Date": LONG_AGO, "Days": 1})]),
        ("MalformedXML", [rule("a", Expiration={})]),
        ("MalformedXML", [{"ID": "a", "Status": "Enabled", **days()}]),
        ("MalformedXML", [{**rule("a", **days()), "Prefix": "b"}]),
        ("MalformedXML", [{**rule("a", **days()), "Status": "enabled"}]),
        ("MalformedXML", [{**rule("a", **days()), "Filter": {"Prefix": "b", "ObjectSizeLessThan": 5}}]),
        ("InvalidRequest", [rule("a")]),
        ("InvalidRequest", [{**rule("a", **abort), **tag_filter}]),
        ("InvalidRequest", [{**rule("a", **marker), **tag_filter}]),
        ("InvalidRequest", [{**rule("a", **marker), **sized(ObjectSizeLessThan=5)}]),
        ("InvalidRequest", [{**rule("a", **days()), **sized(ObjectSizeGreaterThan=5, ObjectSizeLessThan=5)}]),
        ("InvalidRequest", [{**rule("a", **days()), "Filter": {"And": {"Tags": [tags[0], tags[0]]}}}]),
        ("InvalidArgument", [{**rule("a", **days()), **sized(ObjectSizeLessThan=0)}]),
        ("InvalidArgument", [rule("a", **noncurrent(NoncurrentDays=0))]),
        ("InvalidArgument", [rule("a", **noncurrent(NoncurrentDays=1, NewerNoncurrentVersions=101))]),
        ("MalformedXML", [rule("a", **noncurrent(NewerNoncurrentVersions=1))]),
        ("InvalidArgument", [rule("a", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})]),
        ("MalformedXML", [rule(str(number), f"p{number}", **days()) for number in range(1001)]),
    ]
    for code, rules in bad:
        refused(code, 400, put, Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    cold = {"Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}
    refused("NotImplemented", 501, put, Bucket=bucket, LifecycleConfiguration={"Rules": [rule("a", **days(), **cold)]})
    equal([kept["ID"] for kept in get(Bucket=bucket)["Rules"]], names, "refused ones change nothing")
    obey(s3, bucket, *[rule(str(number), f"p{number}", **days()) for number in range(1000)])
    equal(len(get(Bucket=bucket)["Rules"]), 1000, "a thousand rules")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    refused("NoSuchLifecycleConfiguration", 404, get, Bucket=bucket)


@SUITE.case("what is written again, and what no rule is about any more, stays; a restart changes nothing")
def what_is_new_stays(home):
    with OneHome(home) as place:
        s3, bucket = place.s3, place.home.new_bucket("hot")
        obey(s3, bucket, rule("all", **days()))
        _write_again(bucket, [s3])
        place.server.kill()
        place.server.start()
        wait_until("it goes once nobody writes it any more", lambda: keys(s3, bucket) == [])
        obey(s3, bucket, rule("all", **days(2)))
        s3.put_object(Bucket=bucket, Key="saved", Body=b"x")
        s3.delete_bucket_lifecycle(Bucket=bucket)
        some_days(4)
        equal(keys(s3, bucket), ["saved"], "rules that were taken back delete nothing")
        obey(s3, bucket, {"ID": "t", "Status": "Enabled", "Filter": {"Tag": {"Key": "a", "Value": "b"}}, **days()})
        tagging = {"TagSet": [{"Key": "a", "Value": "b"}]}
        s3.put_object_tagging(Bucket=bucket, Key="saved", Tagging=tagging)
        wait_until("a tag makes an old object due", lambda: keys(s3, bucket) == [])


def _write_again(bucket, clients):
    """Writes a key anew, well before and around every midnight: whatever was acknowledged must be there."""
    end, number = time.monotonic() + 4 * DAY_S, 0
    while time.monotonic() < end or number < 20:
        begin, body = time.monotonic(), str(number).encode()
        clients[number % len(clients)].put_object(Bucket=bucket, Key="hot", Body=body)
        found = _read(clients[(number + 1) % len(clients)], bucket, "hot")
        # On a slow machine it may be old before it is read.
        true(found == body or time.monotonic() - begin > DAY_S, f"{found} instead of {body}, just written")
        number += 1
        time.sleep(0.02)


def _read(s3, bucket, key):
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None


@SUITE.case("three homes, then two: the same, and what is written at that moment through any of them stays")
def three_homes(home):
    with Homes(home, around=SHORT_DAYS) as homes:
        s3, bucket = homes.s3[0], "three"
        s3.create_bucket(Bucket=bucket)
        obey(s3, bucket, rule("old", "old/", **days()), rule("hot", "hot", **days()))
        for number, client in enumerate(homes.s3 * 3):
            client.put_object(Bucket=bucket, Key=f"old/{number}", Body=b"x" * (1 if number % 2 else MIB))
            client.put_object(Bucket=bucket, Key=f"new/{number}", Body=b"x")
        stay, with_versions = sorted(f"new/{number}" for number in range(9)), "with-versions"
        s3.create_bucket(Bucket=with_versions)
        wanted, _ = _with_versions(s3, with_versions, lambda: time.sleep(0.5))
        wait_until("what is old goes", lambda: keys(s3, bucket) == stay)
        wait_until("versions go", lambda: versions(homes.s3[2], with_versions) == wanted)
        _write_again(bucket, homes.s3)
        homes.cluster.nodes[2].stop(9)
        s3.put_object(Bucket=bucket, Key="old/late", Body=b"x")
        wait_until("what is old goes on two homes", lambda: keys(s3, bucket) == stay)
        some_days()
        equal(keys(homes.s3[1], bucket), stay, "what stays, through another home")
        told = [json.loads(node.cli("json-api", "GetBucketInfo", '{"globalAlias": "three"}')) for node in homes.cluster.nodes[:2]]
        equal([info["lifecycleRuleCount"] for info in told], [2, 2], "every home knows the rules")
