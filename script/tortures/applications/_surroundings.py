"""What an application finds: the homes, its bucket, its key, a folder; and how it says that it cannot run."""

import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

ENDPOINTS = os.environ["ENDPOINTS"].split(",")
BUCKET = os.environ["BUCKET"]
FOLDER = pathlib.Path(os.environ["FOLDER"])
GARAGE = os.environ["GARAGE"]
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ["AWS_DEFAULT_REGION"]
WEB_PORTS = [int(port) for port in os.environ["WEB_PORTS"].split(",")]
EXIT_SKIP = 77


def skip(why):
    print(why)
    sys.exit(EXIT_SKIP)


def program(name, *places):
    """Where a program of the system is."""
    found = shutil.which(name) or next((place for place in places if pathlib.Path(place).exists()), None)
    return found or skip(f"{name} is not installed: script/torture applications --install")


def client(through=0, **settings):
    import boto3
    from botocore.config import Config

    config = Config(s3={"addressing_style": "path"}, **settings)
    return boto3.client("s3", endpoint_url=ENDPOINTS[through], region_name=REGION, config=config)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, limit_s=30):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


def ran(*command, **settings):
    """What a program printed; one that fails is shown with all it said."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **settings)
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {' '.join(map(str, command))}\n{done.stdout[-3000:]}")
    return done.stdout


def digest(data):
    return hashlib.sha256(data).hexdigest()


def demand(condition, what):
    if not condition:
        raise AssertionError(what)
