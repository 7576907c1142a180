"""What an operator sees and starts: all homes are asked through one, a damaged and a lost block are found, shown and dealt
with."""

import json
import random

from botocore.exceptions import ClientError

from home import equal, wait_until
from suite import Suite
from three_homes import Homes

SUITE = Suite("operating")
MIB = 1024 * 1024
# Scrub begins within the five seconds of the worker's rest, and what it finds is fetched in the next turn.
REPAIRED_WITHIN_S = 40


def block_files(node):
    """The block files of a home: name of the block and where it lies."""
    return {file.name.split(".")[0]: file for file in node.folder.glob("data/blocks/*/*") if "corrupted" not in file.name}


def _wait(is_so, what):
    wait_until(is_so, what, REPAIRED_WITHIN_S, every_s=0.3)


def show(node, *arguments):
    """What a command prints, which is shown with the results of the suite as well."""
    text = node.cli(*arguments)
    print(f"$ garage {' '.join(arguments)}\n{text}", flush=True)
    return text


def object_of_a_block(homes, key, number):
    """Stores an object of one block; its block, once all homes have it."""
    before = set(block_files(homes.cluster.nodes[0]))
    homes.s3[0].put_object(Bucket=homes.bucket, Key=key, Body=random.Random(number).randbytes(MIB // 2))
    _wait(lambda: all(set(block_files(node)) - before for node in homes.cluster.nodes), "every home has the block")
    (block,) = set(block_files(homes.cluster.nodes[0])) - before
    return block


@SUITE.case("one home answers for all: workers, statistics, settings; one that is dead is named")
def all_homes(home):
    with Homes(home) as homes:
        first, second, third = homes.cluster.nodes
        ids = [node.id()[:16] for node in homes.cluster.nodes]
        listed = show(first, "worker", "list", "-a")
        for id in ids:
            equal(f"NODE {id}" in listed, True, f"{id} is in {listed}")
        equal(listed.count("Block scrub"), 3, "workers of three homes")
        equal(show(first, "stats", "-a").count("==== NODE "), 3, "statistics of three homes")
        told = second.cli("worker", "info", "2", "--node", ids[2][:8])
        equal(f"NODE {ids[2]}" in told and "BLOCK SCRUB" in told, True, told)
        first.cli("worker", "set", "-a", "scrub-tranquility", "7")
        values = show(first, "worker", "get", "-a", "scrub-tranquility")
        equal(values.count("scrub-tranquility  7"), 3, values)
        refused = first.try_cli("worker", "get", "scrub-tranquilty")
        equal((refused.returncode, "Did you mean `scrub-tranquility`?" in refused.stderr), (1, True), refused.stderr)
        third.stop()
        homes.restart(2)
        equal("scrub-tranquility  7" in third.cli("worker", "get", "scrub-tranquility"), True, "it is kept over a restart")
        third.stop()
        _wait(lambda: "not connected" in first.try_cli("worker", "list", "-a").stdout, "the dead home is named")
        told = first.try_cli("worker", "list", "-a")
        equal((told.returncode, told.stdout.count("Block scrub")), (1, 2), told.stdout)
        print(told.stdout.splitlines()[-1], flush=True)


@SUITE.case("each repair is started everywhere, or says in a sentence why there is nothing to start")
def repairs(home):
    with Homes(home) as homes:
        first = homes.cluster.nodes[0]
        for what in ["tables", "blocks", "versions", "mpu", "block-refs", "block-rc", "aliases", "rebalance", "clear-resync-queue"]:
            said = (show if what in ["tables", "rebalance"] else type(first).cli)(first, "repair", "-a", "--yes", what)
            sentences = [line for line in said.splitlines() if line and not line.startswith("====")]
            equal((len(sentences), said.count("==== NODE ")), (3, 3), said)
        equal(first.try_cli("repair", "tables").returncode, 1, "without --yes nothing is started")
        counted = lambda: first.cli("worker", "info", "5", "-a").count("last run ended")
        _wait(lambda: counted() == 3, "references are counted on all homes")
        equal(first.cli("worker", "info", "5", "-a").count("0 of them had another count"), 3, "and were right")


@SUITE.case("a block that rots on another home is found by scrub, started from here, and fetched again")
def rots(home):
    with Homes(home) as homes:
        first, second, third = homes.cluster.nodes
        block = object_of_a_block(homes, "holiday.jpg", 1)
        file = block_files(third)[block]
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        equal("here, and damaged" in first.cli("block", "info", block[:12], "--node", third.id()[:16]), True, "it is seen")
        show(first, "repair", "-a", "--yes", "scrub", "start")
        _wait(lambda: "scrub-corruptions_detected  1" in first.cli("worker", "get", "-a"), "scrub finds it")
        _wait(lambda: "here, and good" in second.cli("block", "info", block, "--node", third.id()[:16]), "it is good again")
        for node in [first, second]:
            node.stop()
        found = json.loads(third.cli("json-api", "GetBlockInfo", json.dumps({"node": "self", "blockHash": block})))
        (told,) = found["success"].values()
        equal((told["presence"], told["refcount"]), ("here", 1), "alone, without the others")


@SUITE.case("a block that every home lost is listed, named with its objects, and purged with them")
def lost(home):
    with Homes(home) as homes:
        first, second, _ = homes.cluster.nodes
        block, kept = object_of_a_block(homes, "lost.jpg", 1), object_of_a_block(homes, "kept.jpg", 2)
        equal(first.try_cli("block", "purge", "--yes", block).returncode, 1, "nothing is purged that is there")
        files = [block_files(node)[block] for node in homes.cluster.nodes]
        content = files[2].read_bytes()
        # At once: whoever looks for it meanwhile would fetch it from the last one that has it.
        for file in files:
            file.unlink()
        first.cli("repair", "-a", "--yes", "blocks")
        _wait(lambda: first.cli("block", "list-errors", "-a").count(block) == 3, "all homes list it")
        show(first, "block", "list-errors", "-a")
        named = show(second, "block", "info", block[:10])
        equal(all(word in named for word in ["missing", homes.bucket, "lost.jpg", block]), True, named)
        equal("kept.jpg" in named, False, named)
        equal("Next try" in first.cli("block", "list-errors"), True, "it is a table")
        files[2].write_bytes(content)
        refused = first.try_cli("block", "purge", "--yes", block)
        equal("nothing was deleted" in refused.stderr, True, f"one home has it: {refused.stderr}")
        for node in homes.cluster.nodes:
            block_files(node).get(block, files[2]).unlink(missing_ok=True)
        asked = first.try_cli("block", "purge", block)
        equal((asked.returncode, f"{homes.bucket}/lost.jpg" in asked.stderr), (1, True), asked.stderr)
        show(first, "block", "purge", "--yes", block)
        equal("looked for" in show(first, "block", "retry-now", "-a", "--all"), True, "what is left in the queue")
        equal(homes.keys(1), ["kept.jpg"], "what is left")
        try:
            homes.s3[2].get_object(Bucket=homes.bucket, Key="lost.jpg")
        except ClientError as error:
            equal(error.response["Error"]["Code"], "NoSuchKey", "it is gone")
        else:
            raise AssertionError("a purged object was read")
        equal(len(homes.s3[2].get_object(Bucket=homes.bucket, Key="kept.jpg")["Body"].read()), MIB // 2, f"{kept} is there")
