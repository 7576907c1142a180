"""Object lock: each case runs against one home, and against three with every call through another one."""

import base64
import datetime
import hashlib
import json
import subprocess
import threading
import time

from boto3_versions import TOLD_WITHIN_S, Turns
from boto3_versions import Place as Versions
from home import equal, refused, true
from suite import Cases, Suite
from three_homes import Homes, client_of

SUITE = Suite("boto3_lock")


def later(**delta):
    """A time from now, to the second."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)).replace(microsecond=0)


class _Cli:
    """The command line of one home."""

    def __init__(self, binary, config):
        self._command = [str(binary), "-c", str(config)]

    def __call__(self, *words, check=True):
        return subprocess.run([*self._command, *words], check=check, capture_output=True, text=True, timeout=60)


class Place(Versions):
    """Where a case runs, and how more keys are made there."""

    def __init__(self, clients, cli, clients_of):
        super().__init__(clients)
        self.cli, self._clients_of = cli, clients_of

    def locked_bucket(self, **default):
        """A bucket with locks, of which every home has heard."""
        name = f"lock-{next(self._numbers)}"
        self.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        self.told(name)
        if default:
            self.s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=_configuration(**default))
            self.told(name, bool)
        return name

    def told(self, bucket, is_told=lambda rule: True):
        """Waits until every home has heard of the lock; returns what the first one says."""
        deadline = time.monotonic() + TOLD_WITHIN_S
        for client in self.s3.clients:
            while True:
                try:
                    found = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
                    if is_told(found.get("Rule")):
                        break
                except client.exceptions.ClientError:
                    pass
                true(time.monotonic() < deadline, "a home does not hear of the lock")
                time.sleep(0.05)
        return found

    def bypass(self, bucket, key, version):
        return self.s3.delete_object(Bucket=bucket, Key=key, VersionId=version, BypassGovernanceRetention=True)

    def retain(self, bucket, key, version, mode, until, **more):
        retention = {} if mode is None else {"Mode": mode, "RetainUntilDate": until}
        self.s3.put_object_retention(Bucket=bucket, Key=key, VersionId=version, Retention=retention, **more)

    def hold(self, bucket, key, version, status):
        self.s3.put_object_legal_hold(Bucket=bucket, Key=key, VersionId=version, LegalHold={"Status": status})

    def stays(self, bucket, key, version, body, bypassed=True):
        """Nothing takes the version away."""
        ways = [{}, {"BypassGovernanceRetention": True}] if bypassed else [{}]
        for way in ways:
            refused("AccessDenied", 403, self.s3.delete_object, Bucket=bucket, Key=key, VersionId=version, **way)
            named = {"Objects": [{"Key": key, "VersionId": version}]}
            answer = self.s3.delete_objects(Bucket=bucket, Delete=named, **way)
            equal([(error["Code"], error["VersionId"]) for error in answer.get("Errors", [])],
                  [("AccessDenied", version)], f"one of many, {way}")
        refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=bucket)
        equal(self.read(bucket, key, version), body, "it is still there")

    def key(self, bucket, *grants):
        """A key that may do this in the bucket: its id, and a client of each home with it."""
        name = f"key-{next(self._numbers)}"
        self.cli("key", "create", name)
        lines = self.cli("key", "info", name, "--show-secret").stdout.splitlines()
        key = lines[1].split()[-1], lines[3].split()[-1]
        if grants:
            self.cli("bucket", "allow", bucket, "--key", key[0], *(f"--{grant}" for grant in grants))
        return key[0], self._clients_of(*key)


def _configuration(**default):
    rule = {"Rule": {"DefaultRetention": default}} if default else {}
    return {"ObjectLockEnabled": "Enabled", **rule}


case = Cases()


@case("a bucket with locks keeps versions for good; another one gets them only if it keeps versions")
def buckets(place):
    bucket = place.locked_bucket()
    equal(place.s3.get_bucket_versioning(Bucket=bucket)["Status"], "Enabled", "versions")
    suspended = {"Status": "Suspended"}
    refused("InvalidBucketState", 409, place.s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=suspended)
    plain = place.bucket()
    get, put = place.s3.get_object_lock_configuration, place.s3.put_object_lock_configuration
    refused("ObjectLockConfigurationNotFoundError", 404, get, Bucket=plain)
    refused("InvalidBucketState", 409, put, Bucket=plain, ObjectLockConfiguration=_configuration())
    place.keep(plain, "Enabled")
    for default in [{"Mode": "COMPLIANCE", "Years": 2}, {"Mode": "GOVERNANCE", "Days": 7}]:
        put(Bucket=plain, ObjectLockConfiguration=_configuration(**default))
        found = place.told(plain, lambda rule, default=default: rule == {"DefaultRetention": default})
        equal(found, _configuration(**default), "configuration")
    for default, code in [
        ({"Mode": "GOVERNANCE", "Days": 0}, "InvalidRetentionPeriod"), ({"Mode": "GOVERNANCE", "Years": -1}, "InvalidRetentionPeriod"),
        ({"Mode": "GOVERNANCE", "Days": 36501}, "InvalidRetentionPeriod"), ({"Mode": "none", "Days": 1}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, "MalformedXML"), ({"Mode": "GOVERNANCE"}, "MalformedXML"),
    ]:
        refused(code, 400, put, Bucket=plain, ObjectLockConfiguration=_configuration(**default))
    refused("MalformedXML", 400, put, Bucket=plain, ObjectLockConfiguration={"ObjectLockEnabled": "Disabled"})
    version = place.put(plain, "k", b"x")
    true(later(days=6) < place.get(plain, "k", version)["ObjectLockRetainUntilDate"] <= later(days=7, seconds=1), "seven days")


@case("retention: in governance for most, in compliance for everybody; a delete without a version makes a marker")
def retention(place):
    bucket = place.locked_bucket()
    until = later(hours=1)
    for mode in ["GOVERNANCE", "COMPLIANCE"]:
        lock = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until}
        version = place.put(bucket, mode, b"kept", **lock)
        for found in [place.get(bucket, mode, version), place.s3.head_object(Bucket=bucket, Key=mode)]:
            equal((found["ObjectLockMode"], found["ObjectLockRetainUntilDate"]), (mode, until), "shown")
            true("ObjectLockLegalHoldStatus" not in found, "no hold")
        strict = mode == "COMPLIANCE"
        place.stays(bucket, mode, version, b"kept", bypassed=strict)
        newer = place.put(bucket, mode, b"newer")
        place.stays(bucket, mode, version, b"kept", bypassed=strict)
        marker = place.delete(bucket, mode)
        true(marker["DeleteMarker"], "a marker")
        place.stays(bucket, mode, version, b"kept", bypassed=strict)
        for other in [marker["VersionId"], newer]:
            place.delete(bucket, mode, other)
        place.stays(bucket, mode, version, b"kept", bypassed=strict)
        other_mode = "GOVERNANCE" if strict else "COMPLIANCE"
        for weaker in [(mode, later(minutes=30)), (other_mode, later(days=2)), (None, None)]:
            arguments = {} if weaker[0] is None else {"Mode": weaker[0], "RetainUntilDate": weaker[1]}
            change = dict(Bucket=bucket, Key=mode, VersionId=version, Retention=arguments)
            refused("AccessDenied", 403, place.s3.put_object_retention, **change)
            if strict:
                refused("AccessDenied", 403, place.s3.put_object_retention, BypassGovernanceRetention=True, **change)
        place.retain(bucket, mode, version, mode, until + datetime.timedelta(hours=1))
        found = place.s3.get_object_retention(Bucket=bucket, Key=mode, VersionId=version)["Retention"]
        equal(found, {"Mode": mode, "RetainUntilDate": until + datetime.timedelta(hours=1)}, "extended")
    version = place.get(bucket, "GOVERNANCE")["VersionId"]
    place.retain(bucket, "GOVERNANCE", version, "GOVERNANCE", until, BypassGovernanceRetention=True)
    place.bypass(bucket, "GOVERNANCE", version)
    refused("NoSuchVersion", 404, place.s3.get_object, Bucket=bucket, Key="GOVERNANCE", VersionId=version)


@case("a legal hold stands until it is lifted, whatever else is changed")
def legal_hold(place):
    bucket = place.locked_bucket()
    version = place.put(bucket, "k", b"held")
    get = place.s3.get_object_legal_hold
    refused("NoSuchObjectLockConfiguration", 404, get, Bucket=bucket, Key="k")
    refused("NoSuchObjectLockConfiguration", 404, place.s3.get_object_retention, Bucket=bucket, Key="k")
    place.hold(bucket, "k", version, "ON")
    place.retain(bucket, "k", version, "GOVERNANCE", later(hours=1))
    place.retain(bucket, "k", version, None, None, BypassGovernanceRetention=True)
    place.s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=version, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    place.s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=version)
    equal(get(Bucket=bucket, Key="k", VersionId=version)["LegalHold"], {"Status": "ON"}, "it stands")
    equal(place.get(bucket, "k")["ObjectLockLegalHoldStatus"], "ON", "shown")
    place.stays(bucket, "k", version, b"held")
    for status in ["on", "", "NONE"]:
        refused("MalformedXML", 400, place.s3.put_object_legal_hold, Bucket=bucket, Key="k", LegalHold={"Status": status})
    place.hold(bucket, "k", version, "OFF")
    equal(get(Bucket=bucket, Key="k", VersionId=version)["LegalHold"], {"Status": "OFF"}, "it is lifted")
    place.delete(bucket, "k", version)
    place.s3.delete_bucket(Bucket=bucket)


@case("a retention that is over protects nothing")
def over(place):
    bucket = place.locked_bucket()
    until = later(seconds=3)
    version = place.put(bucket, "k", b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    while later() <= until:
        time.sleep(0.1)
    equal(place.get(bucket, "k")["ObjectLockMode"], "COMPLIANCE", "it is still said")
    place.delete(bucket, "k", version)
    place.s3.delete_bucket(Bucket=bucket)


@case("copies, uploads in parts and defaults; a copy does not inherit the lock")
def other_writes(place):
    bucket = place.locked_bucket(Mode="GOVERNANCE", Days=2)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": later(hours=1), "ObjectLockLegalHoldStatus": "ON"}
    shown = lambda key: {name: value for name, value in place.get(bucket, key).items() if name.startswith("ObjectLock")}
    by_default = lambda key: (shown(key)["ObjectLockMode"], later(days=1) < shown(key)["ObjectLockRetainUntilDate"] <= later(days=2, seconds=1))
    place.put(bucket, "put", b"x", **lock)
    source = {"Bucket": bucket, "Key": "put"}
    place.s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    place.s3.copy_object(Bucket=bucket, Key="locked copy", CopySource=source, **lock)
    place.put(bucket, "default", b"x")
    place.put(bucket, "held", b"x", ObjectLockLegalHoldStatus="ON")
    for key, more in [("parts", {}), ("locked parts", lock)]:
        upload = place.s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="CRC32", **more)["UploadId"]
        part = place.s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"part", ChecksumAlgorithm="CRC32")
        parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
        place.s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    for key in ["put", "locked copy", "locked parts"]:
        equal(shown(key), lock, key)
    for key in ["copy", "default", "parts", "held"]:
        equal(by_default(key), ("GOVERNANCE", True), key)
    equal(shown("held")["ObjectLockLegalHoldStatus"], "ON", "a hold beside the default")


@case("bad locks, and locks where there are none, are refused before anything is stored")
def bad_input(place):
    bucket, plain = place.locked_bucket(), place.bucket("Enabled")
    put = place.s3.put_object
    for more in [
        {"ObjectLockMode": "GOVERNANCE"}, {"ObjectLockRetainUntilDate": later(days=1)},
        {"ObjectLockMode": "governance", "ObjectLockRetainUntilDate": later(days=1)},
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(days=-1)}, {"ObjectLockLegalHoldStatus": "on"},
    ]:
        refused("InvalidArgument", 400, put, Bucket=bucket, Key="k", Body=b"x", **more)
    good = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(days=1)}
    for more in [good, {"ObjectLockLegalHoldStatus": "ON"}]:
        refused("InvalidRequest", 400, put, Bucket=plain, Key="k", Body=b"x", **more)
        refused("InvalidRequest", 400, place.s3.create_multipart_upload, Bucket=plain, Key="k", **more)
    place.put(plain, "k", b"x")
    for call, more in [
        (place.s3.put_object_retention, {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": later(days=1)}}),
        (place.s3.put_object_legal_hold, {"LegalHold": {"Status": "ON"}}),
        (place.s3.get_object_retention, {}), (place.s3.get_object_legal_hold, {}),
    ]:
        refused("InvalidRequest", 400, call, Bucket=plain, Key="k", **more)
    retain = dict(Bucket=bucket, Key="none", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later(days=1)})
    refused("NoSuchKey", 404, place.s3.put_object_retention, **retain)
    refused("InvalidArgument", 400, place.s3.put_object_retention, **dict(
        retain, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later(days=-1)}))
    place.put(bucket, "marked", b"x")
    marker = place.delete(bucket, "marked")["VersionId"]
    refused("MethodNotAllowed", 405, place.s3.put_object_retention, **dict(retain, Key="marked", VersionId=marker))
    refused("NoSuchKey", 404, place.s3.put_object_retention, **dict(retain, Key="marked"))
    equal([key for key, *_ in place.versions(bucket)], ["marked", "marked"], "nothing else was stored")


@case("permissions: to write, to lock, to see the lock, to bypass")
def permissions(place):
    bucket = place.locked_bucket()
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(hours=1), "ObjectLockLegalHoldStatus": "ON"}
    version = place.put(bucket, "k", b"x", **lock)
    _, (writer, *_) = place.key(bucket, "read", "write")
    named = dict(Bucket=bucket, Key="k", VersionId=version)
    place.hold(bucket, "k", version, "OFF")
    for way in [{}, {"BypassGovernanceRetention": True}]:
        refused("AccessDenied", 403, writer.delete_object, **named, **way)
        refused("AccessDenied", 403, writer.put_object_retention, Retention={}, **named, **way)
        refused("AccessDenied", 403, writer.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=_configuration())
    writer.put_object(Bucket=bucket, Key="own", Body=b"x", **lock)
    guest, (stranger, *_) = place.key(bucket)
    allow = lambda actions, resource="/*", **more: dict({
        "Effect": "Allow", "Principal": {"AWS": guest}, "Action": actions, "Resource": f"arn:aws:s3:::{bucket}{resource}"}, **more)
    def policy(*statements):
        place.s3.clients[0].put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    def until_told(call, wanted, **arguments):
        deadline = time.monotonic() + TOLD_WITHIN_S
        while True:
            try:
                found = call(**arguments)
                if wanted(found):
                    return found
            except stranger.exceptions.ClientError as error:
                if wanted(error.response["Error"]["Code"]):
                    return error
            true(time.monotonic() < deadline, f"it does not come to that: {arguments}")
            time.sleep(0.05)
    policy(allow(["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]))
    found = until_told(stranger.get_object, lambda found: "ETag" in found, Bucket=bucket, Key="own")
    true(not [name for name in found if name.startswith("ObjectLock")], "the lock is not shown")
    for more in [{"ObjectLockLegalHoldStatus": "ON"}, {name: lock[name] for name in list(lock)[:2]}]:
        refused("AccessDenied", 403, stranger.put_object, Bucket=bucket, Key="n", Body=b"x", **more)
    for call in [stranger.get_object_retention, stranger.get_object_legal_hold]:
        refused("AccessDenied", 403, call, Bucket=bucket, Key="own")
    policy(allow(["s3:GetObject", "s3:GetObjectRetention", "s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectLegalHold",
                  "s3:DeleteObjectVersion"]),
           allow("s3:PutObjectRetention", Effect="Deny", Condition={
               "NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}}),
           allow("s3:PutObjectRetention", Effect="Deny", Condition={"StringEquals": {"s3:object-lock-mode": "COMPLIANCE"}}))
    found = until_told(stranger.get_object, lambda found: "ObjectLockMode" in found, Bucket=bucket, Key="own")
    true("ObjectLockLegalHoldStatus" not in found, "the hold is not shown")
    retain = lambda mode, until: dict(Bucket=bucket, Key="own", Retention={"Mode": mode, "RetainUntilDate": until})
    stranger.put_object_retention(**retain("GOVERNANCE", later(days=9)))
    refused("AccessDenied", 403, stranger.put_object_retention, **retain("GOVERNANCE", later(days=12)))
    refused("AccessDenied", 403, stranger.put_object, Bucket=bucket, Key="n", Body=b"x", ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=later(days=1))
    refused("AccessDenied", 403, stranger.delete_object, BypassGovernanceRetention=True, **named)
    policy(allow(["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]))
    until_told(stranger.get_object, lambda found: found == "AccessDenied", Bucket=bucket, Key="own")
    refused("AccessDenied", 403, stranger.delete_object, **named)
    stranger.delete_object(BypassGovernanceRetention=True, **named)
    refused("NoSuchVersion", 404, place.s3.get_object, **named)


@case("the administrator's command does not delete a bucket with locked versions")
def administration(place):
    bucket = place.locked_bucket()
    version = place.put(bucket, "k", b"x", ObjectLockLegalHoldStatus="ON")
    place.delete(bucket, "k")
    failed = place.cli("bucket", "delete", bucket, "--yes", check=False)
    true(failed.returncode != 0, f"it is refused: {failed.stdout}")
    place.stays(bucket, "k", version, b"x")


@case("a lock that was acknowledged outlives every deletion beside it")
def races(place):
    bucket = place.locked_bucket()
    kept = 0
    for number in range(8):
        version = place.put(bucket, f"k{number}", b"x")
        if number % 2:
            place.put(bucket, f"k{number}", b"newer")
        outcome, clients = {}, place.s3.clients
        named = dict(Bucket=bucket, Key=f"k{number}", VersionId=version)

        def attempt(name, call, **arguments):
            try:
                call(**named, **arguments)
                outcome[name] = "done"
            except clients[0].exceptions.ClientError as error:
                outcome[name] = error.response["Error"]["Code"]
            except Exception as error:  # noqa: BLE001
                outcome[name] = type(error).__name__

        threads = [
            threading.Thread(target=attempt, args=("delete", clients[number % len(clients)].delete_object)),
            threading.Thread(target=attempt, args=("hold", clients[-1].put_object_legal_hold),
                             kwargs={"LegalHold": {"Status": "ON"}}),
        ]
        for thread in threads[::1 if number % 4 < 2 else -1]:
            thread.start()
        for thread in threads:
            thread.join()
        if outcome["hold"] == "done":
            kept += 1
            found = place.get(bucket, f"k{number}", version)
            equal(found["ObjectLockLegalHoldStatus"], "ON", f"held: {outcome}")
            true(outcome["delete"] != "done", f"both: {outcome}")
    true(kept > 0, "some were locked in time")


def _alone(home):
    return Place([home.s3], _Cli(home.server.binary, home.server.config_path), lambda *key: [home.client(key_id=key[0], secret=key[1])])


def _of_homes(homes):
    nodes = homes.cluster.nodes
    return Place(homes.s3, _Cli(nodes[0].binary, nodes[0].config), lambda *key: [client_of(node, *key) for node in nodes])


case.add_to(SUITE, _alone)


@SUITE.case("what is locked comes with a checksum")
def checksums(home):
    place, bare = _alone(home), home.client(request_checksum_calculation="when_required")
    bucket, default = place.locked_bucket(), place.locked_bucket(Mode="GOVERNANCE", Days=1)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": later(hours=1)}
    for where, more in [(default, {}), (bucket, lock), (bucket, {"ObjectLockLegalHoldStatus": "ON"})]:
        refused("InvalidRequest", 400, bare.put_object, Bucket=where, Key="k", Body=b"x", **more)
        md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
        bare.put_object(Bucket=where, Key="k", Body=b"x", ContentMD5=md5, **more)
    bare.put_object(Bucket=bucket, Key="k", Body=b"x")
    upload = bare.create_multipart_upload(Bucket=default, Key="k")["UploadId"]
    part = dict(Bucket=default, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    refused("InvalidRequest", 400, bare.upload_part, **part)
    bare.upload_part(**part, ContentMD5=md5)


@SUITE.case("all of it on three homes, each call through another one")
def on_three_homes(home):
    with Homes(home) as homes:
        case.run_all(_of_homes(homes))


@SUITE.case("what is locked stays while each of three homes is killed and comes back")
def one_is_dead(home):
    with Homes(home) as homes:
        place = _of_homes(homes)
        bucket, versions = place.locked_bucket(), []
        for dead in range(3):
            homes.cluster.nodes[dead].stop(9)
            place.s3 = Turns([client for number, client in enumerate(homes.s3) if number != dead])
            version = place.put(bucket, "k", f"without {dead}".encode())
            place.hold(bucket, "k", version, "ON")
            versions.append(version)
            homes.restart(dead)
            # The one that was away has not heard of the lock yet when it is asked.
            refused("AccessDenied", 403, homes.s3[dead].delete_object, Bucket=bucket, Key="k", VersionId=version)
        place.s3 = Turns(homes.s3)
        for number, version in enumerate(versions):
            place.stays(bucket, "k", version, f"without {number}".encode())
