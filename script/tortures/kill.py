"""kill -9 under load: whatever was acknowledged is there, and nothing that was never written appears.

Each worker owns its keys, so it knows what each may hold: the last acknowledged value, or any value whose
request was cut off since. After each kill all keys are compared, in listing and by reading.
"""

import threading
import time

from botocore.exceptions import BotoCoreError, ClientError
from frame import Background, digest, three_over

PART_BYTES = 5 * 1024 * 1024


def options(parser):
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--workers", type=int, default=6)


class Worker:
    """Writes its own keys and remembers what each may hold; None stands for "no object"."""

    def __init__(self, frame, number):
        self.random = __import__("random").Random(f"{frame.options.seed} {number}")
        self.number, self.may_hold, self.acknowledged, self.cut_off = number, {}, 0, 0

    def work(self, home, stop):
        while not stop.is_set():
            key = f"w{self.number}/{self.random.randrange(40):02}"
            kind = self.random.choices(["put", "delete", "multipart", "copy"], [80, 12, 3, 5])[0]
            body = None if kind == "delete" else self._body(kind)
            before = self.may_hold.get(key, {None})
            value = None if body is None else digest(body)
            self.may_hold[key] = before | {value}
            try:
                self._send(home.s3, kind, key, body)
                self.may_hold[key] = {value}
                self.acknowledged += 1
            except (BotoCoreError, ClientError, OSError) as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"] if isinstance(error, ClientError) else 0
                if 400 <= status < 500:
                    raise RuntimeError(f"{kind} {key}: {error}") from error
                self.cut_off += 1

    def _body(self, kind):
        if kind == "multipart":
            return self.random.randbytes(PART_BYTES + self.random.randrange(1000))
        return self.random.randbytes(self.random.choice([0, 20, 2000, 4096, 60000, 900000, 1100000]))

    def _send(self, s3, kind, key, body):
        names = dict(Bucket="kill", Key=key)
        if kind == "delete":
            s3.delete_object(**names)
        elif kind == "put":
            s3.put_object(**names, Body=body)
        elif kind == "copy":
            s3.put_object(Bucket="kill", Key=f"source/{self.number}", Body=body)
            s3.copy_object(**names, CopySource={"Bucket": "kill", "Key": f"source/{self.number}"})
        else:
            names["UploadId"] = s3.create_multipart_upload(**names)["UploadId"]
            parts = []
            for number, start in enumerate((0, PART_BYTES), start=1):
                etag = s3.upload_part(**names, PartNumber=number, Body=body[start : start + PART_BYTES])["ETag"]
                parts.append({"PartNumber": number, "ETag": etag})
            s3.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})


def run(frame):
    server = frame.server().start()
    home = frame.home(server)
    home.s3.create_bucket(Bucket="kill")
    workers = [Worker(frame, number) for number in range(frame.options.workers)]
    wrong, restarts, keys_read = [], [], 0
    for cycle in range(frame.options.cycles):
        stop = threading.Event()
        threads = [Background(lambda worker=worker: worker.work(home, stop)) for worker in workers]
        time.sleep(frame.random.uniform(0.1, 1.5))
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        server.start()
        restarts.append(server.start_seconds)
        wrong_now, read_now = _compare(frame, home, workers)
        wrong, keys_read = wrong + wrong_now, keys_read + read_now
        if cycle % 10 == 9:
            acknowledged = sum(worker.acknowledged for worker in workers)
            print(f"  cycle {cycle + 1}: {acknowledged} acknowledged, {len(wrong)} wrong", flush=True)
    acknowledged = sum(worker.acknowledged for worker in workers)
    frame.figure("kills under load", frame.options.cycles)
    frame.figure("acknowledged writes", acknowledged)
    frame.figure("requests cut off by a kill", sum(worker.cut_off for worker in workers))
    frame.figure("objects read and compared", keys_read)
    frame.figure("wrong, lost or invented", f"{len(wrong)} ({three_over(acknowledged)})" if not wrong else len(wrong))
    frame.figure("healthy again after a kill, worst", f"{max(restarts):.2f} s")
    frame.demand(acknowledged > 0, "some writes were acknowledged")
    frame.demand(not wrong, f"every key holds what was acknowledged: {wrong[:10]}")


def _compare(frame, home, workers):
    """Reads every key; what is found becomes the only value it may hold from now on."""
    pages = home.s3.get_paginator("list_objects_v2").paginate(Bucket="kill", Prefix="w")
    listed = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    wrong, count = [], 0
    for worker in workers:
        for key, allowed in worker.may_hold.items():
            found, count = _read(frame, home.s3, key), count + 1
            if found not in allowed:
                wrong.append(f"{key}: found {str(found)[:12]}, allowed {[str(v)[:12] for v in allowed]}")
            if (found is None) == (key in listed):
                wrong.append(f"{key}: the listing disagrees with a read")
            worker.may_hold[key] = {found}
    strange = listed - {key for worker in workers for key in worker.may_hold}
    return wrong + [f"{key}: was never written" for key in strange], count


def _read(frame, s3, key):
    try:
        return frame.patiently(lambda: digest(s3.get_object(Bucket="kill", Key=key)["Body"].read()))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        return f"error {error}"
