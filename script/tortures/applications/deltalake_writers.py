"""deltalake (delta-rs): writers in several processes append to one table through three homes.

Its log is written with `If-None-Match: *` and nothing else guards it: two winners for one version would lose rows.
"""

import multiprocessing
import sys

import deltalake
import pyarrow
from _surroundings import BUCKET, ENDPOINTS, KEY, REGION, SECRET, demand
from deltalake import DeltaTable, write_deltalake

WRITERS, APPENDS, ROWS = 6, 8, 20
TABLE = f"s3://{BUCKET}/readings"


def options(through):
    return {"AWS_ENDPOINT_URL": ENDPOINTS[through], "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION, "AWS_ALLOW_HTTP": "true", "AWS_CONDITIONAL_PUT": "etag"}


def rows(writer, number):
    first = (writer * APPENDS + number) * ROWS
    return pyarrow.table({"writer": [writer] * ROWS, "reading": list(range(first, first + ROWS))})


def append(writer):
    done = 0
    for number in range(APPENDS):
        for _ in range(40):
            try:
                write_deltalake(TABLE, rows(writer, number), mode="append", storage_options=options(writer % 3))
                done += 1
                break
            except deltalake.exceptions.CommitFailedError:
                continue
    return done


if __name__ == "__main__":
    write_deltalake(TABLE, rows(WRITERS, 0), storage_options=options(0))
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        acknowledged = sum(pool.map(append, range(WRITERS)))
    for through in range(3):
        table = DeltaTable(TABLE, storage_options=options(through))
        readings = table.to_pyarrow_table()["reading"].to_pylist()
        demand(len(readings) == len(set(readings)) == (acknowledged + 1) * ROWS,
               f"home {through + 1} shows {len(set(readings))} rows of {(acknowledged + 1) * ROWS}, {len(readings)} with doubles")
    demand(acknowledged == WRITERS * APPENDS, f"{acknowledged} appends of {WRITERS * APPENDS} went through in 40 tries each")
    print(f"deltalake {deltalake.__version__}: {WRITERS} processes x {APPENDS} appends through three homes: "
          f"{acknowledged} acknowledged, each row there once, table version {table.version()}")
    sys.exit(0)
