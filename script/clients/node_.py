"""@aws-sdk/client-s3 under node: the SDK of most web applications."""

import pathlib
import shutil

from command import ask
from home import Skip
from server import PROJECT, ROOT_DOMAIN
from suite import Suite

NODE_FOLDER = PROJECT / ".work" / "node"
PROGRAM = pathlib.Path(__file__).with_name("node_client.mjs")


def _prepare(_):
    if not shutil.which("node"):
        raise Skip("node is not installed")
    package = NODE_FOLDER / "node_modules" / "@aws-sdk" / "client-s3" / "package.json"
    if not package.exists():
        raise Skip("@aws-sdk/client-s3 is not installed (script/test --install-clients)")
    import json

    return f"@aws-sdk/client-s3 {json.loads(package.read_text())['version']}"


SUITE = Suite("node_", _prepare)


def _add_cases():
    for name in ["buckets", "objects", "stream", "listing", "multipart", "conditions", "checksums", "deletes", "errors"]:
        def run(home, name=name):
            # A module is resolved from where it lies, so it runs from the folder that holds the package.
            copy = NODE_FOLDER / PROGRAM.name
            copy.write_text(PROGRAM.read_text())
            ask(["node", copy, name], home, ENDPOINT=home.endpoint, BUCKET=home.new_bucket("node"), ROOT_DOMAIN=ROOT_DOMAIN)

        SUITE.case(name)(run)


_add_cases()
