"""Starts, kills and measures one real server process for the client tests.

Why: every test outside the crates speaks to the binary that users run, on free ports, in a folder
of its own, with a key that is made for the run. Times are in seconds, memory in KiB.
"""

import http.client
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
# A start that takes longer than this is a failure; the promise is 0.15 s on an idle machine.
START_LIMIT_S = 30
ROOT_DOMAIN = "s3.localhost"
WEB_DOMAIN = "web.localhost"


def default_binary():
    """The binary that `script/test` builds."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    return pathlib.Path(os.environ.get("GARAGE_BIN", target / "fast" / "garage"))


def free_port():
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server on one data folder; `start` and `kill` may alternate as often as a test likes."""

    def __init__(self, binary, folder, peer=False, bucket="first-bucket", extra_config="", extra_args=()):
        self.binary, self.folder, self.peer = pathlib.Path(binary), pathlib.Path(folder), peer
        self.key_id = "GK" + secrets.token_hex(12)
        self.secret = secrets.token_hex(32)
        self.bucket, self.extra_args = bucket, list(extra_args)
        self.s3_port, self.admin_port, self.rpc_port = free_port(), free_port(), free_port()
        self.web_port = free_port()
        self.region = "us-east-1"
        self.process, self.start_seconds = None, None
        self.wrapper = []  # a command in front, such as strace
        self.around = {}  # what it finds in its environment beside the rest
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path = self.folder / "server.log"
        self.config_path = self.folder / "config.toml"
        self.config_path.write_text(self._config(extra_config))

    def _config(self, extra_config):
        top, api = "", ""
        if self.peer:
            # Upstream Garage 2.5 needs these; ours has them from the first start on.
            top = f'replication_factor = 1\nrpc_secret = "{secrets.token_hex(32)}"\n'
            top += f'rpc_bind_addr = "127.0.0.1:{self.rpc_port}"\nrpc_public_addr = "127.0.0.1:{self.rpc_port}"\n'
            api = f's3_region = "{self.region}"\n'
        return (
            f'metadata_dir = "{self.folder}/meta"\ndata_dir = "{self.folder}/data"\n{top}{extra_config}\n'
            f'[s3_api]\napi_bind_addr = "127.0.0.1:{self.s3_port}"\nroot_domain = ".{ROOT_DOMAIN}"\n{api}\n'
            f'[s3_web]\nbind_addr = "127.0.0.1:{self.web_port}"\nroot_domain = ".{WEB_DOMAIN}"\n\n'
            f'[admin]\napi_bind_addr = "127.0.0.1:{self.admin_port}"\n'
        )

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.s3_port}"

    def environment(self):
        env = dict(os.environ)
        env.update(
            GARAGE_DEFAULT_ACCESS_KEY=self.key_id,
            GARAGE_DEFAULT_SECRET_KEY=self.secret,
            GARAGE_DEFAULT_BUCKET=self.bucket,
            GARAGE_CONFIG_FILE=str(self.config_path),
            **self.around,
        )
        return env

    def command(self):
        args = self.wrapper + [str(self.binary), "-c", str(self.config_path), "server"]
        if self.peer:
            args += ["--single-node", "--default-access-key", "--default-bucket"]
        return args + self.extra_args

    def start(self):
        """Starts the process and returns when it is healthy; raises with the log's end if it is not."""
        begin = time.monotonic()
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env=self.environment(), start_new_session=True,
        )
        log.close()
        while time.monotonic() - begin < START_LIMIT_S:
            if self.process.poll() is not None:
                raise RuntimeError(f"server exited with {self.process.returncode}:\n{self.log_tail()}")
            if self._healthy():
                self.start_seconds = time.monotonic() - begin
                return self
            time.sleep(0.005)
        self.kill()
        raise RuntimeError(f"server not healthy after {START_LIMIT_S} s:\n{self.log_tail()}")

    def _healthy(self):
        """The S3 port answers HTTP, and `/health` of the admin API says 200 where that API listens."""
        try:
            if _http_status(self.s3_port, "/") <= 0:
                return False
        except (OSError, http.client.HTTPException):
            return False
        try:
            return _http_status(self.admin_port, "/health") == 200
        except ConnectionRefusedError:
            # S3 listens last of all; a node without an admin API is as healthy as it gets.
            return not self.peer
        except (OSError, http.client.HTTPException):
            return False

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def state(self):
        """How the process is, in words."""
        if self.process is None:
            return "server not running"
        code = self.process.poll()
        return "server running" if code is None else f"server ended with {code}"

    def server_pid(self):
        """The pid of the server itself, also when a wrapper such as strace runs it."""
        if not self.wrapper:
            return self.process.pid
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def kill(self):
        """kill -9, as a crash would; returns when the process is gone."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None

    def stop(self):
        """An orderly end (SIGTERM), then kill -9 if that takes more than 20 s; returns the exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            code = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9
        self.process = None
        return code

    def rss_kib(self, field="VmRSS"):
        """Memory in use now (`VmRSS`) or at most so far (`VmHWM`)."""
        return memory_kib(self.server_pid(), field)

    def log_tail(self, lines=30):
        if not self.log_path.exists():
            return "(no log)"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])


def memory_kib(pid, field):
    """Memory of a process, by its name in `/proc/PID/status`."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def _http_status(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
