"""A power cut on a real file system: how many acknowledged objects are gone afterwards?

An ext4 image on a loop device; right after the last acknowledged request the file system is shut down without
writing its log (EXT4_IOC_SHUTDOWN, NOLOGFLUSH), which loses all that was not made durable, as pulling the plug
does. Then mount, start, read everything. The configuration is the default one.
"""

import concurrent.futures
import fcntl
import os
import struct
import subprocess

from frame import digest, three_over
from home import Skip

# From the kernel's ext4.h: _IOR('X', 125, __u32) and the flag that also drops the journal.
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
# Objects of every earlier cycle are read again this often.
FULL_CHECK_EVERY_CYCLES = 20
READERS = 4


def options(parser):
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--puts", type=int, default=100, help="objects written in each cycle")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--image-mib", type=int, default=4096, help="size of the (sparse) image")


class Image:
    """The file system that loses power."""

    def __init__(self, folder, size_mib):
        self.file, self.mount_point = folder / "disk.img", folder / "disk"
        self.mount_point.mkdir()
        with open(self.file, "wb") as image:
            image.truncate(size_mib * 1024 * 1024)
        _must("mkfs.ext4", "-q", str(self.file))

    def mount(self):
        _must("mount", "-o", "loop", str(self.file), str(self.mount_point))

    def cut(self):
        folder = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def unmount(self):
        _must("umount", str(self.mount_point))


def _must(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def run(frame):
    if os.geteuid() != 0:
        raise Skip("needs root to mount a loop device")
    image = Image(frame.folder, frame.options.image_mib)
    try:
        image.mount()
    except RuntimeError as error:
        raise Skip(f"no loop device: {error}") from None
    mounted = True
    try:
        server = frame.server(image.mount_point / "server")
        server.log_path = frame.folder / "server.log"  # the log is wanted after a power cut too
        known, lost, acknowledged, starts = {}, [], 0, []
        for cycle in range(frame.options.cycles):
            server.start()
            home = frame.home(server)
            if cycle == 0:
                # The first start and the bucket are not what is measured; everything after this is.
                home.s3.create_bucket(Bucket="power")
                os.sync()
            changed = _write(frame, home, cycle, known)
            acknowledged += len(changed)
            image.cut()
            server.kill()
            image.unmount()
            mounted = False
            image.mount()
            mounted = True
            server.start()
            starts.append(server.start_seconds)
            full = cycle % FULL_CHECK_EVERY_CYCLES == FULL_CHECK_EVERY_CYCLES - 1 or cycle == frame.options.cycles - 1
            lost_now = _missing(frame, frame.home(server), known, known if full else changed)
            lost += lost_now
            for key in lost_now:
                known.pop(key, None)  # counted once
            server.kill()
            if cycle % 10 == 9 or cycle == frame.options.cycles - 1:
                print(f"  cycle {cycle + 1}: {acknowledged} acknowledged, {len(lost)} lost", flush=True)
        frame.figure("power cuts", frame.options.cycles)
        frame.figure("acknowledged writes", acknowledged)
        frame.figure("acknowledged writes lost", f"{len(lost)} ({three_over(acknowledged) if not lost else 'see below'})")
        frame.figure("healthy again after a power cut, worst", f"{max(starts):.2f} s")
        frame.demand(acknowledged >= frame.options.cycles * frame.options.puts * 0.9, "nearly all writes were acknowledged")
        frame.demand(not lost, f"no acknowledged write is lost: {lost[:10]}")
    finally:
        for server in frame.servers:
            server.kill()
        if mounted:
            image.unmount()


def _write(frame, home, cycle, known):
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
        key, body = entry
        if body is None:
            frame.patiently(lambda: home.s3.delete_object(Bucket="power", Key=key))
        else:
            frame.patiently(lambda: home.s3.put_object(Bucket="power", Key=key, Body=body))
        return key, None if body is None else digest(body)

    with concurrent.futures.ThreadPoolExecutor(frame.options.connections) as pool:
        changed = dict(pool.map(write, plan))
    known.update(changed)
    return changed


def _missing(frame, home, known, keys):
    """The keys whose object is not as it was acknowledged, and those that a listing forgets or invents."""

    def found(key):
        try:
            return frame.patiently(lambda: digest(home.s3.get_object(Bucket="power", Key=key)["Body"].read()))
        except home.s3.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return None if status == 404 else f"status {status}"

    keys = list(keys)
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        wrong = [key for key, value in zip(keys, pool.map(found, keys)) if value != known[key]]
    if len(keys) == len(known):
        try:
            pages = home.s3.get_paginator("list_objects_v2").paginate(Bucket="power")
            listed = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
        except home.s3.exceptions.ClientError as error:
            return wrong + [f"listing: {error}"]
        there = {key for key, value in known.items() if value is not None}
        wrong += [f"listing: {key}" for key in (listed ^ there) - set(wrong)]
    return wrong
