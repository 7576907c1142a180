"""Malformed, huge and slow requests: a clear 4xx, flat memory, the server alive and quick for everybody else."""

import collections
import socket
import time

from botocore.exceptions import ClientError
from frame import Background
from raw_requests import (
    BOMB_ATTACKS, GARBAGE, HEADER_ATTACKS, NUMBER_ATTACKS, Mutator, read_status, signed_head,
)

# Growth of memory that a request may cause: the promise is under 4 MB; the rest is for pools and buffers.
MEMORY_LIMIT_KIB = 32 * 1024
HALF_OPEN = 200
HALF_OPEN_LIMIT_S = 20  # the promise is 15 s; five more for a busy machine
ANSWER_LIMIT_S = 10
ALLOWED_5XX = {501, 503, 507}  # not built, slow down, full: all three are honest answers


def options(parser):
    parser.add_argument("--mutations", type=int, default=20000, help="randomly spoiled requests")


def run(frame):
    server = frame.server().start()
    home = frame.home(server)
    home.s3.create_bucket(Bucket="bad")
    home.s3.put_object(Bucket="bad", Key="kept", Body=b"kept" * 1000)
    for number in range(200):  # warm, so that growth is growth
        home.s3.put_object(Bucket="bad", Key=f"warm-{number}", Body=b"x" * 5000)
    before, pid = server.rss_kib(), server.process.pid
    _table(frame, home, "headers", HEADER_ATTACKS)
    _table(frame, home, "numbers", NUMBER_ATTACKS)
    _table(frame, home, "XML and bodies", BOMB_ATTACKS)
    _table(frame, home, "not HTTP", GARBAGE, answer_needed=False)
    _large_body(frame, home, server)
    _mutations(frame, home, server)
    _half_open(frame, home)
    _slow_bodies(frame, home)
    after = server.rss_kib()
    frame.figure("memory before and after, MiB", f"{before / 1024:.1f} {after / 1024:.1f}")
    frame.figure("memory at most, MiB", f"{server.rss_kib('VmHWM') / 1024:.1f}")
    frame.demand(after - before < MEMORY_LIMIT_KIB, f"memory grew by {(after - before) // 1024} MiB")
    frame.demand(server.alive() and server.process.pid == pid, "the server is alive and the same process")
    frame.demand("panicked" not in server.log_path.read_text(errors="replace"), "no panic in the log")
    frame.demand(home.s3.get_object(Bucket="bad", Key="kept")["Body"].read() == b"kept" * 1000, "nothing is lost")


def _table(frame, home, title, attacks, answer_needed=True):
    """Sends each attack; every answer must be 4xx (a closed connection is one where HTTP gives no other way)."""
    answers, wrong, sent = {}, [], collections.deque(maxlen=3)
    for name, request in attacks(home):
        begin = time.monotonic()
        try:
            status = exchange(home.port, request, ANSWER_LIMIT_S if answer_needed else 1)
        except ConnectionRefusedError:
            raise RuntimeError(f"nobody listens any more; the last requests were {list(sent)}") from None
        sent.append(name)
        took = time.monotonic() - begin
        answers[status] = answers.get(status, 0) + 1
        closed = status == 0 and not answer_needed
        if not (400 <= status < 500 or status == 501 or closed) or took > ANSWER_LIMIT_S:
            wrong.append(f"{name}: {status} after {took:.1f} s")
    frame.figure(f"{title}: requests and their answers", f"{sum(answers.values())}: {dict(sorted(answers.items()))}")
    frame.demand(not wrong, f"{title}: {wrong[:12]}")


def exchange(port, request, patience_s=ANSWER_LIMIT_S):
    """Sends bytes (or the pieces of a generator) and returns the status; 0: closed without an answer, 999: silence.

    Our side is closed only when no answer came in time: a server may take an early end for a client that left.
    """
    pieces = [request] if isinstance(request, bytes) else request
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_LIMIT_S) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            pass  # refused while we were still talking: the answer may be there
        connection.settimeout(patience_s)
        status = read_status(connection)
        if status != 999:
            return status
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server closed in the same moment
        connection.settimeout(ANSWER_LIMIT_S)
        return read_status(connection)


def _large_body(frame, home, server):
    """300 MB of XML where XML is read, signed and sent as fast as the server takes it."""
    piece, pieces = b"<Object><Key>k</Key></Object>" * 36000, 290

    def request(method, target, head):
        yield signed_head(home, method, target, length=len(piece) * pieces + len(head))
        yield head
        for _ in range(pieces):
            yield piece

    for what, method, target, head in [
        ("DeleteObjects", "POST", "/bad?delete", b"<Delete>"),
        ("CompleteMultipartUpload", "POST", "/bad/kept?uploadId=x", b"<CompleteMultipartUpload>"),
        ("CreateBucket", "PUT", "/bad-new", b"<CreateBucketConfiguration>"),
    ]:
        before = server.rss_kib("VmHWM")
        status = exchange(home.port, request(method, target, head))
        grown = server.rss_kib("VmHWM") - before
        frame.figure(f"300 MB body for {what}", f"status {status}, memory +{grown / 1024:.1f} MiB")
        frame.demand(400 <= status < 500 or status == 0, f"300 MB {what}: status {status}")
        frame.demand(grown < 16 * 1024, f"300 MB {what}: memory grew by {grown // 1024} MiB")


def _mutations(frame, home, server):
    """Signed requests with random damage, before or after signing."""
    mutator, statuses, wrong, begin = Mutator(home, frame.random), {}, [], time.monotonic()
    for _ in range(frame.options.mutations):
        name, request = mutator.next()
        try:
            # Damage may promise more bytes than come: then the server waits, and so do we, but not for long.
            status = exchange(home.port, request, patience_s=0.3)
        except OSError as error:
            status = 998
            wrong.append(f"{name}: {error}")
        statuses[status] = statuses.get(status, 0) + 1
        if status >= 500 and status not in ALLOWED_5XX:
            wrong.append(f"{name}: {status} for {request[:300]!r}")
        if not server.alive():
            raise RuntimeError(f"the server died after {name}: {request[:500]!r}")
    frame.figure("spoiled requests", f"{frame.options.mutations} in {time.monotonic() - begin:.0f} s: {dict(sorted(statuses.items()))}")
    frame.demand(not wrong, f"{len(wrong)} spoiled requests had a bad answer: {wrong[:3]}")


def _probe_ms(home, seconds):
    """The slowest of small puts and gets by a good client in this time, and how many there were."""
    worst, count, end = 0.0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        home.s3.put_object(Bucket="bad", Key="probe", Body=b"probe")
        home.s3.get_object(Bucket="bad", Key="probe")["Body"].read()
        worst, count = max(worst, (time.monotonic() - begin) * 1000), count + 1
        time.sleep(0.05)
    return worst, count


def _half_open(frame, home):
    """Connections that never finish their headers, one byte at a time."""
    connections = []
    for _ in range(HALF_OPEN):
        connection = socket.create_connection(("127.0.0.1", home.port), timeout=5)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        connections.append(connection)
    probe = Background(lambda: frame.figure("good client beside half-open headers, worst", "%.0f ms of %d" % _probe_ms(home, 5)))
    begin, open_ones = time.monotonic(), connections
    while open_ones and time.monotonic() - begin < HALF_OPEN_LIMIT_S:
        open_ones = [connection for connection in open_ones if _still_open(connection)]
        time.sleep(1)
    probe.join()
    frame.figure(f"half-open connections left after {HALF_OPEN_LIMIT_S} s", f"{len(open_ones)} of {HALF_OPEN} (all closed after {time.monotonic() - begin:.0f} s)" if not open_ones else len(open_ones))
    frame.demand(not open_ones, f"{len(open_ones)} of {HALF_OPEN} half-open connections are still open")
    for connection in connections:
        connection.close()


def _still_open(connection):
    try:
        connection.sendall(b"a")
        connection.settimeout(0.001)
        return connection.recv(4096) not in (b"",) and True
    except TimeoutError:
        return True
    except OSError:
        return False


def _slow_bodies(frame, home):
    """A hundred uploads of one byte a second do not hold up a good client."""
    connections = []
    for number in range(100):
        connection = socket.create_connection(("127.0.0.1", home.port), timeout=5)
        connection.sendall(signed_head(home, "PUT", f"/bad/slow-{number}", length=1000000))
        connections.append(connection)

    def drip():
        for _ in range(10):
            for connection in connections:
                try:
                    connection.sendall(b"x")
                except OSError:
                    pass  # the server had enough of it, which is its right
            time.sleep(1)

    dripping = Background(drip)
    worst, count = _probe_ms(home, 10)
    dripping.join()
    frame.figure("good client beside 100 slow uploads, worst", f"{worst:.0f} ms of {count}")
    frame.demand(count > 0 and worst < 5000, f"a good client waited {worst:.0f} ms")
    for connection in connections:
        connection.close()
    try:
        home.s3.head_object(Bucket="bad", Key="slow-0")
        frame.demand(False, "an upload that was cut off left an object")
    except ClientError:
        pass
