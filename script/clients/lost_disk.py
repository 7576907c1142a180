"""A home that loses a disk: noticed at its start and while it runs, filled again without a command, and said until it is
done."""

import json
import random
import shutil
import signal
import threading
import time

from home import equal, refused, wait_until
from homes import Cluster, free_ports
from suite import Suite
from three_homes import Homes, client_of

SUITE = Suite("lost_disk")
MIB = 1024 * 1024
OBJECTS, OBJECT_BYTES = 12, 5 * MIB
# A block that was fetched is looked at once more some seconds later; only then it counts as here.
FILLED_WITHIN_S = 60
LOST = 2


class Disks(Homes):
    """Three homes, the last of which has two disks."""

    def __init__(self, home):
        super().__init__(home)
        node = self.cluster.nodes[LOST]
        self.disks = [node.folder / "disk1", node.folder / "disk2"]
        folders = ", ".join(f'{{ path = "{disk}", capacity = "10G" }}' for disk in self.disks)
        text = node.config.read_text()
        node.config.write_text(text.replace(f'data_dir = "{node.folder}/data"', f"data_dir = [{folders}]"))

    def fill(self):
        self.random, self.wanted = random.Random(5), {}
        for number in range(OBJECTS):
            self.wanted[f"{number}"] = self.random.randbytes(OBJECT_BYTES)
            self.s3[number % 3].put_object(Bucket=self.bucket, Key=f"{number}", Body=self.wanted[f"{number}"])
        _wait(lambda: self.blocks(LOST) == self.blocks(0) == self.blocks(1), "every home has every block", 60)

    def blocks(self, number):
        """Names of the block files of a home."""
        files = self.cluster.nodes[number].folder.glob("*/blocks/*/*")
        return {file.name.split(".")[0] for file in files}

    def check(self, through):
        for key, body in self.wanted.items():
            got = self.s3[through].get_object(Bucket=self.bucket, Key=key)["Body"].read()
            equal(got == body, True, f"the bytes of {key} through {through}")

    def health(self, number):
        return json.loads(self.cluster.nodes[number].cli("json-api", "GetClusterHealth"))

    def on_second_disk(self, wanted):
        """How many of the blocks lie there: some, not all."""
        count = len(list(self.disks[1].glob("blocks/*/*")))
        equal(0 < count < len(wanted), True, f"{count} of {len(wanted)} blocks are on the second disk")
        return count

    def check_without_each_other(self):
        """Everything is read through the home that lost a disk while each other one is off."""
        for dead in [0, 1]:
            self.cluster.nodes[dead].stop(signal.SIGKILL)
            self.check(LOST)
            self.restart(dead)

    def zone(self, number, zone):
        """What a home says of the copies in a zone."""
        return next(found for found in self.health(number)["zones"] if found["zone"] == zone)


def _wait(is_so, what, within_s=FILLED_WITHIN_S):
    wait_until(is_so, what, within_s)


def _says(health, what):
    return any(what in reason for reason in health["reasons"])


@SUITE.case("one of two disks is replaced by an empty one: all is read meanwhile, it is filled again, and health says it")
def replaced(home):
    with Disks(home) as homes:
        homes.fill()
        node, wanted = homes.cluster.nodes[LOST], homes.blocks(0)
        node.stop(signal.SIGKILL)
        lost = homes.on_second_disk(wanted)
        shutil.rmtree(homes.disks[1])
        homes.disks[1].mkdir()
        begin = time.monotonic()
        node.start()
        node.wait_until_up()
        equal("is empty now" in node.log_path.read_text(), True, "the log says what was lost")
        for number in range(3):
            _wait(lambda: _says(homes.health(number), "lacks blocks"), f"home {number} says it", 20)
        safety = " ".join(homes.health(0)["safety"])
        equal("not complete yet: home3" in safety, True, f"its copies are not relied on: {safety}")
        homes.check(LOST)
        _wait(lambda: homes.blocks(LOST) == wanted, "every block is here again")
        print(f"      {lost} blocks lost, all here again after {time.monotonic() - begin:.1f} s")
        _wait(lambda: homes.health(0)["status"] == "healthy", "health is good again")
        print(f"      healthy again after {time.monotonic() - begin:.1f} s")
        homes.check_without_each_other()


@SUITE.case("one of two disks vanishes under a running home: it is said within seconds, and filled without a command")
def vanishes(home):
    with Disks(home) as homes:
        homes.fill()
        wanted, away = homes.blocks(0), homes.disks[1].with_name("unplugged")
        lost = homes.on_second_disk(wanted)
        zone = homes.zone(0, "home3")
        equal((zone["copiesProven"], zone["blocksLacking"]), (1024, 0), "before")
        begin = time.monotonic()
        homes.disks[1].rename(away)
        homes.check(LOST)
        _wait(lambda: _says(homes.health(LOST), "is gone"), "it says so itself", 20)
        print(f"      noticed after {time.monotonic() - begin:.1f} s")
        for number in [0, 1]:
            _wait(lambda: _says(homes.health(number), "1 disk of storage node"), f"home {number} says it", 20)
        homes.s3[LOST].put_object(Bucket=homes.bucket, Key="meanwhile", Body=b"x" * OBJECT_BYTES)
        homes.wanted["meanwhile"] = b"x" * OBJECT_BYTES
        _wait(lambda: homes.blocks(LOST) == homes.blocks(0), "every block is on the other disk")
        print(f"      {lost} blocks on the other disk after {time.monotonic() - begin:.1f} s")
        _wait(lambda: not _says(homes.health(0), "lacks blocks"), "and nothing is lacking any more")
        zone = homes.zone(0, "home3")
        equal((zone["blocksLacking"], zone["bytesToCome"]), (0, 0), "the zone has everything")
        equal(homes.disks[1].exists(), False, "nothing was written in its place")
        away.rename(homes.disks[1])
        _wait(lambda: homes.health(0)["status"] == "healthy", "it is used again without a restart", 30)
        equal("is back and is used again" in homes.cluster.nodes[LOST].log_path.read_text(), True, "the log says so")
        homes.check_without_each_other()


@SUITE.case("the only disk of a home vanishes under it: the others take every put, it says why, and it is filled later")
def vanishes_whole(home):
    with Homes(home) as homes:
        node, disk = homes.cluster.nodes[LOST], homes.cluster.nodes[LOST].folder / "data"
        before = random.Random(7).randbytes(OBJECT_BYTES)
        homes.s3[0].put_object(Bucket=homes.bucket, Key="before", Body=before)
        disk.rename(node.folder / "unplugged")
        bodies = {number: random.Random(number).randbytes(OBJECT_BYTES) for number in range(3)}
        for number, body in bodies.items():
            homes.s3[number].put_object(Bucket=homes.bucket, Key=f"{number}", Body=body)
        for number in [0, 1]:
            health = lambda: json.loads(homes.cluster.nodes[number].cli("json-api", "GetClusterHealth"))
            _wait(lambda: _says(health(), "no disk left that takes blocks"), f"home {number} says it", 20)
        told = node.try_cli("health")
        equal(f"the disk of the data folder {disk} is gone" in told.stdout, True, told.stdout)
        equal("PROVEN COPIES BY ZONE" in node.cli("status"), True, "the table")
        equal(disk.exists(), False, "nothing was written in its place")
        for through in range(3):
            got = homes.s3[through].get_object(Bucket=homes.bucket, Key="before")["Body"].read()
            equal(got == before, True, f"read through {through}")
        (node.folder / "unplugged").rename(disk)
        healthy = lambda: json.loads(node.cli("json-api", "GetClusterHealth"))["status"] == "healthy"
        _wait(healthy, "it is filled again without a restart")
        for dead in [0, 1]:
            homes.cluster.nodes[dead].stop(signal.SIGKILL)
            for key, body in {"before": before, **{f"{key}": body for key, body in bodies.items()}}.items():
                got = homes.s3[LOST].get_object(Bucket=homes.bucket, Key=key)["Body"].read()
                equal(got == body, True, f"{key} without home {dead + 1}")
            homes.restart(dead)


@SUITE.case("every disk is lost and the home that sends dies in the middle: reads through the empty one go on")
def dies_in_the_middle(home):
    with Disks(home) as homes:
        homes.fill()
        node = homes.cluster.nodes[LOST]
        node.stop(signal.SIGKILL)
        for disk in homes.disks:
            shutil.rmtree(disk)
        # Until it counts itself, two of three are the other two, and one of them dies below.
        homes.restart(LOST)
        failed = []

        def read():
            for _ in range(2):
                try:
                    homes.check(LOST)
                except Exception as error:  # whatever it is, the case fails by it
                    failed.append(repr(error))

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        time.sleep(0.4)
        homes.cluster.nodes[0].stop(signal.SIGKILL)
        for reader in readers:
            reader.join()
        equal(failed, [], "failed reads")
        homes.restart(0)
        wanted = homes.blocks(0)
        _wait(lambda: homes.blocks(LOST) == wanted, "every block is here again")


@SUITE.case("a home alone does not start without its disk, unless it is told that the disk is gone for good")
def alone(home):
    cluster = Cluster(home.server.binary, home.folder("alone"), 1, first_port=free_ports(), first_alone=True)
    (node,) = cluster.nodes
    marker = node.folder / "data" / "garage-marker"
    node.start()
    node.wait_until_up()
    s3 = client_of(node, *cluster.key())
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="small", Body=b"beside its row")
    s3.put_object(Bucket="photos", Key="large", Body=random.Random(6).randbytes(3 * MIB))
    node.stop(signal.SIGKILL)
    shutil.rmtree(node.folder / "data")
    node.start()
    equal(node.process.wait(timeout=30) != 0, True, "it refuses to start")
    equal("its marker file is gone" in node.log_path.read_text(), True, "it says why")
    equal("--without-disk" in node.log_path.read_text(), True, "it says what can be done")
    equal(marker.exists(), False, "a folder is made in place of the lost one")
    node.start("--without-disk", str(node.folder / "data"))
    node.wait_until_up()
    equal(s3.get_object(Bucket="photos", Key="small")["Body"].read(), b"beside its row", "what was not on the disk")
    refused("InternalError", 500, s3.get_object, Bucket="photos", Key="large")
    _wait(lambda: _says(json.loads(node.cli("json-api", "GetClusterHealth")), "lacks blocks"), "health says it", 20)
    s3.put_object(Bucket="photos", Key="large", Body=b"anew" * MIB)
    equal(s3.get_object(Bucket="photos", Key="large")["Body"].read(), b"anew" * MIB, "the copy that is brought again")
    node.stop(signal.SIGKILL)
    node.start()
    node.wait_until_up()
    equal(s3.get_object(Bucket="photos", Key="large")["Body"].read(), b"anew" * MIB, "later starts need no flag")
