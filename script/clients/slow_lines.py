"""Homes on ordinary uplinks: what takes longer than a call between homes may take is stored nevertheless."""

import random
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from home import equal
from homes import Cluster, free_ports
from suite import Suite
from three_homes import Homes, client_of
from wan import Wan

SUITE = Suite("slow_lines")
RTT_MS = 30
MBIT = 8
MIB = 1024 * 1024
UPLOADS = 4
# Two copies of each leave the home: 24 MiB, which take 25 s.
UPLOAD_BYTES = 3 * MIB


class FarHomes:
    """Three homes, each behind a line of its own, and clients in the first one."""

    def __init__(self, home):
        self.folder = tempfile.mkdtemp(prefix="garage-homes-")
        self.cluster = Cluster(home.server.binary, self.folder, 3, first_port=free_ports(), wide=True)

    def __enter__(self):
        self.cluster.start()
        self.cluster.form()
        Homes.wait_until_serving(self.cluster.nodes)
        key, secret = self.cluster.key()
        self.s3 = [client_of(node, key, secret, read_timeout=60) for node in self.cluster.nodes]
        self.s3[0].create_bucket(Bucket="photos")
        return self

    def __exit__(self, *_):
        for node in self.cluster.nodes:
            node.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@SUITE.case(f"{UPLOADS} uploads at once over an uplink of {MBIT} Mbit/s: none is refused, and a small one is not held up")
def uploads_at_once(home):
    with Wan(3, RTT_MS, mbit=MBIT), FarHomes(home) as homes:
        bodies = {f"film{number}": random.Random(number).randbytes(UPLOAD_BYTES) for number in range(UPLOADS)}

        def put(key):
            homes.s3[0].put_object(Bucket="photos", Key=key, Body=bodies[key])

        began = time.monotonic()
        with ThreadPoolExecutor(UPLOADS) as pool:
            uploads = [pool.submit(put, key) for key in bodies]
            time.sleep(3)
            small = time.monotonic()
            homes.s3[0].put_object(Bucket="photos", Key="note", Body=b"small")
            small = time.monotonic() - small
            for upload in uploads:
                upload.result()
        print(f"{UPLOADS} x {UPLOAD_BYTES // MIB} MiB in {time.monotonic() - began:.1f} s, a small one meanwhile in {small:.1f} s", flush=True)
        equal(small < 10, True, f"a small one took {small:.1f} s")
        read = homes.s3[1].get_object(Bucket="photos", Key="film0")["Body"].read()
        equal(read == bodies["film0"], True, "the same bytes through another home")
