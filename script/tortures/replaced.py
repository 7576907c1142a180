"""A backup while a home dies and another machine takes its place: restic and rclone never notice more than a pause.

Three homes; the client works through the first. After a third of the tree is stored the third home is killed
for good; after another part a new machine is given its place, and fills while the backup goes on. At the end
everything is restored and compared, through each home that is left.
"""

import shutil
import signal
import subprocess
import threading
import time

from backup import CLIENTS, make_tree, stored, until_done
from growing import stands_alone
from several import Several
from three_homes import figures

FILLED_WITHIN_S = 600


def options(parser):
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--mib", type=int, default=500)
    parser.add_argument("--clients", default="restic,rclone")


def run(frame):
    tree = frame.folder / "tree"
    count, size_bytes = make_tree(tree, frame.options, frame.options.seed)
    frame.figure("files, bytes in the tree", f"{count}, {size_bytes:,}")
    for name in filter(None, frame.options.clients.split(",")):
        with Several(frame, 4, name) as homes:
            one_client(frame, homes, name, tree, size_bytes)
        shutil.rmtree(homes.cluster.folder)


def one_client(frame, homes, name, tree, size_bytes):
    new = homes.nodes.pop()
    homes.start_all()
    homes.nodes.append(new)
    first, _, dead, _ = homes.nodes
    client = CLIENTS[name](frame, Home(homes, first))
    change = Replacement(first, dead, new, size_bytes)
    begin = time.monotonic()
    change.start()
    tries = until_done(frame, client, client.backup(tree))
    backed_up = time.monotonic()
    change.join()
    if change.error:
        raise change.error
    frame.figure(f"{name}: backed up in", f"{backed_up - begin:.0f} s, {tries} runs of the client")
    frame.figure(f"{name}: killed, given its place, filled after", ", ".join(f"{at - begin:.0f} s" for at in change.times))
    frame.figure(f"{name}: the new home took over, MiB", f"{change.moved_bytes / (1 << 20):.0f}, {change.blocks:.0f} blocks among it")
    frame.demand(tries == 1, f"{name}: the client is not started again")
    frame.demand(change.times[1] < backed_up, f"{name}: the home is replaced while the backup runs")
    for through in [first, new]:
        client.turn_to(through.endpoint)
        begin = time.monotonic()
        until_done(frame, client, client.restore(tree))
        different = subprocess.run(["diff", "-r", tree, client.same_as], capture_output=True, text=True)
        lines = different.stdout.splitlines() + different.stderr.splitlines()
        words = f"{time.monotonic() - begin:.0f} s, diff -r prints {len(lines)} lines"
        frame.figure(f"{name}: restored through home {through.number} in", words)
        frame.demand(different.returncode == 0, f"{name}: what was restored is what was backed up: {lines[:3]}")
        shutil.rmtree(client.restored, ignore_errors=True)


class Home:
    """One home as a client of `backup` sees a server."""

    region = "garage"

    def __init__(self, homes, node):
        self.endpoint, self.key_id, self.secret = node.endpoint, homes.key, homes.secret


class Replacement(threading.Thread):
    """Kills one home for good and gives its place to a new machine, each when a further part of the tree is stored."""

    def __init__(self, first, dead, new, size_bytes):
        super().__init__(daemon=True)
        self.first, self.dead, self.new, self.size_bytes = first, dead, new, size_bytes
        self.dead_id = dead.id().split("@")[0]
        self.times, self.error, self.moved_bytes, self.blocks = [], None, 0, 0

    def run(self):
        try:
            self.wait_until_stored(0.3)
            self.dead.stop(signal.SIGKILL)
            self.times.append(time.monotonic())
            self.wait_until_stored(0.5)
            self.replace()
            self.times.append(time.monotonic())
            self.wait_until_filled()
            self.times.append(time.monotonic())
            told = figures(self.new)
            self.moved_bytes, self.blocks = told["garage_sync_bytes_total"], told["garage_sync_blocks_total"]
        except Exception as error:  # shown by the run
            self.error = error

    def wait_until_stored(self, share):
        while stored(self.first) < share * self.size_bytes:
            time.sleep(0.2)

    def replace(self):
        self.new.start()
        self.new.wait_until_up()
        self.first.cli("node", "connect", self.new.id())
        new_id = self.new.id().split("@")[0]
        self.first.cli("layout", "assign", "-z", "home3", "-c", "10G", "--replace", self.dead_id, new_id)
        self.first.cli("layout", "apply", "--version", "2")

    def wait_until_filled(self):
        deadline = time.monotonic() + FILLED_WITHIN_S
        for node in [self.first, self.new]:
            while not stands_alone(node, 2):
                if time.monotonic() > deadline:
                    raise AssertionError(node.cli("layout", "show"))
                time.sleep(0.5)
