"""Racers on three homes for one key that must not be there: winners in each round."""

import threading

from botocore.exceptions import ClientError
from several import BUCKET, Several


def options(parser):
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--racers", type=int, default=100)


def run(frame):
    with Several(frame, 3) as homes:
        homes.start_all()
        clients = [homes.client(homes.nodes[number % 3]) for number in range(frame.options.racers)]
        won, wrong = {}, 0
        for race in range(frame.options.rounds):
            winners = one_race(clients, race)
            won[len(winners)] = won.get(len(winners), 0) + 1
            if winners:
                held = homes.s3[race % 3].get_object(Bucket=BUCKET, Key=f"race/{race}")["Body"].read()
                wrong += held != str(winners[0]).encode()
        frame.figure("rounds by number of winners", dict(sorted(won.items())))
        frame.figure("rounds in which the winner's value is not there", wrong)
        frame.demand(max(won) <= 1, "nobody wins beside another one")
        frame.demand(wrong == 0, "what the winner wrote is there")


def one_race(clients, race):
    winners, start = [], threading.Barrier(len(clients))

    def put(number, s3):
        start.wait()
        try:
            s3.put_object(Bucket=BUCKET, Key=f"race/{race}", Body=str(number).encode(), IfNoneMatch="*")
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            assert status in (409, 412, 503), status
        else:
            winners.append(number)

    racers = [threading.Thread(target=put, args=(number, s3)) for number, s3 in enumerate(clients)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    return winners
