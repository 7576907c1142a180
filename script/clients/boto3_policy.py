"""Bucket policies, anonymous requests, public access block, ownership controls."""

import json

from home import equal, refused, true
from signing import exchange
from suite import Suite

SUITE = Suite("boto3 policies")


def _statement(bucket, effect="Allow", principal="*", action="s3:GetObject", resource="/*", **more):
    return dict({"Effect": effect, "Principal": principal, "Action": action,
                 "Resource": f"arn:aws:s3:::{bucket}{resource}"}, **more)


def _set(home, bucket, *statements):
    home.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def _bucket(home, word):
    bucket = home.new_bucket(word)
    home.s3.put_object(Bucket=bucket, Key="open/k", Body=b"open")
    home.s3.put_object(Bucket=bucket, Key="k", Body=b"closed")
    return bucket


def _anonymous(home, method, path, body=b""):
    return exchange(home.port, method, path, {"host": f"127.0.0.1:{home.port}"}, body)


@SUITE.case("put, get, status, delete")
def life(home):
    bucket = _bucket(home, "policy")
    for call in [home.s3.get_bucket_policy, home.s3.get_bucket_policy_status]:
        refused("NoSuchBucketPolicy", 404, call, Bucket=bucket)
    _set(home, bucket, _statement(bucket))
    equal(json.loads(home.s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"], [_statement(bucket)], "policy")
    equal(home.s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"], True, "public")
    _set(home, bucket, _statement(bucket, principal={"AWS": home.key_id}))
    equal(home.s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"], False, "not public")
    home.s3.delete_bucket_policy(Bucket=bucket)
    home.s3.delete_bucket_policy(Bucket=bucket)
    refused("NoSuchBucketPolicy", 404, home.s3.get_bucket_policy, Bucket=bucket)


@SUITE.case("anonymous requests come in where a policy lets them, and nowhere else")
def anonymous(home):
    bucket = _bucket(home, "anon")
    equal(_anonymous(home, "GET", f"/{bucket}/open/k").status, 403, "before")
    _set(home, bucket, _statement(bucket, resource="/open/*"))
    equal(_anonymous(home, "GET", f"/{bucket}/open/k").body, b"open", "GET")
    equal(_anonymous(home, "HEAD", f"/{bucket}/open/k").status, 200, "HEAD")
    for method, path in [("GET", f"/{bucket}/k"), ("GET", f"/{bucket}"), ("PUT", f"/{bucket}/open/k"),
                         ("DELETE", f"/{bucket}/open/k"), ("GET", f"/{bucket}?policy"), ("GET", "/")]:
        answer = _anonymous(home, method, path)
        equal((answer.status, answer.code()), (403, "AccessDenied"), f"{method} {path}")
    _set(home, bucket, _statement(bucket, action="s3:PutObject"), _statement(bucket, action="s3:ListBucket", resource=""))
    equal(_anonymous(home, "PUT", f"/{bucket}/dropped", b"letter").status, 200, "PUT")
    true(b"<Key>dropped</Key>" in _anonymous(home, "GET", f"/{bucket}?list-type=2").body, "listing")
    equal(_anonymous(home, "GET", f"/{bucket}/dropped").status, 403, "writing is not reading")


@SUITE.case("a deny outweighs the grants of the owner, who can still repair the policy")
def deny(home):
    bucket = _bucket(home, "deny")
    _set(home, bucket, _statement(bucket, "Deny", action="s3:*"), _statement(bucket, "Deny", action="s3:*", resource=""))
    refused("AccessDenied", 403, home.s3.get_object, Bucket=bucket, Key="k")
    refused("AccessDenied", 403, home.s3.list_objects_v2, Bucket=bucket)
    refused("AccessDenied", 403, home.s3.delete_bucket, Bucket=bucket)
    _set(home, bucket, _statement(bucket, "Deny", action="s3:DeleteObject", resource="/open/*"))
    objects = [{"Key": "k"}, {"Key": "open/k"}]
    answer = home.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    equal([entry["Key"] for entry in answer["Deleted"]], ["k"], "deleted")
    equal([(entry["Key"], entry["Code"]) for entry in answer["Errors"]], [("open/k", "AccessDenied")], "kept")
    home.s3.delete_bucket_policy(Bucket=bucket)
    home.s3.delete_object(Bucket=bucket, Key="open/k")


@SUITE.case("conditions: address, prefix, tags")
def conditions(home):
    bucket = _bucket(home, "conditions")
    for network, status in [("127.0.0.0/8", 200), ("192.0.2.0/24", 403)]:
        _set(home, bucket, _statement(bucket, Condition={"IpAddress": {"aws:SourceIp": network}}))
        equal(_anonymous(home, "GET", f"/{bucket}/k").status, status, network)
    _set(home, bucket, _statement(bucket, action="s3:ListBucket", resource="", Condition={"StringLike": {"s3:prefix": "open/*"}}))
    equal(_anonymous(home, "GET", f"/{bucket}?list-type=2&prefix=open/").status, 200, "prefix")
    equal(_anonymous(home, "GET", f"/{bucket}?list-type=2").status, 403, "no prefix")
    _set(home, bucket, _statement(bucket, Condition={"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}))
    equal(_anonymous(home, "GET", f"/{bucket}/k").status, 403, "without the tag")
    home.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "public", "Value": "yes"}]})
    equal(_anonymous(home, "GET", f"/{bucket}/k").status, 200, "with the tag")
    _set(home, bucket, _statement(bucket, "Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}))
    refused("AccessDenied", 403, home.s3.get_object, Bucket=bucket, Key="k")
    _set(home, bucket, _statement(bucket, resource="/${aws:username}/*"))
    home.s3.put_object(Bucket=bucket, Key=f"{home.key_id}/k", Body=b"own")
    equal(_anonymous(home, "GET", f"/{bucket}/{home.key_id}/k").status, 403, "nobody's folder")


@SUITE.case("variables: folders of callers, tags of objects, defaults")
def variables(home):
    bucket = _bucket(home, "variables")
    status = lambda path: _anonymous(home, "GET", f"/{bucket}{path}").status
    _set(home, bucket, _statement(bucket, resource="/${aws:username, 'open'}/*"))
    equal((status("/open/k"), status("/k")), (200, 403), "the default")
    _set(home, bucket, _statement(bucket, resource="/${s3:ExistingObjectTag/name}"))
    equal(status("/k"), 403, "without the tag")
    for name, wanted in [("other", 403), ("k", 200)]:
        home.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "name", "Value": name}]})
        equal(status("/k"), wanted, f"tagged {name}")
    own = _statement(bucket, "Deny", action="s3:ListBucket", resource="",
                     Condition={"StringNotLike": {"s3:prefix": "${aws:username}/*"}})
    _set(home, bucket, own, _statement(bucket, action="s3:ListBucket", resource=""))
    home.s3.list_objects_v2(Bucket=bucket, Prefix=f"{home.key_id}/")
    refused("AccessDenied", 403, home.s3.list_objects_v2, Bucket=bucket, Prefix="open/")
    equal(status(f"?list-type=2&prefix={home.key_id}/"), 403, "nobody's folder is denied")
    for text, code, number in [("${aws:username, 'x}", "MalformedPolicy", 400), ("${aws:username", "MalformedPolicy", 400),
                               ("${s3:RequestObjectTagKeys}", "MalformedPolicy", 400), ("${aws:username, '*'}", "NotImplemented", 501)]:
        document = json.dumps({"Version": "2012-10-17", "Statement": [_statement(bucket, resource=f"/{text}/*")]})
        refused(code, number, home.s3.put_bucket_policy, Bucket=bucket, Policy=document)


@SUITE.case("what is not understood is refused when it is set")
def refused_policies(home):
    bucket = _bucket(home, "badpolicy")
    put = lambda text: dict(Bucket=bucket, Policy=text)
    good = _statement(bucket)
    for text in ["", "{}", "[]", json.dumps({"Statement": [dict(good, Action="s3:GetObjct")]}),
                 json.dumps({"Statement": [dict(good, Principal={"AWS": "GK000000000000000000000000"})]}),
                 json.dumps({"Statement": [dict(good, Resource="arn:aws:s3:::other/*")]}),
                 json.dumps({"Statement": [dict(good, Action="s3:ListBucket")]}),
                 json.dumps({"Statement": [dict(good, Condition={"Odd": {"aws:Referer": "x"}})]})]:
        refused("MalformedPolicy", 400, home.s3.put_bucket_policy, **put(text))
    for text in ['{"Statement": {"Effect": "Deny", "Effect": "Allow"}}',
                 json.dumps({"Statement": [{"NotPrincipal" if name == "Principal" else name: value for name, value in good.items()}]})]:
        refused("MalformedPolicy", 400, home.s3.put_bucket_policy, **put(text))
    for condition in [{"BinaryEquals": {"aws:Referer": "eA=="}}, {"StringEquals": {"s3:ResourceAccount": "x"}}]:
        text = json.dumps({"Statement": [dict(good, Condition=condition)]})
        refused("NotImplemented", 501, home.s3.put_bucket_policy, **put(text))
    refused("NoSuchBucketPolicy", 404, home.s3.get_bucket_policy, Bucket=bucket)


@SUITE.case("public access block and ownership controls")
def blocks(home):
    bucket = _bucket(home, "blocks")
    refused("NoSuchPublicAccessBlockConfiguration", 404, home.s3.get_public_access_block, Bucket=bucket)
    _set(home, bucket, _statement(bucket))
    block = dict(BlockPublicAcls=True, IgnorePublicAcls=True, BlockPublicPolicy=True, RestrictPublicBuckets=True)
    home.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    equal(home.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"], block, "block")
    equal(_anonymous(home, "GET", f"/{bucket}/k").status, 403, "restricted")
    text = json.dumps({"Statement": [_statement(bucket)]})
    refused("AccessDenied", 403, home.s3.put_bucket_policy, Bucket=bucket, Policy=text)
    home.s3.delete_public_access_block(Bucket=bucket)
    equal(_anonymous(home, "GET", f"/{bucket}/k").status, 200, "open again")
    refused("OwnershipControlsNotFoundError", 404, home.s3.get_bucket_ownership_controls, Bucket=bucket)
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    home.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    equal(home.s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"], rules, "ownership")
    home.s3.delete_bucket_ownership_controls(Bucket=bucket)
