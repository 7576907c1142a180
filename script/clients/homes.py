"""Several server processes as one cluster on this machine: for `script/cluster` and for the suites.

Every node has a folder of its own, listens on 127.0.0.1 only, and is administered as a person would:
by the command line of its own binary.
"""

import os
import random
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

FIRST_PORT = 3900
HEALTHY_WITHIN_S = 30


def free_ports():
    """Where ten ports for each of some nodes begin: below those that the system gives to connections."""
    while True:
        first = random.randrange(15000, 32000)
        if all(_is_free(first + offset) for offset in range(10, 80)):
            return first


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class HomeFailed(RuntimeError):
    """A node does not do what it must, with what it said."""


class Node:
    """One server process and its folder. One that `waits` has no layout before it is given a role; another
    one makes a cluster of itself."""

    def __init__(self, binary, folder, number, secret, first_port, waits=True, host="127.0.0.1", within=()):
        self.binary, self.number, self.folder = binary, number, folder / f"node{number}"
        self.host, self.within = host, list(within)
        base = first_port + 10 * number
        self.s3_port, self.rpc_port, self.web_port, self.admin_port = base, base + 1, base + 2, base + 3
        self.config, self.log_path = self.folder / "garage.toml", self.folder / "log"
        self.process, self.around = None, {}  # what it finds in its environment beside ours
        if not self.config.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.config.write_text(
                f'metadata_dir = "{self.folder}/meta"\n'
                f'data_dir = "{self.folder}/data"\n'
                + ("replication_factor = 3\n" if waits else "")
                + f'rpc_secret = "{secret}"\n'
                f'rpc_bind_addr = "{host}:{self.rpc_port}"\n'
                f'rpc_public_addr = "{host}:{self.rpc_port}"\n'
                "[s3_api]\n"
                f'api_bind_addr = "{host}:{self.s3_port}"\n'
                's3_region = "garage"\n'
                "[s3_web]\n"
                f'bind_addr = "{host}:{self.web_port}"\n'
                'root_domain = ".web.localhost"\n'
                "[admin]\n"
                f'api_bind_addr = "127.0.0.1:{self.admin_port}"\n'
            )
            self.config.chmod(0o600)

    @property
    def endpoint(self):
        return f"http://{self.host}:{self.s3_port}"

    def start(self, *arguments):
        log = self.log_path.open("ab")
        command = [*self.within, self.binary, "-c", str(self.config), "server", *arguments]
        around = dict(os.environ, **self.around)
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=around, start_new_session=True)

    def wait_until_up(self):
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise HomeFailed(f"node {self.number} ended: see {self.log_path}")
            if self._listens():
                return
            time.sleep(0.05)
        raise HomeFailed(f"node {self.number} does not answer: see {self.log_path}")

    def _listens(self):
        """Whether the S3 port, which is opened last, takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.s3_port)) == 0

    def try_cli(self, *arguments):
        command = [self.binary, "-c", str(self.config), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def cli(self, *arguments):
        """What a command prints."""
        done = self.try_cli(*arguments)
        if done.returncode != 0:
            raise HomeFailed(f"garage {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def id(self):
        return self.cli("node", "id", "-q").split("\n")[0]

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=40)


def _in_namespace(number):
    """Where a node runs whose home is a network namespace; whoever works with it is in one (`wan.Wan`)."""
    return {"host": f"10.77.0.{number}", "within": ["ip", "netns", "exec", f"home{number}"]}


class Cluster:
    """Some nodes with one secret, on this machine."""

    def __init__(self, binary, folder, count, first_port=FIRST_PORT, first_alone=False, wide=False):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / "secret"
        if not kept.exists():
            kept.write_text(secrets.token_hex(32))
            kept.chmod(0o600)
        secret = kept.read_text().strip()
        self.nodes = [
            Node(
                str(binary), self.folder, number, secret, first_port, waits=number > 1 or not first_alone,
                **(_in_namespace(number) if wide else {}),
            )
            for number in range(1, count + 1)
        ]

    def start(self):
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_until_up()

    def form(self, zones=None):
        """Connects the nodes and gives each a zone, one of its own unless said, unless they have a layout."""
        zones = zones or [f"home{node.number}" for node in self.nodes]
        first = self.nodes[0]
        for node in self.nodes[1:]:
            first.cli("node", "connect", node.id())
        if "No nodes currently have a role" not in first.cli("layout", "show"):
            return
        for node, zone in zip(self.nodes, zones):
            first.cli("layout", "assign", "-z", zone, "-c", "10G", node.id().split("@")[0])
        first.cli("layout", "apply", "--version", "1")
        self.wait_for_layout()

    def form_with(self, bucket):
        """Forms the cluster and makes a bucket that its access key may do everything with: (id, secret)."""
        self.form()
        key, secret = self.key()
        self.nodes[0].cli("bucket", "create", bucket)
        self.nodes[0].cli("bucket", "allow", bucket, "--read", "--write", "--owner", "--key", key)
        return key, secret

    def wait_for_layout(self):
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        for node in self.nodes:
            while "Current cluster layout version: 0" in node.cli("layout", "show"):
                if time.monotonic() > deadline:
                    raise HomeFailed(f"the layout does not reach node {node.number}")
                time.sleep(0.2)

    def key(self, name="play"):
        """The access key of this name, made if it is not there: (id, secret)."""
        first = self.nodes[0]
        if first.try_cli("key", "info", name).returncode != 0:
            first.cli("key", "create", name)
            first.cli("key", "allow", "--create-bucket", name)
        lines = first.cli("key", "info", name, "--show-secret").splitlines()
        return lines[1].split()[-1], lines[3].split()[-1]

    def stop(self):
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.process.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()
