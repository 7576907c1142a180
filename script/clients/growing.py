"""A home with data becomes three while clients write, and any one of them may die afterwards."""

import json
import random
import shutil
import signal
import tempfile
import threading
import time

from home import equal, wait_until
from homes import Cluster, free_ports
from suite import Suite
from three_homes import Homes, client_of, figures, rows

SUITE = Suite("growing")
OBJECTS = 300
WRITES_PER_S = 20
GROWN_WITHIN_S = 90


class Growing:
    """One home with data, and two that wait to join it."""

    def __init__(self, home, count=3):
        self.folder = tempfile.mkdtemp(prefix="garage-growing-")
        self.cluster = Cluster(home.server.binary, self.folder, count, first_port=free_ports(), first_alone=True)
        self.first = self.cluster.nodes[0]
        self.bucket, self.wanted = "photos", {}

    def __enter__(self):
        self.first.start()
        self.first.wait_until_up()
        key, secret = self.cluster.key()
        self.s3 = [client_of(node, key, secret) for node in self.cluster.nodes]
        self.s3[0].create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *_):
        for node in self.cluster.nodes:
            node.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def put(self, key, body, through=0):
        self.s3[through].put_object(Bucket=self.bucket, Key=key, Body=body)
        self.wanted[key] = body

    def delete(self, key, through=0):
        self.s3[through].delete_object(Bucket=self.bucket, Key=key)
        self.wanted.pop(key, None)

    def fill(self):
        """Small objects, some of several blocks, some overwritten and some deleted."""
        source = random.Random(7)
        for number in range(OBJECTS):
            self.put(f"small/{number}", source.randbytes(source.randrange(5000)))
        for number in range(4):
            self.put(f"big/{number}", source.randbytes(3_000_000 + number))
        for number in range(0, OBJECTS, 10):
            self.delete(f"small/{number}")

    def grow(self, numbers, version):
        """Has these nodes join, as a person would."""
        for number in numbers:
            node = self.cluster.nodes[number]
            node.start()
            node.wait_until_up()
            self.first.cli("node", "connect", node.id())
        for number in numbers:
            node = self.cluster.nodes[number]
            self.first.cli("layout", "assign", "-z", f"home{number}", "-c", "10G", node.id().split("@")[0])
        self.first.cli("layout", "apply", "--version", str(version))

    def replace(self, old, new, version):
        """Has one node take the place of another."""
        node = self.cluster.nodes[new]
        node.start()
        node.wait_until_up()
        through = self.cluster.nodes[old]
        through.cli("node", "connect", node.id())
        through.cli(
            "layout", "assign", "-z", f"home{old}", "-c", "10G", "--replace", through.id().split("@")[0],
            node.id().split("@")[0],
        )
        through.cli("layout", "apply", "--version", str(version))

    def wait_until_grown(self, version):
        """Until this version stands alone on every running node."""
        deadline = time.monotonic() + GROWN_WITHIN_S
        for node in [node for node in self.cluster.nodes if node.process]:
            while not stands_alone(node, version):
                if time.monotonic() > deadline:
                    raise AssertionError(f"node {node.number}: {node.cli('layout', 'show')}")
                time.sleep(0.2)

    def check_all(self, through):
        keys, more = [], {}
        while True:
            page = self.s3[through].list_objects_v2(Bucket=self.bucket, **more)
            keys += [entry["Key"] for entry in page.get("Contents", [])]
            if not page["IsTruncated"]:
                break
            more = {"ContinuationToken": page["NextContinuationToken"]}
        equal(keys, sorted(self.wanted), f"keys through {through}")
        for key, body in self.wanted.items():
            got = self.s3[through].get_object(Bucket=self.bucket, Key=key)["Body"].read()
            equal(got == body, True, f"the bytes of {key} through {through}")


def stands_alone(node, version):
    layout = json.loads(node.cli("json-api", "GetClusterLayout"))
    return layout["version"] == version and "coming" not in layout


class Writer(threading.Thread):
    """Writes, reads and deletes at a steady rate; notes what fails and how long the worst took."""

    def __init__(self, growing, through=0):
        super().__init__(daemon=True)
        self.through = through
        self.growing, self.errors, self.worst_s, self.requests = growing, [], 0.0, 0
        self.ends = threading.Event()

    def run(self):
        number = 0
        while not self.ends.wait(1 / WRITES_PER_S):
            number += 1
            begin = time.monotonic()
            try:
                self._one(number)
            except Exception as error:  # every failure is an answer to count
                self.errors.append(f"{number}: {type(error).__name__}: {error}")
            self.requests += 1
            self.worst_s = max(self.worst_s, time.monotonic() - begin)

    def _one(self, number):
        key = f"live/{number % 400}"
        if number % 10 == 9:
            self.growing.delete(key.replace("9", "3"), self.through)
        elif number % 10 == 7:
            self.growing.put(key, random.Random(number).randbytes(1_500_000), self.through)
        else:
            self.growing.put(key, f"{number}".encode() * 50, self.through)

    def stop(self):
        self.ends.set()
        self.join()


@SUITE.case("one home with data becomes three while clients write, and any of them may die")
def one_becomes_three(home):
    with Growing(home) as growing:
        growing.fill()
        writer = Writer(growing)
        writer.start()
        growing.grow([1, 2], 2)
        growing.wait_until_grown(2)
        time.sleep(1)
        writer.stop()
        print(f"   {writer.requests} requests, {len(writer.errors)} errors, worst {writer.worst_s:.2f} s")
        equal(writer.errors, [], "errors of the writer")
        growing.check_all(0)
        for dead in [0, 1, 2]:
            growing.cluster.nodes[dead].stop(signal.SIGKILL)
            for through in [number for number in range(3) if number != dead]:
                growing.check_all(through)
            growing.cluster.nodes[dead].start()
            growing.cluster.nodes[dead].wait_until_up()
            Homes.wait_until_serving(growing.cluster.nodes)


@SUITE.case("a second home joins, then a third")
def one_by_one(home):
    with Growing(home) as growing:
        growing.fill()
        growing.grow([1], 2)
        growing.wait_until_grown(2)
        growing.put("with two", b"x" * 200_000, through=1)
        growing.check_all(1)
        growing.grow([2], 3)
        growing.wait_until_grown(3)
        growing.put("with three", b"x" * 200_000, through=2)
        growing.cluster.nodes[0].stop(signal.SIGKILL)
        growing.check_all(2)


@SUITE.case("a home is replaced by another one while clients write; the old one keeps nothing")
def one_is_replaced(home):
    with Growing(home, count=4) as growing:
        growing.fill()
        growing.grow([1, 2], 2)
        growing.wait_until_grown(2)
        writer = Writer(growing, through=1)
        writer.start()
        growing.replace(0, 3, 3)
        growing.wait_until_grown(3)
        time.sleep(1)
        writer.stop()
        print(f"   {writer.requests} requests, {len(writer.errors)} errors, worst {writer.worst_s:.2f} s")
        equal(writer.errors, [], "errors of the writer")
        _wait_until_empty(growing.first)
        growing.first.stop(signal.SIGKILL)
        for dead in [1, 2, 3]:
            growing.cluster.nodes[dead].stop(signal.SIGKILL)
            for through in [number for number in [1, 2, 3] if number != dead]:
                growing.check_all(through)
            growing.cluster.nodes[dead].start()
            growing.cluster.nodes[dead].wait_until_up()
            Homes.wait_until_serving(growing.cluster.nodes[1:])


def _wait_until_empty(node):
    deadline = time.monotonic() + GROWN_WITHIN_S
    while any(rows(figures(node)).values()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it still holds {rows(figures(node))}")
        time.sleep(0.2)


COPY_RATE = 4_000_000


@SUITE.case("a change tells bytes and time before it is applied, what is left while it goes on, and keeps to the rate that is set")
def told_and_limited(home):
    with Growing(home) as growing:
        source = random.Random(3)
        for number in range(36):
            growing.put(f"film/{number}", source.randbytes(1 << 20))
        for number in range(OBJECTS):
            growing.put(f"small/{number}", source.randbytes(3000))
        first, second, third = growing.cluster.nodes
        stored = sum(len(body) for body in growing.wanted.values())
        for node in [second, third]:
            node.start()
            node.wait_until_up()
            first.cli("node", "connect", node.id())
        ids = [node.id().split("@")[0] for node in growing.cluster.nodes]
        first.cli("layout", "assign", "-z", "home1", "-c", "10G", ids[1])
        equal(_plan(first)["basis"], "assumed", "nothing was measured yet")
        second.cli("worker", "set", "copy-rate", "4M")
        wait_until(lambda: _plan(first)["basis"] == "limit", "the first home hears of the limit", 30, every_s=0.3)
        told = first.cli("layout", "assign", "-z", "home1", "-c", "10G", ids[1])
        print(told)
        equal("To copy in all: about" in told and "at 4.0 MB a second, which copy-rate allows" in told, True, told)
        plan = _plan(first)
        equal(0.9 < plan["bytes"] / stored < 1.3, True, f"{plan['bytes']} bytes are told, {stored} are stored")
        equal(plan["seconds"], -(-plan["bytes"] // COPY_RATE), "seconds")
        equal(first.cli("layout", "show").count("To copy in all: about"), 1, "it is shown")
        begin = time.monotonic()
        equal("To copy in all: about" in first.cli("layout", "apply", "--version", "2"), True, "it is told with the answer")
        left, texts = _follow(first, 2)
        took = time.monotonic() - begin
        print(f"   {stored} bytes in {took:.1f} s at {COPY_RATE} a second; left: {left[:: max(1, len(left) // 8)]}")
        equal(0.8 * stored / COPY_RATE < took < 2 * stored / COPY_RATE + 5, True, f"{took} s")
        equal(left == sorted(left, reverse=True) and left[0] > stored / 2 and left[-1] < stored / 2, True, f"left: {left}")
        for command in texts:
            equal("left to copy: about" in texts[command], True, f"{command}: {texts[command]}")
        print(texts["status"])
        growing.wait_until_grown(2)
        reached = int(second.cli("worker", "get", "copy-rate-reached").splitlines()[-1].split()[1])
        equal(0.6 * COPY_RATE < reached < 1.1 * COPY_RATE, True, f"{reached} a second")
        first.cli("layout", "assign", "-z", "home2", "-c", "10G", ids[2])
        wait_until(lambda: _plan(first)["basis"] == "measured", "the first home hears of the rate", 30, every_s=0.3)
        told = first.cli("layout", "show")
        equal(f"which copying reached last on {ids[1][:16]}" in told, True, told)
        growing.check_all(1)


def _plan(node):
    return json.loads(node.cli("json-api", "PreviewClusterLayoutChanges", "{}"))["copying"]


def _follow(node, version):
    """Bytes left, and what commands say of them, until the version is filled."""
    left, texts = [], {}
    while True:
        coming = json.loads(node.cli("json-api", "GetClusterStatus")).get("coming")
        if not coming or coming["stage"] != "filling":
            return left, texts
        left.append(coming["bytesLeft"])
        if len(left) == 3:
            texts = {command: node.try_cli(*command.split()).stdout for command in ["status", "health", "layout history", "layout show"]}
        time.sleep(0.3)


@SUITE.case("the only home is killed again and again while another one takes its place, and has nothing that is missing there")
def replaced_while_it_dies(home):
    with Growing(home, count=2) as growing:
        source = random.Random(11)
        for number in range(80):
            growing.put(f"film/{number}", source.randbytes(source.randrange(1 << 20, 4 << 20)))
        growing.replace(0, 1, 2)
        for pause in [0.2, 0.1, 0.3, 0.5]:
            time.sleep(pause)
            growing.first.stop(signal.SIGKILL)
            growing.first.start()
            growing.first.wait_until_up()
        growing.wait_until_grown(2)
        growing.first.stop(signal.SIGKILL)
        growing.check_all(1)
