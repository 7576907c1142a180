"""restic in a bucket that locks what is written: whoever has its key deletes what he can, and everything is still there.

restic removes its own lock files and prunes as ever: in a bucket with versions that leaves markers, and every version
stays until its retention is over.
"""

import datetime
import os

from _surroundings import BUCKET, ENDPOINTS, FOLDER, REGION, client, demand, program, ran
from botocore.exceptions import ClientError

RESTIC = program("restic")
LOCKED = f"{BUCKET}-vault"
FILES = FOLDER / "in"
ENVIRONMENT = dict(os.environ, RESTIC_PASSWORD="only for this test", RESTIC_CACHE_DIR=str(FOLDER / "cache"))


def restic(*words, through=0):
    place = {"RESTIC_REPOSITORY": f"s3:{ENDPOINTS[through]}/{LOCKED}/repo"}
    return ran(RESTIC, "--quiet", "-o", f"s3.region={REGION}", *words, env={**ENVIRONMENT, **place})


def backup():
    """Two snapshots, of which the second has fewer files; then the first is forgotten."""
    FILES.mkdir()
    for number in range(40):
        (FILES / f"{number}.bin").write_bytes(os.urandom(500_000))
    restic("init")
    restic("backup", FILES)
    for number in range(20):
        (FILES / f"{number}.bin").unlink()
    restic("backup", FILES, through=1)
    restic("check", "--read-data", through=2)
    restic("forget", "--keep-last", "1", "--prune", through=1)
    restic("check", "--read-data")
    demand(restic("list", "locks").strip() == "", "restic's own locks are gone")


def versions(s3):
    """Every version and every marker: (key, id, is it a marker, is it current)."""
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=LOCKED):
        for kind in ("Versions", "DeleteMarkers"):
            found += [(entry["Key"], entry["VersionId"], kind == "DeleteMarkers", entry["IsLatest"]) for entry in page.get(kind, [])]
    return found


def is_refused(s3, key, version, **more):
    """Whether a version stays for whoever may write and is the bucket's owner."""
    try:
        s3.delete_object(Bucket=LOCKED, Key=key, VersionId=version, **more)
        return False
    except ClientError as error:
        return error.response["Error"]["Code"] == "AccessDenied"


def attack(s3):
    """Deletes every object, and tries every version; how many versions there are."""
    kept = [(key, version) for key, version, is_marker, _ in versions(s3) if not is_marker]
    for key in sorted({key for key, *_ in versions(s3)}):
        s3.delete_object(Bucket=LOCKED, Key=key)
    demand("Contents" not in s3.list_objects_v2(Bucket=LOCKED), "the repository looks gone")
    for key, version in kept:
        for more in ({}, {"BypassGovernanceRetention": True}):
            demand(is_refused(s3, key, version, **more), f"{key} {version} cannot be deleted")
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    try:
        s3.put_object_retention(Bucket=LOCKED, Key=kept[0][0], VersionId=kept[0][1],
                                Retention={"Mode": "COMPLIANCE", "RetainUntilDate": soon}, BypassGovernanceRetention=True)
        demand(False, "a retention in compliance mode is not shortened")
    except ClientError as error:
        demand(error.response["Error"]["Code"] == "AccessDenied", f"shortening is refused: {error}")
    return len(kept)


def recover(s3):
    """Takes all markers away, so that what was there before any deletion is current again."""
    for key, version, is_marker, _ in versions(s3):
        if is_marker:
            s3.delete_object(Bucket=LOCKED, Key=key, VersionId=version)
    # Locks of processes that ended long ago are back too.
    restic("unlock", "--remove-all")
    restic("check", "--read-data", through=1)
    demand(len(restic("list", "snapshots", through=2).split()) == 2, "the forgotten snapshot is back")
    restic("restore", "latest", "--target", FOLDER / "out", through=2)
    for file in FILES.iterdir():
        demand((FOLDER / "out" / str(file)[1:]).read_bytes() == file.read_bytes(), f"{file} comes back")


owner = client()
owner.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
owner.put_object_lock_configuration(Bucket=LOCKED, ObjectLockConfiguration={
    "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}})
backup()
tried = attack(owner)
recover(owner)
print(f"{ran(RESTIC, 'version').strip()}: backup, check, forget and prune under a default retention; all objects deleted and "
      f"{tried} locked versions tried, none lost; both snapshots recovered and read")
