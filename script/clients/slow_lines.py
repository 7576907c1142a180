"""Homes on ordinary uplinks: what takes longer than a call between homes may take is stored nevertheless."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

from home import equal
from suite import Suite
from three_homes import Homes
from wan import Wan

SUITE = Suite("slow_lines")
RTT_MS = 30
MBIT = 8
MIB = 1024 * 1024
UPLOADS = 4
# Two copies of each leave the home: 24 MiB, which take 25 s.
UPLOAD_BYTES = 3 * MIB


@SUITE.case(f"{UPLOADS} uploads at once over an uplink of {MBIT} Mbit/s: none is refused, and a small one is not held up")
def uploads_at_once(home):
    with Wan(3, RTT_MS, mbit=MBIT), Homes(home, wide=True, read_timeout=60) as homes:
        bodies = {f"film{number}": random.Random(number).randbytes(UPLOAD_BYTES) for number in range(UPLOADS)}

        def put(key):
            homes.s3[0].put_object(Bucket=homes.bucket, Key=key, Body=bodies[key])

        began = time.monotonic()
        with ThreadPoolExecutor(UPLOADS) as pool:
            uploads = [pool.submit(put, key) for key in bodies]
            time.sleep(3)
            small = time.monotonic()
            homes.s3[0].put_object(Bucket=homes.bucket, Key="note", Body=b"small")
            small = time.monotonic() - small
            for upload in uploads:
                upload.result()
        print(f"{UPLOADS} x {UPLOAD_BYTES // MIB} MiB in {time.monotonic() - began:.1f} s, a small one meanwhile in {small:.1f} s", flush=True)
        equal(small < 10, True, f"a small one took {small:.1f} s")
        read = homes.s3[1].get_object(Bucket=homes.bucket, Key="film0")["Body"].read()
        equal(read == bodies["film0"], True, "the same bytes through another home")
