"""Three homes under steady requests while one is killed, paused, cut off, and killed again and again.

Requests go through the two homes that stay, without trying anything again. What was sent in the second around
a failure may be answered with 503; nothing else may fail, and nobody waits longer than the limits below.
"""

import signal
import time

from home import Skip
from several import BUCKET, Several, Steady
from three_homes import Homes
from wan import Wan

FIRST_SECOND_S = 1.0
WORST_S = {"put": 1.0, "get": 0.5}
RESTARTED_WITHIN_S = 5


def options(parser):
    parser.add_argument("--seconds", type=float, default=300, help="of each of the runs")
    parser.add_argument("--per-second", type=float, default=20)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--rtt", type=float, default=5, help="milliseconds between homes of which one is cut off")
    parser.add_argument("--only", default="cut off,killed,paused,restarts", help="which runs, separated by commas")


def run(frame):
    wanted = frame.options.only.split(",")
    if "cut off" in wanted:
        cut_off(frame)
    with Several(frame, 3) as homes:
        homes.start_all()
        for name, fail, mend in [("killed", kill, start), ("paused", pause, go_on)]:
            if name in wanted:
                under_requests(frame, homes, name, fail, mend)
        if "restarts" in wanted:
            restarts(frame, homes)


def cut_off(frame):
    """A home whose packets are all lost, and that does not know: nothing says that its links have ended."""
    try:
        with Wan(3, frame.options.rtt) as wan, Several(frame, 3, "apart", wide=True) as homes:
            homes.start_all()
            under_requests(frame, homes, "cut off", lambda node: wan.cut(node.number), lambda node: wan.join(node.number))
    except Skip as reason:
        print(f"SKIP cut off: {reason}", flush=True)


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
    expected = [error for error in steady.errors if is_of_the_change(error, begin)]
    others = [error for error in steady.errors if error not in expected]
    frame.figure(f"{name}: requests", steady.requests)
    frame.figure(f"{name}: 503 in the first second, other errors", f"{len(expected)}, {len(others)}")
    steady.show_slowest(frame, name)
    wrong = len(steady.wrong) + sum(steady.check(s3) for s3 in homes.s3)
    frame.figure(f"{name}: wrong reads, or keys wrong afterwards", wrong)
    frame.demand(not others, f"{name}: nothing but 503, and in the first second only: {others[:3]}")
    frame.demand(wrong == 0, f"{name}: every key holds what was answered")
    for kind, limit_s in WORST_S.items():
        frame.demand(steady.worst_s(kind) <= limit_s, f"{name}: each {kind.upper()} within {limit_s} s")


def is_of_the_change(error, begin):
    """Whether it was in flight when the home failed, or sent in the first second after that."""
    return error.status == 503 and begin - FIRST_SECOND_S <= error.sent_at <= begin + FIRST_SECOND_S


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
        frame.demand(times[-1] <= RESTARTED_WITHIN_S, f"a restarted home takes a PUT within {RESTARTED_WITHIN_S} s")
