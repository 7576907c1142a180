#!/usr/bin/env python3
"""Runs the real S3 clients against the real server binary and says what passed, failed or was skipped.

    run.py [suite …] [--binary FILE] [--lanes N] [--peer] [--case TEXT] [--list] [-v] [--keep]

Without names every suite runs. `--lanes` runs so many suites at a time, each lane with a server of its own. `--peer` starts the binary with the settings upstream Garage needs,
which is how the expected answers are checked against a second implementation.
"""

import argparse
import importlib
import multiprocessing
import os
import pathlib
import queue
import shutil
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
VENV_PYTHON = HERE.parents[1] / ".venv" / "bin" / "python"
sys.path.insert(0, str(HERE))

# Those that mostly wait come early, so that the lanes end together.
SUITES = [
    "crash_line", "lost_disk", "boto3_core", "lost_memory", "growing", "boto3_versions", "boto3_lock", "boto3_encryption",
    "boto3_lifecycle", "boto3_website", "boto3_events",
    "boto3_logging", "tls_", "payload_modes", "awscli_", "s3cmd_", "minio_", "rclone_", "s5cmd_",
    "restic_", "node_", "slow_lines", "five_homes", "three_homes", "operating", "forgetting", "joining",
]


def use_own_environment():
    """The clients live in the project's virtual environment; start again with its interpreter if needed."""
    if VENV_PYTHON.exists() and pathlib.Path(sys.prefix) != VENV_PYTHON.parents[1]:
        os.execv(str(VENV_PYTHON), [str(VENV_PYTHON), *sys.argv])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="suite")
    parser.add_argument("--binary", help="the server to test (default: the one script/test builds)")
    parser.add_argument("--lanes", type=int, default=1, help="suites that run at a time (default 1)")
    parser.add_argument("--peer", action="store_true", help="the binary is upstream Garage 2.5")
    parser.add_argument("--case", help="only cases whose name holds this text")
    parser.add_argument("--list", action="store_true", help="print the names of the suites and stop")
    parser.add_argument("--keep", action="store_true", help="keep the data folder and print where it is")
    parser.add_argument("-v", "--verbose", action="store_true", help="print tracebacks")
    return parser.parse_args()


def main():
    use_own_environment()
    wanted = arguments()
    if wanted.list:
        print("\n".join(SUITES))
        return 0
    unknown = [name for name in wanted.suites if name not in SUITES]
    if unknown:
        print(f"no such suite: {', '.join(unknown)}; there are: {', '.join(SUITES)}")
        return 2
    from server import default_binary

    binary = pathlib.Path(wanted.binary or default_binary())
    if not binary.exists():
        print(f"FAIL clients: no server binary at {binary}")
        return 1
    folder = pathlib.Path(tempfile.mkdtemp(prefix="garage-clients-"))
    try:
        return run_suites(wanted, binary, folder)
    finally:
        if wanted.keep:
            print(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def run_suites(wanted, binary, folder):
    """All suites in their lanes, and what came of them together."""
    from suite import Report

    begin, report = time.monotonic(), Report()
    names, reports = multiprocessing.Queue(), multiprocessing.Queue()
    for name in wanted.suites or SUITES:
        names.put(name)
    lanes = [multiprocessing.Process(target=run_lane, args=(wanted, binary, folder / f"lane-{number}", names, reports))
             for number in range(max(1, wanted.lanes))]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        # Read before it is waited for: a process does not end while its report is in the pipe.
        if (part := next_report(reports, lanes)) is None:
            report.failed.append("a lane ended without a report")
        else:
            report.add(part)
    for lane in lanes:
        lane.join()
    for name in report.failed:
        print(f"failed: {name}")
    for name in report.unsteady:
        print(f"unsteady, failed once and passed when run again: {name}")
    print(f"clients: {time.monotonic() - begin:.1f} s")
    print(f"{report.passed} passed, {len(report.failed)} failed, {len(report.unsteady)} unsteady, {len(report.skipped)} skipped")
    return 1 if report.failed or not report.passed else 0


def next_report(reports, lanes):
    """The report of some lane; none when all have ended and left none."""
    while True:
        try:
            return reports.get(timeout=1)
        except queue.Empty:
            if not any(lane.is_alive() for lane in lanes):
                return None


def run_lane(wanted, binary, folder, names, reports):
    """Takes suites as long as there are any, with a server of its own."""
    from home import Home
    from server import Server
    from suite import Report

    server, report = Server(binary, folder / "server", peer=wanted.peer), Report(verbose=wanted.verbose, only=wanted.case)
    try:
        server.start()
        print(f"server healthy after {server.start_seconds:.3f} s at {server.endpoint}", flush=True)
        home = Home(server, folder / "work")
        home.work_dir.mkdir()
        for name in iter(lambda: next_name(names), None):
            report.run(importlib.import_module(name).SUITE, home)
            if not server.alive():
                print(f"server died during {name}; starting it again\n{server.log_tail()}", flush=True)
                report.failed.append(f"{name}: server died")
                server.start()
    except Exception as error:
        print(f"FAIL clients: {error}", flush=True)
        report.failed.append(f"clients: {error}")
    finally:
        server.kill()
    reports.put(report)


def next_name(names):
    """The next suite; none when all are taken."""
    try:
        # Not `get_nowait`: what was put may still be on its way through the pipe.
        return names.get(timeout=0.5)
    except queue.Empty:
        return None


if __name__ == "__main__":
    sys.exit(main())
