"""Applications that people keep their data with, against three homes, as they are installed from their registries.

Each application is one program in `applications/`; it states what must hold and prints what it did. Those in Python
run in an environment of their own (`.work/applications`, from `applications/requirements.txt`), and those that need TLS or
a bad network start homes of their own (`_own_homes.py`). What comes from
Debian is used when it is installed; `--install` installs it (needs root). What is missing is a visible SKIP.
"""

import os
import pathlib
import subprocess
import time
import venv

from several import Several
from server import PROJECT

PROGRAMS = pathlib.Path(__file__).resolve().parent / "applications"
ENVIRONMENT = PROJECT / ".work" / "applications"
LIMIT_S = 600
EXIT_SKIP = 77
DEBIAN = ["docker-registry", "skopeo", "pgbackrest", "postgresql", "nginx-light", "caddy", "chromium", "restic"]
CLIENTS = PROJECT / "script" / "clients"
# rclone comes with the suites' environment; some of Debian's servers lie where only root looks.
PATH = f"{os.environ['PATH']}:{PROJECT / '.venv' / 'bin'}:/usr/sbin"


def options(parser):
    parser.add_argument("--only", default="", help="only these applications, separated by commas")
    parser.add_argument("--install", action="store_true", help="Debian's programs too (needs root)")


def run(frame):
    if frame.options.install:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *DEBIAN], check=True)
    python = environment()
    wanted = [name for name in frame.options.only.split(",") if name]
    programs = sorted(path for path in PROGRAMS.glob("[a-z]*.py") if not wanted or path.stem in wanted)
    frame.demand(len(programs) >= len(wanted), f"there are applications of these names: {wanted}")
    with Several(frame, 3) as homes:
        homes.start_all()
        for program in programs:
            one_application(frame, homes, python, program)


def environment():
    """The Python that has the applications' packages."""
    python, wanted = ENVIRONMENT / "bin" / "python", (PROGRAMS / "requirements.txt").read_text()
    stamp = ENVIRONMENT / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", "-r", PROGRAMS / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    return python


def one_application(frame, homes, python, program):
    """Each gets a bucket of its own, and a folder; a SKIP says why."""
    name = program.stem
    bucket, folder = f"app-{name.replace('_', '-')}", frame.folder / name
    folder.mkdir()
    homes.s3[0].create_bucket(Bucket=bucket)
    described = {
        "ENDPOINTS": ",".join(node.endpoint for node in homes.nodes), "BUCKET": bucket, "FOLDER": str(folder),
        "AWS_ACCESS_KEY_ID": homes.key, "AWS_SECRET_ACCESS_KEY": homes.secret, "AWS_DEFAULT_REGION": "garage",
        "GARAGE": str(frame.options.binary), "GARAGE_CONFIG_FILES": ",".join(str(node.config) for node in homes.nodes),
        # Botocore adds a checksum to every request since 2025; that is what people have.
        "PATH": PATH, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(CLIENTS),
        # What builds the network of `wan.Wan`, since HOME is another here.
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(pathlib.Path.home() / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(pathlib.Path.home() / ".rustup")),
        "WEB_PORTS": ",".join(str(node.web_port) for node in homes.nodes),
    }
    begin = time.monotonic()
    done = subprocess.run([python, program], env=described, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
    said = (done.stdout + done.stderr).strip()
    if done.returncode == EXIT_SKIP:
        print(f"  SKIP {name}: {said.splitlines()[-1]}", flush=True)
        return
    frame.demand(done.returncode == 0, f"{name} does what it does elsewhere:\n{said[-4000:]}")
    if done.returncode == 0:
        frame.figure(f"{name} ({time.monotonic() - begin:.0f} s)", "; ".join(done.stdout.strip().splitlines()))
