"""Running command-line clients: output is kept, an unwanted exit code is an error that shows it."""

import pathlib
import shutil
import subprocess
import sys

from home import Skip

COMMAND_LIMIT_S = 300


def tool(name, *fallbacks):
    """The program of this name from the project's environment, else from the given places; else the suite is skipped."""
    own = pathlib.Path(sys.prefix) / "bin" / name
    for path in [own, *map(pathlib.Path, fallbacks)]:
        if path.exists():
            return str(path)
    raise Skip(f"{name} is not installed")


def system_tool(name, hint):
    """A program of the system (not of the project's environment)."""
    for folder in ["/usr/bin", "/usr/local/bin"]:
        if (pathlib.Path(folder) / name).exists():
            return f"{folder}/{name}"
    raise Skip(f"{name} is not installed ({hint})")


def has_node():
    return shutil.which("node")


def ask(command, home, wanted_code=0, input_bytes=None, **environment):
    """Runs a client and returns what it printed on both streams; `wanted_code=None` accepts any code."""
    done = subprocess.run(
        [str(word) for word in command], env=dict(home.tool_environment(), **environment), input=input_bytes,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_LIMIT_S, cwd=home.work_dir,
    )
    text = done.stdout.decode(errors="replace")
    if wanted_code is not None and done.returncode != wanted_code:
        raise AssertionError(f"exit {done.returncode}, wanted {wanted_code}: {' '.join(map(str, command))}\n{text[-1500:]}")
    return text
