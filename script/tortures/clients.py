"""Every client suite against the real server, those in Rust too (they are heavy to build)."""

import os
import subprocess
import sys

from home import Skip
from server import PROJECT

RUST = PROJECT / "script" / "clients" / "rust"


def options(parser):
    parser.add_argument("--rust-only", action="store_true", help="without the suites of script/test")


def run(frame):
    if not frame.options.rust_only:
        peer = ["--peer"] if frame.options.peer else []
        done = subprocess.run([sys.executable, PROJECT / "script/clients/run.py", "--binary", frame.options.binary, *peer])
        frame.demand(done.returncode == 0, "the suites of script/clients pass")
    server = frame.server().start()
    home = frame.home(server)
    for name in ["aws-sdk-s3", "object_store"]:
        home.s3.create_bucket(Bucket=f"rust-{name.replace('_', '-')}")
    environment = dict(
        os.environ, ENDPOINT=server.endpoint, ACCESS_KEY_ID=server.key_id, SECRET_ACCESS_KEY=server.secret,
        REGION=server.region, RUST_BACKTRACE="0", CARGO_TARGET_DIR=os.environ.get("RUST_CLIENTS_TARGET_DIR", str(PROJECT / ".work/rust-clients")),
    )
    done = subprocess.run(["cargo", "test", "--locked", "--quiet", "--no-fail-fast", "--", "--test-threads=2"], cwd=RUST, env=environment)
    frame.demand(done.returncode == 0, "aws-sdk-s3 and object_store pass")
