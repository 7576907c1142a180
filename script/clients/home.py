"""What a case gets: the endpoint, the key, a boto3 client, fresh buckets, and a place for files.

Also the small vocabulary in which the cases state what they expect.
"""

import itertools
import os
import pathlib
import socket
import time

_real_getaddrinfo = socket.getaddrinfo


def _localhost_getaddrinfo(host, *args, **kwargs):
    """Names under `.localhost` are this machine (RFC 6761), also where the system's resolver disagrees."""
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name.endswith(".localhost"):
        host = "127.0.0.1"
    return _real_getaddrinfo(host, *args, **kwargs)


socket.getaddrinfo = _localhost_getaddrinfo


class Skip(Exception):
    """The case or suite cannot run here; the reason is shown."""


class Home:
    """One running server as its clients see it."""

    _numbers = itertools.count(1)

    def __init__(self, server, work_dir):
        self.server, self.work_dir = server, pathlib.Path(work_dir)
        self.endpoint, self.key_id = server.endpoint, server.key_id
        self.secret, self.region, self.port = server.secret, server.region, server.s3_port
        self.s3 = self.client()

    def client(self, style="path", endpoint=None, region=None, key_id=None, secret=None, **config):
        """A boto3 client without retries, so that an error is seen at the first try."""
        import boto3
        from botocore.config import Config

        settings = dict(
            s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
            retries={"total_max_attempts": 1, "mode": "standard"},
            # Without this, boto3 signs presigned URLs with the old version 2.
            signature_version="s3v4", connect_timeout=5, read_timeout=120, max_pool_connections=64,
        )
        settings.update(config)
        return boto3.client(
            "s3", endpoint_url=endpoint or self.endpoint, region_name=region or self.region,
            aws_access_key_id=key_id or self.key_id, aws_secret_access_key=secret or self.secret,
            config=Config(**settings),
        )

    def unique(self, word):
        return f"{word}-{next(self._numbers)}"

    def new_bucket(self, word="case"):
        name = self.unique(word)
        self.s3.create_bucket(Bucket=name)
        return name

    def folder(self, word):
        path = self.work_dir / self.unique(word)
        path.mkdir(parents=True)
        return path

    def tool_environment(self):
        """Environment for command-line clients: the key, and no configuration of the person who runs them."""
        env = dict(os.environ)
        for name in [n for n in env if n.startswith("AWS_")]:
            del env[name]
        env.update(
            AWS_ACCESS_KEY_ID=self.key_id, AWS_SECRET_ACCESS_KEY=self.secret,
            AWS_DEFAULT_REGION=self.region, AWS_REGION=self.region, AWS_MAX_ATTEMPTS="1",
            AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null",
            AWS_EC2_METADATA_DISABLED="true", HOME=str(self.work_dir), NO_COLOR="1",
        )
        return env


def equal(found, wanted, what="value"):
    if found != wanted:
        raise AssertionError(f"{what}: found {_short(found)}, wanted {_short(wanted)}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_until(is_so, what, within_s, every_s=0.2):
    """Looks again and again; that it never becomes so fails the case."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"never: {what}")
        time.sleep(every_s)


def refused(code, status, call, **arguments):
    """The call must end in this S3 error; several codes or statuses may be given as tuples. Returns the answer."""
    from botocore.exceptions import ClientError

    codes = code if isinstance(code, tuple) else (code,)
    statuses = status if isinstance(status, tuple) else (status,)
    try:
        answer = call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        found_status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if found not in codes or found_status not in statuses:
            raise AssertionError(
                f"refused with {found} ({found_status}: {error.response['Error'].get('Message')}), wanted {code} ({status})"
            ) from None
        return error.response
    raise AssertionError(f"accepted, wanted {code} ({status}); answer {_short(answer)}")


def _short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"
