"""A real tree backed up with restic and with rclone while the server is killed -9 again and again.

The tree has at least 10 000 files and 2 GB. A client that gives up because its server was away is started
again, as a person would. At the end everything is restored and compared with `diff -r`.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

from home import Skip

RESTIC = "/usr/bin/restic"
# A client may be started this often before the run counts as missed.
TRIES = 12


def options(parser):
    parser.add_argument("--files", type=int, default=10500)
    parser.add_argument("--mib", type=int, default=2100)
    parser.add_argument("--kills", type=int, default=5, help="per client")
    parser.add_argument("--clients", default="restic,rclone")


def run(frame):
    tree = frame.folder / "tree"
    count, size_bytes = make_tree(tree, frame.options, frame.options.seed)
    frame.figure("files in the tree", count)
    frame.figure("bytes in the tree", f"{size_bytes:,}")
    frame.demand(count >= frame.options.files and size_bytes >= frame.options.mib * 10**6, "the tree is as large as asked")
    for name in filter(None, frame.options.clients.split(",")):
        _one_client(frame, CLIENTS[name], name, tree, size_bytes)


def make_tree(tree, wanted, seed):
    """Many small files of text and noise, some large ones, odd names, and repeated content."""
    numbers = random.Random(seed)
    small = wanted.files - 20
    large_bytes = (wanted.mib * 1024 * 1024 - small * 20000) // 20
    for number in range(small):
        folder = tree / f"folder {number % 97}" / f"sub-{number % 11}"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"file {number} ü.txt" if number % 10 == 0 else f"file-{number}.bin"
        size_bytes = numbers.randrange(0, 40000)
        body = (f"line {number}\n" * (size_bytes // 8)).encode() if number % 3 == 0 else numbers.randbytes(size_bytes)
        (folder / name).write_bytes(body)
    repeated = numbers.randbytes(1 << 20)
    for number in range(20):
        with open(tree / f"large-{number}.bin", "wb") as file:
            left = max(large_bytes, 1 << 20) + number
            while left > 0:
                piece = repeated if number % 7 == 6 else numbers.randbytes(min(left, 1 << 20))
                file.write(piece[:left])
                left -= len(piece)
    sizes = [path.stat().st_size for path in tree.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


class Restic:
    """A repository in its own bucket."""

    def __init__(self, frame, server):
        if not pathlib.Path(RESTIC).exists():
            raise Skip("restic is not installed (script/test --install-clients)")
        self.env = dict(os.environ, AWS_ACCESS_KEY_ID=server.key_id, AWS_SECRET_ACCESS_KEY=server.secret,
                        AWS_DEFAULT_REGION=server.region, RESTIC_PASSWORD="only for this run",
                        RESTIC_CACHE_DIR=str(frame.folder / "cache"))
        self.turn_to(server.endpoint)
        self.frame, self.restored = frame, frame.folder / "restored-restic"
        _must(self, "init")

    def turn_to(self, endpoint):
        self.env["RESTIC_REPOSITORY"] = f"s3:{endpoint}/restic/repo"

    def command(self, *words):
        return [RESTIC, "--quiet", *map(str, words)]

    def backup(self, tree):
        # A killed client or server may leave a lock behind; removing it is what restic's manual says.
        return [self.command("unlock"), self.command("backup", tree)]

    def restore(self, tree):
        self.same_as = pathlib.Path(f"{self.restored}{tree}")
        return [self.command("check", "--read-data-subset=10%"), self.command("restore", "latest", "--target", self.restored)]


class Rclone:
    """A plain copy in its own bucket."""

    def __init__(self, frame, server):
        program = pathlib.Path(sys.prefix) / "bin" / "rclone"
        if not program.exists():
            raise Skip("rclone is not installed: script/test --only setup")
        self.env = dict(os.environ, RCLONE_CONFIG="/dev/null", RCLONE_CONFIG_S_TYPE="s3", RCLONE_CONFIG_S_PROVIDER="Other",
                        RCLONE_CONFIG_S_ACCESS_KEY_ID=server.key_id, RCLONE_CONFIG_S_SECRET_ACCESS_KEY=server.secret,
                        RCLONE_CONFIG_S_REGION=server.region)
        self.turn_to(server.endpoint)
        self.program, self.frame, self.restored = program, frame, frame.folder / "restored-rclone"
        _must(self, "mkdir", "S:rclone")

    def turn_to(self, endpoint):
        self.env["RCLONE_CONFIG_S_ENDPOINT"] = endpoint

    def command(self, *words):
        return [str(self.program), *map(str, words)]

    def backup(self, tree):
        return [self.command("sync", tree, "S:rclone/copy")]

    def restore(self, tree):
        self.same_as = self.restored
        return [self.command("check", tree, "S:rclone/copy"), self.command("sync", "S:rclone/copy", self.restored)]


CLIENTS = {"restic": Restic, "rclone": Rclone}


def _must(client, *words):
    subprocess.run(client.command(*words), env=client.env, check=True, stdin=subprocess.DEVNULL)


class Killer(threading.Thread):
    """Kills the server each time it stored a further share of the tree, until the number of kills is reached."""

    def __init__(self, server, kills, share_bytes):
        super().__init__(daemon=True)
        self.server, self.kills, self.share_bytes = server, kills, share_bytes
        self.done, self.ended, self.error = 0, threading.Event(), None

    def run(self):
        try:
            next_kill = stored(self.server) + self.share_bytes
            while self.done < self.kills and not self.ended.wait(0.1):
                if stored(self.server) >= next_kill:
                    self.server.kill()
                    self.done += 1
                    time.sleep(0.5)
                    self.server.start()
                    next_kill = stored(self.server) + self.share_bytes
        except Exception as error:  # shown by the run
            self.error = error


def stored(server):
    """Bytes below the server's folder, as the disk counts them."""
    total = 0
    for folder, _, names in os.walk(server.folder):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass  # removed in the meantime
    return total


def _one_client(frame, kind, name, tree, size_bytes):
    server = frame.server().start()
    client = kind(frame, server)
    killer = Killer(server, frame.options.kills, size_bytes // (frame.options.kills + 2))
    begin = time.monotonic()
    killer.start()
    tries = until_done(frame, client, client.backup(tree))
    killer.ended.set()
    killer.join()
    if killer.error:
        raise killer.error
    frame.figure(f"{name}: backed up in", f"{time.monotonic() - begin:.0f} s, {killer.done} kills, {tries} runs of the client")
    frame.demand(killer.done >= frame.options.kills, f"{name}: the server was killed {frame.options.kills} times on the way")
    begin = time.monotonic()
    until_done(frame, client, client.restore(tree))
    different = subprocess.run(["diff", "-r", tree, client.same_as], capture_output=True, text=True)
    lines = different.stdout.splitlines() + different.stderr.splitlines()
    frame.figure(f"{name}: restored in", f"{time.monotonic() - begin:.0f} s, diff -r prints {len(lines)} lines")
    frame.figure(f"{name}: stored", f"{stored(server):,} bytes, server at most {server.rss_kib('VmHWM') // 1024} MiB of memory")
    frame.demand(different.returncode == 0, f"{name}: what was restored is what was backed up: {lines[:3]}")
    server.kill()
    shutil.rmtree(server.folder / "data", ignore_errors=True)
    shutil.rmtree(client.restored, ignore_errors=True)


def until_done(frame, client, commands):
    """Runs each command until it succeeds; returns how many runs the last one took."""
    for command in commands:
        for run_number in range(1, TRIES + 1):
            done = subprocess.run(command, env=client.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode == 0:
                break
            print(f"  run {run_number} of `{' '.join(command[:3])}` ended with {done.returncode}: {done.stderr.strip()[-200:]}", flush=True)
        else:
            raise RuntimeError(f"`{' '.join(command[:3])}` failed {TRIES} times: {done.stderr[-800:]}")
    return run_number
