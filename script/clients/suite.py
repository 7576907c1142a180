"""A suite is a named table of cases; a case is a function that raises when the answer is wrong."""

import time
import traceback

from home import Skip


class Suite:
    """Cases in the order they were written. `@suite.case("name")` adds one."""

    def __init__(self, name, prepare=None):
        self.name, self.cases, self.prepare = name, [], prepare

    def case(self, title):
        def add(function):
            self.cases.append((title, function))
            return function

        return add


class Cases:
    """Cases that are played in several places, such as one home and three: a case takes the place. `case = Cases()`,
    then `@case("title")` adds one."""

    def __init__(self):
        self.cases = []

    def __call__(self, title):
        def add(function):
            self.cases.append((title, function))
            return function

        return add

    def add_to(self, suite, place_of):
        """Each as a case of the suite, in the place that is made of its home."""
        for title, run in self.cases:
            suite.case(title)(lambda home, run=run: run(place_of(home)))

    def run_all(self, place):
        """All of them, one after the other, in one place."""
        for title, run in self.cases:
            try:
                run(place)
            except Exception as error:
                raise AssertionError(f"{title}: {type(error).__name__}: {error}") from error


class Report:
    """Prints one line per case and keeps the counts."""

    def __init__(self, verbose=False, only=None):
        self.passed, self.failed, self.unsteady, self.skipped = 0, [], [], []
        self.verbose, self.only = verbose, only

    def run(self, suite, home):
        """Runs one suite; a missing tool skips the whole of it, visibly."""
        begin = time.monotonic()
        try:
            heading = suite.prepare(home) if suite.prepare else ""
        except Skip as reason:
            self._skip(suite.name, "all", reason)
            return
        print(f"== {suite.name} {heading or ''}".rstrip(), flush=True)
        for title, function in suite.cases:
            if self.only is None or self.only in f"{suite.name}: {title}":
                self._run_case(suite.name, title, function, home)
        print(f"   {suite.name}: {time.monotonic() - begin:.1f} s", flush=True)

    def add(self, other):
        """What another report counted, too."""
        self.passed += other.passed
        for kept, more in ((self.failed, other.failed), (self.unsteady, other.unsteady), (self.skipped, other.skipped)):
            kept.extend(more)

    def _run_case(self, suite_name, title, function, home):
        begin = time.monotonic()
        try:
            function(home)
        except Skip as reason:
            self._skip(suite_name, title, reason)
        except Exception as error:  # a case may fail in any way; the others still run
            self._failed_once(suite_name, title, function, home, error)
        else:
            self.passed += 1
            print(f"PASS {suite_name}: {title} ({time.monotonic() - begin:.2f} s)", flush=True)

    def _failed_once(self, suite_name, title, function, home, error):
        """Runs a failed case again: one that passes then is unsteady. It is said loudly, with what the
        server logged, and is a fault to be found; it does not stop everything else."""
        print(f"FAILED ONCE {suite_name}: {title}: {type(error).__name__}: {error}", flush=True)
        print(home.server.log_tail(), flush=True)
        if self.verbose:
            traceback.print_exc()
        try:
            function(home)
        except Exception as again:
            self.failed.append(f"{suite_name}: {title}")
            print(f"FAIL {suite_name}: {title}: {type(again).__name__}: {again}", flush=True)
        else:
            self.unsteady.append(f"{suite_name}: {title}")
            print(f"UNSTEADY {suite_name}: {title}: passed when run again", flush=True)

    def _skip(self, suite_name, title, reason):
        self.skipped.append(f"{suite_name}: {title}")
        print(f"SKIP {suite_name}: {title}: {reason}", flush=True)
