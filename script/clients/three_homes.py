"""Three homes: what is put through one is read through another, and any one of them may die."""

import hashlib
import json
import random
import shutil
import signal
import tempfile
import threading
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from home import equal, refused, true
from homes import Cluster, free_ports
from suite import Suite

SUITE = Suite("three_homes")
MIB = 1024 * 1024
PART_BYTES = 5 * MIB
CONNECTED_WITHIN_S = 20
# Homes that meet compare soon; who misses that does it a minute later.
CAUGHT_UP_WITHIN_S = 20


class Homes:
    """A running cluster, of three unless more zones are named, with a client for each node and a bucket."""

    def __init__(self, home, around=None, zones=None, wide=False, read_timeout=20):
        self.folder = tempfile.mkdtemp(prefix="garage-homes-")
        self.zones = zones
        self.cluster = Cluster(home.server.binary, self.folder, len(zones or "123"), first_port=free_ports(), wide=wide)
        self.bucket, self.read_timeout = "photos", read_timeout
        for node in self.cluster.nodes:
            node.around = around or {}

    def __enter__(self):
        self.cluster.start()
        self.cluster.form(self.zones)
        self.wait_until_serving(self.cluster.nodes)
        key, secret = self.cluster.key()
        self.s3 = [client_of(node, key, secret, self.read_timeout) for node in self.cluster.nodes]
        self.s3[0].create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *_):
        for node in self.cluster.nodes:
            node.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def keys(self, through, **query):
        """The keys of a listing through one node, all pages of it."""
        keys, more = [], {}
        while True:
            page = self.s3[through].list_objects_v2(Bucket=self.bucket, **query, **more)
            keys += [entry["Key"] for entry in page.get("Contents", [])]
            keys += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            if not page["IsTruncated"]:
                return keys
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def restart(self, number):
        """Starts a node again; returns when every running node knows that all others serve."""
        self.cluster.nodes[number].start()
        self.cluster.nodes[number].wait_until_up()
        self.wait_until_serving([node for node in self.cluster.nodes if node.process.poll() is None])

    @staticmethod
    def wait_until_serving(running):
        """Waits until each of these nodes knows that all of them serve."""
        deadline = time.monotonic() + CONNECTED_WITHIN_S
        while any(serving(node) < len(running) for node in running):
            if time.monotonic() > deadline:
                raise AssertionError("not all nodes know that all serve")
            time.sleep(0.1)

    def digest(self, through, key):
        return _digest(self.s3[through].get_object(Bucket=self.bucket, Key=key)["Body"].read())


def client_of(node, key, secret, read_timeout=20):
    """A client of one node that tries nothing again."""
    options = Config(
        retries={"max_attempts": 0}, s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=read_timeout
    )
    return boto3.client(
        "s3", endpoint_url=node.endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
        region_name="garage", config=options,
    )


def serving(node):
    """How many storage nodes this one knows to serve, itself included."""
    return json.loads(node.cli("json-api", "GetClusterHealth"))["storageNodesUp"]


def figures(node):
    """What a node tells about itself: the value of each line of its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{node.admin_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def rows(figures):
    """How many rows of each table a node holds, deleted ones too."""
    return {name: value for name, value in figures.items() if name.startswith("garage_table_rows")}


def _digest(body):
    return hashlib.sha256(body).hexdigest()


def _put_parts(s3s, bucket, key, body):
    """A multipart upload whose every step goes through another node."""
    names = dict(Bucket=bucket, Key=key)
    names["UploadId"] = s3s[0].create_multipart_upload(**names)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(body), PART_BYTES), start=1):
        s3 = s3s[number % len(s3s)]
        tag = s3.upload_part(**names, PartNumber=number, Body=body[start : start + PART_BYTES])["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    s3s[-1].complete_multipart_upload(**names, MultipartUpload={"Parts": parts})


@SUITE.case("what one home stores is there through each, and with any one killed")
def any_one_may_die(home):
    with Homes(home) as homes:
        wanted = {}
        for number, size_bytes in enumerate([0, 11, 100 * 1024, 3 * MIB + 7, 20 * MIB]):
            body = random.Random(number).randbytes(size_bytes)
            homes.s3[number % 3].put_object(Bucket=homes.bucket, Key=f"tree/{number}", Body=body)
            wanted[f"tree/{number}"] = _digest(body)
        body = random.Random("parts").randbytes(2 * PART_BYTES + 99)
        _put_parts(homes.s3, homes.bucket, "parts", body)
        wanted["parts"] = _digest(body)
        homes.s3[1].put_object(Bucket=homes.bucket, Key="gone", Body=b"x")
        homes.s3[2].delete_object(Bucket=homes.bucket, Key="gone")
        for dead in [None, 0, 1, 2]:
            if dead is not None:
                homes.cluster.nodes[dead].stop(signal.SIGKILL)
            for through in [node for node in range(3) if node != dead]:
                equal(homes.keys(through), sorted(wanted), f"keys through {through}, {dead} is dead")
                equal(homes.keys(through, Delimiter="/"), ["parts", "tree/"], "folded keys")
                for key, digest in wanted.items():
                    equal(homes.digest(through, key), digest, f"{key} through {through}, {dead} is dead")
            if dead is not None:
                homes.restart(dead)


@SUITE.case("writes go on while a home is dead, and it has them when it is back")
def writes_go_on(home):
    with Homes(home) as homes:
        homes.s3[0].put_object(Bucket=homes.bucket, Key="before", Body=b"old")
        homes.cluster.nodes[2].stop(signal.SIGKILL)
        big = random.Random("big").randbytes(4 * MIB)
        homes.s3[0].put_object(Bucket=homes.bucket, Key="before", Body=b"new")
        homes.s3[1].put_object(Bucket=homes.bucket, Key="big", Body=big)
        homes.s3[0].delete_object(Bucket=homes.bucket, Key="never")
        homes.restart(2)
        equal(homes.digest(2, "before"), _digest(b"new"), "overwritten meanwhile")
        equal(homes.digest(2, "big"), _digest(big), "stored meanwhile")
        equal(homes.keys(2), ["before", "big"], "keys")


@SUITE.case("a home that was away takes over rows, blocks and deletions as soon as it meets the others")
def catches_up(home):
    with Homes(home) as homes:
        for number in range(30):
            homes.s3[number % 3].put_object(Bucket=homes.bucket, Key=f"old/{number}", Body=b"old")
        homes.cluster.nodes[2].stop(signal.SIGKILL)
        wanted, sizes = {}, [64] * 300 + [3 * MIB + 1, 4 * MIB, 5 * MIB + 7, 2 * MIB, 6 * MIB]
        for number, size_bytes in enumerate(sizes):
            body = random.Random(number).randbytes(size_bytes)
            homes.s3[number % 2].put_object(Bucket=homes.bucket, Key=f"new/{number}", Body=body)
            wanted[f"new/{number}"] = _digest(body)
        for number in range(30):
            homes.s3[number % 2].delete_object(Bucket=homes.bucket, Key=f"old/{number}")
        homes.restart(2)
        begin, nodes = time.monotonic(), homes.cluster.nodes
        while True:
            all_figures = [figures(node) for node in nodes]
            if rows(all_figures[2]) and all(rows(other) == rows(all_figures[2]) for other in all_figures):
                if all_figures[2]["garage_sync_arcs_left"] == 0:
                    break
            if time.monotonic() > begin + CAUGHT_UP_WITHIN_S:
                raise AssertionError(f"rows differ: {[rows(other) for other in all_figures]}")
            time.sleep(0.5)
        caught_up = f"{time.monotonic() - begin:.1f} s after its links were up"
        assert all_figures[2]["garage_sync_rows_total"] >= 335, f"{all_figures[2]['garage_sync_rows_total']} rows, {caught_up}"
        assert all_figures[2]["garage_sync_blocks_total"] >= 20, f"{all_figures[2]['garage_sync_blocks_total']} blocks"
        print(f"   it was like the others {caught_up}")
        nodes[0].stop(signal.SIGKILL)
        equal(homes.keys(2), sorted(wanted), "keys: the deleted ones stay deleted")
        for key, digest in wanted.items():
            equal(homes.digest(2, key), digest, f"{key} through the home that was away")
        missing = "garage_block_missing_total"
        equal(figures(nodes[2])[missing], all_figures[2][missing], "blocks that had to come from elsewhere")


@SUITE.case("without a quorum the answer is 503, never a wrong 404 or a short listing")
def no_quorum(home):
    with Homes(home) as homes:
        homes.s3[0].put_object(Bucket=homes.bucket, Key="key", Body=b"x")
        for dead in [1, 2]:
            homes.cluster.nodes[dead].stop(signal.SIGKILL)
        calls = [
            lambda: homes.s3[0].get_object(Bucket=homes.bucket, Key="key"),
            lambda: homes.s3[0].head_object(Bucket=homes.bucket, Key="none"),
            lambda: homes.s3[0].put_object(Bucket=homes.bucket, Key="key", Body=b"y"),
            lambda: homes.s3[0].list_objects_v2(Bucket=homes.bucket),
        ]
        for number, call in enumerate(calls):
            try:
                answer = call()["ResponseMetadata"]["HTTPStatusCode"]
            except ClientError as error:
                answer = error.response["ResponseMetadata"]["HTTPStatusCode"]
            equal(answer, 503, f"call {number}")


@SUITE.case("of racers with If-None-Match: * on three homes one wins each round")
def one_winner(home):
    with Homes(home) as homes:
        for race in range(5):
            winners, lock = [], threading.Lock()

            def put(number, race=race, winners=winners, lock=lock):
                try:
                    homes.s3[number % 3].put_object(
                        Bucket=homes.bucket, Key=f"race-{race}", Body=str(number).encode(), IfNoneMatch="*"
                    )
                except ClientError as error:
                    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                    assert status in (409, 412, 503), status
                else:
                    with lock:
                        winners.append(number)

            racers = [threading.Thread(target=put, args=(number,)) for number in range(12)]
            for racer in racers:
                racer.start()
            for racer in racers:
                racer.join()
            assert len(winners) <= 1, f"round {race}: winners {winners}"
            if winners:
                body = homes.s3[race % 3].get_object(Bucket=homes.bucket, Key=f"race-{race}")["Body"].read()
                equal(body, str(winners[0]).encode(), "what the winner wrote")


def _let_in(call, **arguments):
    """Calls until the home that is asked has heard of the list."""
    deadline = time.monotonic() + CONNECTED_WITHIN_S
    while True:
        try:
            return call(**arguments)
        except ClientError as error:
            true(time.monotonic() < deadline, f"not let in: {error}")
            time.sleep(0.1)


@SUITE.case("who may write by a list creates, and touches nothing of others, whichever home is asked")
def written_by_list(home):
    with Homes(home) as homes:
        key, secret = homes.cluster.key("stranger")
        strangers = [client_of(node, key, secret) for node in homes.cluster.nodes]
        homes.s3[0].put_bucket_acl(Bucket=homes.bucket, GrantWrite=f"id={key}")
        homes.s3[0].put_object(Bucket=homes.bucket, Key="ours", Body=b"ours")
        for number, (stranger, other) in enumerate(zip(strangers, strangers[1:] + strangers[:1])):
            name = dict(Bucket=homes.bucket, Key=f"theirs-{number}")
            _let_in(stranger.put_object, **name, Body=b"1")
            for call in [lambda: stranger.put_object(Bucket=homes.bucket, Key="ours", Body=b"x"),
                         lambda: stranger.delete_object(Bucket=homes.bucket, Key="ours")]:
                refused("AccessDenied", 403, call)
            _let_in(other.put_object, **name, Body=b"2")
            other.delete_object(**name)
        for s3 in homes.s3:
            equal(s3.get_object(Bucket=homes.bucket, Key="ours")["Body"].read(), b"ours", "what is not theirs")
        names = dict(Bucket=homes.bucket, Key="late")
        tag = homes.s3[0].put_object(**names, Body=b"1")["ETag"]
        upload = homes.s3[1].create_multipart_upload(**names)["UploadId"]
        part = homes.s3[2].upload_part(**names, UploadId=upload, PartNumber=1, Body=b"2")["ETag"]
        done = dict(names, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}, IfMatch=tag)
        homes.s3[2].put_object(**names, Body=b"1")
        refused("ConditionalRequestConflict", 409, homes.s3[1].complete_multipart_upload, **done)


@SUITE.case("of racers that create one bucket through three homes one wins")
def one_bucket(home):
    with Homes(home) as homes:
        for race in range(5):
            winners = []

            def create(number, race=race, winners=winners):
                try:
                    homes.s3[number % 3].create_bucket(Bucket=f"race-{race}")
                except ClientError as error:
                    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                    assert status in (409, 503), status
                else:
                    winners.append(number)

            racers = [threading.Thread(target=create, args=(number,)) for number in range(9)]
            for racer in racers:
                racer.start()
            for racer in racers:
                racer.join()
            assert len(winners) <= 1, f"round {race}: winners {winners}"
            if winners:
                homes.s3[race % 3].put_object(Bucket=f"race-{race}", Key="x", Body=b"x")
                for s3 in homes.s3:
                    equal(s3.get_object(Bucket=f"race-{race}", Key="x")["Body"].read(), b"x", "one bucket for all")


@SUITE.case("a bucket with an object goes from no home, an empty one from all, and its name is free at once")
def buckets_go(home):
    with Homes(home) as homes:
        homes.s3[0].put_object(Bucket=homes.bucket, Key="x", Body=b"x")
        for s3 in homes.s3:
            try:
                s3.delete_bucket(Bucket=homes.bucket)
            except ClientError as error:
                equal(error.response["Error"]["Code"], "BucketNotEmpty", "deleting a bucket with an object")
            else:
                raise AssertionError("a bucket with an object was deleted")
        homes.s3[1].delete_object(Bucket=homes.bucket, Key="x")
        homes.s3[2].create_multipart_upload(Bucket=homes.bucket, Key="begun")
        homes.s3[2].delete_bucket(Bucket=homes.bucket)
        for through in [0, 1, 2]:
            homes.s3[through].create_bucket(Bucket=homes.bucket)
            equal(homes.keys((through + 1) % 3), [], "keys of the new bucket")
            homes.s3[through].delete_bucket(Bucket=homes.bucket)
