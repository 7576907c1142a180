"""Racers on three homes for one key that must not be there: winners in each round, and what the others are told.

A round without a winner is allowed (every racer may be told that it cannot be known who won), but each is shown
with its answers and with what the key holds afterwards: nothing, or the value of a racer who was told 503.

With --plain there is no condition: everybody should be told that it is stored, and the key holds what one of them wrote.
"""

import threading
import time
from collections import Counter

from botocore.exceptions import ClientError
from several import BUCKET, Several

WON = 200
SHOWN_ROUNDS = 10


def options(parser):
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--racers", type=int, default=100)
    parser.add_argument("--kib", type=int, default=0, help="size of what each writes; above 64 it lies in blocks (default: its number only)")
    parser.add_argument("--plain", action="store_true", help="they write without a condition: all should be stored")


def run(frame):
    with Several(frame, 3) as homes:
        homes.start_all()
        clients = [homes.client(homes.nodes[number % 3]) for number in range(frame.options.racers)]
        won, told, wrong, seconds = Counter(), Counter(), 0, []
        for race in range(frame.options.rounds):
            begin = time.monotonic()
            answers = one_race(clients, race, frame.options.kib * 1024, {} if frame.options.plain else {"IfNoneMatch": "*"})
            seconds.append(time.monotonic() - begin)
            winners = [number for number, answer in answers.items() if answer == WON]
            won[len(winners)] += 1
            told.update(answers.values())
            held = value(homes.s3[race % 3], race)
            wrong += answers.get(held) not in (WON, 503) if frame.options.plain else not may_hold(held, winners, answers)
            if not winners and won[0] <= SHOWN_ROUNDS:
                print(f"  race {race}: nobody won; told {dict(Counter(answers.values()))}, held afterwards: {held}", flush=True)
        seconds.sort()
        frame.figure("rounds by number of winners", dict(sorted(won.items())))
        frame.figure("answers", dict(sorted(told.items())))
        frame.figure("a round: median, worst in seconds", f"{seconds[len(seconds) // 2]:.2f}, {seconds[-1]:.2f}")
        frame.figure("rounds in which the value is not one that may be there", wrong)
        if not frame.options.plain:
            frame.demand(max(won) <= 1, "nobody wins beside another one")
        frame.demand(wrong == 0, "what the winner wrote is there")


def value(s3, race):
    """The number of the racer whose value the key holds, if it holds one."""
    try:
        return int(s3.get_object(Bucket=BUCKET, Key=f"race/{race}")["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None


def may_hold(held, winners, answers):
    """The winner's value; without a winner nothing, or the value of one whose outcome is unknown."""
    return held == winners[0] if winners else held is None or answers[held] == 503


def one_race(clients, race, size_bytes, condition):
    """The status that each racer got."""
    answers, start = {}, threading.Barrier(len(clients))

    def put(number, s3):
        body = str(number).encode().ljust(size_bytes)
        start.wait()
        try:
            s3.put_object(Bucket=BUCKET, Key=f"race/{race}", Body=body, **condition)
        except ClientError as error:
            answers[number] = error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert answers[number] in (409, 412, 503), answers[number]
        else:
            answers[number] = WON

    racers = [threading.Thread(target=put, args=(number, s3)) for number, s3 in enumerate(clients)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    return answers
