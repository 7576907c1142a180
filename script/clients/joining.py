"""Joining by invitation: real processes, each with no more configuration than its ports and folders."""

import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from home import equal
from homes import Node, free_ports
from suite import Suite

SUITE = Suite("joining")
SHOWN_WITHIN_S = 60
# A refusal is answered at once, after a second's pause for a wrong token.
ENDS_WITHIN_S = 20


class Machine(Node):
    """A machine on which nothing was set up."""

    def __init__(self, binary, folder, number, first_port, extra=""):
        folder = Path(folder)
        config = folder / f"node{number}" / "garage.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        base = first_port + 10 * number
        config.write_text(
            f'metadata_dir = "{config.parent}/meta"\ndata_dir = "{config.parent}/data"\n{extra}'
            f'rpc_bind_addr = "127.0.0.1:{base + 1}"\n[s3_api]\napi_bind_addr = "127.0.0.1:{base}"\n'
            f'[admin]\napi_bind_addr = "127.0.0.1:{base + 3}"\n'
        )
        super().__init__(binary, folder, number, "", first_port)

    def command(self, *flags):
        return [self.binary, "-c", str(self.config), "server", *flags]

    def start(self, *flags):
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(self.command(*flags), stdout=log, stderr=log, start_new_session=True)
        self.wait_until_up()

    def fails_to_start(self, *flags):
        """What a start that must fail complains about."""
        done = subprocess.run(self.command(*flags), capture_output=True, text=True, timeout=ENDS_WITHIN_S)
        assert done.returncode == 1, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stderr

    def invite(self, *flags):
        return json.loads(self.cli("node", "invite", *flags, "--output", "json"))["code"]

    def waiting(self):
        """The nodes that wait, by the zone they ask for."""
        nodes = json.loads(self.cli("json-api", "GetClusterStatus"))["nodes"]
        return {node["waiting"]["zone"]: node["id"] for node in nodes if node.get("waiting") and node["isUp"]}

    def wait_for_waiting(self, zones):
        _wait(lambda: set(self.waiting()) == zones, f"node {self.number} sees {zones} wait", self.waiting)

    def layout(self):
        return json.loads(self.cli("json-api", "GetClusterLayout"))


class Machines:
    """Some machines; all processes are killed at the end."""

    def __init__(self, home, count, extra_of_first=""):
        self.folder = tempfile.mkdtemp(prefix="garage-joining-")
        port = free_ports()
        extras = [extra_of_first] + [""] * (count - 1)
        binary = str(home.server.binary)
        self.all = [Machine(binary, self.folder, i + 1, port, extra) for i, extra in enumerate(extras)]

    def __enter__(self):
        return self.all

    def __exit__(self, *_):
        for machine in self.all:
            machine.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def _wait(is_so, what, shown=lambda: ""):
    deadline = time.monotonic() + SHOWN_WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, f"not within {SHOWN_WITHIN_S} s: {what}; {shown()}"
        time.sleep(0.1)


def _contains(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


@SUITE.case("three machines from nothing: invite, join, and all homes show who waits")
def from_nothing(home):
    with Machines(home, 4) as (first, second, third, late):
        first.start()
        printed = first.cli("node", "invite", "--zone", "parents")
        _contains(printed, "holds for", "Zone: parents", f"127.0.0.1:{first.rpc_port}", "Only machines in this home")
        code = re.search(r"garage server --join (\S+)", printed).group(1)
        second.start("--join", code)
        first.wait_for_waiting({"parents"})
        # The code is used; another has a free zone, also one that a newcomer makes.
        _contains(late.fails_to_start("--join", code), "used by another node", "garage node invite")
        third.start("--join", second.invite())
        for machine in (first, second, third):
            machine.wait_for_waiting({"parents", "home2"})
        shown = first.cli("status")
        _contains(shown, "NO ROLE ASSIGNED", "NODES WAITING FOR APPROVAL", "garage node approve --all")
        # Neither has made a bucket, a key or a layout of its own.
        equal(json.loads(first.cli("json-api", "GetClusterStatus"))["layoutVersion"], 1, "layout")
        _wait(lambda: third.layout()["version"] == 1, "the layout of the first home reaches the third")
        equal([role["zone"] for role in third.layout()["roles"]], ["home"], "roles")
        _contains(second.try_cli("node", "approve").stderr, "2 nodes wait", "--all")
        refused = second.try_cli("node", "approve", "--all")
        assert refused.returncode == 1, "a script must say --yes, or the data must be moved first"
        approved = second.try_cli("node", "approve", "--all", "--yes")
        equal(approved.returncode, 0, f"approving: {approved.stderr}")
        _contains(approved.stdout, "ersion 2")
        for machine in (first, second, third):
            _wait(lambda m=machine: m.layout()["version"] == 2, f"version 2 reaches node {machine.number}", approved.stdout.strip)
            equal(machine.layout()["replicationFactor"], 3, "copies")
            equal(machine.waiting(), {}, "nobody waits any more")


@SUITE.case("two that wait are approved in one step, and three homes store an object")
def approved_together(home):
    with Machines(home, 3, "replication_factor = 3\n") as (first, second, third):
        first.start()
        for machine in (second, third):
            machine.start("--join", first.invite())
        first.wait_for_waiting({"home2", "home3"})
        own = first.id().split("@")[0]
        first.cli("layout", "assign", "-z", "home", "-c", "1G", own)
        _contains(first.try_cli("node", "approve", "--all").stderr, "zone home2", "keep 3 of everything", "--yes")
        _contains(first.cli("node", "approve", "--all", "--yes"), "version 1 is in force")
        for machine in (first, second, third):
            _wait(lambda m=machine: m.layout()["version"] == 1, f"the layout reaches node {machine.number}")
            equal(machine.layout()["replicationFactor"], 3, "copies")
            equal(machine.waiting(), {}, "nobody waits any more")
        _contains(first.try_cli("node", "approve").stderr, "no node waits", "garage node invite")
        third.cli("bucket", "create", "photos")
        _wait(lambda: "photos" in second.cli("bucket", "list"), "a bucket is known everywhere")
        # They met through the first home, and do not need it to reach each other.
        first.stop(signal.SIGKILL)
        made = second.try_cli("bucket", "create", "without-the-first")
        equal(made.returncode, 0, f"a bucket while the first home is dead: {made.stderr}")
        _wait(lambda: "without-the-first" in third.cli("bucket", "list"), "the other home knows it")


@SUITE.case("a node that joined starts again with the same flag, without it, and with another code")
def started_again(home):
    with Machines(home, 2) as (first, second):
        first.start()
        code = first.invite()
        second.start("--join", code)
        first.wait_for_waiting({"home2"})
        for flags in [("--join", code), (), ("--join", first.invite())]:
            second.stop(signal.SIGKILL)
            second.start(*flags)
            _wait(lambda: set(first.waiting()) == {"home2"}, f"it waits again after a start with {flags}")
        first.stop()
        # The flag does no harm to the home that invited either.
        first.start("--join", code)


@SUITE.case("wrong codes and folders of another cluster are refused, with what to do")
def refused(home):
    with Machines(home, 3) as (first, other, empty):
        first.start()
        code = first.invite()
        mistyped = code[:-1] + ("0" if code[-1] != "0" else "1")
        done = subprocess.run(empty.command("--join", mistyped), capture_output=True, text=True, timeout=ENDS_WITHIN_S)
        assert done.returncode == 2, "a code that is none is a mistake on the command line"
        _contains(done.stderr, "not an invitation", "garage node invite")
        # A code of before: the host does not know it any more.
        first.stop()
        (first.folder / "meta" / "invitations").unlink()
        first.start()
        _contains(empty.fails_to_start("--join", code), "does not know this invitation")
        assert not (empty.folder / "meta" / "rpc_secret").exists(), "it has learned nothing"
        other.start()
        other.stop()
        before = (other.folder / "meta" / "rpc_secret").read_bytes()
        _contains(other.fails_to_start("--join", first.invite()), "belongs to another cluster", "--data-dir")
        equal((other.folder / "meta" / "rpc_secret").read_bytes(), before, "the other cluster's secret")
        other.start()
        _contains(first.try_cli("node", "connect", other.id()).stderr, "another cluster", "garage node invite")
