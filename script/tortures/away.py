"""Three homes under steady requests while one is killed, paused, and killed again and again.

Requests go through the two homes that stay, without trying anything again. Errors in the first second after a
failure are counted apart: a request that was in flight then may be answered with 503.
"""

import signal
import time

from several import BUCKET, Several, Steady
from three_homes import Homes

FIRST_SECOND_S = 1.0


def options(parser):
    parser.add_argument("--seconds", type=float, default=300, help="of each of the runs")
    parser.add_argument("--per-second", type=float, default=20)
    parser.add_argument("--restarts", type=int, default=50)


def run(frame):
    with Several(frame, 3) as homes:
        homes.start_all()
        for name, fail, mend in [("killed", kill, start), ("paused", pause, go_on)]:
            under_requests(frame, homes, name, fail, mend)
        restarts(frame, homes)


def kill(node):
    node.stop(signal.SIGKILL)


def start(node):
    node.start()
    node.wait_until_up()


def pause(node):
    node.process.send_signal(signal.SIGSTOP)


def go_on(node):
    node.process.send_signal(signal.SIGCONT)


def under_requests(frame, homes, name, fail, mend):
    steady = Steady(homes.s3[:2], frame.options.per_second, f"{frame.options.seed} {name}", name)
    steady.start()
    time.sleep(frame.options.seconds * 0.2)
    begin = time.monotonic()
    fail(homes.nodes[2])
    time.sleep(frame.options.seconds * 0.6)
    mend(homes.nodes[2])
    Homes.wait_until_serving(homes.nodes)
    time.sleep(frame.options.seconds * 0.2)
    steady.stop()
    later = [error for error in steady.errors if not begin <= error[0] <= begin + FIRST_SECOND_S]
    frame.figure(f"{name}: requests", steady.requests)
    frame.figure(f"{name}: errors in the first second, later", f"{len(steady.errors) - len(later)}, {len(later)}")
    frame.figure(f"{name}: worst PUT, GET in seconds", f"{steady.worst_s['put']:.2f}, {steady.worst_s['get']:.2f}")
    wrong = len(steady.wrong) + sum(steady.check(s3) for s3 in homes.s3)
    frame.figure(f"{name}: wrong reads, or keys wrong afterwards", wrong)
    frame.demand(not later, f"{name}: no error after the first second: {later[:3]}")
    frame.demand(wrong == 0, f"{name}: every key holds what was answered")


def restarts(frame, homes):
    """From the start of a process to the first good PUT through it."""
    times = []
    for number in range(frame.options.restarts):
        node, s3 = homes.nodes[number % 3], homes.s3[number % 3]
        kill(node)
        begin = time.monotonic()
        node.start()
        while True:
            try:
                s3.put_object(Bucket=BUCKET, Key=f"restart/{number}", Body=b"x")
                break
            except Exception:  # not yet
                time.sleep(0.02)
        times.append(time.monotonic() - begin)
        Homes.wait_until_serving(homes.nodes)
    times.sort()
    if times:
        frame.figure("restart to first good PUT: median, worst in seconds", f"{times[len(times) // 2]:.2f}, {times[-1]:.2f}")
        frame.demand(times[-1] <= 5, "a restarted home takes a PUT within 5 s")
