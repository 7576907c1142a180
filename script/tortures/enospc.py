"""A full disk: writes are refused with a clear error, reads and deletes go on, and space that is freed is used again.

Two kinds of full. First the server fills its disk by itself, up to the reserves it leaves free: deletes must
work there, and free space. Then a file of somebody else takes the last byte while the server writes, so that a
commit of metadata itself finds no room: nothing acknowledged may be lost, reads go on, also after kill -9, and
all works again without a restart when that file is gone.
"""

import concurrent.futures
import errno
import os
import subprocess
import threading
import time
import urllib.request

from botocore.exceptions import BotoCoreError, ClientError
from frame import Background, digest
from home import Skip

# Above, and twice below, what is kept inline: blocks fill the disk to their reserve, then inline bodies to the
# reserve of the metadata, then the gaps.
FILLING_SIZES_BYTES = [700000, 60000, 2000]
# One size no longer fits after this many refusals in a row.
REFUSALS_IN_A_ROW = 10
FILLING_CONNECTIONS = 4
# After deletes the blocks are freed in the background; within this time writes must work again.
RECOVERY_LIMIT_S = 120
# Requests tried while not one byte is left.
TRIES_ON_THE_LAST_BYTE = 40


def options(parser):
    parser.add_argument("--size-mib", type=int, default=384, help="size of the disk")
    parser.add_argument("--rounds", type=int, default=3, help="how often the disk is filled and emptied")


def run(frame):
    if os.geteuid() != 0:
        raise Skip("needs root to mount a small file system")
    disk = frame.folder / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={frame.options.size_mib}m", "none", str(disk)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"mount: {done.stderr.strip()}")
    try:
        server = frame.server(disk / "server")
        server.log_path = frame.folder / "server.log"  # the log must not share the full disk
        server.start()
        home = frame.home(server)
        home.s3.create_bucket(Bucket="full")
        known = {}
        for number in range(frame.options.rounds):
            print(f"  round {number + 1}", flush=True)
            _own_limit(frame, home, known, number)
            _last_byte(frame, home, known, number, disk / "filler")
    finally:
        for server in frame.servers:
            server.kill()
        subprocess.run(["umount", str(disk)], check=True)


def _own_limit(frame, home, known, number):
    """The server fills the disk by itself, then three quarters are deleted and there is room again."""
    server, refusals, begin = home.server, [], time.monotonic()
    _demand_health(frame, server, full=False)
    for size_bytes in FILLING_SIZES_BYTES:
        stored = _fill(frame, home, known, f"r{number}/{size_bytes}", size_bytes, refusals)
        frame.figure(f"objects of {size_bytes:,} bytes until full", stored)
    frame.figure("filled in", f"{time.monotonic() - begin:.0f} s, {len(known)} objects")
    _demand_clear(frame, refusals)
    frame.demand(server.alive(), "the server lives on a full disk")
    _demand_health(frame, server, full=True)
    _check_reads(frame, home, known)
    if number == 0:
        server.kill()
        server.start()
        frame.figure("starts again on the full disk", f"{server.start_seconds:.2f} s")
        _check_reads(frame, home, known)
    gone = sorted(known)[: len(known) * 3 // 4]
    refused = [key for key in gone if not _delete(home, known, key)]
    frame.figure("deleted on the full disk", f"{len(gone) - len(refused)} of {len(gone)}")
    frame.demand(not refused, f"deletes work on a full disk: {refused[:2]}")
    _demand_room(frame, home, "the deletes")
    _check_reads(frame, home, known)
    _demand_health(frame, server, full=False)


def _last_byte(frame, home, known, number, filler):
    """Somebody else takes every byte while the server writes; then that file goes away."""
    server, refusals, failed_reads, ended = home.server, [], [], threading.Event()
    kept = sorted(known)[TRIES_ON_THE_LAST_BYTE:]
    reading = Background(lambda: _read_until(ended, frame, home, {key: known[key] for key in kept}, failed_reads))
    writing = Background(lambda: _fill(frame, home, known, f"r{number}/last", 30000, refusals))
    time.sleep(0.5)
    _take_every_byte(filler)
    while writing.alive():
        _take_every_byte(filler)  # what the server gave back in the meantime
        writing.join(0.1)
    writing.join()
    _demand_clear(frame, refusals)
    _check_reads(frame, home, known)
    deleted = [_delete(home, known, key) for key in sorted(known)[:TRIES_ON_THE_LAST_BYTE]]
    frame.figure("not one byte left: deletes that still worked", f"{sum(deleted)} of {len(deleted)}")
    ended.set()
    reading.join()
    frame.demand(not failed_reads, f"reads go on while nothing can be written: {len(failed_reads)} failed, {failed_reads[:3]}")
    _take_every_byte(filler)
    server.kill()
    server.start()
    frame.figure("starts again without one byte left", f"{server.start_seconds:.2f} s")
    _check_reads(frame, home, known)
    refused = []
    for count in range(TRIES_ON_THE_LAST_BYTE):
        _take_every_byte(filler)  # the server goes on freeing what was deleted
        key, body = f"r{number}/tried-{count}", frame.bytes(30000)
        refused.append(_refusal(home, key, body))
        if refused[-1] is None:
            known[key] = digest(body)
    _demand_clear(frame, list(filter(None, refused)))
    frame.demand(any(refused), "writes are refused when there is no byte left")
    _check_reads(frame, home, known)
    filler.unlink()
    _demand_room(frame, home, "somebody else's file")
    _check_reads(frame, home, known)
    frame.demand(server.alive(), "the server lives")


def _read_until(ended, frame, home, known, failed):
    """Reads objects that nobody changes, and lists them, until the event."""
    count = 0
    while not ended.is_set():
        key = sorted(known)[count % len(known)]
        count += 1
        problem = _wrong(home, key, known[key])
        if problem:
            failed.append(problem)
        if count % 20 == 0:
            try:
                home.s3.list_objects_v2(Bucket="full")
            except (ClientError, BotoCoreError) as error:
                failed.append(f"listing: {error}")
    frame.figure("reads meanwhile, and failed ones", f"{count}, {len(failed)}")


def _fill(frame, home, known, prefix, size_bytes, refusals):
    """Puts objects of one size until none fits; returns how many did."""
    stored, in_a_row, count = 0, 0, 0
    with concurrent.futures.ThreadPoolExecutor(FILLING_CONNECTIONS) as pool:
        while in_a_row < REFUSALS_IN_A_ROW:
            bodies = {f"{prefix}/{count + n:06}": frame.bytes(size_bytes) for n in range(FILLING_CONNECTIONS)}
            count += FILLING_CONNECTIONS
            for key, refusal in zip(bodies, pool.map(lambda item: _refusal(home, *item), bodies.items())):
                if refusal is None:
                    known[key] = digest(bodies[key])
                    stored, in_a_row = stored + 1, 0
                else:
                    refusals.append(refusal)
                    in_a_row += 1
    return stored


def _refusal(home, key, body):
    """Puts an object; `None`, or how it was refused."""
    try:
        home.s3.put_object(Bucket="full", Key=key, Body=body)
    except ClientError as error:
        error = error.response
        return f"{error['ResponseMetadata']['HTTPStatusCode']} {error['Error']['Code']}"
    except BotoCoreError as error:
        return f"no answer: {type(error).__name__}"
    return None


def _delete(home, known, key):
    """Whether the object could be deleted; a refusal must leave it whole, which the next check sees."""
    try:
        home.s3.delete_object(Bucket="full", Key=key)
    except (ClientError, BotoCoreError):
        return False
    del known[key]
    return True


def _take_every_byte(filler):
    """Appends to a file until the disk has no room, down to single pages."""
    with open(filler, "ab", buffering=0) as file:
        for size_bytes in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size_bytes))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def _demand_clear(frame, refusals):
    kinds = sorted(set(refusals))
    frame.figure("refusals", f"{len(refusals)}: {', '.join(kinds)}")
    frame.demand(all(_is_clear(kind) for kind in kinds), f"a refusal is 503 or 507 with its code: {kinds}")


def _is_clear(refusal):
    status, _, code = refusal.partition(" ")
    return status in ("503", "507") and code and code != "InternalError"


def _demand_health(frame, server, full):
    """The operator sees a full disk in the health and in the metrics, and no complaint without one."""
    if server.peer:
        return
    health = subprocess.run([server.binary, "-c", server.config_path, "health"], capture_output=True, text=True, check=False).stdout
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin_port}/metrics") as answer:
        metrics = answer.read().decode()
    says = [line.strip() for line in health.splitlines() if "full:" in line]
    frame.figure("health and metrics", f"{'; '.join(says) or 'no complaint'}; " + ", ".join(
        line for line in metrics.splitlines() if line.startswith(("cluster_healthy", "garage_local_disk_avail"))))
    frame.demand(bool(says) == full, f"health says {'that' if full else 'not that'} the disk is full: {health}")
    frame.demand(f"cluster_healthy {int(not full)}" in metrics.splitlines(), "metrics say the same")


def _wrong(home, key, wanted):
    """What is wrong with an object, or `None`."""
    try:
        found = digest(home.s3.get_object(Bucket="full", Key=key)["Body"].read())
    except (ClientError, BotoCoreError) as error:
        found = str(error)
    return None if found == wanted else f"{key}: {found[:80]}"


def _check_reads(frame, home, known):
    with concurrent.futures.ThreadPoolExecutor(FILLING_CONNECTIONS) as pool:
        problems = list(filter(None, pool.map(lambda item: _wrong(home, *item), known.items())))
    frame.demand(not problems, f"{len(problems)} of {len(known)} objects are not readable: {problems[:3]}")
    try:
        pages = home.s3.get_paginator("list_objects_v2").paginate(Bucket="full")
        listed = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    except (ClientError, BotoCoreError) as error:
        frame.demand(False, f"the listing works: {error}")
        return
    frame.demand(listed == set(known), f"the listing is what was acknowledged: {sorted(listed ^ set(known))[:5]}")


def _demand_room(frame, home, after):
    """Writes of every size work again in time, without a restart."""
    begin = time.monotonic()
    for size_bytes in FILLING_SIZES_BYTES:
        body = os.urandom(size_bytes)
        while (refusal := _refusal(home, "room", body)) and time.monotonic() - begin < RECOVERY_LIMIT_S:
            time.sleep(0.25)
        frame.demand(refusal is None, f"objects of {size_bytes} bytes are stored again within {RECOVERY_LIMIT_S} s of {after}: {refusal}")
    home.s3.delete_object(Bucket="full", Key="room")
    frame.figure("writes work again after", f"{time.monotonic() - begin:.1f} s")
