"""Homes that never come back: forgotten while another one lost its memory, and a new one takes the place."""

import shutil
import signal
import time

from home import equal, wait_until
from lost_memory import Photos, check_with_each_off
from suite import Suite
from three_homes import Homes, serving

SUITE = Suite("forgetting")
WITHIN_S = 60


def _wait(is_so, what):
    wait_until(is_so, what, WITHIN_S, every_s=0.1)


def _empty(node):
    """A new disk in a machine that keeps its key."""
    node.stop(signal.SIGKILL)
    key = (node.folder / "meta" / "node_key").read_bytes()
    shutil.rmtree(node.folder / "meta")
    shutil.rmtree(node.folder / "data")
    (node.folder / "meta").mkdir()
    (node.folder / "meta" / "node_key").write_bytes(key)
    (node.folder / "meta" / "node_key").chmod(0o600)


def _id(node):
    return node.cli("node", "id", "-q").strip().split("@")[0]


def _forget(node, *ids):
    """Forgets through a node, and says again what it was told until nothing stands against it."""
    _wait(lambda: _forgets(node, *ids), "the home is forgotten")


def _forgets(node, *ids):
    return node.try_cli("node", "forget", "--yes", *ids).returncode == 0


@SUITE.case("a home that answers is not forgotten")
def answers(home):
    with Homes(home) as homes:
        nodes = homes.cluster.nodes
        equal(_forgets(nodes[0], _id(nodes[2])), False, "forgetting a home that answers")
        equal(_forgets(nodes[0], _id(nodes[0])), False, "forgetting oneself")


@SUITE.case("one home emptied and another one dead for ever: forgotten, all is readable and writable, and it may return")
def one_emptied_one_dead(home):
    with Homes(home) as homes:
        photos, nodes = Photos(homes, 4), homes.cluster.nodes
        photos.put(60, "a")
        photos.delete("a", 7)
        dead = _id(nodes[2])
        nodes[2].stop(signal.SIGKILL)
        # Written while the third one is gone: both others have it.
        photos.put(20, "b")
        _wait(lambda: serving(nodes[0]) == 2 and serving(nodes[1]) == 2, "two homes serve")
        _empty(nodes[0])
        nodes[0].start()
        nodes[0].wait_until_up()
        time.sleep(2)
        equal(serving(nodes[1]), 1, "homes that serve before the dead one is forgotten")
        _forget(nodes[1], dead)
        _wait(lambda: serving(nodes[0]) == 2 and serving(nodes[1]) == 2, "the emptied home is whole again")
        for through in [0, 1]:
            photos.check(through)
        photos.put(20, "c")
        photos.delete("b", 3)
        # It lives after all: it begins empty, and is filled.
        nodes[2].start()
        nodes[2].wait_until_up()
        _wait(lambda: all(serving(node) == 3 for node in nodes), "the forgotten home is whole again")
        equal("gave this node up" in (nodes[2].folder / "log").read_text(), True, "it notices that it was forgotten")
        check_with_each_off(homes, photos)


@SUITE.case("two of three dead at once: only by both names, and then the third one serves alone")
def two_at_once(home):
    with Homes(home) as homes:
        nodes = homes.cluster.nodes
        dead = [_id(nodes[1]), _id(nodes[2])]
        for node in nodes[1:]:
            node.stop(signal.SIGKILL)
        _wait(lambda: serving(nodes[0]) == 1, "one home is left")
        equal(_forgets(nodes[0], dead[0]), False, "forgetting one while the other one is away")
        said = nodes[0].try_cli("node", "forget", *dead)
        equal("in 1024 partitions" in said.stderr, True, f"what may be lost is said: {said.stderr}")
        _forget(nodes[0], *dead)
        homes.s3[0].put_object(Bucket=homes.bucket, Key="new", Body=b"new")
        equal(homes.s3[0].get_object(Bucket=homes.bucket, Key="new")["Body"].read(), b"new", "what is written now")
        equal(homes.keys(0), ["new"], "a listing")
        # Should they live, they are filled by it.
        for number, node in enumerate(nodes[1:], 2):
            node.start()
            node.wait_until_up()
            _wait(lambda: serving(nodes[0]) == number, f"{number} homes are whole again")
        _wait(lambda: all(serving(node) == 3 for node in nodes), "all three are whole again")
        nodes[0].stop(signal.SIGKILL)
        equal(homes.s3[1].get_object(Bucket=homes.bucket, Key="new")["Body"].read(), b"new", "from the others")


@SUITE.case("two that were forgotten come back in the same moment: one is filled after the other, without a word")
def both_return_at_once(home):
    with Homes(home) as homes:
        photos, nodes = Photos(homes, 4), homes.cluster.nodes
        photos.put(30, "a")
        dead = [_id(nodes[1]), _id(nodes[2])]
        for node in nodes[1:]:
            node.stop(signal.SIGKILL)
        _wait(lambda: serving(nodes[0]) == 1, "one home is left")
        _forget(nodes[0], *dead)
        # Each begins as soon as it hears the first home, which tells it of the other one a moment later.
        for node in nodes[1:]:
            node.start()
        for node in nodes[1:]:
            node.wait_until_up()
        _wait(lambda: all(serving(node) == 3 for node in nodes), "all three are whole again")
        check_with_each_off(homes, photos)
