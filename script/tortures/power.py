"""A power cut on a real file system: how many acknowledged objects are gone afterwards?

An ext4 image on a loop device; right after the last acknowledged request the file system is shut down without
writing its log (EXT4_IOC_SHUTDOWN, NOLOGFLUSH), which loses all that was not made durable, as pulling the plug
does. Then mount, start, read everything. The configuration is the default one.

With `--homes 3` it is three homes, each with a disk of its own, that all lose power together.
"""

import concurrent.futures
import fcntl
import os
import struct
import signal
import subprocess
import time
import zlib

from botocore.exceptions import ClientError
from frame import digest, three_over
from home import Skip
from several import Several
from three_homes import Homes

# From the kernel's ext4.h: _IOR('X', 125, __u32) and the flag that also drops the journal.
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
# Objects of every earlier cycle are read again this often.
FULL_CHECK_EVERY_CYCLES = 20
READERS = 4
BUCKET = "power"


def options(parser):
    parser.add_argument("--homes", type=int, default=1, choices=[1, 3])
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--puts", type=int, default=100, help="objects written in each cycle")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--image-mib", type=int, default=4096, help="size of each (sparse) image")


class Image:
    """A file system that loses power."""

    def __init__(self, file, mount_point, size_mib):
        self.file, self.mount_point, self.mounted = file, mount_point, False
        self.mount_point.mkdir(parents=True)
        with open(self.file, "wb") as image:
            image.truncate(size_mib * 1024 * 1024)
        _must("mkfs.ext4", "-q", str(self.file))

    def mount(self):
        _must("mount", "-o", "loop", str(self.file), str(self.mount_point))
        self.mounted = True

    def cut(self):
        folder = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def unmount(self):
        if self.mounted:
            _must("umount", str(self.mount_point))
            self.mounted = False


def _must(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Alone:
    """One home."""

    def __init__(self, frame):
        self.frame, place = frame, frame.folder / "disk"
        self.images = [Image(frame.folder / "disk.img", place, frame.options.image_mib)]
        self.place, self.server = place, None

    def start(self):
        """Returns the clients of it."""
        if self.server is None:
            self.server = self.frame.server(self.place / "server")
            self.server.log_path = self.frame.folder / "server.log"  # the log is wanted after a power cut too
        self.server.start()
        return [self.frame.home(self.server).s3]

    def kill(self):
        if self.server:
            self.server.kill()


class Together:
    """Three homes."""

    def __init__(self, frame):
        self.frame, self.homes = frame, None
        folder = frame.folder / "homes"
        self.images = [
            Image(frame.folder / f"disk{number}.img", folder / f"node{number}", frame.options.image_mib)
            for number in [1, 2, 3]
        ]

    def start(self):
        if self.homes is None:
            self.homes = Several(self.frame, 3)
            for node in self.homes.nodes:
                node.log_path = self.frame.folder / f"node{node.number}.log"
            self.homes.start_all()
        else:
            self.homes.cluster.start()
            Homes.wait_until_serving(self.homes.nodes)
        return self.homes.s3

    def kill(self):
        for node in self.homes.nodes if self.homes else []:
            node.stop(signal.SIGKILL)


def run(frame):
    if os.geteuid() != 0:
        raise Skip("needs root to mount a loop device")
    place = Alone(frame) if frame.options.homes == 1 else Together(frame)
    try:
        try:
            for image in place.images:
                image.mount()
        except RuntimeError as error:
            raise Skip(f"no loop device: {error}") from None
        _cycles(frame, place)
    finally:
        place.kill()
        for image in place.images:
            image.unmount()


def _cycles(frame, place):
    known, lost, acknowledged, starts = {}, [], 0, []
    for cycle in range(frame.options.cycles):
        clients = place.start()
        if cycle == 0:
            # The first start and the bucket are not what is measured; everything after this is.
            clients[0].create_bucket(Bucket=BUCKET)
            os.sync()
        changed = _write(frame, clients, cycle, known)
        acknowledged += len(changed)
        _lose_power(place)
        begin = time.monotonic()
        clients = place.start()
        starts.append(time.monotonic() - begin)
        full = cycle % FULL_CHECK_EVERY_CYCLES == FULL_CHECK_EVERY_CYCLES - 1 or cycle == frame.options.cycles - 1
        lost_now = _missing(frame, clients, known, known if full else changed)
        lost += lost_now
        for key in lost_now:
            known.pop(key, None)  # counted once
        place.kill()
        if cycle % 10 == 9 or cycle == frame.options.cycles - 1:
            print(f"  cycle {cycle + 1}: {acknowledged} acknowledged, {len(lost)} lost", flush=True)
    frame.figure("power cuts", frame.options.cycles)
    frame.figure("acknowledged writes", acknowledged)
    frame.figure("acknowledged writes lost", f"{len(lost)} ({three_over(acknowledged) if not lost else 'see below'})")
    frame.figure("healthy again after a power cut, worst", f"{max(starts):.2f} s")
    frame.demand(acknowledged >= frame.options.cycles * frame.options.puts * 0.9, "nearly all writes were acknowledged")
    frame.demand(not lost, f"no acknowledged write is lost: {lost[:10]}")


def _lose_power(place):
    for image in place.images:
        image.cut()
    place.kill()
    for image in place.images:
        image.unmount()
        image.mount()


def _write(frame, clients, cycle, known):
    """The writes of one cycle, most of them small puts; returns what each acknowledged key must hold (None: deleted)."""
    plan = []
    for number in range(frame.options.puts):
        size_bytes = frame.random.choice([0, 10, 500, 3000, 4096, 20000, 100000, 1200000 if number % 10 == 0 else 70])
        plan.append((f"c{cycle:04}/{number:04}", frame.bytes(size_bytes)))
    old = sorted(key for key, value in known.items() if value is not None)
    if old:
        plan += [(frame.random.choice(old), None), (frame.random.choice(old), frame.bytes(5000))]
        plan = list({key: (key, body) for key, body in plan}.values())

    def write(entry):
        (key, body), s3 = entry, _through(clients, entry[0])
        if body is None:
            frame.patiently(lambda: s3.delete_object(Bucket=BUCKET, Key=key))
        else:
            frame.patiently(lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=body))
        return key, None if body is None else digest(body)

    with concurrent.futures.ThreadPoolExecutor(frame.options.connections) as pool:
        changed = dict(pool.map(write, plan))
    known.update(changed)
    return changed


def _missing(frame, clients, known, keys):
    """The keys whose object is not as it was acknowledged, and those that a listing forgets or invents."""

    def found(key):
        s3 = _through(clients, key)
        try:
            return frame.patiently(lambda: digest(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return None if status == 404 else f"status {status}"

    keys = list(keys)
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        wrong = [key for key, value in zip(keys, pool.map(found, keys)) if value != known[key]]
    if len(keys) == len(known):
        for number, s3 in enumerate(clients):
            wrong += [f"listing {number}: {key}" for key in _misplaced(s3, known) - set(wrong)]
    return wrong


def _through(clients, key):
    """The home that a key is written and read through."""
    return clients[zlib.crc32(key.encode()) % len(clients)]


def _misplaced(s3, known):
    """What a listing forgets or invents."""
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        listed = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    except ClientError as error:
        return {str(error)}
    return listed ^ {key for key, value in known.items() if value is not None}
