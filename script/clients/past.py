"""Servers and clients whose clock is behind: what they do then was done some days ago, seen from today.

The servers' clock is that of Debian's `faketime`, which answers for the C library; their timers run as ever.
"""

import contextlib
import datetime
import pathlib

import botocore.auth

from home import Skip

LIBRARY = "*/faketime/libfaketimeMT.so.1"


def clock(days):
    """The environment of a server whose clock is so many days behind."""
    library = next(pathlib.Path("/usr/lib").glob(LIBRARY), None)
    if library is None:
        raise Skip("faketime is not installed (Debian's package: script/test --install-clients)")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"-{days}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@contextlib.contextmanager
def signing(days):
    """Requests of boto3 are signed so many days ago."""
    now = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *words: now(*words) - datetime.timedelta(days=days)
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = now
