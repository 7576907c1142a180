"""Access control lists: canned, by grants and by document, on buckets and objects; object ownership."""

import subprocess

from home import equal, refused, true
from signing import exchange
from suite import Suite

SUITE = Suite("boto3 access control lists")
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
KEYS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


def _anonymous(home, method, path, body=b""):
    return exchange(home.port, method, path, {"host": f"127.0.0.1:{home.port}"}, body)


def _status(home, bucket, key="k", method="GET"):
    return _anonymous(home, method, f"/{bucket}/{key}").status


def _other(home):
    """Somebody with a key and no grant: the key's id and a client."""

    def cli(*words):
        command = [str(home.server.binary), "-c", str(home.server.config_path), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    name = home.unique("other")
    cli("key", "create", name)
    lines = cli("key", "info", name, "--show-secret").splitlines()
    key_id, secret = lines[1].split()[-1], lines[3].split()[-1]
    return key_id, home.client(key_id=key_id, secret=secret)


def _granted(home, bucket, *rights):
    """Somebody with a key that has these rights on the bucket: the key's id and a client."""
    key_id, client = _other(home)
    command = [str(home.server.binary), "-c", str(home.server.config_path), "bucket", "allow", bucket, "--key", key_id]
    subprocess.run([*command, *(f"--{right}" for right in rights)], check=True, capture_output=True, timeout=60)
    return key_id, client


def _grants(answer):
    """Who is granted what: a group by the end of its address, a user by the id."""
    whom = lambda grantee: grantee.get("URI", "").rsplit("/", 1)[-1] or grantee["ID"]
    return [(whom(grant["Grantee"]), grant["Permission"]) for grant in answer["Grants"]]


def _owner(home, bucket):
    return home.s3.get_bucket_acl(Bucket=bucket)["Owner"]


@SUITE.case("an object that is put public-read can be read by everybody")
def canned(home):
    bucket = home.new_bucket("acl")
    owner = _owner(home, bucket)["ID"]
    for acl, more, status in [
        (None, [], 403), ("private", [], 403), ("public-read", [("AllUsers", "READ")], 200),
        ("public-read-write", [("AllUsers", "READ"), ("AllUsers", "WRITE")], 200),
        ("authenticated-read", [("AuthenticatedUsers", "READ")], 403),
        ("bucket-owner-read", [], 403), ("bucket-owner-full-control", [], 403), ("aws-exec-read", [], 403),
    ]:
        home.s3.put_object(Bucket=bucket, Key="k", Body=b"x", **({"ACL": acl} if acl else {}))
        equal(_grants(home.s3.get_object_acl(Bucket=bucket, Key="k")), [(owner, "FULL_CONTROL"), *more], f"grants of {acl}")
        equal((_status(home, bucket), _status(home, bucket, method="HEAD")), (status, status), f"anonymous, {acl}")
    equal(_anonymous(home, "DELETE", f"/{bucket}/k").status, 403, "to read is not to delete")
    equal(_status(home, bucket, "missing"), 403, "who may not list is not told what is missing")


@SUITE.case("multipart uploads and copies have the list that they are given, and no other")
def carried(home):
    bucket = home.new_bucket("aclcarried")
    names = dict(Bucket=bucket, Key="parts")
    names["UploadId"] = home.s3.create_multipart_upload(**names, ACL="public-read")["UploadId"]
    part = home.s3.upload_part(**names, PartNumber=1, Body=b"parts")["ETag"]
    home.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    equal(_anonymous(home, "GET", f"/{bucket}/parts").body, b"parts", "multipart")
    source = {"Bucket": bucket, "Key": "parts"}
    home.s3.copy_object(Bucket=bucket, Key="bare", CopySource=source)
    home.s3.copy_object(Bucket=bucket, Key="given", CopySource=source, ACL="public-read")
    equal((_status(home, bucket, "bare"), _status(home, bucket, "given")), (403, 200), "copies")
    home.s3.put_object_tagging(**source, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    equal(_status(home, bucket, "parts"), 200, "tags leave the list alone")
    home.s3.put_object(**source, Body=b"again")
    equal(_status(home, bucket, "parts"), 403, "a new object has the usual list")


@SUITE.case("an application hides what it has published, and shows it again")
def suspended(home):
    bucket = home.new_bucket("aclapp")
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"media", ACL="public-read")
    before = home.s3.head_object(Bucket=bucket, Key="k")
    for acl, status in [("private", 403), ("public-read", 200), ("private", 403)]:
        home.s3.put_object_acl(Bucket=bucket, Key="k", ACL=acl)
        equal(_status(home, bucket), status, acl)
    after = home.s3.head_object(Bucket=bucket, Key="k")
    equal((after["LastModified"], after["ETag"]), (before["LastModified"], before["ETag"]), "time and ETag")
    refused("NoSuchKey", 404, home.s3.put_object_acl, Bucket=bucket, Key="none", ACL="private")


@SUITE.case("grants to a key, by header and by document")
def grants(home):
    bucket = home.new_bucket("aclgrant")
    owner = _owner(home, bucket)
    key_id, other = _other(home)
    object = dict(Bucket=bucket, Key="k")
    home.s3.put_object(**object, Body=b"x", GrantRead=f'id="{key_id}"')
    equal(_grants(home.s3.get_object_acl(**object)), [(key_id, "READ")], "only what the header says")
    equal(other.get_object(**object)["Body"].read(), b"x", "read")
    equal(_status(home, bucket), 403, "others")
    refused("AccessDenied", 403, other.get_object_acl, **object)
    refused("AccessDenied", 403, other.put_object, **object, Body=b"y")
    user = {"Type": "CanonicalUser", "ID": key_id, "DisplayName": "ignored"}
    policy = {"Owner": owner, "Grants": [
        {"Grantee": user, "Permission": "READ_ACP"}, {"Grantee": user, "Permission": "WRITE_ACP"},
        {"Grantee": {"Type": "Group", "URI": KEYS}, "Permission": "READ"}]}
    home.s3.put_object_acl(**object, AccessControlPolicy=policy)
    shown = other.get_object_acl(**object)
    equal(_grants(shown), [(key_id, "READ_ACP"), (key_id, "WRITE_ACP"), ("AuthenticatedUsers", "READ")], "document")
    equal(other.get_object(**object)["Body"].read(), b"x", "by the group")
    other.put_object_acl(**object, ACL="private")
    refused("AccessDenied", 403, other.get_object, **object)
    policy["Owner"] = {"ID": key_id}
    refused("AccessDenied", 403, home.s3.put_object_acl, **object, AccessControlPolicy=policy)


@SUITE.case("the list of a bucket: listing, writing, and its own list")
def buckets(home):
    key_id, other = _other(home)
    bucket = home.unique("aclbucket")
    home.s3.create_bucket(Bucket=bucket, ACL="public-read")
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    true(b"<Key>k</Key>" in _anonymous(home, "GET", f"/{bucket}?list-type=2").body, "listed")
    equal((_status(home, bucket), _status(home, bucket, "missing")), (403, 404), "to list is not to read")
    home.s3.put_bucket_acl(Bucket=bucket, GrantWrite=f"id={key_id}", GrantReadACP=f"id={key_id}")
    equal(_grants(other.get_bucket_acl(Bucket=bucket)), [(key_id, "WRITE"), (key_id, "READ_ACP")], "grants")
    other.put_object(Bucket=bucket, Key="theirs", Body=b"y")
    equal(home.s3.get_object_acl(Bucket=bucket, Key="theirs")["Owner"]["ID"], key_id, "belongs to the writer")
    equal(other.get_object(Bucket=bucket, Key="theirs")["Body"].read(), b"y", "who may read it")
    equal(home.s3.get_object(Bucket=bucket, Key="theirs")["Body"].read(), b"y", "and so may keys with a grant")
    refused("AccessDenied", 403, other.get_object, Bucket=bucket, Key="k")
    refused("AccessDenied", 403, other.list_objects_v2, Bucket=bucket)
    refused("AccessDenied", 403, other.put_bucket_acl, Bucket=bucket, ACL="public-read")
    refused("AccessDenied", 403, other.put_object, Bucket=bucket, Key="k", Body=b"y")
    refused("AccessDenied", 403, other.delete_object, Bucket=bucket, Key="k")
    other.put_object(Bucket=bucket, Key="theirs", Body=b"z")
    other.delete_object(Bucket=bucket, Key="theirs")
    other.put_object(Bucket=bucket, Key="theirs", Body=b"z")
    home.s3.put_bucket_acl(Bucket=bucket, ACL="private")
    refused("AccessDenied", 403, other.delete_object, Bucket=bucket, Key="theirs")
    equal(_grants(home.s3.get_bucket_acl(Bucket=bucket)), [(_owner(home, bucket)["ID"], "FULL_CONTROL")], "private")


@SUITE.case("ownership: enforced, preferred, the writer's")
def ownership(home):
    own = lambda word: home.s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": word}]})
    bucket = home.unique("aclown")
    home.s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced")
    rules = home.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    equal(rules, [{"ObjectOwnership": "BucketOwnerEnforced"}], "as created")
    for acl in ["private", "bucket-owner-full-control"]:
        home.s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL=acl)
    for call, more in [(home.s3.put_object, {"Key": "k"}), (home.s3.put_object_acl, {"Key": "k"}), (home.s3.put_bucket_acl, {})]:
        refused("AccessControlListNotSupported", 400, call, Bucket=bucket, ACL="public-read", **more)
    key_id, other = _other(home)
    owner = _owner(home, bucket)["ID"]
    for word, acl, wanted in [("ObjectWriter", "bucket-owner-full-control", key_id), ("BucketOwnerPreferred", "private", key_id),
                              ("BucketOwnerPreferred", "bucket-owner-full-control", owner)]:
        own(word)
        home.s3.put_bucket_acl(Bucket=bucket, GrantWrite=f"id={key_id}")
        home.s3.delete_object(Bucket=bucket, Key="k")
        other.put_object(Bucket=bucket, Key="k", Body=b"x", ACL=acl)
        equal(home.s3.get_object_acl(Bucket=bucket, Key="k")["Owner"]["ID"], wanted, f"{word}, {acl}")
    refused("InvalidBucketAclWithObjectOwnership", 400, own, word="BucketOwnerEnforced")
    refused("InvalidBucketAclWithObjectOwnership", 400, home.s3.create_bucket, Bucket=home.unique("aclbad"),
            ObjectOwnership="BucketOwnerEnforced", ACL="public-read")


@SUITE.case("public lists are blocked, and ignored")
def blocked(home):
    bucket = home.new_bucket("aclblock")
    block = lambda **flags: home.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=flags)
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    block(BlockPublicAcls=True)
    equal(_status(home, bucket), 200, "what is set stays")
    for acl in ["public-read", "authenticated-read"]:
        refused("AccessDenied", 403, home.s3.put_object, Bucket=bucket, Key="n", Body=b"x", ACL=acl)
        refused("AccessDenied", 403, home.s3.put_object_acl, Bucket=bucket, Key="k", ACL=acl)
        refused("AccessDenied", 403, home.s3.put_bucket_acl, Bucket=bucket, ACL=acl)
    block(IgnorePublicAcls=True)
    equal(_status(home, bucket), 403, "ignored")
    home.s3.delete_public_access_block(Bucket=bucket)
    equal(_status(home, bucket), 200, "counts again")


@SUITE.case("lists that cannot be are refused")
def bad_lists(home):
    bucket = home.new_bucket("aclbad")
    put = dict(Bucket=bucket, Key="k", Body=b"x")
    refused("InvalidArgument", 400, home.s3.put_object, **put, ACL="open")
    refused("InvalidArgument", 400, home.s3.put_object, **put, GrantRead="id=GK000000000000000000000000")
    refused("InvalidArgument", 400, home.s3.put_object, **put, GrantRead="uri=http://example/everybody")
    refused("InvalidRequest", 400, home.s3.put_object, **put, ACL="private", GrantRead=f"uri={EVERYBODY}")
    refused("MethodNotAllowed", 405, home.s3.put_object, **put, GrantRead="emailAddress=a@b.example")
    refused("NoSuchKey", 404, home.s3.get_object, Bucket=bucket, Key="k")
    grant = {"Grantee": {"Type": "Group", "URI": EVERYBODY}, "Permission": "READ"}
    policy = lambda **more: dict({"Owner": _owner(home, bucket), "Grants": [grant]}, **more)
    set = lambda code, status=400, **more: refused(code, status, home.s3.put_bucket_acl, Bucket=bucket, AccessControlPolicy=policy(**more))
    set("MalformedACLError", Grants=[grant] * 101)
    set("MalformedACLError", Grants=[dict(grant, Permission="LIST")])
    set("MethodNotAllowed", 405, Grants=[dict(grant, Grantee={"Type": "AmazonCustomerByEmail", "EmailAddress": "a@b"})])
    refused("MissingSecurityHeader", 400, home.s3.put_bucket_acl, Bucket=bucket)
    refused("AccessDenied", 403, home.s3.put_bucket_acl, Bucket=bucket, ACL="private", ExpectedBucketOwner="123456789012")
    equal(_anonymous(home, "GET", f"/{bucket}").status, 403, "nothing changed")


@SUITE.case("an upload form with a list")
def forms(home):
    bucket = home.new_bucket("aclform")
    form = home.s3.generate_presigned_post(bucket, "k", Fields={"acl": "public-read"}, Conditions=[{"acl": "public-read"}])
    body = b"".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
                    for name, value in form["fields"].items())
    body += b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nform\r\n--b--\r\n'
    headers = {"host": f"127.0.0.1:{home.port}", "content-type": "multipart/form-data; boundary=b"}
    equal(exchange(home.port, "POST", f"/{bucket}", headers, body).status, 204, "form")
    equal(_anonymous(home, "GET", f"/{bucket}/k").body, b"form", "public")


@SUITE.case("who may only write does not say who reads what is there")
def write_only(home):
    bucket = home.new_bucket("aclwriteonly")
    object = dict(Bucket=bucket, Key="k")
    home.s3.put_object(**object, Body=b"x")
    key_id, writer = _granted(home, bucket, "write")
    for how in [{"GrantRead": f'id="{key_id}"'}, {"ACL": "public-read"}]:
        refused("AccessDenied", 403, writer.put_object_acl, **object, **how)
    refused("AccessDenied", 403, writer.get_object, **object)
    writer.put_object(Bucket=bucket, Key="own", Body=b"y", ACL="public-read")
    equal(_status(home, bucket, "own"), 200, "what it writes it may show")
    _, both = _granted(home, bucket, "read", "write")
    both.put_object_acl(**object, ACL="public-read")
    equal(_status(home, bucket), 200, "who may read may show")


@SUITE.case("a public bucket's versions and uploads are not anybody's to delete")
def public_bucket(home):
    bucket = home.new_bucket("aclversions")
    home.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    home.s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    version = home.s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    equal(_anonymous(home, "DELETE", f"/{bucket}/k?versionId={version}").status, 403, "a version")
    _, other = _other(home)
    entry = {"Key": "k", "VersionId": version}
    answer = other.delete_objects(Bucket=bucket, Delete={"Objects": [entry]})
    equal([error["Code"] for error in answer["Errors"]], ["AccessDenied"], "DeleteObjects")
    equal(_anonymous(home, "DELETE", f"/{bucket}/k").status, 403, "what is current")
    equal(_anonymous(home, "PUT", f"/{bucket}/k", b"y").status, 403, "to write over it")
    equal(_anonymous(home, "PUT", f"/{bucket}/new", b"y").status, 200, "what is not there")
    equal(_anonymous(home, "PUT", f"/{bucket}/new", b"z").status, 403, "now it is there")
    equal(home.s3.get_object(Bucket=bucket, **entry)["Body"].read(), b"x", "the version")
    upload = home.s3.create_multipart_upload(Bucket=bucket, Key="u")["UploadId"]
    equal(_anonymous(home, "DELETE", f"/{bucket}/u?uploadId={upload}").status, 403, "an upload")
    refused("AccessDenied", 403, other.abort_multipart_upload, Bucket=bucket, Key="u", UploadId=upload)
    theirs = other.create_multipart_upload(Bucket=bucket, Key="u")["UploadId"]
    other.abort_multipart_upload(Bucket=bucket, Key="u", UploadId=theirs)
