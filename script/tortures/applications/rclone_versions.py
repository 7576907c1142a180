"""rclone in a bucket that keeps versions: yesterday's tree is listed, copied and checked, and old versions are cleaned up."""

import datetime
import os
import time

from _surroundings import BUCKET, ENDPOINTS, FOLDER, KEY, REGION, SECRET, client, demand, program, ran

RCLONE = program("rclone")
FILES = FOLDER / "in"
REMOTE = f"s:{BUCKET}/tree"


def rclone(*words, through=0):
    place = {
        "RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_S_TYPE": "s3", "RCLONE_CONFIG_S_PROVIDER": "Other",
        "RCLONE_CONFIG_S_ACCESS_KEY_ID": KEY, "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": SECRET, "RCLONE_CONFIG_S_REGION": REGION,
        "RCLONE_CONFIG_S_ENDPOINT": ENDPOINTS[through], "RCLONE_CONFIG_S_FORCE_PATH_STYLE": "true",
        "RCLONE_S3_CHUNK_SIZE": "5M", "RCLONE_S3_UPLOAD_CUTOFF": "6M", "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1",
    }
    return ran(RCLONE, *words, env={**os.environ, **place})


def write(round_number):
    for number in range(30):
        (FILES / f"{number}.txt").write_text(f"round {round_number}, file {number}\n")
    (FILES / "big.bin").write_bytes(os.urandom(11 << 20))


FILES.mkdir()
rclone("backend", "versioning", f"s:{BUCKET}", "Enabled", through=1)
for through in range(3):
    while client(through).get_bucket_versioning(Bucket=BUCKET).get("Status") != "Enabled":
        time.sleep(0.05)
write(1)
rclone("sync", FILES, REMOTE)
first = {file.name: file.read_bytes() for file in FILES.iterdir()}
time.sleep(1.5)
between = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
time.sleep(1.5)
write(2)
for number in range(10):
    (FILES / f"{number}.txt").unlink()
rclone("sync", FILES, REMOTE, through=1)
rclone("check", "--download", FILES, REMOTE, through=2)

rclone("copy", "--s3-version-at", between, REMOTE, FOLDER / "then", through=2)
then = {file.name: file.read_bytes() for file in (FOLDER / "then").iterdir()}
demand(then == first, f"the tree of before is there: {len(then)} files of {len(first)}")
old = [line for line in rclone("lsf", "--s3-versions", REMOTE, through=1).split() if "-v20" in line]
demand(len(old) == 31, f"every version of before is listed under a name of its own: {len(old)}")
demand(rclone("cat", "--s3-versions", f"{REMOTE}/{old[0]}").startswith("round 1"), "one of them is read by that name")

rclone("backend", "cleanup-hidden", f"s:{BUCKET}", through=2)
left = client().list_object_versions(Bucket=BUCKET)
demand((len(left["Versions"]), len(left.get("DeleteMarkers", []))) == (21, 0), "cleanup-hidden leaves what is current")
rclone("check", "--download", FILES, REMOTE)
print(f"{ran(RCLONE, 'version').splitlines()[0]}: a tree of 31 files as it was before 21 were overwritten and 10 deleted, "
      f"by --s3-version-at and --s3-versions; cleanup-hidden leaves the 21 that are current")
