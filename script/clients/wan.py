"""Homes far from each other: network namespaces of this machine, and a switch that delays and drops packets (`script/wan`)."""

import ctypes
import os
import pathlib
import shutil
import subprocess

from home import Skip
from server import PROJECT

SOURCE = PROJECT / "script" / "wan"
# From the kernel's sched.h.
CLONE_NEWNET = 0x40000000


class Wan:
    """The namespaces `home1` to `homeN` as long as it is entered.

    Whoever enters it is in one of them from then on, the first unless said, and so are the threads it starts: their
    clients reach each home, their own without delay. Of all packets the given share is lost, in percent; each home sends
    at most `mbit` million bits a second."""

    def __init__(self, homes, rtt_ms, loss=0, inside=1, mbit=None):
        self.words = ["--nodes", str(homes), "--rtt", str(rtt_ms), "--loss", str(loss)]
        self.words += ["--mbit", str(mbit)] if mbit else []
        self.inside = inside

    def __enter__(self):
        if os.geteuid() != 0 or not pathlib.Path("/dev/net/tun").exists() or shutil.which("ip") is None:
            raise Skip("network namespaces need root, /dev/net/tun and the command ip")
        subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=SOURCE, check=True)
        self.switch = subprocess.Popen(
            [SOURCE / "target" / "release" / "wan", *self.words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        if self.switch.stdout.readline() != "ready\n":
            raise Skip("the network namespaces could not be made")
        self.outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        home = os.open(f"/var/run/netns/home{self.inside}", os.O_RDONLY)
        _enter(home)
        os.close(home)
        return self

    def __exit__(self, *_):
        _enter(self.outside)
        os.close(self.outside)
        self.switch.terminate()
        self.switch.wait()

    def cut(self, home):
        """Loses all that this home sends and receives, from the return of this call on."""
        self._say(f"cut {home}")

    def join(self, home):
        self._say(f"join {home}")

    def _say(self, line):
        self.switch.stdin.write(line + "\n")
        self.switch.stdin.flush()
        assert self.switch.stdout.readline() == line + "\n", "the switch does not obey"


def _enter(namespace):
    """Takes the calling thread there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
