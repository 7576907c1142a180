"""Kill at every write syscall of a put, a multipart upload and a delete.

strace is attached to a healthy server and kills it at the N-th call of one kind; then the server starts again
and everything acknowledged before must be there, what was being done must be there whole or not at all, and
new writes must work without any repair by hand. N grows until the operation survives. Counting is per thread,
as strace does it; exact points are counted in the simulator's disk door.
"""

import pathlib
import shutil
import signal
import subprocess
import time

from botocore.exceptions import BotoCoreError, ClientError
from frame import digest
from home import Skip

SYSCALLS = ["write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "rename", "renameat2", "unlink",
            "unlinkat", "ftruncate", "fallocate", "mkdir", "msync", "openat"]
ATTACH_LIMIT_S = 15
PART_BYTES = 5 * 1024 * 1024


def options(parser):
    parser.add_argument("--max-points", type=int, default=60, help="per syscall and operation")
    parser.add_argument("--operations", default=",".join(OPERATIONS), help="of: " + ", ".join(OPERATIONS))


def _put_small(home, body):
    home.s3.put_object(Bucket="points", Key="target", Body=body[:3000])
    return body[:3000]


def _put_blocks(home, body):
    home.s3.put_object(Bucket="points", Key="target", Body=body[:3200000])
    return body[:3200000]


def _multipart(home, body):
    names, parts = dict(Bucket="points", Key="target"), []
    names["UploadId"] = home.s3.create_multipart_upload(**names)["UploadId"]
    for number, start in enumerate((0, PART_BYTES), start=1):
        etag = home.s3.upload_part(**names, PartNumber=number, Body=body[start : start + PART_BYTES])["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    home.s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    return body


def _delete(home, _):
    home.s3.delete_object(Bucket="points", Key="target")
    return None


OPERATIONS = {"put-small": _put_small, "put-blocks": _put_blocks, "multipart": _multipart, "delete": _delete}


def run(frame):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    server = frame.server().start()
    home = frame.home(server)
    home.s3.create_bucket(Bucket="points")
    kept = {f"kept-{n}": frame.bytes(n * 40000 + 5) for n in range(8)}
    for key, body in kept.items():
        home.s3.put_object(Bucket="points", Key=key, Body=body)
    total = {"points": 0, "lost": 0, "repairs": 0}
    print(f"  {'operation':<12}{'syscall':<12}{'points':>7}{'lost':>6}{'repairs':>9}")
    for operation in filter(None, frame.options.operations.split(",")):
        for syscall in SYSCALLS:
            counts = _enumerate(frame, server, home, operation, syscall, kept)
            for name in total:
                total[name] += counts[name]
            if counts["points"]:
                print(f"  {operation:<12}{syscall:<12}{counts['points']:>7}{counts['lost']:>6}{counts['repairs']:>9}", flush=True)
    frame.figure("points where the server was killed", total["points"])
    frame.figure("acknowledged objects lost", total["lost"])
    frame.figure("starts that needed a repair by hand", total["repairs"])
    frame.demand(total["points"] > 0, "the server was killed at least once")
    frame.demand(total["lost"] == 0, "no acknowledged object is lost")
    frame.demand(total["repairs"] == 0, "no start needs a repair by hand")


def _enumerate(frame, server, home, operation, syscall, kept):
    counts = {"points": 0, "lost": 0, "repairs": 0}
    for point in range(1, frame.options.max_points + 1):
        old = frame.bytes(50000)
        home.s3.put_object(Bucket="points", Key="target", Body=old)
        tracer = _attach(server, syscall, point)
        if tracer is None:
            return counts  # this kernel or strace does not know the syscall
        new, answered = frame.bytes(PART_BYTES + 999), False
        wanted = None
        try:
            wanted = OPERATIONS[operation](home, new)
            answered = True
        except (BotoCoreError, ClientError, OSError):
            pass
        time.sleep(0.05)  # work in the background may still reach the point
        _detach(tracer)
        if server.alive():
            return counts
        server.kill()
        counts["points"] += 1
        try:
            server.start()
        except RuntimeError as error:
            counts["repairs"] += 1
            raise RuntimeError(f"{operation} {syscall} {point}: {error}") from None
        problems = _check(home, operation, kept, old, new, wanted, answered)
        for problem in problems:
            print(f"  {operation} {syscall} {point}: {problem}")
        counts["lost"] += len(problems)
    return counts


def _attach(server, syscall, point):
    """strace on the running server, set to kill it at this point; returns when it is attached."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syscall}", "-e",
         f"inject={syscall}:signal=KILL:when={point}", "-p", str(server.process.pid)],
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )
    limit = time.monotonic() + ATTACH_LIMIT_S
    while time.monotonic() < limit:
        if tracer.poll() is not None:
            return None
        if _all_traced(server.process.pid):
            return tracer
        time.sleep(0.005)
    tracer.kill()
    raise RuntimeError("strace did not attach")


def _detach(tracer):
    """SIGINT makes strace let go of the server; killed outright it could take it along."""
    tracer.send_signal(signal.SIGINT)
    try:
        tracer.wait(timeout=ATTACH_LIMIT_S)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.wait()


def _all_traced(pid):
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks)


def _check(home, operation, kept, old, new, wanted, answered):
    """What is wrong after the restart: old objects, the object in question, or new writes."""
    problems = [f"{key} is not as acknowledged" for key, body in kept.items() if _read(home, key) != digest(body)]
    whole = {"put-small": digest(new[:3000]), "put-blocks": digest(new[:3200000]), "multipart": digest(new), "delete": None}
    after, found = whole[operation], _read(home, "target")
    if answered and found != after:
        problems.append("the acknowledged operation is not there")
    if found not in (digest(old), after):
        problems.append(f"the object is neither old nor new: {found}")
    home.s3.put_object(Bucket="points", Key="after", Body=b"after the crash")
    if _read(home, "after") != digest(b"after the crash"):
        problems.append("a new write does not come back")
    return problems


def _read(home, key):
    try:
        return digest(home.s3.get_object(Bucket="points", Key=key)["Body"].read())
    except ClientError as error:
        return None if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404 else f"error {error}"
