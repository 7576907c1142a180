"""Encryption by the server: by keys of customers, of the service, by named ones. Most cases run against one home, and
against three with every call through another one."""

import base64
import hashlib
import itertools
import os
import secrets
import signal
import subprocess
import time

from boto3_forms import _send
from boto3_versions import Turns
from home import Home, equal, refused, true
from server import Server
from suite import Cases, Suite
from three_homes import Homes

SUITE = Suite("boto3_encryption")
MIB = 1024 * 1024
TOLD_WITHIN_S = 20
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
# Beside the row; one block; exactly a block when sealed; a byte more; several.
SIZES = [0, 1, 70_000, MIB - 16, MIB - 15, 2 * MIB + 7]


def _body(size, seed=1):
    return (hashlib.sha512(str(seed).encode()).digest() * (size // 64 + 1))[:size]


def _customer(key, prefix=""):
    """The arguments by which boto3 sends a key; it adds the MD5."""
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


def _written(key):
    """The same where boto3 sends what it is given."""
    md5 = base64.b64encode(hashlib.md5(key).digest()).decode()
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(key).decode(), "SSECustomerKeyMD5": md5}


def _default(algorithm, key=None, **more):
    default = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": key} if key else {})}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default, **more}]}


class Place:
    """Where a case runs: clients, and the command line of a home."""

    _numbers = itertools.count(1)

    def __init__(self, clients, cli):
        self.s3, self.cli = Turns(clients), cli

    def bucket(self, configuration=None):
        name = f"encryption-{next(self._numbers)}"
        self.s3.create_bucket(Bucket=name)
        if configuration:
            self.s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=configuration)
            deadline = time.monotonic() + TOLD_WITHIN_S
            for client in self.s3.clients:
                while not self._is_told(client, name):
                    true(time.monotonic() < deadline, "a home does not hear of the setting")
                    time.sleep(0.05)
        return name

    @staticmethod
    def _is_told(client, bucket):
        try:
            return client.get_bucket_encryption(Bucket=bucket)
        except client.exceptions.ClientError:
            return False

    def named_key(self):
        name = f"key-{next(self._numbers)}"
        self.cli("encryption", "key", "create", name)
        return name

    def read(self, names, **more):
        return self.s3.get_object(**names, **more)["Body"].read()

    def multipart(self, names, parts, of_part=None, of_whole=None, **more):
        of_part = of_part or {}
        names = dict(names)
        names["UploadId"] = self.s3.create_multipart_upload(**names, **more)["UploadId"]
        sent = [self.s3.upload_part(**names, PartNumber=number, Body=part, **of_part) for number, part in enumerate(parts, 1)]
        listed = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate(sent, 1)]
        return self.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": listed}, **(of_whole or {}))


case = Cases()


@case("a customer's key: put, get, head, ranges, attributes, for every size")
def customer_key(place):
    bucket = place.bucket()
    for size in SIZES:
        names, body = dict(Bucket=bucket, Key=f"k{size}"), _body(size)
        put = place.s3.put_object(**names, Body=body, **_customer(KEY))
        md5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
        equal((put["SSECustomerAlgorithm"], put["SSECustomerKeyMD5"]), ("AES256", md5), "answer to put")
        true(hashlib.md5(body).hexdigest() not in put["ETag"], "the tag tells nothing")
        got = place.s3.get_object(**names, **_customer(KEY))
        equal((got["Body"].read() == body, got["ETag"]), (True, put["ETag"]), f"{size} bytes")
        head = place.s3.head_object(**names, **_customer(KEY))
        equal((head["ContentLength"], head["SSECustomerKeyMD5"]), (size, md5), "head")
        for first, last in [(0, 0), (size // 2, size - 1), (MIB - 20, MIB + 20), (MIB - 16, MIB - 16)]:
            if first < size and last < size:
                part = place.read(names, Range=f"bytes={first}-{last}", **_customer(KEY))
                equal(part, body[first : last + 1], f"bytes {first} to {last} of {size}")
        told = place.s3.get_object_attributes(**names, ObjectAttributes=["ETag", "ObjectSize"], **_written(KEY))
        equal((told["ObjectSize"], told["ETag"]), (size, put["ETag"].strip('"')), "attributes")
    sizes = {entry["Key"]: entry["Size"] for entry in place.s3.list_objects_v2(Bucket=bucket)["Contents"]}
    equal(sizes, {f"k{size}": size for size in SIZES}, "listed sizes")


@case("without the customer's key, or with another one, nothing is told")
def wrong_customer_key(place):
    bucket = place.bucket()
    names, plain = dict(Bucket=bucket, Key="k"), dict(Bucket=bucket, Key="plain")
    tag = place.s3.put_object(**names, Body=b"x" * 100, **_customer(KEY))["ETag"]
    place.s3.put_object(**plain, Body=b"x")
    attributes = lambda **more: place.s3.get_object_attributes(ObjectAttributes=["ETag"], **more)
    for read, sent in [(place.s3.get_object, _customer), (attributes, _written)]:
        refused("InvalidRequest", 400, read, **names)
        refused("AccessDenied", 403, read, **names, **sent(OTHER))
        refused("InvalidRequest", 400, read, **plain, **sent(KEY))
    refused("400", 400, place.s3.head_object, **names)
    refused("403", 403, place.s3.head_object, **names, **_customer(OTHER))
    refused("InvalidRequest", 400, place.s3.get_object, **names, IfNoneMatch=tag)
    refused("304", 304, place.s3.get_object, **names, IfNoneMatch=tag, **_customer(KEY))
    refused("PreconditionFailed", 412, place.s3.put_object, **names, IfNoneMatch="*", Body=b"", **_customer(KEY))
    target = dict(Bucket=bucket, Key="copy", CopySource=names)
    refused("InvalidRequest", 400, place.s3.copy_object, **target)
    refused("AccessDenied", 403, place.s3.copy_object, **target, **_customer(OTHER, "CopySource"))
    place.s3.put_object_tagging(**names, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    equal(place.read(names, **_customer(KEY)), b"x" * 100, "tags need no key and leave it alone")
    place.s3.delete_object(**names)


@case("the service's own key: by header and by the bucket's setting; the tag is the MD5")
def service_key(place):
    bucket, kept = place.bucket(), place.bucket(_default("AES256"))
    for size in SIZES:
        body = _body(size)
        for names, more in [(dict(Bucket=bucket, Key=f"k{size}"), {"ServerSideEncryption": "AES256"}), (dict(Bucket=kept, Key=f"k{size}"), {})]:
            put = place.s3.put_object(**names, Body=body, **more)
            tag = f'"{hashlib.md5(body).hexdigest()}"'
            equal((put["ServerSideEncryption"], put["ETag"]), ("AES256", tag), "answer to put")
            got = place.s3.get_object(**names, ChecksumMode="ENABLED")
            equal((got["Body"].read() == body, got["ServerSideEncryption"]), (True, "AES256"), f"{size} bytes")
            equal(place.s3.head_object(**names)["ServerSideEncryption"], "AES256", "head")
            if size > MIB:
                equal(place.read(names, Range="bytes=-9"), body[-9:], "the end")
                equal(place.read(names, Range=f"bytes={MIB - 18}-{MIB}"), body[MIB - 18 : MIB + 1], "across blocks")
    place.s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    true("ServerSideEncryption" not in place.s3.head_object(Bucket=bucket, Key="plain"), "nothing without being asked for")
    refused("InvalidEncryptionAlgorithmError", 400, place.s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="AES128")
    refused("NotImplemented", 501, place.s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms:dsse")
    refused("InvalidArgument", 400, place.s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="AES256", **_customer(KEY))
    refused("InvalidRequest", 400, place.s3.get_object, Bucket=kept, Key="k1", **_customer(KEY))


@case("the setting of a bucket: set, shown, replaced, removed, refused")
def setting(place):
    bucket = place.bucket()
    get = lambda: place.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    put = lambda configuration: place.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=configuration)
    code = "ServerSideEncryptionConfigurationNotFoundError"
    refused(code, 404, place.s3.get_bucket_encryption, Bucket=bucket)
    wanted = [_default("AES256"), _default("aws:kms", place.named_key(), BucketKeyEnabled=True), _default("aws:kms")]
    for number, configuration in enumerate(wanted):
        put(configuration)
        rule = {"BucketKeyEnabled": False, **configuration["Rules"][0]}
        deadline = time.monotonic() + TOLD_WITHIN_S
        while get() != [rule]:
            true(time.monotonic() < deadline, f"{get()} is not {rule}")
    bad = lambda configuration, code, status: refused(
        code, status, place.s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=configuration)
    bad(_default("aws:kms", "nobody"), "KMS.NotFoundException", 400)
    bad(_default("AES256", "key"), "InvalidArgument", 400)
    bad(_default("aws:kms:dsse"), "NotImplemented", 501)
    bad(_default("ROT13"), "MalformedXML", 400)
    blocked = place.bucket({"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}]})
    refused("AccessDenied", 403, place.s3.put_object, Bucket=blocked, Key="k", Body=b"", **_customer(KEY))
    place.s3.put_object(Bucket=blocked, Key="k", Body=b"")
    place.s3.delete_bucket_encryption(Bucket=bucket)
    place.s3.delete_bucket_encryption(Bucket=bucket)


@case("multipart uploads: parts, ranges across them, part numbers, parts that are sent again, checksums")
def multipart(place):
    bucket, body = place.bucket(), [_body(5 * MIB + 3, 1), _body(5 * MIB, 2), _body(77, 3)]
    whole = b"".join(body)
    for name, more, of_part, shown in [
        ("service", {"ServerSideEncryption": "AES256"}, {}, {}), ("customer", _customer(KEY), _customer(KEY), _written(KEY)),
    ]:
        names = dict(Bucket=bucket, Key=name)
        done = place.multipart(names, body, of_part, shown, ChecksumAlgorithm="CRC32", **more)
        true("ChecksumCRC32" in done, f"{name}: the checksum of the whole")
        got = place.s3.get_object(**names, ChecksumMode="ENABLED", **of_part)
        true(got["Body"].read() == whole and got["ETag"] == done["ETag"], f"{name}: the whole")
        equal(done.get("ServerSideEncryption"), more.get("ServerSideEncryption"), f"{name}: the answer to the completion")
        true(got["ETag"].endswith('-3"') and "ChecksumCRC32" in got, f"{name}: {got['ETag']}")
        at = 5 * MIB
        for first, last in [(at, at + 5), (at - MIB, at + MIB), (2 * at, len(whole) - 1), (2 * at + 3, 2 * at + 3)]:
            true(place.read(names, Range=f"bytes={first}-{last}", **of_part) == whole[first : last + 1], f"{name}: {first} to {last}")
        for number, part in enumerate(body, 1):
            true(place.read(names, PartNumber=number, **of_part) == part, f"{name}: part {number}")
        parts = place.s3.get_object_attributes(**names, ObjectAttributes=["ObjectParts"], **shown)["ObjectParts"]
        equal([part["Size"] for part in parts["Parts"]], [len(part) for part in body], "sizes of parts")


@case("checksums that clients ask for are shown to who has the key, and are made of the parts' with it alone")
def checksums(place):
    bucket = place.bucket()
    names = dict(Bucket=bucket, Key="whole")
    put = place.s3.put_object(**names, Body=b"content", ChecksumAlgorithm="SHA256", **_customer(KEY))
    wanted = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    equal(put["ChecksumSHA256"], wanted, "answer to put")
    for call in [place.s3.head_object, place.s3.get_object]:
        equal(call(**names, ChecksumMode="ENABLED", **_customer(KEY))["ChecksumSHA256"], wanted, "shown")
    attributes = place.s3.get_object_attributes(**names, ObjectAttributes=["Checksum"], **_written(KEY))
    equal(attributes["Checksum"]["ChecksumSHA256"], wanted, "attributes")
    equal(place.s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"], ["SHA256"], "listed")
    for target in [KEY, OTHER]:
        copied = dict(Bucket=bucket, Key="copied")
        place.s3.copy_object(
            **copied, CopySource=names, ChecksumAlgorithm="SHA256", **_customer(target), **_customer(KEY, "CopySource")
        )
        shown = place.s3.head_object(**copied, ChecksumMode="ENABLED", **_customer(target))
        equal(shown["ChecksumSHA256"], wanted, "of a copy")
    names = dict(Bucket=bucket, Key="parts")
    begun = {**names, "UploadId": place.s3.create_multipart_upload(**names, ChecksumAlgorithm="SHA256", **_customer(KEY))["UploadId"]}
    sent = place.s3.upload_part(**begun, PartNumber=1, Body=b"part", ChecksumAlgorithm="SHA256", **_customer(KEY))
    of_part = base64.b64encode(hashlib.sha256(b"part").digest()).decode()
    true("ChecksumSHA256" not in place.s3.list_parts(**begun)["Parts"][0], "without the key it is not told")
    equal(place.s3.list_parts(**begun, **_written(KEY))["Parts"][0]["ChecksumSHA256"], of_part, "with it it is")
    listed = lambda checksum: {"Parts": [{"PartNumber": 1, "ETag": sent["ETag"], "ChecksumSHA256": checksum}]}
    complete = place.s3.complete_multipart_upload
    refused("InvalidRequest", 400, complete, **begun, MultipartUpload=listed(of_part))
    refused("InvalidPart", 400, complete, **begun, MultipartUpload=listed(wanted), **_written(KEY))
    done = complete(**begun, MultipartUpload=listed(of_part), **_written(KEY))
    composite = base64.b64encode(hashlib.sha256(hashlib.sha256(b"part").digest()).digest()).decode() + "-1"
    equal(done["ChecksumSHA256"], composite, "of the whole")
    shown = place.s3.head_object(**names, ChecksumMode="ENABLED", **_customer(KEY))
    equal(shown["ChecksumSHA256"], composite, "of the whole")
    parts = place.s3.get_object_attributes(**names, ObjectAttributes=["ObjectParts"], **_written(KEY))["ObjectParts"]["Parts"]
    equal(parts[0]["ChecksumSHA256"], of_part, "attributes of the part")


@case("parts must come with the key of their upload")
def keys_of_parts(place):
    names = dict(Bucket=place.bucket(), Key="k")
    upload = lambda **more: {**names, "UploadId": place.s3.create_multipart_upload(**names, **more)["UploadId"]}
    part = lambda of, **more: place.s3.upload_part(**of, PartNumber=1, Body=b"part", **more)
    sealed, plain = upload(**_customer(KEY)), upload()
    refused("InvalidRequest", 400, part, of=sealed)
    refused("InvalidRequest", 400, part, of=sealed, **_customer(OTHER))
    refused("InvalidRequest", 400, part, of=plain, **_customer(KEY))
    for _ in range(2):
        tag = part(sealed, **_customer(KEY))["ETag"]
    equal([listed["ETag"] for listed in place.s3.list_parts(**sealed)["Parts"]], [tag], "listed")
    done = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    refused("InvalidRequest", 400, place.s3.complete_multipart_upload, **sealed, MultipartUpload=done, **_written(OTHER))
    refused("InvalidRequest", 400, place.s3.list_parts, **sealed, **_written(OTHER))
    place.s3.complete_multipart_upload(**sealed, MultipartUpload=done, **_written(KEY))
    equal(place.read(names, **_customer(KEY)), b"part", "sent twice")


@case("copies from every kind of encryption to every other, and of parts")
def copies(place):
    bucket, named = place.bucket(), place.named_key()
    kinds = {
        "plain": ({}, {}, {}),
        "service": ({"ServerSideEncryption": "AES256"}, {}, {}),
        "named": ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": named}, {}, {}),
        "key": (_customer(KEY), _customer(KEY), _customer(KEY, "CopySource")),
        "other": (_customer(OTHER), _customer(OTHER), _customer(OTHER, "CopySource")),
    }

    def copy(names, origin, target, body):
        made, (write, read, _) = dict(Bucket=bucket, Key=f"{names['Key']}-{target}"), kinds[target]
        answer = place.s3.copy_object(**made, CopySource=names, **write, **kinds[origin][2])
        got = place.s3.get_object(**made, **read)
        true(got["Body"].read() == body, f"{made['Key']}")
        equal(got["ETag"], answer["CopyObjectResult"]["ETag"], f"tag of {made['Key']}")
        equal(got.get("ServerSideEncryption"), write.get("ServerSideEncryption"), f"method of {made['Key']}")
        if target in ["key", "other"]:
            refused("InvalidRequest", 400, place.s3.get_object, **made)
        return made

    body = _body(100)
    for origin, (write, _, source) in kinds.items():
        names = dict(Bucket=bucket, Key=origin)
        place.s3.put_object(**names, Body=body, **write)
        for target in kinds:
            copy(names, origin, target, body)
        part = dict(Bucket=bucket, Key=f"{origin}-part")
        part["UploadId"] = place.s3.create_multipart_upload(**part, **_customer(KEY))["UploadId"]
        made = place.s3.upload_part_copy(
            **part, PartNumber=1, CopySource=names, CopySourceRange="bytes=10-59", **_customer(KEY), **source)
        place.s3.complete_multipart_upload(
            **part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": made["CopyPartResult"]["ETag"]}]})
        del part["UploadId"]
        equal(place.read(part, **_customer(KEY)), body[10:60], f"part of {origin}")
    names, origin, body = dict(Bucket=bucket, Key="large"), "plain", _body(3 * MIB // 2)
    place.s3.put_object(**names, Body=body)
    for target in ["service", "service", "key", "key", "other", "named", "plain"]:
        names, origin = copy(names, origin, target, body), target
    names = dict(Bucket=bucket, Key="plain")
    refused("InvalidRequest", 400, place.s3.copy_object, **names, CopySource=names)
    place.s3.copy_object(**names, CopySource=names, ServerSideEncryption="AES256")
    equal(place.s3.head_object(**names)["ServerSideEncryption"], "AES256", "encrypted where it lies")
    equal(place.read(names), _body(100), "and the same")


@case("a copy of a multipart object that keeps its key keeps its parts")
def copy_of_parts(place):
    source, body = dict(Bucket=place.bucket(), Key="k"), [_body(5 * MIB, 1), _body(9, 2)]
    place.multipart(source, body, _customer(KEY), **_customer(KEY))
    for key in [KEY, OTHER]:
        copy = dict(source, Key="copy")
        place.s3.copy_object(**copy, CopySource=source, **_customer(key), **_customer(KEY, "CopySource"))
        true(place.read(copy, **_customer(key)) == b"".join(body), "the whole")
        true(place.read(copy, Range=f"bytes={5 * MIB - 2}-", **_customer(key)) == b"".join(body)[5 * MIB - 2 :], "the seam")
        tag = place.s3.head_object(**copy, **_customer(key))["ETag"]
        equal('-2"' in tag, key == KEY, f"parts in the tag {tag}")


@case("named keys, and the ring is turned: what is there stays readable")
def named_keys(place):
    bucket, named = place.bucket(), place.named_key()
    kms = {"ServerSideEncryption": "aws:kms"}
    objects = {}

    def put(key, asked, shown):
        body = key.encode() * 50
        put = place.s3.put_object(Bucket=bucket, Key=key, Body=body, **asked)
        equal((put["ServerSideEncryption"], put.get("SSEKMSKeyId")), shown, f"answer to {key}")
        objects[key] = (body, shown)

    for turn in range(3):
        put(f"own-{turn}", {"ServerSideEncryption": "AES256"}, ("AES256", None))
        put(f"default-{turn}", kms, ("aws:kms", "aws/s3"))
        put(f"named-{turn}", {**kms, "SSEKMSKeyId": named}, ("aws:kms", named))
        put(f"arn-{turn}", {**kms, "SSEKMSKeyId": f"arn:aws:kms:us-east-1:1:key/{named}", "BucketKeyEnabled": True}, ("aws:kms", named))
        place.cli("encryption", "rotate")
        place.cli("encryption", "rotate", named)
        for key, (body, shown) in objects.items():
            got = place.s3.get_object(Bucket=bucket, Key=key)
            equal((got["Body"].read(), (got["ServerSideEncryption"], got.get("SSEKMSKeyId"))), (body, shown), key)
    equal(place.s3.head_object(Bucket=bucket, Key="arn-0")["BucketKeyEnabled"], True, "shown again")
    listed = place.cli("encryption", "list")
    equal([line.split()[-1] for line in listed.splitlines() if f" {named} " in line], ["decrypts"] * 3 + ["encrypts"], listed)
    put = lambda name: place.s3.put_object(Bucket=bucket, Key="k", Body=b"", **kms, SSEKMSKeyId=name)
    refused("KMS.NotFoundException", 400, put, name="nobody")
    refused("InvalidArgument", 400, place.s3.put_object, Bucket=bucket, Key="k", Body=b"", SSEKMSKeyId=named)
    refused("NotImplemented", 501, place.s3.put_object, Bucket=bucket, Key="k", Body=b"", **kms, SSEKMSEncryptionContext="e30=")


@case("versions of a key are each encrypted in their own way")
def versions(place):
    bucket = place.bucket()
    place.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    deadline = time.monotonic() + TOLD_WITHIN_S
    for client in place.s3.clients:
        while client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            true(time.monotonic() < deadline, "a home does not hear of versions")
    made = []
    for more, read in [({}, {}), (_customer(KEY), _customer(KEY)), ({"ServerSideEncryption": "AES256"}, {}), (_customer(OTHER), _customer(OTHER))]:
        body = _body(100, len(made))
        made.append((place.s3.put_object(Bucket=bucket, Key="k", Body=body, **more)["VersionId"], body, read))
    for version, body, read in made:
        equal(place.read(dict(Bucket=bucket, Key="k"), VersionId=version, **read), body, "a version")
    refused("AccessDenied", 403, place.s3.get_object, Bucket=bucket, Key="k", VersionId=made[1][0], **_customer(OTHER))


class Sealed:
    """A home with a secret of its own, and what it takes to start it again otherwise."""

    def __init__(self, home, secret=True):
        self.folder = home.folder("sealed")
        self.file = self.folder / "elsewhere" / "secret"
        self.file.parent.mkdir()
        self.server = Server(home.server.binary, self.folder / "server", extra_config=f'encryption_secret_file = "{self.file}"')
        self.server.config_path.chmod(0o600)
        if secret:
            self.cli("encryption", "new-secret", str(self.file))

    def __enter__(self):
        self.server.start()
        self.home = Home(self.server, self.folder / "work")
        return self

    def __exit__(self, *_):
        self.server.kill()

    def cli(self, *words):
        command = [str(self.server.binary), "-c", str(self.server.config_path), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def again(self):
        self.server.kill()
        self.server.start()


@SUITE.case("all of it on one home")
def on_one_home(home):
    with Sealed(home) as sealed:
        _run_all(Place([sealed.home.s3], sealed.cli))


@SUITE.case("all of it on three homes, of which one was given the secret, each call through another one")
def on_three_homes(home):
    with _three(home) as homes:
        _wait_until_told(homes)
        _run_all(Place(homes.s3, homes.cluster.nodes[1].cli))


def _run_all(place):
    case.run_all(place)


def _three(home):
    homes = Homes(home)
    files = [homes.cluster.folder / f"secret{number}" for number in range(2)]
    files[0].write_text(secrets.token_hex(32))
    files[0].chmod(0o600)
    # The first has it, the second has a place for it, the third has neither.
    for node, file in zip(homes.cluster.nodes, files):
        node.around = {"GARAGE_ENCRYPTION_SECRET_FILE": str(file)}
    homes.files = files
    return homes


def _wait_until_told(homes):
    deadline = time.monotonic() + TOLD_WITHIN_S
    for node in homes.cluster.nodes:
        while '"hasSecret": true' not in node.cli("json-api", "ListEncryptionKeys"):
            true(time.monotonic() < deadline, "a home is not told the secret")
            time.sleep(0.1)


@SUITE.case("homes tell each other the secret; who was told keeps it where the configuration says")
def told(home):
    with _three(home) as homes:
        put = lambda number: homes.s3[number].put_object(
            Bucket=homes.bucket, Key=f"k{number}", Body=b"through %d" % number, ServerSideEncryption="AES256")
        _wait_until_told(homes)
        for number in range(3):
            put(number)
        equal(homes.files[1].read_text().strip(), homes.files[0].read_text().strip(), "kept by the second")
        equal(homes.files[1].stat().st_mode & 0o777, 0o600, "for itself")
        for node in homes.cluster.nodes:
            node.stop(signal.SIGKILL)
        # Two homes are enough, one of which has it in its file.
        for number in [1, 2]:
            homes.cluster.nodes[number].start()
        for number in [1, 2]:
            homes.cluster.nodes[number].wait_until_up()
        homes.wait_until_serving(homes.cluster.nodes[1:])
        for number in [1, 2]:
            for key in range(3):
                body = _patiently(lambda: homes.s3[number].get_object(Bucket=homes.bucket, Key=f"k{key}")["Body"].read())
                equal(body, b"through %d" % key, f"key {key} through home {number}")


def _patiently(call):
    """A home that has just started is told the secret a moment later; until then it says 503."""
    from botocore.exceptions import ClientError

    deadline = time.monotonic() + TOLD_WITHIN_S
    while True:
        try:
            return call()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@SUITE.case("a second secret is not taken for the cluster's")
def two_secrets(home):
    with _three(home) as homes:
        third = homes.cluster.nodes[2]
        homes.s3[0].put_object(Bucket=homes.bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")
        third.stop()
        third.around = {"GARAGE_ENCRYPTION_SECRET": secrets.token_hex(32)}
        homes.restart(2)
        # It is told the cluster's, and what it was given wraps nothing.
        equal(_patiently(lambda: homes.s3[2].get_object(Bucket=homes.bucket, Key="k")["Body"].read()), b"x", "read by the cluster's")
        homes.s3[2].put_object(Bucket=homes.bucket, Key="l", Body=b"x", ServerSideEncryption="AES256")
        third.cli("encryption", "rotate")
        homes.s3[2].put_object(Bucket=homes.bucket, Key="m", Body=b"x", ServerSideEncryption="AES256")
        for key in "klm":
            equal(homes.s3[1].get_object(Bucket=homes.bucket, Key=key)["Body"].read(), b"x", "through the others")
        true("does not open the ring" in third.log_path.read_text(), "the log says that its own is another one")


@SUITE.case("the secret is changed while a home is away: what is there stays readable, and the old secret opens nothing")
def change_secret(home):
    with _three(home) as homes:
        _wait_until_told(homes)
        put = lambda key, through: homes.s3[through].put_object(
            Bucket=homes.bucket, Key=key, Body=key.encode(), ServerSideEncryption="AES256")
        get = lambda key, through: homes.s3[through].get_object(Bucket=homes.bucket, Key=key)["Body"].read()
        put("before", 0)
        old = homes.files[0].read_text().strip()
        first, second, third = homes.cluster.nodes
        third.stop(signal.SIGKILL)
        next_file = homes.cluster.folder / "next"
        first.cli("encryption", "new-secret", str(next_file))
        said = first.cli("encryption", "change-secret", str(next_file))
        true("anew: 1" in said and said.count("has it in its file") == 2 and said.count("away") == 1, said)
        new = next_file.read_text().strip()
        for file in homes.files:
            equal(file.read_text().split(), [new, old], "the new secret stands before the old one")
        put("while away", 1)
        homes.restart(2)
        for key in ["before", "while away"]:
            equal(_patiently(lambda: get(key, 2)), key.encode(), "through the home that was away")
        put("after", 2)
        # From now on the new one is enough, and the old one is not.
        for node in homes.cluster.nodes:
            node.stop()
        homes.files[0].write_text(new)
        homes.files[1].write_text(old)
        second.start()
        second.wait_until_up()
        true("not opened" in second.cli("encryption", "list"), "the old secret opens nothing")
        for number in [0, 2]:
            homes.restart(number)
        for key in ["before", "while away", "after"]:
            for through in range(3):
                equal(_patiently(lambda: get(key, through)), key.encode(), f"{key} through {through}")
        true("anew: 0" in first.cli("encryption", "change-secret", str(next_file)), "asked for again there is nothing to do")
        failed = first.try_cli("encryption", "change-secret", str(first.config))
        true(failed.returncode == 1 and "64 hexadecimal digits" in failed.stderr, failed.stderr)


@SUITE.case("no byte of what is encrypted is on the disk, nor the keys, nor in the log")
def nothing_in_clear(home):
    with Sealed(home) as sealed:
        sealed.server.kill()
        os.environ["RUST_LOG"] = "trace"
        try:
            sealed.server.start()
        finally:
            del os.environ["RUST_LOG"]
        s3, bucket = sealed.home.s3, sealed.home.new_bucket("marker")
        marker, plain = secrets.token_hex(16).encode(), secrets.token_hex(16).encode()
        place, key, other = Place([s3], sealed.cli), secrets.token_bytes(32), secrets.token_bytes(32)
        named = place.named_key()
        for size in [0, 100_000, 2 * MIB]:
            body = (marker + b"." * 1000) * (size // 1000 + 1)
            for number, more in enumerate([_customer(key), {"ServerSideEncryption": "AES256"}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": named}]):
                names = dict(Bucket=bucket, Key=f"k{size}-{number}")
                s3.put_object(**names, Body=body, **more)
                source = _customer(key, "CopySource") if number == 0 else {}
                s3.copy_object(Bucket=bucket, Key=f"{names['Key']}-copy", CopySource=names, **_customer(other), **source)
        body = (marker + b"." * 1000) * 6000
        place.multipart(dict(Bucket=bucket, Key="parts"), [body, body[:5000]], **{"ServerSideEncryption": "AES256"})
        s3.put_object(Bucket=bucket, Key="plain", Body=plain)
        s3.put_object(Bucket=bucket, Key="plain-blocks", Body=secrets.token_bytes(99_999) + plain)
        sealed.server.stop()
        secret = sealed.file.read_text().strip()
        never = [marker, key, other, bytes.fromhex(secret), secret.encode()]
        never += [base64.b64encode(one) for one in [key, other]]
        seen = 0
        for path in (sealed.folder / "server").rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                seen += plain in content
                for word in never:
                    true(word not in content, f"{word!r} is in {path}")
        true(seen >= 2, "the search finds what is not encrypted")


@SUITE.case("without a secret: keys of customers work, all else is refused; with it again, all is there")
def without_secret(home):
    with Sealed(home, secret=False) as sealed:
        s3, bucket = sealed.home.s3, sealed.home.new_bucket("none")
        s3.put_object(Bucket=bucket, Key="customer", Body=b"x", **_customer(KEY))
        put = lambda **more: s3.put_object(Bucket=bucket, Key="k", Body=b"x", **more)
        for more in [{"ServerSideEncryption": "AES256"}, {"ServerSideEncryption": "aws:kms"}]:
            refused("NotImplemented", 501, put, **more)
        refused("NotImplemented", 501, s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=_default("AES256"))
        sealed.cli("encryption", "new-secret", str(sealed.file))
        again = [str(sealed.server.binary), "encryption", "new-secret", str(sealed.file)]
        true("left as it is" in subprocess.run(again, capture_output=True, text=True).stderr, "never replaced")
        sealed.again()
        put(ServerSideEncryption="AES256")
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=_default("AES256"))
        secret = sealed.file.rename(sealed.file.with_name("away"))
        sealed.again()
        refused("ServiceUnavailable", 503, s3.get_object, Bucket=bucket, Key="k")
        refused("ServiceUnavailable", 503, put)
        equal(s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"], "AES256", "what needs no key")
        equal(s3.get_object(Bucket=bucket, Key="customer", **_customer(KEY))["Body"].read(), b"x", "of the customer")
        secret.rename(sealed.file)
        sealed.again()
        equal(s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"x", "with the secret again")


@SUITE.case("upload forms and presigned requests; what a policy demands")
def forms(home):
    with Sealed(home) as sealed:
        s3, bucket = sealed.home.s3, sealed.home.new_bucket("form")
        wanted = {"x-amz-server-side-encryption": "AES256"}
        prepared = s3.generate_presigned_post(bucket, "k", Fields=wanted, Conditions=[wanted])
        equal(_send(sealed.home, prepared).status, 204, "a form")
        equal(s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"], "AES256", "of a form")
        equal(s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"picture", "file of a form")
        md5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
        wanted = {"x-amz-server-side-encryption-customer-algorithm": "AES256", "x-amz-server-side-encryption-customer-key": base64.b64encode(KEY).decode(), "x-amz-server-side-encryption-customer-key-MD5": md5}
        prepared = s3.generate_presigned_post(bucket, "c", Fields=wanted, Conditions=[{name: value} for name, value in wanted.items()])
        equal(_send(sealed.home, prepared).status, 204, "a form with a key")
        equal(s3.get_object(Bucket=bucket, Key="c", **_customer(KEY))["Body"].read(), b"picture", "file of that form")
        deny = lambda condition: {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": condition}
        import json
        statements = [deny({"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "AES256"}}), deny({"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}})]
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
        put = lambda **more: s3.put_object(Bucket=bucket, Key="p", Body=b"x", **more)
        refused("AccessDenied", 403, put, ServerSideEncryption="aws:kms")
        refused("AccessDenied", 403, put, **_customer(KEY))
        put(ServerSideEncryption="AES256")


@SUITE.case("keys of customers that are none")
def bad_customer_keys(home):
    from signing import send

    bucket, names = home.new_bucket("badkey"), "x-amz-server-side-encryption-customer-"
    good = {"algorithm": "AES256", "key": base64.b64encode(KEY).decode(), "key-md5": base64.b64encode(hashlib.md5(KEY).digest()).decode()}
    short = base64.b64encode(KEY[:16]).decode()
    for change, code in [
        ({"algorithm": None}, "InvalidArgument"), ({"key": None}, "InvalidArgument"), ({"key-md5": None}, "InvalidArgument"),
        ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError"), ({"key": short}, "InvalidArgument"),
        ({"key": "no base64!"}, "InvalidArgument"), ({"key-md5": good["key"]}, "InvalidArgument"),
    ]:
        headers = {names + name: value for name, value in {**good, **change}.items() if value is not None}
        answer = send(home, "PUT", f"/{bucket}/k", headers=headers, body=b"x")
        equal((answer.status, answer.code()), (400, code), f"{change}")
        true(good["key"].encode() not in answer.body or change.get("key-md5"), "the key is not repeated")
    equal(send(home, "PUT", f"/{bucket}/k", headers={names + name: value for name, value in good.items()}, body=b"x").status, 200, "good")
