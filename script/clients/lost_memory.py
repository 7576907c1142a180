"""A home that lost its disk, and one that comes back from an old copy of it: nothing is lost, nothing returns."""

import contextlib
import random
import shutil
import signal
import time
from datetime import datetime, timezone

import past
from home import equal
from suite import Suite
from three_homes import Homes, serving

SUITE = Suite("lost_memory")
MIB = 1024 * 1024
WHOLE_WITHIN_S = 60
# By then a home has stored how far the others had come (`SPREAD_EVERY` in model/growth), and a little more.
MARKS_KEPT_S = 7
DAYS = 7


class Photos:
    """What a cluster must hold."""

    def __init__(self, homes, seed):
        self.homes, self.random, self.wanted = homes, random.Random(seed), {}

    def put(self, count, prefix, through=0):
        for number in range(count):
            size_bytes = 2 * MIB + number if number % 20 == 0 else self.random.randrange(4000)
            self.wanted[f"{prefix}/{number}"] = self.random.randbytes(size_bytes)
            s3 = self.homes.s3[(through + number) % 2]
            s3.put_object(Bucket=self.homes.bucket, Key=f"{prefix}/{number}", Body=self.wanted[f"{prefix}/{number}"])

    def delete(self, prefix, step):
        for number, key in enumerate(sorted(key for key in self.wanted if key.startswith(prefix))):
            if number % step == 0:
                self.homes.s3[number % 2].delete_object(Bucket=self.homes.bucket, Key=key)
                del self.wanted[key]

    def check(self, through):
        equal(self.homes.keys(through), sorted(self.wanted), f"keys through {through}")
        for key, body in self.wanted.items():
            got = self.homes.s3[through].get_object(Bucket=self.homes.bucket, Key=key)["Body"].read()
            equal(got == body, True, f"the bytes of {key} through {through}")


def empty(node):
    """Takes a node that does not run its disk; its key is left."""
    kept = node.folder / "meta" / "node_key"
    key = kept.read_bytes()
    shutil.rmtree(node.folder / "meta")
    shutil.rmtree(node.folder / "data")
    kept.parent.mkdir()
    kept.write_bytes(key)
    kept.chmod(0o600)


def _wait_until_whole(homes):
    deadline = time.monotonic() + WHOLE_WITHIN_S
    while any(serving(node) < 3 for node in homes.cluster.nodes):
        if time.monotonic() > deadline:
            raise AssertionError("the home that came back does not become whole")
        time.sleep(0.1)


def check_with_each_off(homes, photos):
    """Every pair of homes has everything."""
    for dead in range(3):
        homes.cluster.nodes[dead].stop(signal.SIGKILL)
        for through in range(3):
            if through != dead:
                photos.check(through)
        homes.restart(dead)


@SUITE.case("a home deletes its disk and returns with its id: no wrong 404, nothing lost")
def emptied(home):
    with Homes(home) as homes:
        photos, node = Photos(homes, 1), homes.cluster.nodes[2]
        photos.put(200, "a")
        photos.delete("a", 7)
        node.stop(signal.SIGKILL)
        empty(node)
        photos.put(40, "b")
        begin = time.monotonic()
        node.start()
        node.wait_until_up()
        # While it fills: requests through the others are right, and it never says that something is not there.
        for number in range(30):
            key, body = list(photos.wanted.items())[number * 3]
            for through in [0, 1]:
                got = homes.s3[through].get_object(Bucket=homes.bucket, Key=key)["Body"].read()
                equal(got == body, True, f"the bytes of {key} through {through}")
        _wait_until_whole(homes)
        print(f"   whole again after {time.monotonic() - begin:.1f} s")
        check_with_each_off(homes, photos)


@SUITE.case("a home returns from an old copy of its data: no deleted key comes back, nothing is lost")
def old_copy(home):
    with Homes(home) as homes:
        photos, node = Photos(homes, 2), homes.cluster.nodes[2]
        photos.put(120, "a")
        node.stop()
        copy = _copy_of(node)
        homes.restart(2)
        photos.put(60, "b")
        photos.delete("a", 3)
        _return_from(copy, homes)
        check_with_each_off(homes, photos)


@SUITE.case("a home returns from a copy of its present start while all others restart: no deleted key comes back")
def copy_of_this_start(home):
    with Homes(home) as homes:
        photos, nodes = Photos(homes, 2), homes.cluster.nodes
        photos.put(120, "a")
        # As a snapshot of its disk would show it.
        nodes[2].process.send_signal(signal.SIGSTOP)
        copy = _copy_of(nodes[2])
        nodes[2].process.send_signal(signal.SIGCONT)
        photos.put(60, "b")
        photos.delete("a", 3)
        time.sleep(MARKS_KEPT_S)
        for node in nodes:
            node.stop(signal.SIGKILL)
        for node in nodes[:2]:
            node.start()
        _return_from(copy, homes)
        check_with_each_off(homes, photos)


@SUITE.case("the copy is a week old, and what was deleted was deleted today: no deleted key comes back, nothing is lost")
def week_old_copy(home):
    with contextlib.ExitStack() as run:
        with past.signing(DAYS):
            homes = run.enter_context(Homes(home, around=past.clock(DAYS)))
            photos, nodes = Photos(homes, 3), homes.cluster.nodes
            photos.put(120, "a")
            photos.delete("a", 5)
        homes.cluster.stop()
        copy = _copy_of(nodes[2])
        for node in nodes:
            node.around = {}
        homes.cluster.start()
        Homes.wait_until_serving(nodes)
        photos.check(2)
        written = homes.s3[0].head_object(Bucket=homes.bucket, Key="a/1")["LastModified"]
        equal((datetime.now(timezone.utc) - written).days, DAYS, "days since the photos were written")
        photos.put(60, "b")
        photos.delete("a", 3)
        _return_from(copy, homes)
        check_with_each_off(homes, photos)


def _copy_of(node):
    """A copy of what a node that does not run has stored."""
    return shutil.copytree(node.folder, node.folder.with_name("copy"), ignore=shutil.ignore_patterns("*.sock"))


def _return_from(copy, homes):
    """Has the third home die and start again from its copy; returns when it is whole."""
    node = homes.cluster.nodes[2]
    node.stop(signal.SIGKILL)
    shutil.rmtree(node.folder)
    shutil.copytree(copy, node.folder)
    begin = time.monotonic()
    node.start()
    node.wait_until_up()
    _wait_until_whole(homes)
    print(f"   whole again after {time.monotonic() - begin:.1f} s")
    log = (node.folder / "log").read_text()
    equal("older copy than the cluster remembers" in log, True, "the node notices that its copy is old")
