"""What the runs on several homes share: the homes, a client for each, steady requests that are counted."""

import random
import signal
import threading
import time
from datetime import datetime, timedelta, timezone

from botocore.exceptions import ClientError
from homes import Cluster, free_ports
from three_homes import Homes, client_of

BUCKET = "photos"


class Several:
    """Some homes in the run's folder, and their clients. Ends them all."""

    def __init__(self, frame, count, name="homes", **settings):
        self.frame = frame
        self.cluster = Cluster(frame.options.binary, frame.folder / name, count, first_port=free_ports(), **settings)
        self.nodes = self.cluster.nodes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop(signal.SIGKILL)

    def start_all(self):
        self.cluster.start()
        self.cluster.form()
        Homes.wait_until_serving(self.nodes)
        self.connect()

    def connect(self):
        """Makes the key, the clients and the bucket."""
        self.key, self.secret = self.cluster.key()
        self.s3 = [self.client(node) for node in self.nodes]
        self.s3[0].create_bucket(Bucket=BUCKET)

    def client(self, node):
        return client_of(node, self.key, self.secret)


class Error:
    """A request that failed: when it was sent, and what came of it."""

    def __init__(self, sent_at, kind, error):
        self.sent_at, self.kind = sent_at, kind
        self.text = f"{type(error).__name__}: {error}"
        answer = error.response if isinstance(error, ClientError) else {}
        self.status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")

    def __repr__(self):
        return f"{self.kind}: {self.text}"


class Steady(threading.Thread):
    """Requests at a steady rate through some homes in turn, without trying anything again.

    Keys are of this thread alone, so it knows what each must hold: the value of the last write that was answered,
    or of any that failed since."""

    def __init__(self, clients, per_s, seed, prefix):
        super().__init__(daemon=True)
        self.clients, self.per_s, self.prefix = clients, per_s, prefix
        self.random, self.ends = random.Random(seed), threading.Event()
        self.may_hold, self.wrong, self.errors, self.requests = {}, [], [], 0
        # How long the slowest request took, and when it began.
        self.slowest = {"put": (0.0, 0.0), "get": (0.0, 0.0)}

    def run(self):
        begin = time.monotonic()
        while not self.ends.is_set():
            self.requests += 1
            self._one(self.clients[self.requests % len(self.clients)])
            # A rate, not a pause: a slow answer is made up for.
            self.ends.wait(max(0.0, begin + self.requests / self.per_s - time.monotonic()))

    def _one(self, s3):
        key = f"{self.prefix}/{self.random.randrange(300)}"
        kind = "put" if self.random.random() < 0.5 or key not in self.may_hold else "get"
        begin = time.monotonic()
        try:
            self._put(s3, key) if kind == "put" else self._get(s3, key)
        except Exception as error:  # every failure is an answer to count
            self.errors.append(Error(begin, kind, error))
        seconds = time.monotonic() - begin
        self.slowest[kind] = max(self.slowest[kind], (seconds, begin))

    def _put(self, s3, key):
        value = self.random.randbytes(200_000 if self.random.random() < 0.1 else 4096)
        self.may_hold.setdefault(key, {None}).add(value)
        s3.put_object(Bucket=BUCKET, Key=key, Body=value)
        self.may_hold[key] = {value}

    def _get(self, s3, key):
        try:
            value = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            value = None
        if value not in self.may_hold[key]:
            self.wrong.append(key)

    def stop(self):
        self.ends.set()
        self.join()

    def worst_s(self, kind):
        return self.slowest[kind][0]

    def show_slowest(self, frame, name):
        """States how slow it was, and when, as the homes' logs tell the time."""
        for kind, (seconds, begin) in self.slowest.items():
            sent_at = datetime.now(timezone.utc) - timedelta(seconds=time.monotonic() - begin)
            frame.figure(f"{name}: worst {kind.upper()} in seconds", f"{seconds:.2f}, sent at {sent_at:%H:%M:%S.%f} UTC")

    def check(self, s3):
        """How many keys do not hold what they must, read through one home."""
        wrong = 0
        for key, values in self.may_hold.items():
            try:
                wrong += s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() not in values
            except s3.exceptions.NoSuchKey:
                wrong += None not in values
        return wrong
