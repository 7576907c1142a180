"""A full disk: writes are refused with a clear error, reads and deletes go on, and space that is freed is used again."""

import os
import subprocess
import time

from botocore.exceptions import BotoCoreError, ClientError
from frame import digest
from home import Skip

OBJECT_BYTES = 700000
# After deletes the blocks are freed in the background; within this time writes must work again.
RECOVERY_LIMIT_S = 120


def options(parser):
    parser.add_argument("--size-mib", type=int, default=384, help="size of the disk")
    parser.add_argument("--rounds", type=int, default=2, help="how often the disk is filled and emptied")


def run(frame):
    if os.geteuid() != 0:
        raise Skip("needs root to mount a small file system")
    disk = frame.folder / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={frame.options.size_mib}m", "none", str(disk)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"mount: {done.stderr.strip()}")
    try:
        _rounds(frame, frame.server(disk / "server"))
    finally:
        for server in frame.servers:
            server.kill()
        subprocess.run(["umount", str(disk)], check=True)


def _rounds(frame, server):
    server.log_path = frame.folder / "server.log"  # the log must not share the full disk
    server.start()
    home = frame.home(server)
    home.s3.create_bucket(Bucket="full")
    for number in range(frame.options.rounds):
        known, refusals = _fill(frame, home, number)
        frame.figure(f"round {number + 1}: objects stored until full", len(known))
        frame.figure("  refusals", ", ".join(sorted(set(refusals))))
        frame.demand(known, "some objects fit")
        frame.demand(all(_is_clear(refusal) for refusal in refusals), f"a refusal is 503 or 507 with its code: {sorted(set(refusals))}")
        frame.demand(server.alive(), "the server lives on a full disk")
        _check_reads(frame, home, known)
        if number == 0:
            server.kill()
            server.start()
            frame.figure("  starts again on the full disk", f"{server.start_seconds:.2f} s")
            _check_reads(frame, home, known)
        gone, refused = sorted(known)[: len(known) * 3 // 4], []
        for key in gone:
            try:
                home.s3.delete_object(Bucket="full", Key=key)
                del known[key]
            except (ClientError, BotoCoreError) as error:
                refused.append(f"{key}: {error}")
        frame.figure("  deleted on the full disk", f"{len(gone) - len(refused)} of {len(gone)}")
        frame.demand(not refused, f"deletes work on a full disk: {refused[:2]}")
        waited = _wait_for_room(home)
        frame.figure("  writes work again after", f"{waited:.1f} s" if waited is not None else "never")
        frame.demand(waited is not None, f"writes work again within {RECOVERY_LIMIT_S} s of the deletes")
        _check_reads(frame, home, known)


def _fill(frame, home, number):
    """Puts until ten refusals in a row; small ones between the large fill the last gaps."""
    known, refusals, in_a_row = {}, [], 0
    for count in range(100000):
        size_bytes = OBJECT_BYTES if count % 3 else 2000
        key, body = f"r{number}/{count:06}", frame.bytes(size_bytes)
        try:
            home.s3.put_object(Bucket="full", Key=key, Body=body)
            known[key], in_a_row = digest(body), 0
        except ClientError as error:
            error = error.response
            refusals.append(f"{error['ResponseMetadata']['HTTPStatusCode']} {error['Error']['Code']}")
            in_a_row += 1
        except BotoCoreError as error:
            refusals.append(f"no answer: {type(error).__name__}")
            in_a_row += 1
        if in_a_row >= 10:
            return known, refusals
    raise RuntimeError("the disk never became full")


def _is_clear(refusal):
    status, _, code = refusal.partition(" ")
    return status in ("503", "507") and code and code != "InternalError"


def _check_reads(frame, home, known):
    wrong = []
    for key, wanted in known.items():
        try:
            found = digest(home.s3.get_object(Bucket="full", Key=key)["Body"].read())
        except (ClientError, BotoCoreError) as error:
            found = str(error)
        if found != wanted:
            wrong.append(f"{key}: {found[:80]}")
    frame.demand(not wrong, f"{len(wrong)} of {len(known)} objects are not readable: {wrong[:3]}")
    pages = home.s3.get_paginator("list_objects_v2").paginate(Bucket="full")
    listed = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    frame.demand(listed == set(known), f"the listing is what was acknowledged: {sorted(listed ^ set(known))[:5]}")


def _wait_for_room(home):
    begin = time.monotonic()
    while time.monotonic() - begin < RECOVERY_LIMIT_S:
        try:
            home.s3.put_object(Bucket="full", Key="room", Body=os.urandom(OBJECT_BYTES))
            home.s3.delete_object(Bucket="full", Key="room")
            return time.monotonic() - begin
        except (ClientError, BotoCoreError):
            time.sleep(0.25)
    return None
