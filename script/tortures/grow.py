"""A home with data becomes three under steady requests: errors, losses, time, bytes, steps.

The two new homes join by invitation, as a person would have them: three commands on the first home, one on each
new machine. Afterwards every object is read with each home off in turn. With `--kills` the first home is killed again and
again while the others copy from it.
"""

import json
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

from home import Skip
from several import BUCKET, Several, Steady
from three_homes import Homes
from wan import Wan

WITHIN_S = 1800


def options(parser):
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--per-second", type=float, default=20)
    parser.add_argument("--rtt", type=float, help="milliseconds between the homes, which are network namespaces then")
    parser.add_argument("--mbit", type=float, help="million bits a second that each home sends at most (with --rtt, or 30 ms)")
    parser.add_argument("--flush-ms", type=int, help="so much longer each flush of each home takes: a very busy disk")
    parser.add_argument("--blocks", type=int, default=20, help="objects of 1 to 8 MiB among them, which move as blocks")
    parser.add_argument("--kills", type=int, default=0, help="how often the first home is killed while the others copy")
    parser.add_argument("--read", type=int, help="objects read with each home off; all by default")


def run(frame):
    if frame.options.rtt is None and frame.options.mbit is None:
        grow(frame)
        return
    with Wan(3, frame.options.rtt or 30, mbit=frame.options.mbit):
        grow(frame, wide=True)


def grow(frame, wide=False):
    with Several(frame, 3, first_alone=True, wide=wide) as homes:
        if frame.options.flush_ms:
            around = slow_flushes(frame, frame.options.flush_ms)
            for node in homes.nodes:
                node.around = around
        first = homes.nodes[0]
        first.start()
        first.wait_until_up()
        homes.connect()
        sizes = fill(frame, homes)
        frame.figure("objects and MiB on one home", f"{len(sizes)}, {sum(sizes.values()) >> 20}")
        steady = Steady([homes.s3[0]], frame.options.per_second, frame.options.seed, "steady")
        steady.start()
        time.sleep(5)
        begin, steps = time.monotonic(), join(homes)
        for _ in range(frame.options.kills):
            kill_while_copying(first)
        wait_until_grown(homes)
        seconds = time.monotonic() - begin
        # What is said to be there is asked for at once: nothing gets the time to be copied late.
        steady.stop()
        frame.figure("steps typed", steps)
        frame.figure("seconds from the first step to three copies", f"{seconds:.0f}")
        frame.figure("bytes on each home's disk, MiB", [used(node) for node in homes.nodes])
        frame.figure("steady requests, errors", f"{steady.requests}, {len(steady.errors)}")
        steady.show_slowest(frame, "steady")
        may_fail = frame.options.kills > 0
        frame.demand(may_fail or not steady.errors, f"no request fails: {steady.errors[:3]}")
        frame.demand(not steady.wrong, f"no read is wrong: {steady.wrong[:3]}")
        read_with_each_off(frame, homes, sizes, steady)


def slow_flushes(frame, ms):
    """The environment of a server whose flushes take so much longer."""
    if shutil.which("cc") is None:
        raise Skip("slow flushes need a C compiler, cc")
    library = frame.folder / "slow_flush.so"
    source = pathlib.Path(__file__).with_name("slow_flush.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "SLOW_FLUSH_MS": str(ms)}


def fill(frame, homes):
    sizes = {}
    for number in range(frame.options.objects):
        is_large = number < frame.options.blocks
        size = frame.random.randrange(1 << 20, 8 << 20) if is_large else frame.random.randrange(1, 8192)
        homes.s3[0].put_object(Bucket=BUCKET, Key=f"old/{number}", Body=content(number, size))
        sizes[f"old/{number}"] = size
    return sizes


def content(number, size):
    return random.Random(number).randbytes(size)


def kill_while_copying(node):
    """Kills the home that is copied from, and starts it again."""
    time.sleep(2)
    node.stop(signal.SIGKILL)
    time.sleep(1)
    node.start()
    node.wait_until_up()


def join(homes):
    """Returns how many commands it took."""
    first, steps = homes.nodes[0], 0
    for node in homes.nodes[1:]:
        said = first.cli("node", "invite", "--address", f"{first.host}:{first.rpc_port}")
        node.start("--join", re.search(r"--join (\S+)", said).group(1))
        node.wait_until_up()
        steps += 2
    deadline = time.monotonic() + 30
    # Both homes dial each other at first, and one of the two links ends: a person is slower than that.
    time.sleep(2)
    while waiting(first) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    first.cli("node", "approve", "--all", "--yes")
    return steps + 1


def waiting(node):
    nodes = json.loads(node.cli("json-api", "GetClusterStatus"))["nodes"]
    return sum("waiting" in node and node["isUp"] for node in nodes)


def wait_until_grown(homes):
    deadline = time.monotonic() + WITHIN_S
    for node in homes.nodes:
        while True:
            layout = json.loads(node.cli("json-api", "GetClusterLayout"))
            if layout["version"] == 2 and "coming" not in layout:
                break
            if time.monotonic() > deadline:
                raise AssertionError(node.cli("layout", "show"))
            time.sleep(0.5)


def used(node):
    done = subprocess.run(["du", "-sm", node.folder], capture_output=True, text=True)
    return int(done.stdout.split()[0])


def read_with_each_off(frame, homes, sizes, steady):
    lost = 0
    for off in range(3):
        homes.nodes[off].stop(signal.SIGKILL)
        through = homes.s3[(off + 1) % 3]
        for key in frame.random.sample(sorted(sizes), min(frame.options.read or len(sizes), len(sizes))):
            try:
                body = through.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            except Exception as error:
                print(f"  {key}, {sizes[key]} bytes, with home {off + 1} off: {error}", flush=True)
                body = None
            lost += body != content(int(key.split("/")[1]), sizes[key])
        lost += steady.check(through)
        homes.nodes[off].start()
        homes.nodes[off].wait_until_up()
        Homes.wait_until_serving(homes.nodes)
    frame.figure("objects wrong or gone with any one home off", lost)
    frame.demand(lost == 0, "every object is readable with any one home off")
