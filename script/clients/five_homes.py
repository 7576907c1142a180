"""Five homes in three zones: each object lies in all of them, and any home, or all of one zone, may be off."""

import random
import signal

from growing import stands_alone
from home import equal, wait_until
from suite import Suite
from three_homes import MIB, Homes

SUITE = Suite("five_homes")
ZONES = ["berlin", "berlin", "paris", "paris", "rome"]
OBJECTS = 40
MOVED_WITHIN_S = 60


def put_some(homes, name):
    """Objects of all sizes through every home; key and content of each."""
    wanted = {}
    for number in range(OBJECTS):
        body = random.Random(f"{name}{number}").randbytes([0, 900, 100 * 1024, 2 * MIB + 5][number % 4])
        homes.s3[number % 5].put_object(Bucket=homes.bucket, Key=f"{name}/{number:02}", Body=body)
        wanted[f"{name}/{number:02}"] = body
    return wanted


def check(homes, wanted, off=()):
    """Everything is listed and read through each home that is not off, a share of it each."""
    for through in [number for number in range(5) if number not in off]:
        equal(homes.keys(through), sorted(wanted), f"keys through home {through + 1}, off: {off}")
    running = [number for number in range(5) if number not in off]
    for number, (key, body) in enumerate(sorted(wanted.items())):
        through = running[number % len(running)]
        read = homes.s3[through].get_object(Bucket=homes.bucket, Key=key)["Body"].read()
        equal(read == body, True, f"{key} through home {through + 1}, off: {off}")


@SUITE.case("each object lies in every zone: any home may be off, or a whole zone, and writes go on")
def a_zone_may_be_off(home):
    with Homes(home, zones=ZONES) as homes:
        wanted = put_some(homes, "all up")
        check(homes, wanted)
        for off in [(0,), (2,), (4,), (0, 1), (2, 3)]:
            for number in off:
                homes.cluster.nodes[number].stop(signal.SIGKILL)
            check(homes, wanted, off)
            through = homes.s3[next(number for number in range(5) if number not in off)]
            body = random.Random(str(off)).randbytes(MIB + 1)
            through.put_object(Bucket=homes.bucket, Key=f"meanwhile/{off}", Body=body)
            wanted[f"meanwhile/{off}"] = body
            for number in off:
                homes.restart(number)
        check(homes, wanted)


@SUITE.case("a home leaves and its zone has another one: every copy moves, and nothing is missing with any zone off")
def one_leaves(home):
    with Homes(home, zones=ZONES) as homes:
        wanted = put_some(homes, "before")
        first, leaving = homes.cluster.nodes[0], homes.cluster.nodes[1]
        first.cli("layout", "remove", leaving.id().split("@")[0])
        first.cli("layout", "apply", "--version", "2")

        for node in homes.cluster.nodes:
            wait_until(lambda: stands_alone(node, 2), f"the change is complete for home {node.number}", MOVED_WITHIN_S, every_s=0.3)
        leaving.stop()
        for off in [(1,), (1, 0), (1, 2, 3), (1, 4)]:
            for number in off[1:]:
                homes.cluster.nodes[number].stop(signal.SIGKILL)
            check(homes, wanted, off)
            for number in off[1:]:
                homes.restart(number)
