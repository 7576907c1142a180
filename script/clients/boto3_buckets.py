"""Buckets: create, head, location, list (paged), delete, names, and the sub-resources nobody configured."""

import http.client
import json
import subprocess

from home import equal, refused, true
from signing import Signer, send
from suite import Suite

SUITE = Suite("boto3 buckets")


@SUITE.case("create, head, list, delete")
def life(home):
    name = home.new_bucket("life")
    equal(home.s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"], 200, "head")
    listed = {bucket["Name"]: bucket for bucket in home.s3.list_buckets()["Buckets"]}
    true(name in listed, "the new bucket is listed")
    true(listed[name]["CreationDate"] is not None, "it has a creation date")
    equal(home.s3.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"], 204, "delete")
    refused("404", 404, home.s3.head_bucket, Bucket=name)
    refused("NoSuchBucket", 404, home.s3.list_objects_v2, Bucket=name)
    refused("NoSuchBucket", 404, home.s3.put_object, Bucket=name, Key="k", Body=b"x")
    refused("NoSuchBucket", 404, home.s3.delete_bucket, Bucket=name)


@SUITE.case("create again by its owner keeps the content")
def create_again(home):
    name = home.new_bucket("again")
    home.s3.put_object(Bucket=name, Key="kept", Body=b"kept")
    try:
        home.s3.create_bucket(Bucket=name)
    except home.s3.exceptions.ClientError as error:
        equal(error.response["Error"]["Code"], "BucketAlreadyOwnedByYou", "code")
    equal(home.s3.get_object(Bucket=name, Key="kept")["Body"].read(), b"kept", "content")


@SUITE.case("create with a location constraint")
def create_with_location(home):
    name = home.unique("located")
    home.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": home.region})
    home.s3.head_bucket(Bucket=name)


@SUITE.case("bad bucket names are InvalidBucketName")
def bad_names(home):
    for name in ["ab", "UPPER", "under_score", "-start", "end-", "two..dots", "192.168.5.4", "a" * 64, "xn--a"]:
        answer = send(home, "PUT", f"/{name}")
        equal((answer.status, answer.code()), (400, "InvalidBucketName"), f"name {name}")


@SUITE.case("malformed CreateBucket body is MalformedXML")
def bad_create_body(home):
    answer = send(home, "PUT", "/" + home.unique("badbody"), body=b"<CreateBucketConfiguration><x")
    equal((answer.status, answer.code()), (400, "MalformedXML"), "answer")


@SUITE.case("a bucket with an object cannot be deleted")
def not_empty(home):
    name = home.new_bucket("full")
    home.s3.put_object(Bucket=name, Key="k", Body=b"x")
    refused("BucketNotEmpty", 409, home.s3.delete_bucket, Bucket=name)
    home.s3.delete_object(Bucket=name, Key="k")
    home.s3.delete_bucket(Bucket=name)


@SUITE.case("location")
def location(home):
    name = home.new_bucket("location")
    answer = send(home, "GET", f"/{name}", query=[("location", "")])
    equal(answer.status, 200, "status")
    true(b"LocationConstraint" in answer.body, "the root element is LocationConstraint")


@SUITE.case("HEAD names the bucket's region")
def head_region(home):
    answer = send(home, "HEAD", "/" + home.new_bucket("region"))
    equal(answer.status, 200, "status")
    true(answer.headers.get("x-amz-bucket-region"), "x-amz-bucket-region is there")


@SUITE.case("ListBuckets in pages, with prefix")
def list_paged(home):
    names = sorted(home.new_bucket("pages") for _ in range(5))
    found, token = [], None
    for _ in range(10):
        arguments = dict(MaxBuckets=2, Prefix="pages-")
        if token:
            arguments["ContinuationToken"] = token
        answer = home.s3.list_buckets(**arguments)
        true(len(answer["Buckets"]) <= 2, "at most two in a page")
        found += [bucket["Name"] for bucket in answer["Buckets"]]
        token = answer.get("ContinuationToken")
        if not token:
            break
    equal(found, names, "buckets in order")


@SUITE.case("reads of what was never configured answer like AWS")
def unconfigured(home):
    name = home.new_bucket("plain")
    for sub, code in [
        ("lifecycle", "NoSuchLifecycleConfiguration"), ("cors", "NoSuchCORSConfiguration"),
        ("tagging", "NoSuchTagSet"), ("policy", "NoSuchBucketPolicy"), ("website", "NoSuchWebsiteConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"), ("policyStatus", "NoSuchBucketPolicy"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
    ]:
        answer = send(home, "GET", f"/{name}", query=[(sub, "")])
        equal((answer.status, answer.code()), (404, code), f"?{sub}")
    for sub, element in [
        ("versioning", b"VersioningConfiguration"), ("acl", b"AccessControlPolicy"),
        ("logging", b"BucketLoggingStatus"), ("requestPayment", b"RequestPaymentConfiguration"),
        ("accelerate", b"AccelerateConfiguration"), ("notification", b"NotificationConfiguration"),
    ]:
        answer = send(home, "GET", f"/{name}", query=[(sub, "")])
        equal(answer.status, 200, f"?{sub}")
        true(element in answer.body, f"?{sub} answers {element.decode()}, found {answer.body[:200]!r}")


@SUITE.case("configuration that is not built is refused with 501, never ignored")
def not_built(home):
    name = home.new_bucket("writes")
    for sub, body in [("accelerate", b"<AccelerateConfiguration/>"), ("replication", b"<x/>")]:
        answer = send(home, "PUT", f"/{name}", query=[(sub, "")], body=body)
        equal((answer.status, answer.code()), (501, "NotImplemented"), f"PUT ?{sub}")
    answer = send(home, "PUT", f"/{name}/key", query=[("torrent", "")], body=b"x")
    equal((answer.status, answer.code()), (501, "NotImplemented"), "PUT object ?torrent")


@SUITE.case("expected bucket owner is obeyed or refused")
def expected_owner(home):
    name = home.new_bucket("owner")
    refused(("AccessDenied", "NotImplemented"), (403, 501), home.s3.list_objects_v2, Bucket=name,
            ExpectedBucketOwner="000000000000")


@SUITE.case("a quota refuses what has no room before its bytes are sent, and deleting makes room")
def quota(home):
    bucket = home.new_bucket("quota")

    def limit(*arguments):
        command = [str(home.server.binary), "-c", str(home.server.config_path), "bucket", "set-quotas", *arguments, bucket]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        equal(done.returncode, 0, done.stdout + done.stderr)

    limit("--max-size", "1MiB")
    home.s3.put_object(Bucket=bucket, Key="half", Body=b"x" * 600_000)
    # Only the head is sent: the answer must come without the body.
    signer = Signer(home)
    headers = signer.headers("PUT", f"/{bucket}/more", (), {"content-length": "600000", "expect": "100-continue"}, "UNSIGNED-PAYLOAD", ())
    connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=20)
    connection.putrequest("PUT", f"/{bucket}/more", skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    equal((answer.status, b"<Code>QuotaExceeded</Code>" in answer.read()), (403, True), "refused by its length")
    connection.close()
    home.s3.put_object(Bucket=bucket, Key="half", Body=b"y" * 900_000)
    upload = home.s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    refused("QuotaExceeded", 403, home.s3.upload_part, Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1,
            Body=b"z" * 600_000)
    limit("--max-objects", "1", "--max-size", "none")
    refused("QuotaExceeded", 403, home.s3.put_object, Bucket=bucket, Key="second", Body=b"")
    home.s3.delete_object(Bucket=bucket, Key="half")
    home.s3.put_object(Bucket=bucket, Key="second", Body=b"x" * 2_000_000)
    limit("--max-objects", "none", "--max-size", "none")
    home.s3.put_object(Bucket=bucket, Key="third", Body=b"x")


@SUITE.case("what S3 sets is shown by the command line, and what the command line sets by S3")
def settings_of_both(home):
    bucket = home.new_bucket("set")

    def garage(*words, code=0):
        command = [str(home.server.binary), "-c", str(home.server.config_path), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        equal(done.returncode, code, f"garage {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def shown():
        return dict(line.split(":", 1) for line in garage("bucket", "info", bucket).splitlines() if ":" in line)

    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                                      "Resource": f"arn:aws:s3:::{bucket}/open/*"}]}
    home.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    home.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    home.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    garage("bucket", "versioning", "--enable", bucket)
    equal(home.s3.get_bucket_versioning(Bucket=bucket).get("Status"), "Enabled", "versioning in S3")
    home.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}})
    true("object lock" in garage("bucket", "versioning", "--suspend", bucket, code=1), "a bucket with locks keeps versions")

    rules = [{"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 30}},
             {"ID": "rest", "Status": "Disabled", "Filter": {"And": {"Prefix": "x", "Tags": [{"Key": "a", "Value": "b"}]}},
              "NoncurrentVersionExpiration": {"NoncurrentDays": 4, "NewerNoncurrentVersions": 2}}]
    file = home.folder("rules") / "rules.json"
    file.write_text(json.dumps({"Rules": rules}))
    true("logs/*" in garage("bucket", "lifecycle", "--rules", str(file), bucket), "the rules are shown as they are set")
    equal(home.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"], rules, "rules in S3")
    file.write_text(json.dumps({"Rules": [dict(rules[0], Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])]}))
    true("Transitions" in garage("bucket", "lifecycle", "--rules", str(file), bucket, code=1), "what is not there is named")

    lines = {name: value.strip() for name, value in shown().items()}
    for name, value in [("Versioning", "enabled"), ("Lifecycle rules", "2, 1 of them enabled"), ("Object lock", "governance, 3 days"),
                        ("Policy", "1 statement, see --output json"), ("Public blocked", "new lists"), ("CORS rules", "1")]:
        equal(lines.get(name), value, name)
    whole = json.loads(garage("bucket", "info", bucket, "--output", "json"))
    equal((whole["policy"], whole["lifecycleRules"]), (policy, rules), "in full as JSON")
    equal(whole["objectLock"], {"defaultMode": "governance", "defaultDays": 3, "defaultYears": None}, "lock as JSON")
    cors = [{"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://app.example"], "MaxAgeSeconds": 5}]
    policy["Statement"][0]["Action"] = "s3:PutObject"
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}}
    block = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    for command, document, words in [
        ("policy", policy, '"s3:PutObject"'), ("cors", {"CORSRules": cors}, "https://app.example"),
        ("lock", lock, "governance, 2 days"), ("public-access", dict(block, RestrictPublicBuckets=False), "new policies"),
    ]:
        file.write_text(json.dumps(document))
        true(words in garage("bucket", command, bucket, "--set", str(file)), f"{command} is shown as it is set")
    equal(json.loads(home.s3.get_bucket_policy(Bucket=bucket)["Policy"]), policy, "policy in S3")
    equal(home.s3.get_bucket_cors(Bucket=bucket)["CORSRules"], cors, "CORS in S3")
    equal(home.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"], lock, "lock in S3")
    equal(home.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
          dict(block, RestrictPublicBuckets=False), "public access in S3")
    file.write_text(json.dumps({"CORSRules": [dict(cors[0], Colour="red")]}))
    true("Colour" in garage("bucket", "cors", bucket, "--set", str(file), code=1), "what is not known is named")
    for command in ["policy", "cors", "lock", "public-access"]:
        garage("bucket", command, bucket, "--none")
    refused("NoSuchBucketPolicy", 404, home.s3.get_bucket_policy, Bucket=bucket)
    refused("NoSuchCORSConfiguration", 404, home.s3.get_bucket_cors, Bucket=bucket)
    equal(home.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"],
          {"ObjectLockEnabled": "Enabled"}, "locks stay possible")
    garage("bucket", "lifecycle", "--none", bucket)
    refused("NoSuchLifecycleConfiguration", 404, home.s3.get_bucket_lifecycle_configuration, Bucket=bucket)
