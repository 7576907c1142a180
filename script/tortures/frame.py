"""What the long runs share: arguments, seed, commit, the server under test, printed figures, the verdict.

A run is a module with `run(frame)`, and `options(parser)` if it has options of its own. It states what must
hold with `frame.demand(...)` and prints what it measured with `frame.figure(...)`.
"""

import argparse
import hashlib
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from botocore.exceptions import HTTPClientError
from home import Home, Skip
from server import PROJECT, Server, default_binary

EXIT_MISSED, EXIT_CANNOT_RUN = 1, 77
# A virtual machine that is suspended in a long run may come back with its connections reset. So few requests
# may be made again; more would be the server's doing.
CONNECTIONS_LOST_MAX = 5


class Tee:
    """Standard output that is also kept in a file."""

    def __init__(self, path):
        self.file, self.out = open(path, "w"), sys.stdout

    def write(self, text):
        self.out.write(text)
        self.file.write(text)

    def flush(self):
        self.out.flush()
        self.file.flush()


class Frame:
    """One run: its arguments, its random numbers, its folder and its verdict."""

    def __init__(self, name, what, words):
        self.name, self.what, self.words, self.missed = name, what, words, []
        self.started, self.servers, self.connections_lost = time.monotonic(), [], []

    def run(self, module):
        parser = argparse.ArgumentParser(prog=f"script/torture {self.name}", description=self.what)
        parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="for the same choices again")
        parser.add_argument("--binary", default=str(default_binary()), help="the server under test")
        parser.add_argument("--peer", action="store_true", help="the binary is upstream Garage 2.5")
        parser.add_argument("--keep", action="store_true", help="keep the folder of the run")
        getattr(module, "options", lambda _: None)(parser)
        self.options = parser.parse_args(self.words)
        self.random = random.Random(self.options.seed)
        logs = PROJECT / ".work" / "torture"
        logs.mkdir(parents=True, exist_ok=True)
        sys.stdout = Tee(logs / f"{self.name}.log")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"torture-{self.name}-", dir=PROJECT / ".work"))
        try:
            return self._judged(module)
        finally:
            for server in self.servers:
                server.kill()
            if self.options.keep:
                print(f"kept {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _judged(self, module):
        print(f"torture {self.name}: {self.what}")
        print(f"seed {self.options.seed}, commit {commit()}, binary {self.options.binary}", flush=True)
        try:
            if not pathlib.Path(self.options.binary).exists():
                raise Skip(f"no server binary at {self.options.binary}: script/test --only build")
            module.run(self)
        except Skip as reason:
            print(f"SKIP {self.name}: {reason}", flush=True)
            return EXIT_CANNOT_RUN
        except Exception as error:  # whatever stopped the run, it was not met
            traceback.print_exc()
            self.missed.append(f"{type(error).__name__}: {error}")
            for server in self.servers:
                print(f"--- {server.state()}; end of {server.log_path}\n{server.log_tail()}")
        if self.connections_lost:
            self.figure("connections lost beside a live server", len(self.connections_lost))
            self.demand(len(self.connections_lost) <= CONNECTIONS_LOST_MAX, f"connections stay: {self.connections_lost[:3]}")
        for text in self.missed:
            print(f"missed: {text}")
        verdict = "FAIL" if self.missed else "PASS"
        print(f"{verdict} {self.name} ({time.monotonic() - self.started:.0f} s, seed {self.options.seed})", flush=True)
        return EXIT_MISSED if self.missed else 0

    def server(self, folder=None, **settings):
        """A server that is not yet started; it is killed at the end of the run whatever happens."""
        server = Server(self.options.binary, folder or self.folder / f"server-{len(self.servers)}",
                        peer=self.options.peer, **settings)
        self.servers.append(server)
        return server

    def home(self, server):
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return Home(server, work)

    def patiently(self, call):
        """What a request returns that may be repeated; one that lost its connection is made again, and counted."""
        while True:
            try:
                return call()
            except HTTPClientError as error:
                self.connections_lost.append(f"{time.strftime('%H:%M:%S')} {error}")
                if len(self.connections_lost) > CONNECTIONS_LOST_MAX:
                    raise

    def figure(self, name, value):
        print(f"  {name:<44} {value}", flush=True)

    def demand(self, condition, what):
        """States a promise; a broken one makes the run fail but lets it go on."""
        if not condition:
            print(f"  MISSED: {what}", flush=True)
            self.missed.append(what)

    def bytes(self, size_bytes):
        return self.random.randbytes(size_bytes)


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def digest(body):
    return hashlib.sha256(body).hexdigest()


def three_over(trials):
    """The rule of three: no failure in N trials bounds the true rate below 3/N at 95 %."""
    return f"< {300 / trials:.3g} % at 95 % confidence" if trials else "nothing was tried"


class Background:
    """A thread that ends with the run; `stop` waits for it and raises what it raised."""

    def __init__(self, work):
        self.error, self.work = None, work
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.work()
        except Exception as error:  # shown to whoever waits
            self.error = error

    def alive(self):
        return self.thread.is_alive()

    def join(self, timeout_s=None):
        self.thread.join(timeout_s)
        if self.error:
            raise self.error
